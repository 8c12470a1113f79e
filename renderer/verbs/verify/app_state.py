"""What a commit has of an app: its status and its rendered files, read from git's objects."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import Settings
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import State, load_state
from renderer.verbs.verify.object_cache import Objects


class Place(Struct, frozen=True):
    """Where an app lies in a commit: its environment and name, its folder and its output folder from the root."""

    environment: str
    app: str
    folder: str
    output: str

    @classmethod
    def of(cls, settings: Settings, environment: str, app: str) -> Place:
        """Return the place that ``settings`` give an app."""
        folder = f"{settings.environments_path}/{environment}/{app}"
        return cls(environment, app, folder, f"{folder}/{settings.for_app(environment, app).output}")

    @property
    def status_file(self) -> str:
        """The path of the status."""
        return f"{self.folder}/{STATUS_FILE}"

    @property
    def title(self) -> str:
        """The app as messages name it."""
        return f"{self.app} ({self.environment})"


class AppState(Struct, frozen=True):
    """An app's status and files in a commit; ``blobs`` are the object names by path, ``contents`` what they hold.

    ``blobs`` has the status under the empty name, so that two states are the same wherever their folders are.
    """

    place: Place
    blobs: Mapping[str, str]
    contents: Mapping[str, bytes]

    @property
    def status(self) -> bytes | None:
        """The content of ``status.yaml``; None where there is none."""
        return self.contents.get("")

    @property
    def is_there(self) -> bool:
        """Whether rollstep has written anything."""
        return self.status is not None or MARKER in self.contents

    @property
    def files(self) -> dict[str, bytes]:
        """The content of the files of the output folder, by name."""
        return {name: content for name, content in self.contents.items() if name}

    def state(self) -> State | None:
        """Return the status; None where there is none.  Raises RollstepError where it is damaged."""
        if self.status is None:
            return None
        return load_state(decode(self.status, self.place.status_file), self.place.status_file)

    def owned(self) -> set[str]:
        """Return the names that the marker lists, as far as it can be read, with its own."""
        lines = self.contents.get(MARKER, b"").decode(errors="replace").split("\n")
        return {line.split("  ", 1)[1] for line in lines if "  " in line} | {MARKER}

    def path(self, name: str) -> str:
        """Return the path of a file of the output folder, or of the status (the empty name)."""
        return f"{self.place.output}/{name}" if name else self.place.status_file


def read_state(objects: Objects, sha: str, place: Place) -> AppState:
    """Return what commit ``sha`` has of the app at ``place``; no commit (an empty hash) has nothing."""
    if not sha:
        return AppState(place, {}, {})
    listed = objects.files(sha, place.status_file, place.output)
    prefix = f"{place.output}/"
    names = {path: "" if path == place.status_file else path.removeprefix(prefix) for path in listed}
    contents = objects.contents(entry.sha for entry in listed.values())
    blobs = {names[path]: entry.sha for path, entry in listed.items()}
    return AppState(place, blobs, {name: contents[blob] for name, blob in blobs.items()})


def in_folder(path: str, settings: Settings) -> tuple[str, str, str] | None:
    """Return the environment, the app and the rest of a path in an app's folder; None for any other path."""
    prefix = f"{settings.environments_path}/"
    parts = path.removeprefix(prefix).split("/", 2) if path.startswith(prefix) else []
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None
