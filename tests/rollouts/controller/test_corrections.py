"""Each correction: the controller's fault without it, and its absence with it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from renderer.kubernetes.manifest import ObjectKey
from renderer.pipeline.load.settings_schema import schema_text
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.controller.managed_objects import carry_over
from renderer.rollouts.model.corrections import CORRECTIONS, NO_CORRECTIONS, chosen_corrections
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.world import World
from tests.rollouts.controller.conftest import MakeWorld, service


def corrected(world: World, *names: str) -> World:
    """Return the world with some corrections; with all of them if none is named."""
    return replace(world, corrections=frozenset(names or CORRECTIONS))


def released(world: World, image: str = "registry.example.com/web:2") -> World:
    return settle(actions.set_image(world, "*", image)).world


def pods(world: World) -> dict[str, int]:
    """Return the replicas of each version by the tag of its image."""
    return {rs.template["spec"]["containers"][0]["image"].rpartition(":")[2]: rs.replicas for rs in world.replica_sets}


def test_a_correction_has_a_row_in_the_documentation(project: Path) -> None:
    text = (project / "docs" / "reference" / "corrections.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\S+(?:, \S+)*) \|", text, re.MULTILINE)
    assert dict(rows) == dict(CORRECTIONS)


def test_the_setting_chooses_corrections() -> None:
    first, *_ = CORRECTIONS
    assert chosen_corrections("all") == tuple(CORRECTIONS)
    assert chosen_corrections("none") == ()
    assert chosen_corrections([first]) == (first,)


@pytest.mark.parametrize("names", [(), ("zero-scale-down-delay",)])
def test_zero_scale_down_delay(nginx: MakeWorld, blue_green: MakeWorld, names: tuple[str, ...]) -> None:
    canary = nginx(scaleDownDelaySeconds=0, steps=[{"setWeight": 50}])
    for world in (canary, blue_green(scaleDownDelaySeconds=0)):
        done = released(replace(world, corrections=frozenset(names)))
        assert done.status.phase == "Healthy"
        assert pods(done) == {"1": 0 if names else 5, "2": 5}


@pytest.mark.parametrize(("names", "revisions"), [((), [1, 2, 3]), (("equal-templates",), [1, 2])])
def test_equal_templates(nginx: MakeWorld, names: tuple[str, ...], revisions: list[int]) -> None:
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 1}}
    world = released(nginx(antiAffinity=preferred, steps=[{"setWeight": 50}, {"pause": {}}]))
    world = replace(world, corrections=frozenset(names))
    written_out = actions.patch(world, {"spec": {"template": {"spec": {"dnsPolicy": "ClusterFirst"}}}})
    assert [rs.revision for rs in settle(written_out).world.replica_sets] == revisions


@pytest.mark.parametrize(("names", "weight"), [((), 90), (("stable-without-pods",), 100)])
def test_stable_without_pods(routed: MakeWorld, names: tuple[str, ...], weight: int) -> None:
    steps = [{"setCanaryScale": {"weight": 100}}, {"setWeight": 100}, {"pause": {}}, {"setWeight": 90}, {"pause": {}}]
    world = routed({"smi": {}}, canaryService="canary", stableService="stable", steps=steps, dynamicStableScale=True)
    done = released(replace(settle(world).world, corrections=frozenset(names)))
    assert done.status.canary.weights is not None
    assert (done.status.canary.weights.canary.weight, pods(done)["1"]) == (100, 0)
    # The controller's stable version gets the share before its first pod, which follows.
    done = settle(actions.promote(done), hold=True).world
    assert done.status.canary.weights is not None
    assert done.status.canary.weights.canary.weight == weight


WEIGHTS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]


def paused_at_60(make: MakeWorld, *names: str, **canary: Any) -> World:
    world = released(corrected(make(dynamicStableScale=True, steps=WEIGHTS, spec={"replicas": 10}, **canary), *names))
    world = settle(actions.promote(world)).world
    assert weight_of(world) == 60
    return world


def weight_of(world: World) -> int:
    weights = world.status.canary.weights
    assert weights is not None
    return weights.canary.weight


@pytest.mark.parametrize("canary", [{"minPodsPerReplicaSet": 4}, {"abortScaleDownDelaySeconds": 60}])
def test_aborted_traffic(nginx: MakeWorld, canary: dict[str, Any]) -> None:
    faulty = settle(actions.abort(paused_at_60(nginx, "zero-scale-down-delay", **canary))).world
    right = settle(actions.abort(paused_at_60(nginx, "aborted-traffic", **canary))).world
    assert weight_of(faulty) == 20
    assert weight_of(right) == 0
    assert pods(right)["1"] == 10


def test_aborted_traffic_goes_back_as_soon_as_the_stable_pods_can_carry_it(nginx: MakeWorld) -> None:
    world = settle(actions.abort(paused_at_60(nginx, "aborted-traffic")), hold=True).world
    assert pods(world) == {"1": 10, "2": 6}
    for available, weight in ((4, 60), (7, 30), (9, 10), (10, 0)):
        sets = (replace(rs, available_replicas=available) if rs.replicas == 10 else rs for rs in world.replica_sets)
        world = settle(replace(world, replica_sets=tuple(sets)), hold=True).world
        assert weight_of(world) == weight


def test_aborted_traffic_of_a_paused_rollout(nginx: MakeWorld) -> None:
    for names, weight in (("zero-scale-down-delay",), 60), (("aborted-traffic",), 0):
        world = settle(actions.abort(actions.pause(paused_at_60(nginx, *names)))).world
        assert weight_of(world) == weight


def test_aborted_traffic_of_a_release_that_is_scaled(nginx: MakeWorld) -> None:
    other = ("zero-scale-down-delay",)
    for names, version, weight in (other, "1.9", 60), (other, "1.10", 20), (("aborted-traffic",), "1.10", 0):
        world = actions.scale(actions.abort(paused_at_60(nginx, *names, abortScaleDownDelaySeconds=60)), 20)
        assert weight_of(settle(replace(world, controller_version=version)).world) == weight


def test_aborted_traffic_of_a_paused_blue_green_release(blue_green: MakeWorld) -> None:
    analysis = {"templates": [{"templateName": "smoke"}]}
    for names, back in (("zero-scale-down-delay",), False), (("aborted-traffic",), True):
        world = released(corrected(blue_green(postPromotionAnalysis=analysis), *names))
        assert world.status.blue_green.active_selector != world.status.stable_rs
        world = settle(actions.abort(actions.pause(world))).world
        assert (world.status.blue_green.active_selector == world.status.stable_rs) == back


SUBSETS = [{"name": name, "labels": {"app": "web"}} for name in ("canary", "stable", "batch")]
RULE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "DestinationRule",
    "metadata": {"name": "web"},
    "spec": {"host": "web", "subsets": SUBSETS},
}
ROUTING = {
    "managedRoutes": [{"name": "beta"}],
    "istio": {
        "virtualService": {"name": "web", "routes": ["main"]},
        "destinationRule": {"name": "web", "canarySubsetName": "canary", "stableSubsetName": "stable"},
    },
}


def virtual_service(*names: str, **more: Any) -> dict[str, Any]:
    """Return a VirtualService with one route between two subsets, the first with all the weight."""
    shares = [
        {"destination": {"host": "web", "subset": name}, "weight": weight}
        for name, weight in zip(names or ("stable", "canary"), (100, 0), strict=True)
    ]
    head = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web"}}
    return {**head, "spec": {"hosts": ["web"], "http": [{"name": "main", "route": shares, **more}]}}


def with_subsets(routed: MakeWorld, *names: str, steps: list[Any]) -> World:
    world = corrected(routed(ROUTING, RULE, virtual_service(), canaryService="", stableService="", steps=steps), *names)
    container = {"name": "main", "image": "registry.example.com/web:1", "ports": [{"containerPort": 8080}]}
    world = actions.patch(world, {"spec": {"template": {"spec": {"containers": [container]}}}})
    return released(settle(world).world)


def subsets(world: World) -> dict[str, str]:
    (rule,) = (body for key, body in world.objects.items() if key.kind == "DestinationRule")
    return {subset["name"]: subset["labels"].get(HASH_LABEL, "") for subset in rule["spec"]["subsets"]}


def test_aborted_subset(routed: MakeWorld) -> None:
    for names in ("zero-scale-down-delay",), ("aborted-subset",):
        world = settle(actions.abort(with_subsets(routed, *names, steps=WEIGHTS))).world
        stable, canary = world.status.stable_rs, world.status.current_pod_hash
        assert subsets(world) == {"canary": stable if "aborted-subset" in names else canary, "stable": stable}


def test_other_subsets(routed: MakeWorld) -> None:
    assert "batch" not in subsets(with_subsets(routed, "zero-scale-down-delay", steps=WEIGHTS))
    assert subsets(with_subsets(routed, "other-subsets", steps=WEIGHTS))["batch"] == ""


def test_other_subsets_without_those_of_an_experiment(routed: MakeWorld) -> None:
    template = {"name": "trial", "specRef": "canary", "weight": 5}
    steps = [{"setWeight": 20}, {"experiment": {"duration": "60s", "templates": [template]}}, {"pause": {}}]
    world = with_subsets(routed, "other-subsets", steps=steps)
    added = f"web-{world.status.current_pod_hash}-2-1-trial"
    assert set(subsets(world)) == {"canary", "stable", "batch", added}
    world = settle(actions.promote(world)).world
    assert set(subsets(world)) == {"canary", "stable", "batch"}


HEADER = {"setHeaderRoute": {"name": "beta", "match": [{"headerName": "x-user", "headerValue": {"exact": "42"}}]}}


def http_routes(world: World) -> list[str]:
    (service,) = (body for key, body in world.objects.items() if key.kind == "VirtualService")
    return [route["name"] for route in service["spec"]["http"]]


def test_managed_routes_of_steps_before_the_pods(routed: MakeWorld) -> None:
    steps = [HEADER, {"setCanaryScale": {"replicas": 1}}, {"pause": {}}, {"setWeight": 10}, {"pause": {}}]
    assert http_routes(with_subsets(routed, "zero-scale-down-delay", steps=steps)) == ["main"]
    world = with_subsets(routed, "managed-routes", steps=steps)
    assert http_routes(world) == ["beta", "main"]
    world = settle(actions.promote(world)).world
    assert (http_routes(world), weight_of(world)) == (["beta", "main"], 10)
    assert http_routes(settle(actions.promote(world)).world) == ["main"]


def test_managed_routes_until_a_step_removes_them(routed: MakeWorld) -> None:
    steps = [{"setWeight": 10}, HEADER, {"pause": {}}, {"setHeaderRoute": {"name": "beta"}}, {"pause": {}}]
    world = with_subsets(routed, "managed-routes", steps=steps)
    assert http_routes(world) == ["beta", "main"]
    assert http_routes(settle(actions.promote(world)).world) == ["main"]


def test_managed_routes_after_an_abort(routed: MakeWorld) -> None:
    for names, left in (("zero-scale-down-delay",), ["beta", "main"]), (("managed-routes",), ["main"]):
        world = with_subsets(routed, *names, steps=[HEADER, {"setWeight": 10}, {"pause": {}}])
        assert http_routes(settle(actions.abort(world)).world) == left


TEMPLATE = {"template": {"metadata": {"labels": {"role": "main"}, "annotations": {"note": "mine"}}}}


def labels(world: World) -> dict[str, Any]:
    """Return role and note of each version's pods by the tag of its image."""
    found = {}
    for rs in world.replica_sets:
        metadata = rs.template["metadata"]
        tag = rs.template["spec"]["containers"][0]["image"].rpartition(":")[2]
        found[tag] = metadata["labels"].get("role"), metadata.get("annotations", {}).get("note")
    return found


