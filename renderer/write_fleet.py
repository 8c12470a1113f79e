"""``render`` for apps, written: a batch of apps at a time, here or elsewhere, and all of them at once (shell)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from itertools import islice

import click

from renderer import progress
from renderer.discover import AppRef
from renderer.errors import Finding, RollstepError, UsageError, each
from renderer.executors import check_executor, mapped
from renderer.shards import shared
from renderer.state import STATUS_FILE
from renderer.transaction import Transaction
from renderer.workspace import Workspace, current_time, note_interrupted, recover_interrupted
from renderer.write import Planned
from renderer.write_release import RenderedRelease, RenderRequest, as_json, current_release, entry_of, prepare

AT_ONCE = 250
"""Apps that are rendered and validated before the next ones: what they take is all that a fleet takes."""
AT_ONCE_ELSEWHERE = 50
"""The same for a worker: so few that all have something to do."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Apps for a worker, which has the same repository at the same place."""

    directory: str
    targets: tuple[str, ...]
    step: int | None
    validate: bool
    now: datetime
    output: str


@dataclass(frozen=True, slots=True)
class Made:
    """What came of some apps: files to write (None: to delete), lines and entries to tell; or what is wrong."""

    files: tuple[tuple[str, str | None], ...] = ()
    lines: tuple[str, ...] = ()
    entries: tuple[dict[str, object], ...] = ()
    findings: tuple[Finding, ...] = ()
    is_usage: bool = False


def write_releases(request: RenderRequest) -> int:
    """Render every app that is named and write what changes, everything or nothing; return the exit code.

    The same is written whoever renders.  Raises RollstepError with the findings of all apps; nothing is written then.
    """
    check_executor(request.executor)
    workspace = Workspace.open(request.directory)
    for line in recover_interrupted(workspace.root):
        click.echo(line, err=True)
    note_interrupted(workspace.root)
    refs, now = shared(workspace.some_apps(request.targets), request.shard), request.now or current_time()
    transaction = Transaction(workspace.journal_root)
    lines: list[str] = []
    entries: list[dict[str, object]] = []
    findings: dict[Finding, None] = {}
    for made in _made(workspace, request, refs, now):
        if made.is_usage:
            raise UsageError(made.findings)
        findings.update(dict.fromkeys(made.findings))
        for path, text in made.files if not findings else ():
            if text is None:
                transaction.delete(workspace.root / path)
            else:
                transaction.write(workspace.root / path, text)
        lines += made.lines
        entries += made.entries
    if findings:
        raise RollstepError(findings)
    with progress.stage("writing"):
        transaction.commit()
    if request.output == "json":
        click.echo(as_json(entries), nl=False)
    for line in lines:
        click.echo(line, err=True)
    return 0


def _made(workspace: Workspace, request: RenderRequest, refs: Sequence[AppRef], now: datetime) -> Iterator[Made]:
    if request.executor or request.jobs > 1:
        # A shard may have no app, and a batch without a target would be of all.
        starts = range(0, len(refs), AT_ONCE_ELSEWHERE)
        somes = [tuple(f"{ref.environment}/{ref.name}" for ref in refs[at : at + AT_ONCE_ELSEWHERE]) for at in starts]
        directory = os.path.abspath(request.directory)
        batches = [Batch(directory, some, request.step, request.validate, now, request.output) for some in somes]
        with progress.stage(f"rendering {len(refs):,} apps"):
            yield from mapped(render_batch, batches, request.executor, request.jobs)
        return
    queue = iter(progress.over(refs, "rendering app"))
    for _ in range(0, len(refs), AT_ONCE):
        batch = Batch(request.directory, (), request.step, request.validate, now, request.output)
        yield _rendered(workspace, islice(queue, AT_ONCE), batch)


def render_batch(batch: Batch) -> Made:
    """Render the apps of a batch, in whatever process this is."""
    try:
        workspace = Workspace.open(batch.directory)
        refs = workspace.some_apps(batch.targets)
    except RollstepError as error:
        return Made(findings=error.findings, is_usage=isinstance(error, UsageError))
    return _rendered(workspace, refs, batch)


def _rendered(workspace: Workspace, refs: Iterable[AppRef], batch: Batch) -> Made:
    try:
        results = each(refs, lambda ref: prepare(*current_release(workspace, ref, batch.now, batch.step)))
        stale = [result for result in results if not result.is_fresh]
        notes = _validated(workspace, stale) if batch.validate else ()
    except RollstepError as error:
        return Made(findings=error.findings, is_usage=isinstance(error, UsageError))
    planned = Planned()
    for result in stale:
        result.changes.stage(planned)
        planned.write(result.release.folder / STATUS_FILE, result.rendered.status_text)
    return Made(
        tuple((workspace.shown(path), text) for path, text in planned.files),
        (*notes, *(line for result in stale for line in _told(workspace, result))),
        tuple(entry_of(workspace, result) for result in results) if batch.output == "json" else (),
    )


def _validated(workspace: Workspace, stale: Sequence[RenderedRelease]) -> tuple[str, ...]:
    """Return the validator's notes; raise RollstepError with all that it refuses."""
    from renderer.operate import check_files

    # What a worker prints nobody reads.
    with redirect_stderr(StringIO()) as told:
        check_files(workspace, [(result.release, result.rendered) for result in stale])
    return tuple(told.getvalue().splitlines())


def _told(workspace: Workspace, result: RenderedRelease) -> Iterator[str]:
    for name in result.changes.edited:
        yield f"note: {workspace.shown(result.release.output / name)} had been edited by hand and is written anew"
    counts = {key: len(names) for key, names in result.changes.to_dict().items() if names and key != "edited"}
    told = ", ".join(f"{number} {key}" for key, number in counts.items())
    yield f"{result.release.title}: {workspace.shown(result.release.output)}: {told}"
