"""Names that some file systems take for one: they differ in case, or in characters that are ignored."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding
from renderer.pipeline.load.settings import DEFAULT_TEMPLATES, SETTINGS_FILE
from renderer.verbs.policy.freeze import FREEZES_FILE
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.object_cache import FOLDER, folded

_OWN = (SETTINGS_FILE, FREEZES_FILE, DEFAULT_TEMPLATES)


def look_alikes(loader: Loader, change: Change) -> Iterator[Finding]:
    """Yield the names that a commit brings beside another one like it, where rollstep or a sync tool reads.

    Some file systems keep one of the two.  Raises RollstepError for an invalid ``rollstep.yaml``.
    """
    added = [path for path, item in change.files.items() if item.after and not item.before]
    settings = loader.settings(change.commit.sha) if added else None
    if settings is None:
        return
    base = settings.environments_path
    seen: set[str] = set()
    for path in added:
        parts = path.split("/")
        for depth in range(len(parts)):
            place = "/".join(parts[: depth + 1])
            if place in seen:
                continue
            seen.add(place)
            if not _is_read(place, base):
                break
            if change.parent and loader.objects.find(change.parent, place) is not None:
                continue
            yield from _like(loader, change.commit.sha, "/".join(parts[:depth]), parts[depth])


def _is_read(place: str, base: str) -> bool:
    """Return whether a path is on the way to, or below, the environments or one of rollstep's own files."""
    name = folded(place)
    return any(folded(own).startswith(name) or name.startswith(f"{folded(own)}/") for own in (base, *_OWN))


def _like(loader: Loader, sha: str, folder: str, name: str) -> Iterator[Finding]:
    found = loader.objects.find(sha, folder) if folder else loader.objects.root_tree(sha)
    siblings = loader.objects.tree(found.sha) if found is not None and found.mode == FOLDER else {}
    for other in siblings:
        if other != name and folded(other) == folded(name):
            place = f"{folder}/{name}" if folder else name
            message = f"differs from {other} only in case, or in characters that a file system may ignore"
            yield Finding(place, 0, 0, "", message, "rename one")
