"""Runs one verb for one app, up to writing: load, resolve, check policies, render, compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError, UsageError, map_all
from renderer.pipeline.commit.part import Request, input_paths, part_of
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.describe import wait_text
from renderer.pipeline.resolve.moves import Move, is_between_phases, is_new_release, steps_of, wait
from renderer.pipeline.resolve.release import open_release
from renderer.pipeline.write.rendered_app import MovedApp, moved_app, render_app
from renderer.verbs import progress
from renderer.verbs.apps.enforce import Conditions, check_policies
from renderer.verbs.apps.merge_time import Landings, still_paused
from renderer.verbs.apps.outcome import Outcome, Verb
from renderer.verbs.policy.freeze import Freeze

if TYPE_CHECKING:
    from renderer.git.repository import Repository

R = TypeVar("R")


class Command(Struct, frozen=True):
    """A verb with the name and the options that a commit's trailers have, so that it can be run again.

    ``is_alone`` is a verb whose only effect is its move, so that any process can run it.
    """

    verb: Verb
    name: str
    options: str = ""
    is_alone: bool = True


def prepare_elsewhere(
    command: Command, request: Request, now: datetime, freezes: Sequence[Freeze], folder: str, refs: Sequence[AppRef]
) -> list[Outcome]:
    """Do ``prepare_apps`` in another process, which has the same repository at the same place.

    With a ``folder``, new files are written there.
    """
    workspace = Workspace.open(request.directory)

    @cache
    def repository() -> Repository:
        from renderer.git.repository import Repository

        return Repository.open(workspace.root)

    return prepare_apps(command, Conditions(workspace, request, now, freezes, repository), refs, folder)


def prepare_apps(command: Command, conditions: Conditions, refs: Sequence[AppRef], folder: str = "") -> list[Outcome]:
    """Run ``command`` for each of ``refs``; raise RollstepError with the findings of all of them."""
    with closing(Landings(conditions.repository, [ref.folder for ref in refs])) as landings:

        def outcome(ref: AppRef) -> Outcome:
            moved = prepare(command, conditions, landings, ref, conditions.now)
            return outcome_of(moved, folder, validate=conditions.request.validate)

        return map_all(progress.over(refs, "rendering app"), lambda ref: named(ref, lambda: outcome(ref)))


def prepare(command: Command, conditions: Conditions, landings: Landings, ref: AppRef, now: datetime) -> MovedApp:
    """Run ``command`` for one app at ``now`` and render the app; nothing is written."""
    release = open_release(conditions.workspace, ref, now)
    if conditions.on_read is not None:
        conditions.on_read(input_paths(release))
    is_advance = command.name == "advance"
    move = command.verb(release.world)
    goes_on = is_advance and not (move and is_new_release(move.before.status, move.after.status))
    reason = still_paused(landings, release) if goes_on else None
    reason = reason or check_policies(conditions, release, move, command.name)
    if reason is not None:
        return MovedApp(release, None, reason=reason)
    if move is None:
        reason = wait(release.world)
        if not is_advance or release.state is None:
            return MovedApp(release, None, reason=reason)
        # Other manifests of the app may have changed all the same.
        move = Move(release.world, release.world, ())
    rendered, app = render_app(release, move.after, keep_time=reason is not None)
    if reason is not None and not app.changes:
        return MovedApp(release, None, reason=reason)
    return moved_app(release, move, rendered, app, command.name, command.options, reason)


def outcome_of(moved: MovedApp, folder: str = "", *, validate: bool = True) -> Outcome:
    """Return what is committed and printed of an app; the arguments and errors are those of ``part_of``."""
    world = moved.world
    return Outcome(
        home=moved.release.home,
        part=None if moved.move is None else part_of(moved, folder, validate=validate),
        reason=moved.reason,
        waits=wait_text(moved.reason or wait(world), world),
        phase=world.status.phase,
        revision=world.rollout.revision,
        current_step_index=world.status.current_step_index,
        steps=len(steps_of(world)),
        is_between_phases=is_between_phases(world),
    )


def named(ref: AppRef, make: Callable[[], R]) -> R:
    """Return the result of ``make``; findings without a file get the app's name."""
    try:
        return make()
    except UsageError:
        raise
    except RollstepError as error:
        place = f"{ref.environment}/{ref.name}"
        raise RollstepError(
            finding if finding.file else replace(finding, file=place) for finding in error.findings
        ) from error
