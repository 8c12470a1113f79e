"""A rendered app and what it changes in the app's folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.write.output_folder import Changes, diff, file_diff, plan_changes

if TYPE_CHECKING:
    from renderer.pipeline.load.last_render import LastRender


class RenderedApp(Struct, frozen=True):
    """An app rendered at a step: its files by name, the text of its status, and their changes to its folder."""

    home: Home
    files: Mapping[str, str]
    status_text: str
    changes: Changes
    old_status: str | None

    @property
    def is_up_to_date(self) -> bool:
        """True if the folder and ``status.yaml`` have the rendered content."""
        return not self.changes and self.old_status == self.status_text

    @property
    def planned(self) -> list[tuple[str, str | None]]:
        """The path of every file with its text, None for a deleted file, in the order of writing."""
        return [*self.changes.planned(), (self._status_file, self.status_text)]

    @property
    def unchanged(self) -> set[str]:
        """The paths of the files that already have their text."""
        status = [self._status_file] if self.old_status == self.status_text else []
        return {*self.changes.unchanged_paths(), *status}

    @property
    def _status_file(self) -> str:
        return f"{self.home.ref.folder}/{STATUS_FILE}"

    def diff(self) -> str:
        """Return the changes as a unified diff."""
        text = diff(self.changes, self.home.output_path)
        if self.old_status != self.status_text:
            text += "".join(file_diff(f"{self.home.path}/{STATUS_FILE}", self.old_status, self.status_text))
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
    home: Home, files: Mapping[str, str], status_text: str, last_render: LastRender | None = None
) -> RenderedApp:
    """Compare an app rendered as ``files`` with its folder; raise RollstepError as ``plan_write`` does."""
    changes = plan_changes(home, files, last_render)
    status_file = home.ref.folder / STATUS_FILE
    old_status = status_file.read_text(encoding="utf-8") if status_file.is_file() else None
    return RenderedApp(home, files, status_text, changes, old_status)
