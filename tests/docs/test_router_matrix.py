"""Every cell of the matrix in docs/reference/routers/README.md is run through the engine, or shown to be refused."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer.kubernetes.manifest import Manifest
from renderer.pipeline.validate.manifests import validate
from renderer.rollouts.checks import check
from renderer.rollouts.controller import unsupported_fields
from renderer.rollouts.controller.routers import router_for
from renderer.rollouts.controller.routers.gateway_config import PLUGIN
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.world import SIMULATED
from renderer.rollouts.pod_template import default_rollout
from tests.docs.test_routers import NEXT, PAGE_OF, PAGES, blocks, frames_of, objects_of

Bodies = list[dict[str, Any]]
PAUSED = [{"setWeight": 30}, {"pause": {}}]
COMES_WITH = frozenset({"RS301", "RS302"})
"""Findings that another one brings with it."""
GATEWAY = "gateway-api"
"""The router that is a plugin to the controller."""
ROUTERS = sorted((*PAGE_OF, GATEWAY))
MAIN = {
    "alb": "Ingress",
    "ambassador": "Mapping",
    "apisix": "ApisixRoute",
    "gateway-api": "HTTPRoute",
    "istio": "VirtualService",
    "nginx": "Ingress",
    "smi": "TrafficSplit",
    "traefik": "TraefikService",
}


def example(router: str, steps: list[Any] | None = None) -> Bodies:
    """Return the manifests of the router's page, with other steps."""
    bodies = copy.deepcopy(blocks(router)[0])
    canary_of(bodies)["steps"] = copy.deepcopy(steps or PAUSED)
    if router == "alb":
        section_of(bodies, router).pop("stickinessConfig")
    return bodies


def canary_of(bodies: Bodies) -> dict[str, Any]:
    canary: dict[str, Any] = bodies[0]["spec"]["strategy"]["canary"]
    return canary


def section_of(bodies: Bodies, router: str) -> dict[str, Any]:
    routing = canary_of(bodies)["trafficRouting"]
    section: dict[str, Any] = routing["plugins"][PLUGIN] if router == GATEWAY else routing[router]
    return section


def main_of(bodies: Bodies, router: str) -> dict[str, Any]:
    return next(body for body in bodies if body["kind"] == MAIN[router])


def refusal(bodies: Bodies) -> str:
    """Return the rule that refuses manifests; empty where they are taken."""
    manifests = [Manifest(body) for body in bodies]
    codes = {item.code for item in check(manifests[0], manifests[1:])} - COMES_WITH
    assert len(codes) <= 1
    if not codes and unsupported_fields(Rollout.from_body(default_rollout(bodies[0]))):
        return "refused"
    return next(iter(codes), "")


def after_release(bodies: Bodies, *actions: Any) -> dict[tuple[str, str], Any]:
    return objects_of(frames_of(bodies, {"setImage": NEXT}, *actions)[-1])


def weights(router: str, objects: dict[tuple[str, str], Any], canary: str = "web-canary") -> list[int]:
    """Return the canary's weight wherever the router has it, managed routes left out."""
    return [
        weight
        for (kind, name), body in sorted(objects.items())
        if kind == MAIN[router] and name != "beta"
        for weight in WEIGHTS[router](body, canary)
    ]


def alb_weights(body: Any, canary: str) -> list[int]:
    actions = {name: text for name, text in body["metadata"]["annotations"].items() if name.endswith("web-root")}
    groups = [group for text in actions.values() for group in json.loads(text)["ForwardConfig"]["TargetGroups"]]
    return [group["Weight"] for group in groups if group["ServiceName"] == canary]


def nginx_weights(body: Any, _: str) -> list[int]:
    text = body["metadata"]["annotations"].get("nginx.ingress.kubernetes.io/canary-weight")
    return [] if text is None else [int(text)]


def istio_weights(body: Any, canary: str) -> list[int]:
    routes = [route for key in ("http", "tls", "tcp") for route in body["spec"].get(key, ())]
    shares = [share for route in routes if route.get("name") not in ("beta", "copy") for share in route["route"]]
    return [
        share["weight"]
        for share in shares
        if canary in (share["destination"]["host"], share["destination"].get("subset"))
    ]


def apisix_weights(body: Any, canary: str) -> list[int]:
    backends = [backend for rule in body["spec"]["http"] for backend in rule["backends"]]
    return [backend["weight"] for backend in backends if backend["serviceName"] == canary]


