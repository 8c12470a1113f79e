"""The commands that move from a running Deployment to the rendered manifests without downtime."""

from __future__ import annotations

import shlex
from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import mapping
from renderer.pipeline.load.settings import AppSettings
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.verbs.init import ScaffoldApp

HORIZONTAL = "HorizontalPodAutoscaler"


class Moving(Struct, frozen=True):
    """The commands for one app that was a Deployment, in their order, after the first commit of its release."""

    app: str
    environment: str
    deployment: str
    commands: tuple[str, ...]

    def title(self) -> str:
        """Return when to run the commands."""
        return (
            f"If the Deployment {self.deployment} runs in {self.environment}, move over after `rollstep advance` and "
            "before the first sync"
        )


def moving_of(app: ScaffoldApp, settings: AppSettings, folder: str) -> Moving | None:
    """Return how to move from the app's Deployment; None for an app that was a Rollout.

    ``folder`` is the app's own, as a shell in the user's folder finds it.

    The Deployment would adopt the new ReplicaSet, whose pods its selector matches, and the strategy's Services select
    the pods of one version only.  So the Deployment goes first, without its pods, and its pods go last.
    """
    if app.deployment is None:
        return None
    name, rollout = app.deployment, app.items[0].manifest
    namespace = rollout.namespace or settings.namespace
    within = ["--namespace", namespace] if namespace else []
    rendered = shlex.quote(f"{folder}/{settings.output}")
    new = f"-f {rendered}/replicaset-{rollout.name}-*.yaml"
    autoscaler = f" -f {rendered}/horizontalpodautoscaler-*.yaml" if _least_pods(app) is not None else ""
    labels = mapping(rollout.body, "spec", "selector", "matchLabels")
    labels = labels or mapping(rollout.body, "spec", "template", "metadata", "labels")
    pods = _pods(app)
    ready = f"kubectl wait --for=jsonpath='{{.status.availableReplicas}}'={pods} --timeout=10m {new}"
    old = ",".join([*(f"{key}={value}" for key, value in sorted(labels.items())), f"!{HASH_LABEL}"])
    return Moving(
        app.name,
        settings.environment,
        name,
        (
            shlex.join(["kubectl", "delete", "deployment", name, "--cascade=orphan", *within]),
            f"kubectl apply {new}{autoscaler}",
            *([ready] if pods else []),
            f"kubectl apply -k {rendered}",
            shlex.join(["kubectl", "delete", "replicaset", "--selector", old, *within]),
        ),
    )


def _pods(app: ScaffoldApp) -> Any:
    """Return the number of pods to wait for: the autoscaler's least number, else ``spec.replicas``."""
    least = _least_pods(app)
    replicas = mapping(app.items[0].manifest.body, "spec").get("replicas")
    return least if least is not None else 1 if replicas is None else replicas


def _least_pods(app: ScaffoldApp) -> Any:
    for item in app.items:
        if item.manifest.kind == HORIZONTAL:
            return mapping(item.manifest.body, "spec").get("minReplicas", 1)
    return None
