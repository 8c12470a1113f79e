"""The apps that a commit changes, also those whose folder it moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from renderer.errors import Finding
from renderer.git.attributes import converted_in
from renderer.git.repository import shared_names
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import SETTINGS_FILE
from renderer.pipeline.load.sources import is_manifest
from renderer.verbs.verify.app_state import AppLocation, AppState, app_of_path, read_state
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.object_cache import FOLDER, LINK, SUBMODULE

Places = tuple[AppLocation, AppLocation]
"""An app's location after a commit and before it."""


def changed_apps(loader: Loader, change: Change) -> list[Places]:
    """Return the apps whose status or rendered files change, each with its location after and before the commit.

    An app that the commit moves to another folder is one app.  Raises RollstepError for an invalid ``rollstep.yaml`` in
    the commit or its parent.
    """
    if not any(path == SETTINGS_FILE or path.count("/") > 1 for path in change.files):
        return []
    new, old = loader.settings(change.commit.sha), loader.settings(change.parent)
    names = {found for path in change.files for settings in (new, old) if (found := app_of_path(path, settings))}
    if SETTINGS_FILE in change.files:
        # The settings move the place of an app that no file names.
        names |= {*loader.apps(change.parent, old), *loader.apps(change.commit.sha, new)}
    pairs = [(AppLocation.of(new, *name), AppLocation.of(old, *name)) for name in sorted(names)]
    changed = [pair for pair in pairs if pair[0] != pair[1] or any(_is_output(path, pair) for path in change.files)]
    return _with_moves(loader, change, changed)


def misplaced(loader: Loader, change: Change) -> Iterator[Finding]:
    """Yield the links and submodules in place of an environment or an app: what is behind them is never judged.

    Raises RollstepError for an invalid ``rollstep.yaml``.
    """
    brought = {path for path, item in change.files.items() if item.mode in (LINK, SUBMODULE)}
    if not brought and SETTINGS_FILE not in change.files:
        return
    sha = change.commit.sha
    settings = loader.settings(sha)
    if SETTINGS_FILE in change.files and settings.environments_path != loader.settings(change.parent).environments_path:
        brought = {path for path, file in loader.objects.files(sha).items() if file.mode in (LINK, SUBMODULE)}
    files, base = loader.files(sha), settings.environments_path
    for path in sorted(brought):
        is_above = path == base or base.startswith(f"{path}/")
        is_place = path.startswith(f"{base}/") and path.removeprefix(base).count("/") <= 2
        is_folder = loader.objects.find(sha, path) is not None and files.is_dir(f"{files.root}/{path}")
        is_submodule = change.files[path].mode == SUBMODULE if path in change.files else False
        if (is_above or is_place) and (is_folder or is_submodule):
            kind = "a submodule" if is_submodule else "a link to a folder"
            message = f"is {kind}, and what is released there cannot be verified"
            yield Finding(path, 0, 0, "", message, "put the folder itself there")


def obstacle(loader: Loader, sha: str, location: AppLocation) -> Finding | None:
    """Return that something else than a folder is on the way to an app, so that the app is not simply gone."""
    parts = location.output.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        found = loader.objects.find(sha, path)
        if found is None:
            return None
        if found.mode != FOLDER:
            kind = {LINK: "a link", SUBMODULE: "a submodule"}.get(found.mode, "a file")
            return Finding(
                path, 0, 0, "", f"is {kind} in place of a folder of {location.title}", "git revert the commit"
            )
    return None


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


def converted_files(loader: Loader, change: Change) -> Iterator[Finding]:
    """Yield a rendered file of each app of which clones get other bytes, by a ``.gitattributes`` that a commit brings.

    Raises RollstepError for an invalid ``rollstep.yaml``.
    """
    if not any(path.rpartition("/")[2] == ".gitattributes" and item.after for path, item in change.files.items()):
        return
    sha = change.commit.sha
    settings = loader.settings(sha)
    outputs = [AppLocation.of(settings, *name).output for name in loader.apps(sha, settings)]
    paths = [*loader.objects.files(sha, *outputs)] if outputs else []
    found = converted_in(loader.repository, sha, paths)
    for path, attribute in sorted({path.rpartition("/")[0]: (path, found[path]) for path in sorted(found)}.values()):
        message = f"a clone gets other bytes than those that are verified: {attribute} in .gitattributes"
        yield Finding(path, 0, 0, "", message, "take the attribute out for rendered files")


def has_manifests(loader: Loader, sha: str, location: AppLocation) -> bool:
    """Return whether an app's folder has manifests in commit ``sha``, or any file where a command makes them."""
    has_command = loader.settings(sha).for_app(location.environment, location.app).source.argv is not None
    return any(has_command or _is_source(path, location) for path in loader.objects.files(sha, location.folder))


def _is_source(path: str, location: AppLocation) -> bool:
    name = path.removeprefix(f"{location.folder}/")
    hidden = any(part.startswith(".") for part in name.split("/"))
    is_own = path in location.paths or path.startswith(f"{location.output}/")
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
    return any(path in found.paths or path.startswith(f"{found.output}/") for found in locations)