CANARY_METADATA = {"labels": {"role": "canary"}, "annotations": {"note": "trial"}}
STABLE_METADATA = {"labels": {"role": "stable"}}


def with_own_metadata(make: MakeWorld, *names: str, **canary: Any) -> World:
    world = actions.patch(make(settled=False, steps=WEIGHTS, **canary), {"spec": TEMPLATE})
    return released(settle(corrected(world, *names)).world)


def test_own_metadata(basic: MakeWorld) -> None:
    for names, end in (("zero-scale-down-delay",), (None, None)), (("own-metadata",), ("main", "mine")):
        world = with_own_metadata(basic, *names, canaryMetadata=CANARY_METADATA)
        assert labels(world) == {"1": ("main", "mine"), "2": ("canary", "trial")}
        world = settle(actions.promote_full(world)).world
        assert labels(world) == {"1": ("main", "mine"), "2": end}


def test_own_metadata_through_several_roles(basic: MakeWorld) -> None:
    both = {"canaryMetadata": CANARY_METADATA, "stableMetadata": STABLE_METADATA}
    world = with_own_metadata(basic, "own-metadata", **both)
    assert labels(world) == {"1": ("stable", "mine"), "2": ("canary", "trial")}
    world = settle(actions.promote_full(world)).world
    assert labels(world) == {"1": ("main", "mine"), "2": ("stable", "mine")}
    # The templates are those of the revisions, so that a rollback finds the old ReplicaSet.
    world = settle(actions.undo(world)).world
    assert len(world.replica_sets) == 2
    assert labels(world) == {"1": ("canary", "trial"), "2": ("stable", "mine")}


