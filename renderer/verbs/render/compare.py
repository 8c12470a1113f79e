"""``render --check`` and ``--dry-run``: compares the manifests of the current step with the folders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from renderer.errors import Finding, RollstepError, map_valid, require
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.write.journal import note_interrupted
from renderer.pipeline.write.rendered_app import RenderedApp, compare_with_folder
from renderer.verbs.apps.parallel import check_executor
from renderer.verbs.apps.shards import in_shard
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.cache.checks import up_to_date
from renderer.verbs.cache.renders import RenderCache
from renderer.verbs.render.batches import in_batches
from renderer.verbs.render.request import Mode, RenderRequest
from renderer.verbs.reporter import Reporter

if TYPE_CHECKING:
    from renderer.verbs.render.waiting import WaitingRelease


class ComparedApp(Struct, frozen=True):
    """A rendered app, and the release that waits to begin in its sources; None without one."""

    app: RenderedApp
    waiting: WaitingRelease | None = None

    def to_dict(self, *, with_diff: bool) -> dict[str, object]:
        """Return the entry of the app as JSON-ready data."""
        version = self.waiting.version if self.waiting else None
        return {**self.app.to_dict(with_diff=with_diff), "waitingVersion": version}


def compare_releases(request: RenderRequest, reporter: Reporter) -> int:
    """Render every named app and print what would change; return the exit code, 1 if a check found a change.

    An app that cannot be rendered does not stop the others; RollstepError with the findings of all of them comes last.
    """
    check_executor(request.executor)
    workspace = Workspace.open(request.directory)
    note_interrupted(workspace.root, reporter.note)
    has_unknown_names = workspace.note_unknown_names(reporter.note)
    refs = in_shard(workspace.apps(request.targets), request.shard)
    if request.mode is Mode.CHECK and request.output != "json":
        return _check(workspace, request, refs, reporter, keep=not has_unknown_names)
    found, findings = _compare(workspace, request, refs, "rendering app")
    stale = [compared.app for compared in found if not compared.app.is_up_to_date]
    if request.output == "json":
        reporter.out(to_json([compared.to_dict(with_diff=True) for compared in found]))
    else:
        for app in stale:
            reporter.out(app.diff())
    require(findings)
    return 1 if stale and request.mode is Mode.CHECK else 0


def _check(
    workspace: Workspace, request: RenderRequest, refs: tuple[AppRef, ...], reporter: Reporter, *, keep: bool
) -> int:
    """Compare each app whose files have changed since the last check; ``keep`` the answer for the next one."""
    from renderer.verbs.cache.index import Index

    index = Index.open(workspace, request.targets) if request.is_plain_check else None
    changed = [ref for ref in refs if index is None or not index.is_unchanged(ref)]
    found, findings = _compare(workspace, request, changed, "checking app")
    stale = [compared.app for compared in found if not compared.app.is_up_to_date]
    waiting = [(compared.app.home, compared.waiting) for compared in found if compared.waiting]
    if request.validate and waiting:
        try:
            validate_apps([(home, release.files) for home, release in waiting], reporter.note, request.jobs)
        except RollstepError as error:
            findings += error.findings
    for home, release in waiting:
        reporter.note(release.text(home))
    for app in stale:
        reporter.out(app.diff())
    for app in stale:
        reporter.note(f"error: {app.staleness().text()}")
    if findings:
        raise RollstepError(findings)
    if not stale:
        reporter.note(up_to_date(len(refs)))
    if index is not None and keep:
        # A version that waits is noted at each check.
        noted = {compared.app.home.ref for compared in found}
        index.save(refs, [ref for ref in changed if ref not in noted])
    return 1 if stale else 0


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
        return found if is_json or found.waiting or not found.app.is_up_to_date else None

    compared, findings = map_valid(refs, shown)
    return [found for found in compared if found is not None], findings


def compare_app(workspace: Workspace, request: RenderRequest, cache: RenderCache | None, ref: AppRef) -> ComparedApp:
    """Render an app, or find it in the ``cache``, and compare it with its folder.

    Raises RollstepError if the app cannot be rendered, or if a version that waits could not begin.
    """
    now = request.now or current_time()
    home = workspace.home(ref)
    key = cache.key(home) if cache else None
    kept = cache.find(key) if cache and key else None
    if kept is not None:
        return ComparedApp(compare_with_folder(home, kept.files, kept.status_text(format_time(now))))
    # Loads the engine, which a cached app does not need.
    from renderer.pipeline.resolve.commit_content import differs
    from renderer.pipeline.resolve.rendered_world import render_time, rendered_world
    from renderer.pipeline.write.moved_app import render_app
    from renderer.verbs.render.waiting import waiting_release

    release, world = rendered_world(workspace, ref, now, request.step)
    _, app = render_app(release, world, keep_time=not differs(release.world, world))
    waiting = waiting_release(release, for_check=request.mode is Mode.CHECK) if request.step is None else None
    moment = render_time(release, world) if waiting is None else None
    # The files may have changed after the key was computed: only an unchanged key describes the rendered content.
    if cache and key and moment is not None and cache.key(home) == key:
        cache.add(key, app.files, app.status_text, moment)
    return ComparedApp(app, waiting)
