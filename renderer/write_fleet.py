"""``render`` for apps, written: a batch of apps at a time, here or elsewhere, and all of them at once (shell)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from itertools import islice

import click

from renderer import progress
from renderer.discover import AppRef
from renderer.errors import Finding, RollstepError, UsageError, each
from renderer.executors import check_executor, mapped
from renderer.rendered_app import RenderedApp, as_json
from renderer.shards import shared
from renderer.sources import STATUS_FILE
from renderer.transaction import Transaction
from renderer.workspace import Workspace, current_time, note_interrupted, recover_interrupted
from renderer.write import Planned
from renderer.write_release import RenderRequest, looking

AT_ONCE = 250
"""Apps that are rendered and validated before the next ones: what they take is all that a fleet takes."""
AT_ONCE_ELSEWHERE = 50
"""The same for a worker: so few that all have something to do."""


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
    refs = shared(workspace.some_apps(request.targets), request.shard)
    request = replace(request, now=request.now or current_time())
    transaction = Transaction(workspace.journal_root)
    lines: list[str] = []
    entries: list[dict[str, object]] = []
    findings: dict[Finding, None] = {}
    for made in _made(workspace, request, refs):
        if made.is_usage:
            raise UsageError(made.findings)
        findings.update(dict.fromkeys(made.findings))
        for path, text in made.files if not findings else ():
            target = f"{workspace.root}/{path}"
            if text is None:
                transaction.delete(target)
            else:
                transaction.write(target, text)
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


def _made(workspace: Workspace, request: RenderRequest, refs: Sequence[AppRef]) -> Iterator[Made]:
    if request.executor or request.jobs > 1:
        # A shard may have no app, and a batch without a target would be of all.
        starts = range(0, len(refs), AT_ONCE_ELSEWHERE)
        somes = [tuple(f"{ref.environment}/{ref.name}" for ref in refs[at : at + AT_ONCE_ELSEWHERE]) for at in starts]
        alone = replace(request, directory=os.path.abspath(request.directory), shard=None, jobs=1, executor="")
        batches = [replace(alone, targets=some) for some in somes]
        with progress.stage(f"rendering {len(refs):,} apps"):
            yield from mapped(render_batch, batches, request.executor, request.jobs)
        return
    queue = iter(progress.over(refs, "rendering app"))
    for _ in range(0, len(refs), AT_ONCE):
        yield _rendered(workspace, islice(queue, AT_ONCE), request)


def render_batch(request: RenderRequest) -> Made:
    """Render the apps that are named, in whatever process this is: it has the same repository at the same place."""
    try:
        workspace = Workspace.open(request.directory)
        refs = workspace.some_apps(request.targets)
    except RollstepError as error:
        return Made(findings=error.findings, is_usage=isinstance(error, UsageError))
    return _rendered(workspace, refs, request)


def _rendered(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest) -> Made:
    try:
        results = each(refs, looking(workspace, request))
        stale = [result for result in results if not result.is_fresh]
        notes = _validated(stale) if request.validate else ()
    except RollstepError as error:
        return Made(findings=error.findings, is_usage=isinstance(error, UsageError))
    planned, root = Planned(), f"{workspace.root}/"
    for result in stale:
        result.changes.stage(planned)
        planned.write(f"{result.home.ref.folder}/{STATUS_FILE}", result.status_text)
    return Made(
        tuple((path.removeprefix(root), text) for path, text in planned.files),
        (*notes, *(line for result in stale for line in _told(result))),
        tuple(result.entry() for result in results) if request.output == "json" else (),
    )


def _validated(stale: Sequence[RenderedApp]) -> tuple[str, ...]:
    """Return the validator's notes; raise RollstepError with all that it refuses."""
    from renderer.operate import check_files

    # What a worker prints nobody reads.
    with redirect_stderr(StringIO()) as told:
        check_files([(result.home, result.files) for result in stale])
    return tuple(told.getvalue().splitlines())


def _told(result: RenderedApp) -> Iterator[str]:
    home = result.home
    for name in result.changes.edited:
        yield f"note: {home.shown}/{name} had been edited by hand and is written anew"
    counts = {key: len(names) for key, names in result.changes.to_dict().items() if names and key != "edited"}
    told = ", ".join(f"{number} {key}" for key, number in counts.items())
    yield f"{home.title}: {home.shown}: {told}"
