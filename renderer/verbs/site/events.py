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
from renderer.pipeline.load.sources import RUNS_FILE, STATUS_FILE
from renderer.pipeline.load.status_file import State
from renderer.verbs.apps.status_history import StatusChange, StatusHistory
from renderer.verbs.verify.app_state import AppLocation


class Merge(Struct, frozen=True):
    """A merge on the branch: its commit and the rest of its message."""

    commit: Commit
    body: str


class Event(Struct, frozen=True):
    """A commit that changes an app's status or its AnalysisRuns.

    ``state`` is the status after it, None if it removes the app.  ``commit`` is the commit itself, or the app's own one
    that a ``merge`` brought; ``time`` is when it reached the branch.  ``trailers`` are the app's, without the prefix.
    ``tree`` names the output folder after it, ``runs`` the file of the AnalysisRuns; each is empty without one.
    """

    commit: Commit
    body: str
    time: datetime
    state: State | None
    trailers: Mapping[str, str]
    merge: Merge | None
    tree: str
    runs: str = ""

    @property
    def verb(self) -> str:
        """The verb of the commit with its options; empty for another commit."""
        return self.trailers.get("Verb", "")


class AppHistory(Struct, frozen=True):
    """The history of an app on the branch.

    ``events`` are the commits that change its status or its AnalysisRuns, oldest first.  ``sources`` are those
    that change files in its folder that rollstep does not write, newest first.  ``problems`` say why the
    status could not be followed.
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
    others = _other_changes(repository, locations, sha)
    changes = [_with_runs(found, other.runs, other.order) for found, other in zip(changes, others, strict=True)]
    reader = _Reader(repository, locations, changes)
    events = [[reader.event(at, number) for number in reversed(range(len(found)))] for at, found in enumerate(changes)]
    sources = [other.sources for other in others]
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
            f"{change.commit.sha}:{path}"
            for found, places in zip(changes, self._places, strict=True)
            for change, place in zip(found, places, strict=True)
            for path in place[2:]
        ]
        self._objects = dict(zip(keys, object_names(repository, keys), strict=True)) if keys else {}

    def event(self, at: int, number: int) -> Event:
        """Return the event of one change of an app, both by their numbers."""
        change, (environment, app, output, runs) = self._changes[at][number], self._places[at][number]
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
        objects = (self._objects[f"{sha}:{path}"] for path in (output, runs))
        return Event(commit, body, change.commit.time, change.state, own, merge, *objects)

    def _read_merged(self, sha: str, parent: str) -> tuple[Sequence[Commit], Mapping[str, Message]]:
        found = merged_commits(self._repository, sha, parent)
        return found, read_messages(self._repository, [commit.sha for commit in found])


def _trailers(commit: Commit, environment: str, app: str) -> Mapping[str, str]:
    """Return a commit's trailers of one app; empty without any."""
    own = (found for found in releases(commit.trailers) if (found["App"], found.get("Env", "")) == (app, environment))
    return next(own, {})


def _place(change: StatusChange, location: AppLocation) -> tuple[str, str, str, str]:
    """Return an app's environment, name, output folder and AnalysisRuns in a commit, maybe from before a move."""
    path = location.status_file
    if path not in change.commit.files:
        same = [name for name, blob in change.commit.files.items() if blob == change.blob and _is_status(name)]
        path = max(same, key=lambda name: (shared_names(name, path), name), default=path)
    folder = path.rpartition("/")[0]
    environment, app = folder.split("/")[-2:]
    output = location.output.removeprefix(f"{location.folder}/")
    return environment, app, f"{folder}/{output}", f"{folder}/{RUNS_FILE}"


def _is_status(path: str) -> bool:
    return path.rpartition("/")[2] == STATUS_FILE


class _Others(Struct):
    """The commits that change an app's sources, and those that change its AnalysisRuns alone, newest first.

    ``order`` has the number of each commit that touches the app's folder, by hash, from the newest one.
    """

    sources: list[FileChange]
    runs: list[FileChange]
    order: dict[str, int]


def _other_changes(repository: Repository, locations: Sequence[AppLocation], sha: str) -> list[_Others]:
    """Return for each app what its commits change beside the status."""
    by_folder = {place.folder: (place, _Others([], [], {})) for place in locations}
    depth = locations[0].folder.count("/") + 1 if locations else 0
    for change in repository.file_changes([place.folder for place in locations], VERB, sha) if locations else ():
        touched: dict[str, set[str]] = {}
        for path in change.files:
            touched.setdefault("/".join(path.split("/", depth)[:depth]), set()).add(path)
        for folder in touched.keys() & by_folder.keys():
            place, found = by_folder[folder]
            found.order[change.sha] = len(found.order)
            own, paths = {place.status_file, place.runs_file}, touched[folder]
            if any(path not in own and not path.startswith(f"{place.output}/") for path in paths):
                found.sources.append(change)
            if paths & own == {place.runs_file}:
                found.runs.append(change)
    return [by_folder[place.folder][1] for place in locations]


def _with_runs(
    changes: Sequence[StatusChange], runs: Sequence[FileChange], order: Mapping[str, int]
) -> list[StatusChange]:
    """Return the changes of a status with those of its AnalysisRuns alone, newest first."""
    # What is older than a move of the folder is not in the order.
    found = [(order.get(change.commit.sha, len(order)), change) for change in changes]
    for commit in runs:
        number = order[commit.sha]
        before = next((change for at, change in found if at > number), None)
        if before is not None and before.state is not None:
            found.append((number, StatusChange(commit, before.blob, before.state)))
    return [change for _, change in sorted(found, key=lambda pair: pair[0])]
