"""Commits of our own files and nothing else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import PurePosixPath

from msgspec import Struct

from renderer.errors import Finding, RollstepError, one_line
from renderer.git.hook import OWN_COMMIT
from renderer.git.index import another_git, locked_index, stage, staged, untracked, without
from renderer.git.objects import SUBMODULE
from renderer.git.process import Output
from renderer.git.repository import MANY, Head, Repository, split

OPERATIONS = (
    ("rebase-merge", "a rebase", "git rebase --continue or --abort"),
    ("rebase-apply", "a rebase or git am", "git rebase --continue or --abort, or git am --abort"),
    ("MERGE_HEAD", "a merge", "git commit or git merge --abort"),
    ("CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --continue or --abort"),
    ("REVERT_HEAD", "a revert", "git revert --continue or --abort"),
    ("BISECT_LOG", "a bisect", "git bisect reset"),
)
"""The file of an operation in git's folder (git 2.39, ``wt-status.c``), its name, and the commands that end it."""

REFUSING_HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg")
"""The hooks of `git commit` that can refuse a commit."""


class Identity(Struct, frozen=True):
    """The author or committer of a commit."""

    name: str
    email: str

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Return the identity in git's spelling ``Name <mail@example.com>``; raise RollstepError for other texts."""
        name, opened, rest = text.partition("<")
        email, closed, after = rest.partition(">")
        if not (name.strip() and opened and email.strip() and closed) or after.strip():
            raise RollstepError(f"{text!r} is no author", hint="write it as `Name <mail@example.com>`")
        return cls(one_line(name), one_line(email))


class CheckedCommit(Struct, frozen=True):
    """The parent of the new commit (None: the first one), and git's variables for its people and dates."""

    head: str | None
    environment: Mapping[str, str]


class CommitResult(Struct, frozen=True):
    """A new commit: its full hash, its subject and its files.  A dry run's has no hash."""

    sha: str
    subject: str
    paths: tuple[str, ...]

    def text(self) -> str:
        """Return the commit on one line, in git's format."""
        return (f"[{self.sha[:9]}] " if self.sha else "[dry run] ") + self.subject


def check_commit(
    repository: Repository,
    paths: Sequence[str],
    *,
    author: Identity | None = None,
    committer: Identity | None = None,
    when: datetime | None = None,
    allow_detached: bool = False,
) -> CheckedCommit:
    """Check that git can commit ``paths``, and return what the commit needs.

    ``author`` and ``committer`` default to git's configuration (an unknown committer to the author), ``when`` to the
    time of the commit.  Raises RollstepError if HEAD is detached, an operation is in progress, git knows no committer,
    or a path is ignored or in a submodule.
    """
    nameless = [role for role, who in (("AUTHOR", author), ("COMMITTER", committer)) if who is None]
    with ExitStack() as ends:
        # These questions do not depend on each other, so the gits run at once.
        # Without useConfigOnly git makes up an address from the login and the host's name.
        ident = ("-c", "user.useConfigOnly=true", "var")
        known = {
            role: ends.enter_context(repository.start(*ident, f"GIT_{role}_IDENT", check=False)) for role in nameless
        }
        head = check_can_commit(repository, allow_detached=allow_detached)
        check_submodules(repository, head.sha, paths)
        if names := ignored(repository, paths):
            hint = "take it out of .gitignore, or choose another folder"
            raise RollstepError(
                Finding(path, 0, 0, "", "is ignored by git, so it cannot be committed", hint) for path in names
            )
        unknown = [role for role, identity in known.items() if identity.output().status]
    if author is not None and unknown == ["COMMITTER"]:
        committer, unknown = author, []
    if unknown:
        hint = "git config user.name NAME and git config user.email MAIL, or set the author in rollstep.yaml"
        raise RollstepError("git does not know who commits", hint=hint)
    environment = environment_of(author, committer)
    if when is not None:
        date = f"{int(when.timestamp())} {when.strftime('%z') or '+0000'}"
        environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    return CheckedCommit(head.sha, environment)


