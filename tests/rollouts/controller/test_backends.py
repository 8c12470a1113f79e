"""A backend is a name, a namespace, a kind, a group and a port: a router leaves every other one alone."""

from __future__ import annotations

from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, Manifest
from renderer.pipeline.resolve.resolve import resolve
from renderer.rollouts.checks import check
from renderer.rollouts.controller import settle
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers import router_for
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import World
from renderer.rollouts.pod_template import default_rollout
from tests.rollouts.controller.conftest import NOW, rollout, service

PLUGIN = "argoproj-labs/gatewayAPI"
GATEWAY = {"plugins": {PLUGIN: {"httpRoute": "web"}}}
TRAEFIK = {"traefik": {"weightedTraefikServiceName": "web"}}
ISTIO = {"istio": {"virtualService": {"name": "web"}}}
APISIX = {"apisix": {"route": {"name": "web", "rules": ["main"]}}}
AMBASSADOR = {"ambassador": {"mappings": ["web"]}}


def bodies(routing: dict[str, Any], *objects: Body, namespace: str = "shop") -> list[Body]:
    strategy = {"canaryService": "canary", "stableService": "stable", "trafficRouting": routing}
    found = [rollout({"canary": strategy}), service("canary"), service("stable"), *objects]
    if not namespace:
        return found
    return [{**body, "metadata": {"namespace": namespace, **body["metadata"]}} for body in found]


def world_of(items: list[Body]) -> World:
    """Return the world of an app with these manifests, the Rollout first."""
    subject, *others = items
    return resolve(Rollout.from_body(default_rollout(subject)), map(Manifest, others), None, (), NOW).world


def weighed(routing: dict[str, Any], body: Body, namespace: str = "shop") -> Body:
    """Return the object after the first weight, 30%."""
    world: World = world_of(bodies(routing, body, namespace=namespace))
    ctx = Context(settle(world).world)
    router_for(next(iter(routing))).set_weight(ctx, 30)
    name = "web-canary" if "ambassador" in routing else "web"
    (after,) = (found for key, found in ctx.world.objects.items() if key.name == name)
    return after


def route(*rules: list[dict[str, Any]], **metadata: str) -> Body:
    spec = {"rules": [{"backendRefs": refs} for refs in rules]}
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}
    return {**kind, "metadata": {"name": "web", **metadata}, "spec": spec}


def ref(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, **fields}


def weights(body: Body) -> list[list[Any]]:
    return [[item.get("weight") for item in rule["backendRefs"]] for rule in body["spec"]["rules"]]


def test_a_route_keeps_the_weights_of_services_in_other_namespaces_and_of_other_kinds():
    own = [ref("stable"), ref("canary", namespace="shop")]
    foreign = [ref("stable", namespace="eu", weight=3), ref("stable", kind="ServiceImport", group="mcs", weight=4)]
    abroad = [ref("stable", namespace="eu", weight=1), ref("canary", namespace="eu", weight=0)]
    assert weights(weighed(GATEWAY, route(own + foreign, abroad))) == [[70, 30, 3, 4], [1, 0]]


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        ([ref("stable"), ref("canary"), ref("stable", namespace="eu", weight=3)], [70, 30, 3]),
        ([ref("stable", namespace="eu"), ref("canary", namespace="eu")], [70, 30]),
    ],
)
def test_a_rollout_without_a_namespace_has_the_services_beside_it(refs: list[dict[str, Any]], expected: list[int]):
    assert weights(weighed(GATEWAY, route(refs), namespace="")) == [expected]


@pytest.mark.parametrize(
    ("namespace", "of_canary"), [("shop", {"namespace": "eu"}), ("shop", {}), ("", {}), ("", {"namespace": "us"})]
)
def test_a_route_without_the_rollouts_own_services_is_refused(namespace: str, of_canary: dict[str, str]):
    abroad = [ref("stable", namespace="eu"), ref("canary", **of_canary)]
    with pytest.raises(RollstepError, match="no rule of HTTPRoute web has both stable and canary"):
        weighed(GATEWAY, route(abroad), namespace)


def test_a_rule_that_names_a_service_twice_is_refused():
    with pytest.raises(RollstepError, match="a rule of HTTPRoute web has 2 backends stable"):
        weighed(GATEWAY, route([ref("stable"), ref("canary"), ref("stable", port=81)]))


