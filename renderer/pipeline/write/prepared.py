"""An app rendered at a step, what that changes in its folder, and how it is told (shell)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.discover import AppRef, Home
from renderer.pipeline.load.sources import KUSTOMIZATION, STATUS_FILE
from renderer.pipeline.render.files import Rendered, file_names, render_release
from renderer.pipeline.resolve.commit_content import moved
from renderer.pipeline.resolve.describe import step_change
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import ObjectChange, StepChange
from renderer.pipeline.write.output_folder import Changes, diff, unified
from renderer.rollouts.model.world import World

if TYPE_CHECKING:
    pass
from renderer.pipeline.write.output_folder import plan_changes


class RenderedApp(Struct, frozen=True):
    """An app rendered at a step: its files by name, the text of its status, and what that changes in its folder.

    ``begins`` is the pod hash of a release that begins with it, empty where none does.
    """

    home: Home
    files: Mapping[str, str]
    status_text: str
    changes: Changes
    old_status: str | None
    begins: str = ""

    @property
    def is_fresh(self) -> bool:
        """Whether the folder holds just this already."""
        return not self.changes and self.old_status == self.status_text

    def diff(self) -> str:
        """Return what changes as a unified diff."""
        text = diff(self.changes, self.home.shown)
        if self.old_status != self.status_text:
            text += "".join(unified(f"{self.home.place}/{STATUS_FILE}", self.old_status, self.status_text))
        return text

    def staleness(self) -> Finding:
        """Return why the folder is not what is rendered, and what to do about it."""
        target = f"{self.home.ref.environment}/{self.home.ref.name}"
        if self.begins:
            message = f"a new pod template ({self.begins}) is not released yet"
            hint = f"rollstep advance {target}"
        else:
            message, hint = "the rendered manifests are not what the sources give", f"rollstep render {target}"
        return Finding(self.home.shown, 0, 0, "", message, hint)

    def entry(self, *, with_diff: bool = False) -> dict[str, object]:
        """Return whether the folder was as it is rendered, and what differs or was written, as JSON-ready data."""
        ref, why = self.home.ref, None if self.is_fresh else self.staleness()
        entry: dict[str, object] = {
            "app": ref.name,
            "environment": ref.environment,
            "output": self.home.shown,
            "upToDate": self.is_fresh,
            "message": why.message if why else None,
            "hint": why.hint if why else None,
            "files": self.changes.to_dict(),
            "statusChanged": self.old_status != self.status_text,
        }
        if with_diff:
            entry["diff"] = "" if self.is_fresh else self.diff()
        return entry


def old_status(ref: AppRef) -> str | None:
    """Return the text of an app's ``status.yaml``; None where there is none."""
    status_file = ref.folder / STATUS_FILE
    return status_file.read_text(encoding="utf-8") if status_file.is_file() else None


def compared(home: Home, files: Mapping[str, str], status_text: str, begins: str = "") -> RenderedApp:
    """Return an app that is rendered as ``files``; raise RollstepError where foreign files are in the way."""
    return RenderedApp(home, files, status_text, plan_changes(home, files), old_status(home.ref), begins)


def prepare(release: Release, world: World) -> RenderedApp:
    """Render ``world``, which ``release`` has come to, and compare it with the folder."""
    rendered = render_release(release, world, keep_time=not moved(release.world, world))
    begins, old = rendered.state.status.current_pod_hash, release.state
    is_new = old is not None and old.status.current_pod_hash != begins
    return compared(release.home, rendered.files, rendered.status_text, begins if is_new else "")


class Prepared(Struct, frozen=True):
    """An app's release, moved by a verb and rendered, or the reason why it is not moved."""

    release: Release
    move: Move | None
    rendered: Rendered | None = None
    changes: Changes | None = None
    change: StepChange | None = None
    reason: Wait | None = None

    @property
    def world(self) -> World:
        """The world as it is after the verb."""
        return self.move.after if self.move else self.release.world


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
