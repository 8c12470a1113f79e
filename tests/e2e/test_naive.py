"""The test of the tests: applied the naive way, a step at once and without waiting for pods, requests do fail."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.e2e.drive import Drive
from tests.e2e.load import Load
from tests.e2e.release import HOST, Repository, blue_green, image, nginx_canary
from tests.e2e.sync import KubectlApply
from tests.e2e.table import Table

AT_ONCE: dict[str, str] = {}


def test_requests_fail_where_a_canary_step_is_applied_at_once(cluster: Cluster, tmp_path: Path, table: Table) -> None:
    repository = Repository(tmp_path / "repository", cluster, nginx_canary(), AT_ONCE)
    repository.rollstep("advance")
    sync = KubectlApply(cluster, repository.root, repository.path, tmp_path / "sync")
    with sync, Load(HOST) as load:
        drive = Drive(repository, sync, load)
        drive.first_answers()
        cluster.pods_get_ready_after(20)
        drive.begin(image(2))
        drive.promote()
        drive.promote()
        drive.on()
        drive.record(table, "naive: nginx canary, each step at once")
        assert load.failed(), "a version got requests before it had pods"


def test_requests_fail_where_blue_green_is_switched_at_once(cluster: Cluster, tmp_path: Path, table: Table) -> None:
    repository = Repository(tmp_path / "repository", cluster, blue_green(), AT_ONCE)
    repository.rollstep("advance")
    sync = KubectlApply(cluster, repository.root, repository.path, tmp_path / "sync")
    with sync, Load(HOST) as load:
        drive = Drive(repository, sync, load)
        drive.first_answers()
        cluster.pods_get_ready_after(20)
        repository.rollstep("set", "image", "e2e/web", f"web={image(2)}")
        drive.promote()
        drive.on()
        drive.record(table, "naive: blue-green, switched at once")
        assert load.failed(), "a version got requests before it had pods"
