"""A fleet is written completely or not at all, and the same by any number of processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import NOON, Checkout

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
    monkeypatch.setattr("renderer.verbs.apps.parallel.MIN_BATCH", 2)
    return one.copy(tmp_path / "other")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Return the address of a Dask scheduler with three workers, as processes on loopback."""
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
    told = one.run("render", "--now", NOON, "--no-cache", "--jobs", "1")
    assert other.run("render", "--now", NOON, "--no-cache", "--jobs", "2").stderr == told.stderr
    assert other.snapshot() == one.snapshot()
    other.run("render", "--check")


def test_processes_have_the_same_findings(one: Checkout, other: Checkout) -> None:
    for checkout in (one, other):
        checkout.run("render", "--now", NOON, "--no-validate")
        checkout.edit("environments/prod/web-7/rendered/service-web-stable.yaml", "port: 80", "port: 81")
        checkout.edit("environments/prod/web-11/rollout.yaml", ":1.0.0", ":2.0.0")
    for how in (["--check"], ["--check", "-o", "json"], ["--dry-run"]):
        code = 1 if "--check" in how else 0
        told = one.run("render", *how, "--now", NOON, "--no-cache", "--jobs", "1", code=code)
        found = other.run("render", *how, "--now", NOON, "--no-cache", "--jobs", "2", code=code)
        assert (found.stdout, found.stderr) == (told.stdout, told.stderr)
        assert "port: 81" in found.stdout


def test_the_number_of_processes(other: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("renderer.verbs.apps.parallel.APPS_PER_PROCESS", 10)
    monkeypatch.setattr("renderer.verbs.apps.parallel._cpus", lambda: 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked: list[int] = []

    def noted(work: Callable[[Any], Any], parts: Sequence[Any], jobs: int) -> Iterator[Any]:
        asked.append(jobs)
        return map(work, parts)

    monkeypatch.setattr("renderer.verbs.apps.parallel._by_processes", noted)
    third = other.copy(tmp_path / "third")
    other.run("render", "prod/web", "--now", NOON)
    assert asked == []
    other.run("render", "--now", NOON, "--no-validate")
    assert asked == [2]
    third.run("render", "--now", NOON, "--no-validate")
    assert asked == [2]
    assert third.snapshot() == other.snapshot()
    third.run("render", "--now", NOON, "--no-cache")
    assert asked == [2, 2]


def test_workers_of_a_scheduler_write_the_same_though_one_dies(
    one: Checkout, other: Checkout, scheduler: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, (victim, *_) = scheduler
    # A stopped worker gets apps and never answers; the run ends only after it dies and others take its work.
    os.kill(victim.pid, signal.SIGSTOP)
    over = threading.Event()
    died_first = []

    def kill() -> None:
        over.wait(3)
        died_first.append(not over.is_set())
        victim.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    done = other.run("render", "--now", NOON, "--no-cache", "--executor", f"dask://{address}")
    over.set()
    killer.join()
    assert died_first == [True]
    assert done.stderr == one.run("render", "--now", NOON, "--no-cache").stderr
    assert other.snapshot() == one.snapshot()


@pytest.mark.parametrize("how", [["--jobs", "2"], []])
def test_one_invalid_app_stops_all_writes(other: Checkout, how: list[str]) -> None:
    other.edit("environments/prod/web-7/rollout.yaml", "replicas: 5", "replicas: -5")
    before = other.snapshot()
    refused = other.run("render", "--now", NOON, *how, code=1)
    assert "web-7/rollout.yaml" in refused.stderr
    assert other.snapshot() == before


def test_a_missing_scheduler(other: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renderer.verbs.apps.parallel.CONNECT_TIMEOUT", "1s")
    before = other.snapshot()
    refused = other.run("render", "--executor", "dask://127.0.0.1:9", code=1)
    assert "no Dask scheduler answers" in refused.stderr
    assert "expected dask://HOST:PORT" in other.run("render", "--executor", "ray://a", code=2).stderr
    other.run("render", "--stdout", "--jobs", "2", code=2)
    assert other.snapshot() == before
