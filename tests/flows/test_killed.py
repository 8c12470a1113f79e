"""After a kill at any change of a file, in rollstep or in git, the next run completes the work.

``make e2e`` tries every point; this test tries some of them, from the first to the last.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, TWO, Checkout
from tests.support.kill_points import available
from tests.support.kills import Sweep
from tests.support.metrics import measured_step, metrics_server

pytestmark = pytest.mark.skipif(not available(), reason="killing at a system call needs Linux on x86-64 or arm64")

SOME = 5
ADVANCE = ("advance", "prod/web")


@pytest.fixture
def step(tmp_path: Path) -> Sweep:
    """Return the kills of a canary's first step."""
    return step_of_a_canary(tmp_path)


def step_of_a_canary(folder: Path) -> Sweep:
    root = folder / "repository"
    root.mkdir()
    checkout = Checkout(root)
    checkout.process("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.edit("environments/prod/web/rollout.yaml", ONE, TWO)
    checkout.commit("Release another image")
    return Sweep.of(checkout, folder / "whole", "advance", "prod/web")


def test_killed_at_some_changes_of_a_step(step: Sweep, tmp_path: Path) -> None:
    assert step.points > 100
    for number in range(SOME):
        last = number == SOME - 1
        assert step.check(1 + number * (step.points - 1) // (SOME - 1), tmp_path / "killed") or last


def test_killed_at_some_changes_of_a_verdict(tmp_path: Path) -> None:
    with metrics_server(lambda _, __: 0.42) as server:
        verdict = Sweep.of(measured_step(tmp_path / "repository", server.address), tmp_path / "whole", *ADVANCE)
        assert verdict.points > 100
        for number in (1, verdict.points // 2, verdict.points - 5):
            assert verdict.check(number, tmp_path / "killed")
