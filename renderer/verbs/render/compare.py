"""``render --check`` and ``--dry-run``: compares the manifests of the current step with the folders."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from renderer.errors import map_all
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.write.journal import note_interrupted
from renderer.pipeline.write.rendered_app import RenderedApp, compare_with_folder
from renderer.verbs.apps.parallel import check_executor
from renderer.verbs.apps.shards import in_shard
from renderer.verbs.cache.checks import up_to_date
from renderer.verbs.cache.renders import RenderCache
from renderer.verbs.render.batches import in_batches
from renderer.verbs.render.request import Mode, RenderRequest
from renderer.verbs.reporter import Reporter


def compare_releases(request: RenderRequest, reporter: Reporter) -> int:
    """Render every named app and print what would change; return the exit code, 1 if a check found a change.

    Raises RollstepError with the findings of all apps.
    """
    check_executor(request.executor)
    workspace = Workspace.open(request.directory)
    note_interrupted(workspace.root, reporter.note)
    refs = in_shard(workspace.apps(request.targets), request.shard)
    if request.mode is Mode.CHECK and request.output != "json":
        return _check(workspace, request, refs, reporter)
    apps = _compare(workspace, request, refs, "rendering app")
    stale = [app for app in apps if not app.is_up_to_date]
    if request.output == "json":
        reporter.out(to_json([app.to_dict(with_diff=True) for app in apps]))
    else:
        for app in stale:
            reporter.out(app.diff())
    return 1 if stale and request.mode is Mode.CHECK else 0


def _check(workspace: Workspace, request: RenderRequest, refs: tuple[AppRef, ...], reporter: Reporter) -> int:
    """Compare each app whose files have changed since the last check."""
    from renderer.verbs.cache.index import Index

    index = Index.open(workspace, request.targets) if request.is_plain_check else None
    changed = [ref for ref in refs if index is None or not index.is_unchanged(ref)]
    stale = _compare(workspace, request, changed, "checking app")
    for app in stale:
        reporter.out(app.diff())
    for app in stale:
        reporter.note(f"error: {app.staleness().text()}")
    if not stale:
        reporter.note(up_to_date(len(refs)))
    if index is not None:
        wrong = {app.home.ref for app in stale}
        index.save(refs, [ref for ref in changed if ref not in wrong])
    return 1 if stale else 0


def _compare(workspace: Workspace, request: RenderRequest, refs: Iterable[AppRef], doing: str) -> list[RenderedApp]:
    return list(chain(*in_batches(compare_apps, workspace, request.at(current_time()), tuple(refs), doing)))


def compare_apps(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest) -> list[RenderedApp]:
    """Render apps and compare them with their folders; for text output return only those that differ."""
    cache, is_json = request.open_cache(), request.output == "json"

    def stale_app(ref: AppRef) -> RenderedApp | None:
        app = compare_app(workspace, request, cache, ref)
        return app if is_json or not app.is_up_to_date else None

    return [app for app in map_all(refs, stale_app) if app is not None]


def compare_app(workspace: Workspace, request: RenderRequest, cache: RenderCache | None, ref: AppRef) -> RenderedApp:
    """Render an app, or find it in the ``cache``, and compare it with its folder."""
    now = request.now or current_time()
    home = workspace.home(ref)
    key = cache.key(home) if cache else None
    kept = cache.find(key) if cache and key else None
    if kept is not None:
        return compare_with_folder(home, kept.files, kept.status_text(format_time(now)))
    # Loads the engine, which a cached app does not need.
    from renderer.pipeline.resolve.commit_content import differs
    from renderer.pipeline.resolve.rendered_world import render_time, rendered_world
    from renderer.pipeline.write.moved_app import render_app

    release, world = rendered_world(workspace, ref, now, request.step)
    _, app = render_app(release, world, keep_time=not differs(release.world, world))
    moment = render_time(release, world)
    # The files may have changed after the key was computed: only an unchanged key describes the rendered content.
    if cache and key and moment is not None and cache.key(home) == key:
        cache.add(key, app.files, app.status_text, moment)
    return app
