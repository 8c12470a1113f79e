"""The world: everything that a release depends on, and the controller's writes to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey, is_equal_but
from renderer.rollouts.model.corrections import NO_CORRECTIONS
from renderer.rollouts.model.rollout import ReplicaSet, Rollout, find_by_hash
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.versions import DEFAULT_VERSION

SIMULATED = "NAMESPACE"
"""The namespace of the simulated cluster, as in the recorded scenarios: the only one there, whatever objects name."""


class World(Struct, frozen=True):
    """Everything that a release depends on.

    ``objects`` are those other than the Rollout and its ReplicaSets (Services, Ingresses, …); ``controller_version``
    is the controller that it follows; ``plugin_gates`` are the plugins whose steps wait for a person; ``corrections``
    are the faults of the controller that it does not share; ``experiment_since`` is the start of the current step's
    experiment.  ``autoscaler`` is the HorizontalPodAutoscaler that sets the replicas, None if the manifests do;
    ``numbered`` names ReplicaSets with replicas in spite of it.

    ``order`` splits a step into commits (``step``, ``phases`` or ``waves``); ``phase`` is the last one of the last
    commit (``expand``, ``shift``, ``contract`` or empty), and ``phase_left`` the next one if it requires a commit and
    no more pods.  ``waves`` has the phase of each object that a sync tool must apply later.

    ``is_measured`` tells that analyses are measured, and do not wait for a person; with ``holds_last_step`` the last
    step waits for the background analysis.  ``analysis_templates`` are by name and whether they are cluster-wide.
    ``analysis_runs`` are the AnalysisRuns that were measured for the release.
    """

    rollout: Rollout
    status: RolloutStatus
    replica_sets: tuple[ReplicaSet, ...]
    objects: Mapping[ObjectKey, Body]
    now: datetime
    controller_version: str = DEFAULT_VERSION
    plugin_gates: frozenset[str] = frozenset()
    corrections: frozenset[str] = NO_CORRECTIONS
    experiment_since: datetime | None = None
    autoscaler: Body | None = None
    numbered: frozenset[str] = frozenset()
    order: str = "step"
    phase: str = ""
    phase_left: str = ""
    waves: Mapping[ObjectKey, str] = field(default_factory=dict)
    is_measured: bool = False
    holds_last_step: bool = True
    analysis_templates: Mapping[tuple[str, bool], Body] = field(default_factory=dict)
    analysis_runs: tuple[Body, ...] = ()

    @property
    def in_phases(self) -> bool:
        """True if a step is split into phases: commits, or the waves of one commit."""
        return self.order != "step"

    def replica_set(self, name: str) -> ReplicaSet | None:
        """Return the ReplicaSet with the name; None if missing."""
        return next((rs for rs in self.replica_sets if rs.name == name), None)

    def replica_set_by_hash(self, pod_template_hash: str) -> ReplicaSet | None:
        """Return the ReplicaSet with the pod-template-hash; None if missing, or for an empty hash."""
        return find_by_hash(self.replica_sets, pod_template_hash)

    def with_replica_set(self, changed: ReplicaSet) -> World:
        """Return the world with a ReplicaSet added, or replaced by name."""
        sets = tuple(changed if rs.name == changed.name else rs for rs in self.replica_sets)
        if changed not in sets:
            sets = (*sets, changed)
        return replace(self, replica_sets=sets)

    def with_object(self, key: ObjectKey, body: Body) -> World:
        """Return the world with an object added or replaced."""
        return replace(self, objects={**self.objects, key: body})

    def service(self, name: str) -> Body | None:
        """Return the Service with the name in the Rollout's namespace; None if missing."""
        return self.objects.get(ObjectKey("", "Service", self.rollout.namespace, name))


class Write(Struct, frozen=True, eq=False):
    """One write of the controller.

    ``verb`` is create, update, patch or delete.  A create has ``object``; a patch has ``patch`` (a merge patch, or a
    list of JSON patch operations); a ReplicaSet's update has ``replicas``; ``after`` is the resulting object, None for
    a delete.
    """

    verb: str
    kind: str
    name: str
    object: Body | None = None
    patch: Body | list[Any] | None = None
    replicas: int | None = None
    after: Body | None = None

    def __eq__(self, other: Any) -> bool:
        """Compare all but ``after``."""
        return is_equal_but(("after",), self, other)


EXPAND, SHIFT, CONTRACT = "expand", "shift", "contract"
PHASES = (EXPAND, SHIFT, CONTRACT)
