"""A verb over apps: load, resolve, check policies, render, validate, write, commit, publish."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from renderer.errors import RollstepError, UsageError, map_all, one_line
from renderer.pipeline.commit.part import Request
from renderer.pipeline.commit.planned_commit import PlannedCommit
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
from renderer.pipeline.publish.push import Pusher, push_on_top
from renderer.pipeline.publish.retry import TRIES, BranchTips, moved_meanwhile, refusal
from renderer.pipeline.resolve.moves import Move, advance, steps_of
from renderer.pipeline.resolve.release import open_release
from renderer.pipeline.write.new_files import NewFiles
from renderer.rollouts.model.world import World
from renderer.verbs import progress
from renderer.verbs.apps.enforce import Conditions
from renderer.verbs.apps.outcome import Outcome, Verb
from renderer.verbs.apps.prepare import Command, prepare_apps, prepare_elsewhere
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.policy.freezes import load_freezes
from renderer.verbs.release.run import Run
from renderer.verbs.reporter import Reporter

if TYPE_CHECKING:
    from renderer.verbs.release.pull_requests.branches import Result


Propose = Callable[["Session", Sequence[AppRef], Command], "Sequence[Result]"]
"""Makes pull requests of a command."""


class Session:
    """One run of a verb, as a context: an opened repository, the workspace in it, and the named apps.

    ``propose`` makes pull requests of a command, for the apps whose commits go by pull request.
    """

    def __init__(self, request: Request, reporter: Reporter, propose: Propose) -> None:
        """Open the repository and recover what an interrupted run left there."""
        self.request = request
        self.reporter = reporter
        self._propose = propose
        self.now = request.now or current_time()
        if request.break_glass is not None and not one_line(request.break_glass):
            raise UsageError("--break-glass needs a reason")
        with ExitStack() as ends:
            opened = open_to_write(request.directory, dry_run=request.dry_run, note=reporter.note)
            self.workspace, self.repository = ends.enter_context(opened)
            self._open()
            self._ends = ends.pop_all()

    def _open(self) -> None:
        request = self.request
        self._read()
        self.pusher = (
            Pusher(self.repository, self.workspace.settings.forge, self.reporter.note) if request.push else None
        )
        self.late: list[AppRef] = []
        """Apps that somebody else has moved since this repository was last brought up to the remote."""
        if self.pusher and not request.dry_run:
            start = BranchTips.read(self.repository, ())
            theirs = self.pusher.fetch([entry.branch for entry in self.branches], start.head)
            if theirs:
                start.reset_to(self.repository, theirs)
                self._begin_at(theirs, start)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ends.close()

    def _read(self) -> None:
        """Read the repository's apps, its freezes, and where commits go."""
        self.refs = self.workspace.apps(self.request.targets)
        self.freezes = load_freezes(self.workspace.root)
        self.branches = environment_branches(self.workspace, self.refs)

    def _begin_at(self, theirs: str, start: BranchTips) -> None:
        """Read what is at ``theirs``, to which all since ``start`` was taken back; note which apps have moved."""
        assert self.pusher is not None
        self.pusher.note_reset(theirs)
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
                run.report(self.request, self.reporter)
                raise
            if theirs is None:
                run.report(self.request, self.reporter)
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
            self.reporter.note(f"{ref.name} ({ref.environment}): somebody else has moved it meanwhile")
        return [ref for ref in refs if ref in self.refs and ref not in late]

    def _run_once(self, command: Command, refs: Sequence[AppRef], together: bool) -> Run:
        """Do ``command`` for ``refs`` in this repository alone."""
        reviewed = [ref for ref in refs if self.is_reviewed(ref)]
        run = Run([])
        if reviewed:
            run.results = self._propose(self, reviewed, command)
            refs = [ref for ref in refs if ref not in reviewed]
        with (
            NewFiles(self.repository.root, in_memory=self.request.dry_run) as new_files,
            Uncommitted(self.repository) as uncommitted,
        ):
            outcomes = self._prepare(command, refs, uncommitted, new_files if together else None)
            self._commit(run, outcomes, uncommitted, new_files, together)
        try:
            run.rendered = self._update_branches()
        except RollstepError:
            # The commits stand whatever becomes of the environment branches: the next run catches up.
            run.report(self.request, self.reporter)
            raise
        return run

    def _commit(
        self, run: Run, outcomes: list[Outcome], uncommitted: Uncommitted, new_files: NewFiles, together: bool
    ) -> None:
        """Commit the part of each app, one by one or together; nothing unless all parts are valid."""
        parts = [outcome.part for outcome in outcomes if outcome.part is not None]
        if self.request.validate:
            texts = [(part.home, part.texts) for part in parts]
            validate_apps(texts, self.reporter.note, self.request.jobs)
        groups = [parts] if together and parts else [[part] for part in parts]
        dirty = uncommitted.of([part.inputs for part in parts])
        commits = map_all(
            groups, lambda group: PlannedCommit.of(self.repository, group, self.request, dirty, new_files)
        )
        if len(commits) > 1:
            map_all(commits, PlannedCommit.check)
        check_branches(self.repository, self.branches, self.workspace.settings.forge.remote)
        try:
            run.commits += ((commit.parts, commit.publish()) for commit in progress.over(commits, "making commit"))
        except RollstepError:
            # A hook may refuse the second commit: the first one stands, and is reported.
            done = {id(part) for group, _ in run.commits for part in group}
            run.outcomes = [outcome for outcome in outcomes if id(outcome.part) in done]
            run.report(self.request, self.reporter)
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
            self.reporter.note(f"[{commit.branch} {commit.sha[:9]}] {commit.subject}")
        if made and self.pusher:
            self.pusher.push([entry.branch for entry in self.branches])

    def check_step(self, to_step: int) -> None:
        """Raise UsageError where one of the apps has not so many steps; nothing is done for any of them then."""
        for release in map_all(self.refs, lambda ref: open_release(self.workspace, ref, self.now)):
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

    def _prepare(
        self, command: Command, refs: Sequence[AppRef], uncommitted: Uncommitted, new_files: NewFiles | None
    ) -> list[Outcome]:
        """Run ``command`` for each app, up to writing; raise RollstepError with the findings of all of them.

        Many apps are shared out to processes, which write their new files to ``new_files`` themselves.
        """
        if len(refs) > 1 and command.is_alone:
            # Loads what renders fleets, which a verb for one app need not have.
            from renderer.verbs.apps import parallel

            jobs = self.request.jobs or parallel.jobs_for(len(refs))
            if jobs > 1:
                request = replace(self.request, directory=os.path.abspath(self.request.directory))
                folder = new_files.open() if new_files and not new_files.in_memory else ""
                work = partial(prepare_elsewhere, command, request, self.now, self.freezes, folder)
                parts = parallel.results(parallel.map_parts(work, refs, "rendering app", jobs=jobs))
                return list(chain.from_iterable(parts))
        # Of several, git is asked once.
        conditions = replace(self.conditions, on_read=uncommitted.start) if len(refs) == 1 else self.conditions
        return prepare_apps(command, conditions, refs)
