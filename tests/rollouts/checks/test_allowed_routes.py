"""A route that a router ignores is an error, unless the user allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from renderer.kubernetes.manifest import Manifest
from renderer.rollouts.checks import check
from tests.support.commands import Checkout

STEP = "spec.strategy.canary.steps[0]"
ROUTE = {"name": "beta", "match": [{"headerName": "x-beta", "headerValue": {"exact": "yes"}}]}
MIRROR = {"name": "beta", "match": [{"path": {"prefix": "/"}}], "percentage": 10}


def rollout(routers: dict[str, Any], step: dict[str, Any]) -> Manifest:
    routing = {**routers, "managedRoutes": [{"name": "beta"}]}
    canary = {
        "stableService": "stable",
        "canaryService": "canary",
        "trafficRouting": routing,
        "steps": [step, {"setWeight": 5}],
    }
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template, "strategy": {"canary": canary}}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    return Manifest({**kind, "metadata": {"name": "web"}, "spec": spec})


def codes(manifest: Manifest, *allow: str) -> list[tuple[str, str]]:
    findings = check(manifest, [], allow=allow)
    return [(item.code, item.message) for item in findings if not item.code.startswith("RS3")]


NGINX: dict[str, Any] = {"nginx": {"stableIngress": "web"}}
ALB: dict[str, Any] = {"alb": {"ingress": "web", "servicePort": 80}}
ISTIO: dict[str, Any] = {"istio": {"virtualService": {"name": "web"}}}
TRAEFIK: dict[str, Any] = {"traefik": {"weightedTraefikServiceName": "web"}}


@pytest.mark.parametrize(
    ("routers", "step", "code", "message"),
    [
        (NGINX, {"setHeaderRoute": ROUTE}, "RS234", "setHeaderRoute requires one of the routers istio, alb, apisix"),
        (ALB, {"setMirrorRoute": MIRROR}, "RS234", "setMirrorRoute requires one of the routers istio"),
        (NGINX | ISTIO, {"setHeaderRoute": ROUTE}, "RS411", "the router nginx has no such routes and does nothing"),
        (ALB | ISTIO, {"setMirrorRoute": MIRROR}, "RS411", "the router alb has no such routes and does nothing"),
        (
            ALB | ISTIO | TRAEFIK | NGINX,
            {"setHeaderRoute": ROUTE},
            "RS411",
            "the router nginx and traefik has no such routes",
        ),
    ],
)
def test_an_ignored_route_is_refused_unless_it_is_allowed(
    routers: dict[str, Any], step: dict[str, Any], code: str, message: str
):
    ((found, words),) = codes(rollout(routers, step))
    assert found == code
    assert words.startswith(message)
    assert codes(rollout(routers, step), "ignored-routes") == []


def test_the_finding_is_at_the_step_with_a_hint_to_allow_it():
    (finding,) = [item for item in check(rollout(NGINX | ISTIO, {"setHeaderRoute": ROUTE}), []) if item.code == "RS411"]
    assert finding.field == f"{STEP}.setHeaderRoute"
    assert "allow ignored-routes in rollstep.yaml" in finding.hint


@pytest.mark.parametrize("routers", [ISTIO, ALB, ISTIO | ALB])
def test_a_route_that_all_routers_add_is_accepted(routers: dict[str, Any]):
    assert codes(rollout(routers, {"setHeaderRoute": ROUTE})) == []


def test_an_invalid_route_is_refused_if_some_router_adds_it():
    other = {"setHeaderRoute": {**ROUTE, "name": "other"}}
    assert [code for code, _ in codes(rollout(NGINX | ISTIO, other), "ignored-routes")] == ["RS235"]


def test_a_route_without_any_router_cannot_be_allowed():
    manifest = rollout({}, {"setHeaderRoute": ROUTE})
    del manifest.body["spec"]["strategy"]["canary"]["trafficRouting"]
    assert [code for code, _ in codes(manifest, "ignored-routes")] == ["RS234"]


# Through the command

FILE = "environments/prod/web/rollout.yaml"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a repository whose prod/web, an app with nginx, has a header step."""
    checkout = Checkout(tmp_path)
    path = checkout.root / FILE
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    canary = body["spec"]["strategy"]["canary"]
    canary["steps"].insert(0, {"setHeaderRoute": ROUTE})
    canary["trafficRouting"]["managedRoutes"] = [{"name": "beta"}]
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    return checkout