def test_nginx_stable_pods(nginx: MakeWorld) -> None:
    steps = [{"setWeight": 100}, {"pause": {}}]
    for names, stable in (("zero-scale-down-delay",), 0), (("nginx-stable-pods",), 1):
        world = released(corrected(nginx(dynamicStableScale=True, steps=steps), *names))
        assert pods(world) == {"1": stable, "2": 5}
        assert pods(settle(actions.promote(world)).world) == {"1": 0, "2": 5}


def selected(world: World, name: str) -> str:
    body = world.service(name)
    assert body is not None
    return str(body["spec"]["selector"].get(HASH_LABEL, ""))


def test_ping_pong_services(routed: MakeWorld) -> None:
    routing = {"istio": {"virtualService": {"name": "web"}}}

    def shares(*hosts: str) -> list[dict[str, Any]]:
        return [{"destination": {"host": host}, "weight": weight} for host, weight in zip(hosts, (100, 0), strict=True)]

    body = {**virtual_service(), "spec": {"hosts": ["web"], "http": [{"route": shares("stable", "canary")}]}}
    pair = {"pingPong": {"pingService": "ping", "pongService": "pong"}, "stableService": None, "canaryService": None}
    for names, stable in (("zero-scale-down-delay",), False), (("ping-pong-services",), True):
        world = corrected(routed(routing, body, service("ping"), service("pong"), steps=WEIGHTS), *names)
        world = actions.patch(settle(world).world, {"spec": {"strategy": {"canary": pair}}})
        new = shares("pong", "ping")
        world = actions.patch_object(world, "VirtualService", "web", {"spec": {"http": [{"route": new}]}})
        world = released(settle(world).world)
        assert selected(world, "ping") == world.status.current_pod_hash
        assert (selected(world, "pong") == world.status.stable_rs) == stable


