"""``status.yaml``: the part of a release that git must store and that is in no manifest.

The document has the Rollout's status under its own field names, the revision, the time at which each step was reached,
and the creation time of each ReplicaSet.  It leaves out what a cluster counts (replicas, ready and available pods):
in git that follows from the rendered manifests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct, field

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, FieldPath, ObjectKey, Source, field_path, is_equal_but
from renderer.kubernetes.times import format_time, parse_time
from renderer.kubernetes.yaml.shape import (
    BOOLEAN,
    COUNT,
    POSITIVE,
    TEXT,
    TIME,
    Fields,
    Items,
    Shape,
    Value,
    mismatches,
    one_of,
)
from renderer.pipeline.load.marker import for_own_files
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import CONTRACT, PHASES, SHIFT

HEADER = "# Written by rollstep: where this release stands. Change it with rollstep's commands.\n"
OMITTED_FIELDS = (
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "HPAReplicas",
    "observedGeneration",
    "workloadObservedGeneration",
    "selector",
    "conditions",
)
"""Status fields that a cluster counts, that have no meaning in git, or that follow from other fields."""

_DESTINATION = Fields({"weight": COUNT, "serviceName": TEXT, "podTemplateHash": TEXT}, frozenset({"weight"}))
_WEIGHTS = Fields(
    {"canary": _DESTINATION, "stable": _DESTINATION, "additional": Items(_DESTINATION), "verified": BOOLEAN},
    frozenset({"canary", "stable"}),
)
_RUN = Fields({"name": TEXT, "status": TEXT, "message": TEXT}, frozenset({"name", "status"}))
STATUS_SHAPE = Fields(
    {
        "abort": BOOLEAN,
        "pauseConditions": Items(Fields({"reason": TEXT, "startTime": TIME}, frozenset({"reason", "startTime"}))),
        "controllerPause": BOOLEAN,
        "abortedAt": TIME,
        "currentPodHash": TEXT,
        "currentStepHash": TEXT,
        "currentStepIndex": COUNT,
        "collisionCount": COUNT,
        "canary": Fields(
            {
                "currentStepAnalysisRunStatus": _RUN,
                "currentBackgroundAnalysisRunStatus": _RUN,
                "currentExperiment": TEXT,
                "weights": _WEIGHTS,
                "stablePingPong": one_of("ping", "pong"),
            }
        ),
        "blueGreen": Fields(
            {
                "previewSelector": TEXT,
                "activeSelector": TEXT,
                "scaleUpPreviewCheckPoint": BOOLEAN,
                "prePromotionAnalysisRunStatus": _RUN,
                "postPromotionAnalysisRunStatus": _RUN,
            }
        ),
        "stableRS": TEXT,
        "restartedAt": TIME,
        "promoteFull": BOOLEAN,
        "phase": one_of("Healthy", "Degraded", "Progressing", "Paused"),
        "message": TEXT,
    }
)
"""The fields of a Rollout's status that git stores."""
_STEP = Fields({"revision": POSITIVE, "step": COUNT, "reachedAt": TIME}, frozenset({"revision", "step", "reachedAt"}))
_REPLICA_SET = Fields({"createdAt": TIME, "replicas": COUNT, "availableReplicas": COUNT}, frozenset({"createdAt"}))
_OBJECT_KEY = Value("GROUP/KIND/NAMESPACE/NAME", lambda value: isinstance(value, str) and value.count("/") == 3)
_FIELDS: Mapping[str, Shape] = {
    "rollout": TEXT,
    "revision": POSITIVE,
    "lastUpdateTime": TIME,
    "status": STATUS_SHAPE,
    "steps": Items(_STEP),
    "replicaSets": Items(_REPLICA_SET, named=True),
    "phase": one_of(*PHASES),
    "phaseLeft": one_of(*PHASES),
    "waves": Fields({phase: Items(_OBJECT_KEY) for phase in (SHIFT, CONTRACT)}),
}
_STATE_SHAPE = Fields(_FIELDS, frozenset(_FIELDS) - {"phase", "phaseLeft", "waves"})


class ReachedStep(Struct, frozen=True):
    """A step (``currentStepIndex``) of a revision, and the time at which the revision reached it (UTC)."""

    revision: int
    step: int
    reached_at: datetime


