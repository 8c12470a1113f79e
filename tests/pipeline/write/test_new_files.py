"""Files that are written ahead of their transaction: nobody sees them, nobody else takes them, none is left."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.pipeline.write import journal
from renderer.pipeline.write import new_files as module
from renderer.pipeline.write.journal import JOURNAL, pending, recover
from renderer.pipeline.write.new_files import Ahead, write_ahead
from renderer.pipeline.write.spool import Written
from renderer.pipeline.write.transaction import Transaction
from tests.pipeline.write.test_transaction import AFTER, BEFORE, content, fill
from tests.support.commands import NOON, Checkout

RENDER_AND_DIE = """
import os, signal, sys

if __name__ == "__main__":
    from renderer.verbs.apps import parallel as batches
    from renderer.cli.main import main
    from renderer.pipeline.write.journal import Journal

    batches.AT_ONCE_ELSEWHERE = 2
    Journal.save = lambda journal: os.kill(os.getpid(), signal.SIGKILL)
    main(["-C", *sys.argv[1:]])
"""


def planned() -> list[tuple[str, str | None]]:
    return [(path, AFTER.get(path)) for path in sorted(BEFORE.keys() | AFTER.keys())]


def test_the_transaction_takes_the_files_and_nothing_is_left(tmp_path: Path) -> None:
    root = fill(tmp_path)
    (root / "app/status.yaml").chmod(0o640)
    with Ahead(root) as ahead:
        files = list(write_ahead(ahead.open(), planned(), {"app/rendered/a.yaml"}))
        assert [type(found).__name__ for _, found in files] == ["str", "NoneType", "Written", "Written"]
        transaction = Transaction(root, ahead).plan(files)
        assert transaction.contents == {path: text and text.encode() for path, text in planned()}
        assert content(root) == BEFORE
        inodes = {os.stat(root / JOURNAL / found.name).st_ino for _, found in files if isinstance(found, Written)}
        transaction.commit()
    assert content(root) == AFTER
    assert {(root / path).stat().st_ino for path in ("app/status.yaml", "app/rendered/sub/b.yaml")} == inodes
    assert stat.S_IMODE((root / "app/status.yaml").stat().st_mode) == 0o640
    assert not (root / JOURNAL).exists()


def test_they_are_below_another_folder_where_that_is_told(tmp_path: Path) -> None:
    with Ahead(tmp_path) as ahead:
        files = write_ahead(ahead.open(), [("a.yaml", "a\n")], ())
        Transaction(tmp_path, ahead).plan(files, f"{tmp_path}/below").commit()
    assert content(tmp_path) == {"below/a.yaml": "a\n"}


def test_files_that_hold_their_content_already_are_left_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path)
    before = (tmp_path / "app/status.yaml").stat()
    with Ahead(tmp_path) as ahead:
        files = write_ahead(ahead.open(), BEFORE.items(), ())
        assert Transaction(tmp_path, ahead).plan(files).commit() == ()
    assert (tmp_path / "app/status.yaml").stat() == before
    assert not (tmp_path / JOURNAL).exists()


def test_without_a_transaction_nothing_is_left(tmp_path: Path) -> None:
    with Ahead(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    with Ahead(tmp_path) as ahead:
        list(write_ahead(ahead.open(), planned(), ()))
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused_leaves_nothing(tmp_path: Path) -> None:
    root = fill(tmp_path)
    (root / "app/rendered/a.yaml").chmod(0o444)
    with pytest.raises(RollstepError, match="read-only"), Ahead(root) as ahead:
        Transaction(root, ahead).plan(write_ahead(ahead.open(), planned(), ())).commit()
    assert content(root) == BEFORE
    assert not (root / JOURNAL).exists()


def test_rollback_puts_the_old_files_back(tmp_path: Path) -> None:
    root = fill(tmp_path)
    with Ahead(root) as ahead:
        transaction = Transaction(root, ahead).plan(write_ahead(ahead.open(), planned(), ()))
        transaction.prepare()
        transaction.apply()
        assert content(root) == AFTER
        transaction.rollback()
    assert content(root) == BEFORE
    assert not (root / JOURNAL).exists()


@pytest.mark.parametrize("is_committed", [False, True])
def test_recovery_goes_back_or_forward(is_committed: bool, tmp_path: Path) -> None:
    root = fill(tmp_path)
    ahead = Ahead(root)
    transaction = Transaction(root, ahead).plan(write_ahead(ahead.open(), planned(), ()))
    transaction.prepare()
    transaction._release()
    assert len(recover(root, lambda _: is_committed)) == 1
    assert content(root) == (AFTER if is_committed else BEFORE)
    assert not (root / JOURNAL).exists()


def test_another_run_leaves_the_files_of_one_that_is_alive(tmp_path: Path) -> None:
    root = fill(tmp_path)
    with Ahead(root) as ahead:
        files = list(write_ahead(ahead.open(), planned(), ()))
        with Ahead(root) as other:
            theirs = write_ahead(other.open(), [("other.yaml", "other\n")], ())
            Transaction(root, other).plan(theirs).commit()
        assert recover(root) == ()
        Transaction(root).write("third.yaml", "third\n").commit()
        Transaction(root, ahead).plan(files).commit()
    assert content(root) == AFTER | {"other.yaml": "other\n", "third.yaml": "third\n"}
    assert not (root / JOURNAL).exists()


def test_a_folder_that_is_cleared_away_too_soon_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock
    cleared: list[Path] = []

    def flock(descriptor: int, how: int) -> None:
        monkeypatch.undo()
        cleared.append(next((tmp_path / JOURNAL).iterdir()))
        journal.clear_ahead(str(cleared[0]))
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with Ahead(tmp_path) as ahead:
        folder = ahead.open()
        assert folder not in ("", str(cleared[0]))
        assert Path(folder).is_dir()
        journal.clear_ahead(folder)
        assert Path(folder).is_dir()


def test_where_no_folder_can_be_made_texts_are_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        assert Ahead(tmp_path).open() == ""
    monkeypatch.setattr(module, "store", refuse)
    with Ahead(tmp_path) as ahead:
        assert ahead.open() == ""
    assert list(write_ahead(str(tmp_path / "nowhere"), planned(), ())) == planned()


def test_git_never_sees_them(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with Ahead(tmp_path) as ahead:
        list(write_ahead(ahead.open(), planned(), ()))
        status = ["git", "status", "--porcelain", "--untracked-files=all"]
        assert subprocess.run(status, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("verb", [("render",), ("advance", "--together")])
def test_killed_when_processes_have_written_their_files(verb: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing has changed then, git sees nothing, and the next run does all of it and clears away what was left."""
    whole, killed = Checkout(tmp_path / "whole"), Checkout(tmp_path / "killed")
    words = (*verb, "--now", NOON, "--no-validate", "--jobs", "2")
    script = tmp_path / "render_and_die.py"
    script.write_text(RENDER_AND_DIE)
    before, status, files = killed.snapshot()
    command = [sys.executable, str(script), str(killed.root), *words]
    # Its processes have the pipes as well: these are closed when all have ended.
    died = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL
    left = list((killed.root / JOURNAL).glob("ahead-*/*-*"))
    assert len(left) > 10
    assert not pending(killed.root)
    after = killed.snapshot()
    assert after[:2] == (before, status)
    assert {path: text for path, text in after[2].items() if not path.startswith(JOURNAL)} == files
    whole.run(*words)
    killed.run(*words)
    assert killed.snapshot()[1:] == whole.snapshot()[1:]
    assert not (killed.root / JOURNAL).exists()
