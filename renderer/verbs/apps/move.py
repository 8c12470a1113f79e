"""Runs one verb for apps, up to writing: open, move, check policies, render, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, UsageError, map_valid, require
from renderer.kubernetes.sync_tools.tools import step_order
from renderer.pipeline.commit.part import Part, Request, input_paths, part_of
from renderer.pipeline.load.discover import AppRef, Home
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.analyses import ANALYZE, asks_for_measurements, keeps_time
from renderer.pipeline.resolve.describe import phase_of, wait_text
from renderer.pipeline.resolve.moves import Move, Wait, advance, is_between_phases, is_new_release, steps_of, wait
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.write.moved_app import NOT_SAFE, MovedApp, moved_app, render_app
from renderer.rollouts.model.world import World
from renderer.verbs import progress
from renderer.verbs.analysis.taken_back import images_of_verdict
from renderer.verbs.apps.policies import RunContext, check_policies, content_wait
from renderer.verbs.apps.status_history import StatusHistory, hold, remaining_pause
from renderer.verbs.policy.freeze import Freeze
from renderer.verbs.policy.listed_image import ListedImage, waiting_image_text

if TYPE_CHECKING:
    from renderer.git.repository import Repository

Verb = Callable[[World], Move | None]
"""The effect of a verb on a world: a move, or None if there is nothing to do now."""


class Measuring(Struct, frozen=True):
    """A verb that takes the measurements that are due.

    Without ``goes_on`` the release goes on only where it waited for their result.  One ``is_patient`` that measures
    again soon, and keeps a few measurements of time series for its next commit: they can be asked for again.
    """

    goes_on: bool = True
    is_patient: bool = False


class Command(Struct, frozen=True):
    """A verb with the name and the options that the commit's trailers record, to repeat it.

    A verb with effects besides its move is not ``is_pure`` and has to run in this process.  ``measuring`` says how it
    measures the analyses of a release first, None for not at all.
    """

    verb: Verb
    name: str
    options: str = ""
    is_pure: bool = True
    measuring: Measuring | None = None


class AppResult(Struct, frozen=True):
    """The result of a verb for one app: its part in a commit, if it has one, and the state of its release.

    Processes send it to each other, so it has no world and no manifests.
    """

    home: Home
    part: Part | None
    reason: str
    """The reason why the release does not go on, as in ``Wait``; empty for a complete one."""
    message: str
    """The reason in words; for a release that moves, the reason of the pause that follows."""
    until: datetime | None
    """The end of the wait, None if only a person ends it."""
    phase: str
    revision: int
    current_step_index: int | None
    steps: int
    is_between_phases: bool
    waiting_version: str
    """The version in the sources that the verb has not begun; empty without one."""
    quarantine: str
    """The quarantine of that version, or of one that is aborted, in words; empty without one."""
    listed: tuple[ListedImage, ...]
    """The images that the commit puts in quarantine."""
    notes: tuple[str, ...]
    """Notes for the user on what the sources leave out and on what is not safe."""
    edited: tuple[str, ...]
    """A line for each rendered file that was edited by hand, which the commit puts right."""


AppResults = tuple[list[AppResult], tuple[Finding, ...]]
"""The results of the apps that a verb accepts, and the findings of the others."""


def move_apps_in_worker(
    command: Command,
    request: Request,
    now: datetime,
    freezes: Sequence[Freeze],
    listed: Sequence[ListedImage],
    folder: str,
    refs: Sequence[AppRef],
) -> AppResults:
    """Do ``move_apps`` in another process, which has the same repository at the same path."""
    workspace = Workspace.open(request.directory)

    @cache
    def open_repository() -> Repository:
        from renderer.git.repository import Repository

        return Repository.open(workspace.root)

    return move_apps(command, RunContext(workspace, request, now, freezes, listed, open_repository), refs, folder)


def move_apps(command: Command, context: RunContext, refs: Sequence[AppRef], folder: str = "") -> AppResults:
    """Run ``command`` for each of ``refs``; raise UsageError if it does not fit one of them.

    With a ``folder``, new files are written there.
    """
    with closing(StatusHistory(context.open_repository, [ref.folder for ref in refs])) as history:

        def move(ref: AppRef) -> AppResult:
            with findings_of(ref):
                moved = move_app(command, context, history, ref, context.now)
                return _result(moved, context, folder)

        return map_valid(progress.over(refs, "rendering app"), move)


def move_app(command: Command, context: RunContext, history: StatusHistory, ref: AppRef, now: datetime) -> MovedApp:
    """Run ``command`` for one app at ``now`` and render the app; nothing is written."""
    release = open_release(context.workspace, ref, now)
    if context.on_read is not None:
        context.on_read(input_paths(release))
    is_advance = command.name == "advance"
    measuring = command.measuring
    move = None if measuring is not None and not measuring.goes_on else command.verb(release.world)
    if move is None and command.name == "promote":
        # The promotion begins a version again whose revision was taken back.
        following = advance(release.world)
        if following is not None and hold(history, release, following):
            move = following
    held = hold(history, release, move) if is_advance else None
    reason = held or _refusal(command, context, history, release, move)
    begins = reason is None and move is not None and is_new_release(move.before.status, move.after.status)
    if measuring is not None and held is None and not begins and asks_for_measurements(release.world):
        return _measured_app(command, measuring, context, history, release)
    if reason is not None:
        return MovedApp(release, None, reason=reason)
    if move is None:
        reason = wait(release.world)
        if not is_advance or release.state is None:
            return MovedApp(release, None, reason=reason)
        # Other manifests of the app may have changed.
        move = Move(release.world, release.world, ())
    rendered, app = render_app(release, move.after, keep_time=reason is not None)
    if reason is not None and not app.changes:
        return MovedApp(release, None, reason=reason)
    require([_kept_edit(release, name) for name in app.changes.kept])
    frozen = content_wait(context, release, app) if is_advance and app.changes else None
    if frozen is not None:
        return MovedApp(release, None, reason=frozen)
    return moved_app(release, move, rendered, app, command.name, command.options, reason)


def _refusal(
    command: Command, context: RunContext, history: StatusHistory, release: Release, move: Move | None
) -> Wait | None:
    """Return the rest of a pause, or the policy, that holds ``move`` back; None if the release may move now."""
    begins = move is not None and is_new_release(move.before.status, move.after.status)
    pause = remaining_pause(history, release) if command.name == "advance" and not begins else None
    return pause or check_policies(context, release, move, command.name)


def _measured_app(
    command: Command, measuring: Measuring, context: RunContext, history: StatusHistory, release: Release
) -> MovedApp:
    """Measure what is due, and do what follows from it: the next step, the way back, or nothing but the record."""
    # Loads the providers, which other releases do not need.
    from renderer.pipeline.resolve.measured import recording_move, verdict_move
    from renderer.verbs.analysis.measure import measure_release

    measured = measure_release(history, release, only_past=context.request.dry_run)
    name, move, reason = command.name, None, None
    if measured.is_changed and measured.is_bad:
        name, move = ANALYZE, verdict_move(measured)
    elif not measured.is_behind and (measured.opens_gate or measuring.goes_on):
        move = command.verb(measured.after)
        move = None if move is None else replace(move, before=release.world)
        reason = _refusal(command, context, history, release, move)
    if move is None or reason is not None:
        reason = reason or replace(wait(measured.after), until=measured.next_look)
        if not measured.is_changed or (measuring.is_patient and measured.can_wait):
            return MovedApp(release, None, reason=reason)
        name, move = ANALYZE, recording_move(measured)
    rendered, app = render_app(release, move.after, keep_time=keeps_time(move))
    require([_kept_edit(release, file) for file in app.changes.kept])
    return moved_app(release, move, rendered, app, name, command.options if name == command.name else "", reason)


def _kept_edit(release: Release, name: str) -> Finding:
    """Return the finding of a rendered file whose edit by hand a commit would contain as if a verb had made it."""
    file = f"{release.home.output_path}/{name}"
    hint = f"put it back with git, or keep it: `rollstep render {release.app.ref.target}`, and a commit of your own"
    return Finding(file, 0, 0, "", "was edited by hand", hint)


def _result(moved: MovedApp, context: RunContext, folder: str) -> AppResult:
    world = moved.world
    validate = context.request.validate
    reason, steps = moved.reason or wait(world), len(steps_of(world))
    sources = replace(moved.release.world, status=world.status, replica_sets=world.replica_sets)
    return AppResult(
        home=moved.release.home,
        part=None if moved.move is None else part_of(moved, folder, validate=validate),
        reason=reason.reason,
        message=wait_text(reason, world, moved.release.app.ref.target),
        until=reason.until,
        phase=phase_of(world),
        revision=world.rollout.revision,
        current_step_index=(world.status.current_step_index or 0) if steps else None,
        steps=steps,
        is_between_phases=is_between_phases(world),
        waiting_version=moved.waiting_version,
        quarantine=waiting_image_text(context.listed, moved.release.app.ref, sources),
        listed=tuple(images_of_verdict(moved, context.open_repository)),
        notes=tuple(note.text() for note in (*moved.release.app.notes, *_notes(moved, context))),
        edited=() if moved.app is None else tuple(moved.app.changes.edit_notes(moved.release.home.output_path)),
    )


def _notes(moved: MovedApp, context: RunContext) -> Iterator[Finding]:
    """Yield the note about an order for which the commit is not safe."""
    if moved.change is not None and moved.change.note.startswith(NOT_SAFE):
        ref, settings = moved.release.app.ref, context.workspace.settings
        note = step_order(settings.body, settings.source, ref.environment, ref.name)
        if note is not None:
            yield note


@contextmanager
def findings_of(ref: AppRef) -> Iterator[None]:
    """Add the app's name to findings without a file."""
    try:
        yield
    except UsageError:
        raise
    except RollstepError as error:
        raise RollstepError(
            finding if finding.file else replace(finding, file=ref.target) for finding in error.findings
        ) from error