def to_blue_green(world: World) -> World:
    strategy = {"canary": None, "blueGreen": {"activeService": "stable", "autoPromotionEnabled": False}}
    return actions.patch(world, {"spec": {"strategy": strategy}})


def test_changed_strategy(nginx: MakeWorld) -> None:
    for names, old in (("zero-scale-down-delay",), 5), (("changed-strategy", "zero-scale-down-delay"), 0):
        world = settle(to_blue_green(released(corrected(nginx(steps=WEIGHTS), *names)))).world
        assert selected(world, "stable") == world.status.stable_rs
        world = settle(actions.promote(world)).world
        world = settle(replace(world, now=world.now + timedelta(hours=1))).world
        assert world.status.stable_rs == world.status.current_pod_hash
        assert pods(world) == {"1": old, "2": 5}


def test_changed_strategy_of_a_service_that_selects_no_version(basic: MakeWorld) -> None:
    for names, promoted in (("zero-scale-down-delay",), True), (("changed-strategy",), False):
        world = released(corrected(basic(steps=WEIGHTS), *names))
        body = service("stable")
        world = world.with_object(ObjectKey("", "Service", world.rollout.namespace, "stable"), body)
        world = settle(to_blue_green(world)).world
        assert (selected(world, "stable") == world.status.current_pod_hash) == promoted


