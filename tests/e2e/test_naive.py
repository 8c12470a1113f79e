"""The test of the tests: applied the naive way, a step at once and without waiting for pods, requests do fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.drive import Drive
from tests.e2e.load import Load
from tests.e2e.release import HOST, Repository, blue_green, image, nginx_canary
from tests.e2e.sync import KubectlApply
from tests.e2e.table import Table


@pytest.mark.parametrize(
    ("name", "manifests", "promotions"),
    [("nginx canary, each step", nginx_canary(), 2), ("blue-green, switched", blue_green(), 1)],
    ids=["canary", "blue-green"],
)
def test_requests_fail_where_a_step_is_applied_at_once(
    cluster: Cluster, tmp_path: Path, table: Table, name: str, manifests: list[dict[str, Any]], promotions: int
) -> None:
    repository = Repository(tmp_path / "repository", cluster, manifests, {"order": "step"})
    repository.rollstep("advance", "--all")
    sync = KubectlApply(cluster, repository.root, repository.path, tmp_path / "sync")
    with sync, Load(HOST) as load:
        drive = Drive(repository, sync, load)
        drive.first_answers()
        cluster.pods_get_ready_after(20)
        drive.begin(image(2))
        for _ in range(promotions):
            drive.promote()
        drive.on()
        drive.record(table, f"naive: {name} at once")
        assert load.failed(), "a version got requests before it had pods"
