"""From an app's manifests and its last commit to a ``World``, and back to the objects that are rendered.

The ReplicaSets are in ``rendered/`` alone.  Of the Services, routers and other objects that a release edits, the user's
manifests give all fields but those of the controller, which ``rendered/`` gives.  The pods are those from before the
last commit: ``advance`` assumes that it has been applied since, a render of the same step does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes import pod_needs
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey, finding
from renderer.kubernetes.pod_needs import needed_objects
from renderer.kubernetes.versioned_config import is_versioned, still_named
from renderer.pipeline.load.status_file import State
from renderer.pipeline.resolve.autoscaling import AUTO, ROLLSTEP, autoscaler_of, scaled_objects, with_replicas
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.ordering.waves import with_wave, without_wave
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.controller.managed_objects import carry_over, created_objects, edited_objects
from renderer.rollouts.model.corrections import NEEDED_OBJECTS, NO_CORRECTIONS
from renderer.rollouts.model.rollout import EPOCH, REVISION_ANNOTATION, ReplicaSet, Rollout
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.model.world import World

TEMPLATE, CLUSTER_TEMPLATE = "AnalysisTemplate", "ClusterAnalysisTemplate"


class Resolved(Struct, frozen=True):
    """A release's world, and the manifests that pass through unchanged.

    ``old_config`` is the versioned configuration of old revisions.  ``left_out`` are the last render's objects that the
    sources no longer have, and that pods of a rendered ReplicaSet may need.
    """

    world: World
    pass_through: tuple[Manifest, ...]
    old_config: Mapping[ObjectKey, Body] = field(default_factory=dict)
    left_out: Mapping[ObjectKey, Manifest] = field(default_factory=dict)


def resolve(
    rollout: Rollout,
    manifests: Iterable[Manifest],
    state: State | None,
    rendered_manifests: Iterable[Manifest],
    now: datetime,
    controller_version: str = DEFAULT_VERSION,
    plugin_gates: frozenset[str] = frozenset(),
    replicas: str = AUTO,
    order: str = "step",
    corrections: frozenset[str] = NO_CORRECTIONS,
    is_measured: bool = False,
    holds_last_step: bool = True,
    runs: tuple[Body, ...] = (),
) -> Resolved:
    """Return the world of a release at time ``now``.

    ``manifests`` are the user's, without the Rollout; ``state`` and ``rendered_manifests`` are the last commit's, None
    and empty before the first.  ``controller_version`` is the one whose pod-template-hash is used, ``plugin_gates``
    are the plugins whose steps are gates, ``replicas``, ``order`` and ``corrections`` the settings of those names.
    ``is_measured``, ``holds_last_step`` and ``runs``, the AnalysisRuns of the last commit, are as in the world.
    """
    manifests = tuple(manifests)
    autoscaler = autoscaler_of(rollout, manifests) if replicas != ROLLSTEP else None
    if autoscaler is not None:
        rollout = with_replicas(rollout, autoscaler.body)
    if state is not None:
        rollout = rollout.with_annotation(REVISION_ANNOTATION, str(state.revision))
    waves = state.waves if state is not None else {}
    sources = {_key(manifest, rollout): manifest for manifest in manifests}
    last = {_key(manifest, rollout): manifest for manifest in _in_namespace(rendered_manifests, rollout)}
    left = {key: manifest.body for key, manifest in last.items()}
    left |= {key: without_wave(left[key]) for key in waves if key in left}
    edited = edited_objects(rollout, {key: manifest.body for key, manifest in sources.items()})
    objects: dict[ObjectKey, Body] = {}
    for key in sorted(set(edited) & sources.keys()):
        body = sources[key].body
        objects[key] = carry_over(rollout, body, left[key]) if key in left else body
    own = {key: left[key] for key in sorted(left) if key not in sources}
    objects.update((key, own[key]) for key in sorted(created_objects(rollout)) if key in own)
    experiment = {key: body for key, body in own.items() if belongs_to_experiment(body)}
    objects.update(experiment)
    replica_sets = tuple(
        _replica_set(body, state) for key, body in own.items() if key.kind == "ReplicaSet" and key not in experiment
    )
    world = World(
        rollout=rollout,
        status=_counted(state.status if state else RolloutStatus(), replica_sets),
        replica_sets=replica_sets,
        objects=objects,
        now=now,
        controller_version=controller_version,
        plugin_gates=plugin_gates,
        corrections=corrections,
        experiment_since=state.steps[-1].reached_at if experiment and state is not None and state.steps else None,
        autoscaler=autoscaler.body if autoscaler is not None else None,
        numbered=_numbered(left) if replicas == AUTO else frozenset(),
        order=order,
        phase=state.phase if state is not None else "",
        phase_left=state.phase_left if state is not None else "",
        waves=waves,
        is_measured=is_measured,
        holds_last_step=holds_last_step,
        analysis_templates={
            (manifest.name, manifest.kind == CLUSTER_TEMPLATE): manifest.body
            for manifest in manifests
            if manifest.key.group == "argoproj.io" and manifest.kind in (TEMPLATE, CLUSTER_TEMPLATE)
        },
        analysis_runs=runs,
    )
    passing = tuple(sources[key] for key in sorted(sources) if key not in edited)
    old_config = {key: body for key, body in own.items() if is_versioned(body)}
    left_out = {key: last[key] for key in own if _may_be_needed(key, world) and key not in old_config}
    return Resolved(world, passing, old_config, left_out)


def all_objects(resolved: Resolved, world: World) -> list[Body]:
    """Return all objects that are rendered for ``world``, sorted: those of the release and those that pass through.

    Raises RollstepError if the release makes an object that is among the user's.
    """
    own = rendered(world)
    taken = [manifest for manifest in resolved.pass_through if _key(manifest, world.rollout) in own]
    if taken:
        message = f"the release of the Rollout {world.rollout.name} makes {{}} {{}}, and would replace this one"
        hint = "rename it, or the object of the Rollout that has its name"
        raise RollstepError(finding(item, (), message.format(item.kind, item.name), hint) for item in taken)
    bodies: dict[ObjectKey, Body] = {}
    while_named = dict(resolved.old_config)
    for manifest in resolved.pass_through:
        (while_named if manifest.while_named else bodies)[_key(manifest, world.rollout)] = manifest.body
    bodies.update(own)
    bodies.update((key, with_wave(bodies[key], phase)) for key, phase in world.waves.items() if key in bodies)
    bodies.update(still_named(bodies, while_named))
    offered = {key: manifest.body for key, manifest in resolved.left_out.items() if key not in bodies}
    templates = (body["spec"]["template"] for body in bodies.values() if body["kind"] == "ReplicaSet")
    bodies.update((key, offered[key]) for key in needed_objects(templates, offered))
    bodies = scaled_objects(bodies, world)
    return [bodies[key] for key in sorted(bodies)]


def _may_be_needed(key: ObjectKey, world: World) -> bool:
    """Return whether pods may need an object that the sources no longer have.

    A sync tool would remove it with the source of the old version, whose pods could not start again.
    """
    is_beside = key.namespace == world.rollout.namespace
    return NEEDED_OBJECTS in world.corrections and is_beside and (key.group, key.kind) in pod_needs.KINDS


def _in_namespace(rendered_manifests: Iterable[Manifest], rollout: Rollout) -> list[Manifest]:
    """Return the rendered manifests in the Rollout's namespace, even if it has changed since the last commit."""
    manifests = list(rendered_manifests)
    before = {manifest.namespace for manifest in manifests if manifest.kind == "ReplicaSet"} - {rollout.namespace}
    return [
        replace(manifest, body=_with_namespace(manifest, rollout.namespace))
        if manifest.namespace in before
        else manifest
        for manifest in manifests
    ]


