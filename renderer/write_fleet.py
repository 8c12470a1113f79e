"""``render`` for apps, written: a batch of apps at a time, here or elsewhere, and all of them at once (shell)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from msgspec import Struct

from renderer import progress
from renderer.batches import in_batches
from renderer.discover import AppRef
from renderer.errors import each
from renderer.executors import check_executor
from renderer.rendered_app import RenderedApp, as_json
from renderer.request import RenderRequest
from renderer.shards import shared
from renderer.sources import STATUS_FILE
from renderer.transaction import Transaction
from renderer.workspace import Workspace, current_time, note_interrupted, recover_interrupted
from renderer.write import Planned
from renderer.write_release import looking


class Made(Struct, frozen=True):
    """What came of some apps: files to write (None: to delete), lines and entries to tell."""

    files: tuple[tuple[str, str | None], ...] = ()
    lines: tuple[str, ...] = ()
    entries: tuple[dict[str, object], ...] = ()


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
    request = request.at(current_time())
    transaction = Transaction(workspace.journal_root)
    lines: list[str] = []
    entries: list[dict[str, object]] = []
    for made in in_batches(render_apps, workspace, request, refs, "rendering app"):
        for path, text in made.files:
            target = f"{workspace.root}/{path}"
            if text is None:
                transaction.delete(target)
            else:
                transaction.write(target, text)
        lines += made.lines
        entries += made.entries
    with progress.stage("writing"):
        transaction.commit()
    if request.output == "json":
        click.echo(as_json(entries), nl=False)
    for line in lines:
        click.echo(line, err=True)
    return 0


def render_apps(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest) -> Made:
    """Render apps and return what is to be written; raise RollstepError with the findings of all of them."""
    results = each(refs, looking(workspace, request))
    stale = [result for result in results if not result.is_fresh]
    notes: list[str] = []
    if request.validate:
        from renderer.validate import check_files

        check_files([(result.home, result.files) for result in stale], notes.append, request.jobs)
    planned, root = Planned(), f"{workspace.root}/"
    for result in stale:
        result.changes.stage(planned)
        planned.write(f"{result.home.ref.folder}/{STATUS_FILE}", result.status_text)
    return Made(
        tuple((path.removeprefix(root), text) for path, text in planned.files),
        (*notes, *(line for result in stale for line in _told(result))),
        tuple(result.entry() for result in results) if request.output == "json" else (),
    )


def _told(result: RenderedApp) -> Iterator[str]:
    home = result.home
    for name in result.changes.edited:
        yield f"note: {home.shown}/{name} had been edited by hand and is written anew"
    counts = {key: len(names) for key, names in result.changes.to_dict().items() if names and key != "edited"}
    told = ", ".join(f"{number} {key}" for key, number in counts.items())
    yield f"{home.title}: {home.shown}: {told}"
