"""Finds the apps of a repository: the folders ``environments/ENV/APP/`` that have manifests."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError, UsageError
from renderer.kubernetes.manifest import field_path
from renderer.pipeline.load.settings import AppSettings, Settings
from renderer.pipeline.load.sources import manifest_files


class AppRef(Struct, frozen=True):
    """An app of an environment and its folder; one that was read from a stream or files has no environment."""

    environment: str
    name: str
    folder: Path


class Home(Struct, frozen=True):
    """Where an app lives in the repository at ``root``, and its settings."""

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
    def place(self) -> str:
        """The app's folder as git names it: from the repository's root."""
        folder, root = self.ref.folder.as_posix(), f"{self.root.as_posix()}/"
        return folder.removeprefix(root) if folder.startswith(root) else self.ref.folder.name

    @property
    def shown(self) -> str:
        """The folder of the rendered manifests as messages name it."""
        return f"{self.place}/{self.settings.output}"


def find_apps(root: Path, settings: Settings, selectors: Sequence[str], cwd: Path) -> tuple[AppRef, ...]:
    """Return the apps that ``selectors`` name, sorted by environment and name, each once; all apps without a selector.

    A selector is a path, relative to ``cwd``: an app's folder or anything in it, an environment's folder, or a folder
    above them; else an environment, ``ENV/APP``, or an app's name (in all environments).  An app is a folder
    ``ENV/APP`` below ``settings.environments_path`` that has manifests, or whose manifests come from a command.

    Raises ``UsageError`` for a selector that names nothing, and ``RollstepError`` where there are no apps or
    ``rollstep.yaml`` has settings of one that is not there.
    """
    listed = _Listed(root, settings)
    findings = _strangers(settings, listed)
    if findings:
        raise RollstepError(findings)
    if not selectors:
        apps = listed.apps(listed.names)
        if not apps:
            hint = f"make one with `rollstep init`: manifests belong into {settings.environments_path}/ENV/APP/"
            raise RollstepError([Finding(settings.environments_path, 0, 0, "", "there are no apps", hint)])
        return apps
    found: set[AppRef] = set()
    unknown = []
    for selector in selectors:
        selected = _select(selector, listed, settings, cwd)
        found.update(selected)
        if not selected:
            is_folder = (cwd / selector).is_dir()
            hint = "the folder has no manifests" if is_folder else _near(selector, listed.apps(listed.names))
            unknown.append(Finding("", 0, 0, "", f"there is no app or environment {selector}", hint))
    if unknown:
        raise UsageError(unknown)
    return tuple(sorted(found, key=lambda app: (app.environment, app.name)))


class _Listed:
    """The names of all folders that may be apps, sorted; whether one is an app is looked up where it matters."""

    def __init__(self, root: Path, settings: Settings) -> None:
        """List the folders; raise RollstepError for a name that cannot be shown."""
        self._root, self._settings = root, settings
        self._base = root / settings.environments_path
        places = {environment: _folders(self._base / environment) for environment in _folders(self._base)}
        self._links = {
            (environment, app) for environment in places for app, link in places[environment].items() if link
        }
        names = {(environment, app) for environment in places for app in places[environment]}
        names |= {(environment, app) for environment in settings.environments for app in settings.apps_of(environment)}
        self.names = sorted(names)
        self._apps: dict[tuple[str, str], AppRef | None] = {}
        self._real: dict[str, str] = {}
        for environment, app in self.names:
            if not (environment.isprintable() and app.isprintable()):
                message, hint = "has characters in its name that cannot be shown", "give the folder another name"
                place = f"{settings.environments_path}/{environment}/{app}"
                raise RollstepError([Finding(place, 0, 0, "", message, hint)])

    def apps(self, names: Iterable[tuple[str, str]]) -> tuple[AppRef, ...]:
        """Return those of ``names`` that are apps."""
        return tuple(app for name in names if (app := self.app(name)) is not None)

    def app(self, name: tuple[str, str]) -> AppRef | None:
        """Return the app of a name; None where the folder has no manifests."""
        if name not in self._apps:
            folder, settings = self._base.joinpath(*name), self._settings.for_app(*name)
            is_app = settings.source.argv is not None or _has_any(manifest_files(folder, settings.output, self._root))
            self._apps[name] = AppRef(*name, folder) if is_app else None
        return self._apps[name]

    def real_path(self, name: tuple[str, str]) -> str:
        """Return the path of a name's folder without links."""
        environment, app = name
        if name in self._links:
            return os.path.realpath(self._base / environment / app)
        if environment not in self._real:
            self._real[environment] = os.path.realpath(self._base / environment)
        return f"{self._real[environment]}/{app}"


