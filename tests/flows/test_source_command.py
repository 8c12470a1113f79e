"""An app whose manifests a command prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.pipeline.load import ALLOW_EXEC
from tests.support.commands import NOON, ONE, TWO, Checkout

HOOK = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: probe, annotations: {helm.sh/hook: test}}\n"


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """Return a repository in which a command prints the manifests of prod/web; no step is made yet."""
    monkeypatch.setenv(ALLOW_EXEC, "1")
    checkout = Checkout(tmp_path / "repo")
    app, base = checkout.root / "environments" / "prod" / "web", checkout.root / "base"
    base.mkdir()
    texts = [path.read_text(encoding="utf-8") for path in sorted(app.glob("*.yaml"))]
    (base / "all.yaml").write_text("---\n".join(texts) + HOOK, encoding="utf-8")
    for path in app.glob("*.yaml"):
        path.unlink()
    source = "source: {exec: [cat, base/all.yaml], reads: [base]}"
    settings = checkout.root / "rollstep.yaml"
    settings.write_text(f"{settings.read_text()}  prod: {{apps: {{web: {{{source}}}}}}}\n", encoding="utf-8")
    checkout.commit("Let a command print the manifests")
    return checkout


def test_a_hook_of_helm_is_not_rendered_and_told(printed: Checkout) -> None:
    done = printed.run("advance", "prod/web", "--no-validate", "--now", NOON)
    told = "the Pod probe is a Helm hook: left out"
    assert done.stderr.count(told) == 1
    assert "Pod/probe" not in printed.objects("prod/web")
    assert told in printed.run("render", "prod/web", "--check").stderr
    # A second check says it again.
    assert told in printed.run("render", "prod/web", "--check").stderr
    assert told in printed.run("render", "prod/web").stderr
    (note,) = printed.json("advance", "prod/web", "--dry-run")[0]["notes"]
    assert note.startswith("`cat base/all.yaml`:")
    assert note.endswith(told)


def test_a_manifest_beside_the_command_is_told(printed: Checkout) -> None:
    extra = "environments/prod/web/extra.yaml"
    (printed.root / extra).write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n", encoding="utf-8")
    printed.commit()
    done = printed.run("advance", "prod/web", "--no-validate", "--now", NOON)
    assert f"note: {extra}: is not read: `cat base/all.yaml` prints the manifests of prod/web" in done.stderr
    assert "ConfigMap/extra" not in printed.objects("prod/web")


@pytest.mark.parametrize(
    "verb", [("undo", "prod/web"), ("set", "image", "prod/web", f"web={ONE}")], ids=["undo", "set image"]
)
def test_a_change_of_what_a_command_prints_is_refused_with_the_way_to_make_it(
    printed: Checkout, verb: tuple[str, ...]
) -> None:
    printed.run("advance", "prod/web", "--no-validate", "--now", NOON)
    printed.edit("base/all.yaml", ONE, TWO)
    printed.commit("Release another image")
    printed.run("advance", "prod/web", "--no-validate", "--now", NOON)
    before = printed.snapshot()
    said = printed.run(*verb, "--no-validate", "--now", NOON, code=1).stderr
    assert f"spec.template.spec.containers[0].image ({ONE}) would change" in said
    assert "change what it reads (`git log --patch -- base` has the earlier versions), commit that, then" in said
    assert printed.snapshot() == before
    # The way that the hint shows.
    printed.git("revert", "--no-edit", printed.git("log", "-1", "--format=%h", "--", "base").strip())
    assert "`rollstep advance prod/web`" in said
    assert printed.weight("prod/web") == "20"
    printed.run("advance", "prod/web", "--no-validate", "--now", NOON)
    assert printed.weight("prod/web") == "0"
    assert printed.json("status", "prod/web")[0]["revision"] == 3


def test_a_template_that_would_change_is_named(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    checkout.advance_all("dev/web")
    said = checkout.run("scale", "dev/web", "--replicas", "7", "--now", NOON, code=1).stderr
    assert "spec.replicas (7) would change" in said
    assert "`git log --patch -- environments/dev/web/web.yaml.j2` has the earlier versions" in said


WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example.com/web:1"}]}
"""


def test_a_chart_with_a_deployment_alone_is_released_with_a_rollout_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    monkeypatch.setenv(ALLOW_EXEC, "1")
    page = (project / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    settings, rollout = page.partition("### What a command prints")[2].split("```")[1:4:2]
    checkout = Checkout(tmp_path / "repo")
    for path in (checkout.root / "environments/prod/web").glob("*.yaml"):
        path.unlink()
    checkout.git("rm", "-rq", "environments/dev", "environments/staging", "environments/prod/api")
    (checkout.root / "charts").mkdir()
    (checkout.root / "charts/web.yaml").write_text(WORKLOAD, encoding="utf-8")
    # The page has helm in place of cat.
    text = settings.removeprefix("yaml\n").replace("helm template web charts/web;", "cat charts/web.yaml;")
    (checkout.root / "rollstep.yaml").write_text(text, encoding="utf-8")
    path = checkout.root / "environments/prod/web/rollout.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rollout.removeprefix("yml\n"), encoding="utf-8")
    checkout.commit("Print the Deployment of a chart")
    done = checkout.run("advance", "prod/web", "--now", NOON)
    assert "is not read" not in done.stderr
    assert list(checkout.objects("prod/web")) == [
        f"ReplicaSet/{body['metadata']['name']}" for body in checkout.objects("prod/web", ["ReplicaSet"]).values()
    ]
