"""What keeps a release from going forward: a freeze, another environment, approvals that are missing (shell)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.pipeline.commit.part import Request
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import reached
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.describe import FROZEN, UNAPPROVED, lag_text
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.resolve.transitions import goes_forward
from renderer.pipeline.write.prepared import Prepared
from renderer.verbs.policy.freeze import Freeze, holding
from renderer.verbs.policy.lag import NOWHERE, Lag, lagging, progress_of

if TYPE_CHECKING:
    from renderer.git.repository import Repository


class Conditions(Struct, frozen=True):
    """Under what a verb is done: at which time, under which freezes, and what was asked for.

    ``repository`` opens the repository, which most apps need not.  ``on_read`` is told the absolute paths that each app
    is made from, once it has been read.
    """

    workspace: Workspace
    request: Request
    now: datetime
    freezes: Sequence[Freeze]
    repository: Callable[[], Repository]
    on_read: Callable[[Sequence[str]], None] | None = None


def held(conditions: Conditions, prepared: Prepared, name: str) -> Prepared:
    """Return ``prepared``, or that the app waits: for the end of a freeze, for another environment, or for approvals.

    Other verbs than ``advance`` are refused; a scheduled ``advance`` goes on with those apps that are free.
    Raises RollstepError for those, and where the environment to stay behind has no such app.
    """
    release, move = prepared.release, prepared.move
    if move is None or conditions.request.break_glass is not None or not goes_forward(move.before, move.after):
        return prepared
    for reason, findings in _holds(conditions, release, move):
        if findings and name != "advance":
            raise RollstepError(findings)
        if findings:
            return Prepared(release, None, reason=reason)
    return prepared


def _holds(conditions: Conditions, release: Release, move: Move) -> Iterator[tuple[Wait, Sequence[Finding]]]:
    """Yield every kind of hold with what it has against a move; what costs most is last."""
    freeze = holding(conditions.freezes, release.app.ref.environment, conditions.now)
    if freeze is not None:
        yield Wait(FROZEN, freeze.until), [freeze.finding(release.title)]
    for lag in _lags(conditions, release):
        reason = _behind(conditions, lag, release, move)
        if reason is not None:
            text = f"{release.title} stays {lag_text(reason)}"
            yield reason, [Finding(release.place, 0, 0, "lag", text, "wait, or go on with --break-glass REASON")]
    yield Wait(UNAPPROVED, None), _unapproved(conditions, release)


def _lags(conditions: Conditions, release: Release) -> list[Lag]:
    body = release.app.settings.lag
    return [*([Lag.from_body(body)] if body else []), *map(Lag.parse, conditions.request.lag)]


def _behind(conditions: Conditions, lag: Lag, release: Release, move: Move) -> Wait | None:
    """Return what the release waits for in the environment that it stays behind; None where it may go on."""
    ref = release.app.ref
    if lag.behind == ref.environment:
        return None
    folder = conditions.workspace.root / conditions.workspace.settings.environments_path / lag.behind / ref.name
    leading = AppRef(lag.behind, ref.name, folder)
    if not leading.folder.is_dir():
        message = f"{release.title} is to stay behind {lag.behind}, which has no app {ref.name}"
        raise RollstepError([Finding(release.place, 0, 0, "lag", message, "name an environment that has the app")])
    leader = open_release(conditions.workspace, leading, conditions.now)
    leads = NOWHERE if leader.state is None else progress_of(leader.world, *reached(leader.state))
    return lagging(lag, leads, progress_of(move.after), conditions.now)


def _unapproved(conditions: Conditions, release: Release) -> Sequence[Finding]:
    """Return which approvals are missing of the step that stands: the next one is made on top of it."""
    if not release.app.settings.approvals:
        return ()
    from renderer.verbs.verify import missing_approvals

    ref = release.app.ref
    return missing_approvals(conditions.repository(), ref.environment, ref.name, release.folder / STATUS_FILE)
