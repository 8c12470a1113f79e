"""Two people move one release: `rollstep resolve` makes the app whole again from one side, whatever git was doing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import TWO, Checkout

DAY = "2026-03-{:02}T12:00:00Z"
WEB = "environments/prod/web"
ATTRIBUTES = "*/*/status.yaml -merge\n*/*/rendered/*.yaml -merge\n"


@pytest.fixture(scope="module", params=[True, False], ids=["attributes", "markers"])
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout at 20%, whose branches ``steps`` and ``abort`` are two steps further and aborted."""
    made = Checkout(tmp_path_factory.mktemp("released") / "one")
    if request.param:
        (made.root / "environments/.gitattributes").write_text(ATTRIBUTES, encoding="utf-8")
    else:
        (made.root / "environments/.gitattributes").unlink(missing_ok=True)
        (made.root / "notes.txt").write_text("no attributes\n", encoding="utf-8")
    made.commit("Set the attributes")
    run(made, 1, "advance", "prod/web")
    run(made, 2, "set", "image", "prod/web", f"web={TWO}")
    made.git("branch", "abort")
    made.git("switch", "--quiet", "--create", "steps")
    run(made, 3, "promote", "prod/web")
    run(made, 4, "advance", "prod/web")
    made.git("switch", "--quiet", "abort")
    run(made, 5, "abort", "prod/web")
    made.git("switch", "--quiet", "main")
    run(made, 6, "promote", "prod/web")
    return made


@pytest.fixture
def checkout(released: Checkout, tmp_path: Path) -> Checkout:
    return released.copy(tmp_path / "copy")


def run(checkout: Checkout, day: int, *arguments: str) -> None:
    checkout.run(*arguments, "--now", DAY.format(day), "--no-validate")


def stops(checkout: Checkout, *command: str) -> None:
    """Expect that a git command stops at a conflict."""
    with pytest.raises(subprocess.CalledProcessError):
        checkout.git("-c", "core.editor=true", *command)
    assert checkout.git("ls-files", "--unmerged")


def resolved(checkout: Checkout, *arguments: str) -> str:
    """Resolve and expect that nothing is left of the conflict; return the output."""
    done = checkout.run("resolve", *arguments, "--no-validate")
    assert checkout.git("ls-files", "--unmerged") == ""
    assert checkout.git("diff", "--name-only") == ""
    checkout.run("render", "--check", "prod/web", "--no-validate", "--no-cache")
    return done.stdout + done.stderr


def state(checkout: Checkout, ref: str) -> tuple[str, str]:
    return checkout.git("rev-parse", f"{ref}:{WEB}/status.yaml"), checkout.git("rev-parse", f"{ref}:{WEB}/rendered")


def test_an_abort_wins_a_merge(checkout: Checkout) -> None:
    stops(checkout, "merge", "abort")
    before = checkout.head
    assert "it aborts the release" in resolved(checkout, "prod/web")
    checkout.git("commit", "--quiet", "--no-edit")
    assert state(checkout, "HEAD") == state(checkout, "abort")
    checkout.run("verify", f"{before}..")
    checkout.run("verify")


def test_our_abort_wins_a_merge(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "abort")
    stops(checkout, "merge", "main")
    resolved(checkout, "--all")
    checkout.git("commit", "--quiet", "--no-edit")
    assert state(checkout, "HEAD") == state(checkout, "abort")
    checkout.run("verify")


def test_without_an_abort_the_side_has_to_be_chosen(checkout: Checkout) -> None:
    stops(checkout, "merge", "steps")
    before = checkout.snapshot()
    told = checkout.run("resolve", "prod/web", code=1).stderr
    assert "both sides move the release" in told
    assert "40% to" in told
    assert "60% to" in told
    assert "--ours, the branch that you are on" in told
    assert "--theirs, the branch that you merge" in told
    assert checkout.snapshot() == before


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_the_chosen_side_is_taken_whole(checkout: Checkout, side: str) -> None:
    wanted = state(checkout, "main" if side == "ours" else "steps")
    stops(checkout, "merge", "steps")
    assert "next: git commit" in resolved(checkout, "prod", f"--{side}")
    checkout.git("commit", "--quiet", "--no-edit")
    assert state(checkout, "HEAD") == wanted
    checkout.run("verify")
    run(checkout, 20, "promote", "prod/web")
    checkout.run("verify", "HEAD~1..")


