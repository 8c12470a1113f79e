from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.pipeline.load.marker import digest
from renderer.pipeline.write import journal, new_files
from renderer.pipeline.write.journal import JOURNAL, Entry, Journal, acquire, pending, recover
from renderer.pipeline.write.new_files import NewFiles, write_new_files
from renderer.pipeline.write.transaction import Transaction
from tests.support.transactions import transaction

BEFORE = {"app/status.yaml": "step: 1\n", "app/rendered/a.yaml": "old a\n", "app/rendered/gone.yaml": "gone\n"}
AFTER = {"app/status.yaml": "step: 2\n", "app/rendered/a.yaml": "new a\n", "app/rendered/sub/b.yaml": "new b\n"}
SYSTEM_CALLS = ("mkdir", "open", "write", "fchmod", "fsync", "link", "replace", "unlink", "rmdir", "listdir")

KILL_SWEEP = """
import json, os, shutil, signal, sys
from pathlib import Path
from renderer.pipeline.write.new_files import NewFiles, write_new_files
from renderer.pipeline.write.journal import JOURNAL, recover
from renderer.pipeline.write.transaction import Transaction

root, before, after, calls, elsewhere = Path(sys.argv[1]), *map(json.loads, sys.argv[2:6])

def content():
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and JOURNAL not in path.parts]
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}

def work(point):
    count = 0
    def wrap(real):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)
        return call
    for name in calls:
        setattr(os, name, wrap(getattr(os, name)))
    with NewFiles(root) as new_files:
        transaction = Transaction(new_files)
        planned = [(path, after.get(path)) for path in sorted(before.keys() | after.keys())]
        transaction.plan(write_new_files(new_files.open(), planned, ()) if elsewhere else planned)
        transaction.commit()

point, done = 0, False
while not done:
    point += 1
    shutil.rmtree(root)
    for path, text in before.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    child = os.fork()
    if not child:
        work(point)
        os._exit(0)
    done = os.waitpid(child, 0)[1] == 0
    torn = content()
    notes = recover(root)
    print(json.dumps({"torn": torn, "notes": notes, "content": content(), "left": (root / JOURNAL).exists()}))
"""


def fill(root: Path) -> Path:
    for path, text in BEFORE.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def content(root: Path) -> dict[str, str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and JOURNAL not in path.parts]
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}


CHANGE = {path: AFTER.get(path) for path in sorted(BEFORE.keys() | AFTER.keys())}


def commit(root: Path, changes: Mapping[str, str | None] = CHANGE) -> tuple[Entry, ...]:
    with transaction(root, changes) as planned:
        return planned.commit()


def commit_from_elsewhere(root: Path) -> None:
    """Make the same change with files that another process has written."""
    with NewFiles(root) as new_files:
        Transaction(new_files).plan(write_new_files(new_files.open(), CHANGE.items(), ())).commit()


def test_commit_changes_every_file_and_leaves_no_journal(tmp_path: Path) -> None:
    changed = commit(fill(tmp_path))
    assert content(tmp_path) == AFTER
    assert not (tmp_path / JOURNAL).exists()
    assert sorted(entry.path for entry in changed) == sorted(BEFORE.keys() | AFTER.keys())


def test_files_that_hold_the_content_already_are_not_touched(tmp_path: Path) -> None:
    fill(tmp_path)
    before = (tmp_path / "app/status.yaml").stat()
    assert commit(tmp_path, {"app/status.yaml": BEFORE["app/status.yaml"], "app/never.yaml": None}) == ()
    after = (tmp_path / "app/status.yaml").stat()
    # Reading it may change its access time.
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


def test_modes_stay_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "app/status.yaml").chmod(0o640)
    old = os.umask(0o027)
    try:
        commit(tmp_path)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "app/status.yaml").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "app/rendered/sub/b.yaml").stat().st_mode) == 0o640


