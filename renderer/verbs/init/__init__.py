"""From manifests that exist to the files of apps: what ``rollstep init`` writes (pure: no file is read or written)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import finding
from renderer.kubernetes.read_objects import SourceText
from renderer.verbs.init.convert import Choices, convert
from renderer.verbs.init.documents import Item, read_items, without_server_fields
from renderer.verbs.init.groups import Group, group
from renderer.verbs.init.layout import File, lay_out

__all__ = ["Choices", "File", "Scaffold", "ScaffoldApp", "scaffold"]

_FOLDER_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class ScaffoldApp(Struct, frozen=True):
    """An app to be written: its name and files; the Rollout is the first of ``items``."""

    name: str
    items: tuple[Item, ...]
    files: tuple[File, ...]


class Scaffold(Struct, frozen=True):
    """All apps of some manifests, sorted by name, and what the user should know about them."""

    apps: tuple[ScaffoldApp, ...]
    notes: tuple[Finding, ...]


def scaffold(texts: Sequence[SourceText], choices: Choices, app_name: str = "") -> Scaffold:
    """Return the apps that some manifests make; ``app_name`` is that of the only one, in place of its workload's name.

    Raises ``RollstepError`` with what is no Kubernetes object, where there is no workload to release, and where
    objects cannot be told apart.
    """
    read, findings = read_items(texts)
    if findings:
        raise RollstepError(findings)
    objects = Counter(item.file for item in read)
    items: list[Item] = []
    notes: list[Finding] = []
    for item in read:
        clean, dropped = without_server_fields(item)
        items.append(clean)
        if dropped:
            message = f"{item.title()}: left out what the API server sets: {', '.join(dropped)}"
            notes.append(finding(item.manifest, (), message))
    grouped = group(items)
    notes += grouped.notes
    findings += grouped.findings
    findings += _wrong_names(grouped.groups, app_name)
    apps = []
    for one in grouped.groups:
        converted = convert(one, choices)
        findings += converted.findings
        notes += converted.notes
        files = lay_out(converted.items, texts, objects)
        apps.append(ScaffoldApp(app_name or one.name, converted.items, files))
    if findings:
        raise RollstepError(sorted(findings))
    return Scaffold(tuple(sorted(apps, key=lambda app: app.name)), tuple(sorted(set(notes))))


def folder_name_is_safe(name: str) -> bool:
    """Tell whether an environment or an app may have this name, which is that of a folder."""
    return _FOLDER_NAME.fullmatch(name) is not None


def _wrong_names(groups: Sequence[Group], app_name: str) -> list[Finding]:
    if app_name and len(groups) > 1:
        names = ", ".join(sorted(one.name for one in groups))
        message = f"there are {len(groups)} apps among the manifests: {names}"
        return [Finding("", 0, 0, "--app", message, "name the files of one of them, or leave --app away")]
    message = "cannot be the name of a folder"
    return [
        finding(one.workload.manifest, ("metadata", "name"), f"{one.name!r} {message}", "give the app a name: --app")
        for one in groups
        if not app_name and not folder_name_is_safe(one.name)
    ]
