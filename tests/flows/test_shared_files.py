"""A file that two apps read: a verb for one of them does not begin anything in the other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout

ROLLOUT = "environments/{}/web/rollout.yaml"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    (made.root / "rollstep.yaml").write_text("", encoding="utf-8")
    made.commit("Defaults alone")
    return made


def link(checkout: Checkout, how: str) -> str:
    """Let web of prod and of staging share a file, commit that, and return the file's path."""
    prod, staging = (checkout.root / ROLLOUT.format(name) for name in ("prod", "staging"))
    shared = "base/rollout.yaml" if how == "a file above both" else ROLLOUT.format("prod")
    if how == "a link to the folder":
        for path in staging.parent.iterdir():
            path.unlink()
        staging.parent.rmdir()
        staging.parent.symlink_to("../prod/web")
    else:
        staging.unlink()
        if how == "a file above both":
            (checkout.root / "base").mkdir()
            prod.rename(checkout.root / shared)
            prod.symlink_to(f"../../../{shared}")
        staging.symlink_to(os.path.relpath(checkout.root / shared, staging.parent))
    checkout.commit("Share a file")
    return shared


HOWS = ["a link to the other's file", "a file above both"]
VERBS = [("set", "image", f"web={TWO}"), ("scale", "--replicas", "9"), ("pause",)]


@pytest.mark.parametrize("how", [*HOWS, "a link to the folder"])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_a_verb_for_one_of_them_is_refused(checkout: Checkout, how: str, verb: tuple[str, ...]) -> None:
    shared = link(checkout, how)
    if how != "a link to the folder":
        checkout.run("advance", "prod/web", "staging/web", "--now", NOON, "--no-validate")
    before = checkout.snapshot()
    done = checkout.run(*verb, "prod/web", "--now", NOON, "--no-validate", code=1)
    name = "set image" if verb[0] == "set" else verb[0]
    assert f"{shared}: is also read by web (staging), which {name} does not name" in done.stderr
    assert f"rollstep {name} prod/web staging/web" in done.stderr
    assert checkout.snapshot() == before


@pytest.mark.parametrize("how", HOWS)
def test_a_verb_for_both_of_them_changes_both(checkout: Checkout, how: str) -> None:
    link(checkout, how)
    checkout.run("advance", "prod/web", "staging/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", "staging/web", f"web={TWO}", "--now", NOON, "--no-validate")
    for app in ("prod/web", "staging/web"):
        assert checkout.replicas(app)["2.0.0"] >= 1
    assert checkout.git("status", "--porcelain") == ""
    checkout.run("verify", "HEAD~2..HEAD")


def test_a_verb_that_edits_no_file_is_for_one_of_them(checkout: Checkout) -> None:
    link(checkout, HOWS[0])
    checkout.run("advance", "prod/web", "staging/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", "staging/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.run("abort", "prod/web", "--now", NOON, "--no-validate")
    assert checkout.subjects[0].startswith("web (prod): abort")


def test_a_file_of_ones_own_is_no_reason(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "staging/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    assert "2.0.0" not in checkout.replicas("staging/web")