@pytest.mark.parametrize("links", [True, False])
def test_old_files_are_preserved_with_and_without_hard_links(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, _: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), source)

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    root = fill(tmp_path / "repo")
    (root / "app/status.yaml").chmod(0o640)
    before = (root / "app/status.yaml").stat().st_ino
    with transaction(root, CHANGE) as planned:
        planned.prepare()
        planned.apply()
        assert content(root) == AFTER
        planned.rollback()
    assert content(root) == BEFORE
    assert not (root / JOURNAL).exists()
    assert ((root / "app/status.yaml").stat().st_ino == before) is links
    assert stat.S_IMODE((root / "app/status.yaml").stat().st_mode) == 0o640


def test_a_file_that_another_process_removes_meanwhile_counts_as_deleted(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("old\n")
    with transaction(tmp_path, {"old.yaml": None, "new.yaml": "new\n"}) as planned:
        planned.prepare()
        (tmp_path / "old.yaml").unlink()
        planned.apply()
        planned.finish()
    assert content(tmp_path) == {"new.yaml": "new\n"}


def test_the_same_file_under_two_paths_is_refused_where_contents_differ(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "link").symlink_to("app")
    with transaction(tmp_path, {"app/status.yaml": "x", "link/status.yaml": "x"}) as planned:
        planned.check()
    with pytest.raises(RollstepError, match="two different contents"):
        commit(tmp_path, {"app/status.yaml": "x", "link/status.yaml": "y"})
    assert content(tmp_path)["app/status.yaml"] == "step: 1\n"


def outside(root: Path) -> str:
    (root / "app/rendered/sub").symlink_to(root.parent)
    return "app/rendered/sub/b.yaml: leads outside"


def outside_as_the_file_itself(root: Path) -> str:
    (root / "app/status.yaml").unlink()
    (root / "app/status.yaml").symlink_to(root.parent / "elsewhere")
    return "app/status.yaml: leads outside"


def circle(root: Path) -> str:
    (root / "app/status.yaml").unlink()
    (root / "app/status.yaml").symlink_to("status.yaml")
    return "app/status.yaml: leads outside|app/status.yaml: is not a regular file"


def link_to_delete(root: Path) -> str:
    (root / "app/rendered/gone.yaml").unlink()
    (root / "app/rendered/gone.yaml").symlink_to("a.yaml")
    return "app/rendered/gone.yaml: is not a regular file"


def folder_in_the_way(root: Path) -> str:
    (root / "app/rendered/sub/b.yaml").mkdir(parents=True)
    return "app/rendered/sub/b.yaml: is a folder"


def file_in_the_way(root: Path) -> str:
    (root / "app/rendered/sub").write_text("")
    return "app/rendered/sub: is a file, but a folder is needed here"


def read_only(root: Path) -> str:
    (root / "app/rendered/a.yaml").chmod(0o444)
    return "app/rendered/a.yaml: is read-only"


def pipe(root: Path) -> str:
    os.mkfifo(root / "app/rendered/sub.yaml")
    (root / "app/status.yaml").unlink()
    os.mkfifo(root / "app/status.yaml")
    return "app/status.yaml: is not a regular file"


@pytest.mark.parametrize(
    "obstacle",
    [
        outside,
        outside_as_the_file_itself,
        circle,
        link_to_delete,
        folder_in_the_way,
        file_in_the_way,
        read_only,
        pipe,
    ],
)
def test_an_obstacle_is_refused_with_its_path_and_nothing_changes(
    obstacle: Callable[[Path], str], tmp_path: Path
) -> None:
    root = fill(tmp_path / "root")
    expected = obstacle(root)
    before = sorted((path, path.lstat()) for path in tmp_path.rglob("*"))
    with pytest.raises(RollstepError, match=expected):
        commit(root)
    # Reading a folder moves no time stamp that matters here.  The root itself had the journal's folder for a moment.
    seen = sorted((path, path.lstat()) for path in tmp_path.rglob("*"))
    assert [(path, s.st_mode, s.st_size, path == root or s.st_mtime_ns) for path, s in seen] == [
        (path, s.st_mode, s.st_size, path == root or s.st_mtime_ns) for path, s in before
    ]


def test_every_obstacle_is_reported_at_once(tmp_path: Path) -> None:
    fill(tmp_path)
    read_only(tmp_path)
    outside(tmp_path)
    with pytest.raises(RollstepError) as caught, transaction(tmp_path, CHANGE) as planned:
        planned.check()
    assert len(caught.value.findings) == 2


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "app/.GIT/config", f"{JOURNAL}/lock"])
def test_files_of_git_or_of_the_journal_are_never_written(path: str, tmp_path: Path) -> None:
    with pytest.raises(RollstepError, match="in a folder of git or of rollstep"):
        commit(tmp_path, {path: "x"})
    assert list(tmp_path.iterdir()) == []


