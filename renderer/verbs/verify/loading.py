"""An app put together from two commits: its sources from one, what was rendered from the commit before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType

from renderer.errors import RollstepError
from renderer.git.objects import object_names
from renderer.git.repository import Repository
from renderer.git.trees import TreeFile
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.load.app import App, load_app
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.last_render import read_rendered
from renderer.pipeline.load.settings import DEFAULT_TEMPLATES, SETTINGS_FILE, Settings, parse_settings
from renderer.pipeline.load.sources import KUSTOMIZATION, may_execute
from renderer.pipeline.load.status_file import State
from renderer.pipeline.load.workspace import relative
from renderer.pipeline.resolve.release import Release, read_rollout, resolve_app, resolve_rollout
from renderer.rollouts.model.rollout import EPOCH
from renderer.rollouts.model.world import World
from renderer.verbs.verify.app_state import AppState, Place
from renderer.verbs.verify.checkout import LINK, Snapshot
from renderer.verbs.verify.object_cache import Objects

_TAKES_IN = re.compile(rb"\{%[-+]?\s*(include|import|from|extends)\b")


class Loader:
    """Loads apps from commits by way of temporary folders; a context manager, which removes them."""

    def __init__(self, repository: Repository) -> None:
        """Take the repository that has the commits."""
        self.repository = repository
        self.objects = Objects(repository)
        self._sources, self._outputs = Snapshot(self.objects), Snapshot(self.objects)
        self._settings: dict[str, Settings] = {}
        self._files: dict[str, str] = {"": ""}

    def __enter__(self) -> Loader:
        """Return the loader itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the temporary folders."""
        self._sources.close()
        self._outputs.close()

    def settings(self, sha: str) -> Settings:
        """Return the settings of commit ``sha``; raise RollstepError with what is wrong with its ``rollstep.yaml``."""
        if sha not in self._files:
            (self._files[sha],) = object_names(self.repository, [f"{sha}:{SETTINGS_FILE}"])
        blob = self._files[sha]
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

    def needs_exec(self, settings: Settings, place: Place) -> bool:
        """Tell whether the app's manifests come from a command, and it may not run."""
        has_command = settings.for_app(place.environment, place.app).source.argv is not None
        return has_command and not may_execute()

    def app(self, sha: str, place: Place) -> App:
        """Load the sources of an app in commit ``sha``; raise RollstepError with what is wrong with them."""
        settings = self.settings(sha)
        own = settings.for_app(place.environment, place.app)
        layouts = own.templates.relative_to(settings.root).as_posix() if own.templates else DEFAULT_TEMPLATES
        files = self.objects.files(sha, place.folder, layouts)
        whole = own.source.argv is not None or self._takes_in(place, files)
        root = self._sources.hold(self.objects.files(sha) if whole else files)
        ref = AppRef(place.environment, place.app, root / place.folder)
        with relative(root):
            return load_app(ref, settings, root)

    def release(self, sha: str, place: Place, before: AppState, parent: str, state: State | None) -> Release:
        """Return the release that has its sources in ``sha`` and its status and files as ``parent`` has them.

        ``state`` is the status of the commit ``sha``: the time at which it moved is the world's.  Raises RollstepError.
        """
        app = self.app(sha, place)
        then = before.state()
        rendered = []
        if parent:
            root = self._outputs.hold(self.objects.files(parent, before.place.status_file, before.place.output))
            with relative(root):
                rendered = read_rendered(root / before.place.output, before.place.output, then)
        now = state.last_update_time if state is not None else then.last_update_time if then else EPOCH
        return resolve_app(app, self._sources.root, then, rendered, now)

    def world(self, sha: str, state: AppState) -> World:
        """Return the world as commit ``sha`` itself tells it, with the ReplicaSets that are there, edited or not.

        Raises RollstepError where nothing can be made of it.
        """
        app, status = self.app(sha, state.place), state.state()
        now = status.last_update_time if status is not None else EPOCH
        return resolve_rollout(app, read_rollout(app), status, list(_manifests(state)), now).world

    def _takes_in(self, place: Place, files: Mapping[str, TreeFile]) -> bool:
        """Tell whether files elsewhere belong to the app: a link leads there, or a template takes one in."""
        own = {path: file for path, file in files.items() if path.startswith(f"{place.folder}/")}
        if any(file.mode == LINK for file in own.values()):
            return True
        templates = self.objects.contents(file.sha for path, file in own.items() if path.endswith(".j2"))
        return any(_TAKES_IN.search(content) for content in templates.values())


def _manifests(state: AppState) -> Iterator[Manifest]:
    """Yield the objects in the files of ours, those left out that can't be read."""
    for name in sorted(state.owned() & state.files.keys()):
        if name.endswith(".yaml") and name != KUSTOMIZATION:
            path = state.path(name)
            with suppress(RollstepError):
                for document in load_documents(decode(state.contents[name], path), path):
                    if isinstance(document.value, dict) and isinstance(document.value.get("metadata"), dict):
                        yield Manifest(document.value, document.source)
