"""A rendered app and what it changes in the app's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.sources import RUNS_FILE, STATUS_FILE
from renderer.pipeline.write.output_folder import Changes, diff, file_diff, plan_changes

if TYPE_CHECKING:
    from renderer.pipeline.load.last_render import LastRender


class RenderedApp(Struct, frozen=True):
    """An app rendered at a step: its files by name, the text of its status, and their changes to its folder.

    ``runs_text`` is the text of its AnalysisRuns, None without one.
    """

    home: Home
    files: Mapping[str, str]
    status_text: str
    changes: Changes
    old_status: str | None
    runs_text: str | None = None
    old_runs: str | None = None

    @property
    def is_up_to_date(self) -> bool:
        """True if the folder and ``status.yaml`` have the rendered content."""
        return not self.changes and self.old_status == self.status_text and self.old_runs == self.runs_text

    @property
    def planned(self) -> list[tuple[str, str | None]]:
        """The path of every file with its text, None for a deleted file, in the order of writing."""
        has_runs = self.runs_text is not None or self.old_runs is not None
        runs = [(self._own(RUNS_FILE), self.runs_text)] if has_runs else []
        return [*self.changes.planned(), *runs, (self._own(STATUS_FILE), self.status_text)]

    @property
    def unchanged(self) -> set[str]:
        """The paths of the files that already have their text."""
        status = [self._own(STATUS_FILE)] if self.old_status == self.status_text else []
        runs = [self._own(RUNS_FILE)] if self.old_runs == self.runs_text else []
        return {*self.changes.unchanged_paths(), *status, *runs}

    def _own(self, name: str) -> str:
        return f"{self.home.ref.folder}/{name}"

    def diff(self) -> str:
        """Return the changes as a unified diff."""
        text = diff(self.changes, self.home.output_path)
        if self.old_status != self.status_text:
            text += "".join(file_diff(f"{self.home.path}/{STATUS_FILE}", self.old_status, self.status_text))
        if self.old_runs != self.runs_text:
            text += "".join(file_diff(f"{self.home.path}/{RUNS_FILE}", self.old_runs, self.runs_text))
        return text

    def staleness(self) -> Finding:
        """Return the finding of an app that is not up to date."""
        message = "the rendered manifests do not match the sources"
        return Finding(self.home.output_path, 0, 0, "", message, f"rollstep render {self.home.ref.target}")

    def to_dict(self, *, with_diff: bool) -> dict[str, object]:
        """Return whether the app was up to date, and its changes, as JSON-ready data."""
        ref, stale = self.home.ref, None if self.is_up_to_date else self.staleness()
        return {
            "app": ref.name,
            "environment": ref.environment,
            "output": self.home.output_path,
            "upToDate": self.is_up_to_date,
            "message": stale.message if stale else None,
            "hint": stale.hint if stale else None,
            "files": self.changes.to_dict(),
            "statusChanged": self.old_status != self.status_text,
            "diff": ("" if stale is None else self.diff()) if with_diff else None,
        }


def compare_with_folder(
    home: Home,
    files: Mapping[str, str],
    status_text: str,
    runs_text: str | None,
    last_render: LastRender | None = None,
) -> RenderedApp:
    """Compare an app rendered as ``files`` with its folder; raise RollstepError as ``plan_write`` does."""
    changes = plan_changes(home, files, last_render)
    old_status, old_runs = (_text_of(home, name) for name in (STATUS_FILE, RUNS_FILE))
    return RenderedApp(home, files, status_text, changes, old_status, runs_text, old_runs)


def _text_of(home: Home, name: str) -> str | None:
    file = home.ref.folder / name
    return file.read_text(encoding="utf-8") if file.is_file() else None
