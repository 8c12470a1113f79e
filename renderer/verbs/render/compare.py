"""`render --check` and `--dry-run`: compares the manifests of the current step with the folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from renderer.errors import map_all
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.write.rendered_app import RenderedApp, compare_with_folder
from renderer.verbs.apps.open import note_interrupted
from renderer.verbs.apps.parallel import check_executor
from renderer.verbs.apps.shards import shared
from renderer.verbs.cache.checks import up_to_date
from renderer.verbs.cache.renders import RenderCache
from renderer.verbs.render.batches import in_batches
from renderer.verbs.render.request import Mode, RenderRequest
from renderer.verbs.reporter import Reporter


def compare_releases(request: RenderRequest, reporter: Reporter) -> int:
    """Render every named app and print what would change; return the exit code, 1 where a check found a change.

    Raises RollstepError with the findings of all apps.
    """
    check_executor(request.executor)
    workspace = Workspace.open(request.directory)
    if request.mode is Mode.CHECK and request.output != "json":
        return _check(workspace, request, reporter)
    note_interrupted(workspace.root)
    refs = shared(workspace.apps(request.targets), request.shard)
    results = list(chain(*in_batches(look_at, workspace, request.at(current_time()), refs, "rendering app")))
    stale = [result for result in results if not result.is_up_to_date]
    if request.output == "json":
        reporter.out(to_json([result.to_dict(with_diff=True) for result in results]))
    else:
        for result in stale:
            reporter.out(result.diff())
    return 1 if stale and request.mode is Mode.CHECK else 0


def _check(workspace: Workspace, request: RenderRequest, reporter: Reporter) -> int:
    """Compare each app with its folder, but for those that no change has touched since the last check."""
    from renderer.verbs.cache.index import Index

    note_interrupted(workspace.root)
    refs = shared(workspace.apps(request.targets), request.shard)
    index = Index.open(workspace, request.targets) if request.is_plain_check else None
    left = [ref for ref in refs if index is None or not index.is_unchanged(ref)]
    stale = list(chain(*in_batches(look_at, workspace, request.at(current_time()), left, "checking app")))
    for result in stale:
        reporter.out(result.diff())
    for result in stale:
        reporter.note(f"error: {result.staleness().text()}")
    if not stale:
        reporter.note(up_to_date(len(refs)))
    if index is not None:
        wrong = {result.home.ref for result in stale}
        index.save(refs, [ref for ref in left if ref not in wrong])
    return 1 if stale else 0


def look_at(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest) -> list[RenderedApp]:
    """Render apps and compare them with their folders; for text output only those that differ are returned."""
    look, is_json = looking(workspace, request), request.output == "json"

    def look_for_wrong(ref: AppRef) -> RenderedApp | None:
        result = look(ref)
        return result if is_json or not result.is_up_to_date else None

    return [result for result in map_all(refs, look_for_wrong) if result is not None]


def looking(workspace: Workspace, request: RenderRequest) -> Callable[[AppRef], RenderedApp]:
    """Return the function that renders an app, or finds it in the cache, and compares it with its folder."""
    now = request.now or current_time()
    kept_renders = RenderCache.open(request.step) if request.keeps else None

    def look(ref: AppRef) -> RenderedApp:
        home = workspace.home(ref)
        key = kept_renders.key(home) if kept_renders else None
        kept = kept_renders.find(key) if kept_renders and key else None
        if kept is not None:
            return compare_with_folder(home, kept.files, kept.status_text(format_time(now)))
        # Loads the engine, which nobody needs for what is kept.
        from renderer.pipeline.resolve.commit_content import moved
        from renderer.pipeline.resolve.current_step import current_release, moment_of
        from renderer.pipeline.write.rendered_app import render_app

        release, world = current_release(workspace, ref, now, request.step)
        _, result = render_app(release, world, keep_time=not moved(release.world, world))
        moment = moment_of(release, world)
        # What was read may have changed since the key was made: only what has the same key still was made from it.
        if kept_renders and key and moment is not None and kept_renders.key(home) == key:
            kept_renders.add(key, result.files, result.status_text, moment)
        return result

    return look
