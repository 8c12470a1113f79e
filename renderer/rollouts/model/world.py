"""TODO."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey, is_equal_but
from renderer.rollouts.model.rollout import ReplicaSet, Rollout
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.versions import DEFAULT_VERSION


class World(Struct, frozen=True):
    """All that a release depends on.

    ``objects`` holds every object other than the Rollout and its ReplicaSets that the engine may read or write
    (Services, Ingresses, …); ``controller_version`` is the controller version whose pod-template-hash is used;
    ``plugin_gates`` are the names of the plugins whose steps wait for a person; ``experiment_since`` is when the
    experiment of the current step began.  ``autoscaler`` is the HorizontalPodAutoscaler that owns the number of pods,
    None where the manifests do; ``numbered`` names the ReplicaSets whose manifests have a number all the same.

    ``order`` is how a step is cut into commits (``step``, ``phases`` or ``waves``); ``phase`` is what the last commit
    did, last of all, (``expand``, ``shift``, ``contract``, or empty), and ``phase_left`` is the phase that comes next
    where that needs no more pods, only a commit of its own.  ``waves`` has the phase of each object that a sync tool
    must not apply with the first ones.
    """

    rollout: Rollout
    status: RolloutStatus
    replica_sets: tuple[ReplicaSet, ...]
    objects: Mapping[ObjectKey, Body]
    now: datetime
    controller_version: str = DEFAULT_VERSION
    plugin_gates: frozenset[str] = frozenset()
    experiment_since: datetime | None = None
    autoscaler: Body | None = None
    numbered: frozenset[str] = frozenset()
    order: str = "step"
    phase: str = ""
    phase_left: str = ""
    waves: Mapping[ObjectKey, str] = field(default_factory=dict)

    @property
    def in_phases(self) -> bool:
        """Whether a step is cut into phases: commits of their own, or the waves of one commit."""
        return self.order != "step"

    def replica_set(self, name: str) -> ReplicaSet | None:
        """Return the ReplicaSet of that name."""
        return next((rs for rs in self.replica_sets if rs.name == name), None)

    def replica_set_by_hash(self, pod_template_hash: str) -> ReplicaSet | None:
        """Return the ReplicaSet with that pod-template-hash label; None for an empty hash."""
        if not pod_template_hash:
            return None
        return next((rs for rs in self.replica_sets if rs.pod_template_hash == pod_template_hash), None)

    def with_replica_set(self, changed: ReplicaSet) -> World:
        """Return the world with the ReplicaSet of that name replaced, or added."""
        sets = tuple(changed if rs.name == changed.name else rs for rs in self.replica_sets)
        if changed not in sets:
            sets = (*sets, changed)
        return replace(self, replica_sets=sets)

    def with_object(self, key: ObjectKey, body: Body) -> World:
        """Return the world with one object replaced, or added."""
        return replace(self, objects={**self.objects, key: body})

    def service(self, name: str) -> Body | None:
        """Return the Service of that name in the Rollout's namespace."""
        return self.objects.get(ObjectKey("", "Service", self.rollout.namespace, name))

    def ingress(self, name: str) -> Body | None:
        """Return the networking.k8s.io Ingress of that name in the Rollout's namespace."""
        return self.objects.get(ObjectKey("networking.k8s.io", "Ingress", self.rollout.namespace, name))


class Write(Struct, frozen=True, eq=False):
    """One write of the controller.

    ``verb`` is create, update, patch or delete.  A create has ``object``; a patch has ``patch`` (a merge patch, or a
    list of JSON patch operations); a ReplicaSet's update has ``replicas``; ``after`` is the object as the write leaves
    it (None for a delete).
    """

    verb: str
    kind: str
    name: str
    object: Body | None = None
    patch: Body | list[Any] | None = None
    replicas: int | None = None
    after: Body | None = None

    def __eq__(self, other: Any) -> bool:
        """Compare what is written, not what comes of it."""
        return is_equal_but(("after",), self, other)


EXPAND, SHIFT, CONTRACT = "expand", "shift", "contract"


PHASES = (EXPAND, SHIFT, CONTRACT)
