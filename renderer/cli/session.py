"""Opens workspaces and sessions with the command line's reporter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

from renderer.cli.reporter import REPORTER
from renderer.errors import UsageError

if TYPE_CHECKING:
    from renderer.pipeline.commit.part import Request
    from renderer.pipeline.load.discover import AppRef
    from renderer.pipeline.load.workspace import Workspace
    from renderer.verbs.apps.move import Command, Verb
    from renderer.verbs.release.pull_requests.branches import PullRequestResult
    from renderer.verbs.release.session import Session


def open_workspace(directory: str) -> Workspace:
    """Open the workspace of a verb that only reads; note an interrupted run and unknown names in rollstep.yaml."""
    from renderer.pipeline.load.workspace import Workspace
    from renderer.pipeline.write.journal import note_interrupted

    workspace = Workspace.open(directory)
    note_interrupted(workspace.root, REPORTER.note)
    workspace.note_unknown_names(REPORTER.note)
    return workspace


def open_session(request: Request) -> AbstractContextManager[Session]:
    """Open the session of a verb that commits; raise UsageError if it names no app."""
    from renderer.verbs.release import session

    _require_targets(request)
    return session.open_session(request, REPORTER, _propose)


def run_verb(request: Request, name: str, verb: Verb, *, options: str = "") -> None:
    """Run ``verb`` for the apps that ``request`` names; the trailers record its ``name`` and ``options``."""
    with open_session(request) as session:
        session.run(verb, name, session.refs, options=options)


def _require_targets(request: Request) -> None:
    """Raise UsageError without a TARGET: a verb that changes apps changes all of them only on request."""
    if request.every and request.targets:
        raise UsageError("use either --all or TARGETs")
    if not request.every and not request.targets:
        command = click.get_current_context().command_path
        message = "name a TARGET: an app's folder, ENV/APP, an environment, or an app's name"
        raise UsageError(message, hint=f"`{command} --all` names every app")


def _propose(session: Session, refs: Sequence[AppRef], command: Command) -> Sequence[PullRequestResult]:
    # Loads the forges, which few runs need.
    from renderer.verbs.release.pull_requests.propose import propose_verb

    return propose_verb(session, refs, command)