def weight_of(checkout: Checkout) -> str:
    annotations = checkout.objects("prod/web")["Ingress/web-web-canary"]["metadata"]["annotations"]
    return str(annotations["nginx.ingress.kubernetes.io/canary-weight"])


def path_text(checkout: Checkout) -> str:
    return (checkout.root / FILE).read_text(encoding="utf-8")


def allow(checkout: Checkout) -> None:
    path = checkout.root / "rollstep.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("defaults:\n", "defaults:\n  allow: [ignored-routes]\n"), encoding="utf-8")


def test_verbs_refuse_it_and_take_it_by_the_setting(checkout: Checkout):
    for verb in (["render", "--dry-run"], ["plan"], ["render", "--stdout"], ["lint"]):
        done = checkout.run(*verb, "prod/web" if verb[0] != "lint" else ".", code=1)
        assert "setHeaderRoute requires one of the routers" in done.stdout + done.stderr
    allow(checkout)
    checkout.run("render", "prod/web")
    checkout.run("lint", ".", "--ignore", "RS410")
    assert "Ingress/web-web-canary" in checkout.objects("prod/web")


def test_the_release_goes_past_the_step(checkout: Checkout):
    allow(checkout)
    checkout.commit()
    checkout.advance_all("prod/web")
    container = yaml.safe_load(path_text(checkout))["spec"]["template"]["spec"]["containers"][0]["name"]
    checkout.run("set", "image", "prod/web", f"{container}=registry.example.com/shop/web:9")
    assert weight_of(checkout) == "0"
    checkout.advance_all("prod/web")
    assert weight_of(checkout) == "20"


def test_a_stateless_run_has_a_flag(checkout: Checkout):
    folder = checkout.root / "environments" / "prod" / "web"
    files = [str(path.relative_to(checkout.root)) for path in folder.glob("*.yaml")]
    assert "setHeaderRoute requires" in checkout.run("render", *files, code=1).stderr
    assert "kind: ReplicaSet" in checkout.run("render", *files, "--allow", "ignored-routes").stdout
    assert "go with files" in checkout.run("render", "prod/web", "--allow", "ignored-routes", code=2).stderr


# The setting schemas


def test_schemas_of_the_settings_are_used(tmp_path: Path):
    checkout = Checkout(tmp_path)
    widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: web}\nspec: {size: 1}\n"
    (checkout.root / "environments/prod/web/widget.yaml").write_text(widget, encoding="utf-8")
    assert "has no example.com/v1 Widget" in checkout.run("render", "prod/web").stderr
    schema = '{"type": "object", "properties": {"spec": {"properties": {"size": {"type": "string"}}}}}'
    (checkout.root / "crds" / "example.com").mkdir(parents=True)
    (checkout.root / "crds/example.com/widget_v1.json").write_text(schema, encoding="utf-8")
    settings = checkout.root / "rollstep.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("defaults:\n", "defaults:\n  schemas: [crds]\n"), encoding="utf-8")
    checkout.edit("environments/prod/web/widget.yaml", "name: web", "name: web2")
    done = checkout.run("render", "prod/web", code=1)
    assert "spec.size: is a number, expected string" in done.stderr
    assert "spec.size: is a number, expected string" in checkout.run("lint", "environments/prod/web", code=1).stdout
    checkout.edit("environments/prod/web/widget.yaml", "size: 1", "size: large")
    assert "Widget" not in checkout.run("render", "prod/web").stderr


def test_missing_schemas_are_reported(tmp_path: Path):
    checkout = Checkout(tmp_path)
    settings = checkout.root / "rollstep.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("defaults:\n", "defaults:\n  schemas: [crds]\n"), encoding="utf-8")
    assert "the schemas cannot be read: No such file" in checkout.run("render", "prod/web", code=1).stderr
