"""The apps that ``render --check`` need not render, for no file of theirs has changed since the last check.

An app counts only where every file that it is made from is known: its manifests come from its own folder, no template
includes another file, and no link leads elsewhere.  Any other app is rendered each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.settings import DEFAULT_TEMPLATES, SETTINGS_FILE
from renderer.pipeline.load.sources import manifest_files
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.write.journal import JOURNAL
from renderer.verbs.cache import stamps
from renderer.verbs.cache.checks import Check
from renderer.verbs.cache.renders import INCLUDES, UnknownError, walk
from renderer.verbs.cache.stamps import Group


class Index:
    """What the last check of ``targets`` found, and what this one finds."""

    def __init__(self, workspace: Workspace, targets: tuple[str, ...], begun: int) -> None:
        """Read the last check; ``begun`` is the file system's time before anything else is read."""
        self._workspace = workspace
        self._targets = targets
        self._begun = begun
        self._check = Check(str(workspace.root), str(workspace.cwd), targets)
        groups, _ = self._check.load()
        common = [group for group in groups if "/" not in group[0]]
        holds = common and all(stamps.is_unchanged(group) for group in common if group[0] != "places")
        self._apps = {group[0]: group for group in groups if holds and "/" in group[0] and stamps.is_unchanged(group)}

    @classmethod
    def open(cls, workspace: Workspace, targets: tuple[str, ...]) -> Index | None:
        """Return the index; None without a git folder that can be written."""
        try:
            return cls(workspace, targets, stamps.file_clock(str(workspace.root)))
        except OSError:
            return None

    def is_unchanged(self, ref: AppRef) -> bool:
        """Return whether an app was up to date at the last check and no file of it has changed since."""
        return _name(ref) in self._apps

    def save(self, refs: Sequence[AppRef], up_to_date: Iterable[AppRef]) -> None:
        """Keep the apps of ``refs`` that were unchanged, and those that this check found ``up_to_date``."""
        settings, places = self._settings(refs), self._places(refs)
        if settings is None or places is None:
            return
        common = [stamps.program(), stamps.group("settings", settings), stamps.group("places", places)]
        if not all(stamps.is_settled(group, self._begun) for group in common):
            return
        apps = dict(self._apps)
        for ref in up_to_date:
            group = self._app(ref)
            if group is not None and stamps.is_settled(group, self._begun):
                apps[group[0]] = group
        kept = [apps[_name(ref)] for ref in refs if _name(ref) in apps]
        self._check.save([*common, *kept], is_complete=len(kept) == len(refs))

    def _settings(self, refs: Sequence[AppRef]) -> list[str] | None:
        """Return the files that say how apps are rendered; None where links lead elsewhere."""
        root, settings = self._workspace.root, self._workspace.settings
        folders = {root / DEFAULT_TEMPLATES}
        folders |= {found for ref in refs if (found := settings.for_app(ref.environment, ref.name).templates)}
        trees = [_tree(folder) for folder in sorted(folders)]
        if any(found is None for found in trees):
            return None
        return [str(root / SETTINGS_FILE), *(path for found in trees for path in found or ())]

    def _places(self, refs: Sequence[AppRef]) -> list[str] | None:
        """Return the folders that say which apps there are and which of them the targets name; None for links."""
        base = str(self._workspace.root / self._workspace.settings.environments_path)
        inner = _folders(base)
        below = [_folders(folder) for folder in inner]
        entries = [entry for entries in (inner, *below) for entry in entries]
        if os.path.realpath(base) != base or any(entry.is_symlink() for entry in entries):
            return None
        candidates = {entry.path for entries in below for entry in entries}
        paths = [self._workspace.cwd / target for target in self._targets]
        chosen = {str(ref.folder) for ref in refs}
        if all(
            _names_folder(path) or target.count("/") == 1 for path, target in zip(paths, self._targets, strict=True)
        ):
            # Without a target all apps are named: every folder can become one.
            near = [os.path.realpath(path) for path in paths] or [base]
            candidates = {folder for folder in candidates if any(_touch(folder, path) for path in near)}
        witnesses = set(map(str, _witnesses(self._workspace)))
        # A journal is there while a run writes.
        found = [f"{self._workspace.journal_root}/{JOURNAL}", base, *(entry.path for entry in inner), *map(str, paths)]
        for folder in sorted((candidates | witnesses) - chosen):
            within = _tree(Path(folder))
            if within is None:
                return None
            found += within
        return found

    def _app(self, ref: AppRef) -> Group | None:
        """Return the files that an app is made from; None where they are not known."""
        settings = self._workspace.settings.for_app(ref.environment, ref.name)
        paths = _tree(ref.folder)
        if settings.source.argv is not None or paths is None:
            return None
        for path in paths:
            if path.endswith(".j2") and INCLUDES.search(Path(path).read_bytes()):
                return None
        return stamps.group(_name(ref), paths)


def _tree(folder: Path) -> list[str] | None:
    """Return ``folder`` and everything in it; None where there is a link, or what is neither file nor folder."""
    try:
        return [str(folder), *sorted(entry.path for entry in walk(folder))] if folder.is_dir() else [str(folder)]
    except UnknownError:
        return None


def _witnesses(workspace: Workspace) -> Iterator[Path]:
    """Yield folders of apps whose presence makes the settings' names of environments and apps known ones."""
    settings = workspace.settings
    base = workspace.root / settings.environments_path
    for environment in settings.environments:
        for folder in map(Path, _folders(base / environment)):
            if next(manifest_files(folder, settings.for_app(environment, folder.name).output, workspace.root), None):
                yield folder
                break
        yield from (base / environment / app for app in settings.apps_of(environment))
    for app in settings.apps:
        places = (Path(environment, app) for environment in _folders(base))
        yield from (place for place in places if place.is_dir())


def _names_folder(path: Path) -> bool:
    return path.is_dir() and os.path.realpath(path) == os.path.normpath(path)


def _touch(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _folders(parent: str | Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """Return the folders in ``parent`` that are not hidden, and links to folders, sorted by name."""
    if not os.path.isdir(parent):
        return []
    folders = (entry for entry in os.scandir(parent) if entry.is_dir() and not entry.name.startswith("."))
    return sorted(folders, key=lambda entry: entry.name)


def _name(ref: AppRef) -> str:
    return f"{ref.environment}/{ref.name}"
