from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from renderer.errors import RollstepError
from renderer.git.commit import check_can_commit, ignored
from renderer.git.index import untracked
from renderer.git.objects import read_file, read_files
from renderer.git.process import plain
from renderer.git.repository import Head, Repository


def git(folder: Path, *args: str, check: bool = True) -> str:
    done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def put(root: Path, path: str, text: str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, newline="")
    return root / path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


@pytest.fixture
def first(root: Path) -> Repository:
    """Return a repository with one commit."""
    put(root, "environments/prod/web/status.yaml", "step: 1\n")
    put(root, "environments/prod/web/rendered/a.yaml", "a: 1\n")
    put(root, "README.md", "read me\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "First")
    return Repository.open(root)


def conflict(root: Path) -> None:
    """Make two branches that cannot be merged, and leave HEAD on main."""
    git(root, "switch", "-qc", "other")
    put(root, "README.md", "theirs\n")
    git(root, "commit", "-qam", "Theirs")
    git(root, "switch", "-q", "main")
    put(root, "README.md", "ours\n")
    git(root, "commit", "-qam", "Ours")


def test_a_repository_is_found_from_any_place_in_it(first: Repository) -> None:
    for start in (".", "environments/prod/web", "environments/prod/web/status.yaml", "environments/new/app/file.yaml"):
        assert Repository.open(first.root / start).root == first.root


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RollstepError, match=r"is in no git repository \(git init\)"):
        Repository.open(tmp_path)


def test_a_bare_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare")
    with pytest.raises(RollstepError, match="is in a bare git repository"):
        Repository.open(tmp_path)


def test_a_bare_repository_that_is_named_is_read_where_git_trusts_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "bare.git")
    bare = tmp_path / "bare.git"
    for name, value in {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.bareRepository",
        "GIT_CONFIG_VALUE_0": "explicit",
        "GIT_DIR": str(bare),
    }.items():
        monkeypatch.setenv(name, value)
    assert Repository.open(bare, allow_bare=True).head == Head(None, "main")


def test_a_path_with_a_line_break_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "line\nbreak")
    with pytest.raises(RollstepError, match="line break"):
        Repository.open(tmp_path / "line\nbreak")


def test_a_linked_worktree_is_a_repository_of_its_own(first: Repository, tmp_path: Path) -> None:
    git(first.root, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Repository.open(tmp_path / "side" / "environments")
    assert side.root == (tmp_path / "side").resolve()
    assert side.head.branch == "side"
    check_can_commit(side)


def test_head_is_unborn_on_a_branch_or_detached(first: Repository, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk", "empty")
    unborn = Repository.open(tmp_path / "empty")
    assert unborn.head == Head(None, "trunk")
    assert unborn.log() == ()
    assert read_files(unborn, "HEAD") == {}
    check_can_commit(unborn)
    sha = git(first.root, "rev-parse", "HEAD")
    assert first.head == Head(sha, "main")
    git(first.root, "switch", "-q", "--detach")
    assert first.head == Head(sha, None)


def test_a_detached_head_is_refused_unless_allowed(first: Repository) -> None:
    git(first.root, "switch", "-q", "--detach")
    with pytest.raises(RollstepError, match=r"HEAD is detached.*--allow-detached"):
        check_can_commit(first)
    check_can_commit(first, allow_detached=True)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["merge", "other"], "a merge is in progress"),
        (["rebase", "other"], "a rebase is in progress"),
        (["rebase", "--apply", "other"], "a rebase or git am is in progress"),
        (["cherry-pick", "other"], "a cherry-pick is in progress"),
        (["revert", "--no-edit", "HEAD~1"], "a revert is in progress"),
        (["bisect", "start"], "a bisect is in progress"),
    ],
)
def test_an_operation_in_progress_is_named(command: list[str], named: str, first: Repository) -> None:
    put(first.root, "README.md", "second\n")
    git(first.root, "commit", "-qam", "Second")
    conflict(first.root)
    check_can_commit(first)
    git(first.root, *command, check=False)
    with pytest.raises(RollstepError, match=named):
        check_can_commit(first, allow_detached=True)


