"""``render`` for apps: the current step's manifests to the folder, to stdout, or compared with it (shell)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import click

from renderer import progress
from renderer.check_memory import CheckMemory
from renderer.committed import moved
from renderer.discover import AppRef
from renderer.engine import settle
from renderer.errors import Finding, UsageError, each
from renderer.model import World
from renderer.release import Move, at_step, react, steps_of
from renderer.shards import Shard, shared
from renderer.state import STATUS_FILE
from renderer.workspace import (
    Release,
    Rendered,
    Workspace,
    current_time,
    note_interrupted,
    open_release,
    plan_changes,
    render_release,
)
from renderer.write import Changes, Mode, diff, unified


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


@dataclass(frozen=True, slots=True)
class RenderedRelease:
    """A release rendered at a step, and what that changes in its folder."""

    release: Release
    rendered: Rendered
    changes: Changes
    old_status: str | None

    @property
    def is_fresh(self) -> bool:
        """Whether the folder holds just this already."""
        return not self.changes and self.old_status == self.rendered.status_text


def compare_releases(request: RenderRequest) -> int:
    """Render every app that is named and tell what would change; return the exit code: 1 where a check found that.

    Raises RollstepError with the findings of all apps.
    """
    workspace = Workspace.open(request.directory)
    if request.mode is Mode.CHECK and request.output != "json":
        return _check(workspace, request)
    worlds = rendered_worlds(workspace, request.targets, request.step, request.now, request.shard)
    results = [prepare(release, world) for release, world in progress.over(worlds, "rendering app")]
    stale = [result for result in results if not result.is_fresh]
    if request.output == "json":
        click.echo(as_json([entry_of(workspace, result, with_diff=True) for result in results]), nl=False)
    else:
        for result in stale:
            click.echo(_diff(result), nl=False)
    return 1 if stale and request.mode is Mode.CHECK else 0


def _check(workspace: Workspace, request: RenderRequest) -> int:
    """Compare each app with its folder; those of which nothing has changed since they were found right are left out."""
    note_interrupted(workspace.root)
    refs = shared(workspace.some_apps(request.targets), request.shard)
    remembers = request.step is None and request.now is None and request.shard is None
    memory = CheckMemory.open(workspace, request.targets) if remembers else None

    def look(ref: AppRef) -> RenderedRelease | None:
        result = prepare(*current_release(workspace, ref, request.now, request.step))
        # What is right needs no report, and a fleet has thousands of it.
        return result if not result.is_fresh else None

    left = [ref for ref in refs if memory is None or not memory.is_fresh(ref)]
    stale = [result for result in each(progress.over(left, "checking app"), look) if result is not None]
    _tell_stale(workspace, stale)
    answer = f"{len(refs)} {'app is' if len(refs) == 1 else 'apps are'} up to date"
    if not stale:
        click.echo(answer, err=True)
    if memory is not None:
        wrong = {result.release.app.ref for result in stale}
        memory.keep(refs, [ref for ref in left if ref not in wrong], (0, "", f"{answer}\n"))
    return 1 if stale else 0


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
        before, after = release.state.status, settled.status
        if (before.current_pod_hash, before.current_step_hash) == (after.current_pod_hash, after.current_step_hash):
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


def prepare(release: Release, world: World) -> RenderedRelease:
    """Render ``world``, which ``release`` has come to, and compare it with the folder."""
    rendered = render_release(release, world, keep_time=not moved(release.world, world))
    status_file = release.folder / STATUS_FILE
    old = status_file.read_text(encoding="utf-8") if status_file.is_file() else None
    return RenderedRelease(release, rendered, plan_changes(release, rendered), old)


def _tell_stale(workspace: Workspace, stale: Sequence[RenderedRelease]) -> None:
    for result in stale:
        click.echo(_diff(result), nl=False)
    for result in stale:
        click.echo(f"error: {_staleness(workspace, result).text()}", err=True)


def _staleness(workspace: Workspace, result: RenderedRelease) -> Finding:
    """Return why an app's folder is not what is rendered, and what to do about it."""
    target = f"{result.release.app.ref.environment}/{result.release.app.ref.name}"
    begins = result.rendered.state.status.current_pod_hash
    old = result.release.state
    if old is not None and old.status.current_pod_hash != begins:
        message = f"a new pod template ({begins}) is not released yet"
        hint = f"rollstep advance {target}"
    else:
        message, hint = "the rendered manifests are not what the sources give", f"rollstep render {target}"
    return Finding(workspace.shown(result.release.output), 0, 0, "", message, hint)


def entry_of(workspace: Workspace, result: RenderedRelease, *, with_diff: bool = False) -> dict[str, object]:
    """Return whether an app's folder was as it is rendered, and what differs or was written."""
    ref = result.release.app.ref
    why = None if result.is_fresh else _staleness(workspace, result)
    entry: dict[str, object] = {
        "app": ref.name,
        "environment": ref.environment,
        "output": workspace.shown(result.release.output),
        "upToDate": result.is_fresh,
        "message": why.message if why else None,
        "hint": why.hint if why else None,
        "files": result.changes.to_dict(),
        "statusChanged": result.old_status != result.rendered.status_text,
    }
    if with_diff:
        entry["diff"] = "" if result.is_fresh else _diff(result)
    return entry


def as_json(entries: Sequence[dict[str, object]]) -> str:
    """Return the report about apps as JSON."""
    import json

    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _diff(result: RenderedRelease) -> str:
    place = result.release.place
    text = diff(result.changes, f"{place}/{result.release.app.settings.output}")
    if result.old_status != result.rendered.status_text:
        text += "".join(unified(f"{place}/{STATUS_FILE}", result.old_status, result.rendered.status_text))
    return text


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
