"""The number of git processes of a command is the same for one app and for a dozen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from renderer.git.repository import MANY
from tests.support.commands import NOON, ONE, TWO, Checkout

LATER = "2026-03-01T12:20:00Z"
TOGETHER = ("advance", "--all", "--together", "--no-validate", "--now")


def fleet(root: Path, size: int) -> Checkout:
    """Return a checkout of ``size`` canaries with a timed pause."""
    root.mkdir()
    checkout = Checkout(root)
    (root / "environments").rename(root / "all")
    rollout = root / "all/prod/web/rollout.yaml"
    rollout.write_text(
        rollout.read_text(encoding="utf-8").replace("pause: {}", "pause: {duration: 10m}"), encoding="utf-8"
    )
    for number in range(size):
        app = root / f"environments/prod/w{number}"
        shutil.copytree(root / "all/prod/web", app)
        for path in app.glob("*.yaml"):
            text = path.read_text(encoding="utf-8")
            for name in ("name: web", "stableIngress: web", "Service: web"):
                text = text.replace(name, f"{name[:-3]}w{number}")
            path.write_text(text, encoding="utf-8")
    shutil.rmtree(root / "all")
    (root / "rollstep.yaml").write_text("defaults:\n  namespace: shop\n  order: step\n", encoding="utf-8")
    checkout.commit("Make them a fleet")
    return checkout


def gits(checkout: Checkout, *command: str) -> list[str]:
    """Run a command and return the subcommand of each git process, sorted."""
    trace = checkout.root.parent / "trace"
    trace.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # Each git process writes its own trace file.
        patch.setenv("GIT_TRACE2_EVENT", str(trace))
        checkout.run(*command)
    events = [json.loads(line) for path in trace.iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    shutil.rmtree(trace)
    names = [event["name"] for event in events if event["event"] == "cmd_name"]
    return sorted(name for name in names if name != "_query_")


def release(checkout: Checkout) -> dict[str, list[str]]:
    """Release another image in all apps, up to the end of a pause; return the git processes of each command."""
    told = {"begin": gits(checkout, *TOGETHER, NOON)}
    for path in (checkout.root / "environments/prod").glob("*/rollout.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace(ONE, TWO), encoding="utf-8")
    checkout.commit("Release another image")
    told["step"] = gits(checkout, *TOGETHER, NOON)
    files = checkout.git("show", "--name-only", "--format=").splitlines()
    assert (len(files) > MANY) == (len(list((checkout.root / "environments/prod").iterdir())) > 1)
    told["status"] = gits(checkout, "status", "--now", LATER)
    told["after the pause"] = gits(checkout, *TOGETHER, LATER)
    told["plan of one"] = gits(checkout, "plan", "prod/w0", "--now", LATER)
    told["history of one"] = gits(checkout, "history", "prod/w0")
    assert [subject for subject in checkout.subjects if "step" in subject]
    assert checkout.git("status", "--porcelain") == ""
    return told


def by_name(told: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the calls with the two processes that build small trees, in place of the one that builds large trees."""
    many, few = "write-tree", ["cat-file", "mktree"]
    return {
        verb: sorted(name for each in names for name in (few if each == many else [each]))
        for verb, names in told.items()
    }


@pytest.mark.parametrize("hook", ["", "pre-commit"])
def test_a_fleet_starts_as_many_as_one_app(tmp_path: Path, hook: str) -> None:
    told = []
    for name, size in (("one", 1), ("many", MANY // 5)):
        checkout = fleet(tmp_path / name, size)
        if hook:
            path = checkout.root / ".git/hooks" / hook
            path.parent.mkdir(exist_ok=True)
            path.write_text("#!/bin/sh\n", encoding="utf-8")
            path.chmod(0o755)
        told.append(release(checkout))
    assert by_name(told[0]) == by_name(told[1])
    assert all(len(told[1][verb]) <= len(told[0][verb]) for verb in told[0])
    assert 10 < len(told[0]["after the pause"]) < 30
    # The status of the release and the one before it, the moves of its
    # commit, and the remote-tracking branches that know its push.
    assert told[0]["status"] == ["cat-file", "cat-file", "diff-tree", "for-each-ref", "log", "rev-parse", "rev-parse"]
    assert told[0]["plan of one"] == ["cat-file", "cat-file", "log", "rev-parse"]
