"""Opens, updates and closes pull requests: of the next step, of all steps, or of another verb."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.resolve.analyses import ANALYZE, asks_for_measurements
from renderer.pipeline.resolve.course import proposals
from renderer.pipeline.resolve.describe import MEASURED, wait_text
from renderer.pipeline.resolve.moves import Move, Wait, advance, gate_of, wait
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.write.edit_sources import edited_sources
from renderer.pipeline.write.moved_app import MovedApp, moved_app, render_app
from renderer.pipeline.write.output_folder import changes_between
from renderer.verbs.apps.move import Command, move_app
from renderer.verbs.apps.policies import check_policies
from renderer.verbs.apps.shared_files import check_shared
from renderer.verbs.apps.status_history import StatusHistory, hold
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.release.pull_requests.branches import AppSteps, PullRequestResult, app_prefix, step_branches
from renderer.verbs.release.pull_requests.reconcile import PullRequests
from renderer.verbs.release.session import Session

if TYPE_CHECKING:
    from renderer.pipeline.resolve.measured import Measured

STEP_VERBS = ("advance", "promote")
"""Verbs that do the next step, which merging its pull request promotes."""


def propose_steps(
    session: Session, refs: Sequence[AppRef], *, stack: bool = False, promote: bool = False
) -> list[PullRequestResult]:
    """Open or update the pull request of each app's next step, or those of all steps of a ``stack``.

    With ``promote``, a step that the branch has taken back is proposed again.
    """
    return _propose(session, [_next_steps(session, ref, stack, promote) for ref in refs])


def propose_verb(session: Session, refs: Sequence[AppRef], command: Command) -> list[PullRequestResult]:
    """Open or update the pull request of ``command`` for each app; ``advance`` and ``promote`` propose the next step.

    The pull request of an abort closes those of the steps.
    """
    name = command.name
    if name in STEP_VERBS and not command.options:
        return propose_steps(session, refs, promote=name == "promote")

    def app_steps(ref: AppRef) -> AppSteps:
        def steps(now: datetime) -> Sequence[MovedApp]:
            with closing(StatusHistory(session.context.open_repository, [ref.folder])) as history:
                moved = move_app(command, session.context, history, ref, now)
            return [moved] if moved.move is not None else []

        return AppSteps(ref, steps, set if name == "abort" else None, name.replace(" ", "-"))

    return _propose(session, [app_steps(ref) for ref in refs])


def close_proposals(session: Session, refs: Sequence[AppRef]) -> list[PullRequestResult]:
    """Close the open pull requests of ``refs`` and delete their branches."""
    return _pull_requests(session).close(refs, "Closed by `rollstep pr --close`.")


def close_aborted(session: Session, refs: Sequence[AppRef]) -> None:
    """Close the open pull requests of apps whose abort is a commit on the branch.

    Without a token for the forge, branches that may have pull requests are noted instead.
    """
    refs = [ref for ref in refs if not session.uses_pull_requests(ref)]
    if not refs or session.request.dry_run:
        return
    try:
        pull_requests = _pull_requests(session)
    except RollstepError:
        return
    if pull_requests.site.token:
        for result in pull_requests.close(refs, "The release has been aborted."):
            session.reporter.note(result.text())
    elif left := [name for ref in refs for name in pull_requests.branches(app_prefix(ref))]:
        variables = " or ".join(pull_requests.site.token_variables)
        hint = f"rollstep pr --close, with {variables}"
        session.reporter.note(f"note: {', '.join(left)} may have open pull requests: {hint}")


def _pull_requests(session: Session) -> PullRequests:
    return PullRequests(session.repository, session.workspace.settings.forge, session.request)


def _propose(session: Session, apps: Sequence[AppSteps]) -> list[PullRequestResult]:
    def check(ref: AppRef, steps: Sequence[MovedApp]) -> None:
        if not steps:
            session.reporter.note(f"{ref.name} ({ref.environment}): there is no step to propose now")
        for step in steps:
            assert step.move is not None and step.change is not None
            edited = map(str, edited_sources(step.release, step.move))
            check_shared(session.workspace, session.refs, edited, step.change.verb)
        if session.request.validate:
            # Steps of one app have the same file names, so each is validated separately.
            for step in steps:
                if step.app is not None:
                    validate_apps([(step.app.home, {**step.app.files, **step.coming})], session.reporter.note)

    results, findings = _pull_requests(session).propose(apps, session.now, check)
    session.leave_out(findings)
    return results


def _next_steps(session: Session, ref: AppRef, stack: bool, promote: bool) -> AppSteps:
    def steps(now: datetime) -> Sequence[MovedApp]:
        return list(islice(_remaining_steps(session, ref, now, promote), None if stack else 1))

    def branches() -> list[str]:
        world = open_release(session.workspace, ref, session.now).world
        return step_branches(ref, world, (move.after for _, move in proposals(world)))

    if not promote and asks_for_measurements(open_release(session.workspace, ref, session.now).world):
        first = steps(session.now)
        if first and first[0].change is not None and first[0].change.verb == ANALYZE:
            # The way back, as that of an abort.
            return AppSteps(ref, steps, set, "abort")
    return AppSteps(ref, steps, branches)


def _remaining_steps(session: Session, ref: AppRef, now: datetime, promote: bool) -> Iterator[MovedApp]:
    """Yield the remaining steps of an app, each compared with the one before it, until a policy refuses one.

    A step that the branch has taken back is left out with all after it, unless the command is a promotion.
    """
    release = open_release(session.workspace, ref, now)
    before: Mapping[str, str] | None = None
    world, is_measured = release.world, not promote and asks_for_measurements(release.world)
    if is_measured:
        measured = _measured(session, release)
        if measured is None:
            return
        if measured.is_changed and measured.is_bad:
            yield _way_back(release, measured)
            return
        world = measured.after
    for number, (verb, following) in enumerate(proposals(world)):
        # Merging a pull request is no result of an analysis that is measured.
        if verb == "promote" and not promote and world.is_measured and gate_of(following.before) in MEASURED:
            wait_until = wait_text(wait(following.before), following.before, ref.target)
            session.reporter.note(f"{release.title}: {wait_until}")
            return
        move = following if number else replace(following, before=release.world)
        if check_policies(session.context, release, move, "advance") is not None:
            return
        if before is None and not promote and (held := _hold(session, release, move)) is not None:
            session.reporter.note(f"{release.title}: {wait_text(held, release.world, ref.target)}")
            return
        rendered, app = render_app(release, move.after, keep_time=False)
        if before is not None:
            app = replace(app, changes=changes_between(release.output, before, rendered.files))
        yield moved_app(release, move, rendered, app, verb)
        release, before = replace(release, state=rendered.state), rendered.files


def _measured(session: Session, release: Release) -> Measured | None:
    """Return the measurements of a release; None, with a note, for one that is held or has more to measure.

    Nothing keeps them until the pull request is merged, so a metric that knows the present only is refused.
    """
    from renderer.verbs.analysis.measure import measure_release

    with closing(StatusHistory(session.context.open_repository, [release.folder])) as history:
        held = hold(history, release, advance(release.world))
        if held is not None:
            session.reporter.note(f"{release.title}: {wait_text(held, release.world, release.app.ref.target)}")
            return None
        measured = measure_release(history, release, by_pull_request=True)
    if measured.is_behind:
        session.reporter.note(f"{release.title}: has more to measure than one run does")
        return None
    return measured


def _way_back(release: Release, measured: Measured) -> MovedApp:
    from renderer.pipeline.resolve.measured import verdict_move

    move = verdict_move(measured)
    rendered, app = render_app(release, move.after, keep_time=False)
    return moved_app(release, move, rendered, app, ANALYZE)


def _hold(session: Session, release: Release, move: Move) -> Wait | None:
    with closing(StatusHistory(session.context.open_repository, [release.folder])) as history:
        return hold(history, release, move)
