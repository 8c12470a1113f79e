"""The two sides of an app with a conflict: its status and rendered files in the commits that git could not merge."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.conflicts import BASE, OURS, THEIRS, Operation, commit_of_side, conflicts, operation
from renderer.git.objects import TreeFile
from renderer.git.repository import Repository, literal, shared_names
from renderer.kubernetes.times import format_time
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.load.discover import AppRef, Home
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import State, load_state
from renderer.pipeline.load.workspace import Workspace
from renderer.verbs.verify.app_state import AppLocation, AppState, read_state
from renderer.verbs.verify.object_cache import ObjectCache

NAMES = {OURS: "ours", THEIRS: "theirs"}


class Side(Struct, frozen=True):
    """An app on one side: ``files`` are rollstep's own by path as they are to be in the work tree.

    ``status`` is None where the side has none, or a damaged one.
    """

    name: str
    commit: str
    subject: str
    files: Mapping[str, TreeFile]
    status: State | None

    @property
    def is_aborted(self) -> bool:
        """True if the release is aborted on this side."""
        return self.status is not None and self.status.status.abort

    def status_blob(self, place: AppLocation) -> str:
        """Return the name of the status' blob; empty without a status."""
        found = self.files.get(place.status_file)
        return found.sha if found else ""

    def text(self) -> str:
        """Return where the release stands, and the side's commit."""
        return f"{self.name}: {_standing(self.status)} ({self.commit[:9]} {self.subject})"


class ConflictedApp(Struct, frozen=True):
    """An app with a conflict in rollstep's own files; ``sources`` are the user's files of it with a conflict.

    ``only_mover`` is the side whose status git took without a conflict, or either side with the same status.
    ``was_aborted`` is true if the release was aborted already before the sides parted.
    """

    home: Home
    sides: Mapping[str, Side]
    sources: tuple[str, ...]
    only_mover: Side | None
    was_aborted: bool

    @property
    def is_aborted(self) -> bool:
        """True if the release is aborted on a side."""
        return any(side.is_aborted for side in self.sides.values())

    @property
    def owned(self) -> set[str]:
        """The paths of rollstep's own files on either side."""
        return {path for side in self.sides.values() for path in side.files}


class Conflicts(Struct, frozen=True):
    """All apps with conflicts in rollstep's own files, and the other files with conflicts."""

    operation: Operation
    apps: tuple[ConflictedApp, ...]
    others: tuple[str, ...]


def read_conflicts(workspace: Workspace, repository: Repository) -> Conflicts:
    """Return the conflicts in the index; raise RollstepError where git has no commit of a side."""
    stages, stopped = conflicts(repository), operation(repository)
    base = repository.relative(workspace.root / workspace.settings.environments_path)
    by_app: dict[tuple[str, str], list[str]] = {}
    for path in stages:
        parts = path.removeprefix(f"{base}/").split("/", 2)
        if path.startswith(f"{base}/") and len(parts) == 3:
            by_app.setdefault((parts[0], parts[1]), []).append(path)
    apps, own = [], set()
    with closing(ObjectCache(repository)) as objects:
        reader = _Reader(repository, objects, stopped)
        for (environment, name), paths in by_app.items():
            folder = workspace.root / workspace.settings.environments_path / environment / name
            home = workspace.home(AppRef(environment, name, folder))
            app = reader.app(home, {path: stages[path] for path in paths})
            if app is not None:
                apps.append(app)
                own |= set(paths) - set(app.sources)
    return Conflicts(stopped, tuple(apps), tuple(path for path in stages if path not in own))


def select(found: Sequence[ConflictedApp], targets: Sequence[str], workspace: Workspace) -> tuple[ConflictedApp, ...]:
    """Return the apps of ``found`` that ``targets`` name, all of them without targets.

    Raises RollstepError for a target without a conflict.
    """
    selected = {app.home.ref: app for app in found} if not targets else {}
    missing = []
    for target in targets:
        named = [app for app in found if _is_named(app.home.ref, target, workspace)]
        selected |= {app.home.ref: app for app in named}
        if not named:
            where = ", ".join(app.home.ref.target for app in found)
            hint = f"there are conflicts in {where}" if where else "`git status` shows the others"
            missing.append(Finding(target, 0, 0, "", "has no conflict in a file that rollstep writes", hint))
    if missing:
        raise RollstepError(missing)
    return tuple(selected.values())


def _is_named(ref: AppRef, target: str, workspace: Workspace) -> bool:
    name = target.rstrip("/")
    below = name.removeprefix(f"{workspace.settings.environments_path}/")
    path = Path(os.path.abspath(workspace.cwd / target))
    by_path = os.path.lexists(path) and (ref.folder.is_relative_to(path) or path.is_relative_to(ref.folder))
    return by_path or below in (ref.target, ref.environment, ref.name)


