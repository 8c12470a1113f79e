"""Metrics of analyses that cannot be measured from where rollstep runs."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding
from renderer.pipeline.load.settings import PIPELINE
from renderer.rollouts.controller.analysis_runs import analyses_of
from renderer.rollouts.model.status import RolloutStatus
from renderer.verbs.lint.context import Context, parse_rollout

TEMPLATES = ("AnalysisTemplate", "ClusterAnalysisTemplate")


def metrics_out_of_reach(context: Context) -> Iterator[Finding]:
    """Yield each metric of an app's analyses that cannot be measured from here."""
    for subject in context.subjects():
        group = subject.group
        if group.analysis is None or group.analysis.mode != PIPELINE:
            continue
        rollout = parse_rollout(subject)
        if rollout is None or not any(analyses_of(rollout)):
            continue
        # Loads the providers, which other Rollouts do not need.
        from renderer.verbs.analysis.access import access_of, cannot_run
        from renderer.verbs.analysis.measure import lookup_of

        templates = {
            (item.name, item.kind == TEMPLATES[1]): item.body for item in group.manifests if item.kind in TEMPLATES
        }
        access = access_of(group.analysis, rollout.namespace, group.root)
        source = subject.rollout.source
        yield from cannot_run(rollout, RolloutStatus(), source, access, lookup_of(templates))
