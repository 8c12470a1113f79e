"""The analysis runs of a release's commits, with what each commit measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.load.analysis_runs import load_runs
from renderer.pipeline.load.status_file import State
from renderer.pipeline.resolve.evidence import metric_changes, shortened
from renderer.pipeline.resolve.step_change import MetricChange
from renderer.rollouts.analysis.documents import status_of_run
from renderer.rollouts.analysis.evaluate import ERROR, FAILED
from renderer.rollouts.controller.analysis_runs import runs_of
from renderer.verbs.policy.listed_image import Verdict
from renderer.verbs.site.events import Event
from renderer.verbs.site.records import AnalysisRun, MeasuredMetric
from renderer.verbs.verify.object_cache import ObjectCache

Runs = Mapping[int, tuple[AnalysisRun, ...]]
"""The analysis runs of each event, by the event's identity."""
MOST_METRICS = 50
"""The metrics of one run that a commit shows."""
MOST_CHARACTERS = 500
"""The characters of a text that a commit shows."""
_MOST_URL = 2000
"""The characters of an address that browsers open; a shortened one leads elsewhere."""


def runs_of_events(objects: ObjectCache, path: str, events: Sequence[Event]) -> tuple[Runs, list[Finding]]:
    """Return the analysis runs of an app's events, oldest first, and what is wrong in ``analysis-runs.yaml``.

    ``path`` is the file's.  A damaged one counts as empty.
    """
    known: dict[str, Sequence[Body]] = {"": ()}
    found, wrong = dict[int, tuple[AnalysisRun, ...]](), list[Finding]()
    before: Sequence[Body] = ()
    for event in events:
        if event.runs not in known:
            known[event.runs] = ()
            try:
                known[event.runs] = load_runs(decode(objects.content(event.runs, path), path), path)
            except RollstepError as error:
                wrong += (_in_commit(finding, event.commit.sha) for finding in error.findings)
        after = known[event.runs]
        found[id(event)] = analysis_runs(event.state, before, after)
        before = after
    return found, wrong


def _in_commit(finding: Finding, sha: str) -> Finding:
    hint = "no page has the measurements of this commit"
    return replace(finding, message=f"in commit {sha[:9]}: {finding.message}", hint=hint)


def analysis_runs(state: State | None, before: Sequence[Body], after: Sequence[Body]) -> tuple[AnalysisRun, ...]:
    """Return the runs of a commit's status, and those that it changes in ``analysis-runs.yaml``.

    ``before`` and ``after`` are the AnalysisRuns before the commit and after it.
    """
    changes: dict[str, list[MetricChange]] = {}
    for change in metric_changes(before, after):
        changes.setdefault(change.run, []).append(change)
    found = {name: (status, message) for name, status, message in _of_status(state)}
    known = {run["metadata"]["name"]: run for run in before}
    for run in after:
        name, status = run["metadata"]["name"], status_of_run(run)
        if name in found or known.get(name) != run:
            found[name] = (status.phase, status.message)
    return tuple(_run(name, *values, changes.get(name, ())) for name, values in found.items())


def verdict_of(runs: Sequence[AnalysisRun]) -> str | None:
    """Return the verdict of a commit that takes its release back; None if it measured no failure and no error."""
    bad = (run for run in runs if run.metrics and run.status in (FAILED, ERROR))
    return "; ".join(Verdict(run.name, run.status, run.message).text() for run in bad) or None


def _of_status(state: State | None) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the phase and the message of each run in a status."""
    for _, run in runs_of(state.status) if state is not None else ():
        yield run.name, run.status, run.message


def _run(name: str, status: str, message: str, changes: Sequence[MetricChange]) -> AnalysisRun:
    metrics = tuple(map(_metric, changes[:MOST_METRICS]))
    name, message = (shortened(text, MOST_CHARACTERS) for text in (name, message))
    return AnalysisRun(name, status, message, metrics, len(changes) - len(metrics))


def _metric(change: MetricChange) -> MeasuredMetric:
    # The address of a provider comes from a manifest, and a browser would run the text of another scheme.
    is_address = change.link.startswith(("https://", "http://")) and len(change.link) <= _MOST_URL
    return MeasuredMetric(
        name=shortened(change.name, MOST_CHARACTERS),
        phase=change.phase,
        count=change.count,
        values=change.values,
        limits=shortened(change.limits, MOST_CHARACTERS),
        message=shortened(change.message, MOST_CHARACTERS),
        url=change.link if is_address else None,
    )
