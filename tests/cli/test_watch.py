"""``--watch``: what it shows, and when it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from renderer.cli import watch
from tests.support.commands import NOON, TWO, Checkout


@pytest.mark.parametrize("verb", ["status", "get"])
def test_a_watch_follows_a_release_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    checkout = Checkout(tmp_path / "repo")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    waits = iter(([], ["promote", "prod/web", "--full"]))

    def release(seconds: float) -> None:
        assert seconds == watch.INTERVAL_SECONDS
        for arguments in [found] if (found := next(waits)) else []:
            checkout.process(*arguments, "--no-validate")

    monkeypatch.setattr("renderer.cli.watch.time.sleep", release)
    shown = checkout.run(verb, "prod/web", "--watch").stdout
    text = {"status": "ENV", "get": "Name:"}[verb]
    assert shown.count(text) == 2, "the same state is shown once"
    assert shown.index("Paused") < shown.index("Committed", shown.index("Paused"))


def test_a_watch_of_an_aborted_release_ends_with_its_exit_code(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.run("abort", "prod/web", "--now", NOON, "--no-validate")
    assert "Degraded" in checkout.run("status", "prod/web", "--watch", code=1).stdout
