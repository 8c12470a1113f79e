"""The plan of a release: every commit that is still to come.

A plan runs the release ahead: it promotes pauses and moves the clock forward, so its rows are the commits of
``advance`` and ``promote``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, map_valid
from renderer.kubernetes.printing import markdown_table, text_table
from renderer.kubernetes.times import human_duration
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.render.coming import coming_files
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.autoscaling import count_text, most_pods, pod_limits
from renderer.pipeline.resolve.course import NO_WAIT, course
from renderer.pipeline.resolve.describe import HELD, last_phase, move_text, version_of, wait_text
from renderer.pipeline.resolve.moves import Move, Wait, advance, steps_of
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.pipeline.write.output_folder import plan_changes
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.controller.reconcile import with_available_pods
from renderer.rollouts.info import roles, traffic_weight
from renderer.rollouts.model.rollout import ReplicaSet, Rollout
from renderer.rollouts.model.world import World
from renderer.verbs.apps.move import findings_of
from renderer.verbs.apps.open import open_releases
from renderer.verbs.apps.status_history import waits_of
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.policy.listed_image import ListedImage, waiting_image_text
from renderer.verbs.policy.quarantine import load_quarantine
from renderer.verbs.show.tree import by_revision, camel_keys

NEXT = "rollstep/next"
"""The annotation of the pod template of a release that nobody has made yet."""
HEADER = ("STEP", "ACTION", "STABLE", "CANARY", "OLD", "WEIGHT", "PEAK PODS", "STARTS", "ENDS")


class PlannedReplicaSet(Struct, frozen=True):
    """A ReplicaSet in a row of the plan: its version, its replicas, and its weight out of ``maxTrafficWeight``.

    Without a router ``weight`` is the share of the pods in percent.  ``min_replicas`` and ``max_replicas`` are the
    limits of an autoscaler, None without one.
    """

    name: str
    version: str
    roles: tuple[str, ...]
    replicas: int
    weight: int
    min_replicas: int | None = None
    max_replicas: int | None = None

    @property
    def pods(self) -> str:
        """The number of pods for people: ``5``, or ``3-10`` with an autoscaler."""
        return count_text(self.replicas, self.min_replicas, self.max_replicas)


class PlannedStep(Struct, frozen=True):
    """One commit to come.

    ``current_step_index`` is that after the commit (None for blue-green and a canary without steps); ``starts`` and
    ``ends`` are the conditions for this commit and the next one; ``peak_pods`` is the largest number of pods at any
    moment of the step.
    """

    current_step_index: int | None
    action: str
    replica_sets: tuple[PlannedReplicaSet, ...]
    starts: str
    ends: str
    peak_pods: int


class Plan(Struct, frozen=True):
    """The commits to come of one release in order; empty where the release is complete.

    ``waiting_version`` is the version in the sources that the first of them begins.  ``held`` says what has taken the
    next step back, so that only a promotion does it, and ``quarantine`` why the first of them is refused.
    """

    rollout: str
    strategy: str
    current_step_index: int | None
    steps: int
    max_traffic_weight: int
    peak_pods: int
    is_next: bool
    commits: tuple[PlannedStep, ...]
    waiting_version: str | None = None
    held: str | None = None
    quarantine: str | None = None

    @property
    def summary(self) -> str:
        """A few words on the plan."""
        if not self.commits:
            return "nothing to come"
        commits = f"{len(self.commits)} commit{'s' if len(self.commits) > 1 else ''}"
        count = f"{commits} to come, at most {self.peak_pods} pods"
        if self.held:
            count = f"{self.held}; {count}"
        if self.quarantine:
            return f"{self.quarantine}; {count}"
        if self.waiting_version:
            return f"{self.waiting_version} waits, the first commit begins it; {count}"
        return f"no release in progress; for the next one: {count}" if self.is_next else count

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-ready data with keys in camelCase."""
        data: dict[str, Any] = camel_keys(self)
        return data


