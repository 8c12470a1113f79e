from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.git.commit import CommitResult
from renderer.git.locks import _git_is_alive
from renderer.git.objects import read_file, read_files
from renderer.git.repository import Repository
from renderer.pipeline.commit.atomic import commit_transaction, recover_repository
from renderer.pipeline.write.journal import JOURNAL, pending
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction
from tests.support.transactions import transaction

MESSAGE = "web (prod): step 2/2\n\nRollstep-App: web\n"
BEFORE = {"web/status.yaml": "step: 1\n", "web/rendered/a.yaml": "a: 1\n", "web/rendered/gone.yaml": "gone\n"}
AFTER = {"web/status.yaml": "step: 2\n", "web/rendered/a.yaml": "a: 2\n", "web/rendered/b.yaml": "b: 2\n"}

RUN = """
import json, os, signal, sys
from pathlib import Path
from renderer.git.repository import Repository
from renderer.pipeline.commit.atomic import commit_transaction
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction

root, before, after = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
name, at = sys.argv[4], int(sys.argv[5])
repository = Repository.open(root)
new_files = NewFiles(root)
transaction = Transaction(new_files)
for path in sorted(before.keys() | after.keys()):
    transaction.write(path, after[path]) if path in after else transaction.delete(path)
(root / ".git/pid").write_text(str(os.getpid()))
if name:
    real, calls = getattr(os, name), 0
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(os, name, call)
with new_files:
    commit_transaction(repository, transaction, "Step\\n\\nRollstep-App: web\\n")
"""


def git(folder: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=True).stdout


