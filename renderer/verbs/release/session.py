"""Runs a verb over apps: load, resolve, check policies, render, validate, write, commit, publish."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, UsageError, map_valid, one_line, require
from renderer.git.objects import tip
from renderer.git.repository import Repository
from renderer.pipeline.commit.part import Part, Request
from renderer.pipeline.commit.planned_commit import PlannedCommit
from renderer.pipeline.commit.recovery import open_to_write
from renderer.pipeline.commit.uncommitted import Uncommitted
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.settings import TO_PULL_REQUEST, AppSettings
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.publish.environment_branches import (
    EnvironmentBranch,
    RenderedCommit,
    check_branches,
    environment_branches,
    source_branch,
    update_branches,
)
from renderer.pipeline.publish.push import Pusher, push_on_top
from renderer.pipeline.publish.retry import TRIES, BranchTips, moved_meanwhile, refusal
from renderer.pipeline.publish.unpushed import UnpushedStep, unpushed_steps
from renderer.pipeline.resolve.moves import Move, advance, steps_of
from renderer.pipeline.resolve.release import open_release
from renderer.pipeline.write.new_files import NewFiles
from renderer.rollouts.model.world import World
from renderer.verbs import progress
from renderer.verbs.analysis.taken_back import with_quarantine
from renderer.verbs.apps.claims import claimed
from renderer.verbs.apps.move import AppResult, Command, Measuring, Verb, move_apps, move_apps_in_worker
from renderer.verbs.apps.policies import RunContext
from renderer.verbs.apps.shared_files import check_shared
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.policy.freeze import active_freeze
from renderer.verbs.policy.freezes import load_freezes
from renderer.verbs.policy.quarantine import load_quarantine
from renderer.verbs.release.run import Run, rendered_text
from renderer.verbs.reporter import Reporter

if TYPE_CHECKING:
    from renderer.verbs.release.pull_requests.branches import PullRequestResult


T = TypeVar("T")
R = TypeVar("R")
Propose = Callable[["Session", Sequence[AppRef], Command], "Sequence[PullRequestResult]"]
"""Opens the pull requests of a command."""


@contextmanager
def open_session(request: Request, reporter: Reporter, propose: Propose) -> Iterator[Session]:
    """Open the repository for one run of a verb, and recover from an interrupted run.

    ``propose`` runs for the apps whose commits go by pull request.  The end of the block raises RollstepError with the
    findings of the apps that the run has left out.
    """
    if request.break_glass is not None and not one_line(request.break_glass):
        raise UsageError("--break-glass needs a reason")
    with open_to_write(request.directory, dry_run=request.dry_run, note=reporter.note) as (workspace, repository):
        session = Session(request, reporter, propose, workspace, repository)
        try:
            yield session
        except UsageError:
            raise
        except RollstepError as error:
            raise RollstepError(dict.fromkeys((*session.findings, *error.findings))) from error
        require(session.findings)


class Session:
    """One run of a verb: the opened repository, the workspace in it, and the named apps.

    ``findings`` are those of the apps that the run has left out: an app with an error does not stop the others.
    """

    def __init__(
        self, request: Request, reporter: Reporter, propose: Propose, workspace: Workspace, repository: Repository
    ) -> None:
        """Read the apps; with ``--push``, first bring the branch up to the remote, and push the steps that it lacks."""
        self.request = request
        self.reporter = reporter
        self._propose = propose
        self.workspace = workspace
        self.repository = repository
        self.now = request.now or current_time()
        self.findings: dict[Finding, None] = {}
        self._may_change_production = request.yes or request.dry_run
        self._moved_by_others: list[AppRef] = []
        self.unpushed: dict[AppRef, UnpushedStep] = {}
        """The steps of earlier runs that this run has pushed."""
        self._caught_up: list[RenderedCommit] = []
        """The commits on environment branches that are not reported yet."""
        self._read()
        self.pusher = Pusher(repository, workspace.settings.forge, reporter.note) if request.push else None
        if self.pusher and not request.dry_run:
            self._catch_up(self.pusher)

    def _read(self) -> None:
        """Read the named apps, the freezes, the quarantine, and the environment branches that HEAD moves."""
        self.refs = self.workspace.apps(self.request.targets)
        self.freezes = load_freezes(self.workspace.root)
        self.listed = load_quarantine(self.workspace.root)
        self.branches = list(filter(self._is_moved, environment_branches(self.workspace, self.refs)))

    def _is_moved(self, entry: EnvironmentBranch) -> bool:
        """Return whether HEAD's branch moves an environment's branch; note it if it does not."""
        source, head = source_branch(self.repository, entry, self.remote), self.repository.head.branch
        if source in (None, head):
            return True
        self.reporter.note(
            f"{entry.branch}: is rendered from {source}, so {head or 'a detached HEAD'} does not move it"
        )
        return False

    @property
    def remote(self) -> str:
        """The name of the remote."""
        return self.workspace.settings.forge.remote

    @property
    def branch_names(self) -> list[str]:
        """The environment branches that HEAD moves."""
        return [entry.branch for entry in self.branches]

    def _catch_up(self, pusher: Pusher) -> None:
        """Bring the branch up to the remote, and push the steps of earlier runs that the remote lacks.

        Nobody else has such a step, so the next one waits for it.
        """
        start = BranchTips.read(self.repository, ())
        theirs = pusher.fetch(self.branch_names, start.head)
        if theirs:
            start.reset_to(self.repository, theirs)
            self._reload(pusher, start, theirs)
        self._caught_up += self._update_branches()
        pusher.check_taken_back(self.branch_names)
        self.unpushed = self._unpushed_steps(pusher)
        self._check_frozen()
        if self.unpushed:
            steps = ", ".join(step.subject for step in self.unpushed.values())
            self.reporter.note(f"pushing first what {self.remote} lacks: {steps}")
            pusher.push(self.branch_names)

    def _check_frozen(self) -> None:
        """Raise RollstepError if a step of an earlier run would reach the remote during a freeze."""
        if self.request.break_glass is not None:
            return
        findings = [
            freeze.finding(self.workspace.home(ref).title)
            for ref, step in self.unpushed.items()
            if step.goes_forward and (freeze := active_freeze(self.freezes, ref.environment, self.now))
        ]
        if findings:
            raise RollstepError(findings)

    def _unpushed_steps(self, pusher: Pusher) -> dict[AppRef, UnpushedStep]:
        files = {self.repository.relative(ref.folder / STATUS_FILE): ref for ref in self.refs}
        found = unpushed_steps(self.repository, pusher.branch, pusher.remote, files)
        for entry in self.branches:
            if tip(self.repository, f"refs/remotes/{pusher.remote}/{entry.branch}"):
                apps = [ref for ref in self.refs if ref.environment == entry.environment and ref.name in entry.outputs]
                rendered = {f"{ref.name}/{STATUS_FILE}": ref for ref in apps}
                found = unpushed_steps(self.repository, entry.branch, pusher.remote, rendered) | found
        return found

    def _reload(self, pusher: Pusher, start: BranchTips, theirs: str) -> None:
        """Read the repository again after a reset from ``start`` to the remote's commit ``theirs``."""
        pusher.note_reset(theirs)
        self.workspace = Workspace.open(self.request.directory)
        self._read()
        assert start.head is not None
        folder = self.workspace.root / self.workspace.settings.environments_path
        self._moved_by_others = moved_meanwhile(self.repository, start.head, theirs, self.refs, folder)

    def settings_of(self, ref: AppRef) -> AppSettings:
        """Return the settings of an app."""
        return self.workspace.settings.for_app(ref.environment, ref.name)

    def uses_pull_requests(self, ref: AppRef) -> bool:
        """Return whether the commits of an app go by pull request."""
        return self.settings_of(ref).commit.to == TO_PULL_REQUEST

    @property
    def context(self) -> RunContext:
        """The context in which apps are moved."""
        return RunContext(self.workspace, self.request, self.now, self.freezes, self.listed, lambda: self.repository)

    def run(
        self,
        verb: Verb,
        name: str,
        refs: Sequence[AppRef],
        *,
        together: bool = False,
        options: str = "",
        is_pure: bool = True,
        measuring: Measuring | None = None,
    ) -> list[AppResult]:
        """Run ``verb`` for ``refs``, and commit each app that is valid, or all apps ``together`` if all are valid.

        The findings of the others are added to ``findings``.  Nothing is written before all apps are validated.

        ``name`` and the other arguments are those of a ``Command``.  ``advance`` also commits other changed manifests
        of an app whose release does not move.  With ``--push``, the verb is repeated on top of what others
        have pushed first.  ``advance`` leaves out an app that they have moved; other verbs raise RollstepError.
        """
        command, attempts = Command(verb, name, options, is_pure, measuring), iter(range(TRIES))
        findings = dict(self.findings)
        while True:
            self.findings = dict(findings)
            # Raises before anything is done if git refuses this repository.
            start = BranchTips.read(self.repository, self.branch_names)
            left = self._without_unpushed(self._without_moved(refs, name), name)
            run = self._run_once(command, left, together)
            try:
                theirs = self._push(run, start, attempts)
            except RollstepError:
                # The commits stay; the next push includes them.
                run.report(self.request, self.reporter)
                raise
            if self.pusher is None or theirs is None:
                run.report(self.request, self.reporter)
                return run.apps
            self._reload(self.pusher, start, theirs)

    def _push(self, run: Run, start: BranchTips, attempts: Iterator[int]) -> str | None:
        """Push the commits since ``start``; return the remote's commit if others were first, as ``push_on_top``."""
        if self.pusher is None or self.request.dry_run or (self.findings and not run.commits):
            # Without a valid app, the user's own commits are not pushed either.
            return None

        def render_again() -> None:
            commits = self._update_branches()
            again = {commit.branch for commit in commits}
            run.rendered = [*(commit for commit in run.rendered if commit.branch not in again), *commits]

        keep = self.request.include_sources
        return push_on_top(self.pusher, start, self.branch_names, attempts, keep=keep, update=render_again)

    def _without_moved(self, refs: Sequence[AppRef], name: str) -> list[AppRef]:
        """Return the ``refs`` that exist and that nobody else has moved; refuse others except for ``advance``."""
        moved = [ref for ref in refs if ref in self._moved_by_others]
        if moved and name != "advance":
            raise refusal(moved, name)
        for ref in moved:
            self.reporter.note(f"{ref.name} ({ref.environment}): somebody else has moved it meanwhile")
        return [ref for ref in refs if ref in self.refs and ref not in moved]

    def _without_unpushed(self, refs: Sequence[AppRef], name: str) -> list[AppRef]:
        """Return the ``refs`` without those for which the push of an earlier run's step was all there is to do."""
        pushed = {ref: step for ref in refs if (step := self.unpushed.get(ref)) and step.ends(name)}
        for ref, step in pushed.items():
            message = f"{step.sha[:9]} ({step.subject}) is on {self.remote} now: the next {name} goes on from there"
            self.reporter.note(f"{ref.name} ({ref.environment}): {message}")
        return [ref for ref in refs if ref not in pushed]

    def _run_once(self, command: Command, refs: Sequence[AppRef], together: bool) -> Run:
        """Run ``command`` in this repository, without a push."""
        proposed = [ref for ref in refs if self.uses_pull_requests(ref)]
        run = Run()
        if proposed:
            run.pull_requests = self._propose(self, proposed, command)
            refs = [ref for ref in refs if ref not in proposed]
        with (
            NewFiles(self.repository.root, in_memory=self.request.dry_run) as new_files,
            Uncommitted(self.repository) as uncommitted,
        ):
            apps = self._move(command, refs, uncommitted, new_files if together else None)
            if together:
                require(self.findings)
            self._commit(run, command.name, apps, uncommitted, new_files, together)
        try:
            run.rendered = [*self._caught_up, *self._update_branches()]
            self._caught_up = []
        except RollstepError:
            # The commits stay; the next run updates the environment branches.
            run.report(self.request, self.reporter)
            raise
        return run

    def _move(
        self, command: Command, refs: Sequence[AppRef], uncommitted: Uncommitted, new_files: NewFiles | None
    ) -> list[AppResult]:
        """Move each app, many apps in several processes, which write new files to ``new_files`` themselves."""
        if len(refs) > 1 and command.is_pure:
            # A verb for one app does not need it.
            from renderer.verbs.apps import parallel

            jobs = self.request.jobs or parallel.jobs_for(len(refs))
            if jobs > 1:
                request = replace(self.request, directory=os.path.abspath(self.request.directory))
                folder = new_files.open() if new_files and not new_files.in_memory else ""
                work = partial(move_apps_in_worker, command, request, self.now, self.freezes, self.listed, folder)
                batches = list(parallel.results(parallel.map_batches(work, refs, "rendering app", jobs=jobs)))
                self.leave_out(finding for _, findings in batches for finding in findings)
                return [app for apps, _ in batches for app in apps]
        # For several apps, one git status of all of them is faster.
        context = replace(self.context, on_read=uncommitted.start) if len(refs) == 1 else self.context
        apps, findings = move_apps(command, context, refs)
        self.leave_out(findings)
        return apps

    def leave_out(self, findings: Iterable[Finding]) -> None:
        """Add the findings of apps that the run leaves out."""
        self.findings.update(dict.fromkeys(findings))

    def _commit(
        self, run: Run, name: str, apps: list[AppResult], uncommitted: Uncommitted, new_files: NewFiles, together: bool
    ) -> None:
        """Commit the valid part of each app, or all parts together if all of them are valid."""
        moved = [app for app in apps if app.part is not None]
        parts = with_quarantine(
            [(app.part, app.listed) for app in moved if app.part is not None], self.workspace.root, together=together
        )
        parted = iter(parts)
        apps = [app if app.part is None else replace(app, part=next(parted)) for app in apps]
        check_shared(self.workspace, self.refs, (path for part in parts for path in part.edited), name)
        parts = self._unclaimed(parts, together)
        if self.request.validate:
            parts = self._valid(parts, together)
        groups = [parts] if together and parts else [[part] for part in parts]
        dirty = uncommitted.of([part.inputs for part in parts])
        commits = self._each(
            groups, lambda group: PlannedCommit.of(self.repository, group, self.request, dirty, new_files)
        )
        if len(commits) > 1:
            commits = self._each(commits, PlannedCommit.checked)
        check_branches(self.repository, self.branches, self.remote, new_source=self.request.new_source)
        self.confirm([part.home.ref for commit in commits for part in commit.parts])
        try:
            run.commits += ((commit.parts, commit.publish()) for commit in progress.over(commits, "making commit"))
        except RollstepError:
            # A hook may refuse the second commit: the first one stays and is reported.
            run.apps = run.committed(apps)
            run.report(self.request, self.reporter)
            raise
        run.apps = run.committed(apps)

    def _unclaimed(self, parts: list[Part], together: bool) -> list[Part]:
        """Return the parts that make no object of another app."""
        refused = list(claimed(self.workspace, parts))
        if refused and together:
            raise RollstepError(finding for _, finding in refused)
        self.leave_out(finding for _, finding in refused)
        return [part for part in parts if not any(part is other for other, _ in refused)]

    def _valid(self, parts: list[Part], together: bool) -> list[Part]:
        """Return the parts whose rendered files are valid."""
        try:
            validate_apps([(part.home, part.texts) for part in parts], self.reporter.note, self.request.jobs)
        except RollstepError as error:
            files = tuple(finding.file for finding in error.findings)
            folders = tuple(f"{part.home.output_path}/" for part in parts)
            if together or not all(file.startswith(folders) for file in files):
                raise
            self.leave_out(error.findings)
            return [
                part
                for part, folder in zip(parts, folders, strict=True)
                if not any(file.startswith(folder) for file in files)
            ]
        return parts

    def _each(self, items: Iterable[T], function: Callable[[T], R]) -> list[R]:
        """Return ``function`` of each item that it accepts; add the findings of the others."""
        results, findings = map_valid(items, function)
        self.leave_out(findings)
        return results

    def for_each_app(self, function: Callable[[AppRef], bool]) -> bool:
        """Return whether ``function`` is true for every named app; add the findings of apps that it refuses."""
        self.confirm(self.refs)
        results = self._each(self.refs, function)
        return all(results) and len(results) == len(self.refs)

    def confirm(self, refs: Iterable[AppRef]) -> None:
        """Ask before more than one production app changes; raise RollstepError if the answer is no."""
        apps = [ref.target for ref in refs if ref.is_production]
        if len(apps) < 2 or self._may_change_production:
            return
        if not self.reporter.ask(f"{len(apps)} production apps change: {', '.join(apps)}. Go on?"):
            raise RollstepError("nothing was changed")
        self._may_change_production = True

    def _update_branches(self) -> list[RenderedCommit]:
        if self.request.dry_run or not self.branches:
            return []
        return update_branches(self.repository, self.branches, self.remote, new_source=self.request.new_source)

    def update_environment_branches(self) -> None:
        """Bring the environment branches up to HEAD, push them with ``--push``, and note their new commits.

        They lack merges and the user's own commits since the last verb.
        """
        commits = self._update_branches()
        for commit in commits:
            self.reporter.note(rendered_text(commit))
        if commits and self.pusher:
            self.pusher.push(self.branch_names)

    def publish(self) -> None:
        """Bring the environment branches up to HEAD, push them with ``--push``, and print their new commits.

        Raises RollstepError without such a branch.
        """
        if not self.branches:
            hint = "name one with commit.environmentBranch in rollstep.yaml, and switch to its commit.sourceBranch"
            raise RollstepError("HEAD moves no environment's branch", hint=hint)
        commits = [*self._caught_up, *self._update_branches()]
        if self.pusher:
            self.pusher.push(self.branch_names)
        for commit in commits:
            self.reporter.out(f"{rendered_text(commit)}\n")
        if not commits:
            self.reporter.note(f"{', '.join(self.branch_names)}: up to date")

    def check_step(self, to_step: int) -> None:
        """Raise UsageError if one of the apps has no step ``to_step``."""
        for release in self._each(self.refs, lambda ref: open_release(self.workspace, ref, self.now)):
            steps = len(steps_of(release.world))
            if not steps:
                raise UsageError(f"{release.title} has no steps: --to is for canaries with steps")
            if to_step > steps:
                raise UsageError(f"{release.title} has {steps} steps: --to takes 0 to {steps}")

    def run_to(self, ref: AppRef, to_step: int) -> bool:
        """Advance one app, a commit a step, and return whether ``currentStepIndex`` has reached ``to_step``.

        A dry run does the first of these steps.  An app that somebody else moves meanwhile is left to them.
        """
        place = ref.target
        if self.uses_pull_requests(ref):
            message = f"the commits of {place} go by pull request: --to cannot go beyond the next one"
            raise UsageError(message, hint=f"rollstep pr --stack {place} opens one for each step")
        if self.settings_of(ref).order != "step":
            message = f"the steps of {place} are committed in phases: --to has to wait between them"
            raise UsageError(message, hint="add --wait, such as --wait kubernetes")
        begun = False

        def verb(world: World) -> Move | None:
            index = world.status.current_step_index or 0
            return None if begun and index >= to_step else advance(world, to_step=to_step)

        while apps := self.run(verb, "advance", [ref], options=f"--to {to_step}", measuring=Measuring()):
            (app,) = apps
            begun = True
            if app.part is None or self.request.dry_run:
                return (app.current_step_index or 0) >= to_step
        return False