class _Reader:
    """Reads the sides of apps from git's objects."""

    def __init__(self, repository: Repository, objects: ObjectCache, stopped: Operation) -> None:
        self._repository = repository
        self._objects = objects
        self._stopped = stopped
        self._head = repository.head.sha

    def app(self, home: Home, stages: Mapping[str, Mapping[int, TreeFile]]) -> ConflictedApp | None:
        """Return the app with conflicts in the files ``stages``; None if rollstep wrote none of them."""
        heads = [self._head] if self._head else []
        folder = self._repository.relative(home.ref.folder)
        place = AppLocation(home.ref.environment, home.ref.name, folder, f"{folder}/{home.settings.output}")
        sides = {}
        for stage, candidates in ((OURS, [*heads, *self._stopped.commits]), (THEIRS, self._stopped.commits)):
            side = self._side(place, stage, stages, candidates)
            if side is not None:
                sides[side.name] = side
        owned = {path for side in sides.values() for path in side.files}
        if not owned & stages.keys():
            return None
        sources = tuple(path for path in stages if path not in owned)
        merged = self._merged_status(place.status_file)
        taken = (side for side in sides.values() if merged and side.status_blob(place) == merged)
        base = stages.get(place.status_file, {}).get(BASE)
        return ConflictedApp(home, sides, sources, next(taken, None), self._is_aborted(base))

    def _is_aborted(self, status: TreeFile | None) -> bool:
        """Return whether a status says that the release is aborted; false for a missing or damaged one."""
        with suppress(RollstepError):
            text = decode(self._objects.contents([status.sha])[status.sha], STATUS_FILE) if status else ""
            return bool(text) and load_state(text, STATUS_FILE).status.abort
        return False

    def _merged_status(self, path: str) -> str:
        """Return the blob of a status in the index without a conflict; empty with one."""
        listed = self._repository.run("ls-files", "-z", "--stage", "--", literal(path)).stdout.decode().split("\0")[:-1]
        rows = [row.partition("\t")[0].split() for row in listed]
        return next((sha for _, sha, stage in rows if stage == "0"), "")

    def _side(
        self,
        place: AppLocation,
        stage: int,
        stages: Mapping[str, Mapping[int, TreeFile]],
        candidates: Sequence[str],
    ) -> Side | None:
        trees = {commit: self._objects.files(commit, place.folder) for commit in candidates}
        commit = commit_of_side(stages, stage, candidates, trees)
        # A side that has the app in another folder has none of these files.
        if not commit and (stage == OURS or len(candidates) == 1):
            commit = next(iter(candidates), "")
        if not commit:
            return None
        state = self._state(commit, place, stage, stages)
        listed = self._objects.files(commit, *state.location.paths)
        files = {
            place_of(place, name): listed[state.path(name)] for name in own_names(state) if state.path(name) in listed
        }
        status = None
        with suppress(RollstepError):
            status = state.state()
        subject = self._repository.log(ref=commit, max_count=1)[0].subject
        return Side(NAMES[stage], commit, subject, files, status)

    def _state(
        self, commit: str, place: AppLocation, stage: int, stages: Mapping[str, Mapping[int, TreeFile]]
    ) -> AppState:
        """Return the app's state in the side's commit, in which it may have another folder."""
        state = read_state(self._objects, commit, place)
        if state.exists:
            return state
        blobs = {found[stage].sha for found in stages.values() if stage in found}
        files = self._objects.files(commit)
        output = place.output.removeprefix(place.folder)
        best = 0, 0
        for path in files:
            folder, _, name = path.rpartition("/")
            if name != STATUS_FILE:
                continue
            elsewhere = AppLocation(place.environment, place.app, folder, f"{folder}{output}")
            found = read_state(self._objects, commit, elsewhere)
            likeness = len(blobs & {file.sha for file in found.blobs.values()}), shared_names(folder, place.folder)
            if likeness[0] and likeness > best:
                state, best = found, likeness
        return state


def own_names(state: AppState) -> Iterator[str]:
    """Yield the names of rollstep's own files in a state; the status has the empty name."""
    owned = state.owned()
    return (name for name in state.contents if not name or name in owned)


def place_of(place: AppLocation, name: str) -> str:
    """Return the path at ``place`` of a name of an ``AppState``."""
    return AppState(place, {}, {}).path(name)


def _standing(state: State | None) -> str:
    if state is None:
        return "has no release"
    status = state.status
    weights = status.canary.weights
    parts: Iterable[str] = (
        f"revision {state.revision}",
        "" if status.current_step_index is None else f"step {status.current_step_index}",
        "" if weights is None else f"{weights.canary.weight}% to {weights.canary.pod_template_hash}",
        "aborted" if status.abort else status.phase,
        f"since {format_time(state.last_update_time)}",
    )
    return ", ".join(filter(None, parts))
