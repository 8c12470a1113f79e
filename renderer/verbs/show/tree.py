"""``get``: a release as ``kubectl argo rollouts get rollout`` shows it, from a ``World`` alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from renderer.errors import printable
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.printing import text_table
from renderer.kubernetes.times import format_time, human_duration
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.resolve.autoscaling import autoscaler_text, count_text, pod_limits
from renderer.pipeline.resolve.describe import (
    COMMITTED,
    current_replica_set,
    phase_of,
    version_of,
    wait_text,
    waiting_text,
)
from renderer.pipeline.resolve.moves import Wait, gate_of, is_between_phases, wait
from renderer.pipeline.resolve.waiting import waiting_version, with_running_template
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.replica_math import get_current_set_weight
from renderer.rollouts.controller.timing import pause_end
from renderer.rollouts.info import roles, traffic_weight
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.world import World

NOT_RENDERED = "not rendered yet: `rollstep advance {}` makes the first commit"
BAR = 10
"""The parts of the bar of a weight."""
ICONS = {
    "Progressing": "◌",
    "Error": "⚠",
    "InvalidSpec": "⚠",
    "Paused": "॥",
    "Committed": "✔",
    "Degraded": "✖",
    "Unknown": "?",
    "ScaledDown": "•",
}


class ReplicaSetInfo(Struct, frozen=True):
    """One ReplicaSet in the tree: its revision, version, replicas, roles (stable, canary, active, preview), images.

    ``status`` is ``Committed``, or ``ScaledDown`` with 0 replicas: git does not know which pods are available.
    ``min_replicas`` and ``max_replicas`` are the limits of an autoscaler, None without one.
    """

    name: str
    revision: int
    version: str
    status: str
    replicas: int
    roles: tuple[str, ...]
    weight: int | None
    scale_down_deadline: datetime | None
    created: datetime
    images: tuple[str, ...]
    min_replicas: int | None = None
    max_replicas: int | None = None


class RolloutInfo(Struct, frozen=True):
    """The content of the tree; weights are out of ``max_traffic_weight``.

    ``reason`` is why the release does not go on, and ``until`` when it goes on by itself.  ``desired`` are the replicas
    of the Rollout, ``committed`` those of all ReplicaSets, ``updated`` those of the newest version.  ``autoscaler``
    describes the Rollout's autoscaler; the replicas are then the numbers that the release counts with.
    ``waiting_version`` is the version in the sources that has not begun, ``quarantine`` why it may not begin.
    """

    name: str
    namespace: str
    phase: str
    reason: str | None
    message: str | None
    until: datetime | None
    strategy: str
    current_step_index: int | None
    steps: int
    revision: int | None
    set_weight: int | None
    actual_weight: int | None
    max_traffic_weight: int | None
    desired: int
    committed: int
    updated: int
    replica_sets: tuple[ReplicaSetInfo, ...]
    autoscaler: str | None = None
    waiting_version: str | None = None
    quarantine: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as JSON-ready data with keys in camelCase; times are RFC 3339 in UTC."""
        data: dict[str, Any] = camel_keys(self)
        return data


def camel_keys(value: Any) -> Any:
    """Return ``value`` as JSON-ready data, with keys such as ``set_weight`` as ``setWeight``."""
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Struct):
        value = asdict(value)
    if isinstance(value, dict):
        return {_camel(key): camel_keys(item) for key, item in value.items()}
    return [camel_keys(item) for item in value] if isinstance(value, list | tuple) else value