def plan_releases(
    workspace: Workspace, targets: tuple[str, ...], now: datetime | None
) -> tuple[list[tuple[AppRef, Plan]], tuple[Finding, ...]]:
    """Return the plan of each named app, and the findings of those that cannot be opened.

    The commits of a release that has yet to begin are rendered and validated, as by the verb that begins it.
    """
    releases, findings = open_releases(workspace, targets, now or current_time())
    waits = zip(releases, waits_of(releases), strict=True)
    listed = load_quarantine(workspace.root)
    planned, refused = map_valid(waits, partial(_checked_plan, listed))
    try:
        validate_apps([(release.home, files) for release, _, files in planned if files], lambda _: None)
    except RollstepError as error:
        refused += error.findings
    return [(release.app.ref, plan) for release, plan, _ in planned], (*findings, *refused)


def _checked_plan(
    listed: Sequence[ListedImage], known: tuple[Release, Wait | None]
) -> tuple[Release, Plan, Mapping[str, str]]:
    """Return a release with its plan, and the files of its commits if it has yet to begin."""
    release, wait = known
    with findings_of(release.app.ref):
        plan = _plan(release, wait)
        quarantine = waiting_image_text(listed, release.app.ref, release.world)
        plan = replace(plan, quarantine=quarantine) if quarantine else plan
        if not plan.is_next and not plan.waiting_version:
            return release, plan, {}
        return release, plan, coming_files(release, next_release(release.world) if plan.is_next else release.world)


def plan_world(world: World) -> Plan:
    """Return the plan of the release in progress, else of the next one."""
    plan = make_plan(world)
    return plan if plan.commits or world.status.abort else make_plan(next_release(world), is_next=True)


def next_release(world: World) -> World:
    """Return ``world`` with a new version: its pod template has another annotation."""
    template = world.rollout.template
    metadata = template.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), NEXT: "release"}
    body = world.rollout.body
    changed = {**template, "metadata": {**metadata, "annotations": annotations}}
    rollout = Rollout.from_body({**body, "spec": {**body["spec"], "template": changed}})
    return replace(world, rollout=rollout)


def make_plan(world: World, *, is_next: bool = False) -> Plan:
    """Return the plan of the release of ``world``, from ``world.now`` on."""
    steps = steps_of(world)
    rows = _rows(world)
    return Plan(
        rollout=world.rollout.name,
        strategy="BlueGreen" if world.rollout.canary is None else "Canary",
        current_step_index=(world.status.current_step_index or 0) if steps else None,
        steps=len(steps),
        max_traffic_weight=max_traffic_weight(world.rollout),
        peak_pods=max((row.peak_pods for row in rows), default=0),
        is_next=is_next,
        commits=rows,
        waiting_version=None if is_next else waiting_version(world) or None,
    )


def plan_move(move: Move) -> Plan:
    """Return the plan that begins with ``move``, such as that of a verb which edits the Rollout."""
    following = make_plan(move.after)
    row = _row(move, move_text(move), "now", following.commits[0].starts if following.commits else "complete")
    commits = (row, *following.commits)
    return replace(following, commits=commits, peak_pods=max(commit.peak_pods for commit in commits))


def after_update(plan: Plan, world: World) -> Plan:
    """Return the plan with a first commit that changes only other manifests and nothing of ``world``."""
    coming = () if plan.is_next else plan.commits
    ends = coming[0].starts if coming else "complete"
    row = _row(Move(world, world, ()), "manifests updated", "now", ends)
    peak = max(step.peak_pods for step in (row, *coming))
    return replace(plan, commits=(row, *coming), is_next=False, peak_pods=peak)


def peak_pods(move: Move) -> int:
    """Return the largest sum of ``spec.replicas`` over all ReplicaSets after any of the move's writes.

    With autoscalers the sum is that of their maxima.
    """
    replicas = {rs.name: most_pods(move.before, rs.name, rs.replicas) for rs in move.before.replica_sets}
    peak = sum(replicas.values())
    for write in move.writes:
        if write.kind == "ReplicaSet" and write.replicas is not None:
            replicas[write.name] = most_pods(move.after, write.name, write.replicas)
            peak = max(peak, sum(replicas.values()))
    after = sum(most_pods(move.after, rs.name, rs.replicas) for rs in move.after.replica_sets)
    return max(peak, after) + _experiment_pods(move.after)


def plan_text(plan: Plan) -> str:
    """Return the plan as an aligned table."""
    return text_table(_cells(plan))


def plan_markdown(plan: Plan) -> str:
    """Return the plan as a Markdown table."""
    return markdown_table(_cells(plan))


