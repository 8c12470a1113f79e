"""The plan of a release: every commit that is still to come.

A plan runs the release ahead: it promotes pauses and moves the clock forward, so its rows are the commits of
``advance`` and ``promote``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, map_valid
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.render.coming import coming_files
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.describe import HELD, move_text, wait_text
from renderer.pipeline.resolve.moves import Move, Wait, advance, is_new_release, steps_of
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.waiting import waiting_version, with_running_template
from renderer.pipeline.write.output_folder import plan_changes
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import World
from renderer.verbs.apps.move import findings_of
from renderer.verbs.apps.open import open_releases
from renderer.verbs.apps.status_history import waits_of
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.policy.listed_image import ListedImage, waiting_image_text
from renderer.verbs.policy.quarantine import load_quarantine
from renderer.verbs.show.plan_rows import NEXT, row_now, row_of, rows_done, rows_to_come
from renderer.verbs.show.planned import Plan
from renderer.verbs.show.tree import message_of


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
    commits = rows_to_come(world)
    now = row_now(world, commits)
    return Plan(
        rollout=world.rollout.name,
        strategy="BlueGreen" if world.rollout.canary is None else "Canary",
        current_step_index=(world.status.current_step_index or 0) if steps else None,
        steps=len(steps),
        max_traffic_weight=max_traffic_weight(world.rollout),
        peak_pods=max((row.peak_pods for row in commits), default=0),
        is_next=is_next,
        commits=commits,
        waiting_version=None if is_next else waiting_version(world) or None,
        now=now,
        done=() if is_next else rows_done(world, now),
    )


def plan_move(move: Move) -> Plan:
    """Return the plan that begins with ``move``, such as that of a verb which edits the Rollout."""
    following = make_plan(move.after)
    row = row_of(move, move_text(move), "now", following.commits[0].starts if following.commits else "complete")
    commits = (row, *following.commits)
    now = row_now(move.before, commits)
    peak = max(commit.peak_pods for commit in commits)
    done = () if is_new_release(move.before.status, move.after.status) else rows_done(move.before, now)
    return replace(following, commits=commits, peak_pods=peak, now=now, done=done)


def after_update(plan: Plan, world: World) -> Plan:
    """Return the plan with a first commit that changes only other manifests and nothing of ``world``."""
    coming = () if plan.is_next else plan.commits
    ends = coming[0].starts if coming else "complete"
    row = row_of(Move(world, world, ()), "manifests updated", "now", ends)
    peak = max(step.peak_pods for step in (row, *coming))
    return replace(plan, commits=(row, *coming), is_next=False, peak_pods=peak)


def _plan(release: Release, known: Wait | None) -> Plan:
    """Return the plan of a release, with a first commit for other changed manifests.

    ``known`` is what git's history knows of the release (``waits_of``).
    """
    world = release.world
    plan = plan_world(world)
    target = release.app.ref.target
    if known is not None and known.reason == HELD:
        plan = replace(plan, held=wait_text(known, world, target))
    if plan.now is not None:
        now = plan.now if known is None else replace(plan.now, reason=known.reason)
        plan = replace(plan, now=now, message=message_of(with_running_template(world), target, known) or None)
    # The next move commits other changed manifests as well.
    if release.state is None or advance(world) is not None:
        return plan
    changes = plan_changes(release.home, render_release(release, world, keep_time=True).files, release.last_render)
    return after_update(plan, world) if changes else plan
