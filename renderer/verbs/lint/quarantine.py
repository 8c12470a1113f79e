"""The entries of ``quarantine.yaml`` that guard nothing: unknown names, unused repositories, and duplicates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from renderer.errors import Finding
from renderer.kubernetes.images import parse_image
from renderer.pipeline.load.discover import AppRef
from renderer.verbs.lint.context import Group
from renderer.verbs.policy.listed_image import QUARANTINE_FILE, ListedImage
from renderer.verbs.policy.quarantine import covers


def idle_entries(listed: Sequence[ListedImage], apps: Collection[AppRef], groups: Iterable[Group]) -> Iterator[Finding]:
    """Yield a finding for each entry that guards none of ``apps``, all apps of the repository, or nothing more.

    ``groups`` are the manifests that were read.  An entry whose apps are not all among them, or are incomplete, may
    guard an image that they do not show.
    """
    known = {(ref.environment, ref.name) for ref in apps}
    used = {(group.environment, group.app): group for group in groups if group.app and group.complete}
    for number, entry in enumerate(listed):
        guarded = {place for place in known if entry.guards(*place)}
        before = listed[:number]
        after = [other for other in listed[number + 1 :] if not covers(entry, other)]
        if any(covers(other, entry) for other in (*before, *after)):
            yield _finding(entry, "image", f"{entry.image} of {entry.where} is guarded by another entry", "remove one")
        elif not guarded or _unknown(entry, known):
            names = _unknown(entry, known) or f"app {entry.app} in {', '.join(entry.environments)}"
            yield _finding(entry, "app", f"there is no {names}", "correct the name, or lift the entry")
        elif guarded <= used.keys() and not any(_uses(used[place], entry) for place in guarded):
            message = f"no image of {entry.where} is from this repository"
            yield _finding(entry, "image", message, "correct the image, or lift the entry")


def _finding(entry: ListedImage, field: str, message: str, hint: str) -> Finding:
    return Finding(QUARANTINE_FILE, entry.line, 0, field, message, hint)


def _unknown(entry: ListedImage, known: Collection[tuple[str, str]]) -> str:
    """Return the unknown app and environments of an entry as text; empty without one."""
    environments = [name for name in entry.environments if all(name != environment for environment, _ in known)]
    app = [f"app {entry.app}"] if entry.app and all(entry.app != name for _, name in known) else []
    return ", ".join([*app, *(f"environment {name}" for name in environments)])


def _uses(group: Group, entry: ListedImage) -> bool:
    """Return whether manifests have an image of the entry's repository, or that image from another one."""
    wanted = parse_image(entry.image)
    for manifest in group.manifests:
        for image in _images(manifest.body):
            found = parse_image(image)
            if wanted is not None and found is not None and found.repository == wanted.repository:
                return True
            if entry.matches(image):
                return True
    return False


def _images(value: Any) -> Iterator[str]:
    """Yield every text under a key ``image`` or ``reference``, wherever pods are."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str):
            yield from [item] if key in ("image", "reference") else ()
        else:
            yield from _images(item)
