"""`git mv` of an app, and the rename of an environment, are one commit: nothing has to be rendered or reviewed anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from renderer.git.repository import Repository
from tests.support.commands import TWO, Checkout

DAY = "2026-03-{:02}T12:00:00Z"
WEB = "environments/prod/web"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout whose release of 2.0.0 is in the timed pause at 40%."""
    made = Checkout(tmp_path)
    made.run("advance", "prod/web", "--now", DAY.format(1), "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", DAY.format(2), "--no-validate")
    made.run("promote", "prod/web", "--now", DAY.format(3), "--no-validate")
    return made


def move(checkout: Checkout, old: str, new: str) -> None:
    checkout.git("mv", old, new)
    checkout.git("commit", "--quiet", "--message=Move it")


def does(checkout: Checkout, *revisions: str) -> list[list[tuple[str, str]]]:
    """Return what each commit does to which app, oldest first."""
    entries = checkout.json("verify", *revisions)
    return [[(f"{app['environment']}/{app['app']}", app["does"]) for app in entry["apps"]] for entry in entries]


def test_a_moved_app_needs_no_render(checkout: Checkout) -> None:
    before = checkout.git("rev-parse", f"HEAD:{WEB}")
    move(checkout, WEB, "environments/prod/shop")
    assert checkout.git("rev-parse", "HEAD:environments/prod/shop") == before
    checkout.run("render", "prod/shop", "--check", "--no-validate")
    assert does(checkout, "HEAD~1..") == [[("prod/shop", "move")]]
    checkout.run("advance", "prod/shop", "--now", DAY.format(4), "--no-validate")
    assert checkout.weight("prod/shop") == "60"
    assert does(checkout, "HEAD~1..") == [[("prod/shop", "advance")]]


def test_a_renamed_environment_is_a_move_of_each_app(checkout: Checkout) -> None:
    checkout.run("advance", "prod/api", "--now", DAY.format(3), "--no-validate")
    move(checkout, "environments/prod", "environments/production")
    assert does(checkout, "HEAD~1..") == [[("production/api", "move"), ("production/web", "move")]]


def test_the_folder_of_all_environments_moves(checkout: Checkout) -> None:
    checkout.git("mv", "environments", "deploy")
    checkout.edit("rollstep.yaml", "defaults:", "environmentsPath: deploy\ndefaults:")
    checkout.commit("Move all")
    assert [verb for _, verb in does(checkout, "HEAD~1..")[0]] == ["move"]


def test_a_namespace_that_follows_the_environments_name_can_be_rendered_with_the_move(checkout: Checkout) -> None:
    checkout.git("mv", "environments/prod", "environments/production")
    checkout.run("render", "production", "--no-validate")
    checkout.commit("Rename the environment and its namespace")
    assert dict(does(checkout, "HEAD~1..")[0])["production/web"] == "advance"
    assert checkout.objects("production/web")["Service/web-canary"]["metadata"]["namespace"] == "shop-production"


def test_a_step_that_comes_with_a_move_is_that_step(checkout: Checkout) -> None:
    checkout.git("mv", WEB, "environments/prod/shop")
    checkout.git("commit", "--quiet", "--message=Move it")
    checkout.run("advance", "prod/shop", "--now", DAY.format(4), "--no-validate")
    checkout.git("reset", "--quiet", "--soft", "HEAD~2")
    checkout.git("commit", "--quiet", "--message=Move it a step")
    assert does(checkout, "HEAD~1..") == [[("prod/shop", "advance")]]


def test_a_hand_edit_within_a_move_is_one_finding(checkout: Checkout) -> None:
    checkout.git("mv", WEB, "environments/prod/shop")
    path = "environments/prod/shop/rendered/ingress-web-web-canary.yaml"
    checkout.edit(path, 'canary-weight: "40"', 'canary-weight: "90"')
    checkout.commit("Move it")
    (line,) = checkout.run("verify", "HEAD~1..", code=1).stdout.splitlines()[1:]
    assert line.strip().startswith(f"{path}:")
    assert "was edited by hand" in line


def test_another_app_in_place_of_one_is_no_move(checkout: Checkout) -> None:
    checkout.git("rm", "-r", "--quiet", WEB)
    checkout.run("advance", "prod/api", "--now", DAY.format(4), "--no-validate")
    checkout.git("reset", "--quiet", "--soft", "HEAD~1")
    checkout.git("commit", "--quiet", "--message=Replace the web by the api")
    assert does(checkout, "HEAD~1..") == [[("prod/api", "advance"), ("prod/web", "removal")]]