def _with_namespace(manifest: Manifest, namespace: str) -> Body:
    metadata = {name: value for name, value in manifest.metadata.items() if name != "namespace"}
    return {**manifest.body, "metadata": {**metadata, "namespace": namespace} if namespace else metadata}


def _key(manifest: Manifest, rollout: Rollout) -> ObjectKey:
    """Return the object's identity, by default in the Rollout's namespace."""
    key = manifest.key
    return key if key.namespace else key._replace(namespace=rollout.namespace)


def _replica_set(body: Body, state: State | None) -> ReplicaSet:
    """Return a ReplicaSet with the pods that were available before its last commit."""
    if state is None:
        return ReplicaSet.from_body(body)
    name = body["metadata"]["name"]
    if "replicas" not in body["spec"] and name in state.replicas:
        body = {**body, "spec": {**body["spec"], "replicas": state.replicas[name]}}
    replica_set = ReplicaSet.from_body(body, state.created.get(name, EPOCH))
    pods = state.available.get(name)
    if pods is None:
        return replica_set
    return replace(replica_set, available_replicas=pods, ready_replicas=pods, actual_replicas=pods)


def _numbered(left: Mapping[ObjectKey, Body]) -> frozenset[str]:
    """Return the names of the ReplicaSets whose manifests have replicas."""
    sets = (body for key, body in left.items() if key.kind == "ReplicaSet")
    return frozenset(body["metadata"]["name"] for body in sets if body["spec"].get("replicas"))


def _counted(status: RolloutStatus, replica_sets: tuple[ReplicaSet, ...]) -> RolloutStatus:
    """Return ``status`` with the counts of pods of the ReplicaSets."""
    total = sum(rs.available_replicas for rs in replica_sets)
    current = sum(rs.available_replicas for rs in replica_sets if rs.pod_template_hash == status.current_pod_hash)
    return replace(status, replicas=total, ready_replicas=total, available_replicas=total, updated_replicas=current)
