"""New files in the journal's folder are invisible to git, locked against other runs, and always removed."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.pipeline.write import new_files as module
from renderer.pipeline.write.journal import JOURNAL, pending, recover
from renderer.pipeline.write.new_files import NewFile, NewFiles, write_new_files
from renderer.pipeline.write.transaction import Transaction
from tests.pipeline.write.test_transaction import AFTER, BEFORE, CHANGE, commit, content, fill
from tests.support.commands import NOON, Checkout

RENDER_AND_DIE = """
import os, signal, sys

if __name__ == "__main__":
    from renderer.verbs.apps import parallel
    from renderer.cli.main import main
    from renderer.pipeline.write.journal import Journal

    parallel.MIN_BATCH = 2
    Journal.save = lambda journal: os.kill(os.getpid(), signal.SIGKILL)
    main(["-C", *sys.argv[1:]])
"""


def test_the_transaction_takes_the_files_and_nothing_is_left(tmp_path: Path) -> None:
    root = fill(tmp_path)
    (root / "app/status.yaml").chmod(0o640)
    with NewFiles(root) as new_files:
        files = list(write_new_files(new_files.open(), CHANGE.items(), ()))
        assert [type(found).__name__ for _, found in files] == ["NewFile", "NoneType", "NewFile", "NewFile"]
        transaction = Transaction(new_files).plan(files)
        assert transaction.contents == {path: text and text.encode() for path, text in CHANGE.items()}
        assert content(root) == BEFORE
        inodes = {os.stat(root / JOURNAL / found.name).st_ino for _, found in files if isinstance(found, NewFile)}
        transaction.commit()
    assert content(root) == AFTER
    assert {(root / path).stat().st_ino for path in AFTER} == inodes
    assert stat.S_IMODE((root / "app/status.yaml").stat().st_mode) == 0o640
    assert not (root / JOURNAL).exists()


def test_paths_may_be_below_another_folder(tmp_path: Path) -> None:
    with NewFiles(tmp_path) as new_files:
        files = write_new_files(new_files.open(), [("a.yaml", "a\n")], ())
        Transaction(new_files).plan(files, (), f"{tmp_path}/below").commit()
    assert content(tmp_path) == {"below/a.yaml": "a\n"}


def test_files_that_hold_their_content_already_are_left_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path)
    before = _identity(tmp_path / "app/status.yaml")
    for unchanged in ((), BEFORE):
        with NewFiles(tmp_path) as new_files:
            files = write_new_files(new_files.open(), BEFORE.items(), unchanged)
            assert Transaction(new_files).plan(files).commit() == ()
    assert _identity(tmp_path / "app/status.yaml") == before
    assert not (tmp_path / JOURNAL).exists()


def _identity(path: Path) -> tuple[int, int, int]:
    """Return what a write changes; a read may change the access time."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def test_a_file_that_changes_after_it_was_compared_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    with NewFiles(tmp_path) as new_files:
        planned = Transaction(new_files).plan(BEFORE.items(), BEFORE)
        (tmp_path / "app/status.yaml").write_text("by hand\n")
        with pytest.raises(RollstepError, match=r"app/status\.yaml: was changed while the command ran"):
            planned.commit()
    assert content(tmp_path) == BEFORE | {"app/status.yaml": "by hand\n"}
    assert not (tmp_path / JOURNAL).exists()


