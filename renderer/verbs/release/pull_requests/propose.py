"""A verb whose commit is a pull request: of the next step, of all steps, or of what a person asked for (shell)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from itertools import islice

from msgspec.structs import replace

from renderer.kubernetes.printing import to_json
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.resolve.course import proposals
from renderer.pipeline.resolve.release import open_release
from renderer.pipeline.write.output_folder import changes_between
from renderer.pipeline.write.rendered_app import MovedApp, moved_app, render_app
from renderer.verbs.apps.enforce import check_policies
from renderer.verbs.apps.merge_time import Landings
from renderer.verbs.apps.prepare import Command, prepare
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.release.pull_requests.branches import Candidate, Result, app_prefix, step_branch
from renderer.verbs.release.pull_requests.reconcile import PullRequests, close_left
from renderer.verbs.release.session import Session
from renderer.verbs.reporter import Reporter

STEP_VERBS = ("advance", "promote")
"""Verbs that do the next step: merging its pull request is the promotion."""


def propose_steps(session: Session, refs: Sequence[AppRef], *, stack: bool) -> list[Result]:
    """Open or update the pull request of each app's next step, or with ``stack`` those of all steps."""
    return _propose(session, [_next_steps(session, ref, stack) for ref in refs])


def propose_verb(session: Session, refs: Sequence[AppRef], command: Command) -> list[Result]:
    """Open or update the pull request of what ``command`` does; for a step's verb that is the next step's.

    An abort's closes those of the steps that are not to come any more.
    """
    name = command.name
    if name in STEP_VERBS and not command.options:
        return propose_steps(session, refs, stack=False)

    def candidate(ref: AppRef) -> Candidate:
        def steps(now: datetime) -> Sequence[MovedApp]:
            with closing(Landings(session.conditions.repository, [ref.folder])) as landings:
                moved = prepare(command, session.conditions, landings, ref, now)
            return [moved] if moved.move is not None else []

        return Candidate(ref, steps, (lambda: set()) if name == "abort" else None, name.replace(" ", "-"))

    return _propose(session, [candidate(ref) for ref in refs])


def close_proposals(session: Session, refs: Sequence[AppRef]) -> list[Result]:
    """Close the open pull requests of ``refs`` and delete their branches."""
    requests = PullRequests(session.repository, session.workspace.settings.forge, session.request)
    return requests.close(refs, "Closed by `rollstep pr --close`.")


def close_aborted(session: Session, refs: Sequence[AppRef]) -> None:
    """Close what an abort leaves open of apps whose commits go to the branch."""
    direct = [ref for ref in refs if not session.is_reviewed(ref)]
    if direct and not session.request.dry_run:
        close_left(session.repository, session.workspace.settings.forge, session.request, direct, session.reporter.note)


def report_results(results: Sequence[Result], output: str, reporter: Reporter) -> None:
    """Print the result of each pull request on stdout."""
    if output == "json":
        reporter.out(to_json([result.to_dict() for result in results]))
        return
    for result in results:
        reporter.out(f"{result.text()}\n")


def _propose(session: Session, candidates: Sequence[Candidate]) -> list[Result]:
    def check(steps: Sequence[MovedApp]) -> None:
        if session.request.validate:
            # Two steps have files of the same names, so each is a run of its own.
            for step in steps:
                if step.app is not None:
                    validate_apps([(step.app.home, step.app.files)], session.reporter.note)

    requests = PullRequests(session.repository, session.workspace.settings.forge, session.request)
    results = requests.propose(candidates, session.now, check)
    known = {(result.app, result.environment) for result in results if result.action != "closed"}
    for candidate in candidates:
        ref = candidate.ref
        if (ref.name, ref.environment) not in known:
            session.reporter.note(f"{ref.name} ({ref.environment}): there is no step to propose now")
    return results


def _next_steps(session: Session, ref: AppRef, stack: bool) -> Candidate:
    def steps(now: datetime) -> Sequence[MovedApp]:
        return list(islice(_coming(session, ref, now), None if stack else 1))

    def names() -> set[str]:
        release = open_release(session.workspace, ref, session.now)
        taken = [step_branch(ref, release.world, ())] if release.world.status.stable_rs else []
        found: list[str] = []
        for _, move in proposals(release.world):
            found.append(step_branch(ref, move.after, [*taken, *found]))
        return {name for name in found if name.startswith(app_prefix(ref))}

    return Candidate(ref, steps, names)


def _coming(session: Session, ref: AppRef, now: datetime) -> Iterator[MovedApp]:
    """Yield the steps to come of an app, each compared with the one before it, up to one that a policy refuses."""
    release = open_release(session.workspace, ref, now)
    before: Mapping[str, str] | None = None
    for verb, move in proposals(release.world):
        if check_policies(session.conditions, release, move, "advance") is not None:
            return
        rendered, app = render_app(release, move.after, keep_time=False)
        if before is not None:
            app = replace(app, changes=changes_between(release.output, before, rendered.files))
        yield moved_app(release, move, rendered, app, verb)
        release, before = replace(release, state=rendered.state), rendered.files
