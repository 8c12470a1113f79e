"""Finds the apps of a repository: the folders ``environments/ENV/APP/`` that have manifests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from renderer.errors import Finding, RollstepError, UsageError
from renderer.manifest import field_path
from renderer.settings import Settings
from renderer.sources import manifest_files


@dataclass(frozen=True, slots=True)
class AppRef:
    """An app of an environment and its folder; one that was read from a stream or files has no environment."""

    environment: str
    name: str
    folder: Path


def find_apps(root: Path, settings: Settings, selectors: Sequence[str], cwd: Path) -> tuple[AppRef, ...]:
    """Return the apps that ``selectors`` name, sorted by environment and name, each once; all apps without a selector.

    A selector is a path, relative to ``cwd``: an app's folder or anything in it, an environment's folder, or a folder
    above them; else an environment, ``ENV/APP``, or an app's name (in all environments).  An app is a folder
    ``ENV/APP`` below ``settings.environments_path`` that has manifests, or whose manifests come from a command.

    Raises :class:`UsageError` for a selector that names nothing, and :class:`RollstepError` where there are no apps or
    ``rollstep.yaml`` has settings of one that is not there.
    """
    apps = tuple(_apps(root, settings))
    findings = _strangers(settings, apps)
    if findings:
        raise RollstepError(findings)
    if not apps and not selectors:
        hint = f"make one with `rollstep init`: manifests belong into {settings.environments_path}/ENV/APP/"
        raise RollstepError([Finding(settings.environments_path, 0, 0, "", "there are no apps", hint)])
    if not selectors:
        return apps
    found: set[AppRef] = set()
    unknown = []
    for selector in selectors:
        selected = _select(selector, apps, settings, cwd)
        found.update(selected)
        if not selected:
            hint = "the folder has no manifests" if (cwd / selector).is_dir() else _near(selector, apps)
            unknown.append(Finding("", 0, 0, "", f"there is no app or environment {selector}", hint))
    if unknown:
        raise UsageError(unknown)
    return tuple(app for app in apps if app in found)


def _apps(root: Path, settings: Settings) -> Iterator[AppRef]:
    base = root / settings.environments_path
    names = {(environment, app) for environment in _folders(base) for app in _folders(base / environment)}
    names |= {(environment, app) for environment in settings.environments for app in settings.apps_of(environment)}
    for environment, app in sorted(names):
        if not f"{environment}{app}".isprintable():
            message, hint = "has characters in its name that cannot be shown", "give the folder another name"
            raise RollstepError([Finding(f"{settings.environments_path}/{environment}/{app}", 0, 0, "", message, hint)])
        folder = base / environment / app
        app_settings = settings.for_app(environment, app)
        has_command = app_settings.source.argv is not None
        if has_command or next(manifest_files(folder, app_settings.output, root), None) is not None:
            yield AppRef(environment, app, folder)


def _folders(parent: Path) -> list[str]:
    try:
        entries = list(os.scandir(parent))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _strangers(settings: Settings, apps: Sequence[AppRef]) -> list[Finding]:
    """Return a finding for every environment and app that ``rollstep.yaml`` names and that is not there."""
    environments = {app.environment for app in apps}
    names = {app.name for app in apps}
    pairs = {(app.environment, app.name) for app in apps}
    wrong: list[tuple[tuple[str, ...], set[str]]] = []
    for environment in settings.environments:
        if environment not in environments:
            wrong.append((("environments", environment), environments))
            continue
        for app in settings.apps_of(environment):
            if (environment, app) not in pairs:
                there = {name for other, name in pairs if other == environment}
                wrong.append((("environments", environment, "apps", app), there))
    wrong += [(("apps", app), names) for app in settings.apps if app not in names]
    findings = []
    for path, there in wrong:
        line, column = settings.source.position(path)
        kind = "app" if path[-2] == "apps" else "environment"
        message = f"there is no {kind} of that name that has manifests"
        hint = _did_you_mean(path[-1], sorted(there)) or "take it out, or add its folder"
        findings.append(Finding(settings.source.file, line, column, field_path(path), message, hint))
    return sorted(findings)


def _select(selector: str, apps: Sequence[AppRef], settings: Settings, cwd: Path) -> tuple[AppRef, ...]:
    path = Path(os.path.realpath(cwd / selector))
    if os.path.lexists(cwd / selector):
        selected = tuple(app for app in apps if _is_one_in_other(path, Path(os.path.realpath(app.folder))))
        if selected:
            return selected
    name = selector.rstrip("/")
    return (
        tuple(app for app in apps if app.environment == name)
        or tuple(app for app in apps if f"{app.environment}/{app.name}" == name)
        or tuple(app for app in apps if f"{settings.environments_path}/{app.environment}/{app.name}" == name)
        or tuple(app for app in apps if app.name == name)
    )


def _is_one_in_other(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def _near(selector: str, apps: Sequence[AppRef]) -> str:
    names = {name for app in apps for name in (app.environment, app.name, f"{app.environment}/{app.name}")}
    known = ", ".join(sorted(f"{app.environment}/{app.name}" for app in apps)[:10])
    name = "/".join(Path(selector).parts[-2:])
    return _did_you_mean(name, sorted(names)) or (f"there are {known}" if known else "`rollstep init` makes one")


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else ""
