"""A verb over apps: load, resolve, move, render, validate, write, commit (shell)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct, field
from msgspec.structs import replace

from renderer.errors import RollstepError, UsageError, each, one_line
from renderer.git.commit import CommitResult
from renderer.kubernetes.times import format_time
from renderer.pipeline.commit.part import Part, Request
from renderer.pipeline.commit.planned_commit import Publication
from renderer.pipeline.commit.recovery import open_to_write
from renderer.pipeline.commit.uncommitted import Uncommitted
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.settings import TO_PULL_REQUEST
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.publish.environment_branches import (
    RenderedCommit,
    check_branches,
    environment_branches,
    update_branches,
)
from renderer.pipeline.publish.push import Pusher, push_on_top, report_reset
from renderer.pipeline.publish.retry import TRIES, BranchTips, moved_meanwhile, refusal
from renderer.pipeline.resolve.moves import Move, advance, steps_of
from renderer.pipeline.resolve.release import open_release
from renderer.rollouts.model.world import World
from renderer.verbs import progress
from renderer.verbs.apps.enforce import Conditions
from renderer.verbs.apps.outcome import Outcome, Verb
from renderer.verbs.apps.prepare import Command, prepare_apps, prepare_elsewhere
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.policy.freezes import load_freezes

__all__ = ["Request", "Session"]


if TYPE_CHECKING:
    from renderer.pipeline.write.new_files import Ahead
    from renderer.verbs.release.pull_requests.branches import Result


class Run(Struct):
    """What one run of a verb has made."""

    outcomes: list[Outcome]
    commits: list[tuple[Sequence[Part], CommitResult | None]] = field(default_factory=list)
    rendered: list[RenderedCommit] = field(default_factory=list)
    results: Sequence[Result] = ()

    def report(self, request: Request) -> None:
        """Tell it."""
        report(self.outcomes, self.commits, request, self.rendered, self.results)


class Session:
    """One run of a verb: an opened repository, the workspace in it, and the apps that were named."""

    def __init__(self, request: Request) -> None:
        """Open the repository, and put right what an interrupted run left in it."""
        self.request = request
        self.now = request.now or current_time()
        if request.break_glass is not None and not one_line(request.break_glass):
            raise UsageError("--break-glass needs a reason")
        self.workspace, self.repository = open_to_write(request.directory, dry_run=request.dry_run)
        self._read()
        self.pusher = Pusher(self.repository, self.workspace.settings.forge) if request.push else None
        self.late: list[AppRef] = []
        """Apps that somebody else has moved since this repository was last brought up to the remote."""
        if self.pusher and not request.dry_run:
            start = BranchTips.read(self.repository, ())
            theirs = self.pusher.fetch([entry.branch for entry in self.branches], start.head)
            if theirs:
                start.reset_to(self.repository, theirs)
                self._begin_at(theirs, start)

    def _read(self) -> None:
        """Read what the repository has now: its apps, its freezes, and where commits go."""
        self.refs = self.workspace.some_apps(self.request.targets)
        self.freezes = load_freezes(self.workspace.root)
        self.branches = environment_branches(self.workspace, self.refs)

    def _begin_at(self, theirs: str, start: BranchTips) -> None:
        """Read what is at ``theirs``, to which all since ``start`` was taken back; note which apps have moved."""
        report_reset(theirs)
        self.workspace = Workspace.open(self.request.directory)
        self._read()
        assert start.head is not None
        folder = self.workspace.root / self.workspace.settings.environments_path
        self.late = moved_meanwhile(self.repository, start.head, theirs, self.refs, folder)

    def run(
        self,
        verb: Verb,
        name: str,
        refs: Sequence[AppRef],
        *,
        together: bool = False,
        options: str = "",
        is_alone: bool = True,
    ) -> list[Outcome]:
        """Do ``verb`` for ``refs``, a commit for each app or one for all; nothing is written unless all are valid.

        ``name``, ``options`` and ``is_alone`` are those of a ``Command``.
        ``advance`` commits as well what else has changed in the manifests of an app whose release does not move.
        What is to be pushed is done again on what others have pushed first; an app that they have moved is left to
        them, which verbs other than ``advance`` refuse.
        """
        command, attempts = Command(verb, name, options, is_alone), iter(range(TRIES))
        while True:
            # Before anything is done, git says whether it takes this repository.
            start = BranchTips.read(self.repository, [entry.branch for entry in self.branches])
            run = self._run_once(command, self._still(refs, name), together)
            try:
                theirs = self._push(start, attempts)
            except RollstepError:
                # The commits stand here: the next push brings them along.
                run.report(self.request)
                raise
            if theirs is None:
                run.report(self.request)
                return run.outcomes
            self._begin_at(theirs, start)

    def _push(self, start: BranchTips, attempts: Iterator[int]) -> str | None:
        """Push what was committed since ``start``; return None, or what others have pushed first.

        In that case everything is taken back to it.  Raises RollstepError where that cannot be, where the push is
        refused, and where others were first at the last of the ``attempts``.
        """
        if self.pusher is None or self.request.dry_run:
            return None
        branches = [entry.branch for entry in self.branches]
        return push_on_top(self.pusher, start, branches, attempts, keep=self.request.include_sources)

    def _still(self, refs: Sequence[AppRef], name: str) -> list[AppRef]:
        """Return those of ``refs`` that are there and that nobody else has moved; refuse others than ``advance``."""
        late = [ref for ref in refs if ref in self.late]
        if late and name != "advance":
            raise refusal(late, name)
        for ref in late:
            click.echo(f"{ref.name} ({ref.environment}): somebody else has moved it meanwhile", err=True)
        return [ref for ref in refs if ref in self.refs and ref not in late]

    def _run_once(self, command: Command, refs: Sequence[AppRef], together: bool) -> Run:
        """Do ``command`` for ``refs`` in this repository alone."""
        if not together or self.request.dry_run:
            return self._run_with(None, command, refs, together)
        # Only what goes into one commit can wait for it.
        from renderer.pipeline.write.new_files import Ahead

        with Ahead(self.repository.root) as ahead:
            return self._run_with(ahead, command, refs, together)

    def _run_with(self, ahead: Ahead | None, command: Command, refs: Sequence[AppRef], together: bool) -> Run:
        reviewed = [ref for ref in refs if self.is_reviewed(ref)]
        run = Run([])
        if reviewed:
            from renderer.verbs.release.pull_requests.propose import propose_verb

            run.results = propose_verb(self, reviewed, command)
            refs = [ref for ref in refs if ref not in reviewed]
        with Uncommitted(self.repository) as uncommitted:
            outcomes = self.prepare(command, refs, uncommitted, ahead)
            self._commit(run, outcomes, uncommitted, ahead, together)
        try:
            run.rendered = self._update_branches()
        except RollstepError:
            # The commits stand whatever becomes of what is made from them: the next run catches up.
            run.report(self.request)
            raise
        return run

    def _commit(
        self, run: Run, outcomes: list[Outcome], uncommitted: Uncommitted, ahead: Ahead | None, together: bool
    ) -> None:
        """Commit what the verb came to for each app, one by one or together; nothing unless all of it is valid."""
        moved = [outcome.part for outcome in outcomes if outcome.part is not None]
        if self.request.validate:
            validate_apps([(part.home, part.texts) for part in moved], note, self.request.jobs)
        groups = [moved] if together and moved else [[part] for part in moved]
        dirty = uncommitted.of(moved)
        publications = each(groups, lambda group: Publication.of(self.repository, group, self.request, dirty, ahead))
        if len(publications) > 1:
            each(publications, Publication.check)
        check_branches(self.repository, self.branches, self.workspace.settings.forge.remote)
        try:
            publishing = progress.over(publications, "making commit")
            run.commits += ((publication.parts, publication.publish()) for publication in publishing)
        except RollstepError:
            # A hook may refuse the second commit: the first one stands, and is told.
            done = {id(part) for group, _ in run.commits for part in group}
            run.outcomes = [outcome for outcome in outcomes if id(outcome.part) in done]
            run.report(self.request)
            raise
        run.outcomes = outcomes

    def _update_branches(self) -> list[RenderedCommit]:
        if self.request.dry_run or not self.branches:
            return []
        return update_branches(self.repository, self.branches, self.workspace.settings.forge.remote)

    def catch_up(self) -> None:
        """Bring the environments' branches up to HEAD and, where this run pushes, to the remote; tell it on stderr.

        What was merged, or committed by hand, since the last verb is not on them yet.
        """
        made = self._update_branches()
        for commit in made:
            click.echo(f"[{commit.branch} {commit.sha[:9]}] {commit.subject}", err=True)
        if made and self.pusher:
            self.pusher.push([entry.branch for entry in self.branches])

    def check_step(self, to_step: int) -> None:
        """Raise UsageError where one of the apps has not so many steps; nothing is done for any of them then."""
        for release in each(self.refs, lambda ref: open_release(self.workspace, ref, self.now)):
            steps = len(steps_of(release.world))
            if not steps:
                raise UsageError(f"{release.title} has no steps: --to is for canaries with steps")
            if to_step > steps:
                raise UsageError(f"{release.title} has {steps} steps: --to takes 0 to {steps}")

    def run_to(self, ref: AppRef, to_step: int) -> bool:
        """Advance one app, a commit a step, until ``currentStepIndex`` is ``to_step``; tell whether it got there.

        A dry run does the first of these steps.  An app that somebody else moves meanwhile is left to them.
        """
        if self.is_reviewed(ref):
            place = f"{ref.environment}/{ref.name}"
            hint = f"rollstep pr --stack {place} opens one for each step"
            raise UsageError(
                f"the commits of {place} go by pull request: --to cannot go beyond the next one", hint=hint
            )
        if self.workspace.settings.for_app(ref.environment, ref.name).order != "step":
            place = f"{ref.environment}/{ref.name}"
            message = f"the steps of {place} are committed in phases: --to has to wait between them"
            raise UsageError(message, hint="add --wait, such as --wait kubernetes")
        begun = False

        def verb(world: World) -> Move | None:
            index = world.status.current_step_index or 0
            return None if begun and index >= to_step else advance(world, to_step=to_step)

        while outcomes := self.run(verb, "advance", [ref], options=f"--to {to_step}"):
            (outcome,) = outcomes
            begun = True
            if outcome.part is None or self.request.dry_run:
                return (outcome.current_step_index or 0) >= to_step
        return False

    def is_reviewed(self, ref: AppRef) -> bool:
        """Tell whether the commits of an app go by pull request."""
        return self.workspace.settings.for_app(ref.environment, ref.name).commit.to == TO_PULL_REQUEST

    @property
    def conditions(self) -> Conditions:
        """Under what this run does its verb."""
        return Conditions(self.workspace, self.request, self.now, self.freezes, lambda: self.repository)

    def prepare(
        self, command: Command, refs: Sequence[AppRef], uncommitted: Uncommitted, ahead: Ahead | None
    ) -> list[Outcome]:
        """Return what ``command`` comes to for each app, rendered; no file of the repository is written.

        Where they are many, other processes do it, and write their new files to ``ahead``.  Raises RollstepError with
        the findings of all of them.
        """
        if len(refs) > 1 and command.is_alone:
            # Loads what renders fleets, which a verb for one app need not have.
            from renderer.verbs.apps.parallel import in_parts, jobs_for

            jobs = self.request.jobs or jobs_for(len(refs))
            if jobs > 1:
                request = replace(self.request, directory=os.path.abspath(self.request.directory))
                work = partial(
                    prepare_elsewhere, command, request, self.now, self.freezes, ahead.open() if ahead else ""
                )
                return list(chain(*in_parts(work, refs, jobs, "rendering app")))
        # Of several, git is asked once.
        conditions = replace(self.conditions, on_read=uncommitted.ask) if len(refs) == 1 else self.conditions
        return prepare_apps(command, conditions, refs)


def note(text: str) -> None:
    """Tell on stderr what is worth knowing and no error."""
    click.echo(text, err=True)


def report(
    outcomes: Sequence[Outcome],
    commits: Sequence[tuple[Sequence[Part], CommitResult | None]],
    request: Request,
    rendered: Sequence[RenderedCommit] = (),
    results: Sequence[Result] = (),
) -> None:
    """Tell what was done: the commits on stdout, why nothing was done on stderr; or all of it as JSON.

    ``rendered`` are the commits on branches of environments, ``results`` the pull requests.
    """
    made = {id(part): result for group, result in commits for part in group}
    if request.output == "json":
        import json

        entries = [_entry(outcome, made.get(id(outcome.part)), request, rendered) for outcome in outcomes]
        entries += (result.to_dict() for result in results)
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for result_of_review in results:
        click.echo(result_of_review.text())
    told: set[str] = set()
    for outcome in outcomes:
        result = made.get(id(outcome.part))
        if result is None:
            click.echo(f"{outcome.home.title}: {outcome.waits}", err=True)
        elif result.subject not in told:
            told.add(result.subject)
            click.echo(result.text())
    for commit in rendered:
        click.echo(f"[{commit.branch} {commit.sha[:9]}] {commit.subject}")


def _entry(
    outcome: Outcome, result: CommitResult | None, request: Request, rendered: Sequence[RenderedCommit]
) -> dict[str, Any]:
    ref = outcome.home.ref
    entry: dict[str, Any] = {
        "app": ref.name,
        "environment": ref.environment,
        "moved": result is not None,
        "phase": outcome.phase,
        "currentStepIndex": outcome.current_step_index,
        "steps": outcome.steps,
        "revision": outcome.revision,
        "dryRun": request.dry_run,
        "commit": None,
        "subject": None,
        "files": [],
        "waits": None,
        "environmentBranch": [
            {"branch": commit.branch, "commit": commit.sha, "source": commit.source}
            for commit in rendered
            if commit.environment == ref.environment
        ],
    }
    if result is not None:
        entry |= {"commit": result.sha, "subject": result.subject, "files": list(result.paths)}
    reason = outcome.reason
    if reason is not None:
        entry["waits"] = {"reason": reason.reason, "until": format_time(reason.until) if reason.until else None}
    return entry
