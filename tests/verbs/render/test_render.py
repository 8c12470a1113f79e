"""``render``, ``plan``, ``get``, ``status`` and ``diff``: their output, and the files that they write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.yaml.reader import load_documents
from tests.support.commands import NOON, PROJECT, TWO, Checkout

OLD = "registry.example.com/shop/web:1.0.0"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "repo")


def documents(text: str) -> dict[str, dict[str, object]]:
    found = [document.value for document in load_documents(text, "stdout")]
    return {f"{body['kind']}/{body['metadata']['name']}": body for body in found}


def canary_weight(text: str) -> str:
    (ingress,) = [body for key, body in documents(text).items() if key.startswith("Ingress/") and "canary" in key]
    annotations = ingress["metadata"]["annotations"]  # type: ignore[index]
    return str(annotations["nginx.ingress.kubernetes.io/canary-weight"])


def test_check_prints_the_differences_and_passes_after_a_render(checkout: Checkout) -> None:
    stale = checkout.run("render", "--check", "prod/web", code=1)
    assert "+++ b/environments/prod/web/rendered/kustomization.yaml" in stale.stdout
    checkout.run("render", "prod/web", "--now", NOON)
    checkout.run("render", "--check", "prod/web")
    service = checkout.root / "environments/prod/web/rendered/service-web-stable.yaml"
    service.write_text(service.read_text().replace("port: 80", "port: 81"))
    stale = checkout.run("render", "--check", "prod/web", code=1)
    assert "-    port: 81\n" in stale.stdout
    assert "+    port: 80\n" in stale.stdout
    assert "environments/prod/web/rendered" in stale.stderr
    note = checkout.run("render", "prod/web")
    assert "edited by hand" in note.stderr
    checkout.run("render", "--check", "prod/web")


def test_check_does_not_depend_on_the_clock(checkout: Checkout) -> None:
    checkout.advance_all("prod/api")
    checkout.run("set", "image", "prod/api", "api=registry.example.com/shop/api:2", "--now", NOON)
    checkout.run("promote", "prod/api", "--now", NOON)
    checkout.run("render", "--check", "prod/api", "--now", "2027-01-01T00:00:00Z")


def test_render_writes_and_commits_nothing(checkout: Checkout) -> None:
    head = checkout.head
    checkout.run("render", "prod/web", "--now", NOON)
    assert checkout.head == head
    assert (checkout.root / "environments/prod/web/status.yaml").is_file()
    before = checkout.snapshot()
    checkout.run("render", "prod/web", "--dry-run", "--step", "3")
    checkout.run("render", "prod/web", "--stdout", "--step", "3")
    assert checkout.snapshot() == before


def test_a_new_template_waits_and_a_check_shows_its_plan(checkout: Checkout) -> None:
    checkout.advance_all("prod/web")
    checkout.edit("environments/prod/web/rollout.yaml", "web:1.0.0", "web:2.0.0")
    for _ in range(2):
        done = checkout.run("render", "--check", "prod/web")
        assert "web (prod): 2.0.0 waits: `rollstep advance prod/web` begins it" in done.stderr
        assert "setWeight: 20" in done.stderr
    (entry,) = checkout.json("render", "--check", "prod/web")
    assert (entry["upToDate"], entry["waitingVersion"]) == (True, "2.0.0")
    assert "2.0.0 waits" in checkout.run("render", "prod/web", "--now", NOON).stderr
    assert (checkout.replicas("prod/web"), checkout.weight("prod/web")) == ({"1.0.0": 5}, "0")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("web:1.0.0 #", "web:2.0.0\n          ports: [{containerPort: 99999}] #", "99999"),
        ("setWeight: 20", "setWeight: 120", "120"),
    ],
    ids=["a manifest that no API server takes", "a step that no release can do"],
)
def test_a_check_refuses_a_version_that_could_not_begin(checkout: Checkout, old: str, new: str, found: str) -> None:
    checkout.advance_all("prod/web")
    path = checkout.root / "environments/prod/web/rollout.yaml"
    text = path.read_text(encoding="utf-8").replace("          ports:\n            - name: http\n", "", 1)
    path.write_text(text.replace("              containerPort: 8080\n", "", 1).replace("web:1.0.0", "web:2.0.0"))
    path.write_text(path.read_text().replace(old.replace("1.0.0", "2.0.0"), new))
    assert found in checkout.run("render", "--check", "prod/web", code=1).stderr


def test_any_step_can_be_rendered(checkout: Checkout) -> None:
    checkout.advance_all("prod/web")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON)
    weights = [
        canary_weight(checkout.run("render", "prod/web", "--step", str(step), "--stdout").stdout) for step in range(7)
    ]
    assert weights == ["20", "20", "40", "40", "60", "60", "0"]
    assert "0 to 6" in checkout.run("render", "prod/web", "--step", "7", code=2).stderr
    checkout.run("render", "prod/web", "--step", "4")
    assert (checkout.replicas("prod/web"), checkout.weight("prod/web")) == ({"1.0.0": 5, "2.0.0": 3}, "60")
    assert checkout.json("status", "prod/web")[0]["currentStepIndex"] == 4


def test_stateless_from_files_and_from_a_ref(checkout: Checkout) -> None:
    folder = "environments/prod/web"
    files = [f"{folder}/{name}.yaml" for name in ("rollout", "services", "ingress")]
    new = checkout.root / files[0]
    old = checkout.root / "old.yaml"
    old.write_text(new.read_text())
    new.write_text(new.read_text().replace("web:1.0.0", "web:2.0.0"))
    before = checkout.snapshot()
    first = checkout.run("render", *files).stdout
    assert sum(key.startswith("ReplicaSet/") for key in documents(first)) == 1
    by_file = checkout.run("render", *files, "--step", "2", "--stable", "old.yaml").stdout
    assert canary_weight(by_file) == "40"
    assert sum(key.startswith("ReplicaSet/") for key in documents(by_file)) == 2
    by_ref = checkout.run("render", *files, "--step", "2", "--stable-ref", "HEAD").stdout
    assert by_ref == by_file
    listed = json.loads(checkout.run("render", *files, "--output", "json").stdout)
    assert listed["kind"] == "List"
    assert checkout.snapshot() == before


def test_standard_input(checkout: Checkout) -> None:
    folder = checkout.root / "environments/prod/web"
    text = "---\n".join((folder / f"{name}.yaml").read_text() for name in ("rollout", "services", "ingress"))
    plain = documents(checkout.run("render", "-", stdin=text).stdout)
    assert "Rollout/web" not in plain
    assert "namespace" not in plain["Service/web-stable"]["metadata"]  # type: ignore[operator]
    placed = documents(checkout.run("render", "-", "--env", "prod", stdin=text).stdout)
    assert placed["Service/web-stable"]["metadata"]["namespace"] == "shop-prod"  # type: ignore[index]
    assert "<stdin>:" in checkout.run("render", "-", stdin="a: [", code=1).stderr


def test_pass_through_and_kustomization(checkout: Checkout) -> None:
    checkout.run("render", "prod/web", "--now", NOON)
    objects = checkout.objects("prod/web")
    assert objects["ConfigMap/web"]["data"] == {"LOG_LEVEL": "info"}
    rendered = checkout.root / "environments/prod/web/rendered"
    (kustomization,) = load_documents((rendered / "kustomization.yaml").read_text(), "k")
    files = {path.name for path in rendered.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization.value["resources"]) == files
    assert not any(key.startswith("Rollout") for key in objects)


def test_a_deleted_source_is_removed_and_a_foreign_file_stays(checkout: Checkout) -> None:
    more = checkout.root / "environments/prod/web/more.yaml"
    more.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n", encoding="utf-8")
    checkout.run("render", "prod/web", "--now", NOON)
    rendered = checkout.root / "environments/prod/web/rendered"
    assert (rendered / "configmap-more.yaml").exists()
    (rendered / "NOTES.md").write_text("mine")
    more.unlink()
    checkout.run("render", "prod/web")
    assert not (rendered / "configmap-more.yaml").exists()
    assert (rendered / "NOTES.md").read_text() == "mine"


def test_a_missing_replica_set_is_refused(checkout: Checkout) -> None:
    checkout.advance_all("prod/web")
    (replica_set,) = (checkout.root / "environments/prod/web/rendered").glob("replicaset-*")
    replica_set.unlink()
    refused = checkout.run("render", "prod/web", code=1)
    assert "is missing" in refused.stderr
    assert "git checkout" in refused.stderr


def test_the_plan_matches_the_commits(checkout: Checkout) -> None:
    checkout.advance_all("prod/web")
    (plan,) = checkout.json("plan", "prod/web", "--now", NOON)
    assert plan["isNext"] is True
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON)
    (rest,) = checkout.json("plan", "prod/web", "--now", NOON)
    assert [step["action"] for step in rest["commits"]] == [step["action"] for step in plan["commits"]][1:]
    assert [step["peakPods"] for step in plan["commits"]] == [6, 7, 8, 10, 10]
    assert plan["peakPods"] == 10
    for step, now in zip(rest["commits"], ("12:00", "12:30", "13:00", "14:00"), strict=True):
        verb = "promote" if step["starts"] == "promote" else "advance"
        checkout.run(verb, "prod/web", "--now", f"2026-03-01T{now}:00Z")
        replicas = {rs["name"]: rs["replicas"] for rs in checkout.json("get", "prod/web")[0]["replicaSets"]}
        assert {rs["name"]: rs["replicas"] for rs in step["replicaSets"]}.items() <= replicas.items()
        assert step["currentStepIndex"] == checkout.json("status", "prod/web")[0]["currentStepIndex"]
    table = checkout.run("plan", "prod/web", "--output", "markdown").stdout
    assert any(line.startswith("|  | Step | Action | next | 2.0.0 |") for line in table.splitlines())


def test_get_shows_the_tree(checkout: Checkout) -> None:
    assert checkout.json("status", "prod/web")[0]["phase"] == "Unknown"
    checkout.advance_all("prod/web")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON)
    checkout.run("promote", "prod/web", "--now", NOON)
    text = checkout.run("get", "prod/web", "--now", "2026-03-01T12:04:00Z").stdout
    for line in (
        "Status:          ॥ Paused",
        "Step:          3/6",
        "ActualWeight:  40",
        "(6m left)",
        f"{TWO} (canary)",
    ):
        assert line in text, text
    assert "├──# revision:2" in text


def test_diff_between_steps(checkout: Checkout) -> None:
    checkout.advance_all("prod/web")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON)
    following = checkout.run("diff", "prod/web").stdout
    assert '-    nginx.ingress.kubernetes.io/canary-weight: "20"' in following
    assert '+    nginx.ingress.kubernetes.io/canary-weight: "40"' in following
    assert checkout.run("diff", "prod/web", "--from", "2", "--to", "3").stdout == ""
    checkout.run("diff", "prod/web", "--from", "0", "--to", "6", "--exit-code", code=1)


def test_everything_rendered_is_valid(checkout: Checkout, assert_valid: object) -> None:
    checkout.run("render", "--now", NOON)
    files = {
        path.relative_to(checkout.root).as_posix(): path.read_text()
        for path in checkout.root.glob("environments/*/*/rendered/*.yaml")
        if path.name != "kustomization.yaml"
    }
    assert_valid(files)  # type: ignore[operator]


@pytest.mark.parametrize("validator", ["kubeconform", "built-in"])
def test_invalid_manifests_are_not_written(validator: str, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    if validator == "built-in":
        monkeypatch.setattr("renderer.pipeline.validate.manifests.find_kubeconform", lambda *_: None)
    source = checkout.root / "environments/prod/web/configmap.yaml"
    source.write_text(source.read_text() + "notAField: true\n")
    checkout.git("commit", "-qam", "Add a field that ConfigMaps do not have")
    before = checkout.snapshot()
    for verb in ("advance", "render", "promote", "restart"):
        assert "notAField" in checkout.run(verb, "prod/web", code=1).stderr
        assert checkout.snapshot() == before


def test_same_input_same_bytes(checkout: Checkout, tmp_path: Path) -> None:
    other = Checkout(tmp_path / "other")
    for where, zone in ((checkout, "Asia/Kathmandu"), (other, "America/St_Johns")):
        command = ["env", f"TZ={zone}", "LC_ALL=C", "PYTHONHASHSEED=7", sys.executable, "-m", "renderer"]
        subprocess.run(
            [*command, "advance", "--all", "--now", NOON, "--no-validate"],
            cwd=where.root,
            check=True,
            capture_output=True,
        )
    assert checkout.git("rev-parse", "HEAD^{tree}") == other.git("rev-parse", "HEAD^{tree}")


def test_the_json_of_a_check_and_a_dry_run_has_the_differences(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    (fresh,) = checkout.json("render", "prod/web", "--check")
    assert (fresh["app"], fresh["upToDate"], fresh["diff"], fresh["message"]) == ("web", True, "", None)
    checkout.edit("environments/prod/web/configmap.yaml", "info", "warning")
    for options, code in ((("--check",), 1), (("--dry-run",), 0)):
        (stale,) = checkout.json("render", "prod/web", *options, code=code)
        assert not stale["upToDate"]
        assert "+  LOG_LEVEL: warning" in stale["diff"]
        assert stale["hint"] == "rollstep render prod/web"
        assert list(stale["files"]["updated"]) == ["configmap-web.yaml"]
    (written,) = checkout.json("render", "prod/web")
    assert written["files"]["updated"] == stale["files"]["updated"]
    checkout.run("render", "prod/web", "--check")


def test_any_verb_recovers_a_killed_run_below_gits_root(tmp_path: Path) -> None:
    whole = Checkout(tmp_path / "whole")
    below = tmp_path / "repo" / "deploy"
    below.mkdir(parents=True)
    for name in ("environments", "rollstep.yaml"):
        (whole.root / name).rename(below / name)
    (whole.root / ".git").rename(below.parent / ".git")
    whole.root = below
    whole.commit("Move it down")
    whole.run("advance", "prod/web", "--no-validate", "--now", NOON)
    killed = """