def gateway_weights(body: Any, canary: str) -> list[int]:
    rules = [rule for rule in body["spec"]["rules"] if rule.get("name") != "beta"]
    return [ref["weight"] for rule in rules for ref in rule["backendRefs"] if ref["name"] == canary]


WEIGHTS: dict[str, Callable[[Any, str], list[int]]] = {
    "alb": alb_weights,
    "ambassador": lambda body, canary: [body["spec"]["weight"]] if canary in body["spec"]["service"] else [],
    "apisix": apisix_weights,
    "gateway-api": gateway_weights,
    "istio": istio_weights,
    "nginx": nginx_weights,
    "smi": lambda body, canary: [int(item["weight"]) for item in body["spec"]["backends"] if item["service"] == canary],
    "traefik": lambda body, canary: [
        item["weight"] for item in body["spec"]["weighted"]["services"] if item["name"] == canary
    ],
}


def set_weight(router: str) -> str:
    bodies = example(router)
    assert weights(router, after_release(bodies)) == [30]
    return refusal(bodies) or "yes"


def max_weight(router: str) -> str:
    bodies = example(router, [{"setWeight": 300}, {"pause": {}}])
    canary_of(bodies)["trafficRouting"]["maxTrafficWeight"] = 1000
    code = refusal(bodies)
    if not code:
        found = after_release(bodies)
        assert weights(router, found) == [300]
        if router == "nginx":
            assert "'nginx.ingress.kubernetes.io/canary-weight-total': '1000'" in repr(found)
        else:
            assert weights(router, found, "web-stable") == [700]
    return code or "yes"


def managed(router: str, name: str, step: dict[str, Any]) -> str:
    """Return whether a route of that name is there while its step is, and not when the release is over."""
    bodies = example(router, [{"setCanaryScale": {"replicas": 1}}, step, {"pause": {}}])
    canary_of(bodies)["trafficRouting"]["managedRoutes"] = [{"name": name}]
    code = refusal(bodies)
    if not code:
        assert "x-user" in repr(after_release(bodies))
        assert "x-user" not in repr(after_release(bodies, "promote", {"sleep": 60}))
    return code or "yes"


def header_exact(router: str) -> str:
    match = [{"headerName": "x-user", "headerValue": {"exact": "42"}}]
    return managed(router, "beta", {"setHeaderRoute": {"name": "beta", "match": match}})


def header_patterns(router: str) -> str:
    found = set()
    for kind in ("regex", "prefix"):
        match = [{"headerName": "x-user", "headerValue": {kind: "4"}}]
        found.add(managed(router, "beta", {"setHeaderRoute": {"name": "beta", "match": match}}))
    (cell,) = found
    return cell


def mirror(router: str) -> str:
    match = [{"path": {"prefix": "/x-user"}}]
    return managed(router, "copy", {"setMirrorRoute": {"name": "copy", "percentage": 5, "match": match}})


def sticky(router: str) -> str:
    bodies = example(router)
    section_of(bodies, router)["stickinessConfig"] = {"enabled": True, "durationSeconds": 300}
    code = refusal(bodies)
    if not code:
        assert '"TargetGroupStickinessConfig":{"Enabled":true,"DurationSeconds":300}' in repr(after_release(bodies))
    # What the CRD does not know of a plugin's part is for the engine to refuse.
    return "no" if code == "RS104" or (code == "refused" and router == GATEWAY) else "yes"


def ping_pong(router: str) -> str:
    bodies = example(router)
    canary = canary_of(bodies)
    canary["pingPong"] = {"pingService": "web-stable", "pongService": "web-canary"}
    if router in ("alb", "istio"):
        del canary["stableService"], canary["canaryService"]
    code = refusal(bodies)
    if not code:
        first, *_, second, third = frames_of(
            bodies, {"setImage": NEXT}, "promote", {"setImage": NEXT.replace("2.0", "3.0")}, "promote"
        )
        assert [weights(router, objects_of(frame)) for frame in (first, second, third)] == [[0], [70], [0]]
    return code or "yes"


def several_objects(router: str) -> str:
    bodies = example(router)
    other = copy.deepcopy(main_of(bodies, router)) if router != "smi" else {"metadata": {}}
    other["metadata"]["name"] = "other"
    names = ["web", "other"]
    section = section_of(bodies, router)
    if router in ("alb", "nginx"):
        field = {"alb": "ingress", "nginx": "stableIngress"}[router]
        del section[field]
        section[f"{field}es"] = names
    elif router == "istio":
        section["virtualServices"] = [{"name": name, "routes": ["main"]} for name in names]
        del section["virtualService"]
    elif router == "ambassador":
        section["mappings"] = names
    elif router == GATEWAY:
        section["httpRoutes"] = [{"name": name} for name in names]
    else:
        # The Rollout names one thing: there is no list of them in the router's part of it.
        rollout = Rollout.from_body(default_rollout(bodies[0]))
        owner = router_for(router)
        objects = [*owner.named_objects(rollout), *(owner.created_objects(rollout) if router == "smi" else ())]
        assert len(objects) == 1
        assert not any(isinstance(value, list) for value in section.values())
        return "one"
    assert weights(router, after_release([*bodies, other])) == [30, 30]
    return refusal([*bodies, other]) or "yes"


