"""A hostile repository: verbs that only read run no planted program, and no list of ours names a file elsewhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.commands import NOON, Checkout

READING = [["render", "--check", "prod/web"], ["plan", "prod/web"], ["status", "prod/web"], ["lint", "environments"]]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "repo")
    made.run("advance", "prod/web", "--now", NOON, "--no-validate")
    return made


def test_reading_runs_no_planted_fsmonitor(checkout: Checkout, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "planted"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
    program.chmod(0o755)
    checkout.git("config", "core.fsmonitor", str(program))
    checkout.git("status")
    assert ran.exists(), "git itself runs it"
    ran.unlink()
    for verb in READING:
        checkout.process(*verb)
        assert not ran.exists(), verb


@pytest.mark.parametrize("up", ["../../../../victim", "../rollout.yaml"])
def test_a_marker_that_names_a_file_elsewhere(checkout: Checkout, tmp_path: Path, up: str) -> None:
    (tmp_path / "victim").write_text("mine\n", encoding="utf-8")
    rendered = checkout.root / "environments/prod/web/rendered"
    target = (rendered / up).resolve()
    before = target.read_bytes() if target.exists() else b""
    with (rendered / ".rollstep").open("a", encoding="utf-8") as marker:
        marker.write(f"{hashlib.sha256(before).hexdigest()}  {up}\n")
    checkout.commit()
    done = checkout.run("render", "prod/web", "--no-validate", code=1)
    assert ".rollstep:" in done.stderr
    assert (target.read_bytes() if target.exists() else b"") == before
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "mine\n"
