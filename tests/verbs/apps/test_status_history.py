"""The history of ``status.yaml``, read from git once for all apps."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from renderer.errors import RollstepError
from renderer.git.repository import MANY, Repository
from renderer.verbs.apps.status_history import StatusHistory
from tests.support.commands import NOON, TWO, Checkout


def shown(history: StatusHistory, folder: Path) -> list[tuple[str, int | None]]:
    """Return the subject and the step of each change of an app's status."""
    return [
        (change.commit.subject, change.state.status.current_step_index if change.state else None)
        for change in history.changes(folder)
    ]


def test_the_changes_are_those_on_the_branch_newest_first(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.git("switch", "--quiet", "--create", "side")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    checkout.run("promote", "prod/web", "--now", NOON, "--no-validate")
    checkout.git("switch", "--quiet", "main")
    checkout.git("merge", "--quiet", "--no-ff", "--message=Merge", "side")
    checkout.git("rm", "--quiet", "environments/prod/web/status.yaml")
    checkout.git("commit", "--quiet", "--message=Remove the status")
    repository = Repository.open(tmp_path)
    web, api = (tmp_path / "environments/prod" / name for name in ("web", "api"))
    with closing(StatusHistory(lambda: repository, [web, api])) as history:
        removed, merged, released = shown(history, web)
        assert (removed, merged) == (("Remove the status", None), ("Merge", 3))
        assert released[0].startswith("web (prod): first release")
        assert released[1] == 6
        assert shown(history, api) == []


@pytest.mark.parametrize("apps", [3, MANY + 5])
def test_git_is_asked_once_for_all_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apps: int) -> None:
    checkout = Checkout(tmp_path)
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    folders = [tmp_path / f"environments/prod/a{number}" for number in range(apps)]
    for turn in range(2):
        for folder in folders:
            folder.mkdir(exist_ok=True)
            text = (tmp_path / "environments/prod/web/status.yaml").read_text(encoding="utf-8")
            (folder / "status.yaml").write_text(text.replace("revision: 1", f"revision: {turn + 1}"), encoding="utf-8")
        checkout.commit(f"Turn {turn}")
    trace = tmp_path / "trace"
    trace.mkdir()
    repository = Repository.open(tmp_path)
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
    with closing(StatusHistory(lambda: repository, folders)) as history:
        for folder in folders:
            changes = list(history.changes(folder))
            assert [change.commit.subject for change in changes] == ["Turn 1", "Turn 0"]
            assert [change.state.revision for change in changes if change.state] == [2, 1]
    monkeypatch.delenv("GIT_TRACE2_EVENT")
    # The log, the contents of each turn, and the moves of the first commit.
    assert len(list(trace.iterdir())) == 4
    shutil.rmtree(trace)


def test_the_end_of_a_shallow_clone_is_an_error_only_for_who_reads_beyond(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "one")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    clone = tmp_path / "clone"
    checkout.git("clone", "--quiet", "--depth=1", checkout.root.as_uri(), str(clone))
    repository, folder = Repository.open(clone), clone / "environments/prod/web"
    with closing(StatusHistory(lambda: repository, [folder])) as history:
        changes = history.changes(folder)
        newest = next(changes)
        assert newest.state is not None
        assert newest.state.status.current_step_index == 1
        with pytest.raises(RollstepError, match="this clone is shallow"):
            next(changes)


def test_a_repository_without_commits_has_no_history(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with closing(StatusHistory(lambda: Repository.open(tmp_path), [tmp_path / "a"])) as history:
        assert list(history.changes(tmp_path / "a")) == []
