"""The apps that a commit changes, also those whose folder it moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from renderer.errors import Finding
from renderer.git.repository import shared_names
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.sources import is_manifest
from renderer.verbs.verify.app_state import AppLocation, AppState, app_of_path, read_state
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader

Places = tuple[AppLocation, AppLocation]
"""An app's location after a commit and before it."""


def changed_apps(loader: Loader, change: Change) -> list[Places]:
    """Return the apps whose status or rendered files change, each with its location after and before the commit.

    An app that the commit moves to another folder is one app.  Raises RollstepError for an invalid ``rollstep.yaml`` in
    the commit or its parent.
    """
    if not any(path.count("/") > 1 for path in change.files):
        return []
    new, old = loader.settings(change.commit.sha), loader.settings(change.parent)
    names = {found for path in change.files for settings in (new, old) if (found := app_of_path(path, settings))}
    pairs = [(AppLocation.of(new, *name), AppLocation.of(old, *name)) for name in sorted(names)]
    return _with_moves(loader, change, [pair for pair in pairs if any(_is_output(path, pair) for path in change.files)])


def orphans(loader: Loader, change: Change) -> Iterator[Finding]:
    """Yield the apps whose last manifest the commit removes, and whose rendered files stay and are still applied.

    Raises RollstepError for an invalid ``rollstep.yaml``.
    """
    removed = [path for path, item in change.files.items() if not item.after and path.count("/") > 1]
    settings = loader.settings(change.commit.sha) if removed else None
    for name in sorted({found for path in removed if settings and (found := app_of_path(path, settings))}):
        assert settings is not None
        location, own = AppLocation.of(settings, *name), settings.for_app(*name)
        lost = any(_is_source(path, location) for path in removed)
        if not lost or own.source.argv is not None:
            continue
        left = loader.objects.files(change.commit.sha, location.folder)
        written = {location.status_file, f"{location.output}/{MARKER}"}
        if written & left.keys() and not has_manifests(loader, change.commit.sha, location):
            message = f"is still applied, but the commit removes the manifests of {location.title}"
            hint = f"restore them, or take the app away: rollstep remove {location.environment}/{location.app}"
            yield Finding(location.output, 0, 0, "", message, hint)


def has_manifests(loader: Loader, sha: str, location: AppLocation) -> bool:
    """Return whether an app's folder has manifests in commit ``sha``, or any file where a command makes them."""
    has_command = loader.settings(sha).for_app(location.environment, location.app).source.argv is not None
    return any(has_command or _is_source(path, location) for path in loader.objects.files(sha, location.folder))


def _is_source(path: str, location: AppLocation) -> bool:
    name = path.removeprefix(f"{location.folder}/")
    hidden = any(part.startswith(".") for part in name.split("/"))
    is_own = path == location.status_file or path.startswith(f"{location.output}/")
    return name != path and not hidden and not is_own and is_manifest(path.rpartition("/")[2])


def _with_moves(loader: Loader, change: Change, pairs: Sequence[Places]) -> list[Places]:
    """Return ``pairs`` with one pair in place of two where an app leaves one folder and comes to another."""
    statuses = change.files.keys() & {location.status_file for pair in pairs for location in pair}
    come = [pair for pair in pairs if _comes(change, pair) and pair[0].status_file in statuses]
    left = [pair for pair in pairs if _leaves(change, pair) and pair[1].status_file in statuses]
    if not come or not left:
        return list(pairs)
    before = {pair: read_state(loader.objects, change.parent, pair[1]) for pair in left}
    after = {pair: read_state(loader.objects, change.commit.sha, pair[0]) for pair in come}
    ranked = sorted(
        (_likeness(before[old], after[new]), new, old)
        for old, new in product(left, come)
        if old != new and _is_same_app(before[old], after[new])
    )
    moved: dict[Places, Places] = {}
    for _, new, old in reversed(ranked):
        if new not in moved and old not in moved.values():
            moved[new] = old
    gone = set(moved.values())
    return [(pair[0], moved[pair][1]) if pair in moved else pair for pair in pairs if pair not in gone]


def _comes(change: Change, pair: Places) -> bool:
    found = change.files.get(pair[0].status_file)
    return found is not None and not found.before


def _leaves(change: Change, pair: Places) -> bool:
    found = change.files.get(pair[1].status_file)
    return found is not None and not found.after


def _is_same_app(before: AppState, after: AppState) -> bool:
    """Return whether two states have the same status, or ReplicaSets in common."""
    return before.blobs.get("") == after.blobs.get("") or any(_common_replica_sets(before, after))


def _common_replica_sets(before: AppState, after: AppState) -> Iterator[str]:
    return (name for name in before.blobs.keys() & after.blobs.keys() if name.startswith("replicaset-"))


def _likeness(before: AppState, after: AppState) -> tuple[int, int]:
    """Return how much two states have in common: their files, then the names of their folders."""
    common = before.blobs.items() & after.blobs.items()
    return len(common), shared_names(before.location.folder, after.location.folder)


def _is_output(path: str, locations: Places) -> bool:
    return any(path == found.status_file or path.startswith(f"{found.output}/") for found in locations)