def test_a_link_within_the_root_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "link").symlink_to("app/status.yaml")
    entries = commit(tmp_path, {"link": "step: 9\n"})
    assert [entry.path for entry in entries] == ["app/status.yaml"]
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "app/status.yaml").read_text() == "step: 9\n"


class Failing:
    """Counts system calls, and makes one of them, or all from one on, fail as on a full disk."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, *, persistent: bool = False) -> None:
        self.count, self.at, self.persistent = 0, at, persistent
        for name in SYSTEM_CALLS:
            patch.setattr(os, name, self.wrap(getattr(os, name)))

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.at or (self.persistent and self.count > self.at):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))
            return real(*args, **kwargs)

        return call


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("make", [commit, commit_from_elsewhere])
def test_wherever_a_system_call_fails_all_files_are_old_or_all_are_new(
    tmp_path: Path, persistent: bool, make: Callable[[Path], object]
) -> None:
    outcomes = []
    for at in range(1, 1000):
        root = fill(tmp_path / str(at))
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, at, persistent=persistent)
            try:
                make(root)
                message = ""
            except RollstepError as error:
                message = str(error)
        if failing.count < at:
            break
        failed = bool(message)
        assert not failed or "No space left" in message
        if pending(root):
            # The full disk also made the rollback fail; the next run can do it.
            assert persistent
            assert recover(root)
        assert content(root) == (BEFORE if failed else AFTER)
        assert failed or not pending(root)
        outcomes.append(failed)
        commit(root)
        assert content(root) == AFTER
        assert not (root / JOURNAL).exists()
    assert outcomes.count(True) > 20
    assert False in outcomes, "clearing the journal away may fail without harm"


@pytest.mark.parametrize("can", [True, False])
def test_many_files_go_to_the_disk_in_one_go_where_the_kernel_can(
    can: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    whole, one = journal._sync_file_system, os.fsync

    def sync_all(folder: Path) -> bool:
        asked.append("all")
        # At this point the journal has no index yet, so nothing relies on its files.
        assert asked != ["all"] or not pending(tmp_path)
        return can and whole(folder)

    def sync_one(descriptor: int) -> None:
        asked.append("one")
        one(descriptor)

    monkeypatch.setattr(journal, "_sync_file_system", sync_all)
    monkeypatch.setattr(os, "fsync", sync_one)
    commit(tmp_path, {f"app-{number}/a.yaml": f"{number}\n" for number in range(100)})
    assert [(tmp_path / f"app-{number}" / "a.yaml").read_text() for number in range(100)] == [
        f"{number}\n" for number in range(100)
    ]
    assert asked.count("all") == 2
    assert asked.count("one") == 1 if can and sys.platform == "linux" else asked.count("one") > 200


def test_a_file_system_that_cannot_be_written_out_leaves_all_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))

    monkeypatch.setattr(journal, "_sync_file_system", fail)
    fill(tmp_path)
    with pytest.raises(RollstepError, match="Input/output error"):
        commit(tmp_path, {f"app-{number}/a.yaml": f"{number}\n" for number in range(100)})
    assert content(tmp_path) == BEFORE
    assert not (tmp_path / JOURNAL).exists()


def test_an_interrupt_between_two_renames_puts_the_old_files_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    real, calls = os.replace, []

    def replace(source: Any, target: Any) -> None:
        calls.append(target)
        if str(target).endswith("status.yaml") and "interrupted" not in calls:
            calls.append("interrupted")
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        commit(tmp_path)
    assert content(tmp_path) == BEFORE
    assert not (tmp_path / JOURNAL).exists()


def test_an_interrupt_when_the_index_is_gone_leaves_the_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of the old files are already removed, so nothing can be undone."""
    fill(tmp_path)
    real, calls = os.unlink, []

    def unlink(path: Any) -> None:
        calls.append(path)
        if str(path).endswith("old-1") and calls.count(path) == 1:
            raise KeyboardInterrupt
        real(path)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(KeyboardInterrupt):
        commit(tmp_path)
    assert content(tmp_path) == AFTER
    monkeypatch.undo()
    assert recover(tmp_path) == ()
    assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_killed_at_any_point_the_next_run_has_all_old_or_all_new_files(elsewhere: bool, tmp_path: Path) -> None:
    args = [str(fill(tmp_path / "root")), *map(json.dumps, (BEFORE, AFTER, SYSTEM_CALLS, elsewhere))]
    sweep = subprocess.run([sys.executable, "-c", KILL_SWEEP, *args], capture_output=True, text=True, check=True)
    runs = [json.loads(line) for line in sweep.stdout.splitlines()]
    assert all(run["content"] in (BEFORE, AFTER) for run in runs)
    assert not any(run["left"] for run in runs)
    # The sweep must have met partial changes and both complete states.
    assert any(run["torn"] not in (BEFORE, AFTER) for run in runs)
    assert all(run["content"] == BEFORE and run["notes"] for run in runs if run["torn"] not in (BEFORE, AFTER))
    assert runs[0]["content"] == BEFORE
    assert runs[-1]["content"] == AFTER
    assert runs[-1]["notes"] == []


