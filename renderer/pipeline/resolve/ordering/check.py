"""What stands against an order of commits in an app's manifests."""

from __future__ import annotations

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import field_path
from renderer.kubernetes.sync_tools.argocd import SYNC_WAVE
from renderer.pipeline.load.app import App
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.ordering.phases import early_contractions
from renderer.pipeline.resolve.ordering.waves import has_wave
from renderer.rollouts.model.world import World


def check_order(app: App, world: World) -> None:
    """Refuse an order where none is safe: what an autoscaler scales, what the controller empties, others' waves."""
    source = app.rollout.source
    findings = []
    if world.autoscaler is not None:
        name = world.autoscaler["metadata"]["name"]
        message = f"the autoscaler {name} sets the pods, and order: {world.order} counts them"
        hint = "choose `replicas: rollstep` or `order: step` in rollstep.yaml"
        findings.append(Finding(source.file, *source.position(("spec",)), "spec.replicas", message, hint))
    for index in early_contractions(world.rollout):
        path = ("spec", "strategy", "canary", "steps", index)
        message = "takes pods from the canary before their traffic, as the controller does it"
        message = f"{message}: order: {world.order} refuses it"
        hint = "let weights and the canary's scale only grow, or choose `order: step` in rollstep.yaml"
        findings.append(Finding(source.file, *source.position(path), field_path(path), message, hint))
    if world.order == "waves":
        findings += _own_waves(app, world)
    if findings:
        raise RollstepError(findings)


def _own_waves(app: App, world: World) -> list[Finding]:
    """Return a finding for each wave that the user's manifests give to what a step changes.

    The Rollout's annotations are those of its ReplicaSets.
    """
    ours = {(key.group, key.kind, key.name) for key in rendered(world)}
    found = [manifest for manifest in app.manifests if (manifest.key.group, manifest.kind, manifest.name) in ours]
    path = ("metadata", "annotations", SYNC_WAVE)
    message = "is for order: waves to set, which puts what a step changes in order"
    hint = "take it out, or choose `order: phases` in rollstep.yaml"
    return [
        Finding(manifest.source.file, *manifest.source.position(path), field_path(path), message, hint)
        for manifest in (app.rollout, *found)
        if has_wave(manifest.body)
    ]
