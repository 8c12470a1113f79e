"""An app's release as the verbs see it: loaded, resolved, and rendered again after a move (shell)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Manifest, Source
from renderer.kubernetes.yaml.reader import read_text
from renderer.pipeline.load.app import App, load_app
from renderer.pipeline.load.discover import AppRef, Home
from renderer.pipeline.load.last_render import LastRender, read_last_render
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import State, damaged_field, load_state
from renderer.pipeline.load.workspace import Workspace, relative_findings
from renderer.pipeline.resolve.autoscaling import BY_AUTOSCALER, autoscaler_of
from renderer.pipeline.resolve.moves import steps_of
from renderer.pipeline.resolve.ordering.check import check_order
from renderer.pipeline.resolve.resolve import Resolved, resolve
from renderer.rollouts.controller import unsupported_fields
from renderer.rollouts.controller.step_hash import compute_step_hash
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import World
from renderer.rollouts.pod_template import default_rollout


class Release(Struct, frozen=True):
    """An app as it stands: what was loaded, the state that git has of it, and the world that both give."""

    app: App
    root: Path
    state: State | None
    resolved: Resolved
    last_render: LastRender | None = None

    @property
    def world(self) -> World:
        """The world before anything moves."""
        return self.resolved.world

    @property
    def home(self) -> Home:
        """Where the app lives."""
        return Home(self.app.ref, self.app.settings, self.root)

    @property
    def title(self) -> str:
        """The app as messages name it: ``web (prod)``."""
        return self.home.title

    @property
    def folder(self) -> Path:
        """The app's folder."""
        return self.app.ref.folder

    @property
    def output(self) -> Path:
        """The folder of the rendered manifests."""
        return self.home.output

    @property
    def place(self) -> str:
        """The app's folder as git names it: from the repository's root."""
        return self.home.path


def open_release(workspace: Workspace, ref: AppRef, now: datetime) -> Release:
    """Load one app and resolve its world at ``now``; raise RollstepError with all that is wrong with it."""
    app = load_app(ref, workspace.settings, workspace.root)
    status_file = ref.folder / STATUS_FILE
    shown = workspace.display_path(status_file)
    state = load_state(read_text(status_file, shown), shown) if status_file.is_file() else None
    output = ref.folder / app.settings.output
    with relative_findings(workspace.root):
        last_render = read_last_render(output, workspace.display_path(output), state)
    release = resolve_app(app, workspace.root, state, last_render.manifests, now)
    return replace(release, last_render=last_render)


def resolve_rollout(
    app: App, rollout: Rollout, state: State | None, rendered: Sequence[Manifest], now: datetime
) -> Resolved:
    """Resolve the world of an app as its settings ask for it, whether its parts fit each other or not."""
    settings = app.settings
    choices = (settings.controller_version, frozenset(settings.step_plugins), settings.replicas, settings.order)
    return resolve(rollout, app.manifests, state, rendered, now, *choices)


def resolve_app(app: App, root: Path, state: State | None, rendered: Sequence[Manifest], now: datetime) -> Release:
    """Put a loaded app and what was rendered of it together; raise RollstepError where the engine can't run it."""
    rollout = read_rollout(app)
    if state is not None and state.rollout != rollout.name:
        message = f"is about the Rollout {state.rollout}, the manifests have {rollout.name}"
        hint = "give the Rollout its name back, or remove status.yaml and the rendered folder to start anew"
        place = state.source.position(("rollout",))
        raise RollstepError([Finding(state.source.file, *place, "rollout", message, hint)])
    _check_owner(app, rollout)
    resolved = resolve_rollout(app, rollout, state, rendered, now)
    if app.settings.order != "step":
        check_order(app, resolved.world)
    if state is not None:
        _check_status(resolved.world, state)
    return Release(app, root, state, resolved)


def read_rollout(app: App) -> Rollout:
    """Return the app's Rollout, pruned and defaulted; raise RollstepError with what the engine does not support."""
    source: Source = app.rollout.source
    if app.checked is not None and app.checked[0] is app.rollout:
        rollout = app.checked[1]
    else:
        rollout = Rollout.from_body(default_rollout(app.rollout.body, source), source)
    findings = unsupported_fields(rollout, source, frozenset(app.settings.step_plugins))
    if findings:
        raise RollstepError(findings)
    return rollout


def _check_owner(app: App, rollout: Rollout) -> None:
    """Refuse to leave the number of pods to an autoscaler that is not there."""
    if app.settings.replicas == BY_AUTOSCALER and autoscaler_of(rollout, app.manifests) is None:
        source = app.rollout.source
        message = f"no HorizontalPodAutoscaler scales the Rollout {rollout.name}, and replicas is left to one"
        hint = "add one whose scaleTargetRef is the Rollout, or take `replicas: autoscaler` out of rollstep.yaml"
        raise RollstepError([Finding(source.file, *source.position(("spec",)), "spec.replicas", message, hint)])


def _check_status(world: World, state: State) -> None:
    """Refuse a status that does not fit the Rollout, or whose ReplicaSets are gone.

    A ReplicaSet's pod template is nowhere else but in git's history.  An index beyond the last step is right where the
    steps have been changed since: the release begins anew then.
    """
    findings = []
    status = state.status
    hashes = {
        ("stableRS",): status.stable_rs,
        ("currentPodHash",): status.current_pod_hash,
        ("blueGreen", "activeSelector"): status.blue_green.active_selector,
    }
    for path, value in hashes.items():
        if value and not world.replica_set_by_hash(value):
            message = f"no ReplicaSet among the rendered manifests has the hash {value}"
            findings.append(damaged_field(state.source, ("status", *path), message))
    index, steps = status.current_step_index, steps_of(world)
    same_steps = status.current_step_hash == compute_step_hash(world.rollout)
    if index is not None and index > len(steps) and same_steps:
        message = f"{index} is out of range: the Rollout has {len(steps)} steps"
        findings.append(damaged_field(state.source, ("status", "currentStepIndex"), message))
    if findings:
        raise RollstepError(findings)
