"""Policies, decided before an app is rendered: freezes, the lag behind another environment, approvals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.pipeline.commit.part import Request
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import step_times
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.describe import FROZEN, UNAPPROVED, lag_text
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.resolve.transitions import goes_forward
from renderer.verbs.policy.freeze import Freeze, active_freeze
from renderer.verbs.policy.lag import NO_RELEASE, Lag, lag_wait, progress_of

if TYPE_CHECKING:
    from renderer.git.repository import Repository


class Conditions(Struct, frozen=True):
    """What a verb runs under: the time, the freezes and the options.

    ``repository`` opens the repository, which most apps do not need.  ``on_read`` is called with the absolute paths
    that an app is made from, once the app has been read.
    """

    workspace: Workspace
    request: Request
    now: datetime
    freezes: Sequence[Freeze]
    repository: Callable[[], Repository]
    on_read: Callable[[Sequence[str]], None] | None = None


def check_policies(conditions: Conditions, release: Release, move: Move | None, verb: str) -> Wait | None:
    """Return why a release may not make ``move`` now: a freeze, another environment, or missing approvals.

    None where the move may be made: it does not go forward, or ``--break-glass`` was given.  A verb other than
    ``advance`` raises RollstepError instead; a scheduled ``advance`` goes on with the other apps.  Raises RollstepError
    as well where the environment to stay behind has no such app.
    """
    if move is None or conditions.request.break_glass is not None or not goes_forward(move.before, move.after):
        return None
    for reason, findings in _refusals(conditions, release, move):
        if findings and verb != "advance":
            raise RollstepError(findings)
        if findings:
            return reason
    return None


def _refusals(conditions: Conditions, release: Release, move: Move) -> Iterator[tuple[Wait, Sequence[Finding]]]:
    """Yield each policy's wait with its findings; approvals, which take longest to look up, come last."""
    freeze = active_freeze(conditions.freezes, release.app.ref.environment, conditions.now)
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
    """Return what the release waits for in the environment it stays behind; None where it may go on."""
    ref = release.app.ref
    if lag.behind == ref.environment:
        return None
    folder = conditions.workspace.root / conditions.workspace.settings.environments_path / lag.behind / ref.name
    leading = AppRef(lag.behind, ref.name, folder)
    if not leading.folder.is_dir():
        message = f"{release.title} is to stay behind {lag.behind}, which has no app {ref.name}"
        raise RollstepError([Finding(release.place, 0, 0, "lag", message, "name an environment that has the app")])
    leader = open_release(conditions.workspace, leading, conditions.now)
    leads = NO_RELEASE if leader.state is None else progress_of(leader.world, *step_times(leader.state))
    return lag_wait(lag, leads, progress_of(move.after), conditions.now)


def _unapproved(conditions: Conditions, release: Release) -> Sequence[Finding]:
    """Return the missing approvals of the present step, on top of which the next one is made."""
    if not release.app.settings.approvals:
        return ()
    from renderer.verbs.verify.approve import missing_approvals

    ref = release.app.ref
    return missing_approvals(conditions.repository(), ref.environment, ref.name, release.folder / STATUS_FILE)
