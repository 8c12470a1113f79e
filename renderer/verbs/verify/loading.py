"""Loading an app from two commits: its sources from one, its status and rendered files from the parent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from renderer.errors import RollstepError
from renderer.git.objects import TreeFile, object_names
from renderer.git.repository import Repository
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.load.app import App, load_app
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.last_render import read_last_render
from renderer.pipeline.load.settings import DEFAULT_TEMPLATES, SETTINGS_FILE, Settings, parse_settings
from renderer.pipeline.load.sources import KUSTOMIZATION, may_execute
from renderer.pipeline.load.status_file import State
from renderer.pipeline.load.workspace import relative_findings
from renderer.pipeline.resolve.release import Release, read_rollout, resolve_app, resolve_rollout
from renderer.rollouts.model.rollout import EPOCH
from renderer.rollouts.model.world import World
from renderer.verbs.verify.app_state import AppLocation, AppState
from renderer.verbs.verify.checkout import LINK, Checkout
from renderer.verbs.verify.object_cache import ObjectCache

_INCLUDES = re.compile(rb"\{%[-+]?\s*(include|import|from|extends)\b")


class Loader:
    """Loads apps from commits by way of temporary folders; a context manager, which removes them."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.objects = ObjectCache(repository)
        self._sources, self._outputs = Checkout(self.objects), Checkout(self.objects)
        self._settings: dict[str, Settings] = {}
        self._settings_blobs: dict[str, str] = {"": ""}

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self._sources.close()
        self._outputs.close()

    def settings(self, sha: str) -> Settings:
        """Return the settings of commit ``sha``; raise RollstepError with everything wrong in its ``rollstep.yaml``."""
        if sha not in self._settings_blobs:
            (self._settings_blobs[sha],) = object_names(self.repository, [f"{sha}:{SETTINGS_FILE}"])
        blob = self._settings_blobs[sha]
        if not blob:
            return Settings(self._sources.root)
        if blob not in self._settings:
            text = decode(self.objects.contents([blob])[blob], SETTINGS_FILE)
            self._settings[blob] = parse_settings(text, self._sources.root)
        return self._settings[blob]

    def apps(self, sha: str, settings: Settings) -> list[tuple[str, str]]:
        """Return environment and name of every app that has a folder in commit ``sha``."""
        prefix = f"{settings.environments_path}/"
        args = ("ls-tree", "-r", "-d", "-z", "--name-only", "--full-tree", sha, "--", prefix)
        listing = self.repository.run(*args).stdout.decode(errors="surrogateescape")
        parts = (folder.removeprefix(prefix).split("/") for folder in listing.split("\0"))
        return [(found[0], found[1]) for found in parts if len(found) == 2]

    def needs_exec(self, settings: Settings, location: AppLocation) -> bool:
        """Return whether a command prints the app's manifests and commands may not run."""
        has_command = settings.for_app(location.environment, location.app).source.argv is not None
        return has_command and not may_execute()

    def app(self, sha: str, location: AppLocation) -> App:
        """Load an app's sources in commit ``sha``; raise RollstepError with everything wrong with them."""
        settings = self.settings(sha)
        own = settings.for_app(location.environment, location.app)
        layouts = own.templates.relative_to(settings.root).as_posix() if own.templates else DEFAULT_TEMPLATES
        files = self.objects.files(sha, location.folder, layouts)
        needs_all = own.source.argv is not None or self._refers_elsewhere(location, files)
        root = self._sources.check_out(self.objects.files(sha) if needs_all else files)
        ref = AppRef(location.environment, location.app, root / location.folder)
        with relative_findings(root):
            return load_app(ref, settings, root)

    def release(self, sha: str, location: AppLocation, before: AppState, parent: str, state: State | None) -> Release:
        """Return the release with its sources from ``sha``, and its status and rendered files from ``parent``.

        ``state`` is the status in ``sha``, whose time of the last move becomes the present.  Raises RollstepError for
        an app that cannot be loaded or resolved.
        """
        app = self.app(sha, location)
        old = before.state()
        rendered: Sequence[Manifest] = ()
        if parent:
            output = before.location.output
            root = self._outputs.check_out(self.objects.files(parent, before.location.status_file, output))
            with relative_findings(root):
                rendered = read_last_render(root / output, output, old).manifests
        now = state.last_update_time if state is not None else old.last_update_time if old else EPOCH
        return resolve_app(app, self._sources.root, old, rendered, now)

    def world(self, sha: str, state: AppState) -> World:
        """Return the world of commit ``sha``, ReplicaSets as they are; raise RollstepError for an unloadable app."""
        app, status = self.app(sha, state.location), state.state()
        now = status.last_update_time if status is not None else EPOCH
        return resolve_rollout(app, read_rollout(app), status, list(_rendered_objects(state)), now).world

    def _refers_elsewhere(self, location: AppLocation, files: Mapping[str, TreeFile]) -> bool:
        """Return whether the app may need files outside of its folder: by a link, or by a template's include."""
        own = {path: file for path, file in files.items() if path.startswith(f"{location.folder}/")}
        if any(file.mode == LINK for file in own.values()):
            return True
        templates = self.objects.contents(file.sha for path, file in own.items() if path.endswith(".j2"))
        return any(_INCLUDES.search(content) for content in templates.values())


def _rendered_objects(state: AppState) -> Iterator[Manifest]:
    """Yield the objects in rollstep's files, without those that cannot be read."""
    for name in sorted(state.owned() & state.files.keys()):
        if name.endswith(".yaml") and name != KUSTOMIZATION:
            path = state.path(name)
            with suppress(RollstepError):
                for document in load_documents(decode(state.contents[name], path), path):
                    if isinstance(document.value, dict) and isinstance(document.value.get("metadata"), dict):
                        yield Manifest(document.value, document.source)