def test_unresolved_conflicts_and_a_git_at_work_are_refused(first: Repository) -> None:
    conflict(first.root)
    git(first.root, "merge", "other", check=False)
    (first.git_dir / "MERGE_HEAD").unlink()
    put(first.git_dir, "index.lock", "")
    with pytest.raises(RollstepError) as caught:
        check_can_commit(first)
    messages = [finding.message for finding in caught.value.findings]
    assert messages == ["another git is at work", "has an unresolved conflict"]


def test_files_of_a_commit_are_read_byte_for_byte(first: Repository) -> None:
    odd = ["with space.yaml", "ümlaut.yaml", "*.yaml", "[a].yaml", "tab\t.yaml", ":(top)x", "empty"]
    contents = {f"odd/{name}": f"{name}\r\n\0\n".encode() if name != "empty" else b"" for name in odd}
    for path, content in contents.items():
        (first.root / "odd").mkdir(exist_ok=True)
        (first.root / path).write_bytes(content)
    git(first.root, "add", ".")
    git(first.root, "commit", "-qm", "Odd")
    assert read_files(first, "HEAD", "odd") == contents
    assert list(read_files(first, "HEAD", first.root / "odd")) == sorted(contents)
    assert read_file(first, "main", "odd/*.yaml") == b"*.yaml\r\n\0\n"
    assert read_file(first, "main", "odd/:(top)x") == b":(top)x\r\n\0\n"
    assert read_file(first, "HEAD~1", "odd/*.yaml") is None
    assert tuple(read_files(first, "HEAD~1")) == (
        "README.md",
        "environments/prod/web/rendered/a.yaml",
        "environments/prod/web/status.yaml",
    )


@pytest.mark.parametrize("ref", ["nothing", "--output=x", "HEAD:README.md", "", "HEAD~9"])
def test_an_unknown_ref_is_refused(ref: str, first: Repository) -> None:
    with pytest.raises(RollstepError, match="names no commit"):
        read_file(first, ref, "README.md")


def test_a_path_outside_the_repository_is_refused(first: Repository, tmp_path: Path) -> None:
    with pytest.raises(RollstepError, match="is outside the repository"):
        first.relative(tmp_path / "elsewhere")
    with pytest.raises(RollstepError, match="is outside the repository"):
        read_file(first, "HEAD", "../elsewhere")


def test_the_log_has_dates_and_trailers_and_only_what_touches_the_path(first: Repository) -> None:
    put(first.root, "README.md", "second\n")
    message = (
        "Second: ünïcode\n\nNot-A: trailer\n\nbody\n\nRollstep-App: web\nRollstep-Step: 1/2\nSigned-off-by: A <a@b>\n"
    )
    environment = {"GIT_COMMITTER_DATE": "2026-01-02T03:04:05+02:00", "GIT_AUTHOR_NAME": "Ann"}
    first.run("commit", "-aq", "-F", "-", stdin=message.encode(), env=environment)
    git(first.root, "config", "log.showSignature", "true")
    newest, oldest = first.log()
    assert newest.subject == "Second: ünïcode"
    assert (newest.author_name, newest.author_email) == ("Ann", "test@example.com")
    assert newest.date == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert newest.trailers == (
        ("Rollstep-App", "web"),
        ("Rollstep-Step", "1/2"),
        ("Signed-off-by", "A <a@b>"),
    )
    assert oldest.trailers == ()
    assert first.log("environments") == (oldest,)
    assert first.log(max_count=1) == (newest,)
    assert first.log("nowhere") == ()
    assert first.log(ref="HEAD~1") == (oldest,)


