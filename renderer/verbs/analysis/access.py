"""The way from here to the providers of an app, and the metrics that have none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from renderer.errors import Finding
from renderer.kubernetes.manifest import Source, field_path
from renderer.metric_providers.access import Access
from renderer.metric_providers.measure import problems
from renderer.pipeline.load.settings import AnalysisSettings
from renderer.pipeline.load.sources import may_execute
from renderer.rollouts.analysis.arguments import resolve_metric, without_secrets
from renderer.rollouts.analysis.metrics import InvalidAnalysisError
from renderer.rollouts.analysis.templates import Lookup
from renderer.rollouts.controller.analysis_runs import analyses_of, spec_of_run
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.status import RolloutStatus

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""The variable that every container in a cluster has."""
_PATHS = ("file", "sops")
"""The sources of a Secret that are paths, relative to the repository's root."""
HINT = "see docs/how-to/analyze.md, or set `analysis: manual` in rollstep.yaml and promote by hand"


def access_of(settings: AnalysisSettings, namespace: str, root: Path) -> Access:
    """Return the way from here to the providers of an app in ``namespace`` of the repository at ``root``."""
    secrets = {
        name: {key: str(root / value) if key in _PATHS else value for key, value in source.items()}
        for name, source in settings.secrets.items()
    }
    return Access(
        addresses=settings.addresses,
        secrets=secrets,
        namespace=namespace,
        environment=dict(os.environ),
        allow_exec=may_execute(),
        in_cluster=_IN_CLUSTER in os.environ,
    )


def cannot_run(
    rollout: Rollout, status: RolloutStatus, source: Source, access: Access, lookup: Lookup
) -> Iterator[Finding]:
    """Yield each reason for which a metric of a Rollout's analyses cannot be measured from here; nothing is asked."""
    for path, analysis in analyses_of(rollout):
        field, place = field_path(("spec", *path)), source.position(("spec", *path))
        try:
            spec = spec_of_run(rollout, status, analysis, lookup)
            metrics = [resolve_metric(body, without_secrets(spec.arguments)) for body in spec.metrics]
        except InvalidAnalysisError as error:
            yield Finding(source.file, *place, field, f"the analysis cannot run: {error}", HINT)
            continue
        for metric in metrics:
            for reason in problems(metric, access):
                yield Finding(source.file, *place, field, f"the metric {metric.name} cannot run here: {reason}", HINT)
