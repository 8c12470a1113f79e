"""What a commit says: a subject that a reviewer understands, a table of what changes, and trailers for tools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from renderer.errors import Finding, RollstepError
from renderer.layouts import check_user_templates, fill, one_line

PREFIX = "Rollstep-"
"""What the names of our trailers start with."""

_MAX_SUBJECT = 200
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReplicaSetChange:
    """A ReplicaSet before and after the commit; None: it is not there, or its weight means nothing."""

    name: str
    revision: int
    role: str
    replicas_before: int | None
    replicas_after: int | None
    weight_before: int | None = None
    weight_after: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """Any other object that the commit changes, and how, in a few words."""

    kind: str
    name: str
    change: str


@dataclass(frozen=True, slots=True)
class StepChange:
    """What one commit does to one app.

    ``action`` is ``step`` or the verb (``abort``, ``promote``, ``set image``, ``scale``); ``step`` counts from 0 to
    ``steps`` as ``currentStepIndex`` does, both None without steps; ``weight`` is the canary's percentage and
    ``traffic`` says the same in words where that is more than a percentage (``20/1000 to 7776f59c58``); ``stable`` and
    ``canary`` are pod-template-hashes; ``detail`` ends the subject, ``note`` begins the body.
    """

    app: str
    environment: str
    action: str
    revision: int
    step: int | None = None
    steps: int | None = None
    weight: int | None = None
    traffic: str = ""
    stable: str = ""
    canary: str = ""
    detail: str = ""
    note: str = ""
    replica_sets: tuple[ReplicaSetChange, ...] = ()
    objects: tuple[ObjectChange, ...] = ()

    @property
    def summary(self) -> str:
        """The subject's words: ``step 2/6, 20% to 7776f59c58``."""
        at_step = self.action == "step" and self.step is not None and self.steps is not None
        what = f"step {self.step}/{self.steps}" if at_step else self.action
        traffic = self.traffic
        if not traffic and self.weight is not None and self.canary:
            traffic = f"{self.weight}% to {self.canary}"
        return ", ".join(part for part in (what, traffic, self.detail) if part)

    @property
    def replica_set_rows(self) -> list[list[str]]:
        """The table of ReplicaSets, its header first."""
        weighted = any(row.weight_before is not None or row.weight_after is not None for row in self.replica_sets)
        rows = [["ReplicaSet", "Revision", "Role", "Replicas", *(["Weight"] if weighted else [])]]
        for row in self.replica_sets:
            weight = [_arrow(row.weight_before, row.weight_after)] if weighted else []
            replicas = _arrow(row.replicas_before, row.replicas_after)
            rows.append([row.name, str(row.revision), row.role or "-", replicas, *weight])
        return rows

    @property
    def object_rows(self) -> list[list[str]]:
        """The table of Services, Ingresses and what else changes, its header first."""
        return [["Kind", "Name", "Change"], *([row.kind, row.name, row.change] for row in self.objects)]

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """What tools read, as (key, value); what is not known is left out."""
        values = {
            "App": self.app,
            "Env": self.environment,
            "Step": "" if self.step is None or self.steps is None else f"{self.step}/{self.steps}",
            "Revision": str(self.revision),
            "Stable": self.stable,
            "Canary": self.canary,
        }
        return tuple((PREFIX + key, value) for key, value in values.items() if value)


def compose_message(changes: Sequence[StepChange] | StepChange, *, user_templates: Path | None = None) -> str:
    """Return the message of a commit that does ``changes``: subject, body, and the trailers of each app.

    Subject and body come from the templates ``commit-subject.j2`` and ``commit-body.j2``, the trailers do not, so that
    no template and no name can leave one out or forge one.  Raises RollstepError where a user's template fails.
    """
    check_user_templates(user_templates)
    wanted = (changes,) if isinstance(changes, StepChange) else tuple(changes)
    cleaned = [_cleaned(change) for change in wanted]
    variables = {"changes": cleaned}
    subject = one_line(fill("commit-subject.j2", user_templates, variables))
    if not subject:
        raise RollstepError([Finding("commit-subject.j2", 0, 0, "", "makes an empty subject")])
    if len(subject) > _MAX_SUBJECT:
        subject = subject[: _MAX_SUBJECT - 1] + "…"
    body = _body(fill("commit-body.j2", user_templates, variables))
    trailers = "".join(f"{key}: {value}\n" for change in cleaned for key, value in change.trailers)
    return "\n\n".join(part for part in (subject, body, trailers) if part)


def releases(trailers: Iterable[tuple[str, str]]) -> tuple[dict[str, str], ...]:
    """Return our trailers of a commit, one dict an app, by name without the prefix (``App``, ``Env``, ``Step`` …)."""
    found: list[dict[str, str]] = []
    for key, value in trailers:
        name = key.removeprefix(PREFIX)
        if key == f"{PREFIX}App":
            found.append({})
        if found and key.startswith(PREFIX):
            found[-1].setdefault(name, value)
    return tuple(found)


def _arrow(before: Any, after: Any) -> str:
    old, new = ("-" if value is None else str(value) for value in (before, after))
    return new if old == new else f"{old} -> {new}"


def _cleaned(value: _T) -> _T:
    """Return a dataclass with every string in it on one line, also in the dataclasses that it holds."""
    changed: dict[str, Any] = {}
    for item in fields(value):  # type: ignore[arg-type]  # every value here is a dataclass
        held = getattr(value, item.name)
        if isinstance(held, str):
            changed[item.name] = one_line(held)
        elif isinstance(held, tuple):
            changed[item.name] = tuple(_cleaned(part) if is_dataclass(part) else part for part in held)
    return replace(value, **changed)  # type: ignore[type-var]  # as above


def _body(text: str) -> str:
    lines = ["".join(character for character in line if character.isprintable()) for line in text.split("\n")]
    # Git takes three dashes for the end of a message, where a patch would follow.
    lines = [f" {line}" if line.startswith("---") else line.rstrip() for line in lines]
    return "\n".join(line for at, line in enumerate(lines) if line or (at and lines[at - 1])).strip("\n")