def test_a_header_rule_leads_to_the_rollouts_own_canary():
    section = {"httpRoutes": [{"name": "web", "useHeaderRoutes": True}]}
    routing = {"plugins": {PLUGIN: section}, "managedRoutes": [{"name": "beta"}]}
    refs = [ref("canary", namespace="eu"), ref("stable"), ref("canary", port=8080)]
    world = world_of(bodies(routing, route(refs)))
    ctx = Context(settle(world).world)
    match = [{"headerName": "x", "headerValue": {"exact": "1"}}]
    router_for("plugins").set_header_route(ctx, {"name": "beta", "match": match})
    (after,) = (found for key, found in ctx.world.objects.items() if key.kind == "HTTPRoute")
    assert after["spec"]["rules"][1]["backendRefs"] == [ref("canary", port=8080)]


def traefik(*services: dict[str, Any]) -> Body:
    kind = {"apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService", "metadata": {"name": "web"}}
    return {**kind, "spec": {"weighted": {"services": list(services)}}}


def test_traefik_weighs_services_of_the_rollouts_namespace_alone():
    services = [
        ref("stable", kind="TraefikService", weight=1),
        ref("stable", namespace="eu", weight=2),
        ref("stable", kind="Service"),
        ref("canary", namespace="shop"),
    ]
    after = weighed(TRAEFIK, traefik(*services))
    assert [item["weight"] for item in after["spec"]["weighted"]["services"]] == [1, 2, 70, 30]


def test_traefik_carries_over_the_weights_of_its_own_services_alone():
    rendered = traefik(
        ref("stable", kind="TraefikService", weight=1), ref("stable", weight=70), ref("canary", weight=30)
    )
    wanted = traefik(ref("stable", kind="TraefikService", weight=9), ref("stable"), ref("canary"))
    subject = world_of(bodies(TRAEFIK, wanted)).rollout
    after = router_for("traefik").carry_over(subject, wanted, rendered)
    assert [item["weight"] for item in after["spec"]["weighted"]["services"]] == [9, 70, 30]


@pytest.mark.parametrize(
    ("services", "message"),
    [
        ([ref("stable", kind="TraefikService"), ref("canary")], "traefik stable service was not found"),
        ([ref("stable"), ref("canary", namespace="eu")], "traefik canary service was not found"),
        ([ref("stable"), ref("canary"), ref("stable", port=81)], "TraefikService web has 2 backends stable"),
    ],
)
def test_traefik_refuses_entries_that_are_not_the_rollouts_services(services: list[Any], message: str):
    with pytest.raises(RollstepError, match=message):
        weighed(TRAEFIK, traefik(*services))


def virtual_service(*shares: tuple[str, int], port: int = 0) -> Body:
    found: list[dict[str, Any]] = [{"destination": {"host": host}, "weight": weight} for host, weight in shares]
    for number, share in enumerate(found if port else ()):
        share["destination"]["port"] = {"number": port + number}
    spec = {"hosts": ["web"], "http": [{"name": "main", "route": found}]}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web"}}
    return {**kind, "spec": spec}


def test_istio_weighs_hosts_of_the_rollouts_namespace():
    hosts = [("stable.shop.svc.cluster.local", 100), ("canary", 0), ("stable.eu.svc.cluster.local", 0)]
    after = weighed(ISTIO, virtual_service(*hosts))
    assert [share["weight"] for share in after["spec"]["http"][0]["route"]] == [70, 30, 0]


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ([("stable", 100), ("canary.eu.svc", 0)], "Canary Service 'canary' not found in route"),
        (
            [("stable", 95), ("canary", 0), ("stable.eu", 5)],
            "the destination stable.eu is not in the Rollout's",
        ),
        ([("stable", 100), ("canary", 0), ("stable", 0)], "the route has 2 backends stable"),
    ],
)
def test_istio_refuses_a_route_in_which_the_weights_would_not_be_the_share(hosts: list[Any], message: str):
    with pytest.raises(RollstepError, match=message):
        weighed(ISTIO, virtual_service(*hosts, port=8080))


def test_istio_never_leaves_a_weight_out_silently():
    kind = virtual_service()
    with pytest.raises(RollstepError, match="no route of VirtualService web gets the weights"):
        weighed(ISTIO, {**kind, "spec": {"hosts": ["web"], "http": []}})


