"""A user's fields that a release does not own stay unchanged and in place.

Random objects get weights and routes for headers, are carried over to the next render, and lose the routes again:
without the router's own fields, the text of each is the user's, byte by byte and in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renderer.kubernetes.manifest import Body, Manifest
from renderer.kubernetes.yaml.writer import dump
from renderer.rollouts.controller.context import Context, PropagationDelayError
from renderer.rollouts.controller.managed_objects import carry_over
from renderer.rollouts.controller.routers import router_for
from renderer.rollouts.controller.routers.gateway_config import PLUGIN
from renderer.rollouts.model.rollout import HASH_LABEL, MANAGED_BY_ANNOTATION
from renderer.rollouts.model.world import World

MakeWorld = Callable[..., World]
EXAMPLES = 100
"""Examples of Gateway API routes, and of objects of all other routers together."""
STEP = {"name": "beta", "match": [{"headerName": "x-user", "headerValue": {"exact": "42"}}]}
LABEL = "rollouts.argoproj.io/gatewayapi-canary"

# Values of any type under keys that no router owns, real and unknown ones.
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=6)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-5, 10**6), TEXT)
KEY = st.sampled_from(["a", "unknown", "x-1", "ä", "on", "1", "extension", "retry", "sessionPersistence", "cors"])
VALUE = st.recursive(
    SCALAR, lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEY, inner, max_size=2)), max_leaves=4
)
FOREIGN = st.dictionaries(KEY, VALUE, max_size=3)
WEIGHT = st.one_of(st.none(), st.integers(0, 1000))
OTHERS = st.sampled_from(["legacy", "stable-2", "other"])


@st.composite
def around(draw: st.DrawFn, own: Body) -> dict[str, Any]:
    """Return ``own`` in one mapping with foreign fields, some of them before and some behind its own."""
    items = [*draw(FOREIGN).items(), *own.items()]
    turn = draw(st.integers(0, 5)) % (len(items) or 1)
    return dict(items[turn:] + items[:turn])


@st.composite
def wrapped(draw: st.DrawFn, api_version: str, kind: str, spec: Body) -> dict[str, Any]:
    """Return an object with a spec, and with the user's labels, annotations and other fields."""
    metadata = draw(around({"name": "web"}))
    strings = st.dictionaries(KEY, TEXT, min_size=1, max_size=2)
    for field in ("labels", "annotations"):
        if draw(st.booleans()):
            metadata[field] = draw(strings)
    body = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": draw(around(spec))}
    return draw(around(body))


@st.composite
def backend(draw: st.DrawFn, field: str, name: str) -> dict[str, Any]:
    weight = draw(WEIGHT)
    return draw(around({field: name} if weight is None else {field: name, "weight": weight}))


@st.composite
def backends(draw: st.DrawFn, field: str = "name", *, all_of: bool) -> list[dict[str, Any]]:
    names = ["stable", "canary"] if all_of else draw(st.sampled_from([["stable"], ["canary"], []]))
    names = draw(st.permutations([*names, *draw(st.lists(OTHERS, max_size=2, unique=True))]))
    return [draw(backend(field, name)) for name in names]


@st.composite
def gateway_rule(draw: st.DrawFn, name: str, *, all_of: bool) -> dict[str, Any]:
    own: dict[str, Any] = {"backendRefs": draw(backends(all_of=all_of))}
    if draw(st.booleans()):
        # A rule named like one for headers is the user's, unless its only backend is the canary.
        own["name"] = name if all_of else f"u{name}"
    for field in ("filters", "timeouts"):
        if draw(st.booleans()):
            own[field] = draw(VALUE)
    if draw(st.booleans()):
        header = {"name": "x-other", "value": "1"}
        match = around({"headers": [header]} if draw(st.booleans()) else {"path": {"type": "PathPrefix", "value": "/"}})
        own["matches"] = draw(st.lists(match, min_size=1, max_size=2))
    return draw(around(own))