import os, sys
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction
from renderer.pipeline.load.workspace import Workspace
transaction = Transaction(NewFiles(Workspace.open(".").journal_root))
transaction.write(os.path.abspath("environments/prod/web/status.yaml"), "half written")
transaction.prepare()
transaction.apply()
os._exit(0)
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", killed], cwd=below, env=environment, check=True)
    assert (below / "environments/prod/web/status.yaml").read_text() == "half written"
    told = whole.run("render", "prod/web", "--no-validate")
    assert "an earlier run was interrupted" in told.stderr
    whole.run("render", "prod/web", "--check")


def test_a_fleet_is_written_completely_or_not_at_all(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apps are rendered in batches; a finding in the last batch also stops the first, and all findings are printed."""
    monkeypatch.setattr("renderer.verbs.apps.parallel.MAX_BATCH", 2)
    folder = checkout.root / "environments/prod"
    for number in range(5):
        shutil.copytree(folder / "web", folder / f"web-{number}")
        checkout.edit(f"environments/prod/web-{number}/rollout.yaml", "\n  name: web\n", f"\n  name: web-{number}\n")
    for number in (1, 4):
        checkout.edit(f"environments/prod/web-{number}/rollout.yaml", "replicas: 5", "replicas: -5")
    checkout.commit("More apps")
    before = checkout.snapshot()
    refused = checkout.run("render", "--now", NOON, code=1)
    assert [f"prod/web-{number}/rollout.yaml" in refused.stderr for number in range(5)] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert checkout.snapshot() == before
    for number in (1, 4):
        checkout.edit(f"environments/prod/web-{number}/rollout.yaml", "replicas: -5", "replicas: 5")
    checkout.run("render", "--now", NOON)
    assert all((folder / f"web-{number}/rendered/kustomization.yaml").is_file() for number in range(5))
    checkout.run("render", "--check")


def test_a_kustomization_is_validated_if_a_template_renders_it(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    from renderer.pipeline.validate import manifests as module

    judged: list[str] = []
    validate = module.validate

    def noted(files: Mapping[str, str], *arguments: Any, **options: Any) -> module.Validation:
        judged.extend(files)
        return validate(files, *arguments, **options)

    monkeypatch.setattr(module, "validate", noted)
    checkout.run("render", "prod/web", "--no-cache", "--now", NOON)
    assert [name for name in judged if name.endswith("kustomization.yaml")] == []
    assert len(judged) == len(list((checkout.root / "environments/prod/web/rendered").glob("*.yaml"))) - 1
    (checkout.root / "templates").mkdir()
    (checkout.root / "templates/kustomization.yaml.j2").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\nresources:\n{{ files | to_yaml }}"
    )
    before = checkout.snapshot()
    refused = checkout.run("render", "prod/web", "--no-cache", "--now", NOON, code=1)
    assert "kustomization.yaml" in refused.stderr
    assert "resources: unknown field" in refused.stderr
    assert checkout.snapshot() == before
