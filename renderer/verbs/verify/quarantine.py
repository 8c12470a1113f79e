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
        kept = self._listed(change.commit.sha)
        return [entry for entry in self._listed(change.parent) if entry not in kept]

    def unlifted(self, change: Change, places: Sequence[Places]) -> Iterator[Finding]:
        """Yield each entry that a commit removes, changes or leaves behind without the trailer of a lift.

        ``places`` are the apps of the commit, whose entries follow them to another name.  A merge may bring the lift
        of another parent.  Raises RollstepError for a damaged file.
        """
        moved = {(old.environment, old.app): (new.environment, new.app) for new, old in places}
        moved = {old: new for old, new in moved.items() if old != new}
        lifted = lifted_images(change.commit.trailers)
        removed = self.removed(change)
        for entry in removed:
            is_lifted = listed_value(entry.app, entry.image) in lifted or self._is_merged_lift(change, entry)
            if not is_lifted and not self._follows(change, entry, moved):
                message = f"{entry.image} of {entry.where} is taken out of quarantine or changed"
                hint = f"restore the entry, and lift it with `{entry.lift}`"
                yield Finding(QUARANTINE_FILE, entry.line, 0, "", message, hint)
        for entry in self._listed(change.parent) if moved else ():
            left = [new for old, new in moved.items() if entry.guards(*old) and not self._guards(change, entry, new)]
            if entry not in removed and left:
                names = ", ".join("/".join(place) for place in left)
                message = f"{entry.image} of {entry.where} does not follow the app to {names}"
                yield Finding(QUARANTINE_FILE, entry.line, 0, "", message, "add an entry for the new name")

    def _is_merged_lift(self, change: Change, entry: ListedImage) -> bool:
        """Return whether a parent of a merge lacks an entry that its merge base with the first parent has."""
        repository = self._loader.repository
        for parent in change.parents[1:]:
            bases = repository.run("merge-base", "--all", change.parent, parent, check=False).stdout.decode().split()
            if entry not in self._listed(parent) and any(entry in self._listed(base) for base in bases):
                return True
        return False

    def _follows(self, change: Change, entry: ListedImage, moved: Mapping[Place, Place]) -> bool:
        """Return whether an entry has another app or other environments only because these have other names."""
        if not any(entry.guards(*old) for old in moved):
            return False
        sha, loader = change.commit.sha, self._loader
        before = loader.apps(change.parent, loader.settings(change.parent))
        after = {*loader.apps(sha, loader.settings(sha)), *moved.values()}
        places = {moved.get(place, place) for place in before if entry.guards(*place)}
        return all(self._guards(change, entry, place) for place in places & after)

    def _guards(self, change: Change, entry: ListedImage, place: Place) -> bool:
        """Return whether the commit has ``entry``, under any app and environments, for the app at ``place``."""
        wanted = replace(entry, app="", environments=())
        found = (other for other in self._listed(change.commit.sha) if other.guards(*place))
        return any(replace(other, app="", environments=()) == wanted for other in found)

    def _listed(self, sha: str) -> tuple[ListedImage, ...]:
        if not sha:
            return ()
        files = self._loader.files(sha)
        content = files.read_own(f"{files.root}/{QUARANTINE_FILE}", QUARANTINE_FILE)
        return () if content is None else parse_quarantine(decode(content, QUARANTINE_FILE))


def _committed(state: AppState) -> _Committed:
    """Return what has been released of an app in a commit, without ReplicaSets that Kubernetes would refuse."""
    sets = []
    for manifest in rendered_objects(state):
        if manifest.kind == "ReplicaSet" and not belongs_to_experiment(manifest.body):
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                sets.append(ReplicaSet.from_body(manifest.body))
    found = state.state()
    return _Committed(found.status if found is not None else RolloutStatus(), sets)