def test_without_a_transaction_nothing_is_left(tmp_path: Path) -> None:
    with NewFiles(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    with NewFiles(tmp_path) as new_files:
        list(write_new_files(new_files.open(), CHANGE.items(), ()))
    assert list(tmp_path.iterdir()) == []


def test_in_memory_nothing_is_written(tmp_path: Path) -> None:
    root = fill(tmp_path)
    os.chmod(root, 0o555)
    try:
        with NewFiles(root, in_memory=True) as new_files:
            transaction = Transaction(new_files).plan(CHANGE.items())
            assert transaction.contents == {path: text and text.encode() for path, text in CHANGE.items()}
            assert len(transaction.check()) == 4
            assert not (root / JOURNAL).exists()
    finally:
        os.chmod(root, 0o755)


def test_several_transactions_follow_each_other_in_one_run(tmp_path: Path) -> None:
    fill(tmp_path)
    with NewFiles(tmp_path) as new_files:
        transactions = [Transaction(new_files).write(f"app/{name}.yaml", f"{name}\n") for name in "abc"]
        for number, transaction in enumerate(transactions):
            transaction.prepare()
            transaction.apply()
            if number == 1:
                transaction.rollback()
            else:
                transaction.finish()
            assert not pending(tmp_path)
    assert content(tmp_path) == BEFORE | {"app/a.yaml": "a\n", "app/c.yaml": "c\n"}
    assert not (tmp_path / JOURNAL).exists()


def test_a_refused_change_leaves_nothing(tmp_path: Path) -> None:
    root = fill(tmp_path)
    (root / "app/rendered/a.yaml").chmod(0o444)
    with pytest.raises(RollstepError, match="read-only"), NewFiles(root) as new_files:
        Transaction(new_files).plan(write_new_files(new_files.open(), CHANGE.items(), ())).commit()
    assert content(root) == BEFORE
    assert not (root / JOURNAL).exists()


@pytest.mark.parametrize("is_committed", [False, True])
def test_recovery_goes_back_or_forward(is_committed: bool, tmp_path: Path) -> None:
    root = fill(tmp_path)
    with NewFiles(root) as new_files:
        Transaction(new_files).plan(write_new_files(new_files.open(), CHANGE.items(), ())).prepare()
    assert len(recover(root, lambda _: is_committed)) == 1
    assert content(root) == (AFTER if is_committed else BEFORE)
    assert not (root / JOURNAL).exists()


def test_another_run_waits_for_one_that_is_alive(tmp_path: Path) -> None:
    root = fill(tmp_path)
    with NewFiles(root) as new_files:
        files = list(write_new_files(new_files.open(), CHANGE.items(), ()))
        assert recover(root) == ()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "PATIENCE", 0.1)
            with pytest.raises(RollstepError, match="another rollstep process is changing"):
                commit(root, {"third.yaml": "third\n"})
        timer = threading.Timer(0.2, lambda: new_files.__exit__(None, None, None))
        Transaction(new_files).plan(files).commit()
        timer.start()
        commit(root, {"third.yaml": "third\n"})
        timer.join()
    assert content(root) == AFTER | {"third.yaml": "third\n"}
    assert not (root / JOURNAL).exists()


def test_a_text_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    with NewFiles(tmp_path) as new_files:
        folder = new_files.open()
        monkeypatch.setattr(module, "write_file", refuse)
        with pytest.raises(RollstepError, match="No space left"):
            list(write_new_files(folder, CHANGE.items(), ()))
    assert list(tmp_path.iterdir()) == []


def test_git_never_sees_them(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with NewFiles(tmp_path) as new_files:
        list(write_new_files(new_files.open(), CHANGE.items(), ()))
        status = ["git", "status", "--porcelain", "--untracked-files=all"]
        assert subprocess.run(status, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("verb", [("render",), ("advance", "--all", "--together")])
def test_killed_when_processes_have_written_their_files(verb: tuple[str, ...], tmp_path: Path) -> None:
    """Then nothing has changed, git sees nothing, and the next run does everything and removes the leftovers."""
    whole, killed = Checkout(tmp_path / "whole"), Checkout(tmp_path / "killed")
    words = (*verb, "--now", NOON, "--no-validate", "--jobs", "2")
    script = tmp_path / "render_and_die.py"
    script.write_text(RENDER_AND_DIE)
    before, status, files = killed.snapshot()
    command = [sys.executable, str(script), str(killed.root), *words]
    # Its processes share the pipes, which close when all of them have ended.
    died = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert died.returncode == -signal.SIGKILL
    left = list((killed.root / JOURNAL).glob("new-*"))
    assert len(left) > 10
    assert not pending(killed.root)
    after = killed.snapshot()
    assert after[:2] == (before, status)
    assert {path: text for path, text in after[2].items() if not path.startswith(JOURNAL)} == files
    whole.run(*words)
    killed.run(*words)
    assert killed.snapshot()[1:] == whole.snapshot()[1:]
    assert not (killed.root / JOURNAL).exists()
