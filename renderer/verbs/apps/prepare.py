"""What a verb comes to for an app: load, resolve, move, render; nothing is written (shell)."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError, UsageError, each
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.settings import SETTINGS_FILE
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.render.files import KUSTOMIZATION, file_names
from renderer.pipeline.resolve.describe import step_change, wait_text
from renderer.pipeline.resolve.moves import Move, Wait, is_between_phases, is_new_release, steps_of, wait
from renderer.pipeline.resolve.release import Release, Rendered, open_release, render_release
from renderer.pipeline.resolve.step_change import ObjectChange
from renderer.pipeline.write.edit_sources import edited_sources
from renderer.pipeline.write.output_folder import Changes, Planned
from renderer.pipeline.write.prepared import plan_changes
from renderer.pipeline.write.spool import PlannedFile
from renderer.verbs import progress
from renderer.verbs.apps.enforce import Conditions, held
from renderer.verbs.apps.merge_time import Landings, still_paused
from renderer.verbs.apps.outcome import Outcome, Part, Prepared, Request, Verb
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
        return each(
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


def prepared_of(
    release: Release, move: Move, rendered: Rendered, changes: Changes, name: str, options: str = "",
    reason: Wait | None = None,
) -> Prepared:  # fmt: skip
    """Return a release that a verb has moved, with what its commit says; the verb is told as in ``Command``."""
    ref = release.app.ref
    change = step_change(move, ref.name, ref.environment, name)
    objects = (*change.objects, *other_changes(changes, rendered.objects, change.objects))
    change = replace(change, verb=f"{name} {options}".rstrip(), objects=objects)
    return Prepared(release, move, rendered, changes, change, reason)


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


def part_of(prepared: Prepared, folder: str = "", validate: bool = True) -> Part:
    """Return a moved release's part in a commit; raise RollstepError where one of its sources cannot be edited.

    With a ``folder`` new files are written ahead to it.  ``validate`` tells whether anybody validates the files.
    """
    release, made, move, changes = prepared.release, prepared.rendered, prepared.move, prepared.changes
    assert made is not None and move is not None and changes is not None and prepared.change is not None
    edited, planned = edited_sources(release, move), Planned()
    changes.stage(planned)
    planned.write(f"{release.home.ref.folder}/{STATUS_FILE}", made.status_text)
    files: Iterable[PlannedFile] = planned.files
    if folder:
        # Only a fleet's files are written ahead.
        from renderer.pipeline.write.new_files import write_ahead

        files = write_ahead(folder, planned.files, set(changes.kept()))
    texts = changes.files if validate else {}
    return Part(release.home, made_from(release), edited, tuple(files), prepared.change, texts)


def made_from(release: Release) -> tuple[str, ...]:
    """Return the absolute paths of the files and folders that an app is made from, sorted."""
    settings = release.app.settings
    templates = [] if settings.templates is None else [settings.templates]
    # What a command reads it alone knows: without a setting, that may be anything in the repository.
    reads = [release.root / path for path in settings.source.reads] if settings.source.argv is not None else []
    paths = [release.folder, release.root / SETTINGS_FILE, *release.app.files, *templates, *reads]
    return tuple(sorted({os.path.abspath(path) for path in paths}))


def other_changes(
    changes: Changes, objects: Iterable[Body], told: Collection[ObjectChange]
) -> tuple[ObjectChange, ...]:
    """Return what ``changes`` do to objects that are no ReplicaSets and not among those that are ``told`` already.

    ``objects`` are those that are rendered now.
    """
    keys = {name: key for key, name in file_names([Manifest(body).key for body in objects]).items()}
    found = {keys[name]: "created" for name in changes.created if name in keys}
    found |= {keys[name]: "changed" for name in changes.updated if name in keys}
    gone = ((name, text) for name, text in changes.deleted.items() if name != KUSTOMIZATION)
    found |= {key: "removed" for name, text in gone for key in _keys(text, name)}
    known = {(change.kind, change.name) for change in told}
    others = {(key.kind, key.name): word for key, word in found.items() if key.kind != "ReplicaSet"}
    return tuple(ObjectChange(*pair, others[pair]) for pair in sorted(others.keys() - known))


def _keys(text: str, name: str) -> Iterator[ObjectKey]:
    try:
        documents = load_documents(text, name)
    except RollstepError:
        # An old file that somebody has damaged: it is written anew.
        return
    for document in documents:
        if isinstance(document.value, dict):
            yield Manifest(document.value).key


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
