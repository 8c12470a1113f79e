"""Opens workspaces and sessions with the command line's reporter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from renderer.cli.reporter import REPORTER

if TYPE_CHECKING:
    from renderer.pipeline.commit.part import Request
    from renderer.pipeline.load.discover import AppRef
    from renderer.pipeline.load.workspace import Workspace
    from renderer.verbs.apps.move import Command, Verb
    from renderer.verbs.release.pull_requests.branches import PullRequestResult
    from renderer.verbs.release.session import Session


def open_workspace(directory: str) -> Workspace:
    """Open the workspace of a verb that only reads; note an interrupted run on stderr."""
    from renderer.pipeline.load.workspace import Workspace
    from renderer.pipeline.write.journal import note_interrupted

    workspace = Workspace.open(directory)
    note_interrupted(workspace.root, REPORTER.note)
    return workspace


def open_session(request: Request) -> AbstractContextManager[Session]:
    """Open the session of a verb that commits."""
    from renderer.verbs.release import session

    return session.open_session(request, REPORTER, _propose)


def run_verb(request: Request, name: str, verb: Verb, *, options: str = "") -> None:
    """Run ``verb`` for the apps that ``request`` names; the trailers record its ``name`` and ``options``."""
    with open_session(request) as session:
        session.run(verb, name, session.refs, options=options)


def _propose(session: Session, refs: Sequence[AppRef], command: Command) -> Sequence[PullRequestResult]:
    # Loads the forges, which few runs need.
    from renderer.verbs.release.pull_requests.propose import propose_verb

    return propose_verb(session, refs, command)
