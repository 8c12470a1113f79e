"""Fixtures of the tests on a real control plane; they run only in the namespaces that ``tests.e2e.run`` makes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import router
from tests.e2e.cluster import ADDRESS, Cluster
from tests.e2e.table import Table


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return an empty cluster with a router in front of it; fail where this is not the tests' own network namespace."""
    with socket.socket() as probe:
        try:
            probe.bind((ADDRESS, 0))
        except OSError:
            pytest.fail("run `make e2e`: these tests need a network namespace of their own")
    with Cluster(tmp_path / "cluster") as started:
        router.start(started)
        yield started


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """Return the table of all runs, which is printed at the end."""
    kept = Table()
    yield kept
    print("\n" + kept.text())
