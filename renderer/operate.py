"""A verb over apps: load, resolve, move, render, validate, write, commit (shell)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from renderer.changes import StepChange
from renderer.commit import CommitResult, Identity
from renderer.describe import step_change, wait_text
from renderer.discover import AppRef
from renderer.errors import Finding, RollstepError, UsageError
from renderer.git import Repository
from renderer.message import compose_message
from renderer.model import World, format_time
from renderer.publish import publish, recover_repository
from renderer.release import Move, Wait, advance, steps_of, wait
from renderer.settings import CommitSettings
from renderer.source_edit import edited_source
from renderer.state import STATUS_FILE
from renderer.transaction import Transaction
from renderer.workspace import (
    Release,
    Rendered,
    Workspace,
    current_time,
    open_release,
    plan_changes,
    render_release,
)

Verb = Callable[[World], Move | None]
"""What a command does to a world: a move, or None where there is nothing to do now."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for; the fields are the options' names."""

    directory: str
    targets: tuple[str, ...]
    now: datetime | None = None
    output: str = "text"
    dry_run: bool = False
    validate: bool = True
    include_sources: bool = False
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb came to for one app: a move and what is rendered of it, or the reason why there is none."""

    release: Release
    move: Move | None
    rendered: Rendered | None = None
    change: StepChange | None = None
    reason: Wait | None = None

    @property
    def world(self) -> World:
        """The world as it is after the verb."""
        return self.move.after if self.move else self.release.world


class Session:
    """One run of a verb: an opened repository, the workspace in it, and the apps that were named."""

    def __init__(self, request: Request) -> None:
        """Open the repository, and put right what an interrupted run left in it."""
        self.request = request
        self.now = request.now or current_time()
        self.workspace = Workspace.open(request.directory)
        self.repository = Repository.open(self.workspace.root)
        for line in recover_repository(self.repository):
            click.echo(line, err=True)
        self.refs = self.workspace.apps(request.targets)
        if not self.refs:
            path = self.workspace.settings.environments_path
            raise UsageError(f"there is no app in {path}/", hint="rollstep init makes one from your manifests")

    def run(self, verb: Verb, name: str, refs: Sequence[AppRef], *, together: bool = False) -> list[Outcome]:
        """Do ``verb`` for ``refs``, a commit for each app or one for all; nothing is written unless all are valid."""
        outcomes = each(refs, lambda ref: self._prepare(ref, verb, name))
        moved = [outcome for outcome in outcomes if outcome.move is not None]
        if self.request.validate:
            check_files(self.workspace, [(o.release, o.rendered) for o in moved if o.rendered is not None])
        groups = [moved] if together and moved else [[outcome] for outcome in moved]
        commits = [(group, self._publish(group)) for group in groups]
        report(outcomes, commits, self.request)
        return outcomes

    def run_to(self, ref: AppRef, to_step: int) -> bool:
        """Advance one app, a commit a step, until ``currentStepIndex`` is ``to_step``; tell whether it got there.

        A dry run does the first of these steps.
        """
        begun = False

        def verb(world: World) -> Move | None:
            index = world.status.current_step_index or 0
            return None if begun and index >= to_step else advance(world, to_step=to_step)

        while True:
            (outcome,) = self.run(verb, "advance", [ref])
            begun = True
            if outcome.move is None or self.request.dry_run:
                return (outcome.world.status.current_step_index or 0) >= to_step

    def _prepare(self, ref: AppRef, verb: Verb, name: str) -> Outcome:
        release = open_release(self.workspace, ref, self.now)
        move = verb(release.world)
        if move is None:
            return Outcome(release, None, reason=wait(release.world))
        rendered = render_release(release, move.after)
        return Outcome(release, move, rendered, step_change(move, ref.name, ref.environment, name))

    def _publish(self, outcomes: Sequence[Outcome]) -> CommitResult | None:
        transaction = Transaction(self.repository.root)
        for outcome in outcomes:
            self._stage(transaction, outcome)
        settings = outcomes[0].release.app.settings
        message = self._message(outcomes, settings.commit)
        author, committer = (
            Identity(person.name, person.email) if person else None
            for person in (settings.commit.author, settings.commit.committer)
        )
        return publish(
            self.repository,
            transaction,
            message,
            author=author,
            committer=committer,
            when=self.request.now,
            dry_run=self.request.dry_run,
        )

    def _stage(self, transaction: Transaction, outcome: Outcome) -> None:
        release, rendered = outcome.release, outcome.rendered
        assert rendered is not None and outcome.move is not None
        self._stage_sources(transaction, release)
        edited = edited_source(release, outcome.move.after)
        if edited is not None:
            transaction.write(*edited)
        plan_changes(release, rendered).stage(transaction)
        transaction.write(release.folder / STATUS_FILE, rendered.status_text)

    def _stage_sources(self, transaction: Transaction, release: Release) -> None:
        """Put the app's uncommitted manifests into the commit where that was asked for; refuse them otherwise."""
        own = {f"{self.repository.relative(release.output)}/", self.repository.relative(release.folder / STATUS_FILE)}
        dirty = [
            path
            for path in self.repository.dirty([release.folder])
            if path not in own and not any(path.startswith(prefix) for prefix in own)
        ]
        if not dirty:
            return
        if not self.request.include_sources:
            hint = "commit it first, or use --include-sources to put it into this commit"
            message = "is not committed, and the step would be made from it"
            raise RollstepError(Finding(path, 0, 0, "", message, hint) for path in dirty)
        for path in dirty:
            transaction.include(path)

    def _message(self, outcomes: Sequence[Outcome], settings: CommitSettings) -> str:
        changes = [outcome.change for outcome in outcomes if outcome.change is not None]
        templates = outcomes[0].release.app.settings.templates
        message = compose_message(changes, user_templates=templates, subject_text=settings.message)
        if self.request.message:
            message = "\n".join([" ".join(self.request.message.split()), *message.split("\n")[1:]])
        if settings.signoff and settings.author:
            message += f"Signed-off-by: {settings.author.name} <{settings.author.email}>\n"
        return message


