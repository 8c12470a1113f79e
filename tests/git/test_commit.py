from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.git.commit import CommitResult, Identity, check_commit, commit_files
from renderer.git.index import stage
from renderer.git.objects import read_file, read_files
from renderer.git.repository import Repository

MESSAGE = "web (prod): step 1/2\n\n# not a comment\n ---\nbody\n\nRollstep-App: web\n"
OURS = "environments/prod/web/status.yaml"
NEW = "environments/prod/web/rendered/a.yaml"


def git(folder: Path, *args: str, check: bool = True) -> str:
    done = subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def hook(root: Path, name: str, script: str) -> None:
    path = root / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def commit(
    repository: Repository, paths: Iterable[Path | str], message: str, *, allow_detached: bool = False, **who: Any
) -> CommitResult | None:
    names = sorted(map(repository.relative, paths))
    checked = check_commit(repository, names, allow_detached=allow_detached, **who)
    return commit_files(repository, names, message, checked)


def state(root: Path) -> tuple[str, ...]:
    """Return HEAD, the index, and the differences between HEAD, index and work tree."""
    commands = (
        ["rev-parse", "HEAD"],
        ["ls-files", "--stage"],
        ["diff"],
        ["diff", "--cached"],
        ["status", "--porcelain"],
    )
    return tuple(git(root, *command, check=False) for command in commands)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a repository with one commit and, elsewhere, everything that a dirty tree can have."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    for path in (OURS, "staged", "modified", "both", "deleted", "moved", "kept/*.yaml"):
        put(root, path, "old\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "First")
    put(root, "staged", "staged\n")
    put(root, "both", "staged\n")
    put(root, "added", "added\n")
    git(root, "add", "staged", "both", "added")
    git(root, "mv", "moved", "to")
    git(root, "rm", "-q", "--cached", "deleted")
    put(root, "modified", "modified\n")
    put(root, "both", "modified\n")
    put(root, "untracked", "untracked\n")
    return Repository.open(root)


def test_only_our_files_are_committed_and_everything_else_stays_as_it_was(repository: Repository) -> None:
    root = repository.root
    before = git(root, "diff"), git(root, "diff", "--cached"), git(root, "status", "--porcelain")
    put(root, OURS, "new\n")
    put(root, NEW, "a: 1\n")
    result = commit(repository, [OURS, root / NEW], MESSAGE)
    assert result is not None
    assert result.sha == git(root, "rev-parse", "HEAD").strip()
    assert result.subject == "web (prod): step 1/2"
    assert result.paths == (NEW, OURS)
    assert git(root, "show", "--name-status", "--format=", "HEAD").splitlines() == [f"A\t{NEW}", f"M\t{OURS}"]
    assert git(root, "log", "-1", "--format=%B").rstrip("\n") == MESSAGE.rstrip("\n")
    assert (git(root, "diff"), git(root, "diff", "--cached"), git(root, "status", "--porcelain")) == before
    assert repository.log()[0].trailers == (("Rollstep-App", "web"),)


def test_a_deletion_is_committed_and_a_file_git_never_knew_is_no_error(repository: Repository) -> None:
    (repository.root / OURS).unlink()
    result = commit(repository, [OURS, "environments/never"], MESSAGE)
    assert result is not None
    assert result.paths == (OURS,)
    assert git(repository.root, "show", "--name-status", "--format=", "HEAD") == f"D\t{OURS}\n"


def test_nothing_to_commit_returns_none_and_changes_nothing(repository: Repository) -> None:
    before = state(repository.root)
    assert commit(repository, [OURS, "environments/never"], MESSAGE) is None
    assert commit(repository, [], MESSAGE) is None
    assert state(repository.root) == before


def test_files_that_are_in_head_through_gits_filters_are_not_in_the_commit(repository: Repository) -> None:
    root = repository.root
    git(root, "config", "core.autocrlf", "true")
    (root / OURS).write_bytes(b"old\r\n")
    put(root, "staged", "old\n")
    (root / "modified").unlink()
    put(root, "new", "new\n")
    result = commit(repository, [OURS, "staged", "modified", "new", "never"], MESSAGE)
    assert result is not None
    assert result.paths == ("modified", "new")
    assert git(root, "show", "--name-status", "--format=", "HEAD").splitlines() == ["D\tmodified", "A\tnew"]


def test_what_the_user_staged_in_our_file_is_replaced_by_the_work_tree(repository: Repository) -> None:
    put(repository.root, OURS, "staged\n")
    git(repository.root, "add", OURS)
    put(repository.root, OURS, "new\n")
    assert commit(repository, [OURS], MESSAGE)
    assert read_file(repository, "HEAD", OURS) == b"new\n"
    assert not repository.dirty([OURS])


def test_a_name_with_pattern_characters_means_that_file_alone(repository: Repository) -> None:
    put(repository.root, "kept/a.yaml", "untracked\n")
    put(repository.root, "kept/*.yaml", "new\n")
    put(repository.root, ":(top)odd", "new\n")
    result = commit(repository, ["kept/*.yaml", ":(top)odd"], MESSAGE)
    assert result is not None
    assert result.paths == (":(top)odd", "kept/*.yaml")
    assert read_file(repository, "HEAD", "kept/a.yaml") is None


def test_the_first_commit_of_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    put(tmp_path, OURS, "new\n")
    put(tmp_path, "staged", "staged\n")
    git(tmp_path, "add", "staged")
    repository = Repository.open(tmp_path)
    hook(tmp_path, "pre-commit", "exit 1")
    with pytest.raises(RollstepError, match="refused the commit"):
        commit(repository, [OURS], MESSAGE)
    assert git(tmp_path, "status", "--porcelain") == "A  staged\n?? environments/\n"
    (tmp_path / ".git/hooks/pre-commit").unlink()
    result = commit(repository, [OURS], MESSAGE)
    assert result is not None
    assert list(read_files(repository, "HEAD")) == [OURS]
    assert git(tmp_path, "status", "--porcelain") == "A  staged\n"


@pytest.mark.parametrize("name", ["pre-commit", "prepare-commit-msg", "commit-msg"])
def test_a_hook_that_refuses_leaves_everything_as_it_was(name: str, repository: Repository) -> None:
    hook(repository.root, name, "echo 'first line'; echo 'no \033[31mdeploys\033[0m on Friday' >&2; exit 3")
    put(repository.root, OURS, "new\n")
    put(repository.root, NEW, "a: 1\n")
    before = state(repository.root)
    with pytest.raises(RollstepError) as caught:
        commit(repository, [OURS, NEW], MESSAGE)
    (finding,) = caught.value.findings
    assert finding.message.startswith(f"a hook ({name}) refused the commit: ")
    assert "no [31mdeploys[0m on Friday" in finding.message
    assert state(repository.root) == before


def test_hooks_see_our_files_staged_and_the_users_left_out(repository: Repository) -> None:
    hook(repository.root, "pre-commit", "git diff --cached --name-only > .git/seen")
    put(repository.root, OURS, "new\n")
    put(repository.root, NEW, "a: 1\n")
    assert commit(repository, [OURS, NEW], MESSAGE)
    assert (repository.root / ".git/seen").read_text().splitlines() == [NEW, OURS]


def test_a_hook_may_add_to_the_message(repository: Repository) -> None:
    hook(repository.root, "commit-msg", 'git interpret-trailers --in-place --trailer "Change-Id: I1" "$1"')
    put(repository.root, OURS, "new\n")
    assert commit(repository, [OURS], MESSAGE)
    assert repository.log()[0].trailers == (("Rollstep-App", "web"), ("Change-Id", "I1"))


def test_hooks_elsewhere_are_honoured_and_named(repository: Repository, tmp_path: Path) -> None:
    hooks = tmp_path / "shared"
    hooks.mkdir()
    hook(repository.root, "pre-commit", "exit 1")
    (repository.root / ".git/hooks/pre-commit").rename(hooks / "pre-commit")
    git(repository.root, "config", "core.hooksPath", str(hooks))
    put(repository.root, OURS, "new\n")
    with pytest.raises(RollstepError, match=r"a hook \(pre-commit\) refused"):
        commit(repository, [OURS], MESSAGE)


def test_signing_is_gits_and_a_key_that_fails_refuses_the_commit(repository: Repository, tmp_path: Path) -> None:
    signer = tmp_path / "signer"
    signer.write_text(
        "#!/bin/sh\ncat > /dev/null\n"
        "echo '-----BEGIN PGP SIGNATURE-----'; echo; echo 'AAAA'; echo '-----END PGP SIGNATURE-----'\n"
        "echo '[GNUPG:] SIG_CREATED ' >&2\n"
    )
    signer.chmod(0o755)
    git(repository.root, "config", "commit.gpgSign", "true")
    git(repository.root, "config", "gpg.program", str(signer))
    put(repository.root, OURS, "new\n")
    assert commit(repository, [OURS], MESSAGE)
    assert "BEGIN PGP SIGNATURE" in git(repository.root, "cat-file", "commit", "HEAD")
    signer.write_text("#!/bin/sh\necho 'no key' >&2\nexit 1\n")
    put(repository.root, OURS, "newer\n")
    before = state(repository.root)
    with pytest.raises(RollstepError, match="gpg failed to sign the data"):
        commit(repository, [OURS], MESSAGE)
    assert state(repository.root) == before


def test_author_committer_and_date_are_those_asked_for(repository: Repository) -> None:
    put(repository.root, OURS, "new\n")
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    assert commit(repository, [OURS], MESSAGE, author=Identity("Ann Ö", "ann@example.com"), when=when)
    shown = git(repository.root, "log", "-1", "--format=%an <%ae> %aI%n%cn <%ce> %cI").splitlines()
    assert shown == [
        "Ann Ö <ann@example.com> 2026-01-02T03:04:05+02:00",
        "Test <test@example.com> 2026-01-02T03:04:05+02:00",
    ]
    assert repository.log()[0].date == when.astimezone(UTC)
    put(repository.root, OURS, "newer\n")
    assert commit(repository, [OURS], MESSAGE, committer=Identity("Bot", "bot@example.com"), when=when.astimezone(UTC))
    shown = git(repository.root, "log", "-1", "--format=%an %aI %cn").splitlines()
    assert shown == ["Test 2026-01-02T01:04:05+00:00 Bot"]


def test_an_unknown_committer_is_refused_and_an_author_is_enough(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    put(repository.root, OURS, "new\n")
    put(repository.root, NEW, "a: 1\n")
    before = state(repository.root)
    with pytest.raises(RollstepError, match=r"git does not know who commits \(git config user.name"):
        commit(repository, [OURS, NEW], MESSAGE)
    assert state(repository.root) == before
    assert commit(repository, [OURS, NEW], MESSAGE, author=Identity("Ann", "ann@example.com"))
    assert git(repository.root, "log", "-1", "--format=%an %cn") == "Ann Ann\n"


@pytest.mark.parametrize(
    "text", ["Ann", "<ann@example.com>", "Ann <>", "Ann ann@example.com", "Ann <a@b> x", "Ann <a@b"]
)
def test_a_malformed_author_is_refused(text: str) -> None:
    with pytest.raises(RollstepError, match="is no author"):
        Identity.parse(text)


def test_an_author_is_spelled_as_git_does() -> None:
    assert Identity.parse("Ann  Ö. <ann@example.com>") == Identity("Ann Ö.", "ann@example.com")


def test_ignored_files_are_refused_with_their_paths(repository: Repository) -> None:
    put(repository.root, ".gitignore", "rendered/\n")
    put(repository.root, NEW, "a: 1\n")
    before = state(repository.root)
    with pytest.raises(RollstepError, match=f"{NEW}: is ignored by git"):
        commit(repository, [OURS, NEW], MESSAGE)
    assert state(repository.root) == before


def test_a_detached_head_is_refused_unless_allowed(repository: Repository) -> None:
    git(repository.root, "switch", "-q", "--detach")
    put(repository.root, OURS, "new\n")
    before = state(repository.root)
    with pytest.raises(RollstepError, match="HEAD is detached"):
        commit(repository, [OURS], MESSAGE)
    assert state(repository.root) == before
    assert commit(repository, [OURS], MESSAGE, allow_detached=True)


def test_a_git_at_work_is_not_disturbed(repository: Repository) -> None:
    put(repository.root, OURS, "new\n")
    put(repository.git_dir, "index.lock", "")
    before = state(repository.root)
    with pytest.raises(RollstepError, match=r"index\.lock: another git is at work"):
        commit(repository, [OURS], MESSAGE)
    assert state(repository.root) == before
    assert (repository.git_dir / "index.lock").exists()


def test_a_message_is_never_taken_for_a_command(repository: Repository) -> None:
    put(repository.root, OURS, "new\n")
    message = "$(touch hacked) `touch hacked`; touch hacked\n\n--amend\n"
    assert commit(repository, [OURS], message)
    assert not (repository.root / "hacked").exists()
    assert git(repository.root, "log", "-1", "--format=%B").strip() == message.strip()
    assert len(repository.log()) == 2


def test_somebody_elses_commit_meanwhile_stays(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    put(repository.root, OURS, "new\n")
    before = git(repository.root, "ls-files", "--stage")

    def commit_theirs(of: Repository, paths: Sequence[str]) -> None:
        theirs = git(repository.root, "commit-tree", "-p", "HEAD", "-m", "Theirs", "HEAD^{tree}").strip()
        git(repository.root, "update-ref", "HEAD", theirs)
        stage(of, paths)

    monkeypatch.setattr("renderer.git.commit.stage", commit_theirs)
    with pytest.raises(RollstepError, match="somebody else has committed"):
        commit(repository, [OURS], MESSAGE)
    assert [found.subject for found in repository.log()] == ["Theirs", "First"]
    assert git(repository.root, "ls-files", "--stage") == before
    assert not [path for path in repository.git_dir.iterdir() if "lock" in path.name or "rollstep" in path.name]


def test_a_file_that_the_index_says_not_to_look_at_is_committed(repository: Repository) -> None:
    git(repository.root, "update-index", "--assume-unchanged", OURS)
    put(repository.root, OURS, "new\n")
    result = commit(repository, [OURS], MESSAGE)
    assert result is not None
    assert read_file(repository, "HEAD", OURS) == b"new\n"
    assert git(repository.root, "show", "--name-only", "--format=", "HEAD").split() == [OURS]


@pytest.mark.parametrize("hooked", [False, True])
def test_a_file_that_is_staged_where_a_folder_was_stays_so(repository: Repository, hooked: bool) -> None:
    root = repository.root
    if hooked:
        hook(root, "post-commit", "true")
    git(root, "rm", "-q", "--cached", "kept/*.yaml")
    (root / "kept/*.yaml").unlink()
    (root / "kept").rmdir()
    put(root, "kept", "a file\n")
    git(root, "add", "kept")
    staged = git(root, "diff", "--cached", "--raw")
    put(root, OURS, "new\n")
    assert commit(repository, [OURS], MESSAGE)
    assert git(root, "show", "--name-only", "--format=", "HEAD").split() == [OURS]
    assert git(root, "diff", "--cached", "--raw") == staged
    assert git(root, "fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize(("old", "new"), [("modified", "modified/a.yaml"), ("kept/*.yaml", "kept")])
def test_our_file_replaces_a_folder_and_our_folder_a_file(repository: Repository, old: str, new: str) -> None:
    root = repository.root
    before = git(root, "diff", "--cached", "--raw")
    (root / old).unlink()
    if old.startswith(new):
        (root / new).rmdir()
    put(root, new, "new\n")
    assert commit(repository, [new], MESSAGE)
    changes = git(root, "show", "--name-status", "--no-renames", "--format=", "HEAD").splitlines()
    assert sorted(changes) == [f"A\t{new}", f"D\t{old}"]
    assert git(root, "diff", "--cached", "--raw") == before


def test_the_reflog_tells_of_the_commit_as_gits_own_does(repository: Repository) -> None:
    put(repository.root, OURS, "new\n")
    assert commit(repository, [OURS], MESSAGE)
    assert git(repository.root, "reflog", "-1", "--format=%gs").strip() == "commit: web (prod): step 1/2"


@pytest.mark.parametrize(("autocrlf", "packs"), [("false", "1"), ("input", "0")])
def test_the_files_of_a_fleet_go_into_one_pack_as_git_add_would_have_them(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, autocrlf: str, packs: str
) -> None:
    """A blob that git converts is stored as a loose object."""
    monkeypatch.setattr("renderer.git.index.WORTH_A_PACK", 10)
    root = repository.root
    git(root, "config", "core.autocrlf", autocrlf)
    git(root, "config", "filter.upper.clean", "tr a-z A-Z")
    put(root, ".gitattributes", "*.up filter=upper\n")
    paths = [f"fleet/{number}.yaml" for number in range(20)]
    for number, path in enumerate(paths):
        put(root, path, f"number: {number}\r\n")
    put(root, "fleet/script.sh", "plain\n")
    (root / "fleet/script.sh").chmod(0o755)
    put(root, "fleet/loud.up", "loud\n")
    put(root, "fleet/empty", "")
    paths += ["fleet/script.sh", "fleet/loud.up", "fleet/empty", OURS]
    put(root, OURS, "new\n")
    made = commit(repository, paths, MESSAGE)
    assert made is not None
    assert made.paths == tuple(sorted(paths))
    ours = {line.split("\t")[1]: line.split("\t")[0] for line in git(root, "ls-tree", "-r", "HEAD").splitlines()}
    git(root, "read-tree", "HEAD~1")
    git(root, "add", "--", *paths)
    added = {line.split("\t")[1]: line for line in git(root, "ls-files", "--stage").splitlines()}
    for path in paths:
        mode, _, sha = ours[path].split()
        assert added[path].startswith(f"{mode} {sha} ")
    assert git(root, "show", "HEAD:fleet/loud.up") == "LOUD\n"
    assert git(root, "count-objects", "-v").split("packs: ")[1].startswith(packs)
    assert git(root, "fsck", "--strict", "--no-dangling") == ""
