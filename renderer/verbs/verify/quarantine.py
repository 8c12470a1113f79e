"""Quarantine on a branch: no commit begins a listed image, and only a lift takes one from the list.

The list of the first parent counts, so no commit lifts what it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.commit.trailers import lifted_images, listed_value
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.status import RolloutStatus
from renderer.verbs.policy.listed_image import QUARANTINE_FILE, ListedImage, listed_images
from renderer.verbs.policy.quarantine import parse_quarantine
from renderer.verbs.verify.app_state import AppState
from renderer.verbs.verify.changed_apps import Places
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader, rendered_objects

Place = tuple[str, str]
"""The environment and the name of an app."""
Content = tuple[object, ...]
"""The content of an entry."""
Guarded = Mapping[Content, Sequence[ListedImage]]
"""Entries by their content without app and environments."""


class _Committed(Struct, frozen=True):
    """The status and the ReplicaSets of an app in a commit."""

    status: RolloutStatus
    replica_sets: Sequence[ReplicaSet]


class QuarantineCheck:
    """Checks commits against the ``quarantine.yaml`` of their first parents."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def begun(self, change: Change, after: AppState, before: AppState) -> Iterator[Finding]:
        """Yield each listed image with which a commit begins a release of an app.

        The places before and after a move of the app count.  Raises RollstepError for a damaged file.
        """
        places = {(state.location.environment, state.location.app) for state in (after, before)}
        listed = [entry for entry in self._listed(change.parent) if any(entry.guards(*place) for place in places)]
        if not listed:
            return
        old, new = _committed(before), _committed(after)
        found = (pair for place in sorted(places) for pair in listed_images(listed, *place, old, new))
        yield from dict.fromkeys(entry.finding(after.location.title, image) for image, entry in found)

    def removed(self, change: Change) -> list[ListedImage]:
        """Return the entries that a commit removes or changes; raise RollstepError for a damaged file."""
        if QUARANTINE_FILE not in change.files:
            return []
        kept = {entry.content for entry in self._listed(change.commit.sha)}
        return [entry for entry in self._listed(change.parent) if entry.content not in kept]

    def unlifted(self, change: Change, places: Sequence[Places]) -> Iterator[Finding]:
        """Yield each entry that a commit removes, changes or leaves behind without the trailer of a lift.

        ``places`` are the apps of the commit, whose entries follow them to another name.  A merge may bring the lift
        of another parent.  Raises RollstepError for a damaged file.
        """
        moved = {(old.environment, old.app): (new.environment, new.app) for new, old in places}
        moved = {old: new for old, new in moved.items() if old != new}
        lifted, merged = lifted_images(change.commit.trailers), self._merged_lifts(change)
        guarded = self._guarded(change.commit.sha) if moved else {}
        removed = self.removed(change)
        stay = self._places(change, moved) if moved and removed else []
        for entry in removed:
            is_lifted = listed_value(entry.app, entry.image) in lifted or entry.content in merged
            if not is_lifted and not _follows(entry, moved, stay, guarded):
                message = f"{entry.image} of {entry.where} is taken out of quarantine or changed"
                hint = f"restore the entry, and lift it with `{entry.lift}`"
                yield Finding(QUARANTINE_FILE, entry.line, 0, "", message, hint)
        gone = {entry.content for entry in removed}
        for entry in self._listed(change.parent) if moved else ():
            left = [new for old, new in moved.items() if entry.guards(*old) and not _guards(guarded, entry, new)]
            if left and entry.content not in gone:
                names = ", ".join("/".join(place) for place in left)
                message = f"{entry.image} of {entry.where} does not follow the app to {names}"
                yield Finding(QUARANTINE_FILE, entry.line, 0, "", message, "add an entry for the new name")

    def _merged_lifts(self, change: Change) -> set[Content]:
        """Return the entries that a parent of a merge lacks, and its merge base with the first parent has."""
        found: set[Content] = set()
        if QUARANTINE_FILE not in change.files:
            return found
        repository = self._loader.repository
        for parent in change.parents[1:]:
            bases = repository.run("merge-base", "--all", change.parent, parent, check=False).stdout.decode().split()
            before = {entry.content for base in bases for entry in self._listed(base)}
            found |= before - {entry.content for entry in self._listed(parent)}
        return found

    def _places(self, change: Change, moved: Mapping[Place, Place]) -> list[tuple[Place, Place]]:
        """Return the apps before a commit that are there after it, each with its place then."""
        sha, loader = change.commit.sha, self._loader
        after = {*loader.apps(sha, loader.settings(sha)), *moved.values()}
        before = loader.apps(change.parent, loader.settings(change.parent))
        return [(place, new) for place in before if (new := moved.get(place, place)) in after]

    def _guarded(self, sha: str) -> Guarded:
        found: dict[Content, list[ListedImage]] = {}
        for entry in self._listed(sha):
            found.setdefault(_anywhere(entry), []).append(entry)
        return found

    def _listed(self, sha: str) -> tuple[ListedImage, ...]:
        if not sha:
            return ()
        files = self._loader.files(sha)
        content = files.read_own(f"{files.root}/{QUARANTINE_FILE}", QUARANTINE_FILE)
        return () if content is None else parse_quarantine(decode(content, QUARANTINE_FILE))


def _anywhere(entry: ListedImage) -> Content:
    return replace(entry, app="", environments=()).content


def _guards(guarded: Guarded, entry: ListedImage, place: Place) -> bool:
    """Return whether an entry like ``entry``, under any app and environments, guards the app at ``place``."""
    return any(other.guards(*place) for other in guarded.get(_anywhere(entry), ()))


def _follows(
    entry: ListedImage, moved: Mapping[Place, Place], stay: Sequence[tuple[Place, Place]], guarded: Guarded
) -> bool:
    """Return whether an entry has another app or other environments only because these have other names."""
    if not any(entry.guards(*old) for old in moved):
        return False
    return all(_guards(guarded, entry, new) for old, new in stay if entry.guards(*old))


def _committed(state: AppState) -> _Committed:
    """Return what has been released of an app in a commit, without ReplicaSets that Kubernetes would refuse."""
    sets = []
    for manifest in rendered_objects(state):
        if manifest.kind == "ReplicaSet" and not belongs_to_experiment(manifest.body):
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                sets.append(ReplicaSet.from_body(manifest.body))
    found = state.state()
    return _Committed(found.status if found is not None else RolloutStatus(), sets)
