"""The commits of each kind of step, and the end of the step, in real repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.yaml.reader import load_documents
from tests.support.commands import NOON, TWO, Checkout

LATER = "2026-03-02T12:00:00Z"
TEMPLATE = """apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success-rate}
spec:
  args: [{name: service, value: web}]
  metrics:
    - name: success-rate
      successCondition: result[0] >= 0.95 # and no less
      provider: {prometheus: {address: "http://prometheus.example.com", query: "up{job='{{ args.service }}'}"}}
"""
STEPS = """      steps:
        - setWeight: 20
        - analysis: {templates: [{templateName: success-rate}]}
        - setWeight: 60
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a repository whose analyses wait for a person."""
    found = Checkout(tmp_path / "repo")
    found.edit("rollstep.yaml", "defaults:\n", "defaults:\n  analysis: manual\n")
    found.commit("Promote by hand")
    return found


def with_steps(checkout: Checkout, steps: str) -> None:
    """Give prod/web these steps, and make its first release."""
    path = checkout.root / "environments/prod/web/rollout.yaml"
    text = path.read_text(encoding="utf-8")
    head, _, _ = text.partition("      steps:\n")
    path.write_text(head + steps, encoding="utf-8")
    (path.parent / "analysis.yaml").write_text(TEMPLATE, encoding="utf-8")
    checkout.commit()
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")


def release(checkout: Checkout, app: str = "prod/web", container: str = "web") -> None:
    image = TWO if container == "web" else "registry.example.com/shop/api:2.0.0"
    checkout.run("set", "image", app, f"{container}={image}", "--now", NOON, "--no-validate")


def status(checkout: Checkout, app: str) -> dict[str, Any]:
    path = checkout.root / "environments" / app / "status.yaml"
    (document,) = load_documents(path.read_text(encoding="utf-8"), path.name)
    found: dict[str, Any] = document.value["status"]
    return found


def row(checkout: Checkout, app: str) -> tuple[str, str, str]:
    (found,) = checkout.json("status", app, "--now", LATER)
    index = found["currentStepIndex"]
    return found["phase"], "" if index is None else f"{index}/{found['steps']}", found["message"]


def run(checkout: Checkout, *arguments: str, code: int = 0) -> str:
    done = checkout.run(*arguments, "--now", LATER, "--no-validate", code=code)
    return done.stdout + done.stderr


def test_an_analysis_step_waits_for_promote(checkout: Checkout) -> None:
    with_steps(checkout, STEPS)
    release(checkout)
    assert checkout.weight("prod/web") == "20"
    assert "AnalysisTemplate/success-rate" in checkout.objects("prod/web")
    assert not any(key.startswith("AnalysisRun") for key in checkout.objects("prod/web"))
    kept = status(checkout, "prod/web")["canary"]["currentStepAnalysisRunStatus"]
    assert (kept["name"].endswith("-2-1"), kept["status"]) == (True, "Running")
    waits = "waits for the result of the analysis success-rate: `rollstep promote prod/web` takes it as passed, "
    assert row(checkout, "prod/web") == ("Progressing", "1/3", waits + "`rollstep abort prod/web` goes back")
    assert f"Message:         {waits}" in checkout.run("get", "prod/web").stdout
    assert "setWeight: 60" in checkout.run("plan", "prod/web").stdout
    before = checkout.snapshot()
    assert waits in run(checkout, "advance", "prod/web")
    assert checkout.snapshot() == before
    run(checkout, "promote", "prod/web")
    assert (checkout.weight("prod/web"), row(checkout, "prod/web")[1]) == ("60", "2/3")
    run(checkout, "advance", "prod/web")
    assert row(checkout, "prod/web")[:2] == ("Committed", "3/3")
    assert "analysis" not in "".join(status(checkout, "prod/web"))


def test_the_plan_shows_the_end_of_an_analysis(checkout: Checkout) -> None:
    with_steps(checkout, STEPS)
    plan = checkout.json("plan", "prod/web")
    assert [(row["currentStepIndex"], row["ends"]) for row in plan[0]["commits"]][:2] == [
        (1, "promote"),
        (2, "pods are available"),
    ]
    assert plan[0]["commits"][0]["action"] == "setWeight: 20, analysis"


def test_an_abort_at_an_analysis_step_goes_back(checkout: Checkout) -> None:
    with_steps(checkout, STEPS)
    release(checkout)
    run(checkout, "abort", "prod/web")
    assert checkout.weight("prod/web") == "0"
    run(checkout, "retry", "prod/web")
    assert row(checkout, "prod/web")[1] == "1/3"
    assert status(checkout, "prod/web")["canary"]["currentStepAnalysisRunStatus"]["status"] == "Running"


def test_a_background_analysis_waits_at_the_last_step(checkout: Checkout) -> None:
    with_steps(
        checkout, "      analysis: {templates: [{templateName: success-rate}]}\n      steps: [{setWeight: 50}]\n"
    )
    release(checkout)
    assert "background analysis success-rate" in row(checkout, "prod/web")[2]
    assert "background analysis" in run(checkout, "advance", "prod/web")
    run(checkout, "promote", "prod/web")
    assert row(checkout, "prod/web")[:2] == ("Committed", "1/1")


def active(checkout: Checkout) -> str:
    selector = checkout.objects("prod/api", ["Service"])["Service/api"]["spec"]["selector"]
    return str(selector["rollouts-pod-template-hash"])


def test_the_analyses_of_a_blue_green_release_wait_for_promote(checkout: Checkout) -> None:
    templates = "{templates: [{templateName: success-rate}]}"
    analyses = f"      prePromotionAnalysis: {templates}\n      postPromotionAnalysis: {templates}\n"
    path = "environments/prod/api/rollout.yaml"
    checkout.edit(path, "      autoPromotionEnabled: false\n      scaleDownDelaySeconds: 300\n", analyses)
    (checkout.root / "environments/prod/api/analysis.yaml").write_text(TEMPLATE, encoding="utf-8")
    checkout.commit()
    run(checkout, "advance", "prod/api")
    old = active(checkout)
    release(checkout, "prod/api", "api")
    while run(checkout, "advance", "prod/api").startswith("["):
        pass
    assert "the analysis before the switch success-rate" in row(checkout, "prod/api")[2]
    assert active(checkout) == old
    run(checkout, "promote", "prod/api")
    assert active(checkout) != old
    assert "the analysis after the switch success-rate" in row(checkout, "prod/api")[2]
    assert "the analysis after" in run(checkout, "advance", "prod/api")
    assert set(checkout.replicas("prod/api").values()) == {3}
    assert status(checkout, "prod/api")["stableRS"] == old
    run(checkout, "abort", "prod/api")
    assert active(checkout) == old
    run(checkout, "retry", "prod/api")
    for _ in range(2):
        while run(checkout, "advance", "prod/api").startswith("["):
            pass
        run(checkout, "promote", "prod/api")
    assert status(checkout, "prod/api")["stableRS"] == active(checkout) != old
    run(checkout, "advance", "prod/api")
    assert row(checkout, "prod/api")[0] == "Committed"


def test_a_plugin_step_is_a_gate_if_the_settings_allow_it(checkout: Checkout) -> None:
    steps = "      steps:\n        - setWeight: 20\n        - plugin: {name: example/smoke}\n        - setWeight: 60\n"
    path = checkout.root / "environments/prod/web/rollout.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.partition("      steps:\n")[0] + steps, encoding="utf-8")
    checkout.commit()
    line = next(n for n, row in enumerate(path.read_text().splitlines(), 1) if "plugin" in row)
    refused = run(checkout, "advance", "prod/web", code=1)
    assert f"environments/prod/web/rollout.yaml:{line}:" in refused
    assert "plugin steps are not supported: rollstep does not call example/smoke" in refused
    settings = checkout.root / "rollstep.yaml"
    gates = "apps: {web: {stepPlugins: {example/smoke: gate}}}\n"
    settings.write_text(settings.read_text(encoding="utf-8") + gates, encoding="utf-8")
    checkout.commit()
    run(checkout, "advance", "prod/web")
    release(checkout)
    assert row(checkout, "prod/web")[1] == "1/3"
    assert "waits for the step of the plugin example/smoke" in run(checkout, "advance", "prod/web")
    run(checkout, "promote", "prod/web")
    assert (checkout.weight("prod/web"), row(checkout, "prod/web")[1]) == ("60", "2/3")


def test_each_step_without_a_pause_is_a_commit(checkout: Checkout) -> None:
    with_steps(checkout, "      steps: [{setWeight: 20}, {setWeight: 40}, {setWeight: 60}]\n")
    assert [row["currentStepIndex"] for row in checkout.json("plan", "prod/web")[0]["commits"]] == [0, 1, 2, 3, 3]
    release(checkout)
    weights = [checkout.weight("prod/web")]
    while run(checkout, "advance", "prod/web").startswith("["):
        weights.append(checkout.weight("prod/web"))
    assert weights == ["20", "40", "60", "0"]
    checkout.edit("environments/prod/web/rollout.yaml", TWO, TWO.replace("2.0.0", "3.0.0"))
    checkout.commit()
    run(checkout, "advance", "prod/web")
    assert checkout.weight("prod/web") == "20"


def test_an_experiment_is_rendered_while_its_step_holds(checkout: Checkout) -> None:
    experiment = "{duration: 1h, templates: [{name: trial, specRef: canary, replicas: 2, service: {}}]}"
    with_steps(checkout, f"      steps: [{{setWeight: 20}}, {{experiment: {experiment}}}, {{setWeight: 60}}]\n")
    release(checkout)
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    name = status(checkout, "prod/web")["canary"]["currentExperiment"]
    objects = checkout.objects("prod/web")
    assert objects[f"ReplicaSet/{name}-trial"]["spec"]["replicas"] == 2
    labels = objects[f"ReplicaSet/{name}-trial"]["metadata"]["labels"]
    assert objects[f"Service/{name}-trial"]["spec"]["selector"] == labels
    assert row(checkout, "prod/web")[1] == "1/3"
    before = checkout.snapshot()
    early = checkout.run("advance", "prod/web", "--now", "2026-03-01T12:59:59Z", "--no-validate")
    assert "runs the experiment trial until 2026-03-01T13:00:00Z: `rollstep promote prod/web` ends it" in early.stderr
    checkout.run("render", "prod/web", "--check", "--no-validate")
    assert checkout.snapshot() == before
    checkout.run("advance", "prod/web", "--now", "2026-03-01T13:00:00Z", "--no-validate")
    assert not [key for key in checkout.objects("prod/web") if name in key]
    assert (checkout.weight("prod/web"), row(checkout, "prod/web")[1]) == ("60", "2/3")
    assert "currentExperiment" not in status(checkout, "prod/web")["canary"]


def test_a_restart_is_a_release_of_the_same_image(checkout: Checkout) -> None:
    run(checkout, "advance", "prod/web")
    run(checkout, "restart", "prod/web")
    subject = checkout.subjects[0]
    assert "restart, step 1/6" in subject
    text = (checkout.root / "environments/prod/web/rollout.yaml").read_text(encoding="utf-8")
    (document,) = load_documents(text, "rollout.yaml")
    annotations = document.value["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"kubectl.kubernetes.io/restartedAt": LATER}
    assert "image: registry.example.com/shop/web:1.0.0 # what a release changes" in text
    sets = checkout.objects("prod/web", ["ReplicaSet"]).values()
    assert sorted(body["spec"]["replicas"] for body in sets) == [1, 5]
    assert (checkout.weight("prod/web"), checkout.git("status", "--porcelain")) == ("20", "")
    before = checkout.snapshot()
    run(checkout, "restart", "prod/web")
    assert checkout.snapshot() == before


def test_a_rollout_from_a_template_is_not_restarted(checkout: Checkout) -> None:
    run(checkout, "advance", "dev/web")
    before = checkout.snapshot()
    assert "would change, but the Rollout comes from a command or a template" in run(
        checkout, "restart", "dev/web", code=1
    )
    assert checkout.snapshot() == before
