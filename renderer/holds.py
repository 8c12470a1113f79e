"""What keeps a release from going forward: a freeze, another environment, approvals that are missing (shell)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from renderer.app_release import Release, open_release
from renderer.describe import FROZEN, UNAPPROVED, lag_text
from renderer.discover import AppRef
from renderer.errors import Finding, RollstepError
from renderer.freeze import holding
from renderer.lag import NOWHERE, Lag, lagging, progress_of
from renderer.outcome import Outcome
from renderer.release import Move, Wait
from renderer.state import STATUS_FILE, reached
from renderer.transitions import goes_forward

if TYPE_CHECKING:
    from renderer.operate import Session


def held(session: Session, outcome: Outcome, name: str) -> Outcome:
    """Return ``outcome``, or that the app waits: for the end of a freeze, for another environment, or for approvals.

    Other verbs than ``advance`` are refused; a scheduled ``advance`` goes on with those apps that are free.
    Raises RollstepError for those, and where the environment to stay behind has no such app.
    """
    release, move = outcome.release, outcome.move
    if move is None or session.request.break_glass is not None or not goes_forward(move.before, move.after):
        return outcome
    for reason, findings in _holds(session, release, move):
        if findings and name != "advance":
            raise RollstepError(findings)
        if findings:
            return Outcome(release, None, reason=reason)
    return outcome


def _holds(session: Session, release: Release, move: Move) -> Iterator[tuple[Wait, Sequence[Finding]]]:
    """Yield every kind of hold with what it has against a move; what costs most is last."""
    freeze = holding(session.freezes, release.app.ref.environment, session.now)
    if freeze is not None:
        yield Wait(FROZEN, freeze.until), [freeze.finding(release.title)]
    for lag in _lags(session, release):
        reason = _behind(session, lag, release, move)
        if reason is not None:
            text = f"{release.title} stays {lag_text(reason)}"
            yield reason, [Finding(release.place, 0, 0, "lag", text, "wait, or go on with --break-glass REASON")]
    yield Wait(UNAPPROVED, None), _unapproved(session, release)


def _lags(session: Session, release: Release) -> list[Lag]:
    body = release.app.settings.lag
    return [*([Lag.from_body(body)] if body else []), *map(Lag.parse, session.request.lag)]


def _behind(session: Session, lag: Lag, release: Release, move: Move) -> Wait | None:
    """Return what the release waits for in the environment that it stays behind; None where it may go on."""
    ref = release.app.ref
    if lag.behind == ref.environment:
        return None
    folder = session.workspace.root / session.workspace.settings.environments_path / lag.behind / ref.name
    leading = AppRef(lag.behind, ref.name, folder)
    if not leading.folder.is_dir():
        message = f"{release.title} is to stay behind {lag.behind}, which has no app {ref.name}"
        raise RollstepError([Finding(release.place, 0, 0, "lag", message, "name an environment that has the app")])
    leader = open_release(session.workspace, leading, session.now)
    leads = NOWHERE if leader.state is None else progress_of(leader.world, *reached(leader.state))
    return lagging(lag, leads, progress_of(move.after), session.now)


def _unapproved(session: Session, release: Release) -> Sequence[Finding]:
    """Return which approvals are missing of the step that stands: the next one is made on top of it."""
    if not release.app.settings.approvals:
        return ()
    from renderer.verify import missing_approvals

    ref = release.app.ref
    return missing_approvals(session.repository, ref.environment, ref.name, release.folder / STATUS_FILE)
