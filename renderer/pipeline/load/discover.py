"""Finds the apps of a repository: the folders ``environments/ENV/APP/`` with manifests."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from renderer.errors import MOST_HINTS, Finding, RollstepError, UsageError, did_you_mean
from renderer.kubernetes.manifest import field_path
from renderer.pipeline.load.files import Entry, Folder
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import AppSettings, Settings
from renderer.pipeline.load.sources import STATUS_FILE, manifest_files


class AppRef(Struct, frozen=True):
    """An app and its folder; an app that was read from a stream or from files may have no environment."""

    environment: str
    name: str
    folder: Path

    @property
    def target(self) -> str:
        """The app as a verb's TARGET: ``prod/web``."""
        return f"{self.environment}/{self.name}"

    @property
    def is_production(self) -> bool:
        """True in an environment whose name begins with ``prod``."""
        return self.environment.lower().startswith("prod")


class Home(Struct, frozen=True):
    """An app in the repository at ``root``, and its settings."""

    ref: AppRef
    settings: AppSettings
    root: Path

    @property
    def title(self) -> str:
        """The app as messages name it: ``web (prod)``."""
        return f"{self.ref.name} ({self.ref.environment})"

    @property
    def output(self) -> Path:
        """The folder of the rendered manifests."""
        return self.ref.folder / self.settings.output

    @property
    def path(self) -> str:
        """The app's folder relative to the repository's root."""
        folder, root = self.ref.folder.as_posix(), f"{self.root.as_posix()}/"
        return folder.removeprefix(root) if folder.startswith(root) else self.ref.folder.name

    @property
    def output_path(self) -> str:
        """The folder of the rendered manifests relative to the repository's root."""
        return f"{self.path}/{self.settings.output}"


def find_apps(root: Path, settings: Settings, selectors: Sequence[str], cwd: Path) -> tuple[AppRef, ...]:
    """Return the apps that ``selectors`` name, sorted by environment and name; all apps without a selector.

    A selector is a path relative to ``cwd``: an app's folder or a path in it, an environment's folder, or a folder
    above them.  Otherwise it is an environment, ``ENV/APP``, or the name of an app in any environment.  An app is a
    folder ``ENV/APP`` below ``settings.environments_path`` that has manifests or whose manifests a command prints.

    Raises ``UsageError`` for an unknown selector.  Raises ``RollstepError`` without any app.
    """
    candidates = _Candidates(root, settings)
    if not selectors:
        apps = candidates.apps()
        if not apps:
            orphans = find_orphans(root, settings, (), cwd, ())
            if orphans:
                homes = (Home(ref, settings.for_app(ref.environment, ref.name), root) for ref in orphans)
                raise RollstepError(map(orphan_finding, homes))
            hint = f"create one with `rollstep init`; manifests belong in {settings.environments_path}/ENV/APP/"
            raise RollstepError.at(settings.environments_path, "there are no apps", hint)
        return apps
    found: set[AppRef] = set()
    unknown = []
    for selector in selectors:
        selected = _select(selector, candidates, settings, cwd)
        found.update(selected)
        if not selected:
            is_folder = (cwd / selector).is_dir()
            hint = "the folder has no manifests" if is_folder else _suggestion(selector, candidates.apps())
            if find_orphans(root, settings, [selector], cwd, ()):
                hint = f"its manifests are gone: restore them with git, or rollstep remove {selector}"
            unknown.append(Finding("", 0, 0, "", f"there is no app or environment {selector}", hint))
    if unknown:
        raise UsageError(unknown)
    return tuple(sorted(found, key=lambda app: (app.environment, app.name)))


def all_apps(root: Path, settings: Settings) -> tuple[AppRef, ...]:
    """Return all apps, sorted, also with settings of an unknown app or environment; empty without any."""
    return _Candidates(root, settings).apps()


def find_orphans(
    root: Path, settings: Settings, selectors: Sequence[str], cwd: Path, apps: Iterable[AppRef]
) -> tuple[AppRef, ...]:
    """Return the orphans that ``selectors`` name, all of them without a selector: apps that have lost their manifests.

    Their status or rendered files are still there, so that a sync tool goes on applying them.  ``apps`` are the apps
    that are known not to be orphans.  Raises RollstepError for a folder with an unprintable name.
    """
    candidates = _Orphans(root, settings)
    known = {(app.environment, app.name) for app in apps}
    candidates.names = [name for name in candidates.names if name not in known]
    if not selectors:
        return candidates.apps()
    found = {orphan for selector in selectors for orphan in _select(selector, candidates, settings, cwd)}
    return tuple(sorted(found, key=lambda app: (app.environment, app.name)))


def orphan_finding(home: Home) -> Finding:
    """Return the finding about an orphan."""
    message = f"is still applied, but {home.ref.target} has no manifests any more"
    hint = f"restore them with git, or take the app away: rollstep remove {home.ref.target}"
    return Finding(home.output_path, 0, 0, "", message, hint)


def unknown_names(root: Path, settings: Settings) -> list[Finding]:
    """Return a finding for every environment and app in ``rollstep.yaml`` that has no manifests."""
    return _unknown_names(settings, _Candidates(root, settings)) if settings.environments or settings.apps else []


def folders(parent: str | Path) -> list[Entry]:
    """Return the folders in ``parent`` and links to folders, except hidden ones, sorted by name.

    Raises RollstepError for a folder that cannot be read.
    """
    entries = Folder(Path(parent)).entries(str(parent))
    found = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    return sorted(found, key=lambda entry: entry.name)


def overlap(one: str, other: str) -> bool:
    """Return whether one of two absolute paths is the other or below it."""
    return one == other or one.startswith(f"{other.rstrip('/')}/") or other.startswith(f"{one.rstrip('/')}/")


