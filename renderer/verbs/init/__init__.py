"""``rollstep init``: turn existing manifests into apps.  ``files`` reads the manifests and writes the result."""

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
from renderer.verbs.init.groups import Group, group_items, is_deployment
from renderer.verbs.init.layout import File, lay_out

__all__ = ["Choices", "File", "Scaffold", "ScaffoldApp", "scaffold"]

_FOLDER_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class ScaffoldApp(Struct, frozen=True):
    """An app to write; the Rollout is the first of ``items``.

    ``deployment`` is the name of the Deployment that the Rollout was, None for one that was a Rollout.
    """

    name: str
    items: tuple[Item, ...]
    files: tuple[File, ...]
    deployment: str | None = None


class Scaffold(Struct, frozen=True):
    """The apps of some manifests, sorted by name, and notes for the user."""

    apps: tuple[ScaffoldApp, ...]
    notes: tuple[Finding, ...]


def scaffold(texts: Sequence[SourceText], choices: Choices, app_name: str = "") -> Scaffold:
    """Return the apps of some manifests; ``app_name`` replaces the name of a single app's workload.

    Raises RollstepError with all findings: for documents that are not Kubernetes objects, for a missing workload, and
    for duplicate or ambiguous objects.
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
            message = f"{item.title()}: left out the fields of the API server: {', '.join(dropped)}"
            notes.append(finding(item.manifest, (), message))
    grouped = group_items(items)
    notes += grouped.notes
    findings += grouped.findings
    findings += _wrong_names(grouped.groups, app_name)
    apps = []
    for group in grouped.groups:
        converted = convert(group, choices)
        findings += converted.findings
        notes += converted.notes
        files = lay_out(converted.items, texts, objects)
        deployment = group.name if is_deployment(group.workload) else None
        apps.append(ScaffoldApp(app_name or group.name, converted.items, files, deployment))
    if findings:
        raise RollstepError(sorted(findings))
    return Scaffold(tuple(sorted(apps, key=lambda app: app.name)), tuple(sorted(set(notes))))


def folder_name_is_safe(name: str) -> bool:
    """Return whether an environment or an app may have this name, which is also its folder's."""
    return _FOLDER_NAME.fullmatch(name) is not None


def _wrong_names(groups: Sequence[Group], app_name: str) -> list[Finding]:
    if app_name and len(groups) > 1:
        names = ", ".join(sorted(group.name for group in groups))
        message = f"there are {len(groups)} apps among the manifests: {names}"
        return [Finding("", 0, 0, "--app", message, "name the files of one of them, or omit --app")]
    wrong = [group for group in groups if not app_name and not folder_name_is_safe(group.name)]
    path, message, hint = ("metadata", "name"), "cannot be the name of a folder", "give the app a name: --app"
    return [finding(group.workload.manifest, path, f"{group.name!r} {message}", hint) for group in wrong]
