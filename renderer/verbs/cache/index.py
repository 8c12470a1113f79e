"""The apps that ``render --check`` need not render, because no file of theirs has changed since the last check.

All inputs of such an app are known: its manifests come from its own folder, no template includes another file, and no
link leads elsewhere.  A check renders any other app each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from renderer.pipeline.load.discover import AppRef, folders, overlap
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.settings import DEFAULT_TEMPLATES, SETTINGS_FILE
from renderer.pipeline.load.sources import manifest_files
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.write.journal import JOURNAL
from renderer.verbs.cache import stamps
from renderer.verbs.cache.checks import Check
from renderer.verbs.cache.renders import INCLUDES, UnknownInputsError, walk
from renderer.verbs.cache.stamps import Group


class Index:
    """The result of the last check of ``targets``, and that of this one."""

    def __init__(self, workspace: Workspace, targets: tuple[str, ...], started: int) -> None:
        """Read the last check; ``started`` is the file system's time before any other read."""
        self._workspace = workspace
        self._targets = targets
        self._started = started
        self._check = Check(str(workspace.root), str(workspace.cwd), targets)
        groups, _ = self._check.load()
        common = [group for group in groups if "/" not in group[0]]
        is_valid = common and all(stamps.is_unchanged(group) for group in common if group[0] != "places")
        apps = [group for group in groups if is_valid and "/" in group[0]]
        self._apps = {group[0]: group for group in apps if stamps.is_unchanged(group)}

    @classmethod
    def open(cls, workspace: Workspace, targets: tuple[str, ...]) -> Index | None:
        """Return the index; None without a writable git folder."""
        try:
            return cls(workspace, targets, stamps.file_clock(str(workspace.root)))
        except OSError:
            return None

    def is_unchanged(self, ref: AppRef) -> bool:
        """Return whether an app was up to date at the last check and none of its files has changed since."""
        return _name(ref) in self._apps

    def save(self, refs: Sequence[AppRef], up_to_date: Iterable[AppRef]) -> None:
        """Save the unchanged apps of ``refs``, and those that this check found ``up_to_date``."""
        try:
            settings, places = self._settings(refs), self._places(refs)
        except UnknownInputsError:
            return
        common = [stamps.program(), stamps.group("settings", settings), stamps.group("places", places)]
        if not all(stamps.is_settled(group, self._started) for group in common):
            return
        apps = dict(self._apps)
        for ref in up_to_date:
            with suppress(UnknownInputsError):
                group = self._app(ref)
                if stamps.is_settled(group, self._started):
                    apps[group[0]] = group
        saved = [apps[_name(ref)] for ref in refs if _name(ref) in apps]
        self._check.save([*common, *saved], is_complete=len(saved) == len(refs))

    def _settings(self, refs: Sequence[AppRef]) -> list[str]:
        """Return the paths of the settings and of the apps' templates; raise UnknownInputsError for links."""
        root, settings = self._workspace.root, self._workspace.settings
        templates = {root / DEFAULT_TEMPLATES}
        templates |= {path for ref in refs if (path := settings.for_app(ref.environment, ref.name).templates)}
        return [str(root / SETTINGS_FILE), *(path for folder in sorted(templates) for path in _tree(folder))]

    def _places(self, refs: Sequence[AppRef]) -> list[str]:
        """Return the paths that decide which apps exist and are named; raise UnknownInputsError for links."""
        base = str(self._workspace.root / self._workspace.settings.environments_path)
        inner = folders(base)
        below = [folders(folder.path) for folder in inner]
        entries = [entry for entries in (inner, *below) for entry in entries]
        if os.path.realpath(base) != base or any(entry.is_symlink() for entry in entries):
            raise UnknownInputsError
        candidates = {entry.path for entries in below for entry in entries}
        paths = [self._workspace.cwd / target for target in self._targets]
        chosen = {str(ref.folder) for ref in refs}
        if all(target.count("/") == 1 or _is_folder(path) for path, target in zip(paths, self._targets, strict=True)):
            # Without a target, any folder can become an app that the check must render.
            near = [os.path.realpath(path) for path in paths] or [base]
            candidates = {folder for folder in candidates if any(overlap(folder, path) for path in near)}
        witnesses = set(map(str, _witnesses(self._workspace)))
        # A journal exists while a run writes.
        fixed = [f"{self._workspace.journal_root}/{JOURNAL}", base, *(entry.path for entry in inner), *map(str, paths)]
        return [*fixed, *(path for folder in sorted((candidates | witnesses) - chosen) for path in _tree(Path(folder)))]

    def _app(self, ref: AppRef) -> Group:
        """Return the inputs of an app; raise UnknownInputsError if they are not all known."""
        settings, paths = self._workspace.settings.for_app(ref.environment, ref.name), _tree(ref.folder)
        templates = (path for path in paths if path.endswith(".j2"))
        if settings.source.argv is not None or any(INCLUDES.search(Path(path).read_bytes()) for path in templates):
            raise UnknownInputsError
        return stamps.group(_name(ref), paths)


def _tree(folder: Path) -> list[str]:
    """Return the paths of ``folder`` and everything in it; raise UnknownInputsError for a link or a special file."""
    return [str(folder), *(sorted(entry.path for entry in walk(folder)) if folder.is_dir() else ())]


def _witnesses(workspace: Workspace) -> Iterator[Path]:
    """Yield folders of apps that make the environments and apps in the settings known names."""
    settings, files = workspace.settings, Folder(workspace.root)
    base = workspace.root / settings.environments_path
    for environment in settings.environments:
        for folder in (Path(entry.path) for entry in folders(base / environment)):
            if next(manifest_files(folder, settings.for_app(environment, folder.name).output, files), None):
                yield folder
                break
        yield from (base / environment / app for app in settings.apps_of(environment))
    for app in settings.apps:
        places = (Path(environment.path, app) for environment in folders(base))
        yield from (place for place in places if place.is_dir())


def _is_folder(path: Path) -> bool:
    return path.is_dir() and os.path.realpath(path) == os.path.normpath(path)


def _name(ref: AppRef) -> str:
    return f"{ref.environment}/{ref.name}"