def _plan(release: Release, known: Wait | None) -> Plan:
    """Return the plan of a release, with a first commit for other changed manifests.

    ``known`` is what git's history knows of the release (``waits_of``).
    """
    world = release.world
    plan = plan_world(world)
    if known is not None and known.reason == HELD:
        plan = replace(plan, held=wait_text(known, world, release.app.ref.target))
    # The next move commits other changed manifests as well.
    if release.state is None or advance(world) is not None:
        return plan
    changes = plan_changes(release.home, render_release(release, world, keep_time=True).files, release.last_render)
    return after_update(plan, world) if changes else plan


def _rows(world: World) -> tuple[PlannedStep, ...]:
    moves = list(course(world))
    befores = [world, *(move.after for move, _ in moves)]
    starts = [_trigger(before, reason) for before, (_, reason) in zip(befores, moves, strict=False)]
    ends = [*starts[1:], "complete"]
    if moves and moves[0][1] == NO_WAIT and with_available_pods(world) == world:
        starts[0] = "now"
    rows = []
    for (move, _), start, end in zip(moves, starts, ends, strict=False):
        action = ", ".join(part for part in (move_text(move), last_phase(move)) if part)
        rows.append(_row(move, action, start, end))
    return tuple(rows)


def _row(move: Move, action: str, starts: str, ends: str) -> PlannedStep:
    world = move.after
    return PlannedStep(
        current_step_index=(world.status.current_step_index or 0) if steps_of(world) else None,
        action=action,
        replica_sets=tuple(
            _planned(world, rs) for rs in by_revision(world.replica_sets) if rs.replicas or roles(world, rs)
        ),
        starts=starts,
        ends=ends,
        peak_pods=peak_pods(move),
    )


def _planned(world: World, replica_set: ReplicaSet) -> PlannedReplicaSet:
    name, version, weight = replica_set.name, _version(world, replica_set), traffic_weight(world, replica_set)
    limits = pod_limits(world, replica_set)
    return PlannedReplicaSet(name, version, roles(world, replica_set), replica_set.replicas, weight, *limits)


def _version(world: World, replica_set: ReplicaSet) -> str:
    annotations = (replica_set.template.get("metadata") or {}).get("annotations") or {}
    return "next" if NEXT in annotations else version_of(world, replica_set)


def _trigger(before: World, reason: Wait) -> str:
    """Return the condition on which the release goes on from ``before``, where it waits for ``reason``."""
    if reason.until is not None:
        return f"after {human_duration((reason.until - before.now).total_seconds())}"
    if reason.reason:
        return "promote"
    return "live" if before.in_phases and before.phase else "pods are available"


def _experiment_pods(world: World) -> int:
    return sum(
        body["spec"]["replicas"]
        for key, body in world.objects.items()
        if key.kind == "ReplicaSet" and belongs_to_experiment(body)
    )


def _cells(plan: Plan) -> list[tuple[str, ...]]:
    newer = "PREVIEW" if plan.strategy == "BlueGreen" else "CANARY"
    rows = [tuple(newer if cell == "CANARY" else cell for cell in HEADER)]
    for step in plan.commits:
        stable = [rs for rs in step.replica_sets if "stable" in rs.roles]
        new = [rs for rs in step.replica_sets if rs.roles and rs not in stable]
        old = [rs for rs in step.replica_sets if not rs.roles]
        rows.append(
            (
                "" if step.current_step_index is None else f"{step.current_step_index}/{plan.steps}",
                step.action,
                *(_pods(group, plan) for group in (stable, new, old)),
                "/".join(str(sum(rs.weight for rs in group)) for group in (stable, new)),
                str(step.peak_pods),
                step.starts,
                step.ends,
            )
        )
    return rows


def _pods(replica_sets: list[PlannedReplicaSet], plan: Plan) -> str:
    return ", ".join(f"{rs.pods} of {_label(rs, plan)}" for rs in replica_sets) or "-"


def _label(replica_set: PlannedReplicaSet, plan: Plan) -> str:
    """Return the version of a ReplicaSet, or the hash in its name if another one has the same version."""
    known = {rs.name: rs.version for commit in plan.commits for rs in commit.replica_sets}
    is_unique = list(known.values()).count(replica_set.version) == 1
    return replica_set.version if is_unique else replica_set.name.rpartition("-")[2]
