"""The experiment of a canary step: its ReplicaSets, Services and weights (``rollout/experiment.go``, ``experiments``).

Git has no Experiment object: the objects of its templates are rendered as long as the step lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.rollouts.controller.analysis import INCONCLUSIVE, SUCCESSFUL
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.experiment_runs import experiment_runs
from renderer.rollouts.controller.gates import EXPERIMENT_STEP
from renderer.rollouts.controller.replica_math import current_canary_step
from renderer.rollouts.model.corrections import EXPERIMENT_ANALYSIS
from renderer.rollouts.model.rollout import HASH_LABEL, ReplicaSet, Rollout
from renderer.rollouts.model.spec import RolloutPause
from renderer.rollouts.model.strategy_status import WeightDestination
from renderer.rollouts.model.world import World

NAME_ANNOTATION = "experiment.argoproj.io/name"
INCONCLUSIVE_EXPERIMENT = "InconclusiveExperiment"
TEMPLATE_ANNOTATION = "experiment.argoproj.io/template-name"


def belongs_to_experiment(body: Body) -> bool:
    """Return whether an object belongs to an experiment."""
    return NAME_ANNOTATION in _annotations(body)


def is_experiment_service(rollout: Rollout, name: str) -> bool:
    """Return whether a Service has the name of one that an experiment of the Rollout's steps makes."""
    steps = rollout.canary.steps if rollout.canary is not None else ()
    templates = [item for step in steps for item in (step.body.get(EXPERIMENT_STEP) or {}).get("templates") or ()]
    is_named = any((item.get("service") or {}).get("name") == name for item in templates)
    ends = tuple(f"-{item.get('name')}" for item in templates)
    return is_named or (name.startswith(f"{rollout.name}-") and name.endswith(ends))


def reconcile_experiments(ctx: Context) -> None:
    """Create the objects of the current step's experiment, and delete those of every other."""
    if ctx.status.pause_condition(INCONCLUSIVE) is not None:
        ctx.current_experiment = ctx.status.canary.current_experiment
        return
    step, index = current_canary_step(ctx.rollout, ctx.status)
    for item in experiment_runs(ctx.world):
        if item.phase in ("Failed", "Error") and item.run is not None:
            message = item.run["status"].get("message")
            ctx.pause.abort("Experiment analysis phase is error/failed" + (f": {message}" if message else ""))
        elif item.phase == "Inconclusive":
            ctx.pause.added.append(INCONCLUSIVE_EXPERIMENT)
    stopped = ctx.pause.is_aborted or ctx.status.promote_full
    wanted: dict[ObjectKey, Body] = {}
    if not stopped and step is not None and step.kind == EXPERIMENT_STEP and ctx.stable_rs and ctx.new_rs:
        name = f"{ctx.rollout.name}-{ctx.pod_template_hash()}-{ctx.rollout.revision}-{index}"
        wanted = _objects(ctx, name, step.body[step.kind])
        if ctx.status.canary.current_experiment != name:
            ctx.world = replace(ctx.world, experiment_since=ctx.now)
        ctx.current_experiment = name
    existing = {key for key, body in ctx.world.objects.items() if belongs_to_experiment(body)}
    for key in sorted(existing - wanted.keys()):
        ctx.delete_object(key)
    for key, body in wanted.items():
        if key not in ctx.world.objects:
            ctx.create_object(key, body)


def weight_destinations(ctx: Context) -> tuple[WeightDestination, ...]:
    """Return the weights of the running experiment's templates, in their order."""
    step, _ = current_canary_step(ctx.rollout, ctx.status)
    name = ctx.status.canary.current_experiment
    if not name or step is None or step.kind != EXPERIMENT_STEP:
        return ()
    objects = [body for body in ctx.world.objects.values() if _annotations(body).get(NAME_ANNOTATION) == name]
    found = []
    for template in step.body[step.kind].get("templates") or ():
        mine = [body for body in objects if _annotations(body).get(TEMPLATE_ANNOTATION) == template.get("name")]
        if template.get("weight") is None or not mine:
            continue
        service = next((body["metadata"]["name"] for body in mine if body["kind"] == "Service"), "")
        replica_set = next(body for body in mine if body["kind"] == "ReplicaSet")
        # A template without a Service has no hash in its status.
        pod_template_hash = replica_set["metadata"]["labels"][HASH_LABEL] if service else ""
        found.append(WeightDestination(int(template["weight"]), service, pod_template_hash))
    return tuple(found)


