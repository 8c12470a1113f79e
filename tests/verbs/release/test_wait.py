"""``advance --wait``, with a script in place of kubectl that simulates the cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.manifest import ObjectKey
from renderer.kubernetes.sync_tools.argocd import of_application
from renderer.kubernetes.sync_tools.flux import of_kustomization
from renderer.kubernetes.sync_tools.liveness import of_cluster
from renderer.verbs.release.wait import Waiting, seconds_of
from tests.support.commands import NOON, STEP_ORDER, TWO, Checkout

KUBECTL = """#!{python}
import json, pathlib, sys
here = pathlib.Path({folder!r})
calls = here / "calls"
number = len(calls.read_text().splitlines()) if calls.exists() else 0
stdin = sys.stdin.read() if "-" in sys.argv else ""
with calls.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + chr(10))
script = (here / "answer.py").read_text()
names = dict(number=number, argv=sys.argv[1:], items=json.loads(stdin)["items"] if stdin else [])
exec(script, names)
sys.stdout.write(json.dumps(names["answer"]) if names.get("answer") is not None else "")
sys.stderr.write(names.get("error", ""))
sys.exit(1 if "error" in names else 0)
"""
READY = """
for item in items:
    item["metadata"]["generation"] = 2
    pods = item["spec"].get("replicas", 0)
    item["status"] = {"observedGeneration": 2, "replicas": pods, "availableReplicas": pods}
answer = {"kind": "List", "items": items}
"""
SLOW = (
    READY
    + """
for item in items:
    if item["kind"] == "ReplicaSet" and number % 3 < 2:
        item["status"]["availableReplicas"] = item["spec"]["replicas"] - 1
"""
)
NEVER = (
    READY
    + """
for item in items:
    if item["kind"] == "ReplicaSet" and item["spec"]["replicas"] == 1:
        item["status"]["availableReplicas"] = 0
