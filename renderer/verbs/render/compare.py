"""``render --check`` and ``--dry-run``: compares the manifests of the current step with the folders."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding, RollstepError, map_valid, require
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.kubernetes.yaml.reader import read_text
from renderer.pipeline.load.discover import AppRef, Home, orphan_finding
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import load_state
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.write.journal import committed_paths, note_interrupted
from renderer.pipeline.write.rendered_app import RenderedApp, compare_with_folder
from renderer.verbs.apps.parallel import check_executor
from renderer.verbs.apps.shards import in_shard
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.cache.checks import up_to_date
from renderer.verbs.cache.renders import RenderCache
from renderer.verbs.render.batches import in_batches
from renderer.verbs.render.in_hook import committed_apps, in_commit, staleness
from renderer.verbs.render.request import Mode, RenderRequest
from renderer.verbs.reporter import Reporter

if TYPE_CHECKING:
    from renderer.pipeline.resolve.release import Release
    from renderer.verbs.render.waiting import WaitingRelease


class ComparedApp(Struct, frozen=True):
    """A rendered app, the release that waits to begin in its sources (None without one), and notes for the user."""

    app: RenderedApp
    waiting: WaitingRelease | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self, *, with_diff: bool) -> dict[str, object]:
        """Return the entry of the app as JSON-ready data."""
        version = self.waiting.version if self.waiting else None
        return {**self.app.to_dict(with_diff=with_diff), "waitingVersion": version, "notes": list(self.notes)}


def compare_releases(request: RenderRequest, reporter: Reporter) -> int:
    """Render every named app and print what would change; return the exit code, 1 if a check found a change.

    An app that cannot be rendered does not stop the others; RollstepError with the findings of all of them comes last.
    """
    check_executor(request.executor)
    workspace = Workspace.open(request.directory)
    note_interrupted(workspace.root, reporter.note)
    has_unknown_names = workspace.note_unknown_names(reporter.note)
    refs = committed_apps(workspace, in_shard(workspace.apps(request.targets), request.shard))
    with in_commit(workspace, request, refs) as request:
        return _compare_refs(workspace, request, refs, reporter, keep=not has_unknown_names)


def _compare_refs(
    workspace: Workspace, request: RenderRequest, refs: tuple[AppRef, ...], reporter: Reporter, *, keep: bool
) -> int:
    if request.mode is Mode.CHECK and request.output != "json":
        return _check(workspace, request, refs, reporter, keep=keep)
    found, findings = _compare(workspace, request, refs, "rendering app")
    stale = [compared.app for compared in found if not compared.app.is_up_to_date]
    orphans = _orphans(workspace, request, refs) if request.mode is Mode.CHECK else ()
    if request.output == "json":
        entries = [compared.to_dict(with_diff=True) for compared in found]
        reporter.out(to_json([*entries, *(_orphan_entry(workspace.home(ref)) for ref in orphans)]))
    else:
        for note in notes_of(found):
            reporter.note(note)
        for app in stale:
            reporter.out(app.diff())
    require(findings)
    return 1 if (stale or orphans) and request.mode is Mode.CHECK else 0


def _check(
    workspace: Workspace, request: RenderRequest, refs: tuple[AppRef, ...], reporter: Reporter, *, keep: bool
) -> int:
    """Compare each app whose files have changed since the last check; ``keep`` the answer for the next one."""
    from renderer.verbs.cache.index import Index

    is_whole = request.is_plain_check and committed_paths(workspace.journal_root) is None
    index = Index.open(workspace, request.targets) if is_whole else None
    changed = [ref for ref in refs if index is None or not index.is_unchanged(ref)]
    found, findings = _compare(workspace, request, changed, "checking app")
    stale = [compared.app for compared in found if not compared.app.is_up_to_date]
    waiting = [(compared.app.home, compared.waiting) for compared in found if compared.waiting]
    if request.validate and waiting:
        try:
            validate_apps([(home, release.files) for home, release in waiting], reporter.note, request.jobs)
        except RollstepError as error:
            findings += error.findings
    for note in notes_of(found):
        reporter.note(note)
    for home, release in waiting:
        reporter.note(release.text(home))
    orphans = [orphan_finding(workspace.home(ref)) for ref in _orphans(workspace, request, refs)]
    for app in stale:
        reporter.out(app.diff())
    for finding in (*(staleness(app, request) for app in stale), *orphans):
        reporter.note(f"error: {finding.text()}")
    if findings:
        raise RollstepError(findings)
    if not stale and not orphans:
        reporter.note(up_to_date(len(refs)))
    if index is not None and keep and not orphans:
        # A version that waits is noted at each check.
        noted = {compared.app.home.ref for compared in found}
        index.save(refs, [ref for ref in changed if ref not in noted])
    return 1 if stale or orphans else 0


def _orphan_entry(home: Home) -> dict[str, object]:
    """Return the entry of an orphan as JSON-ready data, with the keys of an app's."""
    found = orphan_finding(home)
    return {
        "app": home.ref.name,
        "environment": home.ref.environment,
        "output": home.output_path,
        "upToDate": False,
        "message": found.message,
        "hint": found.hint,
        "files": {},
        "statusChanged": False,
        "diff": "",
        "waitingVersion": None,
    }


def _orphans(workspace: Workspace, request: RenderRequest, refs: tuple[AppRef, ...]) -> tuple[AppRef, ...]:
    """Return the orphans that a check finds: those of the first shard, of several."""
    is_first = request.shard is None or request.shard.number == 1
    return workspace.orphans(request.targets, refs) if is_first else ()


