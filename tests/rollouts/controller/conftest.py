"""Fixtures that create worlds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from renderer.kubernetes.manifest import Manifest
from renderer.rollouts.controller import settle
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.api_server import world_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

MakeWorld = Callable[..., World]


def rollout(strategy: dict[str, Any], **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "registry.example.com/web:1"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
            "strategy": strategy,
            **spec,
        },
    }


def service(name: str) -> dict[str, Any]:
    spec = {"ports": [{"port": 80}], "selector": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(name: str, backend: str, **metadata: Any) -> dict[str, Any]:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": backend, "port": {"number": 80}}}}
    spec = {"ingressClassName": "nginx", "rules": [{"host": "web.example.com", "http": {"paths": [path]}}]}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": spec}
    return {**body, "metadata": {"name": name, **metadata}}


@pytest.fixture
def basic() -> MakeWorld:
    """Create a canary without a router, fully released."""

    def make(*, settled: bool = True, spec: dict[str, Any] | None = None, **canary: Any) -> World:
        world = world_of([Manifest(rollout({"canary": canary}, **(spec or {})))], NOW)
        return settle(world).world if settled else world

    return make


@pytest.fixture
def nginx() -> MakeWorld:
    """Create a canary with nginx, fully released; ``nginx`` and ``routing`` are parts of its trafficRouting."""

    def make(*, settled: bool = True, spec: dict[str, Any] | None = None, **canary: Any) -> World:
        routing = {"nginx": canary.pop("nginx", {"stableIngress": "web"}), **canary.pop("routing", {})}
        strategy = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing, **canary}
        bodies = [rollout({"canary": strategy}, **(spec or {})), service("canary"), service("stable")]
        world = world_of([Manifest(body) for body in [*bodies, ingress("web", "stable")]], NOW)
        return settle(world).world if settled else world

    return make


@pytest.fixture
def blue_green() -> MakeWorld:
    """Create a blue-green Rollout, fully released."""

    def make(*, settled: bool = True, spec: dict[str, Any] | None = None, **strategy: Any) -> World:
        wanted = {"activeService": "active", "previewService": "preview", **strategy}
        bodies = [rollout({"blueGreen": wanted}, **(spec or {})), service("active"), service("preview")]
        world = world_of([Manifest(body) for body in bodies], NOW)
        return settle(world).world if settled else world

    return make


@pytest.fixture
def routed() -> MakeWorld:
    """Create a canary with any router, not released; its Services are ``stable`` and ``canary``."""

    def make(routing: dict[str, Any], *bodies: dict[str, Any], **canary: Any) -> World:
        strategy = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing, **canary}
        manifests = [rollout({"canary": strategy}), service("canary"), service("stable"), *bodies]
        return world_of([Manifest(body) for body in manifests], NOW)

    return make
