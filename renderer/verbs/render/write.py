"""``render``: writes the manifests of the current step, a batch of apps at a time, all of them or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import map_all
from renderer.kubernetes.printing import to_json
from renderer.pipeline.commit.recovery import recover_interrupted
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.write.journal import committed_paths, note_interrupted
from renderer.pipeline.write.new_files import NewFiles, PlannedFile, write_new_files
from renderer.pipeline.write.rendered_app import RenderedApp
from renderer.pipeline.write.transaction import Transaction
from renderer.verbs import progress
from renderer.verbs.apps.parallel import check_executor
from renderer.verbs.apps.shards import in_shard
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.render.batches import in_batches
from renderer.verbs.render.compare import ComparedApp, compare_app, compare_releases, notes_of
from renderer.verbs.render.in_hook import in_commit
from renderer.verbs.render.request import Mode, RenderRequest
from renderer.verbs.reporter import Reporter


class WrittenApps(Struct, frozen=True):
    """The files to write for some apps, and their report; paths are relative to the root.

    Processes send it to each other.
    """

    planned: tuple[PlannedFile, ...] = ()
    kept: frozenset[str] = frozenset()
    lines: tuple[str, ...] = ()
    entries: tuple[dict[str, object], ...] = ()


def write_releases(request: RenderRequest, reporter: Reporter) -> int:
    """Render every named app and write what changes, everything or nothing; return the exit code.

    In a hook of rollstep's own commit, whose files are written, it only compares.  Raises RollstepError with the
    findings of all apps; nothing is written then.
    """
    check_executor(request.executor)
    workspace = Workspace.open(request.directory)
    if committed_paths(workspace.journal_root) is not None:
        return compare_releases(replace(request, mode=Mode.CHECK), reporter)
    for line in recover_interrupted(workspace.root):
        reporter.note(line)
    note_interrupted(workspace.root, reporter.note)
    workspace.note_unknown_names(reporter.note)
    refs = in_shard(workspace.apps(request.targets), request.shard)
    request = request.at(current_time())
    lines: list[str] = []
    entries: list[dict[str, object]] = []
    with in_commit(workspace, request, refs) as request, NewFiles(workspace.journal_root) as new_files:
        transaction = Transaction(new_files)
        for written in in_batches(render_apps, workspace, request, refs, "rendering app", new_files):
            transaction.plan(written.planned, written.kept, str(workspace.root))
            lines += written.lines
            entries += written.entries
        with progress.stage("writing"):
            transaction.commit()
    if request.output == "json":
        reporter.out(to_json(entries))
    for line in lines:
        reporter.note(line)
    return 0


def render_apps(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest, folder: str = "") -> WrittenApps:
    """Render apps and return what to write; raise RollstepError with the findings of all of them.

    With a ``folder``, new files are written there.
    """
    found = map_all(refs, partial(compare_app, workspace, request, request.open_cache()))
    apps = [compared.app for compared in found]
    stale = [app for app in apps if not app.is_up_to_date]
    notes: list[str] = []
    if request.validate:
        validate_apps([(app.home, app.files) for app in stale], notes.append, request.jobs)
    planned: list[PlannedFile] = [file for app in stale for file in app.planned]
    kept = {path for app in stale for path in app.unchanged}
    root = f"{workspace.root}/"
    files = write_new_files(folder, planned, kept) if folder else planned
    return WrittenApps(
        tuple((path.removeprefix(root), content) for path, content in files),
        frozenset(kept),
        (*notes, *notes_of(found), *(line for app in stale for line in _lines(app)), *_waiting_lines(found)),
        tuple(compared.to_dict(with_diff=False) for compared in found) if request.output == "json" else (),
    )


def _waiting_lines(found: Iterable[ComparedApp]) -> Iterator[str]:
    return (compared.waiting.text(compared.app.home) for compared in found if compared.waiting is not None)


def _lines(app: RenderedApp) -> Iterator[str]:
    home = app.home
    yield from (f"note: {line}" for line in app.changes.edit_notes(home.output_path))
    counts = {key: len(names) for key, names in app.changes.to_dict().items() if names and key != "edited"}
    numbers = ", ".join(f"{number} {key}" for key, number in counts.items())
    yield f"{home.title}: {home.output_path}: {numbers}"