def check_can_commit(repository: Repository, *, allow_detached: bool = False) -> Head:
    """Return HEAD; raise RollstepError with everything in the repository that rules out a commit."""
    with repository.start("ls-files", "-z", "--unmerged") as listing:
        head = repository.head
        unmerged = {entry.partition("\t")[2] for entry in split(listing.output().stdout)}
    root, git_dir = repository.root, repository.git_dir
    findings = [
        Finding(str(root), 0, 0, "", f"{what} is in progress", f"finish it first: {how}")
        for name, what, how in OPERATIONS
        if (git_dir / name).exists()
    ]
    if not findings and not allow_detached and head.branch is None:
        hint = "git switch BRANCH, or --allow-detached"
        findings.append(Finding(str(root), 0, 0, "", "HEAD is detached: a commit would be on no branch", hint))
    if (git_dir / "index.lock").exists():
        findings.append(another_git(git_dir / "index.lock"))
    findings += _unresolved(unmerged)
    if findings:
        raise RollstepError(findings)
    return head


def check_submodules(repository: Repository, head: str | None, paths: Sequence[str]) -> None:
    """Raise RollstepError if a path is in another repository: a submodule of the commit ``head``, or a nested one.

    A commit would put the files in its place.
    """
    own = {os.path.dirname(path) for path in paths}
    folders = sorted({folder for path in own for folder in (path, *_folders(path))} - {"", "."})
    found = {folder for folder in folders if os.path.lexists(f"{repository.root}/{folder}/.git")}
    if head is not None and folders:
        places = ("-t", head, "--", *folders) if len(folders) <= MANY else ("-r", head)
        listed = split(repository.run("ls-tree", "-d", "-z", "--full-tree", *places).stdout)
        submodules = {row.partition("\t")[2] for row in listed if row.startswith(SUBMODULE)}
        found |= submodules.intersection(folders)
    hint = "run rollstep in that repository, or keep the manifests in this one"
    if found:
        message = "is a submodule or another repository, so its files cannot be committed here"
        raise RollstepError(Finding(folder, 0, 0, "", message, hint) for folder in sorted(found))


