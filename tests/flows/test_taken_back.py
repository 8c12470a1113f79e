"""A step that the branch has taken back stays back, whoever runs ``advance`` next, until a promotion."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import TWO, Checkout

THREE = TWO.replace("2.0.0", "3.0.0")
DAY = "2026-03-{:02}T12:00:00Z"
ROLLOUT = "environments/prod/web/rollout.yaml"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout whose release of 2.0.0 is at 60%, after a timed pause at 40%."""
    made = Checkout(tmp_path / "one")
    made.run("advance", "prod/web", "--now", DAY.format(1), "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", DAY.format(2), "--no-validate")
    made.run("promote", "prod/web", "--now", DAY.format(3), "--no-validate")
    made.run("advance", "prod/web", "--now", DAY.format(4), "--no-validate")
    assert made.weight("prod/web") == "60"
    return made


def revert(checkout: Checkout, *commits: str) -> str:
    checkout.git("revert", "--no-edit", *(commits or ("HEAD",)))
    return checkout.head


def held(checkout: Checkout, commit: str, *command: str, day: int = 20) -> None:
    """Expect that ``advance`` leaves the release, names the commit, and that all that shows it agrees."""
    before = checkout.git("rev-parse", "HEAD:environments/prod/web")
    done = checkout.run(*(command or ("advance", "prod/web")), "--now", DAY.format(day), "--no-validate")
    assert f"web (prod): held: {commit[:9]}" in done.stderr
    assert "`rollstep promote prod/web` goes on" in done.stderr
    assert checkout.git("rev-parse", "HEAD:environments/prod/web") == before
    (row,) = checkout.json("status", "prod/web", "--now", DAY.format(day))
    assert row["message"].startswith(f"held: {commit[:9]}")
    (tree,) = checkout.json("get", "prod/web", "--now", DAY.format(day))
    assert tree["message"].startswith(f"held: {commit[:9]}")
    shown = checkout.run("plan", "prod/web", "--now", DAY.format(day)).stdout
    assert f"held: {commit[:9]}" in shown


def test_a_reverted_step_is_held_until_a_promotion(checkout: Checkout) -> None:
    commit = revert(checkout)
    assert checkout.weight("prod/web") == "40"
    held(checkout, commit)
    held(checkout, commit, "advance", "--all")
    checkout.run("promote", "prod/web", "--now", DAY.format(21), "--no-validate")
    assert checkout.weight("prod/web") == "60"
    checkout.run("advance", "prod/web", "--now", DAY.format(22), "--no-validate")
    assert checkout.subjects[0].endswith("promoted")
    checkout.run("verify", f"{commit}..")


def test_several_reverted_steps_are_held(checkout: Checkout) -> None:
    commit = revert(checkout, "HEAD", "HEAD~1")
    assert checkout.weight("prod/web") == "20"
    held(checkout, commit)


@pytest.mark.parametrize("verb", [("scale", "--replicas", "9"), ("pause",)], ids=["scale", "pause"])
def test_a_release_is_held_also_after_a_verb_that_leaves_its_step(checkout: Checkout, verb: tuple[str, ...]) -> None:
    commit = revert(checkout)
    name, *options = verb
    checkout.run(name, "prod/web", *options, "--now", DAY.format(10), "--no-validate")
    if name == "pause":
        checkout.run("resume", "prod/web", "--now", DAY.format(11), "--no-validate")
    held(checkout, commit)


def test_a_revert_of_the_revert_goes_on(checkout: Checkout) -> None:
    revert(checkout)
    revert(checkout)
    checkout.run("advance", "prod/web", "--now", DAY.format(20), "--no-validate")
    assert checkout.subjects[0].endswith("promoted")


def test_an_abort_and_a_retry_of_a_held_release_go_on(checkout: Checkout) -> None:
    revert(checkout)
    checkout.run("abort", "prod/web", "--now", DAY.format(10), "--no-validate")
    checkout.run("retry", "prod/web", "--now", DAY.format(11), "--no-validate")
    (row,) = checkout.json("status", "prod/web", "--now", DAY.format(12))
    assert "held" not in row["message"]


@pytest.mark.parametrize("way", ["merge", "squash", "rebase", "older tree"])
def test_a_release_is_held_whatever_took_the_step_back(checkout: Checkout, way: str) -> None:
    before = checkout.git("rev-parse", "HEAD~1").strip()
    checkout.git("switch", "--quiet", "--create", "back")
    if way == "older tree":
        checkout.git("rm", "--quiet", "-r", "environments")
        checkout.git("checkout", before, "--", "environments")
        checkout.commit("Put back what was there")
    else:
        revert(checkout)
    checkout.git("switch", "--quiet", "main")
    if way == "squash":
        checkout.git("merge", "--quiet", "--squash", "back")
        checkout.commit("Take it back (#12)")
    elif way == "merge":
        checkout.git("merge", "--quiet", "--no-ff", "--message=Merge", "back")
    else:
        checkout.git("commit", "--quiet", "--allow-empty", "--message=Meanwhile")
        checkout.git("switch", "--quiet", "back")
        checkout.git("rebase", "--quiet", "main")
    held(checkout, checkout.head)


def test_a_begun_version_that_was_taken_back_is_held_and_another_one_begins(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.run("advance", "prod/web", "--now", DAY.format(1), "--no-validate")
    checkout.edit(ROLLOUT, "web:1.0.0", "web:2.0.0")
    checkout.commit("Bump the image")
    checkout.run("advance", "prod/web", "--now", DAY.format(2), "--no-validate")
    commit = revert(checkout)
    assert checkout.replicas("prod/web") == {"1.0.0": 5}
    held(checkout, commit)
    other = checkout.copy(tmp_path / "other")
    other.edit(ROLLOUT, "web:2.0.0", "web:3.0.0")
    other.commit("Bump the image again")
    other.run("advance", "prod/web", "--now", DAY.format(21), "--no-validate")
    assert other.replicas("prod/web")["3.0.0"] == 1
    checkout.run("promote", "prod/web", "--now", DAY.format(21), "--no-validate")
    assert checkout.replicas("prod/web")["2.0.0"] == 1
    checkout.run("verify", f"{commit}..")


def test_a_version_that_was_left_by_an_undo_begins_again(checkout: Checkout) -> None:
    checkout.run("undo", "prod/web", "--now", DAY.format(4), "--no-validate")
    checkout.edit(ROLLOUT, "web:1.0.0", "web:2.0.0")
    checkout.commit("Bump the image once more")
    checkout.run("advance", "prod/web", "--now", DAY.format(5), "--no-validate")
    assert checkout.weight("prod/web") == "20"


def test_verify_refuses_an_advance_of_a_held_release(checkout: Checkout) -> None:
    made = checkout.git("rev-parse", "HEAD").strip()
    commit = revert(checkout)
    checkout.git("cherry-pick", made)
    done = checkout.run("verify", "HEAD~1..", code=1)
    assert f"held: {commit[:9]}" in done.stdout + done.stderr
