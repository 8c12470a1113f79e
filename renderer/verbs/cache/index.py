"""What a verb that only tells keeps for the next time: its answer, and all files that this rests on (shell).

An app is remembered only where every file that counts is known: its manifests come from its own folder, no template
takes in another file, and no link leads elsewhere.  Any other app is looked at each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.settings import DEFAULT_TEMPLATES, SETTINGS_FILE
from renderer.pipeline.load.sources import manifest_files
from renderer.pipeline.load.workspace import Workspace
from renderer.verbs.cache import answers as remembered
from renderer.verbs.cache.answers import Answer, Group
from renderer.verbs.cache.renders import TAKES_IN, UnknownError, walk

if TYPE_CHECKING:
    from renderer.pipeline.resolve.release import Release


class Memory(Struct, frozen=True):
    """What is remembered of a ``question`` about targets: ``fresh`` has the groups of apps that still hold.

    ``question`` is as ``asked`` tells it; ``folder`` is empty where nothing is kept.  ``begun``
    is the time of the file system before anything was read.
    """

    workspace: Workspace
    question: str
    targets: tuple[str, ...]
    folder: str = ""
    begun: int = 0
    fresh: dict[str, Group] = field(default_factory=dict)

    @classmethod
    def open(cls, workspace: Workspace, question: str, targets: tuple[str, ...]) -> Memory:
        """Find the place of what is kept; there is none without a git folder that can be written."""
        folder = remembered.cache_folder(str(workspace.root))
        if folder is None:
            return cls(workspace, question, targets)
        try:
            begun = remembered.file_clock(folder)
        except OSError:
            return cls(workspace, question, targets)
        return cls(workspace, question, targets, folder, begun)

    def with_fresh(self) -> Memory:
        """Return the memory with those apps of which nothing has changed since they were found right."""
        kept = remembered.load(self.folder, self._key) if self.folder else None
        groups = kept[0] if kept else []
        common = [found for found in groups if "/" not in found[0]]
        if not common or not all(remembered.is_unchanged(found) for found in common if found[0] != "places"):
            return self
        fresh = {found[0]: found for found in groups if "/" in found[0] and remembered.is_unchanged(found)}
        return replace(self, fresh=fresh)

    @property
    def _key(self) -> tuple[str, ...]:
        return remembered.answer_key(self.question, str(self.workspace.root), str(self.workspace.cwd), self.targets)

    def is_fresh(self, ref: AppRef) -> bool:
        """Tell whether nothing of an app has changed since it was found to be as it should be."""
        return _name(ref) in self.fresh

    def keep(
        self, refs: Sequence[AppRef], fresh: Iterable[AppRef], answer: Answer | None, common: Iterable[Group] = ()
    ) -> None:
        """Remember the apps that were found ``fresh`` among all that were named; ``answer`` where these are all.

        ``common`` are files that it rests on beside rollstep's own, the settings and the apps.
        """
        if not self.folder:
            return
        common = [remembered.installation(), *common]
        settings, places = self._settings(refs), self._places(refs)
        if settings is None or places is None:
            return
        common += [remembered.group("settings", settings), remembered.group("places", places)]
        if not all(remembered.is_settled(found, self.begun) for found in common):
            return
        apps = dict(self.fresh)
        for ref in fresh:
            found = self._app(ref)
            if found is not None and remembered.is_settled(found, self.begun):
                apps[_name(ref)] = found
        kept = [apps[_name(ref)] for ref in refs if _name(ref) in apps]
        remembered.save(
            self.folder,
            self._key,
            [*common, *kept],
            answer if len(kept) == len(refs) else None,
        )

    def keep_answer(self, releases: Sequence[Release], answer: Answer) -> None:
        """Remember the answer about ``releases`` where it holds at any later time."""
        # A check has no engine loaded where all has been rendered before.
        from renderer.rollouts.controller.timing import is_timeless

        if all(is_timeless(release.world) for release in releases):
            refs = [release.app.ref for release in releases]
            self.keep(refs, refs, answer)

    def _settings(self, refs: Sequence[AppRef]) -> list[str] | None:
        """Return the files that say how apps are rendered; None where links lead elsewhere."""
        root, settings = self.workspace.root, self.workspace.settings
        folders = {root / DEFAULT_TEMPLATES}
        folders |= {found for ref in refs if (found := settings.for_app(ref.environment, ref.name).templates)}
        trees = [tree(folder) for folder in sorted(folders)]
        if any(found is None for found in trees):
            return None
        return [str(root / SETTINGS_FILE), *(path for found in trees for path in found or ())]

    def _places(self, refs: Sequence[AppRef]) -> list[str] | None:
        """Return the folders that say which apps there are and which of them the targets name; None for links."""
        base = str(self.workspace.root / self.workspace.settings.environments_path)
        inner = _folders(base)
        below = [_folders(folder) for folder in inner]
        entries = [entry for entries in (inner, *below) for entry in entries]
        if os.path.realpath(base) != base or any(entry.is_symlink() for entry in entries):
            return None
        candidates = {entry.path for entries in below for entry in entries}
        paths = [self.workspace.cwd / target for target in self.targets]
        chosen = {str(ref.folder) for ref in refs}
        if all(_names_folder(path) or target.count("/") == 1 for path, target in zip(paths, self.targets, strict=True)):
            # Without a target all apps are named: every folder can become one.
            near = [os.path.realpath(path) for path in paths] or [base]
            candidates = {folder for folder in candidates if any(_touch(folder, path) for path in near)}
        witnesses = set(map(str, _witnesses(self.workspace)))
        found = [base, *(entry.path for entry in inner), *map(str, paths)]
        for folder in sorted((candidates | witnesses) - chosen):
            within = tree(Path(folder))
            if within is None:
                return None
            found += within
        return found

    def _app(self, ref: AppRef) -> Group | None:
        """Return the files that an app rests on; None where they are not known."""
        settings = self.workspace.settings.for_app(ref.environment, ref.name)
        paths = tree(ref.folder)
        if settings.source.argv is not None or paths is None:
            return None
        for path in paths:
            if path.endswith(".j2") and TAKES_IN.search(Path(path).read_bytes()):
                return None
        return remembered.group(_name(ref), paths)


def git_state(workspace: Workspace) -> Group | None:
    """Return the files that say which commit HEAD is and how git reads it; None where these are not known."""
    folder = remembered.git_folder(str(workspace.root))
    if folder is None:
        return None
    own, shared = Path(folder), Path(folder)
    try:
        if (own / "commondir").exists():
            shared = own / (own / "commondir").read_text(encoding="utf-8").rstrip("\n")
        head = _named_by(own / "HEAD")
        branch = shared / head if head else own / "HEAD"
        if head and branch.exists() and _named_by(branch):
            return None
    except (OSError, ValueError):
        return None
    home, config = os.path.expanduser("~"), os.environ.get("XDG_CONFIG_HOME")
    paths = [
        *(own / name for name in ("HEAD", "config.worktree")),
        *(shared / name for name in ("packed-refs", "config", "shallow", "info/grafts", "refs/replace", "reftable")),
        branch,
        *map(Path, (f"{home}/.gitconfig", f"{config or f'{home}/.config'}/git/config", "/etc/gitconfig")),
    ]
    return remembered.group("git", [str(path) for path in paths])


def _named_by(ref: Path) -> str:
    """Return the ref that a ref names; empty where it names a commit."""
    text = ref.read_text(encoding="utf-8")
    return text.removeprefix("ref:").strip() if text.startswith("ref:") else ""


def tree(folder: Path) -> list[str] | None:
    """Return ``folder`` and all that is in it; None where there is a link, or what is neither file nor folder."""
    try:
        return [str(folder), *sorted(entry.path for entry in walk(folder))] if folder.is_dir() else [str(folder)]
    except UnknownError:
        return None


def _witnesses(workspace: Workspace) -> Iterator[Path]:
    """Yield folders of apps that show that whatever the settings name is there."""
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
    """Return the folders in ``parent`` that are not hidden, and links to folders, sorted by name; none of no folder."""
    if not os.path.isdir(parent):
        return []
    folders = (entry for entry in os.scandir(parent) if entry.is_dir() and not entry.name.startswith("."))
    return sorted(folders, key=lambda entry: entry.name)


def _name(ref: AppRef) -> str:
    return f"{ref.environment}/{ref.name}"
