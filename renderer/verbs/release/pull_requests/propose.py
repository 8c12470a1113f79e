"""A verb whose commit is a pull request: of the next step, of all steps, or of what a person asked for (shell)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from renderer.kubernetes.printing import to_json
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.render.files import Rendered, render_release
from renderer.pipeline.resolve.moves import proposals
from renderer.pipeline.resolve.release import open_release
from renderer.pipeline.write.output_folder import changes_between, plan_changes
from renderer.pipeline.write.prepared import Prepared, prepared_of
from renderer.verbs.apps.enforce import held
from renderer.verbs.apps.merge_time import Landings
from renderer.verbs.apps.prepare import Command, prepare
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.release.pull_requests.branches import Candidate, Result, app_prefix, step_branch
from renderer.verbs.release.pull_requests.reconcile import PullRequests, close_left

if TYPE_CHECKING:
    from renderer.verbs.release.session import Session

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
        def steps(now: datetime) -> Sequence[Prepared]:
            with closing(Landings(session.conditions.repository, [ref.folder])) as landings:
                prepared = prepare(command, session.conditions, landings, ref, now)
            return [prepared] if prepared.move is not None else []

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
        close_left(session.repository, session.workspace.settings.forge, session.request, direct)


def report_results(results: Sequence[Result], output: str) -> None:
    """Tell what became of the pull requests, on stdout."""
    if output == "json":
        click.echo(to_json([result.to_dict() for result in results]), nl=False)
        return
    for result in results:
        click.echo(result.text())


def _propose(session: Session, candidates: Sequence[Candidate]) -> list[Result]:
    from renderer.verbs.release.session import note

    def check(steps: Sequence[Prepared]) -> None:
        if session.request.validate:
            rendered = [(step.release.home, step.rendered.files) for step in steps if step.rendered is not None]
            # Two steps have files of the same names, so each is a run of its own.
            for pair in rendered:
                validate_apps([pair], note)

    requests = PullRequests(session.repository, session.workspace.settings.forge, session.request)
    results = requests.propose(candidates, session.now, check)
    told = {(result.app, result.environment) for result in results if result.action != "closed"}
    for candidate in candidates:
        if (candidate.ref.name, candidate.ref.environment) not in told:
            click.echo(f"{candidate.ref.name} ({candidate.ref.environment}): there is no step to propose now", err=True)
    return results


def _next_steps(session: Session, ref: AppRef, stack: bool) -> Candidate:
    def steps(now: datetime) -> Sequence[Prepared]:
        return list(islice(_coming(session, ref, now), None if stack else 1))

    def names() -> set[str]:
        release = open_release(session.workspace, ref, session.now)
        taken = [step_branch(ref, release.world, ())] if release.world.status.stable_rs else []
        found: list[str] = []
        for _, move in proposals(release.world):
            found.append(step_branch(ref, move.after, [*taken, *found]))
        return {name for name in found if name.startswith(app_prefix(ref))}

    return Candidate(ref, steps, names)


def _coming(session: Session, ref: AppRef, now: datetime) -> Iterator[Prepared]:
    """Yield the steps to come of an app, each compared with the one before it; none while something holds it."""
    from msgspec.structs import replace

    release = open_release(session.workspace, ref, now)
    before: Rendered | None = None
    for verb, move in proposals(release.world):
        rendered = render_release(release, move.after)
        changes = plan_changes(release.home, rendered.files)
        if before is not None:
            changes = changes_between(release.output, before.files, rendered.files)
        step = held(session.conditions, prepared_of(release, move, rendered, changes, verb), "advance")
        if step.move is None:
            return
        yield step
        release, before = replace(release, state=rendered.state), rendered
