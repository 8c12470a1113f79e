"""Routers, where the recordings do not cover them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.kubernetes.go_json import go_json
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.rollouts.controller import settle
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers import ROUTERS, router_for
from renderer.rollouts.controller.routers.istio_checks import virtual_service_problems
from renderer.rollouts.controller.routers.istio_routes import (
    Destinations,
    ordered,
    routes_to_weigh,
    virtual_service_readings,
    weighted,
)
from renderer.rollouts.model.spec import NOT_ROUTERS
from renderer.rollouts.model.versions import VERSIONS
from renderer.rollouts.model.world import World
from renderer.rollouts.pod_template.table import rollout_schema

MakeWorld = Callable[..., World]


def ingress(backend: str) -> dict[str, Any]:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": backend, "port": {"number": 80}}}}
    spec = {"rules": [{"http": {"paths": [path]}}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}


def traefik(*names: str) -> Body:
    services = [{"name": name, "port": 80} for name in names]
    spec = {"weighted": {"services": services}} if services else {}
    return {"apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService", "metadata": {"name": "web"}, "spec": spec}


TRAEFIK = {"traefik": {"weightedTraefikServiceName": "web"}}


@pytest.mark.parametrize(
    ("bodies", "message"),
    [
        ([], 'TraefikService "web" not found'),
        ([traefik()], "spec.weighted.services was not found in traefik service manifest"),
        ([traefik("stable")], "traefik canary service was not found"),
        ([traefik("canary")], "traefik stable service was not found"),
    ],
)
def test_traefik_refuses_what_it_cannot_weigh(bodies: list[Body], message: str, routed: MakeWorld) -> None:
    with pytest.raises(RollstepError) as refusal:
        settle(routed(TRAEFIK, *bodies))
    assert refusal.value.findings[0].message == message
    assert refusal.value.findings[0].field.endswith("traefik.weightedTraefikServiceName")


def mapping(**spec: Any) -> Body:
    spec = {"prefix": "/", "service": "https://stable.default:80", **spec}
    return {"apiVersion": "getambassador.io/v3alpha1", "kind": "Mapping", "metadata": {"name": "web"}, "spec": spec}


def test_ambassador_creates_a_mapping_and_deletes_it_at_weight_0(routed: MakeWorld) -> None:
    subject = routed({"ambassador": {"mappings": ["web"]}}, mapping())
    ctx = Context(subject)
    router = router_for("ambassador")
    router.set_weight(ctx, 0)
    assert ctx.writes == []
    router.set_weight(ctx, 30)
    key = ObjectKey("getambassador.io", "Mapping", subject.rollout.namespace, "web-canary")
    assert ctx.world.objects[key]["spec"] == {"prefix": "/", "service": "https://canary.default:80", "weight": 30}
    assert ctx.world.objects[key]["apiVersion"] == "getambassador.io/v3alpha1"


def test_ambassador_refuses_a_mapping_with_a_weight(routed: MakeWorld) -> None:
    ctx = Context(routed({"ambassador": {"mappings": ["web"]}}, mapping(weight=5)))
    with pytest.raises(RollstepError, match='Ambassador mapping "web" can not define weight'):
        router_for("ambassador").set_weight(ctx, 30)


def apisix() -> Body:
    backends = [{"serviceName": name, "servicePort": 80} for name in ("stable", "canary")]
    http = [{"name": "main", "priority": 3, "match": {"paths": ["/*"]}, "backends": backends}]
    return {
        "apiVersion": "apisix.apache.org/v2",
        "kind": "ApisixRoute",
        "metadata": {"name": "web"},
        "spec": {"http": http},
    }


def test_apisix_has_a_route_of_its_own_for_headers(routed: MakeWorld) -> None:
    routing = {"apisix": {"route": {"name": "web", "rules": ["main"]}}, "managedRoutes": [{"name": "beta"}]}
    ctx = Context(routed(routing, apisix()))
    router = router_for("apisix")
    step = {"name": "beta", "match": [{"headerName": "X", "headerValue": {"prefix": "a"}}]}
    router.set_header_route(ctx, step)
    key = ObjectKey("apisix.apache.org", "ApisixRoute", ctx.rollout.namespace, "beta")
    rule = ctx.world.objects[key]["spec"]["http"][0]
    assert rule["priority"] == 4
    assert rule["backends"] == [{"serviceName": "canary", "servicePort": 80, "weight": 100}]
    assert rule["match"]["exprs"] == [
        {"subject": {"scope": "Header", "name": "X"}, "op": "RegexMatch", "value": "^a.*"}
    ]
    router.set_header_route(ctx, {"name": "beta"})
    assert key not in ctx.world.objects
    router.set_header_route(ctx, step)
    router.remove_managed_routes(ctx)
    assert key not in ctx.world.objects


def test_apisix_names_the_missing_rule(routed: MakeWorld) -> None:
    ctx = Context(routed({"apisix": {"route": {"name": "web", "rules": ["nope"]}}}, apisix()))
    with pytest.raises(RollstepError, match="Apisix http route rule nope not found"):
        router_for("apisix").set_weight(ctx, 10)


def test_alb_writes_its_action_and_lists_its_annotations(routed: MakeWorld) -> None:
    routing = {"alb": {"ingress": "web", "servicePort": 443, "rootService": "root"}}
    done = settle(routed(routing, ingress("root"))).world
    body = done.objects[ObjectKey("networking.k8s.io", "Ingress", done.rollout.namespace, "web")]
    annotations = body["metadata"]["annotations"]
    key = "alb.ingress.kubernetes.io/actions.root"
    assert json.loads(annotations["rollouts.argoproj.io/managed-alb-annotations"]) == {"web": [key]}
    groups = json.loads(annotations[key])["ForwardConfig"]["TargetGroups"]
    assert groups == [
        {"ServiceName": "canary", "ServicePort": "443", "Weight": 0},
        {"ServiceName": "stable", "ServicePort": "443", "Weight": 100},
    ]


@pytest.mark.parametrize(
    ("alb", "message"),
    [
        ({"ingress": "web", "rootService": "other"}, "ingress does not have service `other` in rules"),
        ({"ingress": "nope"}, 'Ingress "nope" not found'),
        (
            {"ingress": "web", "stickinessConfig": {"enabled": True, "durationSeconds": 0}},
            "TargetGroupStickinessConfig's duration must be between 1 and 604800 seconds (7 days)!",
        ),
    ],
)
def test_alb_refuses_what_the_load_balancer_would(alb: dict[str, Any], message: str, routed: MakeWorld) -> None:
    with pytest.raises(RollstepError) as refusal:
        settle(routed({"alb": {"servicePort": 80, **alb}}, ingress("stable")))
    assert refusal.value.findings[0].message == message


NAMES = Destinations("stable", "canary", "", "", (), has_rule=False)
SUBSETS = Destinations("", "", "s", "c", ("x",), has_rule=True)


def share(host: str, weight: int | None = None, subset: str = "") -> dict[str, Any]:
    destination = {"host": host, **({"subset": subset} if subset else {})}
    return {"destination": destination, **({} if weight is None else {"weight": weight})}


def test_istio_weighs_services_by_their_short_names() -> None:
    shares = [share("stable.ns.svc.cluster.local", 100), share("canary", 0)]
    assert [item["weight"] for item in weighted(shares, 30, NAMES, "f")] == [70, 30]


def test_istio_keeps_additional_subsets_and_drops_unknown_destinations() -> None:
    shares = [share("web", 90, "s"), share("web", 0, "c"), share("web", 10, "x"), share("web", 5, "old")]
    result = weighted(shares, 20, SUBSETS, "f")
    assert [(item["destination"]["subset"], item["weight"]) for item in result] == [("s", 70), ("c", 20), ("x", 10)]
    assert weighted(shares, 95, SUBSETS, "f")[0]["weight"] == 0


@pytest.mark.parametrize(
    ("names", "shares", "message"),
    [
        (NAMES, [share("stable")], "Canary Service 'canary' not found in route"),
        (NAMES, [share("canary")], "Stable Service 'stable' not found in route"),
        (SUBSETS, [share("web", 1, "s")], "Canary DestinationRule subset 'c' not found in route"),
    ],
)
def test_istio_refuses_a_route_without_both_sides(names: Destinations, shares: list[Body], message: str) -> None:
    with pytest.raises(RollstepError, match=message):
        weighted(shares, 1, names, "f")


@pytest.mark.parametrize(
    ("name", "readings"),
    [
        ("web", [("web", "")]),
        ("web.shop", [("web", "shop"), ("web.shop", "")]),
        ("web.example.shop", [("web", "example"), ("web.example", "shop"), ("web.example.shop", "")]),
        ("web.shop.cluster.local", [("web", "shop"), ("web.shop.cluster.local", "")]),
    ],
)
def test_istio_reads_a_name_with_a_namespace(name: str, readings: list[tuple[str, str]]) -> None:
    assert virtual_service_readings(name) == tuple(readings)


def test_istio_checks_the_virtual_service_that_v1_10_reads() -> None:
    canary = {
        "stableService": "stable",
        "canaryService": "canary",
        "trafficRouting": {"istio": {"virtualService": {"name": "web.example.shop"}}},
    }
    body = {
        "kind": "VirtualService",
        "metadata": {"name": "web.example", "namespace": "shop"},
        "spec": {"http": [{"route": [{"destination": {"host": "stable"}, "weight": 100}]}]},
    }

    def lookup(_group: str, kind: str, name: object, namespace: str) -> list[Manifest]:
        return [Manifest(body)] if (kind, name, namespace) == ("VirtualService", "web.example", "shop") else []

    (problem,) = virtual_service_problems(canary, lookup, "networking.istio.io")
    assert problem.message.endswith("Canary Service 'canary' not found in route")


def test_istio_finds_the_routes_that_the_rollout_names() -> None:
    http = [{"name": "a"}, {"name": "b"}, {}]
    assert routes_to_weigh(http, ["b", "a"], "http", "f") == [1, 0]
    assert routes_to_weigh(http, [], "http", "f") == [2]
    assert routes_to_weigh([{"name": "only"}], [], "http", "f") == [0]
    tls = [{"match": [{"port": 443, "sniHosts": ["x"]}]}, {"match": [{"port": 443, "sniHosts": ["y", "z"]}]}]
    assert routes_to_weigh(tls, [{"port": 443, "sniHosts": ["z", "y"]}], "tls", "f") == [1]
    assert routes_to_weigh([{"match": [{"port": 1}]}], [{"port": 1}], "tcp", "f") == [0]
    with pytest.raises(RollstepError, match="HTTP Route 'nope' is not found"):
        routes_to_weigh(http, ["nope"], "http", "f")
    with pytest.raises(RollstepError, match="No matching TLS routes found"):
        routes_to_weigh(tls, [{"port": 1}], "tls", "f")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_of_traffic_routing_that_is_a_router_has_a_module(version: str) -> None:
    canary = rollout_schema(version)["properties"]["strategy"]["properties"]["canary"]
    assert {*canary["properties"]["trafficRouting"]["properties"]} == {*ROUTERS, *NOT_ROUTERS}
    assert all(router_for(name).set_weight for name in ROUTERS)


def test_managed_routes_come_first_in_their_order() -> None:
    routes = [{"name": "main"}, {"name": "b"}, {}, {"name": "a"}]
    assert ordered(routes, ["a", "b", "c"]) == [{"name": "a"}, {"name": "b"}, {"name": "main"}, {}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "<b>&"}, '{"a":"\\u003cb\\u003e\\u0026"}'),
        ({"a": "é\u2028"}, '{"a":"é\\u2028"}'),
        ("\b\f\n\\b\x00\x7f", '"\\b\\f\\n\\\\b\\u0000\x7f"'),
        ("\ud800", '"\ufffd"'),
    ],
)
def test_json_inside_annotations_is_gos(value: Any, text: str) -> None:
    assert go_json(value) == text