def several_routes(router: str) -> str:
    bodies = example(router)
    spec = main_of(bodies, router)["spec"] if router != "smi" else {}
    if router in ("alb", "nginx"):
        paths = spec["rules"][0]["http"]["paths"]
        paths.append({**copy.deepcopy(paths[0]), "path": "/other"})
        found = after_release(bodies)
        assert weights(router, found) == [30]
        name = "web-web-canary" if router == "nginx" else "web"
        after = found["Ingress", name]["spec"]["rules"][0]["http"]["paths"]
        assert len({path["backend"]["service"]["name"] for path in after}) == 1
        assert [path["path"] for path in after] == [path["path"] for path in paths]
        return refusal(bodies) or "all"
    if router in ("istio", "apisix"):
        spec["http"].append({**copy.deepcopy(spec["http"][0]), "name": "second"})
        names = ["main", "second"]
        if router == "istio":
            section_of(bodies, router)["virtualService"]["routes"] = names
        else:
            section_of(bodies, router)["route"]["rules"] = names
        assert weights(router, after_release(bodies)) == [30, 30]
        return refusal(bodies) or "yes"
    if router == GATEWAY:
        spec["rules"].append(copy.deepcopy(spec["rules"][0]))
        assert weights(router, after_release(bodies)) == [30, 30]
        return refusal(bodies) or "all"
    # These kinds hold one route each.
    assert weights(router, after_release(bodies)) == [30]
    return "one"


def tcp(router: str) -> str:
    bodies = example(router)
    if router == GATEWAY:
        refs = [{"name": name, "port": 5432} for name in ("web-stable", "web-canary")]
        for kind in ("TCPRoute", "TLSRoute"):
            section_of(bodies, router)[f"{kind[:3].lower()}Route"] = "web"
            head = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": {"name": "web"}}
            bodies.append({**head, "spec": {"rules": [{"backendRefs": refs}]}})
        found = after_release(bodies)
        assert [gateway_weights(found[kind, "web"], "web-canary") for kind in ("TCPRoute", "TLSRoute")] == [[30]] * 2
        return refusal(bodies) or "yes"
    if router != "istio":
        section_of(bodies, router)["tcpRoutes"] = [{"port": 5432}]
        return "no" if refusal(bodies) == "RS104" else "yes"
    spec = main_of(bodies, router)["spec"]
    shares = spec.pop("http")[0]["route"]
    spec["tcp"] = [{"match": [{"port": 5432}], "route": copy.deepcopy(shares)}]
    spec["tls"] = [{"match": [{"port": 443, "sniHosts": ["web.example.com"]}], "route": copy.deepcopy(shares)}]
    section_of(bodies, router)["virtualService"] = {
        "name": "web",
        "tcpRoutes": [{"port": 5432}],
        "tlsRoutes": [{"port": 443, "sniHosts": ["web.example.com"]}],
    }
    assert weights(router, after_release(bodies)) == [30, 30]
    return refusal(bodies) or "yes"


def subsets(router: str) -> str:
    bodies = example(router)
    canary = canary_of(bodies)
    del canary["stableService"], canary["canaryService"]
    if router != "istio":
        return refusal(bodies)
    names = {"canarySubsetName": "canary", "stableSubsetName": "stable"}
    section_of(bodies, router)["destinationRule"] = {"name": "web", **names}
    for share, subset in zip(main_of(bodies, router)["spec"]["http"][0]["route"], ("stable", "canary"), strict=True):
        share["destination"] = {"host": "web", "subset": subset}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web"}}
    rule = {**kind, "spec": {"host": "web", "subsets": [{"name": "stable"}, {"name": "canary"}]}}
    found = after_release([*bodies, rule])
    assert weights(router, found, "canary") == [30]
    hashes = [
        item["labels"]["rollouts-pod-template-hash"] for item in found["DestinationRule", "web"]["spec"]["subsets"]
    ]
    assert len(set(hashes)) == 2
    return refusal([*bodies, rule]) or "yes"


