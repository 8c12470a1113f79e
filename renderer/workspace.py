"""A repository's releases as the verbs see them: loaded, resolved, and rendered again after a move (shell)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from renderer.discover import AppRef, find_apps
from renderer.engine import check_supported
from renderer.errors import Finding, RollstepError
from renderer.load import App, load_app
from renderer.manifest import Manifest, Source
from renderer.model import Rollout, World
from renderer.pod_template import default_rollout
from renderer.render import RenderContext, render
from renderer.resolve import Resolved, all_objects, resolve
from renderer.settings import Settings, load_settings
from renderer.state import STATUS_FILE, State, dump_state, load_state, next_state
from renderer.write import Changes, plan_write, read_marker
from renderer.yaml_io import load_documents, read_text


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder that rollstep works in: the repository's root, where the command was started, and the settings."""

    root: Path
    cwd: Path
    settings: Settings

    @classmethod
    def open(cls, directory: str) -> Workspace:
        """Find the root above ``directory`` and read ``rollstep.yaml``; raise RollstepError with all it has wrong."""
        cwd = Path(directory).resolve()
        root = find_root(cwd)
        return cls(root, cwd, load_settings(root))

    def apps(self, targets: Sequence[str]) -> tuple[AppRef, ...]:
        """Return the apps that ``targets`` name, all where there are none; raise UsageError for an unknown one."""
        return find_apps(self.root, self.settings, targets, self.cwd)

    def shown(self, path: Path) -> str:
        """Return ``path`` as messages name it: from where the command was started."""
        return str(path.relative_to(self.cwd)) if path.is_relative_to(self.cwd) else str(path)


@dataclass(frozen=True, slots=True)
class Release:
    """An app as it stands: what was loaded, the state that git has of it, and the world that both give."""

    app: App
    root: Path
    state: State | None
    resolved: Resolved

    @property
    def world(self) -> World:
        """The world before anything moves."""
        return self.resolved.world

    @property
    def title(self) -> str:
        """The app as messages name it: ``web (prod)``."""
        return f"{self.app.ref.name} ({self.app.ref.environment})"

    @property
    def folder(self) -> Path:
        """The app's folder."""
        return self.app.ref.folder

    @property
    def output(self) -> Path:
        """The folder of the rendered manifests."""
        return self.folder / self.app.settings.output


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above ``start`` that has ``.git`` or ``rollstep.yaml``; else ``start``.

    Git itself is not asked: most verbs need nothing else of it.
    """
    for folder in (start, *start.parents):
        if (folder / ".git").exists() or (folder / "rollstep.yaml").exists():
            return folder
    return start


def current_time() -> datetime:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def open_release(workspace: Workspace, ref: AppRef, now: datetime) -> Release:
    """Load one app and resolve its world at ``now``; raise RollstepError with all that is wrong with it."""
    app = load_app(ref, workspace.settings, workspace.root)
    status_file = ref.folder / STATUS_FILE
    state = load_state(read_text(status_file), workspace.shown(status_file)) if status_file.is_file() else None
    output = ref.folder / app.settings.output
    rendered = [
        manifest
        for name in sorted(read_marker(output))
        if name != "kustomization.yaml" and (output / name).is_file()
        for manifest in _manifests(output / name, workspace.shown(output / name))
    ]
    return resolve_app(app, workspace.root, state, rendered, now)


def open_releases(workspace: Workspace, targets: Sequence[str], now: datetime) -> list[Release]:
    """Open every app that ``targets`` name; raise RollstepError with the findings of all of them."""
    releases: list[Release] = []
    findings: list[Finding] = []
    for ref in workspace.apps(targets):
        try:
            releases.append(open_release(workspace, ref, now))
        except RollstepError as error:
            findings += error.findings
    if findings:
        raise RollstepError(findings)
    return releases


def _manifests(path: Path, shown: str) -> list[Manifest]:
    return [Manifest(document.value, document.source) for document in load_documents(read_text(path, shown), shown)]


def resolve_app(app: App, root: Path, state: State | None, rendered: Sequence[Manifest], now: datetime) -> Release:
    """Put a loaded app and what was rendered of it together; raise RollstepError where the engine can't run it."""
    rollout = read_rollout(app)
    if state is not None and state.rollout != rollout.name:
        message = f"is about the Rollout {state.rollout}, the manifests have {rollout.name}"
        hint = "give the Rollout its name back, or remove status.yaml and the rendered folder to start anew"
        raise RollstepError([Finding(str(app.ref.folder / STATUS_FILE), 0, 0, "rollout", message, hint)])
    resolved = resolve(rollout, app.manifests, state, rendered, now, app.settings.controller_version)
    _check_replica_sets(resolved.world, app)
    return Release(app, root, state, resolved)


def read_rollout(app: App) -> Rollout:
    """Return the app's Rollout, pruned and defaulted; raise RollstepError with what the engine does not support."""
    source: Source = app.rollout.source
    body = default_rollout(app.rollout.body, source, app.settings.controller_version)
    rollout = Rollout.from_body(body, source)
    findings = check_supported(rollout, source)
    if findings:
        raise RollstepError(findings)
    return rollout


def _check_replica_sets(world: World, app: App) -> None:
    """Refuse a state whose ReplicaSets are gone: their templates are nowhere else but in git's history."""
    status = world.status
    wanted = {"stableRS": status.stable_rs, "currentPodHash": status.current_pod_hash}
    missing = [f"{name} {value}" for name, value in wanted.items() if value and not world.replica_set_by_hash(value)]
    if missing:
        folder = app.ref.folder / app.settings.output
        message = f"no ReplicaSet here is the {' or the '.join(missing)} of {STATUS_FILE}"
        raise RollstepError([Finding(str(folder), 0, 0, "", message, "restore it: git checkout -- FOLDER")])


@dataclass(frozen=True, slots=True)
class Rendered:
    """A release rendered again: the files of its output folder and the text of its status."""

    files: Mapping[str, str]
    state: State
    status_text: str


def render_release(release: Release, world: World, *, keep_time: bool = False) -> Rendered:
    """Render ``world``, which ``release`` has moved to; ``keep_time`` where nothing about the release has moved."""
    objects = all_objects(release.resolved, world)
    ref, settings = release.app.ref, release.app.settings
    folder = ref.folder
    source = folder.relative_to(release.root).as_posix() if folder.is_relative_to(release.root) else folder.name
    context = RenderContext(ref.name, ref.environment, source, settings.values)
    files = render(objects, user_templates=settings.templates, context=context)
    state = release.state if keep_time and release.state is not None else next_state(release.state, world)
    return Rendered(files, state, dump_state(state))


def plan_changes(release: Release, rendered: Rendered) -> Changes:
    """Compare what is rendered with the output folder; raise RollstepError where foreign files are in the way."""
    return plan_write(release.output, rendered.files)
