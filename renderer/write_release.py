"""``render`` for apps: the current step's manifests to the folder, to stdout, or compared with it (shell)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import click

from renderer import progress
from renderer.check_memory import CheckMemory
from renderer.committed import moved
from renderer.discover import AppRef, Home
from renderer.engine import settle
from renderer.errors import UsageError, each
from renderer.model import World, format_time
from renderer.release import Move, at_step, react, steps_of
from renderer.render_cache import RenderCache
from renderer.rendered_app import RenderedApp, as_json, old_status
from renderer.shards import Shard, shared
from renderer.workspace import (
    Release,
    Workspace,
    current_time,
    note_interrupted,
    open_release,
    plan_changes,
    render_release,
)
from renderer.write import Mode


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What the command line asked for."""

    directory: str
    targets: tuple[str, ...]
    step: int | None
    mode: Mode
    validate: bool
    now: datetime | None
    output: str = "yaml"
    shard: Shard | None = None
    jobs: int = 1
    executor: str = ""
    keeps: bool = True
    """Whether what was rendered is kept, and what is kept is used."""


def compare_releases(request: RenderRequest) -> int:
    """Render every app that is named and tell what would change; return the exit code: 1 where a check found that.

    Raises RollstepError with the findings of all apps.
    """
    workspace = Workspace.open(request.directory)
    if request.mode is Mode.CHECK and request.output != "json":
        return _check(workspace, request)
    note_interrupted(workspace.root)
    refs = progress.over(shared(workspace.some_apps(request.targets), request.shard), "rendering app")
    look = looking(workspace, request)
    results = each(refs, look)
    stale = [result for result in results if not result.is_fresh]
    if request.output == "json":
        click.echo(as_json([result.entry(with_diff=True) for result in results]), nl=False)
    else:
        for result in stale:
            click.echo(result.diff(), nl=False)
    return 1 if stale and request.mode is Mode.CHECK else 0


def _check(workspace: Workspace, request: RenderRequest) -> int:
    """Compare each app with its folder; those of which nothing has changed since they were found right are left out."""
    note_interrupted(workspace.root)
    refs = shared(workspace.some_apps(request.targets), request.shard)
    remembers = request.step is None and request.now is None and request.shard is None and request.keeps
    memory = CheckMemory.open(workspace, request.targets) if remembers else None
    look = looking(workspace, request)

    def look_for_wrong(ref: AppRef) -> RenderedApp | None:
        # What is right needs no report, and a fleet has thousands of it.
        result = look(ref)
        return result if not result.is_fresh else None

    left = [ref for ref in refs if memory is None or not memory.is_fresh(ref)]
    stale = [result for result in each(progress.over(left, "checking app"), look_for_wrong) if result is not None]
    _tell_stale(stale)
    answer = f"{len(refs)} {'app is' if len(refs) == 1 else 'apps are'} up to date"
    if not stale:
        click.echo(answer, err=True)
    if memory is not None:
        wrong = {result.home.ref for result in stale}
        memory.keep(refs, [ref for ref in left if ref not in wrong], (0, "", f"{answer}\n"))
    return 1 if stale else 0


def looking(workspace: Workspace, request: RenderRequest) -> Callable[[AppRef], RenderedApp]:
    """Return what renders an app as ``request`` asks for it, or finds what was rendered of the same content before."""
    now = request.now or current_time()
    kept_renders = RenderCache.open(request.step) if request.keeps else None

    def look(ref: AppRef) -> RenderedApp:
        home = workspace.home(ref)
        key = kept_renders.key(home) if kept_renders else None
        kept = kept_renders.find(key) if kept_renders and key else None
        if kept is not None:
            return _compared(home, kept.files, kept.status_text(format_time(now)))
        release, world = current_release(workspace, ref, now, request.step)
        result, moment = prepare(release, world), _moment(release, world)
        # What was read may have changed since the key was made: only what has the same key still was made from it.
        if kept_renders and key and moment is not None and kept_renders.key(home) == key:
            kept_renders.keep(key, result.files, result.status_text, moment)
        return result

    return look


