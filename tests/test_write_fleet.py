"""Whoever renders a fleet, the same is written, and all of it or nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.commands import NOON, Checkout

APPS = 24


def fleet(root: Path) -> Checkout:
    checkout = Checkout(root)
    folder = checkout.root / "environments/prod"
    for number in range(APPS):
        shutil.copytree(folder / "web", folder / f"web-{number}")
        checkout.edit(f"environments/prod/web-{number}/rollout.yaml", "\n  name: web\n", f"\n  name: web-{number}\n")
    checkout.commit("More apps")
    return checkout


@pytest.fixture
def one(tmp_path: Path) -> Checkout:
    return fleet(tmp_path / "one")


@pytest.fixture
def other(one: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr("renderer.write_fleet.AT_ONCE_ELSEWHERE", 2)
    return one.copy(tmp_path / "other")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Return the address of a Dask scheduler and its three workers, each a process of its own on loopback."""
    told = tmp_path / "scheduler.log"

    def start(stack: ExitStack, *words: str) -> subprocess.Popen[bytes]:
        with told.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", *words], stdout=log, stderr=log, cwd=tmp_path)
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    def wait_for(pattern: str, times: int = 1) -> str:
        for _ in range(600):
            found = re.findall(pattern, told.read_text(errors="replace"))
            if len(found) >= times:
                return str(found[0])
            threading.Event().wait(0.1)
        raise AssertionError(told.read_text(errors="replace"))

    with ExitStack() as stack:
        start(stack, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        address = wait_for(r"Scheduler at: +tcp://(127\.0\.0\.1:\d+)")
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        command = ("distributed.cli.dask_worker", f"tcp://{address}", *options)
        workers = [start(stack, *command) for _ in range(3)]
        wait_for(r"Registered to:", 3)
        yield address, workers


def test_processes_write_the_same(one: Checkout, other: Checkout) -> None:
    told = one.run("render", "--now", NOON)
    assert other.run("render", "--now", NOON, "--jobs", "2").stderr == told.stderr
    assert other.snapshot() == one.snapshot()
    other.run("render", "--check")


def test_workers_of_a_scheduler_write_the_same_though_one_dies(
    one: Checkout, other: Checkout, scheduler: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, (victim, *_) = scheduler
    # It is given apps and never answers, so nothing can be whole before it is dead and others have its work.
    os.kill(victim.pid, signal.SIGSTOP)
    over = threading.Event()
    died_first = []

    def kill() -> None:
        over.wait(3)
        died_first.append(not over.is_set())
        victim.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    done = other.run("render", "--now", NOON, "--executor", f"dask://{address}")
    over.set()
    killer.join()
    assert died_first == [True]
    assert done.stderr == one.run("render", "--now", NOON).stderr
    assert other.snapshot() == one.snapshot()


@pytest.mark.parametrize("how", [["--jobs", "2"], []])
def test_one_app_that_is_wrong_keeps_all_from_being_written(other: Checkout, how: list[str]) -> None:
    other.edit("environments/prod/web-7/rollout.yaml", "replicas: 5", "replicas: -5")
    before = other.snapshot()
    refused = other.run("render", "--now", NOON, *how, code=1)
    assert "web-7/rollout.yaml" in refused.stderr
    assert other.snapshot() == before


def test_a_scheduler_that_is_not_there(other: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renderer.executors.PATIENCE", "1s")
    before = other.snapshot()
    refused = other.run("render", "--executor", "dask://127.0.0.1:9", code=1)
    assert "no Dask scheduler answers" in refused.stderr
    assert "expected dask://HOST:PORT" in other.run("render", "--executor", "ray://a", code=2).stderr
    for alone in ("--check", "--dry-run", "--stdout"):
        other.run("render", alone, "--jobs", "2", code=2)
    assert other.snapshot() == before
