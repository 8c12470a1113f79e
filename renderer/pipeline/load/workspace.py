"""A repository as the verbs see it: root, working folder, settings, and what was interrupted in it (shell)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError, UsageError
from renderer.pipeline.load.discover import AppRef, Home, find_apps
from renderer.pipeline.load.settings import Settings, load_settings


class Workspace(Struct, frozen=True):
    """A folder that rollstep works in: the repository's root, where the command was started, and the settings."""

    root: Path
    cwd: Path
    settings: Settings

    @classmethod
    def open(cls, directory: str) -> Workspace:
        """Find the root above ``directory`` and read ``rollstep.yaml``; raise RollstepError with all it has wrong."""
        cwd = Path(directory).resolve()
        root = find_root(cwd)
        return cls(root, cwd, load_settings(root))

    @property
    def journal_root(self) -> Path:
        """The folder whose journal every verb's run keeps: git's work tree, and the root where there is none."""
        return journal_root(self.root)

    def apps(self, targets: Sequence[str]) -> tuple[AppRef, ...]:
        """Return the apps that ``targets`` name, all where there are none; raise UsageError for an unknown one."""
        return find_apps(self.root, self.settings, targets, self.cwd)

    def some_apps(self, targets: Sequence[str]) -> tuple[AppRef, ...]:
        """Return the apps that ``targets`` name; raise UsageError for an unknown one or where there is none."""
        refs = self.apps(targets)
        if not refs:
            path = self.settings.environments_path
            raise UsageError(f"there is no app in {path}/", hint="rollstep init makes one from your manifests")
        return refs

    def home(self, ref: AppRef) -> Home:
        """Return where an app lives."""
        return Home(ref, self.settings.for_app(ref.environment, ref.name), self.root)

    def shown(self, path: Path) -> str:
        """Return ``path`` as messages name it: from the root, as git does."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` that has ``.git`` or ``rollstep.yaml``; else ``start``.

    Git itself is not asked: most verbs need nothing else of it.
    """
    for folder in (start, *start.parents):
        if (folder / ".git").exists() or (folder / "rollstep.yaml").exists():
            return folder
    return start


def journal_root(root: Path) -> Path:
    """Return the nearest folder at or above ``root`` that has ``.git``; ``root`` where there is none.

    ``rollstep.yaml`` may lie below git's work tree, and a run that is killed is recovered from either.
    """
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


@contextmanager
def relative(root: Path) -> Iterator[None]:
    """Name the files of findings that are raised from ``root`` on."""
    try:
        yield
    except RollstepError as error:
        raise type(error)(
            replace(finding, file=finding.file.removeprefix(f"{root}/")) for finding in error.findings
        ) from error


def current_time() -> datetime:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
