"""A rendered app and what it changes in the app's folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.last_render import LastRender
from renderer.pipeline.load.sources import KUSTOMIZATION, STATUS_FILE
from renderer.pipeline.render.files import Rendered, file_names, render_release
from renderer.pipeline.resolve.describe import step_change
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.step_change import ObjectChange, StepChange
from renderer.pipeline.write.output_folder import Changes, diff, file_diff, plan_changes
from renderer.rollouts.model.world import World


class RenderedApp(Struct, frozen=True):
    """An app rendered at a step: its files by name, the text of its status, and their changes to its folder.

    ``new_release`` is the pod-template-hash of a release that starts with this step, else empty.
    """

    home: Home
    files: Mapping[str, str]
    status_text: str
    changes: Changes
    old_status: str | None
    new_release: str = ""

    @property
    def is_up_to_date(self) -> bool:
        """Whether the folder and ``status.yaml`` have the rendered content."""
        return not self.changes and self.old_status == self.status_text

    @property
    def planned(self) -> list[tuple[str, str | None]]:
        """The path of every file with its text, None for a deleted file, in the order of writing."""
        return [*self.changes.planned(), (self._status_file, self.status_text)]

    @property
    def unchanged(self) -> set[str]:
        """The paths of the files that already have their text."""
        status = [self._status_file] if self.old_status == self.status_text else []
        return {*self.changes.unchanged_paths(), *status}

    @property
    def _status_file(self) -> str:
        return f"{self.home.ref.folder}/{STATUS_FILE}"

    def diff(self) -> str:
        """Return the changes as a unified diff."""
        text = diff(self.changes, self.home.output_path)
        if self.old_status != self.status_text:
            text += "".join(file_diff(f"{self.home.path}/{STATUS_FILE}", self.old_status, self.status_text))
        return text

    def staleness(self) -> Finding:
        """Return the finding of an app that is not up to date."""
        target = f"{self.home.ref.environment}/{self.home.ref.name}"
        if self.new_release:
            message = f"a new pod template ({self.new_release}) is not released yet"
            hint = f"rollstep advance {target}"
        else:
            message, hint = "the rendered manifests do not match the sources", f"rollstep render {target}"
        return Finding(self.home.output_path, 0, 0, "", message, hint)

    def to_dict(self, *, with_diff: bool = False) -> dict[str, object]:
        """Return whether the app was up to date, and its changes, as JSON-ready data."""
        ref, stale = self.home.ref, None if self.is_up_to_date else self.staleness()
        entry: dict[str, object] = {
            "app": ref.name,
            "environment": ref.environment,
            "output": self.home.output_path,
            "upToDate": self.is_up_to_date,
            "message": stale.message if stale else None,
            "hint": stale.hint if stale else None,
            "files": self.changes.to_dict(),
            "statusChanged": self.old_status != self.status_text,
        }
        if with_diff:
            entry["diff"] = "" if self.is_up_to_date else self.diff()
        return entry


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

    @property
    def world(self) -> World:
        """The world after the verb."""
        return self.move.after if self.move else self.release.world


def compare_with_folder(
    home: Home, files: Mapping[str, str], status_text: str, new_release: str = "", last_render: LastRender | None = None
) -> RenderedApp:
    """Compare an app rendered as ``files`` with its folder; raise RollstepError as ``plan_write`` does."""
    changes = plan_changes(home, files, last_render)
    status_file = home.ref.folder / STATUS_FILE
    old_status = status_file.read_text(encoding="utf-8") if status_file.is_file() else None
    return RenderedApp(home, files, status_text, changes, old_status, new_release)


def render_app(release: Release, world: World, *, keep_time: bool) -> tuple[Rendered, RenderedApp]:
    """Render the ``world`` that ``release`` moves to, and compare it with the folder.

    ``keep_time`` is for a release that does not move.  Raises RollstepError for a template that fails, and as
    ``plan_write`` does.
    """
    rendered = render_release(release, world, keep_time=keep_time)
    old, new_hash = release.state, rendered.state.status.current_pod_hash
    new_release = new_hash if old is not None and old.status.current_pod_hash != new_hash else ""
    texts = rendered.files, rendered.status_text
    return rendered, compare_with_folder(release.home, *texts, new_release, release.last_render)


def moved_app(
    release: Release, move: Move, rendered: Rendered, app: RenderedApp, verb: str, options: str = "",
    reason: Wait | None = None,
) -> MovedApp:  # fmt: skip
    """Return a release that ``verb`` has moved, with the changes for its commit message."""
    ref = release.app.ref
    change = step_change(move, ref.name, ref.environment, verb)
    objects = (*change.objects, *_other_changes(app.changes, rendered.objects, change.objects))
    change = replace(change, verb=f"{verb} {options}".rstrip(), objects=objects)
    return MovedApp(release, move, app, change, reason)


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
