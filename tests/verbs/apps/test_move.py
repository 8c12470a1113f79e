"""The commits of a verb are the same for any number of processes."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from renderer.pipeline.resolve.moves import advance
from renderer.pipeline.resolve.verb_moves import acting, promoting, scaling, setting_images
from renderer.rollouts import actions
from renderer.verbs.apps.move import Verb
from tests.support.commands import NOON, TWO, Checkout
from tests.support.worlds import web, with_image

NEXT, LATER, LAST = "2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z", "2026-03-02T14:00:00Z"
IMAGE = ["set", "image", "prod", f"web={TWO}"]


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a repository with four apps in prod, not rendered yet."""
    checkout = Checkout(tmp_path_factory.mktemp("new"))
    folder = checkout.root / "environments/prod"
    shutil.rmtree(folder / "api")
    for number in range(3):
        shutil.copytree(folder / "web", folder / f"web-{number}")
        checkout.edit(f"environments/prod/web-{number}/rollout.yaml", "\n  name: web\n", f"\n  name: web-{number}\n")
    checkout.commit("More apps")
    return checkout


@pytest.fixture(scope="module")
def released(new: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = new.copy(tmp_path_factory.mktemp("released") / "checkout")
    checkout.advance_all()
    return checkout


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renderer.verbs.apps.parallel.MIN_BATCH", 2)


def both(one: Checkout, other: Checkout, *arguments: str, code: int = 0) -> str:
    """Run the same verb in one process and in two, compare the results, and return stderr."""
    told = one.run(*arguments, "--jobs", "1", code=code)
    found = other.run(*arguments, "--jobs", "2", code=code)
    assert (found.stdout, found.stderr) == (told.stdout, told.stderr)
    assert other.snapshot() == one.snapshot()
    return told.stderr


def test_the_commits_are_the_same(new: Checkout, tmp_path: Path) -> None:
    one, other = new.copy(tmp_path / "one"), new.copy(tmp_path / "other")
    both(one, other, "advance", "--all", "--together", "--now", NOON)
    both(one, other, *IMAGE, "--no-validate", "--now", NEXT)
    both(one, other, "promote", "prod", "-o", "json", "--no-validate", "--now", NEXT)
    assert "until" in both(one, other, "advance", "--all", "--no-validate", "--now", NEXT)
    both(one, other, "abort", "prod", "--no-validate", "--now", LAST)
    assert one.git("status", "--porcelain") == ""


def test_waits_and_refusals_are_the_same(released: Checkout, tmp_path: Path) -> None:
    one = released.copy(tmp_path / "one")
    for app in ("web-1", "web-2"):
        one.edit(f"environments/prod/{app}/rollout.yaml", ":1.0.0", ":2.0.0")
    one.commit("New")
    one.run("freeze", "add", "--until", LAST, "--reason", "Sale", "--env", "prod", "--now", NEXT)
    other = one.copy(tmp_path / "other")
    assert "web-2 (prod): frozen until" in both(one, other, "advance", "--all", "--no-validate", "--now", NEXT)
    refused = both(one, other, *IMAGE, "--no-validate", "--now", NEXT, code=1)
    assert refused.count("Sale") == 4
    for checkout in (one, other):
        for app in ("web-0", "web-2"):
            checkout.edit(f"environments/prod/{app}/rollout.yaml", "replicas: 5", "replicas: -5")
    wrong = both(one, other, "advance", "--all", "--no-validate", "--now", NEXT, code=1)
    assert "web-0/rollout.yaml" in wrong
    assert "web-2/rollout.yaml" in wrong


def test_a_pause_after_a_merge_is_the_same(released: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = released.copy(tmp_path / "one")
    before = one.head
    one.run(*IMAGE, "--no-validate", "--now", NEXT)
    one.run("promote", "prod", "--no-validate", "--now", NEXT)
    tip = one.head
    one.git("reset", "--quiet", "--hard", before)
    monkeypatch.setenv("GIT_AUTHOR_DATE", LATER)
    monkeypatch.setenv("GIT_COMMITTER_DATE", LATER)
    one.git("merge", "--quiet", "--no-ff", "--message=Merge", tip)
    monkeypatch.delenv("GIT_AUTHOR_DATE")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    other = one.copy(tmp_path / "other")
    told = both(one, other, "advance", "prod", "--no-validate", "--now", "2026-03-01T14:01:00Z")
    assert told.count("until 2026-03-01T14:") == 4


def test_a_process_that_dies_changes_nothing(released: Checkout, tmp_path: Path) -> None:
    other = released.copy(tmp_path / "other")
    before = other.snapshot()
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'multiprocessing' in ''.join(sys.orig_argv): os._exit(9)\n"
    )
    arguments = ("set", "image", "prod", f"web={TWO}", "--no-validate", "--now", NEXT, "--jobs", "2")
    done = other.process(*arguments, code=1, PYTHONPATH=str(tmp_path))
    assert "a worker ended before its apps were rendered" in done.stderr
    assert other.snapshot() == before
    other.run(*arguments)
    assert len(other.subjects) == len(released.subjects) + 4


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
def test_a_verb_can_be_pickled(verb: Verb) -> None:
    again: Callable[..., object] = pickle.loads(pickle.dumps(verb))
    world = with_image(web(), "example.com/x:2")
    try:
        expected = verb(world)
    except Exception as error:
        with pytest.raises(type(error)):
            again(world)
    else:
        assert again(world) == expected
