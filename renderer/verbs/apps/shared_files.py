"""Files of the user that several apps read: a verb for one of them does not change the others."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from functools import cache

from renderer.errors import Finding, RollstepError
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.sources import manifest_files
from renderer.pipeline.load.workspace import Workspace


def check_shared(workspace: Workspace, named: Collection[AppRef], edited: Iterable[str], verb: str) -> None:
    """Raise RollstepError if an app that is not ``named`` reads one of the absolute paths that ``verb`` edits."""
    wanted = {os.path.realpath(path) for path in edited}
    if not wanted:
        return
    findings = [
        _finding(workspace, path, named, ref, verb)
        for ref in workspace.apps(())
        if ref not in named
        for path in sorted(wanted.intersection(_real_files(workspace, ref)))
    ]
    if findings:
        raise RollstepError(findings)


def _finding(workspace: Workspace, path: str, named: Collection[AppRef], other: AppRef, verb: str) -> Finding:
    targets = " ".join(sorted({ref.target for ref in named} | {other.target}))
    message = f"is also read by {workspace.home(other).title}, which {verb} does not name"
    hint = f"name both (rollstep {verb} {targets}), or give each app a file of its own"
    return Finding(os.path.relpath(path, workspace.root), 0, 0, "", message, hint)


def _real_files(workspace: Workspace, ref: AppRef) -> Iterator[str]:
    """Yield the paths of an app's manifests without links."""
    real_folder = cache(os.path.realpath)
    output = workspace.home(ref).settings.output
    for path in map(str, manifest_files(ref.folder, output, Folder(workspace.root))):
        folder, name = os.path.split(path)
        yield os.path.realpath(path) if os.path.islink(path) else f"{real_folder(folder)}/{name}"
