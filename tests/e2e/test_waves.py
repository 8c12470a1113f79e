"""A step in one commit, applied wave by wave as Argo CD does it: no request fails, also where a sync is cut short."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.drive import Drive
from tests.e2e.load import Load
from tests.e2e.release import HOST, Repository, blue_green, image, nginx_canary
from tests.e2e.sync import ArgoCD, KubectlApply, Sync, git
from tests.e2e.table import Table

WAVES = {"order": "waves", "sync": "argocd"}
LIVE = ("--wait", "kubernetes", "--timeout", "180s")
Begin = Callable[..., Drive]


@pytest.fixture
def begin(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Begin:
    """Return a function that brings up the first release of an app in waves, with a sync tool and requests to it."""

    def make(manifests: list[dict[str, Any]], tool: type[Sync] = ArgoCD) -> Drive:
        repository = Repository(tmp_path / "repository", cluster, manifests, WAVES)
        sync = tool(cluster, repository.root, repository.path, tmp_path / "sync")
        request.addfinalizer(sync.stop)
        load = Load(HOST)
        request.addfinalizer(load.stop)
        drive = Drive(repository, sync, load, LIVE)
        repository.rollstep("advance", "e2e/web")
        drive.on()
        drive.first_answers()
        cluster.pods_get_ready_after(3)
        return drive

    return make


def dynamic_canary() -> list[dict[str, Any]]:
    manifests = nginx_canary()
    strategy = manifests[0]["spec"]["strategy"]["canary"]
    del strategy["scaleDownDelaySeconds"]
    strategy["dynamicStableScale"] = True
    return manifests


def changed_in(drive: Drive, commit: str) -> set[str]:
    """Return the kinds of the rendered objects that a commit changes."""
    names = git(drive.repository.root, "show", "--format=", "--name-only", commit, "--", drive.repository.path)
    return {Path(name).name.partition("-")[0] for name in names.splitlines()}


@pytest.mark.parametrize("manifests", [nginx_canary(), dynamic_canary()], ids=["canary", "dynamic"])
def test_a_canary_goes_to_the_end_in_waves(
    begin: Begin, table: Table, manifests: list[dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    drive = begin(manifests)
    drive.begin(image(2))
    assert {"replicaset", "ingress"} <= changed_in(drive, "HEAD"), "pods and their traffic come in one commit"
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.promote()
    assert {"replicaset", "ingress"} <= changed_in(drive, "HEAD")
    # The sync is cut short while it waits for the pods, and begins anew.
    assert isinstance(drive.sync, ArgoCD)
    drive.sync.crash(1)
    drive.on()
    drive.measure(drive.hash(), 60)
    drive.promote()
    drive.to_the_end()
    time.sleep(2)
    drive.load.stop()
    drive.record(table, f"nginx {request.node.callspec.id} in waves, sync killed")
    assert drive.load.failed() == {}
    assert drive.load.shares(drive.load.samples[-1].at - 1, time.monotonic()).keys() == {drive.hash()}


@pytest.mark.parametrize("tool", [KubectlApply, ArgoCD])
def test_pods_and_the_switch_to_them_in_one_commit_need_a_tool_that_knows_waves(
    begin: Begin, cluster: Cluster, table: Table, tool: type[Sync]
) -> None:
    manifests = blue_green()
    del manifests[0]["spec"]["strategy"]["blueGreen"]["autoPromotionEnabled"]
    drive = begin(manifests, tool)
    cluster.pods_get_ready_after(10)
    drive.begin(image(2))
    drive.live()
    assert drive.advance()
    assert {"replicaset", "service"} <= changed_in(drive, "HEAD")
    drive.live()
    if tool is ArgoCD:
        drive.record(table, "blue-green in waves, ArgoCD")
        assert drive.load.failed() == {}
    else:
        drive.record(table, f"naive: blue-green in waves, {tool.__name__}")
        assert drive.load.failed(), "a version got requests before it had pods"
