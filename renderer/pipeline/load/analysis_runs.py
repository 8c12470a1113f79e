"""``analysis-runs.yaml``: the AnalysisRuns of a release as the controller would keep them, with their measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, field_path
from renderer.kubernetes.yaml.shape import BOOLEAN, COUNT, TEXT, TIME, Fields, Items, Shape, Value, mismatches, one_of
from renderer.pipeline.load.marker import for_own_files
from renderer.rollouts.model.strategy_status import ANALYSIS_RUN

HEADER = "# Written by rollstep: what the analyses of this release measured.\n"

_PHASE = one_of("Pending", "Running", "Successful", "Failed", "Error", "Inconclusive")
_MAPPING = Value("a mapping", lambda value: isinstance(value, dict))
_COUNTS: Mapping[str, Shape] = dict.fromkeys(
    (*("count", "successful", "failed", "inconclusive", "error"), *("consecutiveError", "consecutiveSuccess")), COUNT
)
_MEASUREMENT = Fields(
    {
        "phase": _PHASE,
        "value": TEXT,
        "message": TEXT,
        "startedAt": TIME,
        "finishedAt": TIME,
        "resumeAt": TIME,
        "metadata": Items(TEXT, named=True),
    },
    frozenset({"phase", "startedAt"}),
)
_RESULT = Fields(
    {
        "name": TEXT,
        "phase": _PHASE,
        "message": TEXT,
        "dryRun": BOOLEAN,
        **_COUNTS,
        "measurements": Items(_MEASUREMENT),
    },
    frozenset({"name", "phase"}),
)
_SUMMARY = Fields(dict.fromkeys(("count", "successful", "failed", "inconclusive", "error"), COUNT))
_STATUS = Fields(
    {
        "phase": _PHASE,
        "message": TEXT,
        "metricResults": Items(_RESULT),
        "startedAt": TIME,
        "completedAt": TIME,
        "runSummary": _SUMMARY,
        "dryRunSummary": _SUMMARY,
    },
    frozenset({"phase"}),
)
_SPEC = Fields(
    {
        "metrics": Items(_MAPPING),
        "args": Items(_MAPPING),
        "dryRun": Items(_MAPPING),
        "measurementRetention": Items(_MAPPING),
        "terminate": BOOLEAN,
    }
)
_RUN = Fields(
    {
        "apiVersion": one_of(ANALYSIS_RUN[0]),
        "kind": one_of(ANALYSIS_RUN[1]),
        "metadata": Fields({"name": TEXT, "namespace": TEXT}, frozenset({"name"})),
        "spec": _SPEC,
        "status": _STATUS,
    },
    frozenset({"apiVersion", "kind", "metadata", "spec", "status"}),
)


def dump_runs(runs: Sequence[Body]) -> str | None:
    """Return the text of ``analysis-runs.yaml``; None without runs."""
    if not runs:
        return None
    from renderer.kubernetes.yaml.writer import dump

    return HEADER + "---\n".join(dump(run) for run in runs)


def load_runs(text: str, file: str) -> tuple[Body, ...]:
    """Read the text of ``analysis-runs.yaml``; ``file`` names it in findings.

    Raises ``RollstepError`` with every key that is unknown, missing or of the wrong type.
    """
    from renderer.kubernetes.yaml.reader import load_documents

    hint = f"rollstep writes this file: restore it with `git checkout HEAD -- {file}`"
    try:
        documents = load_documents(text, file)
    except RollstepError as error:
        folder = PurePosixPath(file).parent.as_posix()
        raise RollstepError(for_own_files(error.findings, folder, hint)) from error
    findings = [
        Finding(file, *document.source.position(path), field_path(path), message, hint)
        for document in documents
        for path, message in mismatches(document.value, _RUN)
    ]
    names = [] if findings else [document.value["metadata"]["name"] for document in documents]
    findings += [Finding(file, 0, 0, "", f"two runs have the name {name}", hint) for name in _twice(names)]
    if findings:
        raise RollstepError(sorted(findings))
    return tuple(document.value for document in documents)


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