"""
)


class Cluster:
    """A kubectl on PATH that answers with a script; ``number`` counts its calls."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        program = folder / "kubectl"
        program.write_text(KUBECTL.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def answers(self, script: str) -> None:
        (self.folder / "answer.py").write_text(script)
        (self.folder / "calls").unlink(missing_ok=True)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr("renderer.verbs.release.wait.INTERVAL_SECONDS", 0.01)
    return Cluster(tmp_path / "bin", monkeypatch)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout whose prod/web commits its steps in phases and has a new version."""
    (tmp_path / "repository").mkdir()
    checkout = Checkout(tmp_path / "repository")
    checkout.edit("rollstep.yaml", STEP_ORDER, "  order: phases\n")
    checkout.commit("Commit in phases")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    return checkout


ADVANCE = ("advance", "prod/web", "--no-validate", "--now", NOON)


def test_each_phase_of_a_step_waits_for_the_last(checkout: Checkout, cluster: Cluster) -> None:
    cluster.answers(SLOW)
    done = checkout.run(*ADVANCE, "--wait", "kubernetes")
    assert [subject.rpartition(", ")[2] for subject in checkout.subjects[:2]] == ["shift", "expand"]
    assert "step 1/" in checkout.subjects[0]
    assert checkout.weight("prod/web") == "20"
    assert done.stderr.count("pods available") >= 2
    assert done.stderr.count("web (prod): live") == 2
    assert all(call.startswith("get --filename - --ignore-not-found") for call in cluster.calls)


def test_status_and_plan_show_the_phase_and_render_keeps_it(checkout: Checkout) -> None:
    checkout.run("render", "prod/web", "--check")
    assert "phase: expand" in (checkout.root / "environments/prod/web/status.yaml").read_text()
    (row,) = checkout.json("status", "prod/web", "--now", NOON)
    assert row["message"] == "expand: the next phase follows when this is live"
    actions = [step["action"] for step in checkout.json("plan", "prod/web", "--now", NOON)[0]["commits"]]
    assert actions[0].endswith(", shift")
    assert actions[1].endswith(", expand")
    assert "Rollstep-Phase: expand" in checkout.git("log", "-1", "--format=%B")


def test_nothing_moves_while_pods_are_missing(checkout: Checkout, cluster: Cluster) -> None:
    cluster.answers(NEVER)
    before = checkout.snapshot()
    done = checkout.run(*ADVANCE, "--wait", "kubernetes", "--timeout", "1s", code=1)
    assert "is not live after 1 s" in done.stderr
    assert "0 of 1 pods available" in done.stderr
    assert checkout.snapshot() == before


def test_progress_deadline_abort(checkout: Checkout, cluster: Cluster) -> None:
    text = "  progressDeadlineSeconds: 1\n  progressDeadlineAbort: true\n"
    checkout.edit("environments/prod/web/rollout.yaml", "spec:\n  replicas", f"spec:\n{text}  replicas")
    checkout.commit("Abort when late")
    cluster.answers(NEVER)
    done = checkout.run(*ADVANCE, "--wait", "kubernetes", code=1)
    assert "aborting because of spec.progressDeadlineAbort" in done.stderr
    assert "abort" in checkout.subjects[0]
    assert checkout.weight("prod/web") == "0"


def test_waiting_for_argocd(checkout: Checkout, cluster: Cluster) -> None:
    cluster.answers(f"""
import subprocess
head = subprocess.run(["git", "-C", {str(checkout.root)!r}, "rev-parse", "HEAD"], capture_output=True, text=True)
revision = head.stdout.strip() if number % 3 else "0" * 40
health = "Healthy" if number % 3 == 2 else "Progressing"
answer = {{"status": {{"sync": {{"status": "Synced", "revision": revision}}, "health": {{"status": health}}}}}}
""")
    done = checkout.run(*ADVANCE, "--wait", "argocd=tools/shop")
    assert checkout.weight("prod/web") == "20"
    assert "waiting: it is at 000000000" in done.stderr
    assert "waiting: it is Progressing" in done.stderr
    assert set(cluster.calls) == {"get applications.argoproj.io shop --namespace tools --output json"}


def test_waiting_for_flux(checkout: Checkout, cluster: Cluster) -> None:
    cluster.answers(f"""
import subprocess
head = subprocess.run(["git", "-C", {str(checkout.root)!r}, "rev-parse", "HEAD"], capture_output=True, text=True)
ready = "True" if number % 2 else "Unknown"
answer = {{"metadata": {{"generation": 1}}, "spec": {{"wait": True}}, "status": {{
    "lastAppliedRevision": "main@sha1:" + head.stdout.strip(), "observedGeneration": 1,
    "conditions": [{{"type": "Ready", "status": ready, "message": "Reconciliation in progress"}}]}}}}
""")
    done = checkout.run(*ADVANCE, "--wait", "flux")
    assert checkout.weight("prod/web") == "20"
    assert "it is not ready: Reconciliation in progress" in done.stderr
    assert "web-prod --namespace flux-system" in cluster.calls[0]


@pytest.mark.parametrize("tool", ["argocd", "flux"])
def test_a_branch_of_the_environment_has_revisions_of_its_own(checkout: Checkout, cluster: Cluster, tool: str) -> None:
    checkout.edit(
        "rollstep.yaml", "environments:\n", "environments:\n  prod: {commit: {environmentBranch: env/prod}}\n"
    )
    checkout.commit("Give prod a branch")
    cluster.answers(f"""
import subprocess
command = ["git", "-C", {str(checkout.root)!r}, "rev-parse", "env/prod"]
tip = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
revision = tip if number % 2 else "0" * 40
if {tool!r} == "argocd":
    answer = {{"status": {{"sync": {{"status": "Synced", "revision": revision}}, "health": {{"status": "Healthy"}}}}}}
else:
    answer = {{"metadata": {{"generation": 1}}, "spec": {{"wait": True}}, "status": {{
        "lastAppliedRevision": "env/prod@sha1:" + revision, "observedGeneration": 1,
        "conditions": [{{"type": "Ready", "status": "True"}}]}}}}
""")
    done = checkout.run(*ADVANCE, "--wait", tool, "--timeout", "20s")
    assert checkout.weight("prod/web") == "20"
    assert done.stderr.count("web (prod): live") == 2
    # The branch was behind HEAD: it is updated before the wait.
    assert "[env/prod " in done.stderr
    status = checkout.git("show", "HEAD:environments/prod/web/status.yaml")
    assert checkout.git("show", "env/prod:web/status.yaml") == status


def test_a_sync_tool_that_follows_the_sources_has_not_applied_the_branch(checkout: Checkout, cluster: Cluster) -> None:
    checkout.edit(
        "rollstep.yaml", "environments:\n", "environments:\n  prod: {commit: {environmentBranch: env/prod}}\n"
    )
    checkout.commit("Give prod a branch")
    before = checkout.head
    cluster.answers(f"""
answer = {{"status": {{"sync": {{"status": "Synced", "revision": {before!r}}}, "health": {{"status": "Healthy"}}}}}}
""")
    done = checkout.run(*ADVANCE, "--wait", "argocd", "--timeout", "1s", code=1)
    assert f"it is at {before[:9]}" in done.stderr
    assert checkout.head == before


def test_time_passes(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON, "--wait", "time=1s")
    assert checkout.weight("prod/web") == "20"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--wait", "helm"), "--wait takes kubernetes, argocd, flux, time, found helm"),
        (("--wait", "time=soon"), "'soon' is not a duration"),
        (("--timeout", "5m"), "--timeout goes with --wait"),
        (("--to", "1"), "--to has to wait between them"),
    ],
)
def test_what_is_refused(checkout: Checkout, arguments: tuple[str, ...], message: str) -> None:
    before = checkout.snapshot()
    assert message in checkout.run(*ADVANCE, *arguments, code=2).stderr
    assert checkout.snapshot() == before


def test_a_failing_kubectl_is_reported(checkout: Checkout, cluster: Cluster) -> None:
    cluster.answers('error = "Unable to connect to the server"')
    done = checkout.run(*ADVANCE, "--wait", "kubernetes", code=1)
    assert "kubectl failed: Unable to connect to the server" in done.stderr


def test_the_autoscaler_is_waited_for(tmp_path: Path, cluster: Cluster) -> None:
    checkout = Checkout(tmp_path / "autoscaled")
    (checkout.root / "environments/prod/web/hpa.yaml").write_text(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
        "spec:\n  scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web}\n"
        "  minReplicas: 3\n  maxReplicas: 10\n"
    )
    checkout.commit("Let an autoscaler scale web")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    asked = """
answer = {"kind": "List", "items": []}
for item in items:
    if item["kind"] == "ReplicaSet":
        pods = 1 if number < 2 else 3
        item["spec"]["replicas"] = pods
        item["metadata"]["generation"] = 1
        item["status"] = {"observedGeneration": 1, "replicas": pods, "availableReplicas": pods}
    answer["items"].append(item)
"""
    cluster.answers(asked)
    checkout.run(*ADVANCE, "--wait", "kubernetes")
    assert len(cluster.calls) >= 3


def replica_set(pods: int, **status: Any) -> dict[str, Any]:
    metadata = {"name": "web", "generation": 3}
    return {"kind": "ReplicaSet", "metadata": metadata, "spec": {"replicas": pods}, "status": status}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], "ReplicaSet web is missing"),
        ([replica_set(1)], "ReplicaSet web asks for 1 of 2 pods"),
        ([replica_set(2, observedGeneration=2)], "ReplicaSet web is not observed"),
        ([replica_set(2, observedGeneration=3, replicas=3)], "ReplicaSet web has 1 pods too many"),
        ([replica_set(2, observedGeneration=3, replicas=2)], "ReplicaSet web has 0 of 2 pods available"),
        ([replica_set(2, observedGeneration=3, replicas=2, availableReplicas=2)], ""),
    ],
)
def test_when_a_replica_set_is_live(found: list[Any], told: str) -> None:
    assert of_cluster({ObjectKey("apps", "ReplicaSet", "", "web"): replica_set(2)}, found).waits_for == told


@pytest.mark.parametrize(
    ("pods", "available", "told"),
    [
        (1, 1, "ReplicaSet web asks for 1 pods, and its autoscaler for 3 at least"),
        (3, 2, "ReplicaSet web has 2 of 3 pods available"),
        (3, 3, ""),
        (7, 7, ""),
    ],
)
def test_when_a_replica_set_that_is_autoscaled_is_live(pods: int, available: int, told: str) -> None:
    key = ObjectKey("apps", "ReplicaSet", "", "web")
    autoscaler = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {"minReplicas": 3}}
    committed = {
        key: {"kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": {}},
        ObjectKey("autoscaling", "HorizontalPodAutoscaler", "", "web"): autoscaler,
    }
    found = replica_set(pods, observedGeneration=3, replicas=pods, availableReplicas=available)
    assert of_cluster(committed, [found, autoscaler]).waits_for == told
    assert of_cluster(committed, [found]).waits_for.endswith("HorizontalPodAutoscaler web is missing")


def test_when_another_object_is_live() -> None:
    key = ObjectKey("", "Service", "", "web")
    service = {"kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web", "hash": "2"}}}
    old = {**service, "spec": {"selector": {"app": "web", "hash": "1"}, "clusterIP": "10.0.0.1"}}
    assert of_cluster({key: service}, [old]).waits_for == "Service web has another spec.selector"
    ingress = {"kind": "Ingress", "metadata": {"name": "web", "annotations": {"weight": "20"}}, "spec": {"rules": [{}]}}
    late = {**ingress, "metadata": {"name": "web", "annotations": {"weight": "0", "seen": "yes"}}}
    key = ObjectKey("networking.k8s.io", "Ingress", "", "web")
    assert of_cluster({key: ingress}, [late]).waits_for == "Ingress web has another metadata.annotations"
    assert of_cluster({key: ingress}, [{**ingress, "status": {}}]).is_live
    plain = {**ingress, "metadata": {"name": "web"}}
    assert of_cluster({key: plain}, [late]).is_live, "kubectl apply adds an annotation of its own"


def test_an_application_that_still_syncs_is_not_live() -> None:
    sync = {"status": "Synced", "revision": "abc"}
    status = {"sync": sync, "health": {"status": "Healthy"}, "operationState": {"phase": "Running"}}
    assert of_application({"status": status}, ["abc"]).waits_for == "it is Synced, syncing"
    assert of_application({"status": {**status, "operationState": {"phase": "Succeeded"}}}, ["abc"]).is_live


def test_a_kustomization_without_wait_is_refused() -> None:
    status = {"lastAppliedRevision": "main@sha1:abc", "conditions": [{"type": "Ready", "status": "True"}]}
    body = {"metadata": {}, "spec": {}, "status": status}
    assert "spec.wait" in of_kustomization(body, ["abc"]).waits_for


def test_durations() -> None:
    assert [seconds_of(text) for text in ("90", "90s", "5m", "1h", "1h30m")] == [90, 90, 300, 3600, 5400]
    assert Waiting.parse("time", None).which == "30.0"