def test_a_choice_that_loses_an_abort_says_so(checkout: Checkout) -> None:
    stops(checkout, "merge", "abort")
    assert "as chosen, without the abort of the other side" in resolved(checkout, "prod/web", "--ours")
    checkout.git("commit", "--quiet", "--no-edit")
    checkout.run("verify")


def test_files_that_one_side_adds_or_removes_belong_to_the_side(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "steps")
    run(checkout, 7, "set", "image", "prod/web", f"web={TWO.replace('2.0.0', '3.0.0')}")
    assert len(checkout.replicas("prod/web")) == 3
    wanted = state(checkout, "steps")
    checkout.git("switch", "--quiet", "main")
    (checkout.root / WEB / "OWNERS").write_text("us\n", encoding="utf-8")
    ours = checkout.replicas("prod/web")
    stops(checkout, "merge", "steps")
    resolved(checkout, "prod/web", "--ours")
    assert checkout.replicas("prod/web") == ours
    checkout.git("merge", "--abort")
    stops(checkout, "merge", "steps")
    resolved(checkout, "prod/web", "--theirs")
    checkout.git("commit", "--quiet", "--no-edit")
    assert state(checkout, "HEAD") == wanted
    assert (checkout.root / WEB / "OWNERS").read_text(encoding="utf-8") == "us\n"
    checkout.run("verify")


def test_a_rebase_swaps_the_sides(checkout: Checkout) -> None:
    main = state(checkout, "main")
    checkout.git("switch", "--quiet", "steps")
    stops(checkout, "rebase", "main")
    told = checkout.run("resolve", "prod/web", code=1).stderr
    assert "--ours, the branch that you rebase onto" in told
    assert "--theirs, the commit of yours that moves" in told
    assert "next: git rebase --continue" in resolved(checkout, "prod/web", "--ours")
    assert state(checkout, "HEAD") == main


@pytest.mark.parametrize("operation", ["rebase", "cherry-pick", "stash"])
def test_an_abort_is_made_again_on_top_of_ours(checkout: Checkout, operation: str) -> None:
    main = checkout.head
    if operation == "rebase":
        checkout.git("switch", "--quiet", "abort")
        stops(checkout, "rebase", "main")
    elif operation == "cherry-pick":
        stops(checkout, "cherry-pick", "abort")
    else:
        checkout.git("switch", "--quiet", "--detach", "abort")
        checkout.git("reset", "--quiet", "--soft", "HEAD~1")
        checkout.git("stash", "push", "--quiet")
        checkout.git("switch", "--quiet", "main")
        stops(checkout, "stash", "pop")
    assert "the abort of theirs made again" in resolved(checkout, "prod/web")
    if operation == "stash":
        checkout.git("commit", "--quiet", "--message=Abort it")
    else:
        checkout.git("-c", "core.editor=true", operation, "--continue")
    assert checkout.git("rev-parse", "HEAD~1").strip() == main
    assert checkout.weight("prod/web") == "0"
    checkout.run("verify", f"{main}..")


def test_a_stash_has_a_side_of_its_own(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "--detach", "steps")
    checkout.git("reset", "--quiet", "--soft", "HEAD~2")
    checkout.git("stash", "push", "--quiet")
    checkout.git("switch", "--quiet", "main")
    stops(checkout, "stash", "pop")
    assert "--theirs, the stash" in checkout.run("resolve", "prod/web", code=1).stderr
    resolved(checkout, "prod/web", "--theirs")
    assert checkout.weight("prod/web") == "60"


