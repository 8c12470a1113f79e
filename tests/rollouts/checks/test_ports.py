"""A router's backends have ports that both Services have."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.kubernetes.manifest import Body, Manifest
from renderer.rollouts.checks import check
from tests.rollouts.controller.conftest import ingress, rollout

PLUGIN = "argoproj-labs/gatewayAPI"
TRAEFIK = {"apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService", "metadata": {"name": "web"}}
APISIX = {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "web"}}
ROUTE = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web"}}


def pair(key: str = "name", port: str = "port") -> list[dict[str, Any]]:
    return [{key: name, port: 80} for name in ("stable", "canary")]


CASES: dict[str, tuple[dict[str, Any], Body]] = {
    "nginx": ({"stableIngress": "web"}, ingress("web", "stable")),
    "alb": ({"ingress": "web", "servicePort": 80}, ingress("web", "stable")),
    "plugins": ({PLUGIN: {"httpRoute": "web"}}, {**ROUTE, "spec": {"rules": [{"backendRefs": pair()}]}}),
    "traefik": ({"weightedTraefikServiceName": "web"}, {**TRAEFIK, "spec": {"weighted": {"services": pair()}}}),
    "apisix": (
        {"route": {"name": "web", "rules": ["main"]}},
        {**APISIX, "spec": {"http": [{"name": "main", "backends": pair("serviceName", "servicePort")}]}},
    ),
}


def found(router: str, of_canary: dict[str, Any]) -> list[str]:
    section, body = CASES[router]
    strategy = {"canaryService": "canary", "stableService": "stable", "trafficRouting": {router: section}}
    services = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [port]}}
        for name, port in (("stable", {"port": 80}), ("canary", of_canary))
    ]
    subject = {**rollout({"canary": strategy})}
    findings = check(Manifest(subject), [Manifest(item) for item in (*services, body)])
    return [finding.message for finding in findings if finding.code == "RS322"]


@pytest.mark.parametrize("router", CASES)
def test_a_port_that_the_canary_service_lacks_is_found(router: str):
    expected = f'Service "canary" has no port 80, to which the router {router} sends requests'
    assert found(router, {"port": 8080}) == [expected]


@pytest.mark.parametrize("router", CASES)
@pytest.mark.parametrize("of_canary", [{"port": 80}, {"port": 8080, "targetPort": 80}])
def test_a_port_of_both_services_is_left_alone(router: str, of_canary: dict[str, Any]):
    assert found(router, of_canary) == []