@st.composite
def gateway(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"]))
    wholes = draw(st.lists(st.booleans(), max_size=2))
    rules = [draw(gateway_rule(f"beta-{n}", all_of=whole)) for n, whole in enumerate([*wholes, True])]
    return draw(wrapped("gateway.networking.k8s.io/v1", kind, {"parentRefs": draw(VALUE), "rules": rules}))


@st.composite
def virtual_service(draw: st.DrawFn) -> dict[str, Any]:
    shares = [draw(around({"destination": {"host": name, "port": {"number": 80}}})) for name in ("stable", "canary")]
    for share in shares:
        weight = draw(WEIGHT)
        share |= {} if weight is None else {"weight": weight}
    main = draw(around({"name": "main", "route": draw(st.permutations(shares))}))
    others = draw(st.lists(around({"name": "other", "route": [{"destination": {"host": "stable"}}]}), max_size=2))
    http = draw(st.permutations([main, *others]))
    return draw(wrapped("networking.istio.io/v1", "VirtualService", {"http": http, "gateways": draw(VALUE)}))


@st.composite
def destination_rule(draw: st.DrawFn) -> dict[str, Any]:
    subsets = [draw(around({"name": name, "labels": {"app": "web"}})) for name in ("s", "c")]
    return draw(wrapped("networking.istio.io/v1", "DestinationRule", {"host": "web", "subsets": subsets}))


@st.composite
def ingress(draw: st.DrawFn) -> dict[str, Any]:
    service = {"service": {"name": "stable", "port": {"number": 80}}}
    paths = [draw(around({"path": "/", "pathType": "Prefix", "backend": service}))]
    rules = [draw(around({"host": "web.example.com", "http": {"paths": paths}}))]
    return draw(wrapped("networking.k8s.io/v1", "Ingress", {"rules": rules, "tls": draw(VALUE)}))


@st.composite
def traefik(draw: st.DrawFn) -> dict[str, Any]:
    weighted = draw(around({"services": draw(backends(all_of=True))}))
    return draw(wrapped("traefik.io/v1alpha1", "TraefikService", {"weighted": weighted}))


@st.composite
def apisix(draw: st.DrawFn) -> dict[str, Any]:
    main = draw(around({"name": "main", "backends": draw(backends("serviceName", all_of=True))}))
    others = draw(st.lists(around({"name": "other"}), max_size=1))
    return draw(wrapped("apisix.apache.org/v2", "ApisixRoute", {"http": [*others, main]}))


@st.composite
def mapping(draw: st.DrawFn) -> dict[str, Any]:
    return draw(wrapped("getambassador.io/v3alpha1", "Mapping", {"prefix": "/", "service": "stable:80"}))


@st.composite
def traffic_split(draw: st.DrawFn) -> dict[str, Any]:
    return draw(wrapped("split.smi-spec.io/v1alpha1", "TrafficSplit", {"service": "stable", "backends": []}))


def without_weights(body: Any, items: str, field: str = "name") -> None:
    """Remove the weights of the stable and the canary Service from each list ``items`` with both."""
    for rule in _mappings(body):
        refs = rule.get(items)
        names = {ref.get(field) for ref in refs if isinstance(ref, dict)} if isinstance(refs, list) else set()
        if {"stable", "canary"} <= names:
            for ref in refs:
                if ref[field] in ("stable", "canary"):
                    ref.pop("weight", None)


def _mappings(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [found for item in value for found in _mappings(item)]
    return [value, *(found for item in value.values() for found in _mappings(item))] if isinstance(value, dict) else []


def of_gateway(body: Any) -> None:
    without_weights(body["spec"]["rules"], "backendRefs")
    body["spec"]["rules"] = [rule for rule in body["spec"]["rules"] if not _is_for_headers(rule)]
    _drop(body["metadata"], "labels", LABEL)


def _is_for_headers(rule: Any) -> bool:
    header = {"name": "x-user", "type": "Exact", "value": "42"}
    return all(header in (match.get("headers") or []) for match in rule.get("matches") or [{}])


def _drop(body: Any, field: str, *keys: str) -> None:
    if isinstance(body.get(field), dict):
        for key in keys:
            body[field].pop(key, None)
        if not body[field]:
            del body[field]


def of_istio(body: Any) -> None:
    routes = body["spec"].get("http", [])
    body["spec"]["http"] = [route for route in routes if route.get("name") != "beta"]
    for share in (share for route in body["spec"]["http"] if route["name"] == "main" for share in route["route"]):
        share.pop("weight", None)


def of_rule(body: Any) -> None:
    for subset in body["spec"]["subsets"]:
        subset["labels"].pop(HASH_LABEL, None)
    _drop(body["metadata"], "annotations", MANAGED_BY_ANNOTATION)


def of_alb(body: Any) -> None:
    prefix = "alb.ingress.kubernetes.io"
    keys = [f"{prefix}/{kind}.{name}" for kind in ("actions", "conditions") for name in ("stable", "beta")]
    _drop(body["metadata"], "annotations", *keys, "rollouts.argoproj.io/managed-alb-annotations")
    for rule in body["spec"]["rules"]:
        paths = rule["http"]["paths"]
        rule["http"]["paths"] = [path for path in paths if path["backend"]["service"]["name"] != "beta"]


def of_split(body: Any) -> None:
    del body["spec"]["backends"], body["spec"]["service"]


def nothing(body: Any) -> None:
    """Own nothing of an object."""


class Case(NamedTuple):
    """A kind of object: the router and its section of the Rollout, a strategy, and the router's own fields."""

    router: str
    routing: Mapping[str, Any]
    bodies: st.SearchStrategy[dict[str, Any]]
    strip: Callable[[Any], None]
    headers: bool = False


ISTIO = {"virtualService": {"name": "web", "routes": ["main"]}}
SUBSETS = {"name": "web", "canarySubsetName": "c", "stableSubsetName": "s"}
OTHER: dict[str, Case] = {
    "VirtualService": Case("istio", ISTIO, virtual_service(), of_istio, headers=True),
    "DestinationRule": Case("istio", {**ISTIO, "destinationRule": SUBSETS}, destination_rule(), of_rule),
    "alb": Case("alb", {"ingress": "web", "servicePort": 80}, ingress(), of_alb, headers=True),
    "nginx": Case("nginx", {"stableIngress": "web"}, ingress(), nothing),
    "TrafficSplit": Case("smi", {"trafficSplitName": "web"}, traffic_split(), of_split),
    "TraefikService": Case(
        "traefik", {"weightedTraefikServiceName": "web"}, traefik(), lambda body: without_weights(body, "services")
    ),
    "Mapping": Case("ambassador", {"mappings": ["web"]}, mapping(), nothing),
    "ApisixRoute": Case(
        "apisix",
        {"route": {"name": "web", "rules": ["main"]}},
        apisix(),
        lambda body: without_weights(body, "backends", "serviceName"),
    ),
}


def stripped(case: Case, body: Body) -> str:
    """Return the text of an object without the router's own fields."""
    copy = deepcopy(dict(body))
    case.strip(copy)
    return dump(copy)


def check(case: Case, base: World, body: dict[str, Any], weight: int) -> None:
    """Return an object after a release and back, with a render between."""
    source = deepcopy(body)
    key = Manifest(body).key._replace(namespace=base.rollout.namespace)
    begun = step(case, Context(base.with_object(key, body)), key.kind, 0, headers=False)
    world = step(case, Context(begun), key.kind, weight, headers=case.headers)
    assert body == source, "an object of the user's was changed in memory"
    during = world.objects[key]
    assert stripped(case, during) == stripped(case, source)
    carried = carry_over(base.rollout, source, during) if case.router != "smi" else during
    assert dump(carried) == dump(during)
    again = step(case, Context(world.with_object(key, carried)), key.kind, weight, headers=case.headers)
    assert dump(again.objects[key]) == dump(during)
    back = Context(again)
    if case.headers:
        router_for(case.router).remove_managed_routes(back)
    ended = step(case, back, key.kind, 0, headers=False).objects[key]
    assert dump(same(case, ended)) == dump(same(case, begun.objects[key]))


def same(case: Case, body: Body) -> Any:
    """Return an object without meaningless values: a weight of 0 in a VirtualService equals a missing one."""
    copy = deepcopy(dict(body))
    for share in _mappings(copy) if case.router == "istio" else ():
        if share.get("weight") == 0:
            del share["weight"]
    return copy


def step(case: Case, ctx: Context, kind: str, weight: int, *, headers: bool) -> World:
    router = router_for(case.router)
    if headers:
        router.set_header_route(ctx, STEP)
    if kind == "DestinationRule":
        router.update_hash(ctx, f"new{weight}", "old")
    else:
        with suppress(PropagationDelayError):
            router.set_weight(ctx, weight)
    return ctx.world


def routing(case: Case) -> dict[str, Any]:
    return {case.router: dict(case.routing), "managedRoutes": [{"name": "beta"}]}


MANY = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@MANY
@given(body=gateway(), weight=st.integers(1, 100))
def test_routes_of_the_gateway_api(body: dict[str, Any], weight: int, routed: MakeWorld) -> None:
    field = {"HTTPRoute": "httpRoute", "GRPCRoute": "grpcRoute", "TCPRoute": "tcpRoute", "TLSRoute": "tlsRoute"}
    headers = body["kind"] in ("HTTPRoute", "GRPCRoute")
    case = Case("plugins", {PLUGIN: {field[body["kind"]]: "web"}}, st.nothing(), of_gateway, headers=headers)
    check(case, routed(routing(case)), body, weight)


@pytest.mark.parametrize("name", OTHER)
def test_objects_of_other_routers(name: str, routed: MakeWorld) -> None:
    case = OTHER[name]
    base = routed(routing(case))

    @settings(MANY, max_examples=EXAMPLES // len(OTHER))
    @given(body=case.bodies, weight=st.integers(1, 100))
    def holds(body: dict[str, Any], weight: int) -> None:
        check(case, base, body, weight)

    holds()
