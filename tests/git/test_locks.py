"""One run at a time in a repository: the second one waits and prints that."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.errors import RollstepError
from renderer.git.locks import lock_repository, remove_stale_locks
from renderer.git.repository import Repository
from tests.support.commands import NOON, PROJECT, Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def held(checkout: Checkout) -> Iterator[int]:
    """Hold the lock that a run takes."""
    descriptor = os.open(checkout.root / ".git", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor
    os.close(descriptor)


@pytest.mark.usefixtures("held")
def test_who_waits_too_long_is_refused(checkout: Checkout) -> None:
    with pytest.raises(RollstepError, match=r"another rollstep has been changing this repository for 0\.2 seconds"):
        lock_repository(Repository.open(checkout.root), print, 0.2)


def test_the_second_run_goes_on_when_the_first_is_over(checkout: Checkout, held: int) -> None:
    command = [sys.executable, "-m", "renderer", "advance", "prod/web", "--no-validate", "--now", NOON]
    variables = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        command, cwd=checkout.root, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as second:
        assert second.stderr is not None
        assert "waiting for another rollstep" in second.stderr.readline()
        assert "first release" not in checkout.git("log", "--format=%s")
        fcntl.flock(held, fcntl.LOCK_UN)
        out, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "first release" in out


def test_a_freeze_waits_as_a_verb_does(checkout: Checkout, held: int) -> None:
    command = [sys.executable, "-m", "renderer", "freeze", "add", "--until", "2027-01-01T00:00:00Z", "--reason", "Rest"]
    with subprocess.Popen(
        [*command, "--now", NOON],
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as second:
        assert second.stderr is not None
        assert "waiting for another rollstep" in second.stderr.readline()
        assert "Freeze" not in checkout.git("log", "--format=%s")
        fcntl.flock(held, fcntl.LOCK_UN)
        second.communicate(timeout=60)
    assert second.returncode == 0
    assert "Freeze all environments" in checkout.git("log", "--format=%s")


@pytest.mark.usefixtures("held")
def test_a_dry_run_and_what_only_reads_do_not_wait(checkout: Checkout) -> None:
    checkout.process("advance", "prod/web", "--dry-run", "--now", NOON)
    checkout.process("status")
    checkout.process("plan", "prod/web", "--now", NOON)


def test_a_command_lets_it_go(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    checkout.run("advance", "nothing/there", "--no-validate", code=2)
    os.close(lock_repository(Repository.open(checkout.root), print, 0.0))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_with_a_strange_name_keeps_no_lock(checkout: Checkout, tmp_path: Path) -> None:
    sleep = shutil.copy(shutil.which("sleep") or "", tmp_path / os.fsdecode(b"\xff"))
    lock = checkout.root / ".git/index.lock"
    lock.touch()
    with subprocess.Popen([sleep, "60"]) as process:
        try:
            assert remove_stale_locks(Repository.open(checkout.root), 0) == ()
        finally:
            process.kill()
    assert not lock.exists()