def route_named(world: World, name: str) -> dict[str, Any]:
    (service,) = (body for key, body in world.objects.items() if key.kind == "VirtualService")
    (route,) = (route for route in service["spec"]["http"] if route["name"] == name)
    return dict(route)


MATCH = [{"uri": {"prefix": "/api"}}, {"uri": {"exact": "/"}, "headers": {"x-region": {"exact": "eu"}}}]
OWN = {"match": MATCH, "rewrite": {"uri": "/"}, "timeout": "5s", "retries": {"attempts": 2}}


def with_step(routed: MakeWorld, step: dict[str, Any], *names: str) -> World:
    steps = [{"setWeight": 20}, step, {"pause": {}}]
    service = virtual_service(**OWN)
    for share in service["spec"]["http"][0]["route"]:
        share["destination"]["port"] = {"number": 8080}
    world = corrected(routed(ROUTING, RULE, service, canaryService="", stableService="", steps=steps), *names)
    return released(settle(world).world)


def test_whole_routes_for_headers(routed: MakeWorld) -> None:
    assert "rewrite" not in route_named(with_step(routed, HEADER, "managed-routes"), "beta")
    route = route_named(with_step(routed, HEADER, "managed-routes", "whole-routes"), "beta")
    user = {"x-user": {"exact": "42"}}
    assert route == {
        **OWN,
        "name": "beta",
        "match": [
            {"uri": {"prefix": "/api"}, "headers": user},
            {"uri": {"exact": "/"}, "headers": {"x-region": {"exact": "eu"}, **user}},
        ],
        "route": [{"destination": {"host": "web", "subset": "canary", "port": {"number": 8080}}, "weight": 100}],
    }


@pytest.mark.parametrize(
    ("path", "uris"),
    [
        ({"prefix": "/"}, [{"prefix": "/api"}, {"exact": "/"}]),
        ({"prefix": "/api/v2"}, [{"prefix": "/api/v2"}]),
        ({"exact": "/api/v2"}, [{"exact": "/api/v2"}]),
        ({"exact": "/"}, [{"exact": "/"}]),
        ({"regex": "/api/.*"}, [{"regex": "/api/.*"}, {"regex": "/api/.*"}]),
        ({"prefix": "/docs"}, []),
    ],
)
def test_whole_routes_for_mirrors_match_no_other_requests(routed: MakeWorld, path: Any, uris: list[Any]) -> None:
    step = {"setMirrorRoute": {"name": "beta", "percentage": 10, "match": [{"path": path}]}}
    world = with_step(routed, step, "managed-routes", "whole-routes")
    if not uris:
        assert http_routes(world) == ["main"]
        return
    route = route_named(world, "beta")
    assert [match["uri"] for match in route["match"]] == uris
    assert (route["timeout"], route["mirror"]["subset"]) == ("5s", "canary")
    assert [share["weight"] for share in route["route"]] == [80, 20]


