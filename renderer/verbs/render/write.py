"""``render`` for apps, written: a batch of apps at a time, here or elsewhere, and all of them at once (shell)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from msgspec import Struct

from renderer.errors import map_all
from renderer.kubernetes.printing import to_json
from renderer.pipeline.commit.recovery import note_interrupted, recover_interrupted
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.write.new_files import Ahead, write_ahead
from renderer.pipeline.write.output_folder import Planned
from renderer.pipeline.write.prepared import RenderedApp
from renderer.pipeline.write.spool import PlannedFile
from renderer.pipeline.write.transaction import Transaction
from renderer.verbs import progress
from renderer.verbs.apps.executors import check_executor
from renderer.verbs.apps.parallel import in_batches
from renderer.verbs.apps.shards import shared
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.render.compare import looking
from renderer.verbs.render.request import RenderRequest


class Made(Struct, frozen=True):
    """What came of some apps: the files that are planned, by their path below the root, lines and entries to tell."""

    files: tuple[PlannedFile, ...] = ()
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
    lines: list[str] = []
    entries: list[dict[str, object]] = []
    with Ahead(workspace.journal_root) as ahead:
        transaction = Transaction(workspace.journal_root, ahead)
        for made in in_batches(render_apps, workspace, request, refs, "rendering app", ahead):
            transaction.plan(made.files, str(workspace.root))
            lines += made.lines
            entries += made.entries
        with progress.stage("writing"):
            transaction.commit()
    if request.output == "json":
        click.echo(to_json(entries), nl=False)
    for line in lines:
        click.echo(line, err=True)
    return 0


def render_apps(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest, folder: str = "") -> Made:
    """Render apps and return what is to be written; raise RollstepError with the findings of all of them.

    With a ``folder`` new files are written ahead to it.
    """
    results = map_all(refs, looking(workspace, request))
    stale = [result for result in results if not result.is_fresh]
    notes: list[str] = []
    if request.validate:
        validate_apps([(result.home, result.files) for result in stale], notes.append, request.jobs)
    planned, root, unchanged = Planned(), f"{workspace.root}/", set[str]()
    for result in stale:
        result.changes.stage(planned)
        status_file = f"{result.home.ref.folder}/{STATUS_FILE}"
        planned.write(status_file, result.status_text)
        unchanged.update(result.changes.kept())
        if result.status_text == result.old_status:
            unchanged.add(status_file)
    files = write_ahead(folder, planned.files, unchanged) if folder else planned.files
    return Made(
        tuple((path.removeprefix(root), content) for path, content in files),
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