def checked(routing: dict[str, Any], *objects: Body) -> list[tuple[str, str]]:
    (subject, *others) = [Manifest(item) for item in bodies(routing, *objects)]
    return [(finding.code, finding.message) for finding in check(subject, others)]


def test_the_check_finds_a_weight_that_the_router_would_remove():
    (found,) = checked(ISTIO, virtual_service(("stable", 95), ("canary", 0), ("legacy", 5)))
    assert found[0] == "RS319"
    assert "legacy has the weight 5, and is no destination of the Rollout" in found[1]
    assert checked(ISTIO, virtual_service(("stable", 100), ("canary", 0), ("legacy", 0))) == []


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("web.main", {"name": "web.main"}),
        ("web.v2.main", {"name": "web.v2.main"}),
        ("web.edge", {"name": "web", "namespace": "edge"}),
        ("web.edge.svc.cluster.local", {"name": "web", "namespace": "edge"}),
        ("web.v2.edge", {"name": "web.v2", "namespace": "edge"}),
        ("web.v2.edge.cluster.local", {"name": "web.v2", "namespace": "edge"}),
    ],
)
def test_a_virtual_service_with_a_dot_in_its_name_gets_the_weights(name: str, metadata: dict[str, str]):
    routing = {"istio": {"virtualService": {"name": name}}}
    body = virtual_service(("stable", 100), ("canary", 0))
    items = bodies(routing, {**body, "metadata": metadata})
    ctx = Context(settle(world_of(items)).world)
    router_for("istio").set_weight(ctx, 30)
    (after,) = (found for key, found in ctx.world.objects.items() if key.kind == "VirtualService")
    assert [share["weight"] for share in after["spec"]["http"][0]["route"]] == [70, 30]


def test_a_missing_virtual_service_with_a_dot_says_how_its_name_was_read():
    routing = {"istio": {"virtualService": {"name": "web.main"}}}
    with pytest.raises(RollstepError) as refusal:
        settle(world_of(bodies(routing)))
    assert "the name web in the namespace main" in refusal.value.findings[0].hint


def apisix(*backends: dict[str, Any]) -> Body:
    kind = {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "web"}}
    return {**kind, "spec": {"http": [{"name": "main", "backends": list(backends)}]}}


def test_apisix_refuses_a_service_with_two_ports_in_one_rule():
    backends = [{"serviceName": name, "servicePort": port} for name, port in (("stable", 80), ("canary", 80))]
    after = weighed(APISIX, apisix(*backends))
    assert [item["weight"] for item in after["spec"]["http"][0]["backends"]] == [70, 30]
    with pytest.raises(RollstepError, match="the rule main of ApisixRoute web has 2 backends stable"):
        weighed(APISIX, apisix(*backends, {"serviceName": "stable", "servicePort": 81}))


def ambassador(host: Any) -> Body:
    kind = {"apiVersion": "getambassador.io/v3alpha1", "kind": "Mapping", "metadata": {"name": "web"}}
    return {**kind, "spec": {"prefix": "/", "hostname": "*", "service": host}}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("stable", "canary"),
        ("stable:80", "canary:80"),
        ("https://stable.shop:443", "https://canary.shop:443"),
        ("stable.shop.svc.cluster.local:80", "canary.shop.svc.cluster.local:80"),
    ],
)
def test_ambassadors_canary_has_the_host_of_the_canary_service(host: str, expected: str):
    assert weighed(AMBASSADOR, ambassador(host))["spec"]["service"] == expected


@pytest.mark.parametrize(
    "host", ["unstable:80", "stable-gateway", "api.stable", "stable.eu:80", "", None, "stable/path"]
)
def test_a_mapping_that_does_not_lead_to_the_stable_service_is_refused(host: Any):
    with pytest.raises(RollstepError, match='mapping "web" does not lead to the Service stable'):
        weighed(AMBASSADOR, ambassador(host))


def test_the_check_finds_a_mapping_that_leads_elsewhere():
    assert checked(AMBASSADOR, ambassador("stable.shop:80")) == []
    (found,) = checked(AMBASSADOR, ambassador("legacy:80"))
    assert found == ("RS320", "'legacy:80' does not lead to the stable Service stable")
