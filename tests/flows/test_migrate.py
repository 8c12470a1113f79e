"""From nginx to the Gateway API, commit by commit: equal weights at every step, and no lost path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from renderer.kubernetes.yaml.document_texts import without_documents
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.resolve.http_routes import Gateway, convert_ingress, route_matches
from tests.support.commands import NOON, TWO, Checkout

LATER = "2026-03-01T13:00:00Z"
WEB = "environments/prod/web"
BEGIN = ("migrate", "gateway-api", "prod/web", "--gateway", "infra/public", "--now", NOON)
FINISH = ("migrate", "gateway-api", "prod/web", "--finish", "--now", LATER)
NGINX = "nginx.ingress.kubernetes.io"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout in which prod/web has its first release."""
    checkout = Checkout(tmp_path_factory.mktemp("migrate") / "repo")
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    return checkout


@pytest.fixture
def checkout(template: Checkout, tmp_path: Path) -> Checkout:
    return template.copy(tmp_path / "repo")


def route_weight(checkout: Checkout) -> int:
    """Return the canary's weight in the rendered HTTPRoute, and check that both weights add up to 100."""
    (rule,) = checkout.objects("prod/web", ["HTTPRoute"])["HTTPRoute/web"]["spec"]["rules"]
    weights = {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}
    assert sum(weights.values()) == 100
    return int(weights["web-canary"])


def release_to(checkout: Checkout, weight: int) -> None:
    """Release a new image up to a weight."""
    if not weight:
        return
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON)
    while int(checkout.weight("prod/web")) < weight:
        checkout.run("promote", "prod/web", "--no-validate", "--now", NOON)
    assert int(checkout.weight("prod/web")) == weight


@pytest.mark.parametrize("weight", [0, 20, 60])
def test_both_have_equal_weights_from_any_step_to_the_end(checkout: Checkout, weight: int) -> None:
    release_to(checkout, weight)
    begun = checkout.head
    checkout.run(*BEGIN)
    assert route_weight(checkout) == weight
    if not weight:
        checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", LATER)
    for _ in range(7):
        assert route_weight(checkout) == int(checkout.weight("prod/web"))
        checkout.run("promote", "prod/web", "--no-validate", "--now", LATER)
    assert checkout.replicas("prod/web")["2.0.0"] == 5
    checkout.run(*FINISH)
    assert not checkout.objects("prod/web", ["Ingress"])
    assert not (checkout.root / WEB / "ingress.yaml").exists()
    assert route_weight(checkout) == 0
    checkout.run("render", "prod/web", "--check")
    checkout.run("verify", f"{begun}..HEAD")


def test_an_abort_sends_both_back(checkout: Checkout) -> None:
    release_to(checkout, 20)
    checkout.run(*BEGIN)
    checkout.run("abort", "prod/web", "--no-validate", "--now", NOON)
    assert route_weight(checkout) == int(checkout.weight("prod/web")) == 0


def test_only_the_router_changes_in_the_sources(checkout: Checkout) -> None:
    before = {path.name: path.read_text() for path in (checkout.root / WEB).glob("*.yaml")}
    checkout.run(*BEGIN)
    after = {path.name: path.read_text() for path in (checkout.root / WEB).glob("*.yaml")}
    assert after.keys() - before.keys() == {"httproute-web.yaml"}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"rollout.yaml", "status.yaml"} or changed == {"rollout.yaml"}
    added = [line for line in after["rollout.yaml"].splitlines() if line not in before["rollout.yaml"].splitlines()]
    assert [line.strip() for line in added] == ["plugins:", "argoproj-labs/gatewayAPI:", "httpRoute: web"]
    checkout.run(*FINISH)
    text = (checkout.root / WEB / "rollout.yaml").read_text()
    assert "nginx" not in text
    assert "# what a release changes" in text


@pytest.mark.parametrize("order", ["phases", "waves"])
def test_a_step_in_phases_is_finished_first(checkout: Checkout, order: str) -> None:
    sync = ", sync: argocd" if order == "waves" else ""
    text = (checkout.root / "rollstep.yaml").read_text()
    (checkout.root / "rollstep.yaml").write_text(f"{text}  prod: {{order: {order}{sync}}}\n")
    checkout.commit("Order")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON)
    if order == "phases":
        before = checkout.snapshot()
        refused = checkout.run(*BEGIN, code=1)
        assert "the last step is half done" in refused.stderr
        assert checkout.snapshot() == before
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    checkout.run(*BEGIN)
    assert route_weight(checkout) == int(checkout.weight("prod/web")) == 20
    checkout.run("render", "prod/web", "--check")
    checkout.run(*FINISH)
    checkout.run("verify", "HEAD~4..HEAD")


