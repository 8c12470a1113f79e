"""Releases on a real control plane with a real router: no request fails, and shares are what the step's weight says.

The pods of a new version take seconds to get ready, the sync tool applies when it likes, and rollstep goes on when what
it committed is live.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import router
from tests.e2e.cluster import Cluster
from tests.e2e.drive import Drive
from tests.e2e.flux import Flux
from tests.e2e.load import Load
from tests.e2e.release import (
    HOST,
    TIMED,
    Repository,
    blue_green,
    gateway_canary,
    image,
    nginx_canary,
)
from tests.e2e.sync import ArgoEngine, KubectlApply, KubectlPrune, Sync, git
from tests.e2e.table import Table

LIVE = ("--wait", "kubernetes", "--timeout", "120s")
PHASES = {"order": "phases"}
Manifests = list[dict[str, Any]]
Begin = Callable[..., Drive]


@pytest.fixture
def begin(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Begin:
    """Return a function that brings up the first release of an app, with a sync tool and requests to it."""

    def make(
        manifests: Manifests,
        tool: type[Sync] = KubectlApply,
        settings: dict[str, Any] = PHASES,
        waits: tuple[str, ...] = LIVE,
    ) -> Drive:
        repository = Repository(tmp_path / "repository", cluster, manifests, settings)
        sync = tool(cluster, repository.root, repository.path, tmp_path / "sync")
        request.addfinalizer(sync.stop)
        load = Load(HOST)
        request.addfinalizer(load.stop)
        drive = Drive(repository, sync, load, waits)
        repository.rollstep("advance", "e2e/web")
        drive.on()
        drive.first_answers()
        cluster.pods_get_ready_after(3)
        return drive

    return make


def finish(drive: Drive, table: Table, name: str) -> None:
    """Expect that the release is complete, and that no request failed on the way."""
    status = drive.repository.status
    assert status["phase"] == "Committed", status
    time.sleep(2)
    drive.load.stop()
    drive.record(table, name)
    assert drive.load.failed() == {}
    assert drive.load.shares(drive.load.samples[-1].at - 1, time.monotonic()).keys() == {drive.hash()}


@pytest.mark.parametrize("tool", [KubectlApply, KubectlPrune, ArgoEngine])
def test_an_nginx_canary_goes_to_the_end(begin: Begin, table: Table, tool: type[Sync]) -> None:
    drive = begin(nginx_canary(), tool)
    drive.begin(image(2))
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.promote()
    drive.on()
    drive.measure(drive.hash(), 60)
    drive.promote()
    drive.on()
    finish(drive, table, f"nginx canary, {tool.__name__}")


def test_timed_steps_go_on_by_themselves(begin: Begin, table: Table) -> None:
    drive = begin(nginx_canary(TIMED))
    drive.begin(image(2))
    drive.to_the_end()
    finish(drive, table, "nginx canary, timed steps")


@pytest.mark.parametrize("tool", [KubectlPrune, ArgoEngine])
def test_a_gateway_canary_goes_to_the_end(begin: Begin, table: Table, tool: type[Sync]) -> None:
    drive = begin(gateway_canary(), tool)
    drive.begin(image(2))
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.promote()
    drive.on()
    drive.measure(drive.hash(), 60)
    drive.promote()
    drive.on()
    finish(drive, table, f"HTTPRoute canary, {tool.__name__}")


@pytest.mark.parametrize("tool", [KubectlApply, ArgoEngine])
def test_blue_green_switches(begin: Begin, table: Table, tool: type[Sync]) -> None:
    drive = begin(blue_green(), tool)
    drive.begin(image(2))
    drive.on()
    drive.measure(drive.hash(), 0)
    drive.promote()
    drive.to_the_end()
    finish(drive, table, f"blue-green, {tool.__name__}")


def test_an_aborted_release_goes_back(begin: Begin, table: Table) -> None:
    drive = begin(nginx_canary())
    old = drive.hash()
    drive.begin(image(2))
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.verb("abort")
    drive.on()
    drive.measure(old, 100)
    drive.verb("undo")
    drive.on()
    finish(drive, table, "abort half-way, then undo")


def test_a_release_is_superseded_half_way(begin: Begin, table: Table) -> None:
    drive = begin(nginx_canary())
    drive.begin(image(2))
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.begin(image(3))
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.promote()
    drive.on()
    drive.promote()
    drive.on()
    finish(drive, table, "supersede half-way")


def test_two_steps_are_reverted(begin: Begin, table: Table) -> None:
    drive = begin(nginx_canary())
    drive.begin(image(2))
    drive.on()
    at_20 = drive.repository.head
    drive.promote()
    drive.on()
    drive.measure(drive.hash(), 60)
    # The newest first, and each only when the one before is live: so the phases are taken back in order.
    for commit in git(drive.repository.root, "rev-list", f"{at_20}..HEAD").split():
        git(drive.repository.root, "revert", "--no-edit", commit)
        drive.applied()
        time.sleep(4)
    drive.measure(drive.hash(), 20)
    drive.promote()
    drive.on()
    drive.promote()
    drive.on()
    finish(drive, table, "git revert of a step's commits")


def test_scaled_in_the_middle(begin: Begin, table: Table) -> None:
    drive = begin(nginx_canary())
    drive.begin(image(2))
    drive.on()
    drive.verb("scale", "--replicas", "8")
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.verb("scale", "--replicas", "3")
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.promote()
    drive.on()
    drive.promote()
    drive.on()
    finish(drive, table, "scale up and down at 20%")


def test_slow_pods_are_waited_for(begin: Begin, table: Table, cluster: Cluster) -> None:
    drive = begin(nginx_canary())
    cluster.pods_get_ready_after(12)
    drive.begin(image(2))
    drive.on()
    drive.measure(drive.hash(), 20)
    drive.promote()
    drive.on()
    drive.promote()
    drive.on()
    finish(drive, table, "pods that take 12 s")


def test_a_sync_tool_that_crashes(begin: Begin, table: Table) -> None:
    drive = begin(nginx_canary(), ArgoEngine)
    assert isinstance(drive.sync, ArgoEngine)
    engine, over, crashes = drive.sync, threading.Event(), []
    chance = random.Random(1)

    def crash() -> None:
        while not over.is_set():
            engine.crash(chance.uniform(0, 4))
            crashes.append(time.monotonic())

    thread = threading.Thread(target=crash)
    thread.start()
    try:
        drive.begin(image(2))
        drive.on()
        drive.promote()
        drive.on()
        drive.promote()
        drive.on()
    finally:
        over.set()
        thread.join()
    drive.applied()
    assert len(crashes) > 3
    finish(drive, table, f"Argo CD's engine, killed {len(crashes)} times")


def test_a_wiped_cluster_comes_back_where_it_was(begin: Begin, table: Table, cluster: Cluster) -> None:
    drive = begin(nginx_canary())
    drive.begin(image(2))
    drive.on()
    drive.measure(drive.hash(), 20)
    assert isinstance(drive.sync, KubectlApply)
    drive.load.pause()
    drive.sync.suspend()
    cluster.wipe()
    router.start(cluster)
    drive.sync.resume()
    drive.applied()
    drive.load.go_on()
    drive.answers_again()
    drive.measure(drive.hash(), 20)
    drive.promote()
    drive.on()
    drive.promote()
    drive.on()
    finish(drive, table, "etcd wiped at 20%")


def test_flux(cluster: Cluster, tmp_path: Path, table: Table) -> None:
    repository = Repository(tmp_path / "repository", cluster, nginx_canary(), PHASES)
    flux = Flux(cluster, repository.root, repository.path, tmp_path / "flux")
    with flux, Load(HOST) as load:
        drive = Drive(repository, flux, load, LIVE)
        repository.rollstep("advance", "e2e/web")
        drive.on()
        drive.first_answers()
        cluster.pods_get_ready_after(3)
        drive.begin(image(2))
        drive.on()
        drive.measure(drive.hash(), 20)
        drive.promote()
        drive.on()
        drive.promote()
        drive.on()
        finish(drive, table, "nginx canary, Flux")