def alb_ingress(name: str, *paths: str) -> dict[str, Any]:
    def path(text: str, backend: str) -> dict[str, Any]:
        backends = {"service": {"name": backend, "port": {"name": "use-annotation"}}}
        return {"path": text, "pathType": "Prefix", "backend": backends}

    rules = [{"http": {"paths": [path(text, "stable") for text in paths]}}, {"http": {"paths": [path("/", "docs")]}}]
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}}
    return {**head, "spec": {"rules": rules}}


def paths_of(world: World, ingress: str) -> list[tuple[str, str]]:
    body = world.objects[ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, ingress)]
    rules = body["spec"]["rules"]
    return [(one["path"], one["backend"]["service"]["name"]) for rule in rules for one in rule["http"]["paths"]]


def test_whole_routes_have_the_paths_of_the_root_service(routed: MakeWorld) -> None:
    routing = {"managedRoutes": [{"name": "beta"}], "alb": {"ingress": "web", "servicePort": 80}}
    steps = [{"setWeight": 20}, HEADER, {"pause": {}}]
    plain = [("/api", "stable"), ("/v2", "stable"), ("/", "docs")]
    for names, added in (
        (("managed-routes",), [("/*", "beta"), *plain[:2], ("/*", "beta"), plain[2]]),
        (("managed-routes", "whole-routes"), [("/api", "beta"), ("/v2", "beta"), *plain]),
    ):
        source = alb_ingress("web", "/api", "/v2")
        world = released(settle(corrected(routed(routing, source, steps=steps), *names)).world)
        assert paths_of(world, "web") == added
        key = ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, "web")
        assert carry_over(world.rollout, source, world.objects[key])["spec"] == world.objects[key]["spec"]
        assert paths_of(settle(actions.abort(world)).world, "web") == plain


def test_whole_routes_follow_the_users_apisix_route(routed: MakeWorld) -> None:
    backends = [{"serviceName": name, "servicePort": 80, "weight": 50} for name in ("stable", "canary")]
    rule = {"name": "main", "match": {"paths": ["/*"]}, "backends": backends}
    head = {"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": "web"}}
    routing = {"managedRoutes": [{"name": "beta"}], "apisix": {"route": {"name": "web", "rules": ["main"]}}}
    for names, paths in (("managed-routes",), ["/*"]), (("managed-routes", "whole-routes"), ["/v2/*"]):
        subject = routed(routing, {**head, "spec": {"http": [rule]}}, steps=[{"setWeight": 20}, HEADER, {"pause": {}}])
        world = released(settle(corrected(subject, *names)).world)
        changed = {**rule, "match": {"paths": ["/v2/*"]}}
        world = settle(actions.patch_object(world, "ApisixRoute", "web", {"spec": {"http": [changed]}})).world
        beta = world.objects[ObjectKey("apisix.apache.org", "ApisixRoute", world.rollout.namespace, "beta")]
        assert beta["spec"]["http"][0]["match"]["paths"] == paths
        assert beta["spec"]["http"][0]["priority"] == 1


def test_every_object(routed: MakeWorld) -> None:
    routing = {"alb": {"ingresses": ["one", "two"], "servicePort": 80}}
    for names, has in (("zero-scale-down-delay",), False), (("every-object",), True):
        subject = routed(routing, alb_ingress("one", "/"), alb_ingress("two", "/"), steps=WEIGHTS)
        world = released(settle(corrected(subject, *names)).world)
        # As if a user had put the second Ingress back.
        key = ObjectKey("networking.k8s.io", "Ingress", world.rollout.namespace, "two")
        world = settle(world.with_object(key, alb_ingress("two", "/"))).world
        assert ("annotations" in world.objects[key]["metadata"]) == has


def test_a_world_has_no_corrections_by_default(nginx: MakeWorld) -> None:
    assert nginx().corrections == NO_CORRECTIONS


def test_the_schema_knows_every_correction() -> None:
    schema = json.loads(schema_text())["$defs"]["corrections"]
    assert schema["items"]["enum"] == list(CORRECTIONS)