class State(Struct, frozen=True, eq=False):
    """The content of ``status.yaml``.

    ``status`` has no fields that a cluster counts.  ``created`` has the creation time of each ReplicaSet by name.
    ``available`` has the pods that a ReplicaSet had when its manifest was rendered, if they are not the number there.
    ``replicas`` has the number that the release counts with if an autoscaler owns it and the manifest has none.
    ``last_update_time`` is the time of the release's last move.  ``phase``, ``phase_left`` and ``waves`` are those of
    the world, for a step with phases.  ``source`` has the positions of the fields.
    """

    rollout: str
    revision: int
    last_update_time: datetime
    status: RolloutStatus = field(default_factory=RolloutStatus)
    steps: tuple[ReachedStep, ...] = ()
    created: Mapping[str, datetime] = field(default_factory=dict)
    available: Mapping[str, int] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)
    phase: str = ""
    phase_left: str = ""
    waves: Mapping[ObjectKey, str] = field(default_factory=dict)
    source: Source = Source(STATUS_FILE)

    def __eq__(self, other: object) -> bool:
        """Compare all fields but ``source``."""
        return is_equal_but(("source",), self, other)

    def to_dict(self) -> dict[str, Any]:
        """Return the document's content with its keys in a fixed order."""
        phase: dict[str, Any] = {"phase": self.phase} if self.phase else {}
        if self.phase_left:
            phase["phaseLeft"] = self.phase_left
        if self.waves:
            phase["waves"] = {name: _texts(self.waves, name) for name in PHASES if name in self.waves.values()}
        return {
            "rollout": self.rollout,
            "revision": self.revision,
            "lastUpdateTime": format_time(self.last_update_time),
            "status": stored_status(self.status),
            "steps": [
                {"revision": step.revision, "step": step.step, "reachedAt": format_time(step.reached_at)}
                for step in self.steps
            ],
            "replicaSets": {name: self._replica_set(name) for name in sorted(self.created)},
            **phase,
        }

    def _replica_set(self, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"createdAt": format_time(self.created[name])}
        counts = {"replicas": self.replicas, "availableReplicas": self.available}
        return entry | {field: numbers[name] for field, numbers in counts.items() if name in numbers}


def dump_state(state: State) -> str:
    """Return the text of ``status.yaml``."""
    from renderer.kubernetes.yaml.writer import dump

    return HEADER + dump(state.to_dict())


def load_state(text: str, file: str) -> State:
    """Read the text of ``status.yaml``; ``file`` names it in findings.

    Raises ``RollstepError`` with every key that is unknown, missing or of the wrong type.
    """
    from renderer.kubernetes.yaml.reader import load_documents

    try:
        documents = load_documents(text, file)
    except RollstepError as error:
        folder = PurePosixPath(file).parent.as_posix()
        raise RollstepError(for_own_files(error.findings, folder, _restore_hint(file))) from error
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise RollstepError([Finding(file, 1, 0, "", "expected one document that is a mapping", _restore_hint(file))])
    value, source = documents[0].value, documents[0].source
    findings = [damaged_field(source, path, message) for path, message in mismatches(value, _STATE_SHAPE)]
    if findings:
        raise RollstepError(sorted(findings))
    return State(
        rollout=value["rollout"],
        revision=value["revision"],
        last_update_time=parse_time(value["lastUpdateTime"]),
        status=RolloutStatus.from_dict(value["status"]),
        steps=tuple(
            ReachedStep(step["revision"], step["step"], parse_time(step["reachedAt"])) for step in value["steps"]
        ),
        created={name: parse_time(entry["createdAt"]) for name, entry in value["replicaSets"].items()},
        available=_numbers(value["replicaSets"], "availableReplicas"),
        replicas=_numbers(value["replicaSets"], "replicas"),
        phase=value.get("phase", ""),
        phase_left=value.get("phaseLeft", ""),
        waves={ObjectKey(*text.split("/")): name for name, texts in value.get("waves", {}).items() for text in texts},
        source=source,
    )


def damaged_field(source: Source, path: FieldPath, message: str) -> Finding:
    """Return the finding that a field of ``status.yaml`` is not as rollstep writes it."""
    return Finding(source.file, *source.position(path), field_path(path), message, _restore_hint(source.file))


def step_times(state: State) -> tuple[list[tuple[int, datetime]], datetime]:
    """Return each recorded step with the time at which it was reached, and the time of the release's last move."""
    return [(step.step, step.reached_at) for step in state.steps], state.last_update_time


def stored_status(status: RolloutStatus) -> Body:
    """Return the fields of ``status`` that git stores."""
    return status.to_dict(without=OMITTED_FIELDS)


def _texts(waves: Mapping[ObjectKey, str], phase: str) -> list[str]:
    return sorted("/".join(key) for key, found in waves.items() if found == phase)


def _numbers(replica_sets: Mapping[str, Mapping[str, Any]], field: str) -> dict[str, int]:
    return {name: entry[field] for name, entry in replica_sets.items() if field in entry}


def _restore_hint(file: str) -> str:
    return f"rollstep writes this file: restore it with `git checkout HEAD -- {file}`"