def fill(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def hook(root: Path, name: str, script: str) -> None:
    path = root / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def make(root: Path) -> Repository:
    """Return a repository with the old files, and a dirty tree elsewhere."""
    root.mkdir()
    git(root, "init", "-q")
    fill(root, {**BEFORE, "elsewhere": "old\n"})
    git(root, "add", ".")
    git(root, "commit", "-qm", "First")
    fill(root, {"elsewhere": "staged\n", "untracked": "untracked\n"})
    git(root, "add", "elsewhere")
    return Repository.open(root)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make(tmp_path / "repository")


CHANGE = {path: AFTER.get(path) for path in sorted(BEFORE.keys() | AFTER.keys())}


def commit_change(repository: Repository, *included: str, **options: Any) -> CommitResult | None:
    """Make the change of this module and commit it."""
    with NewFiles(repository.root, in_memory=options.get("dry_run", False)) as new_files:
        planned = Transaction(new_files).plan(CHANGE.items())
        for path in included:
            planned.include(path)
        return commit_transaction(repository, planned, MESSAGE, **options)


def ours(repository: Repository) -> dict[str, str]:
    files = [path for path in sorted((repository.root / "web").rglob("*")) if path.is_file()]
    return {path.relative_to(repository.root).as_posix(): path.read_text() for path in files}


def assert_unchanged(repository: Repository) -> None:
    """Assert that nothing is written, staged or committed, and that the dirty tree elsewhere is unchanged."""
    assert ours(repository) == BEFORE
    assert len(repository.log()) == 1
    assert git(repository.root, "status", "--porcelain") == "M  elsewhere\n?? untracked\n"
    assert not (repository.root / JOURNAL).exists()


def assert_committed(repository: Repository) -> None:
    assert ours(repository) == AFTER
    assert len(repository.log()) == 2
    assert {path: text.decode() for path, text in read_files(repository, "HEAD", "web").items()} == AFTER
    assert git(repository.root, "status", "--porcelain") == "M  elsewhere\n?? untracked\n"
    assert not (repository.root / JOURNAL).exists()


def run(repository: Repository, name: str = "", at: int = 0) -> int:
    """Commit in a child process that kills itself at call ``at`` of ``os.name``; return its exit status."""
    args = [str(repository.root), json.dumps(BEFORE), json.dumps(AFTER), name, str(at)]
    command = [sys.executable, "-c", RUN, *args]
    return subprocess.run(command, capture_output=True, check=False, preexec_fn=_heed_interrupts).returncode


def _heed_interrupts() -> None:
    # A shell has its jobs in the background ignore interrupts, and a child inherits that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_files_and_commit_are_made_together(repository: Repository) -> None:
    result = commit_change(repository)
    assert result is not None
    assert result.paths == tuple(sorted(BEFORE.keys() | AFTER.keys()))
    assert_committed(repository)
    assert recover_repository(repository) == ()


def test_publishing_the_same_again_is_nothing(repository: Repository) -> None:
    commit_change(repository)
    assert commit_change(repository) is None
    assert commit_change(repository, dry_run=True) is None
    assert_committed(repository)


def test_files_that_were_written_before_but_never_committed_are_in_the_commit(repository: Repository) -> None:
    with transaction(repository.root, CHANGE) as planned:
        planned.commit()
    assert commit_change(repository)
    assert_committed(repository)


def test_a_file_that_is_included_goes_into_the_commit_as_it_is(repository: Repository) -> None:
    (repository.root / "web/image").write_bytes(b"\xff\r\n\0")
    (repository.root / "web/rendered/gone.yaml").unlink()
    assert commit_change(repository, "web/image", str(repository.root / "web/rendered/gone.yaml"))
    assert read_file(repository, "HEAD", "web/image") == b"\xff\r\n\0"
    assert read_file(repository, "HEAD", "web/rendered/gone.yaml") is None
    assert not repository.dirty(["web"])


def test_a_dry_run_checks_and_writes_nothing(repository: Repository) -> None:
    result = commit_change(repository, dry_run=True)
    assert result is not None
    assert (result.sha, result.subject) == ("", "web (prod): step 2/2")
    assert result.paths == tuple(sorted(BEFORE.keys() | AFTER.keys()))
    assert_unchanged(repository)
    git(repository.root, "switch", "-q", "--detach")
    with pytest.raises(RollstepError, match="HEAD is detached"):
        commit_change(repository, dry_run=True)


@pytest.mark.parametrize("name", ["pre-commit", "commit-msg"])
def test_a_hook_that_refuses_leaves_neither_file_nor_commit(name: str, repository: Repository) -> None:
    hook(repository.root, name, "echo 'not on Friday' >&2; exit 1")
    with pytest.raises(RollstepError, match="not on Friday"):
        commit_change(repository)
    assert_unchanged(repository)


def test_what_a_refusing_hook_has_done_to_our_files_is_undone(repository: Repository) -> None:
    hook(repository.root, "pre-commit", "echo '# formatted' >> web/status.yaml; rm web/rendered/a.yaml; exit 1")
    with pytest.raises(RollstepError, match="refused the commit"):
        commit_change(repository)
    assert_unchanged(repository)


def test_a_check_sees_the_files_in_place_and_can_refuse(repository: Repository) -> None:
    seen = []

    def check() -> None:
        seen.append(ours(repository))
        raise RollstepError("does not validate")

    with pytest.raises(RollstepError, match="does not validate"):
        commit_change(repository, check=check)
    assert seen == [AFTER]
    assert_unchanged(repository)


def test_refusals_come_before_anything_is_written(repository: Repository) -> None:
    (repository.root / "web/status.yaml").chmod(0o444)
    with pytest.raises(RollstepError, match=r"web/status\.yaml: is read-only"):
        commit_change(repository)
    (repository.root / "web/status.yaml").chmod(0o644)
    hidden = repository.git_dir / "info/exclude"
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_text("b.yaml\n")
    with pytest.raises(RollstepError, match=r"web/rendered/b\.yaml: is ignored by git"):
        commit_change(repository)
    assert_unchanged(repository)


def test_a_transaction_of_another_folder_is_a_mistake(repository: Repository) -> None:
    with pytest.raises(ValueError, match="the repository is"):
        commit_transaction(repository, Transaction(NewFiles(repository.root / "web")), MESSAGE)


def test_an_interrupt_waits_for_git_to_tell_whether_there_is_a_commit(repository: Repository) -> None:
    hook(repository.root, "pre-commit", 'kill -INT "$(cat .git/pid)"; sleep 0.5; exit 1')
    assert run(repository) == -signal.SIGINT
    assert_unchanged(repository)
    hook(repository.root, "pre-commit", 'kill -INT "$(cat .git/pid)"; sleep 0.5; exit 0')
    assert run(repository) == -signal.SIGINT
    assert_committed(repository)


def test_a_ctrl_c_that_reaches_git_as_well_undoes_the_files(repository: Repository) -> None:
    hook(repository.root, "pre-commit", 'kill -INT "$(cat .git/pid)" $PPID; sleep 0.5')
    assert run(repository) == -signal.SIGINT
    assert_unchanged(repository)


def test_killed_at_any_rename_or_removal_the_next_run_has_all_or_nothing(tmp_path: Path) -> None:
    outcomes = set()
    for name, at in [
        ("replace", 1),
        ("replace", 2),
        ("replace", 4),
        ("unlink", 1),
        ("unlink", 2),
        ("unlink", 4),
        ("rmdir", 1),
    ]:
        repository = make(tmp_path / f"{name}-{at}")
        assert run(repository, name, at) == -signal.SIGKILL
        recover_repository(repository)
        outcome = len(repository.log())
        if outcome == 1:
            assert_unchanged(repository)
            commit_change(repository)
        assert_committed(repository)
        outcomes.add(outcome)
    assert outcomes == {1, 2}


def test_killed_while_a_hook_runs_that_refuses_the_next_run_puts_the_files_back(repository: Repository) -> None:
    hook(repository.root, "pre-commit", 'kill -9 "$(cat .git/pid)"; exit 1')
    assert run(repository) == -signal.SIGKILL
    wait_for_git(repository)
    assert ours(repository) == AFTER
    assert len(recover_repository(repository)) == 1
    assert_unchanged(repository)


def test_killed_while_git_goes_on_and_commits_the_next_run_keeps_the_commit(repository: Repository) -> None:
    hook(repository.root, "pre-commit", 'kill -9 "$(cat .git/pid)"; sleep 0.3; exit 0')
    assert run(repository) == -signal.SIGKILL
    with pytest.raises(RollstepError, match="git may still be at work"):
        recover_repository(repository)
    assert pending(repository.root)
    wait_for_git(repository)
    assert recover_repository(repository) == (
        "an earlier run was interrupted: its commit was made and its files are complete",
    )
    assert_committed(repository)


def test_killed_after_the_commit_the_next_run_keeps_it(repository: Repository) -> None:
    hook(repository.root, "post-commit", 'kill -9 "$(cat .git/pid)"')
    assert run(repository) == -signal.SIGKILL
    wait_for_git(repository)
    assert len(recover_repository(repository)) == 1
    assert_committed(repository)


def test_killed_together_with_git_the_lock_and_the_files_go_back(repository: Repository) -> None:
    hook(repository.root, "pre-commit", 'kill -9 "$(cat .git/pid)" $PPID')
    assert run(repository) == -signal.SIGKILL
    assert (repository.git_dir / "index.lock").exists()
    assert recover_repository(repository) == ("an earlier run was interrupted: 4 files put back as before it",)
    assert not (repository.git_dir / "index.lock").exists()
    assert_unchanged(repository)


def test_a_lock_that_is_older_than_the_interrupted_run_stays(repository: Repository) -> None:
    hook(repository.root, "pre-commit", 'kill -9 "$(cat .git/pid)" $PPID')
    assert run(repository) == -signal.SIGKILL
    lock = repository.git_dir / "index.lock"
    os.utime(lock, (1, 1))
    with pytest.raises(RollstepError, match=r"index\.lock: git may still be at work"):
        recover_repository(repository)
    assert lock.exists()
    lock.unlink()
    recover_repository(repository)
    assert_unchanged(repository)


def test_killed_between_branch_and_index_the_next_run_brings_the_index_along(repository: Repository) -> None:
    hook(repository.root, "reference-transaction", '[ "$1" = committed ] && kill -9 "$(cat .git/pid)" $PPID; exit 0')
    assert run(repository) == -signal.SIGKILL
    (repository.root / ".git/hooks/reference-transaction").unlink()
    assert (repository.git_dir / "index.lock").exists()
    assert len(repository.log()) == 2
    assert repository.dirty(["web"])
    recover_repository(repository)
    assert_committed(repository)


def test_a_commit_of_somebody_else_meanwhile_is_not_taken_for_ours(repository: Repository) -> None:
    with transaction(repository.root, CHANGE) as planned:
        planned.memo = {"head": repository.head.sha, "paths": list(planned.contents)}
        planned.prepare()
        planned.apply()
    git(repository.root, "commit", "-q", "--only", "-m", "Theirs", "--", "elsewhere")
    assert recover_repository(repository) == ("an earlier run was interrupted: 4 files put back as before it",)
    assert ours(repository) == BEFORE
    assert not repository.dirty(["web"])


def wait_for_git(repository: Repository) -> None:
    """Wait until the git that its killed parent has left behind is done."""
    until = time.monotonic() + 30
    while _git_is_alive(repository):
        assert time.monotonic() < until, "git has not ended within 30 seconds"
        time.sleep(0.02)