def test_dirty_tells_staged_modified_deleted_and_untracked_files(first: Repository) -> None:
    assert not first.dirty()
    put(first.root, ".gitignore", "ignored\n")
    git(first.root, "add", ".gitignore")
    put(first.root, "ignored", "")
    put(first.root, "new/file", "")
    put(first.root, "README.md", "changed\n")
    (first.root / "environments/prod/web/status.yaml").unlink()
    assert first.dirty() == (".gitignore", "README.md", "environments/prod/web/status.yaml", "new/file")
    assert first.dirty(["environments"]) == ("environments/prod/web/status.yaml",)
    assert first.dirty(["environments/prod/web"])
    assert not first.dirty(["environments/prod/web/rendered", "*"])


def test_ignored_and_untracked(first: Repository) -> None:
    put(first.root, ".gitignore", "rendered/\n*.tmp\n")
    paths = ["environments/prod/web/rendered/a.yaml", "environments/prod/web/rendered/b.yaml", "x.tmp", "y"]
    assert ignored(first, paths) == ("environments/prod/web/rendered/b.yaml", "x.tmp")
    assert untracked(first, paths) == ("environments/prod/web/rendered/b.yaml", "x.tmp", "y")
    assert ignored(first, []) == ()
    assert untracked(first, []) == ()


def test_the_environment_of_another_repositorys_hook_does_not_lead_astray(
    first: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "-b", "wrong", "other")
    other = tmp_path / "other"
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    repository = Repository.open(first.root)
    assert repository.root == first.root
    assert repository.head.branch == "main"
    assert not repository.dirty()
    assert read_files(repository, "HEAD") == read_files(first, "HEAD") != {}


def test_gits_own_words_reach_the_user_without_control_characters(first: Repository) -> None:
    with pytest.raises(RollstepError, match="git nonsense failed: git: 'nonsense' is not a git command"):
        first.run("nonsense")
    assert plain("\x1b[31mred\x1b[0m\r\nnext\tline\u202e\n\n") == "[31mred[0m\nnext    line"
    assert plain("\n".join(map(str, range(100))), limit=2) == "98\n99"


def test_a_missing_git_is_an_error(first: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RollstepError, match="git is not installed"):
        first.dirty()
    script = """
import sys
from pathlib import Path
from renderer.errors import RollstepError
from renderer.git.repository import Repository
try:
    Repository.open(Path(sys.argv[1]))
except RollstepError as error:
    sys.exit(str(error))
"""
    opened = subprocess.run(
        [sys.executable, "-c", script, str(first.root)], capture_output=True, text=True, check=False
    )
    assert opened.stderr.startswith("git is not installed")


def test_a_repository_of_somebody_else_is_refused_in_gits_words(
    first: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for question in (
        first.dirty,
        lambda: first.head,
        lambda: read_file(first, "HEAD", "README.md"),
        lambda: check_can_commit(first),
    ):
        with pytest.raises(RollstepError, match="dubious ownership"):
            question()


def test_a_moved_file_is_found_where_it_was(first: Repository) -> None:
    root = first.root
    put(root, "environments/dev/web/status.yaml", "step: 1\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "The same status in another environment")
    git(root, "mv", "environments/dev", "environments/test")
    git(root, "mv", "environments/prod", "environments/production")
    git(root, "commit", "-qm", "Move both")
    head = str(first.head.sha)
    assert first.moved_from(head, "environments/production/web/status.yaml").startswith("environments/")
    assert (
        first.moved_from(head, "environments/production/web/rendered/a.yaml") == "environments/prod/web/rendered/a.yaml"
    )
    git(root, "mv", "environments/production/web", "environments/production/shop")
    git(root, "rm", "-q", "environments/test/web/status.yaml")
    git(root, "commit", "-qm", "Move one, remove another")
    head = str(first.head.sha)
    moved = "environments/production/shop/status.yaml"
    assert first.moved_from(head, moved) == "environments/production/web/status.yaml"
    put(root, moved, "step: 2\n")
    git(root, "commit", "-qam", "Edit it")
    assert first.moved_from(str(first.head.sha), moved) == ""
    assert first.moved_from(first.resolve("HEAD~4"), "README.md") == ""