def test_a_revert_that_conflicts_goes_back_to_one_state(checkout: Checkout) -> None:
    run(checkout, 8, "advance", "prod/web")
    stops(checkout, "revert", "--no-edit", "HEAD~1")
    told = checkout.run("resolve", "prod/web", code=1).stderr
    assert "--theirs, the state before the reverted commit" in told
    resolved(checkout, "prod/web", "--theirs")
    assert checkout.weight("prod/web") == "20"
    checkout.git("-c", "core.editor=true", "revert", "--continue")
    checkout.run("verify", "HEAD~1..")


def test_an_octopus_has_the_side_that_conflicts(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "--create", "notes", "abort~1")
    (checkout.root / "more.txt").write_text("more\n", encoding="utf-8")
    checkout.commit("More notes")
    checkout.git("switch", "--quiet", "main")
    before = checkout.head
    stops(checkout, "merge", "--quiet", "notes", "abort")
    resolved(checkout, "--all")
    checkout.git("commit", "--quiet", "--no-edit")
    assert len(checkout.git("log", "-1", "--format=%P").split()) == 3
    assert state(checkout, "HEAD") == state(checkout, "abort")
    checkout.run("verify", f"{before}..")


def test_sources_that_git_merged_are_rendered_with_the_side(checkout: Checkout) -> None:
    before = checkout.head
    checkout.edit(f"{WEB}/services.yaml", "port: 80", "port: 81")
    checkout.commit("Another port")
    stops(checkout, "merge", "steps")
    resolved(checkout, "prod/web", "--theirs")
    assert checkout.weight("prod/web") == "60"
    assert checkout.objects("prod/web")["Service/web-canary"]["spec"]["ports"][0]["port"] == 81
    checkout.git("commit", "--quiet", "--no-edit")
    checkout.run("verify", f"{before}..")


def test_sources_stay_the_users(checkout: Checkout) -> None:
    checkout.edit(f"{WEB}/services.yaml", "port: 80", "port: 81")
    checkout.commit("Another port")
    checkout.git("switch", "--quiet", "steps")
    checkout.edit(f"{WEB}/services.yaml", "port: 80", "port: 82")
    checkout.commit("Yet another port")
    checkout.git("switch", "--quiet", "main")
    stops(checkout, "merge", "steps")
    told = checkout.run("resolve", "prod/web", "--theirs", "--no-validate").stderr
    assert f"{WEB}/services.yaml: is yours to resolve" in told
    assert f"rollstep render prod/web && git add {WEB}" in told
    assert {row.partition("\t")[2] for row in checkout.git("ls-files", "-u").splitlines()} == {f"{WEB}/services.yaml"}
    checkout.git("checkout", "--quiet", "--theirs", "--", f"{WEB}/services.yaml")
    checkout.run("render", "prod/web", "--no-validate")
    checkout.git("add", WEB)
    checkout.git("commit", "--quiet", "--no-edit")
    checkout.run("verify", "--", "HEAD~1..")


def test_a_dry_run_writes_nothing(checkout: Checkout) -> None:
    stops(checkout, "merge", "abort")
    before, index = checkout.snapshot(), checkout.git("ls-files", "--stage")
    assert "it aborts the release" in checkout.run("resolve", "prod/web", "--dry-run").stdout
    (entry,) = checkout.json("resolve", "--all", "--dry-run")
    assert (entry["app"], entry["side"], entry["reason"]) == ("web", "theirs", "it aborts the release")
    assert entry["commit"] == checkout.git("rev-parse", "abort").strip()
    assert (checkout.snapshot(), checkout.git("ls-files", "--stage")) == (before, index)


def test_the_apps_have_to_be_named(checkout: Checkout) -> None:
    assert "name the apps to resolve, or --all" in checkout.run("resolve", code=2).stderr
    assert "no conflict" in checkout.run("resolve", "prod/web", code=1).stderr
    assert "no file that rollstep writes has a conflict" in checkout.run("resolve", "--all").stderr