def by_revision(replica_sets: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Return ReplicaSets newest revision first."""
    return sorted(replica_sets, key=lambda rs: (-rs.revision, rs.name))


def images(template: Body) -> tuple[str, ...]:
    """Return the images of a pod template's containers, in order."""
    spec = template.get("spec") or {}
    return tuple(container.get("image", "") for container in spec.get("containers") or ())


def rollout_info(world: World, target: str, known: Wait | None = None, quarantine: str = "") -> RolloutInfo:
    """Return the content of the tree of the app ``target``; ``known`` is what git's history knows of it (``waits_of``).

    ``quarantine`` is the text of ``waiting_image_text``.

    Source: Argo Rollouts v1.9 ``pkg/kubectl-argo-rollouts/info``.
    """
    version = waiting_version(world)
    world = with_running_template(world)
    rollout, status, canary = world.rollout, world.status, world.rollout.canary
    replica_sets = tuple(_replica_set_info(world, rs) for rs in by_revision(world.replica_sets))
    newest = current_replica_set(world)
    reason = reason_of(world, known)
    has_begun = bool(replica_sets)
    return RolloutInfo(
        name=rollout.name,
        namespace=rollout.namespace,
        phase=phase_of(world) if has_begun else "Unknown",
        reason=(reason.reason or None) if has_begun else None,
        message=(message_of(world, target, known) or None) if has_begun else NOT_RENDERED.format(target),
        until=reason.until if has_begun else None,
        strategy="Canary" if canary else "BlueGreen",
        current_step_index=(status.current_step_index or 0) if canary and canary.steps and has_begun else None,
        steps=len(canary.steps) if canary else 0,
        revision=rollout.revision if has_begun else None,
        set_weight=get_current_set_weight(rollout, status) if canary and has_begun else None,
        actual_weight=traffic_weight(world, newest) if canary and newest else None,
        max_traffic_weight=max_traffic_weight(rollout) if canary else None,
        desired=rollout.replicas,
        committed=sum(rs.replicas for rs in world.replica_sets),
        updated=newest.replicas if newest else 0,
        replica_sets=replica_sets,
        autoscaler=autoscaler_text(world),
        waiting_version=version or None,
        quarantine=quarantine or None,
    )


def reason_of(world: World, known: Wait | None) -> Wait:
    """Return why a release does not go on, without a reason if ``advance`` does; ``known`` as in ``message_of``."""
    end = pause_end(world)
    is_over = end is not None and end <= world.now
    return known or (Wait("", None) if is_over else wait(world))


def message_of(world: World, target: str, known: Wait | None) -> str:
    """Return what a release does now, in words; ``known`` is what git's history knows of it."""
    status, end = world.status, pause_end(world)
    if known is None and world.in_phases and is_between_phases(world):
        return f"{world.phase or 'committed'}: the next phase follows when this is live"
    if known is None and end is not None and end <= world.now:
        return f"the pause is over since {format_time(end)}: `rollstep advance {target}` goes on"
    if known or status.pause_conditions or world.rollout.paused or gate_of(world):
        return wait_text(known or wait(world), world, target)
    return status.message


def tree_text(info: RolloutInfo, now: datetime, ref: AppRef, *, wide: bool = False, bars: bool = False) -> str:
    """Return the tree of the app ``ref`` as text, ``wide`` with images and with ``bars`` with bars of weights.

    Ages and delays are relative to ``now``.
    """
    header = "".join(f"{printable(line.rstrip())}\n" for line in _header(info, ref))
    return f"{header}\n{text_table(list(_tree_rows(info, now, wide, bars)))}"


def weight_cell(weight: int, out_of: int) -> str:
    """Return a weight, with a bar of ten parts if ``out_of`` is not 0."""
    if not out_of:
        return str(weight)
    # Only a whole weight fills the bar, and only none leaves it empty.
    full = min(weight * BAR // out_of, BAR) or int(weight > 0)
    return f"{'▰' * full}{'▱' * (BAR - full)} {weight}"


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def _replica_set_info(world: World, replica_set: ReplicaSet) -> ReplicaSetInfo:
    low, high = pod_limits(world, replica_set)
    return ReplicaSetInfo(
        name=replica_set.name,
        revision=replica_set.revision,
        version=version_of(world, replica_set),
        status=COMMITTED if replica_set.replicas else "ScaledDown",
        replicas=replica_set.replicas,
        roles=roles(world, replica_set),
        weight=traffic_weight(world, replica_set),
        scale_down_deadline=replica_set.scale_down_deadline,
        created=replica_set.created,
        images=images(replica_set.template),
        min_replicas=low,
        max_replicas=high,
    )


def _header(info: RolloutInfo, ref: AppRef) -> Iterator[str]:
    def row(title: str, value: object) -> str:
        return f"{title:<16} {value}"

    yield row("Name:", info.name)
    yield row("Environment:", ref.environment)
    if info.namespace:
        yield row("Namespace:", info.namespace)
    yield row("Status:", f"{ICONS.get(info.phase, ' ')} {info.phase}")
    if info.message:
        yield row("Message:", info.message)
    if info.waiting_version and not info.quarantine:
        yield row("Waiting:", waiting_text(info.waiting_version, ref.target))
    if info.quarantine:
        yield row("Quarantine:", info.quarantine)
    yield row("Strategy:", info.strategy)
    if info.strategy == "Canary":
        if info.current_step_index is not None:
            yield row("  Step:", f"{info.current_step_index}/{info.steps}")
        out_of = "" if info.max_traffic_weight == 100 else f"/{info.max_traffic_weight}"
        for title, weight in (("  SetWeight:", info.set_weight), ("  ActualWeight:", info.actual_weight)):
            if weight is not None:
                yield row(title, f"{weight}{out_of}")
    for number, image in enumerate(_image_lines(info)):
        yield row("Images:" if number == 0 else "", image)
    if info.autoscaler:
        yield row("Autoscaler:", info.autoscaler)
    yield "Replicas:"
    yield row("  Desired:", info.desired)
    yield row("  Committed:", info.committed)
    yield row("  Updated:", info.updated)


def _image_lines(info: RolloutInfo) -> list[str]:
    marks: dict[str, set[str]] = {}
    for replica_set in info.replica_sets:
        if replica_set.replicas:
            for image in replica_set.images:
                marks.setdefault(image, set()).update(replica_set.roles)
    return [f"{image} ({', '.join(sorted(marks[image]))})" if marks[image] else image for image in sorted(marks)]


def _tree_rows(info: RolloutInfo, now: datetime, wide: bool, bars: bool) -> Iterator[tuple[str, ...]]:
    more = ("",) if wide else ()
    out_of = (info.max_traffic_weight or 100) if bars else 0
    yield ("NAME", "KIND", "STATUS", "REPLICAS", "WEIGHT", "AGE", "INFO", *(("IMAGES",) if wide else ()))
    yield (f"⟳ {info.name}", "Rollout", f"{ICONS.get(info.phase, ' ')} {info.phase}", "", "", "", "", *more)
    revisions = [(number, list(group)) for number, group in groupby(info.replica_sets, key=lambda rs: rs.revision)]
    for position, (revision, replica_sets) in enumerate(revisions):
        last = position == len(revisions) - 1
        version = replica_sets[0].version
        yield (f"{'└' if last else '├'}──# revision:{revision} ({version})", "", "", "", "", "", "", *more)
        for number, replica_set in enumerate(replica_sets):
            branch = "└" if number == len(replica_sets) - 1 else "├"
            row = _replica_set_row(replica_set, f"{' ' if last else '│'}  {branch}──", now, out_of)
            yield (*row, ", ".join(replica_set.images)) if wide else row


def _replica_set_row(replica_set: ReplicaSetInfo, prefix: str, now: datetime, out_of: int) -> tuple[str, ...]:
    marks = list(replica_set.roles)
    if replica_set.scale_down_deadline:
        left = (replica_set.scale_down_deadline - now).total_seconds()
        marks.append("delay:" + ("passed" if left < 0 else human_duration(left)))
    return (
        f"{prefix}⧉ {replica_set.name}",
        "ReplicaSet",
        f"{ICONS[replica_set.status]} {replica_set.status}",
        count_text(replica_set.replicas, replica_set.min_replicas, replica_set.max_replicas),
        weight_cell(replica_set.weight or 0, out_of),
        human_duration((now - replica_set.created).total_seconds()),
        ",".join(marks),
    )
