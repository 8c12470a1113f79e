"""A verb's change to the Rollout, carried into the user's own file (shell around a pure difference)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.manifest import Body, field_path
from renderer.model import World
from renderer.workspace import Release
from renderer.yaml_edit import REMOVED, edit
from renderer.yaml_io import FieldPath, read_text


def spec_changes(before: Body, after: Body) -> dict[FieldPath, Any]:
    """Return what differs between two manifests' ``spec``, as field path to new value or ``REMOVED``."""
    changes: dict[FieldPath, Any] = {}
    _collect(before.get("spec"), after.get("spec"), ("spec",), changes)
    return changes


def _collect(before: Any, after: Any, path: FieldPath, changes: dict[FieldPath, Any]) -> None:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            if key not in after:
                changes[(*path, key)] = REMOVED
            elif key not in before:
                changes[(*path, key)] = after[key]
            else:
                _collect(before[key], after[key], (*path, key), changes)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            _collect(old, new, (*path, index), changes)
    elif before != after:
        changes[path] = after


def edited_source(release: Release, world: World) -> tuple[Path, str] | None:
    """Return the file that holds the Rollout and its new text; None where the verb changes nothing in it.

    Raises RollstepError where the Rollout is not in a file that can be edited: it comes from a command or a template.
    """
    changes = spec_changes(release.world.rollout.body, world.rollout.body)
    if not changes:
        return None
    app = release.app
    if app.rollout_file is None:
        fields = ", ".join(field_path(path) for path in changes)
        message = f"{fields} would change, but the Rollout is made from something else (a command or a template)"
        hint = "make the change there, commit it, and run `rollstep advance`"
        raise RollstepError([Finding(app.rollout.source.file, 0, 0, "", message, hint)])
    shown = app.rollout.source.file
    return app.rollout_file, edit(read_text(app.rollout_file, shown, keep_mark=True), app.rollout_index, changes, shown)