def test_a_real_file_size_limit_changes_nothing(tmp_path: Path) -> None:
    root = fill(tmp_path / "root")
    script = """
import resource, sys
from pathlib import Path
from renderer.errors import RollstepError
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    with NewFiles(Path(sys.argv[1])) as new_files:
        Transaction(new_files).write("app/status.yaml", "small").write("app/rendered/a.yaml", "x" * 9000).commit()
except RollstepError as error:
    sys.exit(str(error))
"""
    done = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert content(root) == BEFORE
    assert not (root / JOURNAL).exists()


def interrupted(root: Path) -> Journal:
    """Leave the state after a kill between two renames."""
    with transaction(root, CHANGE) as planned:
        planned.prepare()
        journal = planned._prepared()
        os.replace(journal.new_file(0), root / journal.entries[0].path)
    return journal


def test_recovery_goes_back_or_forward_as_git_says(tmp_path: Path) -> None:
    for committed, expected in ((False, BEFORE), (True, AFTER)):
        root = fill(tmp_path / str(committed))
        interrupted(root)
        assert pending(root)
        with pytest.raises(RollstepError, match="has to be recovered first"):
            commit(root)
        asked: list[Journal] = []

        def is_committed(journal: Journal, asked: list[Journal] = asked, committed: bool = committed) -> bool:
            asked.append(journal)
            return committed

        assert len(recover(root, is_committed)) == 1
        assert [entry.path for entry in asked[0].entries] == sorted(BEFORE.keys() | AFTER.keys())
        assert content(root) == expected
        assert recover(root) == ()
        assert not (root / JOURNAL).exists()


def test_recovery_never_overwrites_a_file_edited_meanwhile(tmp_path: Path) -> None:
    root = fill(tmp_path)
    interrupted(root)
    (root / "app/status.yaml").write_text("step: by hand\n")
    before = content(root)
    with pytest.raises(RollstepError, match=r"app/status\.yaml: has been edited since a run was interrupted"):
        recover(root)
    assert content(root) == before
    assert pending(root)


