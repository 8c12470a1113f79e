"""What a commit changes, as values: the engine's moves are told in them, and the commit message is made of them."""

from __future__ import annotations

from msgspec import Struct


class ReplicaSetChange(Struct, frozen=True):
    """A ReplicaSet before and after the commit; None: it is not there, or its weight means nothing.

    Where an autoscaler sets the number of pods, ``replicas_before`` and ``replicas_after`` are its range as text.
    """

    name: str
    revision: int
    role: str
    replicas_before: int | str | None
    replicas_after: int | str | None
    weight_before: int | None = None
    weight_after: int | None = None


class ObjectChange(Struct, frozen=True):
    """Any other object that the commit changes, and how, in a few words."""

    kind: str
    name: str
    change: str


class StepChange(Struct, frozen=True):
    """What one commit does to one app.

    ``action`` is ``step`` or the verb (``abort``, ``promote``, ``set image``, ``scale``), ``verb`` the command with the
    options that decide what comes of it (``advance --to 3``); ``step`` counts from 0 to
    ``steps`` as ``currentStepIndex`` does, both None without steps; ``weight`` is the canary's percentage and
    ``traffic`` says the same in words where that is more than a percentage (``20/1000 to 7776f59c58``); ``stable`` and
    ``canary`` are pod-template-hashes; ``detail`` and ``phase`` (where a step is committed in phases) end the subject,
    ``note`` begins the body.
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
    verb: str = ""
    phase: str = ""
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
        return ", ".join(part for part in (what, traffic, self.detail, self.phase) if part)

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


def _arrow(before: int | str | None, after: int | str | None) -> str:
    old, new = ("-" if value is None else str(value) for value in (before, after))
    return new if old == new else f"{old} -> {new}"