def each(refs: Iterable[AppRef], prepare: Callable[[AppRef], Outcome]) -> list[Outcome]:
    """Prepare every app; raise RollstepError with the findings of all of them."""
    outcomes, findings = [], []
    for ref in refs:
        try:
            outcomes.append(prepare(ref))
        except UsageError:
            raise
        except RollstepError as error:
            findings += [
                finding if finding.file else Finding(f"{ref.environment}/{ref.name}", 0, 0, *_words(finding))
                for finding in error.findings
            ]
    if findings:
        raise RollstepError(findings)
    return outcomes


def _words(finding: Finding) -> tuple[str, str, str]:
    return finding.field, finding.message, finding.hint


def check_files(workspace: Workspace, releases: Sequence[tuple[Release, Rendered]]) -> None:
    """Validate what was rendered, in one run of the validator for each Kubernetes version.

    Raises RollstepError with everything that is wrong.
    """
    from renderer.validate import validate

    versions: dict[str, dict[str, str]] = {}
    for release, rendered in releases:
        files = versions.setdefault(release.app.settings.kubernetes_version, {})
        folder = workspace.shown(release.output)
        files.update((f"{folder}/{name}", text) for name, text in rendered.files.items())
    findings: list[Finding] = []
    for version, files in sorted(versions.items()):
        validation = validate(files, version)
        findings += validation.findings
        for skipped in validation.skipped:
            click.echo(f"note: {skipped.text()}", err=True)
    if findings:
        raise RollstepError(findings)


def report(
    outcomes: Sequence[Outcome],
    commits: Sequence[tuple[Sequence[Outcome], CommitResult | None]],
    request: Request,
) -> None:
    """Tell what was done: the commits on stdout, why nothing was done on stderr; or all of it as JSON."""
    made = {id(outcome): result for group, result in commits for outcome in group}
    if request.output == "json":
        import json

        entries = [_entry(outcome, made.get(id(outcome)), request) for outcome in outcomes]
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    told: set[str] = set()
    for outcome in outcomes:
        result = made.get(id(outcome))
        if result is None:
            reason = outcome.reason or wait(outcome.world)
            click.echo(f"{outcome.release.title}: {wait_text(reason, outcome.world)}", err=True)
        elif result.subject not in told:
            told.add(result.subject)
            short = f"[{result.sha[:9]}] " if result.sha else "[dry run] "
            click.echo(short + result.subject)


def _entry(outcome: Outcome, result: CommitResult | None, request: Request) -> dict[str, Any]:
    world, ref = outcome.world, outcome.release.app.ref
    entry: dict[str, Any] = {
        "app": ref.name,
        "environment": ref.environment,
        "moved": result is not None,
        "phase": world.status.phase,
        "currentStepIndex": world.status.current_step_index,
        "steps": len(steps_of(world)),
        "revision": world.rollout.revision,
        "dryRun": request.dry_run,
    }
    if result is not None:
        entry |= {"commit": result.sha, "subject": result.subject, "files": list(result.paths)}
    reason = outcome.reason
    if reason is not None:
        entry["waits"] = {"reason": reason.reason, "until": format_time(reason.until) if reason.until else None}
    return entry
