"""Checks the policies before an app is rendered: quarantine, freezes, the lag behind another environment, approvals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.pipeline.commit.part import Request
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.status_file import step_times
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.describe import FROZEN, QUARANTINED, UNAPPROVED, lag_text
from renderer.pipeline.resolve.moves import Move, Wait
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.resolve.transitions import goes_forward
from renderer.pipeline.write.rendered_app import RenderedApp
from renderer.verbs.policy.freeze import Freeze, active_freeze
from renderer.verbs.policy.lag import NO_RELEASE, Lag, lag_wait, progress_of
from renderer.verbs.policy.listed_image import ListedImage, listed_images

if TYPE_CHECKING:
    from renderer.git.repository import Repository


Refusal = tuple[Wait, Sequence[Finding]]
"""The wait of a policy, and the findings with which it refuses a move."""


class RunContext(Struct, frozen=True):
    """The workspace, the options, the time, the freezes and the images in quarantine of a run.

    ``open_repository`` opens the repository, which most apps do not need.  ``on_read`` is called with the absolute
    paths of an app's sources after the app has been loaded.
    """

    workspace: Workspace
    request: Request
    now: datetime
    freezes: Sequence[Freeze]
    listed: Sequence[ListedImage]
    open_repository: Callable[[], Repository]
    on_read: Callable[[Sequence[str]], None] | None = None


def check_policies(context: RunContext, release: Release, move: Move | None, verb: str) -> Wait | None:
    """Return the policy that holds ``move`` back; None if the release may move now.

    A move that neither goes forward nor begins an image in quarantine, and any move with ``--break-glass``, is allowed.
    ``advance`` waits, so that a scheduled run continues with other apps; any other ``verb`` raises RollstepError.
    RollstepError is also raised if the environment to stay behind has no such app.
    """
    if move is None or context.request.break_glass is not None:
        return None
    forward: Iterable[Refusal] = ()
    if goes_forward(move.before, move.after):
        forward = _refusals(context, release, move)
    for reason, findings in chain(_quarantined(context, release, move), forward):
        if findings and verb != "advance":
            raise RollstepError(findings)
        if findings:
            return reason
    return None


def content_wait(context: RunContext, release: Release, app: RenderedApp) -> Wait | None:
    """Return the freeze that holds back what an app is rendered to while its release stays; None without one."""
    freeze = active_freeze(context.freezes, release.app.ref.environment, context.now)
    if freeze is None or release.state is None or context.request.break_glass is not None:
        return None
    from renderer.verbs.policy.content import changes_content

    changes = app.changes
    before = {**changes.deleted, **{name: old for name, (old, _) in changes.updated.items()}}
    after = {**changes.created, **{name: new for name, (_, new) in changes.updated.items()}}
    old, new = ({name: text.encode() for name, text in texts.items()} for texts in (before, after))
    moves = app.old_status != app.status_text
    return Wait(FROZEN, freeze.until) if changes_content(old, new, moves=moves) else None


def _quarantined(context: RunContext, release: Release, move: Move) -> Iterator[Refusal]:
    """Yield the wait for the images in quarantine that a move begins with, and their findings."""
    ref = release.app.ref
    found = list(listed_images(context.listed, ref.environment, ref.name, move.before, move.after))
    if found:
        detail = "; ".join(f"{image} is {entry.text}" for image, entry in found)
        yield Wait(QUARANTINED, None, detail), [entry.finding(release.title, image) for image, entry in found]


def _refusals(context: RunContext, release: Release, move: Move) -> Iterator[Refusal]:
    """Yield each policy's wait with its findings; approvals come last because git has to search for them."""
    freeze = active_freeze(context.freezes, release.app.ref.environment, context.now)
    if freeze is not None:
        yield Wait(FROZEN, freeze.until), [freeze.finding(release.title)]
    body = release.app.settings.lag
    for lag in [*([Lag.from_body(body)] if body else []), *map(Lag.parse, context.request.lag)]:
        reason = _lag_wait(context, lag, release, move)
        if reason is not None:
            text = f"{release.title} stays {lag_text(reason)}"
            yield reason, [Finding(release.place, 0, 0, "lag", text, "wait, or go on with --break-glass REASON")]
    yield Wait(UNAPPROVED, None), _missing_approvals(context, release)


def _lag_wait(context: RunContext, lag: Lag, release: Release, move: Move) -> Wait | None:
    ref = release.app.ref
    if lag.behind == ref.environment:
        return None
    folder = context.workspace.root / context.workspace.settings.environments_path / lag.behind / ref.name
    if not folder.is_dir():
        message = f"{release.title} has to stay behind {lag.behind}, which has no app {ref.name}"
        raise RollstepError([Finding(release.place, 0, 0, "lag", message, "name an environment that has the app")])
    leader = open_release(context.workspace, AppRef(lag.behind, ref.name, folder), context.now)
    progress = NO_RELEASE if leader.state is None else progress_of(leader.world, *step_times(leader.state))
    return lag_wait(lag, progress, progress_of(move.after), context.now)


def _missing_approvals(context: RunContext, release: Release) -> Sequence[Finding]:
    """Return the missing approvals of the current step, which the next step builds on."""
    if not release.app.settings.approvals:
        return ()
    from renderer.verbs.verify.approve import missing_approvals

    return missing_approvals(context.open_repository(), release.folder)
