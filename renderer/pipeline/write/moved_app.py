"""An app after a verb: moved, rendered, and compared with its folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.render.coming import coming_files
from renderer.pipeline.render.files import Rendered, file_names, render_release
from renderer.pipeline.resolve.describe import step_change
from renderer.pipeline.resolve.moves import Move, Wait, is_new_release
from renderer.pipeline.resolve.ordering.phases import is_safe_at_once
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import ObjectChange, StepChange
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.pipeline.write.output_folder import Changes
from renderer.pipeline.write.rendered_app import RenderedApp, compare_with_folder
from renderer.rollouts.model.world import World

NOT_SAFE = "Not safe (order: step): requests may reach a version before its pods are available."
"""The first line of the body of a commit that adds pods and sends them traffic at once."""
WAYS_BACK = ("abort", "undo", "retry")
"""Verbs that a later step never holds up."""


class MovedApp(Struct, frozen=True):
    """An app after a verb: the move of its release with the rendered app, or the reason why the release does not move.

    ``move`` is None without anything to commit.  With both a move and a ``reason``, only other manifests of the app
    have changed.
    """

    release: Release
    move: Move | None
    app: RenderedApp | None = None
    change: StepChange | None = None
    reason: Wait | None = None
    coming: Mapping[str, str] = {}
    """The texts of later commits of a release that begins, to be validated with the first one (``coming_files``)."""

    @property
    def world(self) -> World:
        """The world after the verb."""
        return self.move.after if self.move else self.release.world

    @property
    def waiting_version(self) -> str:
        """The version in the sources that the verb has not begun; empty without one."""
        source = self.release.world
        if self.move is not None and self.move.before is source:
            # The verb may have edited the pod template.
            source = self.move.after
        return waiting_version(replace(source, status=self.world.status, replica_sets=self.world.replica_sets))


def render_app(release: Release, world: World, *, keep_time: bool) -> tuple[Rendered, RenderedApp]:
    """Render the ``world`` that ``release`` moves to, and compare it with the folder.

    ``keep_time`` is for a release that does not move.  Raises RollstepError for a template that fails, and as
    ``plan_write`` does.
    """
    rendered = render_release(release, world, keep_time=keep_time)
    return rendered, compare_with_folder(
        release.home, rendered.files, rendered.status_text, rendered.runs_text, release.last_render
    )


def moved_app(
    release: Release, move: Move, rendered: Rendered, app: RenderedApp, verb: str, options: str = "",
    reason: Wait | None = None,
) -> MovedApp:  # fmt: skip
    """Return a release that ``verb`` has moved, with the changes for its commit message.

    Raises RollstepError for a release that begins, and that has a step which cannot be done.
    """
    ref = release.app.ref
    is_safe = move.after.in_phases or is_safe_at_once(move.before, move.after)
    notes = [*([] if is_safe else [NOT_SAFE]), *app.changes.edit_notes(release.home.output_path)]
    change = step_change(move, ref.name, ref.environment, verb, " ".join(notes))
    objects = (*change.objects, *_other_changes(app.changes, rendered.objects, change.objects))
    change = replace(change, verb=f"{verb} {options}".rstrip(), objects=objects)
    coming: Mapping[str, str] = {}
    if verb not in WAYS_BACK and is_new_release(move.before.status, move.after.status):
        coming = coming_files(release, move.after, rendered.objects)
    return MovedApp(release, move, app, change, reason, coming)


def _other_changes(
    changes: Changes, objects: Iterable[Body], known: Collection[ObjectChange]
) -> tuple[ObjectChange, ...]:
    """Return the ``changes`` of rendered objects, except those of ReplicaSets and the ``known`` ones."""
    keys = {name: key for key, name in file_names([Manifest(body).key for body in objects]).items()}
    found = {keys[name]: "created" for name in changes.created if name in keys}
    found |= {keys[name]: "changed" for name in changes.updated if name in keys}
    deleted = ((name, text) for name, text in changes.deleted.items() if name != KUSTOMIZATION)
    found |= {key: "removed" for name, text in deleted for key in _keys(text, name)}
    others = {(key.kind, key.name): word for key, word in found.items() if key.kind != "ReplicaSet"}
    return tuple(
        ObjectChange(*pair, others[pair])
        for pair in sorted(others.keys() - {(change.kind, change.name) for change in known})
    )


def _keys(text: str, name: str) -> Iterator[ObjectKey]:
    try:
        documents = load_documents(text, name)
    except RollstepError:
        # A damaged old file only needs to be deleted.
        return
    for document in documents:
        if isinstance(document.value, dict):
            yield Manifest(document.value).key