def notes_of(found: Iterable[ComparedApp]) -> list[str]:
    """Return the notes about some apps as lines."""
    return [f"note: {note}" for compared in found for note in compared.notes]


ComparedApps = tuple[list[ComparedApp], tuple[Finding, ...]]
"""The rendered apps, and the findings of those that cannot be rendered."""


def _compare(workspace: Workspace, request: RenderRequest, refs: Iterable[AppRef], doing: str) -> ComparedApps:
    batches = list(in_batches(compare_apps, workspace, request.at(current_time()), tuple(refs), doing))
    found = [compared for apps, _ in batches for compared in apps]
    return found, tuple(finding for _, findings in batches for finding in findings)


def compare_apps(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest) -> ComparedApps:
    """Render apps and compare them with their folders; for text output return only those with something to show."""
    cache, is_json = request.open_cache(), request.output == "json"

    def shown(ref: AppRef) -> ComparedApp | None:
        found = compare_app(workspace, request, cache, ref)
        return found if is_json or found.waiting or found.notes or not found.app.is_up_to_date else None

    compared, findings = map_valid(refs, shown)
    return [found for found in compared if found is not None], findings


def compare_app(workspace: Workspace, request: RenderRequest, cache: RenderCache | None, ref: AppRef) -> ComparedApp:
    """Render an app, or find it in the ``cache``, and compare it with its folder.

    Raises RollstepError if the app cannot be rendered, or if a version that waits could not begin.
    """
    now = request.now or current_time()
    home = workspace.home(ref)
    if ref.target in request.earlier:
        return _compare_earlier(workspace, request, ref, now)
    key = cache.key(home) if cache and not _is_guarded(workspace, request, ref) else None
    kept = cache.find(key) if cache and key else None
    if kept is not None:
        return ComparedApp(compare_with_folder(home, kept.files, kept.status_text(format_time(now)), None))
    compared, moment = _render(workspace, request, ref, now)
    app = compared.app
    # The files may have changed after the key was computed: only an unchanged key describes the rendered content.
    has_runs = app.runs_text is not None or app.old_runs is not None
    if cache and key and moment is not None and not has_runs and cache.key(home) == key:
        cache.add(key, app.files, app.status_text, moment)
    return compared


def _is_guarded(workspace: Workspace, request: RenderRequest, ref: AppRef) -> bool:
    """Return whether a render may begin with an image in quarantine, which a cached one may have passed before."""
    if request.step is None and (ref.folder / STATUS_FILE).exists():
        return False
    from renderer.verbs.policy.quarantine import load_quarantine

    return bool(load_quarantine(workspace.root))


def _render(workspace: Workspace, request: RenderRequest, ref: AppRef, now: datetime) -> tuple[ComparedApp, str | None]:
    """Return the compared app, and ``render_time`` of it."""
    # Loads the engine, which a cached app does not need.
    from renderer.pipeline.resolve.commit_content import differs
    from renderer.pipeline.resolve.rendered_world import render_time, rendered_world
    from renderer.pipeline.write.moved_app import render_app
    from renderer.verbs.policy.quarantine import load_quarantine
    from renderer.verbs.render.waiting import begun_in_quarantine, waiting_release

    before = request.earlier.get(ref.target)
    release, world = rendered_world(workspace, ref, now, request.step, Path(before) if before else None)
    _, app = render_app(release, world, keep_time=not differs(release.world, world))
    if not before:
        require(_untrusted(release, is_check=request.mode is Mode.CHECK))
    listed = partial(load_quarantine, workspace.root)
    if request.mode is not Mode.DIFF and (release.state is None or request.step is not None):
        require(begun_in_quarantine(release, world, listed()))
    is_check = request.mode is Mode.CHECK
    waiting = waiting_release(release, listed, for_check=is_check) if request.step is None else None
    notes = tuple(note.text() for note in release.app.notes)
    return ComparedApp(app, waiting, notes), render_time(release, world) if waiting is None else None


def _untrusted(release: Release, *, is_check: bool) -> list[Finding]:
    """Return the findings about what a sync tool would read in the folder, and no render of the sources explains.

    A render without a check leaves files of others alone.
    """
    from renderer.pipeline.load.last_render import foreign_names, forged
    from renderer.pipeline.render.templates import is_overridden

    if release.last_render is None:
        return []
    message = "is in the folder that the sync tool reads, and rollstep did not render it"
    hint = "keep it elsewhere, or among the app's manifests"
    findings = [
        Finding(f"{release.home.output_path}/{name}", 0, 0, "", message, hint)
        for name in (foreign_names(release.output, release.last_render) if is_check else ())
    ]
    # A template of the user's may add to the pods.
    if not is_overridden("replicaset.yaml.j2", release.app.settings.templates):
        findings += forged(release.last_render, release.state)
    return findings


def _compare_earlier(workspace: Workspace, request: RenderRequest, ref: AppRef, now: datetime) -> ComparedApp:
    """Render an app from the status of an earlier commit, at the time of its present status where that is right."""
    status_file = ref.folder / STATUS_FILE
    if status_file.is_file():
        shown = workspace.display_path(status_file)
        state = load_state(read_text(status_file, shown), shown)
        compared, _ = _render(workspace, request, ref, state.last_update_time)
        if compared.app.is_up_to_date:
            return compared
    return _render(workspace, request, ref, now)[0]
