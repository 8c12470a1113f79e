"""The commit whose hook has started ``render``: it has to be one legal step from the commit before it.

The work tree may have a status that is in no commit, or in one that ``git commit --amend`` replaces.  A release that
goes on from there would have steps that the history lacks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from renderer.errors import Finding, RollstepError
from renderer.git.commit import OPERATIONS
from renderer.git.hook import is_in_amend
from renderer.git.index import staged
from renderer.git.repository import Repository
from renderer.git.temporary_objects import Scratch
from renderer.pipeline.commit.trailers import releases
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import Settings
from renderer.pipeline.load.sources import OWN_FILES
from renderer.pipeline.load.workspace import Workspace
from renderer.verbs.render.request import AMEND_HINT
from renderer.verbs.verify.app_state import AppLocation, read_state
from renderer.verbs.verify.commits import Change, list_changes
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.verifier import Verifier


@contextmanager
def earlier_apps(workspace: Workspace, refs: Sequence[AppRef]) -> Iterator[Mapping[str, str]]:
    """Yield, by target, a folder with the status and the rendered files from the commit before the coming one.

    It has the apps of which the coming commit would be no legal step.  Call it in a hook of a commit only.  Raises
    RollstepError if ``--amend`` replaces a commit of a verb, a merge or a revert: no render makes such a commit.
    """
    repository, amends = Repository.open(workspace.root), is_in_amend()
    if not amends and not _has_a_status(repository):
        yield {}
        return
    with Scratch(repository, keep=False) as scratch, Loader(scratch.repository) as loader:
        change = (
            _amended(scratch, loader) if amends else _commit(scratch, loader, repository.head.sha or "", b"Commit\n")
        )
        verdicts = Verifier(loader).verify(change).apps
        illegal = {(verdict.environment, verdict.app) for verdict in verdicts if not verdict.action}
        wrong = [ref for ref in refs if (ref.environment, ref.name) in illegal]
        if wrong and not _is_plain(change):
            message = "--amend changes what a commit of rollstep, a merge or a revert has made"
            raise RollstepError(Finding(ref.target, 0, 0, "", message, AMEND_HINT) for ref in wrong)
        with TemporaryDirectory(prefix="rollstep-earlier-") as folder:
            yield _lay_out(loader, Path(os.path.realpath(folder)), change.parent, wrong)


def _has_a_status(repository: Repository) -> bool:
    """Return whether a coming commit with one parent changes a status or rendered files."""
    if any((repository.git_dir / name).exists() for name, *_ in OPERATIONS):
        return False
    return any(os.path.basename(path) in (*OWN_FILES, MARKER) for path in staged(repository, repository.head.sha))


def _amended(scratch: Scratch, loader: Loader) -> Change:
    """Return the coming commit of ``git commit --amend``, with the message of the replaced commit."""
    log = scratch.repository.run("log", "-1", "--format=%P%x00%B", "HEAD").stdout
    parents, _, message = log.partition(b"\0")
    return _commit(scratch, loader, parents.decode(), message)


def _commit(scratch: Scratch, loader: Loader, parents: str, message: bytes) -> Change:
    repository = scratch.repository
    options = [part for parent in parents.split() for part in ("-p", parent)]
    commit = repository.run("commit-tree", *options, scratch.index_tree(), stdin=message, writes=True)
    (change,) = list_changes(repository, loader.objects, ["--no-walk", commit.stdout.decode().strip()])
    return change


def _is_plain(change: Change) -> bool:
    commit = change.commit
    return not change.is_merge and not releases(commit.trailers) and not commit.subject.startswith("Revert ")


def _lay_out(loader: Loader, folder: Path, commit: str, refs: Sequence[AppRef]) -> dict[str, str]:
    """Write the status and the rendered files of apps in ``commit`` into a folder; return the apps' folders in it."""
    settings = loader.settings(commit) if commit else Settings(folder)
    places = {ref.target: AppLocation.of(settings, ref.environment, ref.name) for ref in refs}
    for place in places.values() if commit else ():
        state = read_state(loader.objects, commit, place)
        for name, content in state.contents.items():
            path = folder / state.path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return {target: str(folder / place.folder) for target, place in places.items()}
