"""Ownership of ``replicas`` on a real API server, with autoscalers and sync tools that apply again and again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.flux import Flux
from tests.e2e.processes import wait_for
from tests.e2e.release import MANUAL, Repository, image, rollout
from tests.e2e.sync import ArgoEngine, KubectlPrune, Sync

REPLICA_SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"
AUTOSCALERS = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
BUDGETS = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
AGAIN = 8
"""Seconds in which every tool applies again what it has applied."""

HPA = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"},
        "minReplicas": 3,
        "maxReplicas": 10,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
    },
}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web"},
    "spec": {"minAvailable": 4, "selector": {"matchLabels": {"app": "web"}}},
}


def replicas(cluster: Cluster, name: str) -> int:
    return int(cluster.api.get(f"{REPLICA_SETS}/{name}")["spec"]["replicas"])


def names(cluster: Cluster, path: str) -> set[str]:
    return {item["metadata"]["name"] for item in cluster.api.items(path)}


def scale_as_the_autoscaler(cluster: Cluster, name: str, number: int) -> None:
    """Set a ReplicaSet's number as the autoscaler's controller does when the metrics ask for it."""
    path = f"{REPLICA_SETS}/{name}/scale?fieldManager=kube-controller-manager"
    body = {"spec": {"replicas": number}}
    cluster.api.open(path, "PATCH", body, "application/merge-patch+json").close()


@pytest.mark.parametrize("tool", [KubectlPrune, ArgoEngine, Flux], ids=["kubectl", "Argo CD", "Flux"])
def test_no_sync_fights_the_autoscaler(cluster: Cluster, tmp_path: Path, tool: type[Sync] | type[Flux]) -> None:
    manifests: list[dict[str, Any]] = [rollout({"canary": {"steps": MANUAL}}), HPA, BUDGET]
    repository = Repository(tmp_path / "repository", cluster, manifests, {"order": "step"})
    repository.rollstep("advance", "--all")
    with tool(cluster, repository.root, repository.path, tmp_path / "sync") as sync:
        sync.wait(repository.head)
        (stable,) = names(cluster, REPLICA_SETS)
        wait_for("the autoscaler has raised the new ReplicaSet to its minimum", lambda: replicas(cluster, stable) == 3)
        assert names(cluster, AUTOSCALERS) == names(cluster, BUDGETS) == {stable}

        scale_as_the_autoscaler(cluster, stable, 7)
        time.sleep(AGAIN)
        assert replicas(cluster, stable) == 7

        repository.rollstep("set", "image", "e2e/web", f"web={image(2)}")
        sync.wait(repository.head)
        (canary,) = names(cluster, REPLICA_SETS) - {stable}
        bounds = {
            item["metadata"]["name"]: (item["spec"]["minReplicas"], item["spec"]["maxReplicas"])
            for item in cluster.api.items(AUTOSCALERS)
        }
        assert bounds == {canary: (1, 2), stable: (3, 8)}
        assert (replicas(cluster, canary), replicas(cluster, stable)) == (1, 7)

        repository.rollstep("promote", "e2e/web", "--full")
        for _ in range(5):
            repository.rollstep("advance", "--all")
        sync.wait(repository.head)
        wait_for("the new version has its minimum", lambda: replicas(cluster, canary) == 3)
        wait_for("the old version has no pods", lambda: replicas(cluster, stable) == 0)
        wait_for("the old autoscaler is gone", lambda: names(cluster, AUTOSCALERS) == {canary})
        time.sleep(AGAIN)
        assert replicas(cluster, stable) == 0

        repository.rollstep("undo", "e2e/web")
        sync.wait(repository.head)
        wait_for("the old version comes back with its share", lambda: replicas(cluster, stable) == 1)
        assert names(cluster, AUTOSCALERS) == {canary, stable}


def test_a_number_that_is_taken_out_has_to_be_handed_over(cluster: Cluster, tmp_path: Path) -> None:
    def manifest(name: str, number: int | None) -> str:
        spec: dict[str, Any] = {"selector": {"matchLabels": {"app": name}}}
        spec["template"] = rollout({})["spec"]["template"] | {"metadata": {"labels": {"app": name}}}
        if number is not None:
            spec["replicas"] = number
        body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}
        return yaml.safe_dump(body)

    def apply(name: str, number: int | None, *options: str) -> None:
        cluster.kubectl("apply", *options, "-f", "-", stdin=manifest(name, number))

    server = ("--server-side", "--field-manager=sync")
    for name, options in (("client", ()), ("server", server)):
        apply(name, 5, *options)
        apply(name, None, *options)
        assert replicas(cluster, name) == 1, "what git gives up gets its default"

    apply("handed-over", 5, *server)
    body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "handed-over"}, "spec": {"replicas": 5}}
    handover = ("apply", "--server-side", "--field-manager=handover", "--validate=false", "-f", "-")
    cluster.kubectl(*handover, stdin=yaml.safe_dump(body))
    apply("handed-over", None, *server)
    assert replicas(cluster, "handed-over") == 5

    apply("edited", 5)
    file = tmp_path / "edited.yaml"
    file.write_text(manifest("edited", None), encoding="utf-8")
    cluster.kubectl("apply", "set-last-applied", "-f", file)
    apply("edited", None)
    assert replicas(cluster, "edited") == 5

    apply("scaled", None, *server)
    scale_as_the_autoscaler(cluster, "scaled", 7)
    apply("scaled", None, *server)
    assert replicas(cluster, "scaled") == 7, "a number that git never had is nobody's"
    apply("scaled", 0, *server)
    assert replicas(cluster, "scaled") == 0, "and git takes it back without a conflict"
