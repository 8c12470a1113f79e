"""A repository as the verbs see it: its root, the working folder, and the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.pipeline.load.discover import AppRef, Home, find_apps, find_orphans, unknown_names
from renderer.pipeline.load.settings import SETTINGS_FILE, Settings, load_settings


class Workspace(Struct, frozen=True):
    """The repository's root, the folder in which the command was started, and the settings."""

    root: Path
    cwd: Path
    settings: Settings

    @classmethod
    def open(cls, directory: str) -> Workspace:
        """Find the root above ``directory`` and read ``rollstep.yaml``; raise RollstepError for invalid settings."""
        cwd = Path(directory).resolve()
        root = find_root(cwd)
        return cls(root, cwd, load_settings(root))

    @property
    def journal_root(self) -> Path:
        """The folder in which a run that writes has its journal: git's work tree, else the root."""
        return journal_root(self.root)

    def apps(self, targets: Sequence[str]) -> tuple[AppRef, ...]:
        """Return the apps that ``targets`` name, all apps without targets; never none.

        Raises UsageError for an unknown target, and RollstepError without any app.
        """
        return find_apps(self.root, self.settings, targets, self.cwd)

    def orphans(self, targets: Sequence[str], apps: Sequence[AppRef] = ()) -> tuple[AppRef, ...]:
        """Return the orphans that ``targets`` name, as ``find_orphans``."""
        return find_orphans(self.root, self.settings, targets, self.cwd, apps)

    def note_unknown_names(self, note: Callable[[str], object]) -> bool:
        """Note each environment and app in ``rollstep.yaml`` that does not exist; return whether there are any."""
        findings = unknown_names(self.root, self.settings)
        for finding in findings:
            note(f"warning: {finding.text()}")
        return bool(findings)

    def home(self, ref: AppRef) -> Home:
        """Return an app with its settings."""
        return Home(ref, self.settings.for_app(ref.environment, ref.name), self.root)

    def display_path(self, path: Path) -> str:
        """Return ``path`` as messages name it: relative to the root if it is below."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` that has ``.git`` or ``rollstep.yaml``; else ``start``.

    This asks the file system, not git, which most verbs do not need otherwise.
    """
    return _nearest(start, ".git", SETTINGS_FILE)


def journal_root(root: Path) -> Path:
    """Return the nearest folder at or above ``root`` that has ``.git``; else ``root``.

    ``rollstep.yaml`` may be below git's work tree, and a run from either folder recovers a run that was killed.
    """
    return _nearest(root, ".git")


@contextmanager
def relative_findings(root: Path) -> Iterator[None]:
    """Make the files of the findings that the block raises relative to ``root``."""
    try:
        yield
    except RollstepError as error:
        raise type(error)(
            replace(finding, file=finding.file.removeprefix(f"{root}/")) for finding in error.findings
        ) from error


def current_time() -> datetime:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def _nearest(start: Path, *names: str) -> Path:
    folders = (start, *start.parents)
    return next((folder for folder in folders if any((folder / name).exists() for name in names)), start)
