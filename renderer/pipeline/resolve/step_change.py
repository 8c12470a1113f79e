"""The change of one commit as values, from which the commit message is written."""

from __future__ import annotations

from msgspec import Struct


class ReplicaSetChange(Struct, frozen=True):
    """A ReplicaSet before and after the commit; None where it or its weight does not exist.

    ``replicas_before`` and ``replicas_after`` are a range as text (``3-10``) where an autoscaler sets the replicas.
    """

    name: str
    revision: int
    role: str
    replicas_before: int | str | None
    replicas_after: int | str | None
    weight_before: int | None = None
    weight_after: int | None = None


class ObjectChange(Struct, frozen=True):
    """Any other object that the commit changes; ``change`` says how in a few words."""

    kind: str
    name: str
    change: str


class MetricChange(Struct, frozen=True):
    """The measurements of one metric of an AnalysisRun in a commit.

    ``values`` are those of the commit, or ``Error``; ``limits`` are its conditions and limits; ``link`` is where the
    query can be asked again, empty if unknown.  ``count`` is the number of all its measurements.
    """

    run: str
    name: str
    phase: str
    values: str
    limits: str
    link: str = ""
    is_over: bool = False
    message: str = ""
    count: int = 0


class Evidence(Struct, frozen=True):
    """The measurements of a commit: the results of runs that are over, what stopped the release, and the metrics."""

    results: str = ""
    verdict: str = ""
    metrics: tuple[MetricChange, ...] = ()


class StepChange(Struct, frozen=True):
    """The change of one commit to one app.

    ``action`` is ``step`` or a verb (``abort``, ``promote``, ``set image``, ``scale``); ``verb`` is the command with
    the options that decide its outcome (``advance --to 3``).  ``step`` and ``steps`` count as ``currentStepIndex``
    does, None without steps.  ``weight`` is the canary's, out of ``maxTrafficWeight``, None without a canary;
    ``traffic`` describes the traffic in words (``20/1000 to 1.2.0 (7776f59c58)``).  ``stable`` and ``canary`` are
    pod-template-hashes.  ``analysis`` has the runs that are over with their results, ``metrics`` what was measured.
    ``detail`` and ``phase`` (of a step in phases) end the subject; ``note`` begins the body.
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
    analysis: str = ""
    replica_sets: tuple[ReplicaSetChange, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    metrics: tuple[MetricChange, ...] = ()

    @property
    def summary(self) -> str:
        """The words of the subject: ``step 2/6, 20% to 1.2.0 (7776f59c58)``."""
        at_step = self.action == "step" and self.step is not None and self.steps is not None
        what = f"step {self.step}/{self.steps}" if at_step else self.action
        return ", ".join(part for part in (what, self.traffic, self.detail, self.phase) if part)

    @property
    def replica_set_rows(self) -> list[list[str]]:
        """The table of ReplicaSets with its header."""
        weighted = any(row.weight_before is not None or row.weight_after is not None for row in self.replica_sets)
        rows = [["ReplicaSet", "Revision", "Role", "Replicas", *(["Weight"] if weighted else [])]]
        for row in self.replica_sets:
            weight = [_arrow(row.weight_before, row.weight_after)] if weighted else []
            replicas = _arrow(row.replicas_before, row.replicas_after)
            rows.append([row.name, str(row.revision), row.role or "-", replicas, *weight])
        return rows

    @property
    def metric_rows(self) -> list[list[str]]:
        """The table of what was measured, with its header."""
        return _metric_rows(self.metrics)

    @property
    def verdict_lines(self) -> list[str]:
        """The reason of each metric that stopped the release, and where its query can be asked again."""
        over = [row for row in self.metrics if row.is_over and row.message]
        return [line for row in over for line in (row.message, row.link) if line]

    @property
    def object_rows(self) -> list[list[str]]:
        """The table of all other objects (Services, Ingresses, …) with its header."""
        return [["Kind", "Name", "Change"], *([row.kind, row.name, row.change] for row in self.objects)]


def _metric_rows(metrics: tuple[MetricChange, ...]) -> list[list[str]]:
    rows = [["Metric", "Run", "Phase", "Measured", "Limits"]]
    return [*rows, *([row.name, row.run, row.phase, row.values, row.limits] for row in metrics)]


def _arrow(before: int | str | None, after: int | str | None) -> str:
    old, new = ("-" if value is None else str(value) for value in (before, after))
    return new if old == new else f"{old} -> {new}"
