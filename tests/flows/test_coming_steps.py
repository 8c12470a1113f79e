"""A step that cannot be done is refused before the release begins: by ``plan``, by a check, and by the first commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, TWO, Checkout

ROLLOUT = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: web}}
spec:
  replicas: 4
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: web, image: {ONE}, ports: [{{containerPort: 8080}}]}}]
  strategy:
    canary:
      stableService: web-stable
      canaryService: web-canary
      trafficRouting:
        managedRoutes: [{{name: beta}}]
        plugins: {{argoproj-labs/gatewayAPI: {{httpRoutes: [{{name: web, useHeaderRoutes: true}}]}}}}
      steps:
        - setWeight: 10
        - setHeaderRoute: {{name: beta, match: [{{headerName: x, headerValue: {{exact: "1"}}}}]}}
        - pause: {{}}
"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {{name: {}}}
spec: {{selector: {{app: web}}, ports: [{{port: 80}}]}}
"""
ROUTE = """\
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: public}]
  rules:
"""
BACKENDS = "      backendRefs: [{name: web-stable, port: 80}, {name: web-canary, port: 80}]\n"
NINE = "".join(f"    - matches: [{{path: {{value: /p{number}}}}}]\n{BACKENDS}" for number in range(9))
"""Nine rules, to which the header step adds nine more: the API takes sixteen."""
WITH_HEADER = f"    - matches: [{{headers: [{{name: x, value: a.*, type: RegularExpression}}]}}]\n{BACKENDS}"
TARGET = "prod/edge"


@pytest.fixture(params=["rules", "header"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    """Create a repository with an app whose header step the API, or the engine, refuses; it is released once."""
    made = Checkout(tmp_path / "repo")
    rules = NINE if request.param == "rules" else WITH_HEADER
    services = SERVICE.format("web-stable") + SERVICE.format("web-canary")
    folder = made.root / "environments" / TARGET
    folder.mkdir()
    (folder / "app.yaml").write_text(ROLLOUT + services + ROUTE + rules, encoding="utf-8")
    made.commit("Add an app behind a gateway")
    made.run("advance", TARGET, "--now", NOON)
    return made


REASONS = ("(setHeaderRoute: beta)", "step 2 of 3 (setHeaderRoute) cannot be done")


def test_the_verb_that_begins_the_release_refuses_it(checkout: Checkout) -> None:
    before = checkout.snapshot()
    refused = checkout.run("set", "image", TARGET, f"web={TWO}", "--now", NOON, code=1)
    assert any(reason in refused.stderr for reason in REASONS)
    assert checkout.snapshot() == before


def test_plan_and_check_refuse_it(checkout: Checkout) -> None:
    refused = checkout.run("plan", TARGET, code=1)
    assert any(reason in refused.stderr for reason in REASONS)
    checkout.edit(f"environments/{TARGET}/app.yaml", ONE, TWO)
    checkout.commit()
    for command in (["plan", TARGET], ["render", "--check", TARGET], ["advance", TARGET, "--now", NOON]):
        refused = checkout.run(*command, code=1)
        assert any(reason in refused.stderr for reason in REASONS), command


def test_the_way_back_of_a_running_release_stays_open(checkout: Checkout) -> None:
    app = f"environments/{TARGET}/app.yaml"
    text = (checkout.root / app).read_text(encoding="utf-8")
    step = next(line for line in text.splitlines(keepends=True) if "setHeaderRoute" in line)
    checkout.edit(app, step, "")
    checkout.edit(app, ONE, TWO)
    checkout.commit()
    checkout.run("advance", TARGET, "--now", NOON)
    checkout.edit(app, "        - pause: {}", step + "        - pause: {}")
    checkout.commit("Add the step in the middle of the release")
    checkout.run("abort", TARGET, "--now", NOON)
    checkout.run("undo", TARGET, "--now", NOON)
    assert checkout.replicas(TARGET)["1.0.0"] == 4
