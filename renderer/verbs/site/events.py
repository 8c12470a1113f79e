"""The commits of apps on a branch: status, message, trailers, merge and rendered files of each, read in few calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.messages import Message, merged_commits, read_messages
from renderer.git.objects import object_names
from renderer.git.repository import Commit, FileChange, Repository, shared_names
from renderer.pipeline.commit.trailers import VERB, releases
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import State
from renderer.verbs.apps.status_history import StatusChange, StatusHistory
from renderer.verbs.verify.app_state import AppLocation


class Merge(Struct, frozen=True):
    """A merge on the branch: its commit and the rest of its message."""

    commit: Commit
    body: str


class Event(Struct, frozen=True):
    """A commit that changes an app's status.

    ``state`` is the status after it, None if it removes the app.  ``commit`` is the commit itself, or the app's own one
    that a ``merge`` brought; ``time`` is when it reached the branch.  ``trailers`` are the app's, without the prefix.
    ``tree`` names the output folder after it, empty without one.
    """

    commit: Commit
    body: str
    time: datetime
    state: State | None
    trailers: Mapping[str, str]
    merge: Merge | None
    tree: str

    @property
    def verb(self) -> str:
        """The verb of the commit with its options; empty for another commit."""
        return self.trailers.get("Verb", "")


class AppHistory(Struct, frozen=True):
    """The history of an app on the branch.

    ``events`` are the commits that change its status, oldest first.  ``sources`` are those that change files in its
    folder that rollstep does not write, newest first.  ``problems`` say why the status could not be followed.
    """

    events: Sequence[Event]
    sources: Sequence[FileChange]
    problems: Sequence[Finding] = ()


def read_histories(repository: Repository, locations: Sequence[AppLocation], sha: str) -> list[AppHistory]:
    """Return the history of each app up to the commit ``sha``."""
    folders = [repository.root / location.folder for location in locations]
    changes: list[list[StatusChange]] = []
    problems: list[tuple[Finding, ...]] = []
    with closing(StatusHistory(lambda: repository, folders, sha)) as history:
        for folder in folders:
            changes.append([])
            problems.append(())
            try:
                changes[-1].extend(history.changes(folder))
            except RollstepError as error:
                problems[-1] = error.findings
    reader = _Reader(repository, locations, changes)
    events = [[reader.event(at, number) for number in reversed(range(len(found)))] for at, found in enumerate(changes)]
    sources = _source_changes(repository, locations, sha)
    return [AppHistory(*row) for row in zip(events, sources, problems, strict=True)]


def last_changes(repository: Repository, environments_path: str, sha: str, since: str) -> dict[tuple[str, str], str]:
    """Return the last commit on the branch of ``sha`` that touches each app's folder, by environment and name.

    The commits in the history of ``since`` are left out; empty stands for none.
    """
    found: dict[tuple[str, str], str] = {}
    for change in repository.file_changes([environments_path], VERB, sha, [since] if since else []):
        for path in change.files:
            names = path[len(environments_path) + 1 :].split("/", 2)
            if len(names) == 3:
                found.setdefault((names[0], names[1]), change.sha)
    return found


class _Reader:
    """Reads all that events have beside the status, for all apps at once."""

    def __init__(
        self, repository: Repository, locations: Sequence[AppLocation], changes: Sequence[Sequence[StatusChange]]
    ) -> None:
        self._repository, self._changes = repository, changes
        shas = list(dict.fromkeys(change.commit.sha for found in changes for change in found))
        self._commits = dict(zip(shas, repository.commits(shas), strict=True))
        self._messages = read_messages(repository, shas)
        self._merged = cache(self._read_merged)
        self._places = [
            [_place(change, location) for change in found] for location, found in zip(locations, changes, strict=True)
        ]
        keys = [
            f"{change.commit.sha}:{output}"
            for found, places in zip(changes, self._places, strict=True)
            for change, (_, _, output) in zip(found, places, strict=True)
        ]
        self._trees = dict(zip(keys, object_names(repository, keys), strict=True)) if keys else {}

    def event(self, at: int, number: int) -> Event:
        """Return the event of one change of an app, both by their numbers."""
        change, (environment, app, output) = self._changes[at][number], self._places[at][number]
        sha = change.commit.sha
        commit, message = self._commits[sha], self._messages[sha]
        own = _trailers(commit, environment, app)
        body, merge = message.body, None
        if not own and len(message.parents) > 1:
            merged, bodies = self._merged(sha, message.parents[0])
            brought = next((found for found in merged if _trailers(found, environment, app)), None)
            if brought is not None:
                merge, own = Merge(commit, body), _trailers(brought, environment, app)
                commit, body = brought, bodies[brought.sha].body
        return Event(commit, body, change.commit.time, change.state, own, merge, self._trees[f"{sha}:{output}"])

    def _read_merged(self, sha: str, parent: str) -> tuple[Sequence[Commit], Mapping[str, Message]]:
        found = merged_commits(self._repository, sha, parent)
        return found, read_messages(self._repository, [commit.sha for commit in found])


def _trailers(commit: Commit, environment: str, app: str) -> Mapping[str, str]:
    """Return a commit's trailers of one app; empty without any."""
    own = (found for found in releases(commit.trailers) if (found["App"], found.get("Env", "")) == (app, environment))
    return next(own, {})


def _place(change: StatusChange, location: AppLocation) -> tuple[str, str, str]:
    """Return an app's environment, name and output folder in a commit, which may be from before a move."""
    path = location.status_file
    if path not in change.commit.files:
        same = [name for name, blob in change.commit.files.items() if blob == change.blob and _is_status(name)]
        path = max(same, key=lambda name: (shared_names(name, path), name), default=path)
    folder = path.rpartition("/")[0]
    environment, app = folder.split("/")[-2:]
    return environment, app, f"{folder}/{location.output.removeprefix(f'{location.folder}/')}"


def _is_status(path: str) -> bool:
    return path.rpartition("/")[2] == STATUS_FILE


def _source_changes(repository: Repository, locations: Sequence[AppLocation], sha: str) -> list[list[FileChange]]:
    """Return for each app the commits that change its sources, newest first."""
    by_folder: dict[str, tuple[AppLocation, list[FileChange]]] = {place.folder: (place, []) for place in locations}
    depth = locations[0].folder.count("/") + 1 if locations else 0
    for change in repository.file_changes([place.folder for place in locations], VERB, sha) if locations else ():
        for path in change.files:
            place, found = by_folder.get("/".join(path.split("/", depth)[:depth]), (None, []))
            is_own = place is None or path == place.status_file or path.startswith(f"{place.output}/")
            if not is_own and (not found or found[-1] is not change):
                found.append(change)
    return [by_folder[place.folder][1] for place in locations]
