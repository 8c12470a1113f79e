"""What a verb comes to for an app: load, resolve, move, render; nothing is written (shell)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError, UsageError, map_all
from renderer.pipeline.commit.part import Request, made_from, part_of
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.describe import wait_text
from renderer.pipeline.resolve.moves import Move, is_between_phases, is_new_release, steps_of, wait
from renderer.pipeline.resolve.release import open_release
from renderer.pipeline.write.output_folder import plan_changes
from renderer.pipeline.write.prepared import Prepared, prepared_of
from renderer.verbs import progress
from renderer.verbs.apps.enforce import Conditions, held
from renderer.verbs.apps.merge_time import Landings, still_paused
from renderer.verbs.apps.outcome import Outcome, Verb
from renderer.verbs.policy.freeze import Freeze

if TYPE_CHECKING:
    from renderer.git.repository import Repository

R = TypeVar("R")


class Command(Struct, frozen=True):
    """A verb with the name and the options by which a commit's trailers tell it, so that it can be done again.

    ``is_alone`` is a verb that tells nothing but its move, so that any process can do it.
    """

    verb: Verb
    name: str
    options: str = ""
    is_alone: bool = True


def prepare_elsewhere(
    command: Command, request: Request, now: datetime, freezes: Sequence[Freeze], folder: str, refs: Sequence[AppRef]
) -> list[Outcome]:
    """Do ``prepare_apps`` in another process, which has the same repository at the same place.

    With a ``folder`` new files are written ahead to it.
    """
    workspace = Workspace.open(request.directory)

    @cache
    def repository() -> Repository:
        from renderer.git.repository import Repository

        return Repository.open(workspace.root)

    return prepare_apps(command, Conditions(workspace, request, now, freezes, repository), refs, folder)


def prepare_apps(command: Command, conditions: Conditions, refs: Sequence[AppRef], folder: str = "") -> list[Outcome]:
    """Return what ``command`` comes to for each of ``refs``; raise RollstepError with the findings of all of them."""
    validate = conditions.request.validate
    with closing(Landings(conditions.repository, [ref.folder for ref in refs])) as landings:
        return map_all(
            progress.over(refs, "rendering app"),
            lambda ref: named(
                ref, lambda: outcome_of(prepare(command, conditions, landings, ref, conditions.now), folder, validate)
            ),
        )


def prepare(command: Command, conditions: Conditions, landings: Landings, ref: AppRef, now: datetime) -> Prepared:
    """Return what ``command`` comes to for one app at ``now``, rendered; nothing is written."""
    return held(conditions, _prepare(command, conditions, landings, ref, now), command.name)


def _prepare(command: Command, conditions: Conditions, landings: Landings, ref: AppRef, now: datetime) -> Prepared:
    release = open_release(conditions.workspace, ref, now)
    if conditions.on_read is not None:
        conditions.on_read(made_from(release))
    reason, is_advance = None, command.name == "advance"
    move = command.verb(release.world)
    goes_on = is_advance and not (move and is_new_release(move.before, move.after))
    paused = still_paused(landings, release) if goes_on else None
    if paused is not None:
        return Prepared(release, None, reason=paused)
    if move is None:
        reason = wait(release.world)
        if not is_advance or release.state is None:
            return Prepared(release, None, reason=reason)
        move = Move(release.world, release.world, ())
    rendered = render_release(release, move.after, keep_time=reason is not None)
    changes = plan_changes(release.home, rendered.files)
    if reason is not None and not changes:
        return Prepared(release, None, reason=reason)
    return prepared_of(release, move, rendered, changes, command.name, command.options, reason)


def outcome_of(prepared: Prepared, folder: str = "", validate: bool = True) -> Outcome:
    """Return what is committed and told of an app; raise RollstepError where one of its sources cannot be edited.

    The arguments are those of ``part_of``.
    """
    release, world = prepared.release, prepared.world
    return Outcome(
        home=release.home,
        part=None if prepared.move is None else part_of(prepared, folder, validate),
        reason=prepared.reason,
        waits=wait_text(prepared.reason or wait(world), world),
        phase=world.status.phase,
        revision=world.rollout.revision,
        current_step_index=world.status.current_step_index,
        steps=len(steps_of(world)),
        is_between_phases=is_between_phases(world),
    )


def named(ref: AppRef, make: Callable[[], R]) -> R:
    """Return what ``make`` makes; findings that have no file get the app's name."""
    try:
        return make()
    except UsageError:
        raise
    except RollstepError as error:
        place = f"{ref.environment}/{ref.name}"
        raise RollstepError(
            finding if finding.file else replace(finding, file=place) for finding in error.findings
        ) from error