def test_either_commit_can_be_reverted(checkout: Checkout) -> None:
    trees = [checkout.git("rev-parse", "HEAD^{tree}")]
    for verb in (BEGIN, FINISH):
        checkout.run(*verb)
        trees.append(checkout.git("rev-parse", "HEAD^{tree}"))
    for tree in (trees[1], trees[0]):
        checkout.git("revert", "--no-edit", "HEAD" if tree == trees[1] else "HEAD~2")
        assert checkout.git("rev-parse", "HEAD^{tree}") == tree
        checkout.run("render", "prod/web", "--check")
    checkout.run(*BEGIN)
    assert route_weight(checkout) == 0


def test_an_ingress_among_others_goes_alone(checkout: Checkout) -> None:
    folder = checkout.root / WEB
    ingress = (folder / "ingress.yaml").read_text()
    config = "# kept\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other} # as it was\n"
    (folder / "ingress.yaml").write_text(f"{config}---\n{ingress}---\n{config.replace('other', 'third')}")
    checkout.commit("Put several into one file")
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    checkout.run(*BEGIN)
    checkout.run(*FINISH)
    assert (folder / "ingress.yaml").read_text() == f"{config}---\n{config.replace('other', 'third')}"


def edit_ingress(checkout: Checkout, **changes: Any) -> None:
    path = checkout.root / WEB / "ingress.yaml"
    body = yaml.safe_load(path.read_text())
    body["metadata"]["annotations"] = changes.pop("annotations", {})
    body["spec"].update(changes)
    path.write_text(yaml.safe_dump(body))
    checkout.commit("Change the Ingress")
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)


def test_differences_are_refused_and_can_be_allowed(checkout: Checkout) -> None:
    annotations = {f"{NGINX}/proxy-body-size": "8m", "external-dns.alpha.kubernetes.io/ttl": "60"}
    edit_ingress(checkout, annotations=annotations, tls=[{"hosts": ["shop.example.com"], "secretName": "shop"}])
    before = checkout.snapshot()
    refused = checkout.run(*BEGIN, code=1)
    assert "no route does what the annotation proxy-body-size does" in refused.stderr
    assert "http is not redirected to https" in refused.stderr
    assert "--allow-differences" in refused.stderr
    assert checkout.snapshot() == before
    done = checkout.run(*BEGIN, "--allow-differences")
    assert "note: web: Ingress web: TLS for shop.example.com (shop) belongs to a listener of the Gateway" in done.stderr
    assert "the annotation external-dns.alpha.kubernetes.io/ttl is not taken over" in done.stderr


def test_the_old_router_stays_while_a_path_would_be_lost(checkout: Checkout) -> None:
    checkout.run(*BEGIN)
    service = {"service": {"name": "web-stable", "port": {"number": 80}}}
    rule = {"host": "old.example.com", "http": {"paths": [{"path": "/a", "pathType": "Exact", "backend": service}]}}
    path = checkout.root / WEB / "ingress.yaml"
    body = yaml.safe_load(path.read_text())
    body["spec"]["rules"].append(rule)
    path.write_text(yaml.safe_dump(body))
    checkout.commit("Add a host")
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    before = checkout.snapshot()
    refused = checkout.run(*FINISH, code=1)
    assert "no route matches old.example.com/a (Exact), but the Ingress does" in refused.stderr
    assert checkout.snapshot() == before


@pytest.mark.parametrize(
    ("target", "options", "code", "message"),
    [
        ("prod/api", ("--gateway", "public"), 1, "has no trafficRouting"),
        ("prod/web", ("--finish",), 1, "requires nginx and the Gateway API, found nginx"),
        ("prod/web", (), 2, "use --gateway [NAMESPACE/]NAME first, and --finish later"),
        ("prod/web", ("--gateway", "public", "--finish"), 2, "use --gateway [NAMESPACE/]NAME first"),
    ],
)
def test_what_is_refused(checkout: Checkout, target: str, options: tuple[str, ...], code: int, message: str) -> None:
    before = checkout.snapshot()
    refused = checkout.run("migrate", "gateway-api", target, *options, "--now", NOON, code=code)
    assert message in refused.stderr
    assert checkout.snapshot() == before