def test_a_journal_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    root = fill(tmp_path)
    interrupted(root)
    (root / JOURNAL / "journal.json").write_text("{")
    before = content(root)
    with pytest.raises(RollstepError, match="cannot be read"):
        recover(root)
    assert content(root) == before


def test_a_running_transaction_is_neither_recovered_nor_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_files, "PATIENCE", 0.1)
    root = fill(tmp_path)
    script = """
import sys, time
from pathlib import Path
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction
transaction = Transaction(NewFiles(Path(sys.argv[1]))).write("app/status.yaml", "step: 2\\n")
transaction.prepare()
transaction.apply()
print("ready", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        assert recover(root) == ()
        with pytest.raises(RollstepError, match="another rollstep process is changing files"):
            commit(root)
        assert content(root)["app/status.yaml"] == "step: 2\n"
        owner.send_signal(signal.SIGKILL)
    assert len(recover(root)) == 1
    assert content(root) == BEFORE


def test_the_lock_of_a_removed_journal_is_not_taken_for_one(tmp_path: Path) -> None:
    first = acquire(tmp_path)
    assert acquire(tmp_path) == -1
    os.close(first)
    second = acquire(tmp_path)
    assert second >= 0
    os.close(second)


def test_the_journal_is_invisible_to_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    interrupted(fill(tmp_path))
    args = ["git", "status", "--porcelain", "--untracked-files=all"]
    output = subprocess.run(args, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "app/status.yaml" in output
    assert JOURNAL not in output


STAGE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from renderer.pipeline.write.journal import Journal
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction

Journal.save = lambda journal: os.kill(os.getpid(), signal.SIGKILL)
planned = Transaction(NewFiles(Path(sys.argv[1])))
planned.write("app/status.yaml", "step: 9\\n").write("app/rendered/a.yaml", "9\\n").commit()
"""


def test_the_old_files_of_a_killed_run_are_never_written_to(tmp_path: Path) -> None:
    """Its old files are hard links to the files in place: a write to one would change the other."""
    root = fill(tmp_path / "repo")
    died = subprocess.run([sys.executable, "-c", STAGE_AND_DIE, str(root)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert (root / JOURNAL / "old-0").exists()
    assert not pending(root)
    commit(root, {"app/rendered/gone.yaml": "stays\n", "app/rendered/a.yaml": "new a\n"})
    assert content(root) == BEFORE | {"app/rendered/gone.yaml": "stays\n", "app/rendered/a.yaml": "new a\n"}
    assert not (root / JOURNAL).exists()


@pytest.mark.parametrize("moment", ["before", "while"])
def test_a_source_that_is_saved_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """An editor saves a file after the verb has read it: its text stays, and nothing else has changed."""
    for path, text in {"rollout.yaml": "image: 1\n", "rendered/a.yaml": "old\n"}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    source = tmp_path / "rollout.yaml"
    read = {str(source): digest(source.read_bytes())}

    def save() -> None:
        source.write_text("image: 1 # saved\n", encoding="utf-8")

    with NewFiles(tmp_path) as new_files:
        planned = [("rendered/a.yaml", "new\n"), ("rollout.yaml", "image: 2\n")]
        change = Transaction(new_files).plan(planned, read=read)
        if moment == "before":
            save()
        else:
            replace = os.replace

            def replaced(old: str, new: str) -> None:
                replace(old, new)
                if str(new).endswith("rendered/a.yaml"):
                    save()

            monkeypatch.setattr(os, "replace", replaced)
        with pytest.raises(RollstepError, match="was changed while the command ran"):
            change.commit()
    assert source.read_text(encoding="utf-8") == "image: 1 # saved\n"
    assert (tmp_path / "rendered/a.yaml").read_text(encoding="utf-8") == "old\n"
    assert not pending(tmp_path)