def test_squashed_steps_are_one_finding(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--now", DAY.format(4), "--no-validate")
    checkout.run("promote", "prod/web", "--now", DAY.format(5), "--no-validate")
    checkout.git("reset", "--quiet", "--soft", "HEAD~3")
    checkout.git("commit", "--quiet", "--message=Three steps")
    (line,) = checkout.run("verify", "HEAD~1..", code=1).stdout.splitlines()[1:]
    assert line.strip().startswith(f"{WEB}/status.yaml: ")
    assert "does not follow from the commit before" in line


def test_a_hand_edit_beside_squashed_steps_is_another_finding(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--now", DAY.format(4), "--no-validate")
    checkout.edit(f"{WEB}/rendered/service-web-canary.yaml", "port: 80", "port: 81")
    checkout.git("reset", "--quiet", "--soft", "HEAD~2")
    checkout.commit("Two steps and an edit")
    step, edit = checkout.run("verify", "HEAD~1..", code=1).stdout.splitlines()[1:]
    assert "does not follow from the commit before" in step
    assert "service-web-canary.yaml" in edit


def test_a_pause_begins_before_the_move_and_not_with_it(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("GIT_AUTHOR_DATE", DAY.format(9))
        patch.setenv("GIT_COMMITTER_DATE", DAY.format(9))
        move(checkout, WEB, "environments/prod/shop")
    checkout.run("advance", "prod/shop", "--now", "2026-03-09T12:00:01Z", "--no-validate")
    assert checkout.weight("prod/shop") == "60"


def test_a_step_that_was_taken_back_before_the_move_is_held_after_it(checkout: Checkout) -> None:
    checkout.run("advance", "prod/web", "--now", DAY.format(4), "--no-validate")
    checkout.git("revert", "--no-edit", "HEAD")
    commit = checkout.head
    move(checkout, WEB, "environments/prod/shop")
    done = checkout.run("advance", "prod/shop", "--now", DAY.format(9), "--no-validate")
    assert f"held: {commit[:9]}" in done.stderr
    assert checkout.weight("prod/shop") == "40"


def test_a_step_is_taken_back_after_the_move(checkout: Checkout) -> None:
    step = checkout.head
    move(checkout, WEB, "environments/prod/shop")
    checkout.git("revert", "--no-edit", step)
    assert checkout.weight("prod/shop") == "20"
    assert does(checkout, "HEAD~1..") == [[("prod/shop", "revert")]]


def test_the_history_goes_on_before_the_move(checkout: Checkout) -> None:
    before = [row["commit"] for row in checkout.json("history", "prod/web")]
    move(checkout, WEB, "environments/prod/shop")
    assert [row["commit"] for row in checkout.json("history", "prod/shop")] == before
    assert all(before)


def test_a_replay_moves_the_app(checkout: Checkout) -> None:
    move(checkout, WEB, "environments/prod/shop")
    checkout.run("advance", "prod/shop", "--now", DAY.format(4), "--no-validate")
    checkout.run("replay")


def test_a_move_lifts_no_policy_of_a_step_that_comes_with_it(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "environments:\n", "apps: {web: {approvals: 1}}\nenvironments:\n")
    checkout.commit("Ask for an approval")
    checkout.git("mv", WEB, "environments/prod/shop")
    checkout.git("commit", "--quiet", "--message=Move it")
    checkout.run("advance", "prod/shop", "--now", DAY.format(4), "--no-validate")
    checkout.git("reset", "--quiet", "--soft", "HEAD~2")
    checkout.git("commit", "--quiet", "--message=Move it a step")
    assert "approvals" in checkout.run("verify", "HEAD~1..", code=1).stdout


def test_one_walk_finds_the_history_of_all_apps_of_a_moved_environment(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    moves, changes = Repository.moves, Repository.file_changes

    def counted_moves(self: Repository, commit: str) -> dict[str, str]:
        asked.append(commit)
        return moves(self, commit)

    def counted_changes(self: Repository, *arguments: Any) -> Any:
        asked.append("walk")
        return changes(self, *arguments)

    checkout.run("advance", "staging", "--now", DAY.format(4), "--no-validate")
    move(checkout, "environments/staging", "environments/qa")
    for app in ("api", "web"):
        checkout.edit(f"environments/qa/{app}/rollout.yaml", f"{app}:1.0.0", f"{app}:3.0.0")
    checkout.commit("Bump both")
    monkeypatch.setattr(Repository, "moves", counted_moves)
    monkeypatch.setattr(Repository, "file_changes", counted_changes)
    checkout.run("advance", "qa", "--now", DAY.format(5), "--no-validate", "--jobs", "1")
    assert checkout.subjects[0].startswith("web (qa): ")
    assert asked.count("walk") == 2
    assert len(asked) - 2 == len(set(asked)) - 1 > 0
