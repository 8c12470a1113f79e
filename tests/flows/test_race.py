"""Two writers push to one branch: no step is lost or repeated, and no commit mixes two states."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, TWO, Checkout

RACERS = 4


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return a bare repository with the example's apps."""
    source = tmp_path / "source"
    source.mkdir()
    checkout = Checkout(source)
    checkout.git("rm", "-rq", "environments/dev", "environments/staging")
    text = (source / "rollstep.yaml").read_text(encoding="utf-8").partition("environments:")[0]
    (source / "rollstep.yaml").write_text(text + "environments:\n  prod: {namespace: shop}\n", encoding="utf-8")
    checkout.commit("Only prod")
    folder = tmp_path / "remote"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(source), str(folder)], check=True)
    shutil.rmtree(source)
    return folder


def clone(remote: Path, name: str) -> Checkout:
    folder = remote.parent / name
    subprocess.run(["git", "clone", "--quiet", str(remote), str(folder)], check=True)
    made = Checkout.__new__(Checkout)
    made.root = folder
    return made


def do(checkout: Checkout, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return checkout.run(*arguments, "--push", "--no-validate", "--now", NOON, code=code)


def first(checkout: Checkout, other: Checkout, *arguments: str) -> None:
    """Let ``other`` run a verb and push it, just before the next push of ``checkout``."""
    hook = checkout.root / ".git" / "hooks" / "pre-push"
    # A second later: two commits with the same time and people have the same hash.
    command = [sys.executable, "-m", "renderer", *arguments, "--push", "--no-validate", "--now", "2026-03-01T12:00:01Z"]
    words = " ".join(f"'{word}'" for word in command)
    clean = "env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE -u GIT_PREFIX"
    hook.write_text(f"#!/bin/sh\nrm -- \"$0\"\ncd '{other.root}' && {clean} {words} >&2\n", encoding="utf-8")
    hook.chmod(0o755)


def subjects(remote: Path) -> list[str]:
    command = ["git", "-C", str(remote), "log", "--reverse", "--format=%s", "main"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def assert_whole(remote: Path) -> None:
    """Expect that every commit is a legal step, and that the last one matches its sources."""
    judge = clone(remote, "judge")
    root = judge.git("rev-list", "--max-parents=0", "HEAD").strip()
    judge.run("verify", f"{root}..HEAD")
    begun = [path.parent.name for path in judge.root.glob("environments/prod/*/status.yaml")]
    judge.run("render", "--check", "--no-validate", *(f"prod/{app}" for app in begun))
    shutil.rmtree(judge.root)


def test_the_second_writer_continues_from_the_first(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    first(one, two, "advance", "prod/api")
    done = do(one, "advance", "prod/web")
    assert "the remote has gone on" in done.stderr
    assert [line.partition(":")[0] for line in subjects(remote)[-2:]] == ["api (prod)", "web (prod)"]
    assert one.git("status", "--porcelain") == ""
    assert_whole(remote)


def test_a_step_that_both_want_is_done_once(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    first(one, two, "advance", "prod/web")
    done = do(one, "advance", "prod/web")
    assert "somebody else has moved it meanwhile" in done.stderr
    assert [line for line in subjects(remote) if line.startswith("web (prod)")] == [
        "web (prod): first release, 100% to 1.0.0 (cd4ff96b7)"
    ]
    assert_whole(remote)


def test_two_promotions_of_one_pause_are_one(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    do(one, "advance", "prod/web")
    do(one, "set", "image", "prod/web", f"web={TWO}")
    two.git("pull", "--quiet")
    first(one, two, "promote", "prod/web")
    done = do(one, "promote", "prod/web", code=1)
    assert "prod/web: somebody else has moved this release" in done.stderr
    assert len([line for line in subjects(remote) if "promote" in line]) == 1
    assert one.git("status", "--porcelain") == ""
    assert one.head == two.head
    assert_whole(remote)


def test_a_writer_behind_the_remote_continues_from_it(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    do(two, "advance", "prod/api")
    done = do(one, "advance", "--all")
    assert "api (prod): somebody else has moved it meanwhile" in done.stderr
    assert [line.partition(":")[0] for line in subjects(remote)[-2:]] == ["api (prod)", "web (prod)"]
    assert_whole(remote)


def test_changed_sources_of_the_other_writer_are_rendered(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    do(one, "advance", "--all")
    two.git("pull", "--quiet")
    two.edit("environments/prod/web/rollout.yaml", ONE, TWO)
    two.commit("Another image")
    two.git("push", "--quiet")
    do(one, "advance", "prod/web")
    assert "step 1/6" in subjects(remote)[-1]
    assert_whole(remote)


def test_uncommitted_edits_stay(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    (one.root / "notes.txt").write_text("mine\n", encoding="utf-8")
    first(one, two, "advance", "prod/api")
    do(one, "advance", "prod/web")
    assert (one.root / "notes.txt").read_text(encoding="utf-8") == "mine\n"
    assert one.git("status", "--porcelain") == "?? notes.txt\n"


def test_a_commit_with_own_edits_is_kept(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    do(one, "advance", "--all")
    two.git("pull", "--quiet")
    one.edit("environments/prod/web/rollout.yaml", ONE, TWO)
    first(one, two, "set", "image", "prod/api", "*=registry.example.com/shop/api:2.0.0")
    before = subjects(remote)
    done = do(one, "advance", "prod/web", "--include-sources", code=1)
    assert "somebody else has pushed" in done.stderr
    assert TWO in one.git("show", "HEAD:environments/prod/web/rollout.yaml")
    assert len(subjects(remote)) == len(before) + 1


def test_earlier_commits_are_kept(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    one.git("commit", "--quiet", "--allow-empty", "--message=Mine")
    first(one, two, "advance", "prod/api")
    done = do(one, "advance", "prod/web", code=1)
    assert "has commits that the remote has not" in done.stderr
    assert "Mine" in one.git("log", "--format=%s")


def test_a_commit_that_is_not_pushed_is_reported(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    one.git("commit", "--quiet", "--allow-empty", "--message=Mine")
    first(one, two, "advance", "prod/api")
    told = do(one, "advance", "prod/web", code=1).stdout
    assert f"[{one.head[:9]}] web (prod)" in told


def test_a_server_that_is_locked_for_a_moment_gets_one_step(remote: Path) -> None:
    """A push that fails without another push is repeated; the verb is not."""
    one = clone(remote, "one")
    do(one, "advance", "--all")
    do(one, "set", "image", "prod/web", f"web={TWO}")
    lock = remote / "refs" / "heads" / "main.lock"
    hook = one.root / ".git" / "hooks" / "pre-push"
    unlock = f"(sleep 1; rm '{lock}') >/dev/null 2>&1 &"
    hook.write_text(f"#!/bin/sh\nrm -- \"$0\"\n: > '{lock}'\n{unlock}\n", encoding="utf-8")
    hook.chmod(0o755)
    do(one, "promote", "prod/web")
    assert len([line for line in subjects(remote) if "promote" in line]) == 1
    assert_whole(remote)


@pytest.mark.parametrize("options", [("--to", "2"), ("--wait", "time=1s")])
def test_advance_to_a_step_leaves_the_app_to_the_first_writer(remote: Path, options: tuple[str, ...]) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    do(one, "advance", "--all")
    do(one, "set", "image", "prod/web", f"web={TWO}")
    two.git("pull", "--quiet")
    do(two, "promote", "prod/web")
    before = subjects(remote)
    done = do(one, "advance", "prod/web", *options, code=1)
    assert "somebody else has moved it meanwhile" in done.stderr
    assert subjects(remote) == before


def test_json_is_printed_once(remote: Path) -> None:
    one, two = clone(remote, "one"), clone(remote, "two")
    first(one, two, "advance", "prod/api")
    (entry,) = json.loads(do(one, "advance", "prod/web", "-o", "json").stdout)
    assert entry["commit"] == one.head


def test_some_writers_at_once(remote: Path) -> None:
    race(remote, RACERS)


def race(remote: Path, racers: int) -> None:
    """Let ``racers`` processes advance all apps at once, each in its own clone, and check the result."""
    clones = [clone(remote, f"racer-{number}") for number in range(racers)]
    do(clones[0], "advance", "--all")
    command = [sys.executable, "-m", "renderer", "set", "image", "prod/web", f"web={TWO}"]
    options = ["--push", "--no-validate", "--now", NOON]
    running = [
        subprocess.Popen([*command, *options], cwd=each.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for each in clones
    ]
    done = [(process.communicate(), process.returncode) for process in running]
    assert {code for _, code in done} <= {0, 1}, done
    told = [line for line in subjects(remote) if "set image" in line]
    assert len(told) == 1, told
    assert_whole(remote)