@pytest.mark.parametrize("command", [("render",), ("advance", "prod/web"), ("status",)])
def test_every_message_about_a_conflict_names_resolve(checkout: Checkout, command: tuple[str, ...]) -> None:
    stops(checkout, "merge", "abort")
    text = (checkout.root / WEB / "status.yaml").read_text(encoding="utf-8")
    if "<<<<<<<" not in text and command[0] != "advance":
        return
    told = checkout.run(*command, "--no-validate" if command[0] != "status" else "-ojson", code=1).stderr
    assert "rollstep resolve" in told
    assert "git checkout" not in told


@pytest.mark.parametrize("mover", ["ours", "theirs"])
@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_an_app_that_one_side_moves_is_resolved_where_it_is_now(checkout: Checkout, mover: str, side: str) -> None:
    wanted = state(checkout, "main" if side == "ours" else "steps")
    checkout.git("switch", "--quiet", "main" if mover == "ours" else "steps")
    checkout.git("mv", WEB, "environments/prod/shop")
    checkout.git("commit", "--quiet", "--message=Call it shop")
    checkout.git("switch", "--quiet", "main")
    stops(checkout, "merge", "steps")
    checkout.run("resolve", "prod/shop", f"--{side}", "--no-validate")
    assert checkout.git("ls-files", "--unmerged") == ""
    checkout.git("commit", "--quiet", "--no-edit")
    found = checkout.git("rev-parse", "HEAD:environments/prod/shop/status.yaml", "HEAD:environments/prod/shop/rendered")
    assert found == "".join(wanted)
    checkout.run("verify")
    checkout.run("replay")


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_an_app_that_one_side_removes(checkout: Checkout, side: str) -> None:
    checkout.run("remove", "prod/web", "--sources")
    stops(checkout, "merge", "steps")
    assert "ours: has no release" in checkout.run("resolve", "--all", code=1).stderr
    done = checkout.run("resolve", "--all", f"--{side}")
    assert checkout.git("ls-files", "--unmerged") == ""
    if side == "theirs":
        (hint,) = [line for line in done.stderr.splitlines() if "restore them: git " in line]
        checkout.git(*hint.rpartition("restore them: git ")[2].split())
    checkout.git("commit", "--quiet", "--no-edit")
    assert bool(checkout.git("ls-tree", "-r", "HEAD", "--", WEB)) == (side == "theirs")
    checkout.run("verify")


def test_several_apps_are_resolved_together_or_not_at_all(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "abort")
    run(checkout, 7, "advance", "prod/api")
    checkout.git("switch", "--quiet", "main")
    run(checkout, 8, "advance", "prod/api")
    stops(checkout, "merge", "abort")
    before = checkout.git("ls-files", "--stage")
    told = checkout.run("resolve", "--all", code=1).stderr
    assert "environments/prod/api: both sides move the release" in told
    assert checkout.git("ls-files", "--stage") == before
    checkout.run("resolve", "prod/web", "--no-validate")
    left = {row.partition("\t")[2] for row in checkout.git("ls-files", "--unmerged").splitlines()}
    assert left
    assert all(path.startswith("environments/prod/api/") for path in left)
    checkout.run("resolve", "prod/api", "--ours", "--no-validate")
    checkout.git("commit", "--quiet", "--no-edit")
    checkout.run("verify")


def test_an_abort_from_before_wins_nothing(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "abort")
    checkout.git("branch", "retried")
    run(checkout, 9, "scale", "prod/web", "--replicas", "6")
    checkout.git("switch", "--quiet", "retried")
    run(checkout, 10, "retry", "prod/web")
    stops(checkout, "merge", "abort")
    before = checkout.git("ls-files", "--stage")
    assert "both sides move the release" in checkout.run("resolve", "prod/web", code=1).stderr
    assert checkout.git("ls-files", "--stage") == before
