"""From what git holds to a ``World``, and back to the objects that are rendered (pure).

The user's manifests say what should be, ``rendered/`` what the last step left: ReplicaSets live only there, and in the
Services, Ingresses and other objects that a release edits, the fields that the controller owns are taken over from
there.  Its pods are those that the last step began with: ``advance`` takes for granted that what
was committed has been brought about since, a render of the same step does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.kubernetes.versioned_config import is_versioned, still_named
from renderer.pipeline.load.status_file import State
from renderer.pipeline.resolve.autoscaling import AUTO, ROLLSTEP, autoscaler_of, scaled_objects, with_replicas
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.ordering.waves import with_wave, without_wave
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.controller.managed_objects import carry_over, created_objects, edited_objects
from renderer.rollouts.model.rollout import EPOCH, REVISION_ANNOTATION, ReplicaSet, Rollout
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.model.world import World


class Resolved(Struct, frozen=True):
    """A release's world, the manifests of its folder that pass through, and the configuration of old revisions."""

    world: World
    pass_through: tuple[Manifest, ...]
    old_config: Mapping[ObjectKey, Body] = field(default_factory=dict)


def resolve(
    rollout: Rollout,
    manifests: Iterable[Manifest],
    state: State | None,
    rendered_manifests: Iterable[Manifest],
    now: datetime,
    profile: str = DEFAULT_VERSION,
    plugin_gates: frozenset[str] = frozenset(),
    replicas: str = AUTO,
    order: str = "step",
) -> Resolved:
    """Put a release's world together at time ``now``.

    ``manifests`` are the user's, without the Rollout; ``rendered_manifests`` and ``state`` what the last commit left
    (nothing and None before the first).  ``profile`` is the controller version whose pod-template-hash is used,
    ``plugin_gates`` the plugins whose steps are gates, ``replicas`` and ``order`` the settings of those
    names.
    """
    manifests = tuple(manifests)
    found = autoscaler_of(rollout, manifests) if replicas != ROLLSTEP else None
    autoscaler = found.body if found is not None else None
    if autoscaler is not None:
        rollout = with_replicas(rollout, autoscaler)
    if state is not None:
        rollout = rollout.with_annotation(REVISION_ANNOTATION, str(state.revision))
    sources = {_key(manifest, rollout): manifest for manifest in manifests}
    waves = state.waves if state is not None else {}
    left = {_key(manifest, rollout): manifest.body for manifest in _in_namespace(rendered_manifests, rollout)}
    left |= {key: without_wave(left[key]) for key in waves if key in left}
    edited = edited_objects(rollout, {key: manifest.body for key, manifest in sources.items()})
    objects: dict[ObjectKey, Body] = {}
    for key in sorted(set(edited) & sources.keys()):
        wanted = sources[key].body
        objects[key] = carry_over(rollout, wanted, left[key]) if key in left else wanted
    objects.update((key, left[key]) for key in sorted(created_objects(rollout)) if key in left and key not in sources)
    experiment = {key: left[key] for key in sorted(left) if key not in sources and belongs_to_experiment(left[key])}
    objects.update(experiment)
    replica_sets = tuple(
        _replica_set(left[key], state)
        for key in sorted(left)
        if key.kind == "ReplicaSet" and key not in sources and key not in experiment
    )
    status = _counted(state.status if state else RolloutStatus(), replica_sets)
    since = state.steps[-1].reached_at if experiment and state is not None and state.steps else None
    counted = (left[key] for key in left if key.kind == "ReplicaSet" and left[key]["spec"].get("replicas"))
    numbered = frozenset(body["metadata"]["name"] for body in counted if replicas == AUTO)
    phase, phase_left = (state.phase, state.phase_left) if state is not None else ("", "")
    left_by_commit = (since, autoscaler, numbered, order, phase, phase_left, waves)
    world = World(rollout, status, replica_sets, objects, now, profile, plugin_gates, *left_by_commit)
    old_config = {key: left[key] for key in sorted(left) if key not in sources and is_versioned(left[key])}
    return Resolved(world, tuple(sources[key] for key in sorted(sources) if key not in edited), old_config)


def _in_namespace(rendered_manifests: Iterable[Manifest], rollout: Rollout) -> list[Manifest]:
    """Return what was rendered, moved along where the Rollout has another namespace now: its ReplicaSets tell."""
    manifests = list(rendered_manifests)
    before = {manifest.namespace for manifest in manifests if manifest.kind == "ReplicaSet"} - {rollout.namespace}
    if not before:
        return manifests
    return [
        replace(manifest, body=_with_namespace(manifest, rollout.namespace))
        if manifest.namespace in before
        else manifest
        for manifest in manifests
    ]


def _with_namespace(manifest: Manifest, namespace: str) -> Body:
    metadata = {name: value for name, value in manifest.metadata.items() if name != "namespace"}
    return {**manifest.body, "metadata": {**metadata, "namespace": namespace} if namespace else metadata}


def all_objects(resolved: Resolved, world: World) -> list[Body]:
    """Return everything that is rendered for ``world``: what the release makes and what passes through, sorted."""
    bodies: dict[ObjectKey, Body] = {}
    while_named = dict(resolved.old_config)
    for manifest in resolved.pass_through:
        (while_named if manifest.while_named else bodies)[_key(manifest, world.rollout)] = manifest.body
    bodies.update(rendered(world))
    bodies.update((key, with_wave(bodies[key], phase)) for key, phase in world.waves.items() if key in bodies)
    bodies.update(still_named(bodies, while_named))
    bodies = scaled_objects(bodies, world)
    return [bodies[key] for key in sorted(bodies)]


def _key(manifest: Manifest, rollout: Rollout) -> ObjectKey:
    """Return the object's identity; without a namespace of its own it is in the Rollout's."""
    key = manifest.key
    return key if key.namespace else key._replace(namespace=rollout.namespace)


def _replica_set(body: Body, state: State | None) -> ReplicaSet:
    """Return the ReplicaSet as its last commit left it, with the pods that were there then."""
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


def _counted(status: RolloutStatus, replica_sets: tuple[ReplicaSet, ...]) -> RolloutStatus:
    """Return ``status`` with the counts of pods that the ReplicaSets stand for."""
    total = sum(rs.available_replicas for rs in replica_sets)
    current = sum(rs.available_replicas for rs in replica_sets if rs.pod_template_hash == status.current_pod_hash)
    return replace(status, replicas=total, ready_replicas=total, available_replicas=total, updated_replicas=current)
