"""Loading an app from two commits: its sources from one, its status and rendered files from the parent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.git.objects import TreeFile
from renderer.git.repository import Repository
from renderer.kubernetes.manifest import Body, Manifest
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.load.app import App, load_app
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.last_render import read_last_render
from renderer.pipeline.load.settings import DEFAULT_TEMPLATES, SETTINGS_FILE, Settings, SourceSettings, parse_settings
from renderer.pipeline.load.sources import KUSTOMIZATION, may_execute
from renderer.pipeline.load.status_file import State
from renderer.pipeline.load.workspace import relative_findings
from renderer.pipeline.resolve.release import Release, read_rollout, resolve_app, resolve_rollout
from renderer.rollouts.model.rollout import EPOCH
from renderer.rollouts.model.world import World
from renderer.verbs.verify.app_state import AppLocation, AppState
from renderer.verbs.verify.object_cache import EXECUTABLE, FOLDER, REGULAR, ObjectCache
from renderer.verbs.verify.tree import Tree

_SCALED, _BOUNDS = ("HorizontalPodAutoscaler", "ScaledObject"), ("minReplicas", "maxReplicas")
_MOST_APPS = 100_000
"""The most apps of a commit, whose folders some bytes of objects can name."""
_MOST_BYTES = 1 << 30
"""The most bytes of files that are laid out for a command."""


class Loader:
    """Loads apps from commits; a context manager, which ends its git."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.objects = ObjectCache(repository)
        self._settings: dict[tuple[str, bool], Settings] = {}

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.objects.close()

    def files(self, sha: str) -> Tree:
        """Return the files of a commit or tree; their paths begin with the repository's root."""
        return Tree(self.objects, sha, self.repository.root)

    def settings(self, sha: str) -> Settings:
        """Return the settings of commit ``sha``; raise RollstepError with everything wrong in its ``rollstep.yaml``."""
        files = self.files(sha)
        has_templates = any(entry.name.endswith(".j2") for entry in files.entries(f"{files.root}/{DEFAULT_TEMPLATES}"))
        content = files.read_own(f"{files.root}/{SETTINGS_FILE}", SETTINGS_FILE)
        key = ("" if content is None else sha256(content).hexdigest(), has_templates)
        if key not in self._settings:
            text = "" if content is None else decode(content, SETTINGS_FILE)
            self._settings[key] = parse_settings(text, files.root, files)
        return self._settings[key]

    def apps(self, sha: str, settings: Settings) -> list[tuple[str, str]]:
        """Return environment and name of every app that has a folder in commit ``sha``."""
        found: list[tuple[str, str]] = []
        for environment, folder in self._folders(self.objects.find(sha, settings.environments_path)):
            found += ((environment, app) for app, _ in self._folders(folder))
            if len(found) > _MOST_APPS:
                raise RollstepError.at(settings.environments_path, f"has more than {_MOST_APPS:,} apps")
        return found

    def _folders(self, place: TreeFile | None) -> Iterator[tuple[str, TreeFile]]:
        if place is not None and place.mode == FOLDER:
            yield from ((name, file) for name, file in self.objects.tree(place.sha).items() if file.mode == FOLDER)

    def needs_exec(self, settings: Settings, location: AppLocation) -> bool:
        """Return whether a command prints the app's manifests and commands may not run."""
        has_command = settings.for_app(location.environment, location.app).source.argv is not None
        return has_command and not may_execute()

    def app(self, sha: str, location: AppLocation) -> App:
        """Load an app's sources in commit ``sha``; raise RollstepError with everything wrong with them."""
        settings, root = self.settings(sha), self.repository.root
        own = settings.for_app(location.environment, location.app)
        ref = AppRef(location.environment, location.app, root / location.folder)
        with relative_findings(root):
            if own.source.argv is None:
                return load_app(ref, settings, self.files(sha))
            with TemporaryDirectory(prefix="rollstep-command-") as folder:
                laid_out = Path(os.path.realpath(folder))
                self._lay_out(sha, own.source, laid_out)
                moved = replace(settings, root=laid_out, files=None)
                with relative_findings(laid_out):
                    app = load_app(replace(ref, folder=laid_out / location.folder), moved, Folder(laid_out))
            return replace(app, ref=ref, settings=own, origin=self.files(sha))

    def release(self, sha: str, location: AppLocation, before: AppState, parent: str, state: State | None) -> Release:
        """Return the release with its sources from ``sha``, and its status and rendered files from ``parent``.

        ``state`` is the status in ``sha``, whose time of the last move becomes the present.  Raises RollstepError for
        an app that cannot be loaded or resolved.
        """
        app, root = self.app(sha, location), self.repository.root
        old = before.state()
        rendered: Sequence[Manifest] = ()
        if parent:
            output = before.location.output
            with relative_findings(root):
                rendered = read_last_render(root / output, output, old, self.files(parent), is_whole=True).manifests
        now = state.last_update_time if state is not None else old.last_update_time if old else EPOCH
        return resolve_app(app, root, old, rendered, now, before.runs())

    def content(self, sha: str, location: AppLocation) -> tuple[object, ...]:
        """Return what an app's rendered folder is made of in commit ``sha``, beside its Rollout and its scale.

        That are its other manifests, the values and the layouts of templates.  Raises RollstepError as ``app``.
        """
        app, root = self.app(sha, location), self.repository.root
        own = app.settings
        bodies = {manifest.key: _without_scale(manifest.body) for manifest in app.manifests}
        place = own.templates.relative_to(root).as_posix() if own.templates is not None else ""
        layouts = self.objects.files(sha, place) if place else {}
        return bodies, dict(own.values), own.namespace, own.versioned_config, dict(layouts)

    def world(self, sha: str, state: AppState) -> World:
        """Return the world of commit ``sha``, ReplicaSets as they are; raise RollstepError for an unloadable app."""
        app, status = self.app(sha, state.location), state.state()
        now = status.last_update_time if status is not None else EPOCH
        rendered = list(rendered_objects(state))
        return resolve_rollout(app, read_rollout(app), status, rendered, now, state.runs()).world

    def _lay_out(self, sha: str, source: SourceSettings, folder: Path) -> None:
        """Write what a command may read into a private folder: regular files alone, no links and no submodules.

        That is what ``reads`` names, and the files that the command line names.
        """
        named = (os.path.normpath(part) for part in source.argv or ())
        paths = [*map(os.path.normpath, source.reads), *(path for path in named if self.objects.find(sha, path))]
        wanted = self.objects.files(sha, *([] if "." in paths else paths))
        total = 0
        for path, file in wanted.items():
            if file.mode not in (REGULAR, EXECUTABLE):
                continue
            content = self.objects.content(file.sha, path)
            total += len(content)
            if total > _MOST_BYTES:
                message = f"a command may read more than {_MOST_BYTES:,} bytes of {sha[:9]}"
                raise RollstepError(message, hint="name what it reads in source.reads")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "xb", opener=_new_file) as opened:
                opened.write(content)
            if file.mode == EXECUTABLE:
                target.chmod(0o700)


def _new_file(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _without_scale(body: Body) -> Body:
    """Return an object without the numbers that a change of scale edits."""
    spec = body.get("spec")
    if not isinstance(spec, dict) or body.get("kind") not in _SCALED:
        return body
    return {**body, "spec": {name: value for name, value in spec.items() if name not in _BOUNDS}}


def rendered_objects(state: AppState) -> Iterator[Manifest]:
    """Yield the objects in rollstep's files, without those that cannot be read."""
    for name in sorted(state.owned() & state.files.keys()):
        if name.endswith(".yaml") and name != KUSTOMIZATION:
            path = state.path(name)
            with suppress(RollstepError):
                for document in load_documents(decode(state.contents[name], path), path):
                    if isinstance(document.value, dict) and isinstance(document.value.get("metadata"), dict):
                        yield Manifest(document.value, document.source)
