"""Whichever processes prepare the apps of a verb, the commits are the same."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from renderer.engine import actions
from renderer.outcome import Verb
from renderer.release import advance
from renderer.verbs import acting, promoting, scaling, setting_images
from tests.commands import NOON, TWO, Checkout
from tests.worlds import web, with_image

NEXT, LATER, LAST = "2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z", "2026-03-02T14:00:00Z"
IMAGE = ["set", "image", "prod", f"web={TWO}"]


@pytest.fixture
def one(tmp_path: Path) -> Checkout:
    return fleet(tmp_path / "one")


@pytest.fixture
def other(one: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr("renderer.batches.AT_ONCE_ELSEWHERE", 2)
    return one.copy(tmp_path / "other")


def fleet(root: Path) -> Checkout:
    """Return a repository with six apps in prod, the last of which waits for a leader's step."""
    checkout = Checkout(root)
    folder = checkout.root / "environments/prod"
    text = {path.name: path.read_text() for path in (folder / "web").iterdir() if path.is_file()}
    for number in range(5):
        (folder / f"web-{number}").mkdir()
        for name, content in text.items():
            (folder / f"web-{number}" / name).write_text(content)
        checkout.edit(f"environments/prod/web-{number}/rollout.yaml", "\n  name: web\n", f"\n  name: web-{number}\n")
    for path in (checkout.root / "environments/prod/api").iterdir():
        path.unlink()
    checkout.commit("More apps")
    return checkout


def both(one: Checkout, other: Checkout, *arguments: str, code: int = 0) -> str:
    """Do the same in one process and in two, see that all is the same, and return what it told on stderr."""
    told = one.run(*arguments, "--jobs", "1", code=code)
    found = other.run(*arguments, "--jobs", "2", code=code)
    assert (found.stdout, found.stderr) == (told.stdout, told.stderr)
    assert other.snapshot() == one.snapshot()
    return told.stderr


def test_the_same_commits_are_made(one: Checkout, other: Checkout) -> None:
    both(one, other, "advance", "--together", "--now", NOON)
    both(one, other, *IMAGE, "--no-validate", "--now", NEXT)
    both(one, other, "promote", "prod", "-o", "json", "--no-validate", "--now", NEXT)
    assert "until" in both(one, other, "advance", "--no-validate", "--now", NEXT)
    both(one, other, "advance", "prod", "--no-validate", "--together", "--now", LATER)
    both(one, other, "advance", "prod", "--no-validate", "--dry-run", "--now", LAST)
    both(one, other, "abort", "prod", "--no-validate", "--now", LAST)
    assert one.git("status", "--porcelain") == ""


def test_the_same_is_held_and_refused(one: Checkout, other: Checkout) -> None:
    both(one, other, "advance", "--no-validate", "--now", NOON)
    for checkout in (one, other):
        checkout.edit("environments/prod/web-3/rollout.yaml", ":1.0.0", ":2.0.0")
        checkout.edit("environments/prod/web-4/rollout.yaml", ":1.0.0", ":2.0.0")
        checkout.git("commit", "--quiet", "--all", "--message=New", "--date", NOON)
        checkout.git("reset", "--quiet", "--hard", "HEAD")
    told = both(one, other, "advance", "--no-validate", "--lag", "staging=1", "--now", NEXT, code=1)
    assert "web-3" in told
    assert "web-4" in told
    for checkout in (one, other):
        checkout.run("freeze", "add", "--until", LAST, "--reason", "Sale", "--env", "prod", "--now", NEXT)
    assert "web-4 (prod): frozen until" in both(one, other, "advance", "--no-validate", "--now", NEXT)
    refused = both(one, other, "promote", "prod", "--full", "--no-validate", "--now", NEXT, code=1)
    assert refused.count("Sale") == 2
    for checkout in (one, other):
        checkout.edit("environments/prod/web-0/rollout.yaml", "replicas: 5", "replicas: -5")
        checkout.edit("environments/prod/web-4/rollout.yaml", "replicas: 5", "replicas: -5")
    wrong = both(one, other, "advance", "--no-validate", "--now", NEXT, code=1)
    assert "web-0/rollout.yaml" in wrong
    assert "web-4/rollout.yaml" in wrong


def test_a_pause_that_was_merged_later_is_found_by_whoever_prepares(
    one: Checkout, other: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(one, other, "advance", "--no-validate", "--now", NOON)
    both(one, other, *IMAGE, "--no-validate", "--now", NEXT)
    both(one, other, "promote", "prod", "--no-validate", "--now", NEXT)
    monkeypatch.setenv("GIT_AUTHOR_DATE", LATER)
    monkeypatch.setenv("GIT_COMMITTER_DATE", LATER)
    for checkout in (one, other):
        tip = checkout.head
        checkout.git("reset", "--quiet", "--hard", "HEAD~6")
        checkout.git("merge", "--quiet", "--no-ff", "--message=Merge", tip)
    monkeypatch.delenv("GIT_AUTHOR_DATE")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    assert one.head == other.head
    just_after = "2026-03-01T14:01:00Z"
    assert both(one, other, "advance", "--no-validate", "--now", just_after).count("until 2026-03-01T14:") == 6


def test_a_process_that_ends_leaves_all_as_it_was(other: Checkout, tmp_path: Path) -> None:
    other.advance_all()
    before = other.snapshot()
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'multiprocessing' in ''.join(sys.orig_argv): os._exit(9)\n"
    )
    arguments = ("set", "image", "prod", f"web={TWO}", "--no-validate", "--now", NEXT, "--jobs", "2")
    done = other.process(*arguments, code=1, PYTHONPATH=str(tmp_path))
    assert "a worker ended before its apps were rendered" in done.stderr
    assert other.snapshot() == before
    other.run(*arguments)
    assert len(other.subjects) > 6


@pytest.mark.parametrize(
    "verb",
    [
        advance,
        acting(actions.abort),
        acting(partial(actions.undo, to_revision=0)),
        acting(scaling(3)),
        acting(setting_images({"web": TWO})),
        promoting(actions.promote),
    ],
    ids=["advance", "abort", "undo", "scale", "set image", "promote"],
)
def test_a_verb_can_be_handed_over(verb: Verb) -> None:
    again: Callable[..., object] = pickle.loads(pickle.dumps(verb))
    world = with_image(web(), "example.com/x:2")
    try:
        expected = verb(world)
    except Exception as error:
        with pytest.raises(type(error)):
            again(world)
    else:
        assert again(world) == expected
