"""The sweep: killed at every single change of a file, in rollstep or in its git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, TWO, Checkout
from tests.support.kills import Sweep
from tests.support.metrics import measured_step, metrics_server


def repository(folder: Path) -> Checkout:
    root = folder / "repository"
    root.mkdir()
    return Checkout(root)


def first_release(folder: Path) -> Sweep:
    return Sweep.of(repository(folder), folder / "whole", "advance", "prod/web")


def step(folder: Path) -> Sweep:
    checkout = repository(folder)
    checkout.process("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.edit("environments/prod/web/rollout.yaml", ONE, TWO)
    checkout.commit("Release another image")
    return Sweep.of(checkout, folder / "whole", "advance", "prod/web")


def train(folder: Path) -> Sweep:
    """One commit of all apps in all environments."""
    return Sweep.of(repository(folder), folder / "whole", "advance", "--all", "--together")


LEAST: dict[Callable[[Path], Sweep], int] = {first_release: 100, step: 100, train: 200}
"""The least number of file changes of each sweep: with fewer, the sweep has missed some."""


@pytest.mark.parametrize("sweep_of", [first_release, step, train])
def test_killed_at_every_change(sweep_of: Callable[[Path], Sweep], tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path)
    died = sweep.check_all(tmp_path / "killed")
    assert died >= LEAST[sweep_of]
    print(f"\n{sweep_of.__name__}: killed at each of {died} changes, nothing lost, nothing half")


@pytest.mark.parametrize(("value", "name"), [(0.99, "measurement"), (0.42, "verdict")])
def test_killed_at_every_change_of_an_analysis(value: float, name: str, tmp_path: Path) -> None:
    with metrics_server(lambda _, __: value) as server:
        checkout = measured_step(tmp_path / "repository", server.address)
        sweep = Sweep.of(checkout, tmp_path / "whole", "advance", "prod/web")
        died = sweep.check_all(tmp_path / "killed")
    assert died >= 50
    print(f"\n{name}: killed at each of {died} changes, no measurement lost or doubled")
