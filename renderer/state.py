"""``status.yaml``: the part of a release that has to be in git and is in no manifest.

The document holds the Rollout's status under its own field names, the revision, when each step was reached, and when
each ReplicaSet was made.  What a cluster counts (replicas, ready and available pods) is left out: in git it follows
from the rendered manifests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.manifest import Source, field_path
from renderer.model import RolloutStatus, World, format_time, parse_time
from renderer.release import kept_status

STATUS_FILE = "status.yaml"
HEADER = "# Written by rollstep: where this release stands. Change it with rollstep's commands.\n"
SCHEMA: Mapping[str, type | tuple[type, ...]] = {
    "rollout": str,
    "revision": int,
    "lastUpdateTime": str,
    "status": dict,
    "steps": list,
    "replicaSets": dict,
}


@dataclass(frozen=True, slots=True)
class ReachedStep:
    """A step (``currentStepIndex``) of a revision and when it was reached (UTC)."""

    revision: int
    step: int
    reached_at: datetime


@dataclass(frozen=True, slots=True)
class State:
    """What ``status.yaml`` says.

    ``status`` is the Rollout's ``status`` in the Rollout's own field names, without what a cluster counts; ``created``
    has the creation time of each ReplicaSet by name; ``last_update_time`` is when the release last moved.
    """

    rollout: str
    revision: int
    last_update_time: datetime
    status: RolloutStatus = field(default_factory=RolloutStatus)
    steps: tuple[ReachedStep, ...] = ()
    created: Mapping[str, datetime] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the document's content, keys in a fixed order."""
        return {
            "rollout": self.rollout,
            "revision": self.revision,
            "lastUpdateTime": format_time(self.last_update_time),
            "status": kept_status(self.status),
            "steps": [
                {"revision": step.revision, "step": step.step, "reachedAt": format_time(step.reached_at)}
                for step in self.steps
            ],
            "replicaSets": {name: {"createdAt": format_time(self.created[name])} for name in sorted(self.created)},
        }


def dump_state(state: State) -> str:
    """Return the text of ``status.yaml``."""
    from renderer.yaml_io import dump

    return HEADER + dump(state.to_dict())


def load_state(text: str, file: str) -> State:
    """Read the text of ``status.yaml``; ``file`` names it in findings.

    Raises :class:`RollstepError` with every key that is unknown, missing or of another type than it must have.
    """
    from renderer.yaml_io import load_documents

    documents = load_documents(text, file)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise RollstepError([Finding(file, 1, 0, "", "expected one document that is a mapping", RESTORE)])
    value, source = documents[0].value, documents[0].source
    findings = _wrong_types(value, source)
    if findings:
        raise RollstepError(findings)
    read = _Reader(source)
    state = State(
        rollout=value["rollout"],
        revision=value["revision"],
        last_update_time=read.time(value["lastUpdateTime"], ("lastUpdateTime",)),
        status=read.status(value["status"], ("status",)),
        steps=tuple(read.step(step, ("steps", index)) for index, step in enumerate(value["steps"])),
        created={
            name: read.time(
                entry.get("createdAt") if isinstance(entry, dict) else None, ("replicaSets", name, "createdAt")
            )
            for name, entry in value["replicaSets"].items()
        },
    )
    if read.findings:
        raise RollstepError(read.findings)
    return state


def next_state(previous: State | None, world: World) -> State:
    """Return the state after a release has moved to ``world`` at ``world.now``."""
    revision = world.rollout.revision
    index = world.status.current_step_index or 0
    steps = tuple(step for step in previous.steps if step.revision == revision) if previous else ()
    if not steps or steps[-1].step != index:
        steps = (*steps, ReachedStep(revision, index, world.now))
    return State(
        rollout=world.rollout.name,
        revision=revision,
        last_update_time=world.now,
        status=world.status,
        steps=steps,
        created={rs.name: rs.created for rs in world.replica_sets},
    )


RESTORE = "rollstep writes this file: restore it with `git checkout -- FILE`"


def _wrong_types(value: Mapping[str, Any], source: Source) -> list[Finding]:
    findings = []
    for key in value:
        if key not in SCHEMA:
            findings.append(_finding(source, (key,), f"unknown key; known are {', '.join(SCHEMA)}"))
    for key, expected in SCHEMA.items():
        if key not in value:
            findings.append(_finding(source, (key,), "missing"))
        elif not isinstance(value[key], expected) or isinstance(value[key], bool):
            name = expected.__name__ if isinstance(expected, type) else str(expected)
            findings.append(_finding(source, (key,), f"expected {name}, found {type(value[key]).__name__}"))
    return findings


def _finding(source: Source, path: tuple[str | int, ...], message: str) -> Finding:
    line, column = source.position(path)
    return Finding(source.file, line, column, field_path(path), message, RESTORE)


class _Reader:
    """Reads typed values and keeps what is wrong, so that all of it is told at once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Finding] = []

    def time(self, value: Any, path: tuple[str | int, ...]) -> datetime:
        try:
            return parse_time(value)
        except (TypeError, ValueError):
            message = f"expected a time such as 2026-01-31T12:00:00Z, found {value!r}"
            self.findings.append(_finding(self.source, path, message))
            return datetime.min.replace(tzinfo=UTC)

    def status(self, value: Any, path: tuple[str | int, ...]) -> RolloutStatus:
        try:
            return RolloutStatus.from_dict(value)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            self.findings.append(_finding(self.source, path, f"not the status of a Rollout: {error!r}"))
            return RolloutStatus()

    def mapping(self, value: Any) -> Mapping[str, Any]:
        return value if isinstance(value, dict) else {}

    def integer(self, value: Any, path: tuple[str | int, ...]) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.findings.append(_finding(self.source, path, f"expected an integer, found {value!r}"))
        return 0

    def step(self, value: Any, path: tuple[str | int, ...]) -> ReachedStep:
        entry = self.mapping(value)
        return ReachedStep(
            self.integer(entry.get("revision"), (*path, "revision")),
            self.integer(entry.get("step"), (*path, "step")),
            self.time(entry.get("reachedAt"), (*path, "reachedAt")),
        )
