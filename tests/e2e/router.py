"""Traefik v3.7, which reads the Ingresses of ingress-nginx with their canary annotations, and the Gateway API."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.e2e.api import TOKEN
from tests.e2e.build import BIN, GATEWAY_API
from tests.e2e.cluster import Cluster
from tests.e2e.processes import Process, wait_for

PORT = 8000
ADMIN = 8090
GATEWAY = "e2e"


def start(cluster: Cluster) -> Process:
    """Install the classes that Traefik serves and start it; it listens on loopback, port 8000."""
    ingress_class = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }
    cluster.define(GATEWAY_API)
    cluster.apply(ingress_class, *gateway())
    nginx, gateways = "--providers.kubernetesingressnginx", "--providers.kubernetesgateway"
    process = Process(
        "traefik",
        [
            BIN / "traefik",
            f"--entrypoints.web.address=127.0.0.1:{PORT}",
            f"--entrypoints.traefik.address=127.0.0.1:{ADMIN}",
            "--ping=true",
            "--api.insecure=true",
            "--metrics.prometheus=true",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            "--log.level=INFO",
            "--providers.providersthrottleduration=50ms",
            f"{nginx}=true",
            f"{nginx}.endpoint={cluster.api.server}",
            f"{nginx}.token={TOKEN}",
            f"{nginx}.certauthfilepath={cluster.api.certificate}",
            f"{nginx}.throttleduration=50ms",
            f"{nginx}.httpentrypoint=web",
            # Argo CD calls an Ingress healthy when it has an address.
            f"{nginx}.publishstatusaddress=127.0.0.1",
            # A request that meets a pod which is not ready has to fail, not to be sent to another one.
            f"{nginx}.proxynextupstream=off",
            f"{gateways}=true",
            f"{gateways}.endpoint={cluster.api.server}",
            f"{gateways}.token={TOKEN}",
            f"{gateways}.certauthfilepath={cluster.api.certificate}",
            f"{gateways}.throttleduration=50ms",
        ],
        cluster.folder,
    )
    cluster.processes.append(process)
    wait_for("Traefik answers", lambda: _answers(process), 60)
    return process


def _answers(process: Process) -> bool:
    assert process.running, f"Traefik ended\n{process.tail()}"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/ping", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def gateway() -> list[dict[str, Any]]:
    group = "gateway.networking.k8s.io/v1"
    listener = {"name": "web", "protocol": "HTTP", "port": PORT, "allowedRoutes": {"namespaces": {"from": "All"}}}
    return [
        {
            "apiVersion": group,
            "kind": "GatewayClass",
            "metadata": {"name": "traefik"},
            "spec": {"controllerName": "traefik.io/gateway-controller"},
        },
        {
            "apiVersion": group,
            "kind": "Gateway",
            "metadata": {"name": GATEWAY, "namespace": "default"},
            "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
        },
    ]


def services() -> Any:
    """Return what Traefik has made of the cluster's routes: its services and the servers in each."""
    with urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/api/rawdata", timeout=5) as response:
        return json.load(response).get("services", {})