def _has_any(paths: Iterator[Path]) -> bool:
    return next(paths, None) is not None


def _folders(parent: Path) -> dict[str, bool]:
    """Return the names of the folders in ``parent`` that are not hidden, and whether each is a link to one."""
    try:
        entries = list(os.scandir(parent))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {entry.name: entry.is_symlink() for entry in entries if entry.is_dir() and not entry.name.startswith(".")}


def _strangers(settings: Settings, listed: _Listed) -> list[Finding]:
    """Return a finding for every environment and app that ``rollstep.yaml`` names and that is not there."""
    wrong: list[tuple[tuple[str, ...], set[str]]] = []
    in_environment, of_app = defaultdict(list), defaultdict(list)
    for name in listed.names if settings.environments or settings.apps else ():
        in_environment[name[0]].append(name)
        of_app[name[1]].append(name)
    for environment in settings.environments:
        within = in_environment[environment]
        if not any(map(listed.app, within)):
            wrong.append((("environments", environment), {app.environment for app in listed.apps(listed.names)}))
            continue
        for app in settings.apps_of(environment):
            if listed.app((environment, app)) is None:
                wrong.append((("environments", environment, "apps", app), {app.name for app in listed.apps(within)}))
    for app in settings.apps:
        if not any(map(listed.app, of_app[app])):
            wrong.append((("apps", app), {app.name for app in listed.apps(listed.names)}))
    findings = []
    for path, there in wrong:
        line, column = settings.source.position(path)
        kind = "app" if path[-2] == "apps" else "environment"
        message = f"there is no {kind} of that name that has manifests"
        hint = _did_you_mean(path[-1], sorted(there)) or "take it out, or add its folder"
        findings.append(Finding(settings.source.file, line, column, field_path(path), message, hint))
    return sorted(findings)


def _select(selector: str, listed: _Listed, settings: Settings, cwd: Path) -> tuple[AppRef, ...]:
    if os.path.lexists(cwd / selector):
        path = os.path.realpath(cwd / selector)
        selected = listed.apps(name for name in listed.names if _is_one_in_other(path, listed.real_path(name)))
        if selected:
            return selected
    wanted = selector.rstrip("/")
    whole = wanted.removeprefix(f"{settings.environments_path}/")
    return (
        listed.apps(name for name in listed.names if name[0] == wanted)
        or listed.apps(name for name in listed.names if "/".join(name) == wanted)
        or listed.apps(name for name in listed.names if "/".join(name) == whole)
        or listed.apps(name for name in listed.names if name[1] == wanted)
    )


def _is_one_in_other(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/") or folder.startswith(f"{path.rstrip('/')}/")


def _near(selector: str, apps: Sequence[AppRef]) -> str:
    names = {name for app in apps for name in (app.environment, app.name, f"{app.environment}/{app.name}")}
    known = ", ".join(sorted(f"{app.environment}/{app.name}" for app in apps)[:10])
    name = "/".join(Path(selector).parts[-2:])
    return _did_you_mean(name, sorted(names)) or (f"there are {known}" if known else "`rollstep init` makes one")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else ""
