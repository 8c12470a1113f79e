"""Routes of the Gateway API: the effect of what is written, by the API's meaning, and what stays unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.kubernetes.selectors import selects
from renderer.rollouts import actions
from renderer.rollouts.controller import settle, unsupported_fields
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.managed_objects import carry_over, edited_objects
from renderer.rollouts.controller.routers import router_for
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import World

MakeWorld = Callable[..., World]
GROUP = "gateway.networking.k8s.io"
PLUGIN = "argoproj-labs/gatewayAPI"
LABEL = "rollouts.argoproj.io/gatewayapi-canary"
BOTH: list[Body] = [{"name": "stable", "port": 80}, {"name": "canary", "port": 80}]
ROUTER = router_for("plugins")


def rule(**more: Any) -> dict[str, Any]:
    return {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": BOTH, **more}


def route(*rules: Body, kind: str = "HTTPRoute", name: str = "web", **metadata: Any) -> dict[str, Any]:
    spec = {"parentRefs": [{"name": "public"}], "rules": list(rules or [rule()])}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def plugin(*managed: str, **fields: Any) -> dict[str, Any]:
    return {"plugins": {PLUGIN: fields}, "managedRoutes": [{"name": name} for name in managed]}


def beta(name: str = "beta", header: str = "x-user", **value: str) -> dict[str, Any]:
    return {"name": name, "match": [{"headerName": header, "headerValue": value or {"exact": "42"}}]}


def object_of(ctx: Context, kind: str = "HTTPRoute", name: str = "web") -> Any:
    return ctx.world.objects[ObjectKey(GROUP, kind, ctx.rollout.namespace, name)]


def rules_of(ctx: Context, kind: str = "HTTPRoute", name: str = "web") -> list[Any]:
    rules: list[Any] = object_of(ctx, kind, name)["spec"]["rules"]
    return rules


def shares(one: Body) -> dict[str, float]:
    """Return each backend's share of a rule's requests: its weight, 1 by default, over the sum."""
    refs = one["backendRefs"]
    total = sum(ref.get("weight", 1) for ref in refs)
    return {ref["name"]: ref.get("weight", 1) / total for ref in refs} if total else {}


FIELDS = {"HTTPRoute": "httpRoute", "GRPCRoute": "grpcRoute", "TCPRoute": "tcpRoute", "TLSRoute": "tlsRoute"}


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("weight", [0, 1, 35, 100])
def test_the_canary_gets_its_share_in_routes_of_each_kind(kind: str, weight: int, routed: MakeWorld) -> None:
    ctx = Context(routed(plugin(**{FIELDS[kind]: "web"}), route(kind=kind)))
    ROUTER.set_weight(ctx, weight)
    (one,) = rules_of(ctx, kind)
    assert shares(one) == {"stable": 1 - weight / 100, "canary": weight / 100}


def test_weights_are_out_of_max_traffic_weight(routed: MakeWorld) -> None:
    ctx = Context(routed({**plugin(httpRoute="web"), "maxTrafficWeight": 1000}, route()))
    ROUTER.set_weight(ctx, 5)
    assert [ref["weight"] for ref in rules_of(ctx)[0]["backendRefs"]] == [995, 5]


def test_several_routes_of_several_kinds_go_together(routed: MakeWorld) -> None:
    fields = {"httpRoutes": [{"name": "a"}, {"name": "b"}], "httpRoute": "c", "tcpRoutes": [{"name": "a"}]}
    bodies = [*(route(name=name) for name in "abc"), route(name="a", kind="TCPRoute"), route(name="other")]
    ctx = Context(routed(plugin(**fields), *bodies))
    ROUTER.set_weight(ctx, 20)
    assert [write.name for write in ctx.writes] == ["a", "b", "c", "a"]
    for kind, name in (("HTTPRoute", "a"), ("HTTPRoute", "b"), ("HTTPRoute", "c"), ("TCPRoute", "a")):
        assert shares(rules_of(ctx, kind, name)[0])["canary"] == 0.2
    assert object_of(ctx, name="other") == bodies[-1]


def test_only_rules_that_have_both_services_are_weighed(routed: MakeWorld) -> None:
    rules = [
        rule(backendRefs=[{"name": "stable", "port": 80}]),
        rule(backendRefs=[{"name": "canary", "port": 80}]),
        rule(backendRefs=[{"name": "old", "port": 80, "weight": 3}]),
        rule(backendRefs=[{"name": "stable"}, {"name": "canary", "kind": "ServiceImport", "group": "example.com"}]),
        {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]},
        rule(backendRefs=[BOTH[1], {"name": "legacy", "port": 80, "weight": 100}, BOTH[0]]),
    ]
    ctx = Context(routed(plugin(httpRoute="web"), route(*rules)))
    ROUTER.set_weight(ctx, 100)
    *untouched, last = rules_of(ctx)
    # With weight 0 as its only backend a rule would send requests nowhere.
    assert untouched == rules[:-1]
    assert shares(last) == {"canary": 0.5, "legacy": 0.5, "stable": 0}
    ROUTER.remove_managed_routes(ctx)
    assert rules_of(ctx)[:-1] == rules[:-1]


def test_backends_of_others_keep_their_place_and_weight_through_a_release(routed: MakeWorld) -> None:
    # https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/issues/203
    other = {"name": "other", "port": 8080, "weight": 7}
    source = route(rule(backendRefs=[other, *BOTH]))
    steps = [{"setWeight": 20}, {"pause": {}}]
    world = settle(routed(plugin(httpRoute="web"), source, steps=steps)).world
    world = settle(actions.set_image(world, "*", "registry.example.com/web:2")).world
    key = ObjectKey(GROUP, "HTTPRoute", world.rollout.namespace, "web")
    assert [ref["weight"] for ref in world.objects[key]["spec"]["rules"][0]["backendRefs"]] == [7, 80, 20]
    world = settle(actions.promote_full(world)).world
    refs = world.objects[key]["spec"]["rules"][0]["backendRefs"]
    assert refs == [other, {**BOTH[0], "weight": 100}, {**BOTH[1], "weight": 0}]


def test_a_rule_for_headers_has_all_fields_of_its_source(routed: MakeWorld) -> None:
    # https://github.com/fluxcd/flagger/issues/1857
    filters = [{"type": "CORS", "cors": {"allowOrigins": ["https://web.example.com"]}}]
    canary = {"name": "canary", "port": 80, "filters": [{"type": "RequestHeaderModifier"}]}
    source = rule(
        name="main", filters=filters, timeouts={"request": "3s"}, later={"x": 1}, backendRefs=[BOTH[0], canary]
    )
    ctx = Context(routed(plugin("beta", httpRoute="web"), route(source)))
    ROUTER.set_header_route(ctx, beta())
    ROUTER.set_weight(ctx, 0)
    first, made = rules_of(ctx)
    assert {**first, "backendRefs": source["backendRefs"]} == source
    assert made == {
        **source,
        "name": "beta",
        "matches": [{**source["matches"][0], "headers": [{"name": "x-user", "type": "Exact", "value": "42"}]}],
        "backendRefs": [canary],
    }
    # Weights apply to requests without the header; those with it all go to the canary.
    assert shares(made) == {"canary": 1}
    assert next(iter(made)) == "name"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ({"exact": "a.b"}, "Exact", "a.b"),
        ({"regex": "a.*|b"}, "RegularExpression", "a.*|b"),
        ({"prefix": "1.0-(b)"}, "RegularExpression", r"1\.0-\(b\).*"),
    ],
)
def test_headers_are_matched_by_the_step(value: dict[str, str], kind: str, text: str, routed: MakeWorld) -> None:
    ctx = Context(routed(plugin("beta", grpcRoute="web"), route({"backendRefs": BOTH}, kind="GRPCRoute")))
    ROUTER.set_header_route(ctx, beta(**value))
    assert rules_of(ctx, "GRPCRoute")[1]["matches"] == [{"headers": [{"name": "x-user", "type": kind, "value": text}]}]


def test_each_rule_of_the_release_has_one_for_the_headers(routed: MakeWorld) -> None:
    # https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/issues/207
    paths = [{"path": {"value": f"/{name}"}} for name in "abc"]
    rules = [rule(matches=[paths[0]]), rule(matches=[paths[1]], backendRefs=BOTH[:1]), rule(matches=paths[2:] * 2)]
    ctx = Context(routed(plugin("beta", httpRoute="web"), route(*rules)))
    ROUTER.set_header_route(ctx, beta())
    made = rules_of(ctx)[3:]
    assert [one["name"] for one in made] == ["beta", "beta-1"]
    assert [[match["path"]["value"] for match in one["matches"]] for one in made] == [["/a"], ["/c", "/c"]]
    before = ctx.world
    ROUTER.set_header_route(ctx, beta())
    assert ctx.world is before
    ROUTER.set_header_route(ctx, {"name": "beta"})
    assert rules_of(ctx) == rules


def test_routes_for_one_header_stand_beside_each_other_in_the_order_of_managed_routes(routed: MakeWorld) -> None:
    # https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/issues/215
    ctx = Context(routed(plugin("one", "two", httpRoute="web"), route()))
    ROUTER.set_header_route(ctx, beta("two", exact="2"))
    ROUTER.set_header_route(ctx, beta("one", exact="1"))
    found = [(one.get("name"), one["matches"][0].get("headers", [{}])[0].get("value")) for one in rules_of(ctx)]
    assert found == [(None, None), ("one", "1"), ("two", "2")]
    ROUTER.set_header_route(ctx, {"name": "one"})
    assert [one.get("name") for one in rules_of(ctx)] == [None, "two"]
    ROUTER.remove_managed_routes(ctx)
    assert rules_of(ctx) == [rule()]


def test_a_users_rule_stays_whatever_it_is_called(routed: MakeWorld) -> None:
    # https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/issues/217
    preview = rule(matches=[{"headers": [{"name": "x-user", "value": "42"}]}], backendRefs=BOTH[1:])
    rules = [rule(name="beta-1"), preview, rule(name="beta", backendRefs=BOTH[:1])]
    ctx = Context(routed(plugin("beta", "beta-2", httpRoute="web"), route(*rules)))
    ROUTER.set_header_route(ctx, beta())
    assert [one.get("name") for one in rules_of(ctx)] == ["beta-1", None, "beta", "beta-3"]
    assert len({one["name"] for one in rules_of(ctx) if "name" in one}) == 3
    ROUTER.remove_managed_routes(ctx)
    assert rules_of(ctx) == rules


def test_a_match_has_a_header_once(routed: MakeWorld) -> None:
    same = {"name": "X-User", "type": "Exact", "value": "42"}
    other = {"name": "x-user", "value": "7"}
    matches = [{"headers": [same]}, {"headers": [other]}, {"method": "GET"}]
    ctx = Context(routed(plugin("beta", httpRoute="web"), route(rule(matches=matches), rule(matches=matches[1:2]))))
    ROUTER.set_header_route(ctx, beta())
    made = rules_of(ctx)[2:]
    # No request has both 7 and 42: a match that is never met is left out.
    header = {"name": "x-user", "type": "Exact", "value": "42"}
    assert [one["matches"] for one in made] == [[{"headers": [same]}, {"method": "GET", "headers": [header]}]]


def test_a_header_that_is_matched_in_two_ways_is_refused(routed: MakeWorld) -> None:
    taken = rule(matches=[{"headers": [{"name": "x-user", "type": "RegularExpression", "value": "4.*"}]}])
    ctx = Context(routed(plugin("beta", httpRoute="web"), route(taken)))
    with pytest.raises(RollstepError, match="matches the header x-user already"):
        ROUTER.set_header_route(ctx, beta())


def test_only_routes_with_the_flag_get_header_rules(routed: MakeWorld) -> None:
    fields = {
        "httpRoutes": [{"name": "a", "useHeaderRoutes": True}, {"name": "b"}],
        "httpRouteSelector": {},
        "tcpRoute": "t",
        "grpcRoutes": [{"name": "g", "useHeaderRoutes": False}],
    }
    bodies = [
        *(route(name=name) for name in "abc"),
        route(name="t", kind="TCPRoute"),
        route(name="g", kind="GRPCRoute"),
    ]
    ctx = Context(routed(plugin("beta", **fields), *bodies))
    ROUTER.set_header_route(ctx, beta())
    assert [(write.kind, write.name) for write in ctx.writes] == [("HTTPRoute", "a")]


def test_a_route_is_labelled_while_the_canary_has_traffic(routed: MakeWorld) -> None:
    ctx = Context(routed(plugin("beta", httpRoute="web"), route(labels={"app": "web"})))
    ROUTER.set_weight(ctx, 0)
    assert object_of(ctx)["metadata"]["labels"] == {"app": "web"}
    ROUTER.set_weight(ctx, 10)
    assert object_of(ctx)["metadata"]["labels"] == {"app": "web", LABEL: "in-progress"}
    ROUTER.set_weight(ctx, 0)
    assert object_of(ctx)["metadata"]["labels"] == {"app": "web"}
    # https://github.com/argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi/issues/190
    ROUTER.set_header_route(ctx, beta())
    ROUTER.set_weight(ctx, 0)
    assert LABEL in object_of(ctx)["metadata"]["labels"]


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"disableInProgressLabel": True}, None),
        ({"inProgressLabelKey": "example.com/release"}, {"example.com/release": "in-progress"}),
        ({"inProgressLabelKey": "example.com/release", "inProgressLabelValue": "on"}, {"example.com/release": "on"}),
    ],
)
def test_the_label_is_the_configured_one(fields: Body, labels: Any, routed: MakeWorld) -> None:
    ctx = Context(routed(plugin(httpRoute="web", **fields), route()))
    ROUTER.set_weight(ctx, 10)
    assert object_of(ctx)["metadata"].get("labels") == labels
    ROUTER.set_weight(ctx, 0)
    assert object_of(ctx)["metadata"] == {"name": "web"}


LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "zone": "a"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["api"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
    ],
)
def test_selectors_select_as_kubernetes_does(selector: Body, expected: bool) -> None:
    assert selects(selector, LABELS) is expected


def test_selected_routes_are_the_releases_own(routed: MakeWorld) -> None:
    bodies = [route(name="b", labels={"app": "web"}), route(name="a", labels={"app": "web"}), route(name="c")]
    world = routed(plugin(httpRouteSelector={"matchLabels": {"app": "web"}}), *bodies)
    ctx = Context(world)
    ROUTER.set_weight(ctx, 10)
    assert [write.name for write in ctx.writes] == ["a", "b"]
    edited = edited_objects(world.rollout, world.objects)
    assert {key.name for key in edited if key.kind == "HTTPRoute"} == {"a", "b"}
    assert {key.kind for key in edited_objects(world.rollout)} == {"Service"}


@pytest.mark.parametrize(
    ("fields", "bodies", "message"),
    [
        ({"httpRoute": "web"}, [], 'HTTPRoute "web" not found'),
        ({"tlsRoute": "web"}, [route()], 'TLSRoute "web" not found'),
        ({"httpRoute": "web", "namespace": "elsewhere"}, [route()], 'HTTPRoute "web" not found'),
        ({"httpRouteSelector": {"matchLabels": {"a": "b"}}}, [route()], "selects no route"),
        (
            {"httpRoute": "web"},
            [route(rule(backendRefs=BOTH[:1]), rule(backendRefs=BOTH[1:]))],
            "no rule of HTTPRoute web has both stable and canary as backends",
        ),
    ],
)
def test_what_cannot_be_weighed_is_refused(fields: Body, bodies: list[Any], message: str, routed: MakeWorld) -> None:
    with pytest.raises(RollstepError) as refusal:
        settle(routed(plugin(**fields), *bodies))
    (finding,) = refusal.value.findings
    assert finding.message == message
    assert finding.field.startswith(f"spec.strategy.canary.trafficRouting.plugins.{PLUGIN}")


def rollout(plugins: Any, namespace: str = "") -> Rollout:
    canary = {"canaryService": "canary", "stableService": "stable", "trafficRouting": {"plugins": plugins}}
    metadata = {"name": "web", **({"namespace": namespace} if namespace else {})}
    return Rollout.from_body({"metadata": metadata, "spec": {"strategy": {"canary": canary}}})


@pytest.mark.parametrize(
    ("namespace", "fields", "expected"),
    [
        ("", {}, [""]),
        ("shop", {}, ["shop"]),
        ("shop", {"namespace": "edge"}, ["edge"]),
        # Without a namespace in the manifests, the route has the one they are applied to.
        ("", {"namespace": "shop"}, ["shop", ""]),
    ],
)
def test_routes_are_looked_for_in_their_namespace(namespace: str, fields: Body, expected: list[str]) -> None:
    (named,) = ROUTER.named_objects(rollout({PLUGIN: {"httpRoute": "web", **fields}}, namespace))
    assert [key.namespace for key in named.keys] == expected


@pytest.mark.parametrize(
    ("plugins", "where", "message"),
    [
        ({"example/other": {}}, ".example/other", "the plugin example/other is not supported"),
        ({PLUGIN: None}, f".{PLUGIN}", "expected a mapping, found None"),
        ({PLUGIN: {}}, f".{PLUGIN}", "names no route"),
        ({PLUGIN: {"httpRoute": "a", "httpsRoute": "b"}}, f".{PLUGIN}.httpsRoute", f"is not a field of {PLUGIN}"),
        ({PLUGIN: {"httpRoute": "a", "namespace": 5}}, f".{PLUGIN}.namespace", "expected text, found 5"),
        ({PLUGIN: {"httpRoute": "a", "tcpRoutes": "b"}}, f".{PLUGIN}.tcpRoutes", "expected a list, found 'b'"),
        (
            {PLUGIN: {"httpRoutes": [{"name": "a"}, {}]}},
            f".{PLUGIN}.httpRoutes[1]",
            "expected a route's name, found {}",
        ),
        (
            {PLUGIN: {"httpRoutes": [{"name": "a", "useHeaderRoutes": "yes"}]}},
            f".{PLUGIN}.httpRoutes[0].useHeaderRoutes",
            "expected true or false, found 'yes'",
        ),
        (
            {PLUGIN: {"httpRoute": "a", "disableInProgressLabel": "true"}},
            f".{PLUGIN}.disableInProgressLabel",
            "expected true or false, found 'true'",
        ),
        (
            {
                PLUGIN: {
                    "httpRouteSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}
                }
            },
            f".{PLUGIN}.httpRouteSelector.matchExpressions[0].values",
            "expected no values with Exists",
        ),
        (
            {PLUGIN: {"httpRouteSelector": {"matchExpressions": [{"key": "a", "operator": "in"}]}}},
            f".{PLUGIN}.httpRouteSelector.matchExpressions[0]",
            "expected a key and one of the operators In, NotIn, Exists, DoesNotExist, found",
        ),
    ],
)
def test_invalid_plugin_configuration_is_refused(plugins: Body, where: str, message: str) -> None:
    (finding,) = unsupported_fields(rollout(plugins))
    assert finding.field == f"spec.strategy.canary.trafficRouting.plugins{where}"
    assert finding.message.startswith(message)


def test_other_plugins_are_refused_beside_this_one_with_the_reason() -> None:
    assert unsupported_fields(rollout({PLUGIN: {"httpRoute": "web", "configMap": "old"}})) == ()
    (finding,) = unsupported_fields(rollout({PLUGIN: {"httpRoute": "web"}, "example/other": {}}))
    assert finding.message.endswith(f"is not supported, only {PLUGIN}")
    assert rollout({}).canary.traffic_routing.routers == ()  # type: ignore[union-attr]


def test_what_a_user_changes_during_a_release_comes_through(routed: MakeWorld) -> None:
    ctx = Context(routed(plugin("beta", httpRoute="web"), route()))
    ROUTER.set_header_route(ctx, beta())
    ROUTER.set_weight(ctx, 30)
    rendered = object_of(ctx)
    refs = [{"name": "legacy", "weight": 4}, {**BOTH[1], "weight": 50}, {**BOTH[0], "weight": 50}]
    wanted = route(
        rule(backendRefs=refs, timeouts={"request": "9s"}), rule(backendRefs=BOTH[:1]), labels={"app": "web"}
    )
    carried = carry_over(ctx.rollout, wanted, rendered)
    first, second, made = carried["spec"]["rules"]
    assert [ref.get("weight") for ref in first["backendRefs"]] == [4, 30, 70]
    assert {**first, "backendRefs": refs} == wanted["spec"]["rules"][0]
    assert second == wanted["spec"]["rules"][1]
    assert made == rendered["spec"]["rules"][1]
    assert carried["metadata"]["labels"] == {"app": "web", LABEL: "in-progress"}


def test_a_user_rule_with_the_same_name_is_not_duplicated(routed: MakeWorld) -> None:
    preview = rule(name="beta", backendRefs=BOTH[1:])
    ctx = Context(routed(plugin("beta", httpRoutes=[{"name": "web"}]), route(preview, rule())))
    ROUTER.remove_managed_routes(ctx)
    ROUTER.set_weight(ctx, 30)
    rendered = object_of(ctx)
    assert rendered["spec"]["rules"][0] == preview
    assert carry_over(ctx.rollout, route(preview, rule()), rendered) == rendered


def test_an_abort_removes_the_header_rules(routed: MakeWorld) -> None:
    steps = [{"setCanaryScale": {"replicas": 1}}, {"setHeaderRoute": beta()}, {"setWeight": 20}, {"pause": {}}]
    world = settle(routed(plugin("beta", httpRoute="web"), route(), steps=steps)).world
    key = ObjectKey(GROUP, "HTTPRoute", world.rollout.namespace, "web")
    first = world.objects[key]
    world = settle(actions.set_image(world, "*", "registry.example.com/web:2")).world
    during = world.objects[key]
    assert [one.get("name") for one in during["spec"]["rules"]] == [None, "beta"]
    assert shares(during["spec"]["rules"][0]) == {"stable": 0.8, "canary": 0.2}
    assert settle(actions.abort(world)).world.objects[key] == first
    assert settle(actions.promote_full(world)).world.objects[key] == first
