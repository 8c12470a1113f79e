"""An app's status and rendered files in a commit, read from git's objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from renderer.errors import Finding
from renderer.git.objects import TreeFile
from renderer.kubernetes.manifest import Body
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.load.analysis_runs import load_runs
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import Settings
from renderer.pipeline.load.sources import RUNS_FILE, STATUS_FILE
from renderer.pipeline.load.status_file import State, load_state
from renderer.verbs.verify.object_cache import EXECUTABLE, LINK, REGULAR, SUBMODULE, ObjectCache

RUNS = f"/{RUNS_FILE}"
"""The name of the AnalysisRuns in an ``AppState``, which no file of the output folder can have."""
_KINDS = {LINK: "a symbolic link", SUBMODULE: "a submodule", EXECUTABLE: "executable"}
"""The name of a file with another mode than that of a plain one."""


class AppLocation(Struct, frozen=True):
    """An app's environment and name, with its folder and output folder relative to the repository's root."""

    environment: str
    app: str
    folder: str
    output: str

    @classmethod
    def of(cls, settings: Settings, environment: str, app: str) -> AppLocation:
        """Return the location of an app by ``settings``."""
        folder = f"{settings.environments_path}/{environment}/{app}"
        return cls(environment, app, folder, f"{folder}/{settings.for_app(environment, app).output}")

    @property
    def status_file(self) -> str:
        """The path of ``status.yaml``."""
        return f"{self.folder}/{STATUS_FILE}"

    @property
    def runs_file(self) -> str:
        """The path of ``analysis-runs.yaml``."""
        return f"{self.folder}/{RUNS_FILE}"

    @property
    def paths(self) -> tuple[str, str, str]:
        """The paths of rollstep's own files: the status, the runs and the output folder."""
        return self.status_file, self.runs_file, self.output

    @property
    def title(self) -> str:
        """The app in messages."""
        return f"{self.app} ({self.environment})"


class AppState(Struct, frozen=True):
    """An app's status and rendered files in a commit: ``blobs`` and ``contents`` by name.

    The status has the empty name, and the AnalysisRuns have ``RUNS``; other names are relative to the output folder, so
    that states can be compared.
    """

    location: AppLocation
    blobs: Mapping[str, TreeFile]
    contents: Mapping[str, bytes]

    @property
    def exists(self) -> bool:
        """True if there is a status or a marker."""
        return "" in self.contents or MARKER in self.contents

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the output folder by name."""
        return {name: content for name, content in self.contents.items() if name not in ("", RUNS)}

    def state(self) -> State | None:
        """Return the parsed status; None without ``status.yaml``.  Raises RollstepError for a damaged one."""
        if "" not in self.contents:
            return None
        return load_state(decode(self.contents[""], self.location.status_file), self.location.status_file)

    def runs(self) -> tuple[Body, ...]:
        """Return the AnalysisRuns; raise RollstepError for a damaged file."""
        if RUNS not in self.contents:
            return ()
        return load_runs(decode(self.contents[RUNS], self.location.runs_file), self.location.runs_file)

    def owned(self) -> set[str]:
        """Return the names of rollstep's files but the status: the runs, the marker and every name that it lists.

        Lines that cannot be parsed are skipped.
        """
        lines = self.contents.get(MARKER, b"").decode(errors="replace").split("\n")
        return {line.split("  ", 1)[1] for line in lines if "  " in line} | {MARKER, RUNS}

    def irregular(self) -> Iterator[Finding]:
        """Yield the files that are not plain ones: what a sync tool reads there is another text, or another's."""
        for name, entry in sorted(self.blobs.items()):
            if entry.mode != REGULAR:
                message = f"is {_KINDS.get(entry.mode, 'not a regular file')}, and rollstep writes plain files"
                yield Finding(self.path(name), 0, 0, "", message, "git revert the commit")

    def foreign(self) -> Iterator[str]:
        """Yield the names of the files in the output folder that rollstep does not own."""
        return (name for name in sorted(self.blobs.keys() - self.owned() - {""}))

    def path(self, name: str) -> str:
        """Return the path of a name from the repository's root."""
        own = {"": self.location.status_file, RUNS: self.location.runs_file}
        return own.get(name) or f"{self.location.output}/{name}"


def read_state(objects: ObjectCache, sha: str, location: AppLocation) -> AppState:
    """Return the state of the app at ``location`` in commit or tree ``sha``; the state for an empty hash is empty.

    Raises RollstepError for what git does not check out, and for too many or too large files.
    """
    if not sha:
        return AppState(location, {}, {})
    listed = objects.files(sha, *location.paths)
    prefix, own = f"{location.output}/", {location.status_file: "", location.runs_file: RUNS}
    names = {path: own.get(path, path.removeprefix(prefix)) for path in listed}
    blobs = {names[path]: entry for path, entry in listed.items()}
    contents = objects.contents(entry.sha for entry in blobs.values() if entry.mode != SUBMODULE)
    return AppState(
        location, blobs, {name: contents[entry.sha] for name, entry in blobs.items() if entry.mode != SUBMODULE}
    )


def app_of_path(path: str, settings: Settings) -> tuple[str, str] | None:
    """Return the environment and app whose folder ``path`` lies in; None for any other path."""
    prefix = f"{settings.environments_path}/"
    parts = path.removeprefix(prefix).split("/", 2) if path.startswith(prefix) else []
    return (parts[0], parts[1]) if len(parts) == 3 else None
