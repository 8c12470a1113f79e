"""Opens a verb's session with the command line's reporter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from renderer.cli.reporter import REPORTER

if TYPE_CHECKING:
    from renderer.pipeline.load.discover import AppRef
    from renderer.verbs.apps.prepare import Command
    from renderer.verbs.release.pull_requests.branches import Result
    from renderer.verbs.release.session import Session


def open_session(directory: str, targets: tuple[str, ...], **choices: Any) -> Session:
    """Return the session of a verb, a context; ``choices`` are further fields of its ``Request``."""
    from renderer.pipeline.commit.part import Request
    from renderer.verbs.release.session import Session

    return Session(Request(directory, targets, **choices), REPORTER, _propose)


def _propose(session: Session, refs: Sequence[AppRef], command: Command) -> Sequence[Result]:
    # Loads the forges, which few runs need.
    from renderer.verbs.release.pull_requests.propose import propose_verb

    return propose_verb(session, refs, command)