def test_a_migration_cannot_begin_twice(checkout: Checkout) -> None:
    checkout.run(*BEGIN)
    assert "--finish` removes the Ingresses" in checkout.run(*BEGIN, code=1).stderr


def test_manifests_from_a_template_are_refused(checkout: Checkout) -> None:
    folder = checkout.root / WEB
    (folder / "rollout.yaml").rename(folder / "rollout.yaml.j2")
    checkout.commit("Make a template of it")
    before = checkout.snapshot()
    refused = checkout.run(*BEGIN, code=1)
    assert "comes from a command or a template" in refused.stderr
    assert checkout.snapshot() == before


def ingress(rules: list[Any], **annotations: str) -> dict[str, Any]:
    metadata = {"name": "web", "annotations": {f"{NGINX}/{key}": value for key, value in annotations.items()}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": rules}}


def rule(host: str, *paths: tuple[str, str, str]) -> dict[str, Any]:
    backend = {name: {"service": {"name": name, "port": {"number": 80}}} for *_, name in paths}
    http = {"paths": [{"path": path, "pathType": kind, "backend": backend[name]} for path, kind, name in paths]}
    return {"host": host, "http": http} if host else {"http": http}


def convert(body: dict[str, Any]) -> Any:
    return convert_ingress(body, "stable", "canary", Gateway("public"), lambda *_: None)


places = st.tuples(
    st.sampled_from(["/", "/a", "/a/b"]), st.sampled_from(["Prefix", "Exact"]), st.sampled_from(["stable", "other"])
)


@given(st.lists(st.tuples(st.sampled_from(["", "a.example.com", "b.example.com"]), st.lists(places, min_size=1))))
def test_routes_lead_where_the_ingress_leads(rules: list[tuple[str, list[tuple[str, str, str]]]]) -> None:
    made = convert(ingress([rule(host, *paths) for host, paths in rules]))
    kinds = {"Prefix": "PathPrefix", "Exact": "Exact"}
    asked = {(host, kinds[kind], path) for host, paths in rules for path, kind, _ in paths}
    assert {place for route in made.routes for place in route_matches(route)} == asked
    assert len({route["metadata"]["name"] for route in made.routes}) == len(made.routes)
    for route in made.routes:
        for item in route["spec"]["rules"]:
            names = [ref["name"] for ref in item["backendRefs"]]
            assert names in (["stable", "canary"], ["other"])
    assert not made.differences


@pytest.mark.parametrize(
    ("annotations", "told"),
    [
        ({"rewrite-target": "/$1"}, "names parts of a regular expression"),
        ({"use-regex": "true"}, "is a regular expression"),
        ({"backend-protocol": "GRPC"}, "belongs to the Service"),
        ({"limit-rps": "5"}, "no route does what the annotation limit-rps does"),
    ],
)
def test_annotations_without_an_equal(annotations: dict[str, str], told: str) -> None:
    made = convert(ingress([rule("", ("/a", "Prefix", "stable"))], **annotations))
    assert any(told in text for text in made.differences)


def test_annotations_with_an_equal_become_filters() -> None:
    body = ingress(
        [rule("", ("/a", "Prefix", "stable"))], **{"rewrite-target": "/b", "upstream-vhost": "in.example.com"}
    )
    made = convert(body)
    assert not made.differences
    path = {"type": "ReplaceFullPath", "replaceFullPath": "/b"}
    (route,) = made.routes
    assert route["spec"]["rules"][0]["filters"] == [
        {"type": "URLRewrite", "urlRewrite": {"path": path, "hostname": "in.example.com"}}
    ]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.sets(st.integers(0, 4)), st.booleans())
def test_a_document_is_removed_and_the_others_stay(values: list[int], gone: set[int], marked: bool) -> None:
    text = ("---\n" if marked else "") + "---\n".join(f"# {value}\na: {value}\n" for value in values)
    left = without_documents(text, gone)
    kept = [{"a": value} for index, value in enumerate(values) if index not in gone]
    assert (left is None) == (not kept)
    if left is not None:
        assert [document.value for document in load_documents(left, "")] == kept
