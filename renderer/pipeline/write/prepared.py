"""An app rendered at a step, what that changes in its folder, and how it is told (shell)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from renderer.errors import Finding
from renderer.pipeline.load.discover import AppRef, Home
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.workspace import relative
from renderer.pipeline.write.output_folder import Changes, diff, plan_write, unified


class RenderedApp(Struct, frozen=True):
    """An app rendered at a step: its files by name, the text of its status, and what that changes in its folder.

    ``begins`` is the pod hash of a release that begins with it, empty where none does.
    """

    home: Home
    files: Mapping[str, str]
    status_text: str
    changes: Changes
    old_status: str | None
    begins: str = ""

    @property
    def is_fresh(self) -> bool:
        """Whether the folder holds just this already."""
        return not self.changes and self.old_status == self.status_text

    def diff(self) -> str:
        """Return what changes as a unified diff."""
        text = diff(self.changes, self.home.shown)
        if self.old_status != self.status_text:
            text += "".join(unified(f"{self.home.place}/{STATUS_FILE}", self.old_status, self.status_text))
        return text

    def staleness(self) -> Finding:
        """Return why the folder is not what is rendered, and what to do about it."""
        target = f"{self.home.ref.environment}/{self.home.ref.name}"
        if self.begins:
            message = f"a new pod template ({self.begins}) is not released yet"
            hint = f"rollstep advance {target}"
        else:
            message, hint = "the rendered manifests are not what the sources give", f"rollstep render {target}"
        return Finding(self.home.shown, 0, 0, "", message, hint)

    def entry(self, *, with_diff: bool = False) -> dict[str, object]:
        """Return whether the folder was as it is rendered, and what differs or was written, as JSON-ready data."""
        ref, why = self.home.ref, None if self.is_fresh else self.staleness()
        entry: dict[str, object] = {
            "app": ref.name,
            "environment": ref.environment,
            "output": self.home.shown,
            "upToDate": self.is_fresh,
            "message": why.message if why else None,
            "hint": why.hint if why else None,
            "files": self.changes.to_dict(),
            "statusChanged": self.old_status != self.status_text,
        }
        if with_diff:
            entry["diff"] = "" if self.is_fresh else self.diff()
        return entry


def old_status(ref: AppRef) -> str | None:
    """Return the text of an app's ``status.yaml``; None where there is none."""
    status_file = ref.folder / STATUS_FILE
    return status_file.read_text(encoding="utf-8") if status_file.is_file() else None


def plan_changes(home: Home, files: Mapping[str, str]) -> Changes:
    """Compare rendered ``files`` with the output folder; raise RollstepError where foreign files are in the way."""
    with relative(home.root):
        return plan_write(home.output, files)


def compared(home: Home, files: Mapping[str, str], status_text: str, begins: str = "") -> RenderedApp:
    """Return an app that is rendered as ``files``; raise RollstepError where foreign files are in the way."""
    return RenderedApp(home, files, status_text, plan_changes(home, files), old_status(home.ref), begins)
