"""Worlds for tests of the core: the example's apps after their first release, with changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.sync_tools.tools import STEP
from renderer.pipeline.load.app import App, load_app
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve.moves import react
from renderer.pipeline.resolve.release import resolve_app
from renderer.rollouts import actions
from renderer.rollouts.model.world import World

PROJECT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REF = AppRef("prod", "web", PROJECT / "environments/prod/web")


@cache
def app_of(name: str) -> App:
    """Return an app of ``environments/``, whose commits hold a whole step (``order: step``)."""
    workspace = Workspace.open(str(PROJECT))
    (ref,) = workspace.apps([name])
    app = load_app(ref, workspace.settings, Folder(workspace.root))
    return replace(app, settings=replace(app.settings, order=STEP))


@cache
def world_of(name: str) -> World:
    """Return the world of an app of ``environments/`` after its first release."""
    return react(resolve_app(app_of(name), PROJECT, None, (), NOON).world).after


def web(**strategy: Any) -> World:
    """Return prod/web (canary, nginx) with replaced fields of its strategy; None removes one."""
    return _released(world_of("prod/web"), "canary", strategy)


def api(**strategy: Any) -> World:
    """Return prod/api (blue-green) with replaced fields of its strategy; None removes one."""
    return _released(world_of("prod/api"), "blueGreen", strategy)


def _released(world: World, kind: str, changes: Mapping[str, Any]) -> World:
    if not changes:
        return world
    return settled(actions.patch(world, {"spec": {"strategy": {kind: dict(changes)}}}))


def settled(world: World) -> World:
    """Return the world after the controller has completed a release, with an unchanged clock."""
    after = react(actions.promote_full(react(world).after)).after
    return replace(after, now=world.now)


def with_image(world: World, image: str) -> World:
    """Return the world with another image in all containers, before the controller acts."""
    return actions.set_image(world, "*", image)
