"""What a repository holds, and git in it; what git itself decides (filters, ignore rules, hooks) is left to it.

Paths are those below the repository's root, with ``/``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.process import Output, Running, stream

OPERATIONS = (
    ("rebase-merge", "a rebase", "git rebase --continue or --abort"),
    ("rebase-apply", "a rebase or git am", "git rebase --continue or --abort, or git am --abort"),
    ("MERGE_HEAD", "a merge", "git commit or git merge --abort"),
    ("CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --continue or --abort"),
    ("REVERT_HEAD", "a revert", "git revert --continue or --abort"),
    ("BISECT_LOG", "a bisect", "git bisect reset"),
)
"""What git leaves in its folder while an operation is under way (git 2.39, ``wt-status.c``), its name, what ends it."""

_WHERE = ("--is-bare-repository", "--absolute-git-dir", "--git-common-dir", "--show-toplevel")
_OF_A_REPOSITORY = {"GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE"}
"""Variables that name a repository, or a place in it (``git rev-parse --local-env-vars``)."""

_LOG_FIELDS = ("%H", "%an", "%ae", "%cI", "%s", "%(trailers:only,unfold)")


class Head(NamedTuple):
    """Where HEAD is: ``sha`` is None before the first commit, ``branch`` where it is detached."""

    sha: str | None
    branch: str | None


class Commit(Struct, frozen=True):
    """A commit: ``date`` is the committer's, in UTC; ``trailers`` are (key, value) in the message's order."""

    sha: str
    author_name: str
    author_email: str
    date: datetime
    subject: str
    trailers: tuple[tuple[str, str], ...]


MANY = 64
"""Paths that git is asked for one by one, which costs it as much as that many times its files."""


class Repository:
    """A git repository; ``root`` is its work tree's folder, of a bare one the repository's own."""

    def __init__(
        self,
        root: Path,
        git_dir: Path,
        common_dir: Path,
        *,
        is_bare: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Take where the repository is, and what every git in it gets as environment; use ``open``."""
        self.root = root
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.is_bare = is_bare
        self._environment = dict(environment or {})

    @classmethod
    def open(cls, start: Path, *, allow_bare: bool = False) -> Repository:
        """Return the repository that ``start`` (a file or folder, which need not exist yet) lies in.

        Raises RollstepError where there is none, where git does not trust it, or where it is bare and that is not
        allowed: what only reads commits can do without a work tree.
        """
        folder = next(path for path in (start.absolute(), *start.absolute().parents) if path.is_dir())
        # A hook of another repository may have started us: its variables would lead there.
        elsewhere = {name: None for name in os.environ if name in _OF_A_REPOSITORY}
        # Whoever runs in a bare repository says so with GIT_DIR, which git asks for where `safe.bareRepository` is set.
        trusting = ("-c", "safe.bareRepository=all") if allow_bare else ()
        with Running([*trusting, "rev-parse", *_WHERE], folder, elsewhere, check=False) as running:
            found = running.output()
        lines = [os.fsdecode(line) for line in found.stdout.split(b"\n")[:-1]]
        is_bare = lines[:1] == ["true"]
        if is_bare and not allow_bare:
            raise RollstepError([Finding(str(start), 0, 0, "", "is in a bare git repository", "work in a clone of it")])
        if found.status and not (is_bare and len(lines) == len(_WHERE) - 1):
            if "not a git repository" in found.stderr:
                raise RollstepError([Finding(str(start), 0, 0, "", "is in no git repository", "git init")])
            raise RollstepError([Finding(str(start), 0, 0, "", f"is in no repository to work in: {found.stderr}")])
        if len(lines) > len(_WHERE):
            raise RollstepError([Finding(str(start), 0, 0, "", "the repository's path has a line break", "rename it")])
        git_dir, common_dir = Path(lines[1]).resolve(), (folder / lines[2]).resolve()
        return cls(git_dir if is_bare else Path(lines[3]).resolve(), git_dir, common_dir, is_bare=is_bare)

    def within(self, environment: Mapping[str, str]) -> Repository:
        """Return this repository with variables for every git that runs in it, such as another index."""
        variables = {**self._environment, **environment}
        return Repository(self.root, self.git_dir, self.common_dir, is_bare=self.is_bare, environment=variables)

    @property
    def index(self) -> Path:
        """The file of the index, which need not exist."""
        return Path(self.variables().get("GIT_INDEX_FILE", self.git_dir / "index"))

    def relative(self, path: Path | str) -> str:
        """Return ``path`` (absolute, or below the root) as git names it; raises RollstepError where it is outside."""
        absolute = self.root / path
        try:
            return (absolute.parent.resolve() / absolute.name).relative_to(self.root).as_posix()
        except ValueError as error:
            raise RollstepError([Finding(str(path), 0, 0, "", f"is outside the repository {self.root}")]) from error

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        writes: bool = False,
    ) -> Output:
        """Run ``git ARGS`` at the root and return what it left.

        ``writes`` is for a git that changes the repository: one that may not write more (a file is too large, a quota
        is used up) gets an error then and takes its locks away, instead of a signal that kills it.  Only that one runs
        hooks and a monitor of files, which the repository's configuration names.

        Raises RollstepError with git's own words where it fails and ``check`` is set, or where there is no git.
        """
        with self.start(*args, stdin=stdin, env=env, check=check, writes=writes) as running:
            return running.output()

    def start(
        self,
        *args: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        writes: bool = False,
    ) -> Running:
        """Start what ``run`` runs, so that it goes on while something else is done."""
        return Running(args, self.root, self.variables(env), stdin, check=check, writes=writes)

    def variables(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what git gets in this repository beside the variables of this process; ``env`` goes before it."""
        return {**self._own_environment(), **self._environment, **(env or {})}

    def resolve(self, ref: str) -> str:
        """Return the commit that ``ref`` names, as its full hash; raises RollstepError where it names none."""
        sha = self._ask("rev-parse", "--quiet", "--verify", "--end-of-options", f"{ref}^{{commit}}")
        if not sha:
            hint = "see git branch --all, git tag, git log"
            raise RollstepError([Finding(ref, 0, 0, "", "names no commit of this repository", hint)])
        return sha

    @property
    def head(self) -> Head:
        """Where HEAD is."""
        both = self.run("rev-parse", "HEAD^{commit}", "--symbolic-full-name", "HEAD", check=False)
        lines = both.stdout.decode().split()
        if not both.status and len(lines) == 2:
            return Head(lines[0], lines[1].removeprefix("refs/heads/") if lines[1] != "HEAD" else None)
        commit = self._ask("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
        return Head(commit or None, self._ask("symbolic-ref", "--quiet", "--short", "HEAD") or None)

    def log(self, *paths: Path | str, ref: str = "HEAD", max_count: int | None = None) -> tuple[Commit, ...]:
        """Return the commits up to ``ref``, newest first, that touch ``paths`` (all commits where there are none)."""
        sha = self.head.sha if ref == "HEAD" else self.resolve(ref)
        if sha is None:
            return ()
        limit = [] if max_count is None else [f"--max-count={max_count}"]
        output = self.run(
            *("-c", "log.showSignature=false", "log", "-z", "--no-color", "--encoding=UTF-8", *limit),
            "--format=" + "%x00".join(_LOG_FIELDS),
            *(sha, "--", *(literal(self.relative(path)) for path in paths)),
        )
        return _commits(output.stdout)

    def commits(self, shas: Sequence[str]) -> tuple[Commit, ...]:
        """Return the commits that the full hashes ``shas`` name, in that order."""
        if not shas:
            return ()
        output = self.run(
            *("-c", "log.showSignature=false", "log", "-z", "--no-color", "--encoding=UTF-8"),
            *("--no-walk=unsorted", "--stdin", "--format=" + "%x00".join(_LOG_FIELDS)),
            stdin="".join(f"{sha}\n" for sha in shas).encode(),
        )
        return _commits(output.stdout)

    def landings(self, paths: Sequence[Path | str], trailer: str) -> Generator[tuple[datetime | None, tuple[str, ...]]]:
        """Yield what came to the branch of HEAD, newest first: when (UTC), and the paths that changed.

        Those of ``paths`` are among them; where these are many, others in the folder that has them all are, too.  The
        time is None where neither a merge nor a commit with ``trailer`` brought them.  The branch is read while this
        is asked for more; close it to let git go.
        """
        names = [self.relative(path) for path in paths]
        # Git holds every path of a list against every file that it has.
        places = names if len(names) <= MANY else [os.path.commonpath(names) or "."]
        ours = f"%(trailers:key={trailer},valueonly)"
        log = [
            *("-c", "log.showSignature=false", "-c", "log.showRoot=true", "-c", "log.follow=false"),
            *("log", "-z", "--first-parent", "-m", "--name-only", "--no-renames", "--no-color"),
            *(f"--format=%x00%ct %P%x00:{ours}", "HEAD", "--", *map(literal, places)),
        ]
        records = stream(log, self.root, self.variables())
        # A record is an empty field, two of the format, and a name a field, the first of them on a line of its own.
        fields: list[bytes] = []
        for field in chain(records, [b""]):
            if field:
                fields.append(field)
                continue
            if fields:
                yield _landing(fields)
            fields = []

    def dirty(self, paths: Iterable[Path | str] = ()) -> tuple[str, ...]:
        """Return the files in and below ``paths`` (everywhere, where there are none) that are not as in HEAD, sorted.

        Untracked files are among them, ignored ones are not.
        """
        with self.status(paths) as running:
            return self.dirty_of(running)

    def status(self, paths: Iterable[Path | str] = ()) -> Running:
        """Start the git that ``dirty`` asks."""
        args = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--"]
        return self.start(*args, *(literal(self.relative(path)) for path in paths))

    @staticmethod
    def dirty_of(running: Running) -> tuple[str, ...]:
        """Return what ``dirty`` does, of what ``status`` has started."""
        return tuple(sorted({entry[3:] for entry in _split(running.output().stdout)}))

    def untracked(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Return the files among ``paths`` that the index does not have."""
        # Git holds every path of a list against every file that it has: of many, it tells all files sooner.
        listed = map(literal, paths) if len(paths) <= MANY else ()
        tracked = set(_split(self.run("ls-files", "-z", "--cached", "--", *listed).stdout)) if paths else set()
        return tuple(path for path in paths if path not in tracked)

    def ignored(self, paths: Sequence[str]) -> tuple[str, ...]:
        """Return the files among ``paths`` that git's ignore rules leave out; tracked files never are."""
        # Without --no-index git looks through its index for each path, and most often there is nothing to look for.
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        found = self.run("check-ignore", "--no-index", "-z", "--stdin", stdin=names, check=False)
        if found.status > 1:
            raise RollstepError(f"git check-ignore failed: {found.stderr}")
        return tuple(sorted(self.untracked(_split(found.stdout))))

    def check_can_commit(self, *, allow_detached: bool = False) -> Head:
        """Return where HEAD is; raise RollstepError with everything that stands against a commit there."""
        with self.start("ls-files", "-z", "--unmerged") as listing:
            head = self.head
            unmerged = {entry.partition("\t")[2] for entry in _split(listing.output().stdout)}
        findings = [
            Finding(str(self.root), 0, 0, "", f"{what} is in progress", f"finish it first: {how}")
            for name, what, how in OPERATIONS
            if (self.git_dir / name).exists()
        ]
        if not findings and not allow_detached and head.branch is None:
            hint = "git switch BRANCH, or --allow-detached"
            findings.append(Finding(str(self.root), 0, 0, "", "HEAD is detached: a commit would be on no branch", hint))
        if (self.git_dir / "index.lock").exists():
            hint = "wait for it; if none is running, remove the file"
            findings.append(Finding(str(self.git_dir / "index.lock"), 0, 0, "", "another git is at work", hint))
        for path in sorted(unmerged):
            findings.append(Finding(path, 0, 0, "", "has an unresolved conflict", "resolve it and git add it"))
        if findings:
            raise RollstepError(findings)
        return head

    def hooks(self, *names: str) -> tuple[str, ...]:
        """Return which of the hooks ``names`` are installed and executable."""
        # A git that only reads has another hooks folder.
        answer = self.run("rev-parse", "--git-path", "hooks", writes=True).stdout
        folder = self.root / os.fsdecode(answer).rstrip("\n")
        return tuple(name for name in names if os.access(folder / name, os.X_OK))

    def _ask(self, *args: str) -> str:
        """Return the line that git answers with, empty where it says no (status 1); other failures raise."""
        answer = self.run(*args, check=False)
        if answer.status > 1:
            raise RollstepError(f"git {args[0]} failed: {answer.stderr}")
        return answer.stdout.decode().strip()

    def _own_environment(self) -> dict[str, str]:
        """Return what keeps git from writing unasked, and in this repository where a hook of another has started us."""
        # `git status` would write the index where it can: whoever only reads should leave no lock behind when killed.
        own: dict[str, str] = {"GIT_OPTIONAL_LOCKS": "0"}
        if {"GIT_DIR", "GIT_WORK_TREE"} & os.environ.keys():
            own |= {"GIT_DIR": str(self.git_dir)} | ({} if self.is_bare else {"GIT_WORK_TREE": str(self.root)})
        if index := os.environ.get("GIT_INDEX_FILE"):
            path = Path(index).resolve()
            own["GIT_INDEX_FILE"] = str(path if path.is_relative_to(self.git_dir) else self.git_dir / "index")
        return own


def literal(path: str) -> str:
    """Return the pathspec that means ``path`` itself, whatever characters it has; ``.`` is the root."""
    return ":(top,literal)" if path == "." else f":(top,literal){path}"


def _commits(log: bytes) -> tuple[Commit, ...]:
    values = log.decode(errors="replace").split("\0")
    width = len(_LOG_FIELDS)
    return tuple(_commit(values[start : start + width]) for start in range(0, len(values) - width + 1, width))


def _commit(values: Sequence[str]) -> Commit:
    sha, name, email, date, subject, trailers = values
    pairs = [line.partition(":") for line in trailers.split("\n") if ":" in line]
    when = datetime.fromisoformat(date).astimezone(UTC)
    return Commit(sha, name, email, when, subject, tuple((key.strip(), value.strip()) for key, _, value in pairs))


def _landing(fields: Sequence[bytes]) -> tuple[datetime | None, tuple[str, ...]]:
    head, apps, *names = fields
    when, *parents = head.split()
    is_ours = len(parents) > 1 or apps.strip(b":\n")
    paths = tuple(os.fsdecode(name.removeprefix(b"\n") if not number else name) for number, name in enumerate(names))
    return datetime.fromtimestamp(int(when), UTC) if is_ours else None, paths


def _split(listing: bytes) -> list[str]:
    return [os.fsdecode(entry) for entry in listing.split(b"\0") if entry]
