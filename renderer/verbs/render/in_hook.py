"""``render`` in a hook: of rollstep's own commit, or of somebody's ``git commit``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from renderer.errors import Finding
from renderer.git.hook import is_in_amend, is_in_commit, is_in_own_commit
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.write.journal import committed_paths
from renderer.pipeline.write.rendered_app import RenderedApp
from renderer.verbs.render.request import RenderRequest


def committed_apps(workspace: Workspace, refs: tuple[AppRef, ...]) -> tuple[AppRef, ...]:
    """Return ``refs``; in a hook of rollstep's own commit only the apps whose files it has.

    The other apps may be between two commits of one run, or have changes that are in no commit.
    """
    root = workspace.journal_root
    committed = committed_paths(root)
    if committed is None:
        return refs
    folders = {folder for path in committed for folder in (root / path).parents}
    return tuple(ref for ref in refs if Path(os.path.realpath(ref.folder)) in folders)


@contextmanager
def in_commit(workspace: Workspace, request: RenderRequest, refs: Sequence[AppRef]) -> Iterator[RenderRequest]:
    """Yield the request with the apps that a hook of a commit renders from the status of the commit before.

    Raises RollstepError as ``earlier_apps`` does.
    """
    is_whole = request.step is None and workspace.root == workspace.journal_root
    if not is_whole or not is_in_commit() or is_in_own_commit(workspace.root):
        yield request
        return
    # Loads the verifier, which few runs need.
    from renderer.verbs.render.coming_commit import earlier_apps

    with earlier_apps(workspace, refs) as earlier:
        yield replace(request, earlier=earlier)


def staleness(app: RenderedApp, request: RenderRequest) -> Finding:
    """Return the finding of an app that is not up to date, with the commands that mend it outside of a hook."""
    finding, home = app.staleness(), app.home
    folder = request.earlier.get(home.ref.target)
    if folder is None:
        return finding
    source = "HEAD^" if is_in_amend() else "HEAD"
    back = f"git restore --source={source} --staged --worktree" if Path(folder, STATUS_FILE).exists() else "git rm -rf"
    hint = f"{back} {home.path}/{STATUS_FILE} {home.output_path} && {finding.hint}"
    return replace(finding, message="the status does not follow from the commit before", hint=hint)