def destinations(router: str) -> str:
    template = {"name": "extra", "specRef": "canary", "weight": 5}
    bodies = example(router, [{"experiment": {"duration": "1h", "templates": [template]}}, {"pause": {}}])
    code = refusal(bodies)
    if not code:
        found = after_release(bodies)
        ((_, extra),) = [key for key in found if key[0] == "Service" and key[1].endswith("-extra")]
        assert weights(router, found, extra) == [5]
        assert weights(router, found, "web-stable") == [95]
    return code or "yes"


def validated(router: str) -> str:
    files = {
        f"{kind}-{name}": yaml.safe_dump(body).replace(SIMULATED, "shop")
        for (kind, name), body in after_release(example(router)).items()
    }
    validation = validate(files, "1.34", kubeconform="built-in")
    assert validation.findings == ()
    return "no" if validation.skipped else "yes"


FEATURES: dict[str, Callable[[str], str]] = {
    "weights (`setWeight`)": set_weight,
    "weights out of `maxTrafficWeight`": max_weight,
    "header routes, exact values (`setHeaderRoute`)": header_exact,
    "header routes, regular expressions and prefixes": header_patterns,
    "mirror routes (`setMirrorRoute`)": mirror,
    "sticky clients, set by the Rollout": sticky,
    "ping-pong Services": ping_pong,
    "several objects": several_objects,
    "several routes of one object": several_routes,
    "TCP and TLS routes": tcp,
    "pods by subsets, without Services": subsets,
    "additional destinations (`experiment` with weights)": destinations,
    "validated by its own schema": validated,
}


def matrix() -> dict[tuple[str, str], str]:
    """Return the cells of the page, by feature and router."""
    text = (PAGES / "README.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    header, _, *body = rows
    link = re.compile(r"\[(RS\d+)\]\(\.\./rules/README\.md#rs\d+\)")
    return {
        (row[0], router): link.sub(r"\1", cell)
        for row in body
        for router, cell in zip(header[1:], row[1:], strict=True)
    }


def test_the_matrix_has_a_scenario_for_every_cell():
    assert list(matrix()) == [(feature, router) for feature in FEATURES for router in ROUTERS]


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("router", ROUTERS)
def test_a_cell_is_true(feature: str, router: str):
    assert FEATURES[feature](router) == matrix()[feature, router]


def together() -> Bodies:
    """Return one Rollout with all routers, each with its objects."""
    bodies = example("nginx")
    names = {(body["kind"], body["metadata"]["name"]) for body in bodies}
    routing = canary_of(bodies)["trafficRouting"]
    for router in PAGE_OF:
        if router == "nginx":
            continue
        found = example(router)
        if router == "alb":
            main_of(found, router)["metadata"]["name"] = "web-alb"
            section_of(found, router)["ingress"] = "web-alb"
        routing[router] = section_of(found, router)
        for body in found:
            key = (body["kind"], body["metadata"]["name"])
            if key not in names:
                names.add(key)
                bodies.append(body)
    return bodies


def test_all_routers_at_once_are_brought_to_the_same_weight():
    bodies = together()
    assert refusal(bodies) == ""
    found = after_release(bodies)
    for router in set(PAGE_OF) - {"alb", "nginx"}:
        assert weights(router, found) == [30]
    assert nginx_weights(found["Ingress", "web-web-canary"], "") == [30]
    assert alb_weights(found["Ingress", "web-alb"], "web-canary") == [30]


def test_weights_of_several_routers_are_out_of_the_same_number():
    bodies = together()
    canary_of(bodies)["trafficRouting"]["maxTrafficWeight"] = 1000
    assert refusal(bodies) == "RS412"
    canary_of(bodies)["trafficRouting"]["maxTrafficWeight"] = 100
    assert refusal(bodies) == ""


def test_app_mesh_is_refused_with_the_reason():
    bodies = example("nginx")
    canary_of(bodies)["trafficRouting"] = {"appMesh": {"virtualService": {"name": "web"}}}
    (finding,) = unsupported_fields(Rollout.from_body(default_rollout(bodies[0])))
    assert "AWS has shut down App Mesh" in finding.message


def test_the_pages_of_rules_that_the_matrix_links_to_are_there():
    page = Path(PAGES.parent / "rules" / "README.md").read_text(encoding="utf-8")
    for name in [*ROUTERS, "README"]:
        for code in re.findall(r"rules/README\.md#(rs\d+)", (PAGES / f"{name}.md").read_text(encoding="utf-8")):
            assert f"\n### {code.upper()}\n" in page
