"""``render`` for apps: the current step's manifests as they are to be, compared with the folder (shell)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import click

from renderer.errors import map_all
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.pipeline.commit.recovery import note_interrupted
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.write.prepared import RenderedApp, compared
from renderer.verbs.apps.executors import check_executor
from renderer.verbs.apps.parallel import in_batches
from renderer.verbs.apps.shards import shared
from renderer.verbs.cache.answers import CHECK
from renderer.verbs.cache.renders import RenderCache
from renderer.verbs.render.request import Mode, RenderRequest


def compare_releases(request: RenderRequest) -> int:
    """Render every app that is named and tell what would change; return the exit code: 1 where a check found that.

    Raises RollstepError with the findings of all apps.
    """
    check_executor(request.executor)
    workspace = Workspace.open(request.directory)
    if request.mode is Mode.CHECK and request.output != "json":
        return _check(workspace, request)
    note_interrupted(workspace.root)
    refs = shared(workspace.some_apps(request.targets), request.shard)
    results = list(chain(*in_batches(look_at, workspace, request.at(current_time()), refs, "rendering app")))
    stale = [result for result in results if not result.is_fresh]
    if request.output == "json":
        click.echo(to_json([result.entry(with_diff=True) for result in results]), nl=False)
    else:
        for result in stale:
            click.echo(result.diff(), nl=False)
    return 1 if stale and request.mode is Mode.CHECK else 0


def _check(workspace: Workspace, request: RenderRequest) -> int:
    """Compare each app with its folder; those of which nothing has changed since they were found right are left out."""
    from renderer.verbs.cache.index import Memory

    note_interrupted(workspace.root)
    refs = shared(workspace.some_apps(request.targets), request.shard)
    remembers = request.step is None and request.now is None and request.shard is None and request.keeps
    memory = Memory.open(workspace, CHECK, request.targets).with_fresh() if remembers else None
    left = [ref for ref in refs if memory is None or not memory.is_fresh(ref)]
    stale = list(chain(*in_batches(look_at, workspace, request.at(current_time()), left, "checking app")))
    _tell_stale(stale)
    answer = f"{len(refs)} {'app is' if len(refs) == 1 else 'apps are'} up to date"
    if not stale:
        click.echo(answer, err=True)
    if memory is not None:
        wrong = {result.home.ref for result in stale}
        memory.keep(refs, [ref for ref in left if ref not in wrong], (0, "", f"{answer}\n"))
    return 1 if stale else 0


def look_at(workspace: Workspace, refs: Iterable[AppRef], request: RenderRequest) -> list[RenderedApp]:
    """Return the apps as they are rendered; for text those alone that differ from their folders.

    What is right needs no report, and a fleet has thousands of it.
    """
    look, is_json = looking(workspace, request), request.output == "json"

    def look_for_wrong(ref: AppRef) -> RenderedApp | None:
        result = look(ref)
        return result if is_json or not result.is_fresh else None

    return [result for result in map_all(refs, look_for_wrong) if result is not None]


def looking(workspace: Workspace, request: RenderRequest) -> Callable[[AppRef], RenderedApp]:
    """Return what renders an app as ``request`` asks for it, or finds what was rendered of the same content before."""
    now = request.now or current_time()
    kept_renders = RenderCache.open(request.step) if request.keeps else None

    def look(ref: AppRef) -> RenderedApp:
        home = workspace.home(ref)
        key = kept_renders.key(home) if kept_renders else None
        kept = kept_renders.find(key) if kept_renders and key else None
        if kept is not None:
            return compared(home, kept.files, kept.status_text(format_time(now)))
        # Loads the engine, which nobody needs for what is kept.
        from renderer.pipeline.resolve.current_step import current_release, moment_of
        from renderer.pipeline.write.prepared import prepare

        release, world = current_release(workspace, ref, now, request.step)
        result, moment = prepare(release, world), moment_of(release, world)
        # What was read may have changed since the key was made: only what has the same key still was made from it.
        if kept_renders and key and moment is not None and kept_renders.key(home) == key:
            kept_renders.keep(key, result.files, result.status_text, moment)
        return result

    return look


def _tell_stale(stale: Sequence[RenderedApp]) -> None:
    for result in stale:
        click.echo(result.diff(), nl=False)
    for result in stale:
        click.echo(f"error: {result.staleness().text()}", err=True)