class _Candidates:
    """The names of all folders that may be apps, sorted.  A folder is searched for manifests only on demand."""

    def __init__(self, root: Path, settings: Settings) -> None:
        """List the folders; raise RollstepError for an unprintable name."""
        self._root, self._settings, self._files = root, settings, Folder(root)
        self._base = root / settings.environments_path
        links = {
            (environment.name, app.name): app.is_symlink()
            for environment in folders(self._base)
            for app in folders(environment.path)
        }
        self._links = {name for name, is_link in links.items() if is_link}
        names = {(environment, app) for environment in settings.environments for app in settings.apps_of(environment)}
        names |= links.keys()
        self.names = sorted(names)
        self._apps: dict[tuple[str, str], AppRef | None] = {}
        self._real: dict[str, str] = {}
        for environment, app in self.names:
            if not (environment.isprintable() and app.isprintable()):
                path = f"{settings.environments_path}/{environment}/{app}"
                raise RollstepError.at(path, "has unprintable characters in its name", "rename the folder")

    def apps(self, names: Iterable[tuple[str, str]] | None = None) -> tuple[AppRef, ...]:
        """Return those of ``names`` that are apps; None stands for all names."""
        return tuple(app for name in (self.names if names is None else names) if (app := self.app(name)) is not None)

    def app(self, name: tuple[str, str]) -> AppRef | None:
        """Return the app of a name; None if the folder has no manifests."""
        if name not in self._apps:
            folder, settings = self._base.joinpath(*name), self._settings.for_app(*name)
            files = manifest_files(folder, settings.output, self._files)
            is_app = settings.source.argv is not None or next(files, None) is not None
            self._apps[name] = AppRef(*name, folder) if is_app else None
        return self._apps[name]

    def orphans(self) -> _Candidates:
        """Return the candidates of which those that have lost their manifests are the apps."""
        return _Orphans(self._root, self._settings)

    def real_path(self, name: tuple[str, str]) -> str:
        """Return the path of a name's folder without links."""
        environment, app = name
        if name in self._links:
            return os.path.realpath(self._base / environment / app)
        if environment not in self._real:
            self._real[environment] = os.path.realpath(self._base / environment)
        return f"{self._real[environment]}/{app}"


class _Orphans(_Candidates):
    """The names of all folders, of which those of orphans are the apps."""

    def app(self, name: tuple[str, str]) -> AppRef | None:
        """Return the orphan of a name; None for an app with manifests, and for a folder that rollstep did not write."""
        folder = self._base.joinpath(*name)
        written = (folder / STATUS_FILE, folder / self._settings.for_app(*name).output / MARKER)
        if not any(map(os.path.lexists, written)) or super().app(name) is not None:
            return None
        return AppRef(*name, folder)


def _unknown_names(settings: Settings, candidates: _Candidates) -> list[Finding]:
    unknown: list[tuple[str, ...]] = []
    in_environment, of_app = defaultdict(list), defaultdict(list)
    for name in candidates.names:
        in_environment[name[0]].append(name)
        of_app[name[1]].append(name)
    for environment in settings.environments:
        if not any(map(candidates.app, in_environment[environment])):
            unknown.append(("environments", environment))
            continue
        apps = settings.apps_of(environment)
        unknown += (
            ("environments", environment, "apps", app) for app in apps if not candidates.app((environment, app))
        )
    unknown += (("apps", app) for app in settings.apps if not any(map(candidates.app, of_app[app])))
    findings = []
    orphans = candidates.orphans() if unknown else candidates
    wanted = {path[-1] for path in unknown}
    gone = {part for name in orphans.names if not wanted.isdisjoint(name) and orphans.app(name) for part in name}
    for number, path in enumerate(unknown):
        kind = "app" if path[-2] == "apps" else "environment"
        message = f"there is no {kind} of this name with manifests"
        near = ""
        if number < MOST_HINTS:
            apps_there = candidates.apps(in_environment[path[1]]) if len(path) == 4 else candidates.apps()
            known = {app.name if kind == "app" else app.environment for app in apps_there}
            near = did_you_mean(path[-1], sorted(known), 3)
        hint = near or "remove it, or add its folder"
        if path[-1] in gone:
            hint = f"its manifests are gone: restore them with git, or rollstep remove {path[-1]}"
        position = settings.source.position(path)
        findings.append(Finding(settings.source.file, *position, field_path(path), message, hint))
    return sorted(findings)


def _select(selector: str, candidates: _Candidates, settings: Settings, cwd: Path) -> tuple[AppRef, ...]:
    names = candidates.names
    if os.path.lexists(cwd / selector):
        path = os.path.realpath(cwd / selector)
        selected = candidates.apps(name for name in names if overlap(path, candidates.real_path(name)))
        if selected:
            return selected
    name_or_path = selector.rstrip("/")
    below_environments = name_or_path.removeprefix(f"{settings.environments_path}/")
    return (
        candidates.apps(name for name in names if name[0] == name_or_path)
        or candidates.apps(name for name in names if "/".join(name) == name_or_path)
        or candidates.apps(name for name in names if "/".join(name) == below_environments)
        or candidates.apps(name for name in names if name[1] == name_or_path)
    )


def _suggestion(selector: str, apps: Sequence[AppRef]) -> str:
    names = {name for app in apps for name in (app.environment, app.name, f"{app.environment}/{app.name}")}
    known = ", ".join(sorted(f"{app.environment}/{app.name}" for app in apps)[:10])
    name = "/".join(Path(selector).parts[-2:])
    return did_you_mean(name, sorted(names), 3) or (f"there are {known}" if known else "`rollstep init` creates one")
