"""The release of an app: loaded from its folder and resolved to a world."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Manifest, Source
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.load.analysis_runs import load_runs
from renderer.pipeline.load.app import App, load_app
from renderer.pipeline.load.discover import AppRef, Home
from renderer.pipeline.load.files import Folder, read_own
from renderer.pipeline.load.last_render import LastRender, read_last_render
from renderer.pipeline.load.settings import PIPELINE
from renderer.pipeline.load.sources import RUNS_FILE, STATUS_FILE
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
    """A loaded app, its committed state (None before the first commit), and the world of both."""

    app: App
    root: Path
    state: State | None
    resolved: Resolved
    last_render: LastRender | None = None

    @property
    def world(self) -> World:
        """The world before any move."""
        return self.resolved.world

    @property
    def home(self) -> Home:
        """The app with its settings and its root."""
        return Home(self.app.ref, self.app.settings, self.root)

    @property
    def title(self) -> str:
        """The name of the app in messages: ``web (prod)``."""
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
        """The app's folder, relative to the repository's root."""
        return self.home.path


def open_release(workspace: Workspace, ref: AppRef, now: datetime, before: Path | None = None) -> Release:
    """Load an app and resolve its world at ``now``; raise RollstepError with all findings.

    The status and the rendered files are those in the folder ``before``; None is the app's own folder.
    """
    files = Folder(workspace.root)
    app = load_app(ref, workspace.settings, files)
    folder = before or ref.folder
    status_file, runs_file = folder / STATUS_FILE, folder / RUNS_FILE
    shown = workspace.display_path(ref.folder / STATUS_FILE)
    status = read_own(str(status_file), shown)
    state = None if status is None else load_state(decode(status, shown), shown)
    shown = workspace.display_path(ref.folder / RUNS_FILE)
    text = read_own(str(runs_file), shown)
    runs = () if text is None else load_runs(decode(text, shown), shown)
    output = folder / app.settings.output
    with relative_findings(workspace.root):
        last_render = read_last_render(output, workspace.display_path(ref.folder / app.settings.output), state)
    release = resolve_app(app, workspace.root, state, last_render.manifests, now, runs)
    return replace(release, last_render=None if before else last_render)


def resolve_rollout(
    app: App,
    rollout: Rollout,
    state: State | None,
    rendered: Sequence[Manifest],
    now: datetime,
    runs: tuple[Body, ...] = (),
) -> Resolved:
    """Return the world of an app by its settings, without a check that its parts fit each other."""
    settings = app.settings
    choices = (settings.controller_version, frozenset(settings.step_plugins), settings.replicas, settings.order)
    analysis = settings.analysis
    given = (frozenset(settings.corrections), analysis.mode == PIPELINE, analysis.holds_last_step, runs)
    return resolve(rollout, app.manifests, state, rendered, now, *choices, *given)


def resolve_app(
    app: App,
    root: Path,
    state: State | None,
    rendered: Sequence[Manifest],
    now: datetime,
    runs: tuple[Body, ...] = (),
) -> Release:
    """Return the release of a loaded app, its rendered manifests and its AnalysisRuns.

    Raises RollstepError if the engine can't run it.
    """
    rollout = read_rollout(app)
    if state is not None and state.rollout != rollout.name:
        message = f"names the Rollout {state.rollout}, but the manifests have {rollout.name}"
        hint = "rename the Rollout back, or remove status.yaml and the rendered folder to start anew"
        place = state.source.position(("rollout",))
        raise RollstepError([Finding(state.source.file, *place, "rollout", message, hint)])
    _check_owner(app, rollout)
    resolved = resolve_rollout(app, rollout, state, rendered, now, runs)
    if app.settings.order != "step":
        check_order(app, resolved.world)
    if state is not None:
        _check_status(resolved.world, state)
    return Release(app, root, state, resolved)


def read_rollout(app: App) -> Rollout:
    """Return the app's Rollout, pruned and defaulted; raise RollstepError with its unsupported fields."""
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
    """Raise RollstepError if the settings leave the replicas to a missing autoscaler."""
    if app.settings.replicas == BY_AUTOSCALER and autoscaler_of(rollout, app.manifests) is None:
        source = app.rollout.source
        message = (
            f"no HorizontalPodAutoscaler scales the Rollout {rollout.name}, and the settings leave replicas to one"
        )
        hint = "add one whose scaleTargetRef is the Rollout, or take `replicas: autoscaler` out of rollstep.yaml"
        raise RollstepError([Finding(source.file, *source.position(("spec",)), "spec.replicas", message, hint)])


def _check_status(world: World, state: State) -> None:
    """Raise RollstepError for a status that does not fit the Rollout, or whose ReplicaSets are missing.

    Only git's history has the pod template of a missing ReplicaSet.  An index beyond the last step is valid if the
    steps have changed since: the release then begins anew.
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