def experiment_end(world: World) -> datetime | None:
    """Return when the current step's experiment ends by its duration; None if only a person can end it.

    A person ends an experiment with an analysis that is required for completion, since nothing measures it here.  With
    the correction this holds for every analysis: in the controller any that fails fails the experiment.
    """
    step, _ = current_canary_step(world.rollout, world.status)
    if step is None or step.kind != EXPERIMENT_STEP or world.experiment_since is None or world.rollout.paused:
        return None
    body: Mapping[str, Any] = step.body[step.kind]
    analyses = body.get("analyses") or ()
    is_gate = EXPERIMENT_ANALYSIS in world.corrections or any(item.get("requiredForCompletion") for item in analyses)
    if not body.get("duration") or (analyses and is_gate and not world.is_measured):
        return None
    if any(item.is_required for item in experiment_runs(world)):
        # It ends with them, and not with its duration.
        return None
    return world.experiment_since + timedelta(seconds=RolloutPause(body["duration"]).duration_seconds)


def completed_experiment(ctx: Context) -> bool:
    """Return whether the current step's experiment has run for its duration."""
    end = experiment_end(ctx.world)
    running = bool(ctx.status.canary.current_experiment)
    required = [item for item in experiment_runs(ctx.world) if item.is_required]
    if required and running and all(item.phase == SUCCESSFUL for item in required):
        return True
    return ctx.skip_pauses or (running and end is not None and ctx.now >= end)


def _annotations(body: Body) -> Mapping[str, str]:
    return (body.get("metadata") or {}).get("annotations") or {}


def _objects(ctx: Context, name: str, experiment: Body) -> dict[ObjectKey, Body]:
    objects: dict[ObjectKey, Body] = {}
    for template in experiment.get("templates") or ():
        replica_set = _replica_set(ctx, name, template)
        objects[replica_set.key] = replica_set.to_body()
        service = _service(replica_set, template)
        if service is not None:
            objects[ObjectKey("", "Service", replica_set.namespace, service["metadata"]["name"])] = service
    return objects


def _replica_set(ctx: Context, name: str, template: Body) -> ReplicaSet:
    """Return the ReplicaSet of a template: the canary's or stable pods with the template's labels and annotations."""
    from renderer.kubernetes.pod_defaults import default_pod_template
    from renderer.rollouts.pod_template import pod_template_hash

    origin = ctx.stable_rs if template.get("specRef") == "stable" else ctx.new_rs
    assert origin is not None
    own: Mapping[str, Any] = template.get("metadata") or {}
    metadata = dict(origin.template.get("metadata") or {})
    labels = {**(metadata.get("labels") or {}), **(own.get("labels") or {})}
    metadata["labels"] = {key: value for key, value in labels.items() if key != HASH_LABEL}
    if own.get("annotations"):
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **own["annotations"]}
    # The controller hashes the template as stored by the API server, with every default.
    pods = default_pod_template({**origin.template, "metadata": metadata})
    hashed = pod_template_hash(pods, None, ctx.world.controller_version)
    metadata["labels"] = {**metadata["labels"], HASH_LABEL: hashed}
    selector = dict(template.get("selector") or origin.selector)
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **(own.get("labels") or {}), HASH_LABEL: hashed}
    replicas = template.get("replicas")
    return ReplicaSet(
        name=f"{name}-{template.get('name')}",
        namespace=ctx.rollout.namespace,
        labels=metadata["labels"],
        annotations={NAME_ANNOTATION: name, TEMPLATE_ANNOTATION: str(template.get("name"))},
        replicas=1 if replicas is None else int(replicas),
        min_ready_seconds=origin.min_ready_seconds,
        selector=selector,
        template={**pods, "metadata": metadata},
    )


def _service(replica_set: ReplicaSet, template: Body) -> dict[str, Any] | None:
    """Return the Service of a template; None for a template without a weight or Service, without pods or ports."""
    ports = [
        _port(port)
        for container in (replica_set.template.get("spec") or {}).get("containers") or ()
        for port in container.get("ports") or ()
    ]
    wanted = template.get("weight") is not None or template.get("service") is not None
    if not wanted or not ports or not replica_set.replicas:
        return None
    metadata: dict[str, Any] = {"name": (template.get("service") or {}).get("name") or replica_set.name}
    if replica_set.namespace:
        metadata["namespace"] = replica_set.namespace
    metadata["annotations"] = dict(replica_set.annotations)
    spec = {"selector": dict(replica_set.labels), "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _port(port: Body) -> dict[str, Any]:
    number = port["containerPort"]
    result = {"protocol": port.get("protocol") or "TCP", "port": number, "targetPort": number}
    return {"name": port["name"], **result} if port.get("name") else result
