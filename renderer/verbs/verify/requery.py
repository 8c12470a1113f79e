"""Asks the providers again for the moments that commits have measured, and finds what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import format_time
from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import has_past, measure, read_secrets
from renderer.rollouts.analysis.arguments import resolve_metric, with_secrets
from renderer.rollouts.analysis.documents import status_of_run
from renderer.rollouts.analysis.metrics import InvalidAnalysisError, Metric
from renderer.rollouts.analysis.run import Measurement, Task, run_spec_of
from renderer.verbs.analysis.access import access_of
from renderer.verbs.verify.app_state import RUNS, AppLocation, read_state
from renderer.verbs.verify.changed_apps import changed_apps
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader

Known = tuple[str, str, datetime | None]
"""The run, the metric and the moment of a measurement."""


def requery(loader: Loader, change: Change) -> Iterator[Finding]:
    """Yield each measurement of a commit that its provider answers otherwise now; only those of time series are asked.

    Raises RollstepError for a damaged file, and for a Secret without a source.
    """
    for location, old_location in changed_apps(loader, change):
        after, before = (
            read_state(loader.objects, sha, place)
            for sha, place in ((change.commit.sha, location), (change.parent, old_location))
        )
        if after.blobs.get(RUNS) == before.blobs.get(RUNS) or RUNS not in after.contents:
            continue
        known = {_key(run, name, item) for run in before.runs() for name, items in _kept(run).items() for item in items}
        for run in after.runs():
            yield from _requery_run(run, known, _access(loader, change, location), location.runs_file)


def _access(loader: Loader, change: Change, location: AppLocation) -> Access:
    own = loader.settings(change.commit.sha).for_app(location.environment, location.app)
    return access_of(own.analysis, own.namespace, loader.repository.root)


def _requery_run(run: Body, known: set[Known], access: Access, file: str) -> Iterator[Finding]:
    fresh = [
        (name, item)
        for name, items in _kept(run).items()
        for item in items
        if _key(run, name, item) not in known and item.started_at is not None
    ]
    metrics = _metrics(run, access) if fresh else {}
    for name, item in fresh:
        metric, moment = metrics.get(name), item.started_at
        if metric is None or moment is None or not has_past(metric):
            continue
        (found,) = measure([Task(metric)], moment, access)
        if (found.phase, found.value) != (item.phase, item.value):
            here = f"{run['metadata']['name']}: the measurement of {name} at {format_time(moment)}"
            message = f"{here} is {_text(item)}, and the provider answers {_text(found)} now"
            yield Finding(file, 0, 0, "", message, "the provider may have forgotten or corrected its data since")


def _text(measurement: Measurement) -> str:
    return f"{measurement.phase} {measurement.value or measurement.message}".rstrip()


def _metrics(run: Body, access: Access) -> Mapping[str, Metric]:
    spec = run_spec_of(run)
    secrets = read_secrets((item.secret for item in spec.arguments if item.secret is not None), access)
    try:
        arguments, _ = with_secrets(spec.arguments, secrets)
        found = [resolve_metric(body, arguments) for body in spec.metrics]
    except InvalidAnalysisError as error:
        raise RollstepError(f"{run['metadata']['name']} cannot be asked again: {error}") from error
    return {metric.name: metric for metric in found}


def _kept(run: Body) -> dict[str, tuple[Measurement, ...]]:
    return {result.name: result.measurements for result in status_of_run(run).metric_results}


def _key(run: Body, metric: str, measurement: Measurement) -> Known:
    return run["metadata"]["name"], metric, measurement.started_at
