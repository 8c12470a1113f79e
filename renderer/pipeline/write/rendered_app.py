"""A rendered app and what it changes in the app's folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.discover import AppRef, Home
from renderer.pipeline.load.last_render import LastRender
from renderer.pipeline.load.sources import KUSTOMIZATION, STATUS_FILE
from renderer.pipeline.render.files import Rendered, file_names, render_release
from renderer.pipeline.resolve.describe import step_change
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import ObjectChange, StepChange
from renderer.pipeline.write.output_folder import Changes, diff, plan_changes, unified
from renderer.rollouts.model.world import World


class RenderedApp(Struct, frozen=True):
    """An app rendered at a step: its files by name, the text of its status, and what they change in its folder.

    ``begins`` is the pod-template-hash of a release that begins with it, empty where none does.
    """

    home: Home
    files: Mapping[str, str]
    status_text: str
    changes: Changes
    old_status: str | None
    begins: str = ""

    @property
    def is_up_to_date(self) -> bool:
        """Whether the folder and the status hold what is rendered."""
        return not self.changes and self.old_status == self.status_text

    @property
    def planned(self) -> list[tuple[str, str | None]]:
        """Every file of the app with its text, in the order of writing; None for a file that goes."""
        return [*self.changes.planned(), (self._status_file, self.status_text)]

    @property
    def kept(self) -> set[str]:
        """The paths of files that hold their text already."""
        return {*self.changes.kept(), *([self._status_file] if self.old_status == self.status_text else [])}

    @property
    def _status_file(self) -> str:
        return f"{self.home.ref.folder}/{STATUS_FILE}"

    def diff(self) -> str:
        """Return what changes as a unified diff."""
        text = diff(self.changes, self.home.output_path)
        if self.old_status != self.status_text:
            text += "".join(unified(f"{self.home.path}/{STATUS_FILE}", self.old_status, self.status_text))
        return text

    def staleness(self) -> Finding:
        """Return why the folder is not what is rendered, and what to do about it."""
        target = f"{self.home.ref.environment}/{self.home.ref.name}"
        if self.begins:
            message = f"a new pod template ({self.begins}) is not released yet"
            hint = f"rollstep advance {target}"
        else:
            message, hint = "the rendered manifests do not match the sources", f"rollstep render {target}"
        return Finding(self.home.output_path, 0, 0, "", message, hint)

    def to_dict(self, *, with_diff: bool = False) -> dict[str, object]:
        """Return whether the app was up to date, and what differs or was written, as JSON-ready data."""
        ref, why = self.home.ref, None if self.is_up_to_date else self.staleness()
        entry: dict[str, object] = {
            "app": ref.name,
            "environment": ref.environment,
            "output": self.home.output_path,
            "upToDate": self.is_up_to_date,
            "message": why.message if why else None,
            "hint": why.hint if why else None,
            "files": self.changes.to_dict(),
            "statusChanged": self.old_status != self.status_text,
        }
        if with_diff:
            entry["diff"] = "" if self.is_up_to_date else self.diff()
        return entry


def compare(
    home: Home, files: Mapping[str, str], status_text: str, begins: str = "", last_render: LastRender | None = None
) -> RenderedApp:
    """Compare an app rendered as ``files`` with its folder; raise RollstepError where foreign files are in the way."""
    changes = plan_changes(home, files, last_render)
    return RenderedApp(home, files, status_text, changes, _old_status(home.ref), begins)


def _old_status(ref: AppRef) -> str | None:
    status_file = ref.folder / STATUS_FILE
    return status_file.read_text(encoding="utf-8") if status_file.is_file() else None


def render_app(release: Release, world: World, *, keep_time: bool) -> tuple[Rendered, RenderedApp]:
    """Render ``world``, which ``release`` has moved to, and compare it with the folder.

    ``keep_time`` is for a release that does not move.  Raises RollstepError where a template fails or where foreign
    files are in the way.
    """
    rendered = render_release(release, world, keep_time=keep_time)
    begins, old = rendered.state.status.current_pod_hash, release.state
    is_new = old is not None and old.status.current_pod_hash != begins
    begins = begins if is_new else ""
    return rendered, compare(release.home, rendered.files, rendered.status_text, begins, release.last_render)


class MovedApp(Struct, frozen=True):
    """An app after a verb: its release's move and what is rendered of it, or why the release does not move.

    ``move`` is None where nothing is to be committed.  With both a move and a ``reason``, other manifests of the app
    have changed alone.
    """

    release: Release
    move: Move | None
    app: RenderedApp | None = None
    change: StepChange | None = None
    reason: Wait | None = None

    @property
    def world(self) -> World:
        """The world after the verb."""
        return self.move.after if self.move else self.release.world


def moved_app(
    release: Release, move: Move, rendered: Rendered, app: RenderedApp, verb: str, options: str = "",
    reason: Wait | None = None,
) -> MovedApp:  # fmt: skip
    """Return a release that ``verb`` has moved, with what its commit says."""
    ref = release.app.ref
    change = step_change(move, ref.name, ref.environment, verb)
    objects = (*change.objects, *_other_changes(app.changes, rendered.objects, change.objects))
    change = replace(change, verb=f"{verb} {options}".rstrip(), objects=objects)
    return MovedApp(release, move, app, change, reason)


def _other_changes(
    changes: Changes, objects: Iterable[Body], known: Collection[ObjectChange]
) -> tuple[ObjectChange, ...]:
    """Return what ``changes`` do to rendered ``objects`` other than ReplicaSets and those ``known`` already."""
    keys = {name: key for key, name in file_names([Manifest(body).key for body in objects]).items()}
    found = {keys[name]: "created" for name in changes.created if name in keys}
    found |= {keys[name]: "changed" for name in changes.updated if name in keys}
    gone = ((name, text) for name, text in changes.deleted.items() if name != KUSTOMIZATION)
    found |= {key: "removed" for name, text in gone for key in _keys(text, name)}
    others = {(key.kind, key.name): word for key, word in found.items() if key.kind != "ReplicaSet"}
    return tuple(
        ObjectChange(*pair, others[pair])
        for pair in sorted(others.keys() - {(change.kind, change.name) for change in known})
    )


def _keys(text: str, name: str) -> Iterator[ObjectKey]:
    try:
        documents = load_documents(text, name)
    except RollstepError:
        # A damaged old file is written anew.
        return
    for document in documents:
        if isinstance(document.value, dict):
            yield Manifest(document.value).key
