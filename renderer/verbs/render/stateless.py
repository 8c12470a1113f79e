"""``render`` for manifests from files or a stream: reads nothing else and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import UsageError
from renderer.kubernetes.kinds import in_namespace, is_rollout
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.sync_tools.tools import STEP
from renderer.kubernetes.versioned_config import versioned_names, with_names
from renderer.kubernetes.yaml.reader import decode, load_documents, read_text
from renderer.pipeline.load.app import load_files
from renderer.pipeline.load.settings import AppSettings
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.moves import react, steps_of
from renderer.pipeline.resolve.release import Release, read_rollout, resolve_app
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.model.world import World
from renderer.verbs.render.stream import files_stream


class StatelessRequest(Struct, frozen=True):
    """The options of one run."""

    directory: str
    files: Sequence[str]
    step: int | None
    stable: Path | None
    stable_ref: str | None
    environment: str
    validate: bool
    now: datetime | None
    allow: Sequence[str] = ()


def render_stateless(request: StatelessRequest, output: str) -> str:
    """Return the manifests of one step of a release, as ``output`` (``yaml`` or ``json``).

    Raises RollstepError with all findings in the manifests and in the rendered manifests.
    """
    if request.stable and request.stable_ref:
        raise UsageError("use either --stable or --stable-ref")
    if request.step is not None and not (request.stable or request.stable_ref):
        raise UsageError("--step needs the stable version", hint="name it with --stable FILE or --stable-ref REF")
    workspace = Workspace.open(request.directory)
    settings = _settings(workspace, request.environment)
    # A state is printed, not the commits on the way to it.
    settings = replace(settings, allow=(*settings.allow, *request.allow), order=STEP)
    app = load_files(request.directory, request.files, settings)
    release = resolve_app(app, workspace.root, None, (), request.now or current_time())
    world = _world(release, _stable_rollout(request, workspace, settings), request.step)
    files = render_release(release, world).files
    if request.validate:
        from renderer.pipeline.validate.manifests import validate

        validate(files, settings.kubernetes_version, own=settings.schemas).require()
    return files_stream(files, output)


def _settings(workspace: Workspace, environment: str) -> AppSettings:
    """Return the settings of an environment; without one, the defaults, which leave the manifests' namespaces."""
    settings = workspace.settings.for_app(environment, "")
    if not environment:
        return replace(settings, namespace="")
    known = {ref.environment for ref in workspace.apps(())} | set(workspace.settings.body.get("environments") or ())
    if environment not in known:
        raise UsageError(f"there is no environment {environment} (there are {', '.join(sorted(known)) or 'none'})")
    return settings


def _stable_rollout(request: StatelessRequest, workspace: Workspace, settings: AppSettings) -> Manifest | None:
    """Return the Rollout of the stable version; None for a first release."""
    if request.stable:
        shown = str(request.stable)
        found = _rollout_in(read_text(Path(request.directory, shown), shown), shown, settings)
        if found is None:
            raise UsageError(f"{request.stable} has no Rollout")
        return found
    if not request.stable_ref:
        return None
    from renderer.git.objects import read_file
    from renderer.git.repository import Repository

    repository = Repository.open(workspace.root)
    for name in request.files:
        path = Path(request.directory, name).resolve()
        content = read_file(repository, request.stable_ref, path) if name != "-" else None
        if content is not None:
            shown = f"{request.stable_ref}:{name}"
            found = _rollout_in(decode(content, shown), shown, settings)
            if found is not None:
                return found
    raise UsageError(f"none of the files has a Rollout in {request.stable_ref}")


def _rollout_in(text: str, file: str, settings: AppSettings) -> Manifest | None:
    for document in load_documents(text, file):
        if isinstance(document.value, dict):
            manifest = in_namespace(Manifest(document.value, document.source), settings.namespace)
            if is_rollout(manifest):
                return manifest
    return None


def _world(release: Release, stable: Manifest | None, step: int | None) -> World:
    """Return the world at one step of the release that starts from ``stable``; without it, of a first release."""
    if stable is None:
        return react(release.world).after
    # The configuration of the stable version is unknown: the same names give the same pods.
    stable = with_names(stable, versioned_names(release.app.manifests))
    old = read_rollout(replace(release.app, rollout=stable))
    before = settle(replace(release.world, rollout=old)).world
    world = actions.apply(before, release.world.rollout.body)
    if step is None:
        return react(world).after
    steps = steps_of(world)
    if step > len(steps):
        raise UsageError(f"the Rollout has {len(steps)} steps: --step takes 0 to {len(steps)}")
    return settle(world, hold_step=step, skip_pauses=True).world
