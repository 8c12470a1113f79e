"""A release that rollstep drives through a real repository, with the app's manifests for each kind of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.build import BIN, PROJECT
from tests.e2e.cluster import NODE, Cluster
from tests.e2e.pods import PORT
from tests.e2e.router import GATEWAY
from tests.e2e.sync import git

HOST = "web.example.com"
REPLICAS = 5
MANUAL: list[dict[str, Any]] = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
TIMED: list[dict[str, Any]] = [
    {"setWeight": 20},
    {"pause": {"duration": "4s"}},
    {"setWeight": 60},
    {"pause": {"duration": "4s"}},
]


def image(version: int) -> str:
    return f"registry.example.com/web:{version}.0.0"


def service(name: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": PORT}]
    spec = {"selector": {"app": "web"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def rollout(strategy: dict[str, Any], **spec: Any) -> dict[str, Any]:
    container = {"name": "web", "image": image(1), "ports": [{"containerPort": PORT}]}
    template = {
        "metadata": {"labels": {"app": "web"}},
        # There is no scheduler here.
        "spec": {"nodeName": NODE, "terminationGracePeriodSeconds": 30, "containers": [container]},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": REPLICAS,
            "revisionHistoryLimit": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
            "strategy": strategy,
            **spec,
        },
    }


def ingress(backend: str) -> dict[str, Any]:
    target = {"service": {"name": backend, "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": target}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": HOST, "http": {"paths": [path]}}]},
    }


def http_route() -> dict[str, Any]:
    backends = [{"name": "web-stable", "port": 80}, {"name": "web-canary", "port": 80}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"parentRefs": [{"name": GATEWAY}], "hostnames": [HOST], "rules": [{"backendRefs": backends}]},
    }


def canary(routing: dict[str, Any], steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    services = {"stableService": "web-stable", "canaryService": "web-canary"}
    return {"canary": {**services, "trafficRouting": routing, "scaleDownDelaySeconds": 5, "steps": list(steps)}}


NGINX = {"nginx": {"stableIngress": "web"}}
GATEWAY_API = {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "default"}}}


def nginx_canary(steps: Sequence[dict[str, Any]] = MANUAL) -> list[dict[str, Any]]:
    return [rollout(canary(NGINX, steps)), service("web-stable"), service("web-canary"), ingress("web-stable")]


def gateway_canary(steps: Sequence[dict[str, Any]] = MANUAL) -> list[dict[str, Any]]:
    return [rollout(canary(GATEWAY_API, steps)), service("web-stable"), service("web-canary"), http_route()]


def blue_green() -> list[dict[str, Any]]:
    strategy = {"activeService": "web-active", "previewService": "web-preview", "scaleDownDelaySeconds": 5}
    return [
        rollout({"blueGreen": {**strategy, "autoPromotionEnabled": False}}),
        service("web-active"),
        service("web-preview"),
        ingress("web-active"),
    ]


class Repository:
    """A git repository with one app, and ``rollstep`` in it."""

    def __init__(self, root: Path, cluster: Cluster, manifests: list[dict[str, Any]], settings: dict[str, Any]) -> None:
        self.root = root
        self.cluster = cluster
        app = root / "environments" / "e2e" / "web"
        app.mkdir(parents=True)
        (app / "app.yaml").write_text(yaml.safe_dump_all(manifests, sort_keys=False))
        environment = {"namespace": "default", **settings}
        (root / "rollstep.yaml").write_text(yaml.safe_dump({"environments": {"e2e": environment}}))
        git(root, "init", "--quiet", "--initial-branch=main")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message=Add web")

    path = "environments/e2e/web/rendered"

    def rollstep(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own, with kubectl at hand."""
        variables = {
            **os.environ,
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
        command = [sys.executable, "-m", "renderer", *arguments]
        done = subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True, check=False)
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def head(self) -> str:
        return git(self.root, "rev-parse", "HEAD")

    @property
    def status(self) -> Any:
        (told,) = json.loads(self.rollstep("status", "-o", "json").stdout)
        return told

    def log(self) -> list[str]:
        return git(self.root, "log", "--reverse", "--format=%s").splitlines()
