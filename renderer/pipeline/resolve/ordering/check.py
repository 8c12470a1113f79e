"""Checks whether an app's manifests allow a safe order of changes."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import field_path
from renderer.kubernetes.sync_tools.argocd import SYNC_WAVE
from renderer.pipeline.load.app import App
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.ordering.phases import early_contractions
from renderer.pipeline.resolve.ordering.waves import has_wave
from renderer.rollouts.model.world import World


def check_order(app: App, world: World) -> None:
    """Raise RollstepError where no order is safe.

    That is with an autoscaler, with steps in which the controller removes pods before their traffic, and, for
    ``order: waves``, with the user's own waves.
    """
    findings = [*_counts(app, world), *(_own_waves(app, world) if world.order == "waves" else ())]
    if findings:
        raise RollstepError(findings)


def _counts(app: App, world: World) -> Iterator[Finding]:
    source = app.rollout.source
    if world.autoscaler is not None:
        name = world.autoscaler["metadata"]["name"]
        message = f"the autoscaler {name} sets the replicas, and order: {world.order} counts them"
        hint = "choose `replicas: rollstep` or `order: step` in rollstep.yaml"
        yield Finding(source.file, *source.position(("spec",)), "spec.replicas", message, hint)
    for index in early_contractions(world.rollout):
        path = ("spec", "strategy", "canary", "steps", index)
        message = f"the controller removes pods of the canary before their traffic, which order: {world.order} forbids"
        hint = "let weights and the canary's scale only grow, or choose `order: step` in rollstep.yaml"
        yield Finding(source.file, *source.position(path), field_path(path), message, hint)


def _own_waves(app: App, world: World) -> Iterator[Finding]:
    """Yield a finding for each wave that the user's manifests give to an object of the release.

    The ReplicaSets have the Rollout's annotations.
    """
    keys = {(key.group, key.kind, key.name) for key in rendered(world)}
    path = ("metadata", "annotations", SYNC_WAVE)
    message = "only order: waves may set the wave of an object that a step changes"
    hint = "remove it, or choose `order: phases` in rollstep.yaml"
    for manifest in (app.rollout, *app.manifests):
        is_released = manifest is app.rollout or (manifest.key.group, manifest.kind, manifest.name) in keys
        if is_released and has_wave(manifest.body):
            yield Finding(manifest.source.file, *manifest.source.position(path), field_path(path), message, hint)