def _unresolved(paths: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for each folder that has files with conflicts."""
    hint = "resolve it and git add it; `rollstep resolve` does so for status.yaml and rendered files"
    by_folder: dict[str, list[str]] = {}
    for path in sorted(paths):
        by_folder.setdefault(os.path.dirname(path), []).append(path)
    for folder, found in by_folder.items():
        place = found[0] if len(found) == 1 else folder or "."
        message = (
            "has an unresolved conflict" if len(found) == 1 else f"has {len(found)} files with unresolved conflicts"
        )
        yield Finding(place, 0, 0, "", message, hint)


def ignored(repository: Repository, paths: Sequence[str]) -> tuple[str, ...]:
    """Return the ``paths`` that git's ignore rules leave out, sorted; tracked files are never ignored."""
    # Without --no-index git searches its index for each path, and most often no path is ignored.
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    found = repository.run("check-ignore", "--no-index", "-z", "--stdin", stdin=names, check=False)
    if found.status > 1:
        raise RollstepError(f"git check-ignore failed: {found.stderr}")
    return tuple(sorted(untracked(repository, split(found.stdout))))


def environment_of(author: Identity | None, committer: Identity | None) -> dict[str, str]:
    """Return git's variables for a commit by these people; None leaves the person to git's configuration."""
    people = {"AUTHOR": author, "COMMITTER": committer}
    return {
        f"GIT_{role}_{field.upper()}": getattr(person, field)
        for role, person in people.items()
        if person is not None
        for field in ("name", "email")
    }


def commit_files(
    repository: Repository, paths: Sequence[str], message: str, checked: CheckedCommit
) -> CommitResult | None:
    """Commit ``paths`` as they are in the work tree (a missing file: its deletion) and nothing else.

    Paths are relative to the root.  Changes that are staged or edited elsewhere stay so.  Git runs hooks, which see
    our files only, and signs.  Returns None if HEAD has these files already.  Raises RollstepError if git or a hook
    refuses the commit, and if a hook changes its files; the index and the branch are unchanged then.
    """
    with _uninterrupted(), locked_index(repository) as lock:
        stage(lock.repository, paths)
        differing = staged(lock.repository, checked.head)
        ours = differing.intersection(paths)
        if not ours:
            return None
        # Git cannot have a file and a folder of one name: ours replace those of HEAD.
        replaced = {folder for path in ours for folder in _folders(path)}
        others = {path for path in differing.difference(paths, replaced) if not ours & _folders(path)}
        index = without(lock.repository, others, checked.head) if others else lock.repository
        sha = _commit_index(index, message, checked)
        lock.replace_index()
    return CommitResult(sha, message.split("\n", 1)[0], tuple(sorted(ours)))


def _folders(path: str) -> set[str]:
    return {str(folder) for folder in PurePosixPath(path).parents}


def _commit_index(repository: Repository, message: str, checked: CheckedCommit) -> str:
    # The index is the tree of that commit with our files: on another one it would undo changes.
    if repository.head.sha != checked.head:
        message = "somebody else has committed meanwhile"
        raise RollstepError([Finding("HEAD", 0, 0, "", message, "run the command again")])
    tree = repository.run("write-tree", "--missing-ok", writes=True).stdout.decode().strip()
    output = repository.run(
        *("-c", "i18n.commitEncoding=UTF-8", "commit", "--quiet", "--cleanup=whitespace", "--file=-"),
        stdin=message.encode(),
        env={**checked.environment, OWN_COMMIT: str(repository.root)},
        check=False,
        writes=True,
    )
    found = repository.run("rev-parse", "HEAD^{commit}", "HEAD^{tree}", check=False)
    sha, committed = found.stdout.decode().split() if not found.status else ("", "")
    if not sha or sha == checked.head:
        raise RollstepError([_refusal(repository, output)])
    if committed != tree:
        _take_back(repository, sha, checked.head)
        raise RollstepError(_changed_by_hook(repository, tree, committed))
    return sha


def _take_back(repository: Repository, sha: str, head: str | None) -> None:
    """Set the branch from the commit ``sha`` back to ``head``; None is a branch without a commit."""
    target = ["HEAD", head] if head else ["-d", "HEAD"]
    reason = "rollstep: a hook changed the files of the commit"
    repository.run("update-ref", "-m", reason, *target, sha, writes=True)


def _changed_by_hook(repository: Repository, tree: str, committed: str) -> list[Finding]:
    changed = split(repository.run("diff-tree", "-r", "--name-only", "--no-renames", "-z", tree, committed).stdout)
    hint = "let the hook leave it out: nothing was committed"
    return [Finding(path, 0, 0, "", "a hook changed it in rollstep's commit", hint) for path in changed]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay a Ctrl-C to the end of the block: it reaches git, too, and only git's end says if the commit exists."""
    received: list[int] = []
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *caught: received.append(caught[0]))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if received:
            raise KeyboardInterrupt


def _refusal(repository: Repository, output: Output) -> Finding:
    hint = "nothing was committed"
    if output.status < 0:
        name = signal.strsignal(-output.status) or f"signal {-output.status}"
        return Finding("", 0, 0, "", f"git was killed: {name}", hint)
    # A git that only reads has another hooks folder.
    answer = repository.run("rev-parse", "--git-path", "hooks", writes=True).stdout
    folder = repository.root / os.fsdecode(answer).rstrip("\n")
    hooks = [name for name in REFUSING_HOOKS if os.access(folder / name, os.X_OK)]
    words = output.stderr or f"exit status {output.status}"
    # Git exits with 128 for its own reasons.
    if hooks and output.status == 1:
        return Finding("", 0, 0, "", f"a hook ({', '.join(hooks)}) refused the commit: {words}", hint)
    return Finding("", 0, 0, "", f"git refused the commit: {words}", hint)