def rendered_worlds(
    workspace: Workspace,
    targets: Sequence[str],
    step: int | None,
    now: datetime | None,
    shard: Shard | None = None,
) -> list[tuple[Release, World]]:
    """Return each named release with the world that is to be rendered; raise RollstepError with all findings."""
    note_interrupted(workspace.root)
    refs = progress.over(shared(workspace.some_apps(targets), shard), "reading app")
    return each(refs, lambda ref: current_release(workspace, ref, now, step))


def current_release(
    workspace: Workspace, ref: AppRef, now: datetime | None = None, step: int | None = None
) -> tuple[Release, World]:
    """Load an app and return it with the world that its sources and its status give, at ``step`` where that is named.

    What is rendered for a step does not depend on when that is done: the clock stands where the release last moved,
    until a new pod template or new steps begin something new.
    """
    release = open_release(workspace, ref, now or current_time())
    if release.state is not None:
        then = replace(release.world, now=release.state.last_update_time)
        settled = _move(then, step).after
        if not _begins(release, settled):
            return release, settled
    return release, _move(release.world, step).after


def _move(world: World, step: int | None) -> Move:
    if step is None:
        return react(world)
    steps = steps_of(world)
    if not steps:
        raise UsageError(f"{world.rollout.name} has no steps: --step is for canaries with steps")
    if step > len(steps):
        place = world.rollout.name
        raise UsageError(f"{place} has {len(steps)} steps: --step takes 0 to {len(steps)}")
    if not world.status.stable_rs:
        return react(world)
    begun = settle(world, hold_step=world.status.current_step_index or 0)
    return replace(at_step(begun.world, step), before=world)


def _begins(release: Release, world: World) -> bool:
    """Tell whether ``world``, which ``release`` has come to, is the first of a new release or of new steps."""
    if release.state is None:
        return True
    before, after = release.state.status, world.status
    return (before.current_pod_hash, before.current_step_hash) != (after.current_pod_hash, after.current_step_hash)


def _moment(release: Release, world: World) -> str | None:
    """Return the only time that what is rendered depends on, empty for none; None where it depends on several."""
    if not _begins(release, world):
        return ""
    if release.state is not None or world.rollout.restart_at is not None:
        return None
    return format_time(world.now)


def prepare(release: Release, world: World) -> RenderedApp:
    """Render ``world``, which ``release`` has come to, and compare it with the folder."""
    rendered = render_release(release, world, keep_time=not moved(release.world, world))
    begins, old = rendered.state.status.current_pod_hash, release.state
    is_new = old is not None and old.status.current_pod_hash != begins
    return _compared(release.home, rendered.files, rendered.status_text, begins if is_new else "")


def _compared(home: Home, files: Mapping[str, str], status_text: str, begins: str = "") -> RenderedApp:
    return RenderedApp(home, files, status_text, plan_changes(home, files), old_status(home.ref), begins)


def _tell_stale(stale: Sequence[RenderedApp]) -> None:
    for result in stale:
        click.echo(result.diff(), nl=False)
    for result in stale:
        click.echo(f"error: {result.staleness().text()}", err=True)


def print_releases(
    directory: str,
    targets: tuple[str, ...],
    step: int | None,
    output: str,
    now: datetime | None,
    shard: Shard | None = None,
) -> str:
    """Return the manifests of the named apps as one stream of YAML documents or one JSON List."""
    files: dict[str, str] = {}
    for release, world in rendered_worlds(Workspace.open(directory), targets, step, now, shard):
        rendered = render_release(release, world)
        files.update((f"{release.title}/{name}", text) for name, text in rendered.files.items())
    return stream(files, output)


def stream(files: Mapping[str, str], output: str) -> str:
    """Return rendered files, the kustomizations left out, as one YAML stream or as one JSON List."""
    texts = [text for name, text in files.items() if not name.endswith("kustomization.yaml")]
    if output == "yaml":
        return "".join(f"---\n{text}" for text in texts)
    import json

    from renderer.yaml_io import load_documents

    items = [document.value for text in texts for document in load_documents(text, "")]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2, ensure_ascii=False) + "\n"
