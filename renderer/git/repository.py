"""A git repository: runs git in it, and reads HEAD, the log and the state of the work tree.

Git alone decides about filters, ignore rules and hooks.  Paths are relative to the repository's root, with ``/``.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.process import Output, Running, stream

_WHERE = ("--is-bare-repository", "--absolute-git-dir", "--git-common-dir", "--show-toplevel")
_OF_A_REPOSITORY = {"GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE"}
"""Environment variables that name a repository or a part of it (``git rev-parse --local-env-vars``)."""

_LOG_FIELDS = ("%H", "%an", "%ae", "%ct", "%s", "%(trailers:only,unfold)")
_LOG = ("-c", "log.showSignature=false", "log", "-z", "--no-color", "--encoding=")
"""Git converts no message: a commit may name an encoding in which its text has other fields, or NUL bytes."""
_LOG_FORMAT = f"--format={'%x00'.join(_LOG_FIELDS)}"


class Head(NamedTuple):
    """The commit and branch of HEAD: ``sha`` is None before the first commit, ``branch`` on a detached HEAD."""

    sha: str | None
    branch: str | None


class Commit(Struct, frozen=True):
    """A commit: ``date`` is the committer's, in UTC; ``trailers`` are (key, value) pairs in the message's order."""

    sha: str
    author_name: str
    author_email: str
    date: datetime
    subject: str
    trailers: tuple[tuple[str, str], ...]


class FileChange(Struct, frozen=True):
    """A commit on a branch, with the blob of each file that it changes by path, empty for a removed one.

    ``time`` is the committer's, in UTC; ``trailer`` is the value of the trailer that was asked for.  The history of a
    shallow clone ends at a commit that ``is_shallow``, which has all files.
    """

    sha: str
    time: datetime
    subject: str
    trailer: str
    files: Mapping[str, str]
    is_shallow: bool = False
    created: frozenset[str] = frozenset()


_LAST_SECOND = 253370764800
"""The first second of the year 9999, which leaves room for sums."""
MANY = 64
"""The most paths in a list for git, which compares each of them with each of the repository's files."""


class Repository:
    """A git repository; ``root`` is the folder of its work tree, or of the bare repository itself."""

    def __init__(
        self,
        root: Path,
        git_dir: Path,
        common_dir: Path,
        *,
        is_bare: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``environment`` is added to the environment of every git; use ``open``."""
        self.root = root
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.is_bare = is_bare
        self._environment = dict(environment or {})

    @classmethod
    def open(cls, start: Path, *, allow_bare: bool = False) -> Repository:
        """Return the repository of ``start``, a file or folder that need not exist yet.

        A caller that only reads commits allows bare repositories.  Raises RollstepError if there is no repository, if
        git does not trust it, and for a bare one that is not allowed.
        """
        folder = next(path for path in (start.absolute(), *start.absolute().parents) if path.is_dir())
        # The variables of another repository's hook, which may have started rollstep, would lead to that repository.
        elsewhere = {name: None for name in os.environ if name in _OF_A_REPOSITORY}
        # With `safe.bareRepository` git demands GIT_DIR for a bare repository; allow_bare is as explicit.
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
        """Return this repository with more variables for every git in it, such as another index."""
        variables = {**self._environment, **environment}
        return Repository(self.root, self.git_dir, self.common_dir, is_bare=self.is_bare, environment=variables)

    @property
    def index(self) -> Path:
        """The path of the index, which need not exist."""
        return Path(self.variables().get("GIT_INDEX_FILE", self.git_dir / "index"))

    def relative(self, path: Path | str) -> str:
        """Return ``path`` (absolute, or relative to the root) as git names it; raise RollstepError outside the root."""
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
        """Run ``git ARGS`` at the root and return its status and output.

        A git that changes the repository needs ``writes``: it runs hooks and the file system monitor that the
        repository configures, and on a limit of file sizes it gets an error and removes its locks instead of dying.

        Raises RollstepError with git's message if git fails and ``check`` is set, and if git is not installed.
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
        """Start a git with the arguments of ``run``, without waiting for its end."""
        return Running(args, self.root, self.variables(env), stdin, check=check, writes=writes)

    def variables(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables of a git in this repository beside those of this process; ``env`` wins."""
        return {**self._own_environment(), **self._environment, **(env or {})}

    def resolve(self, ref: str) -> str:
        """Return the full hash of the commit ``ref``; raise RollstepError for an unknown one."""
        sha = self._ask("rev-parse", "--quiet", "--verify", "--end-of-options", f"{ref}^{{commit}}")
        if not sha:
            hint = "see git branch --all, git tag, git log"
            raise RollstepError([Finding(ref, 0, 0, "", "names no commit of this repository", hint)])
        return sha

    @property
    def head(self) -> Head:
        """The commit and branch of HEAD."""
        both = self.run("rev-parse", "HEAD^{commit}", "--symbolic-full-name", "HEAD", check=False)
        lines = both.stdout.decode().split()
        if not both.status and len(lines) == 2:
            return Head(lines[0], lines[1].removeprefix("refs/heads/") if lines[1] != "HEAD" else None)
        commit = self._ask("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
        return Head(commit or None, self._ask("symbolic-ref", "--quiet", "--short", "HEAD") or None)

    def log(self, *paths: Path | str, ref: str = "HEAD", max_count: int | None = None) -> tuple[Commit, ...]:
        """Return the commits up to ``ref`` that touch ``paths``, newest first; without paths all commits."""
        sha = self.head.sha if ref == "HEAD" else self.resolve(ref)
        if sha is None:
            return ()
        limit = [] if max_count is None else [f"--max-count={max_count}"]
        places = (literal(self.relative(path)) for path in paths)
        return _commits(self.run(*_LOG, _LOG_FORMAT, *limit, sha, "--", *places).stdout)

    def commits(self, shas: Sequence[str]) -> tuple[Commit, ...]:
        """Return the commits of the full hashes ``shas``, in that order."""
        if not shas:
            return ()
        stdin = "".join(f"{sha}\n" for sha in shas).encode()
        return _commits(self.run(*_LOG, _LOG_FORMAT, "--no-walk=unsorted", "--stdin", stdin=stdin).stdout)

    def file_changes(
        self, paths: Sequence[Path | str], trailer: str, ref: str = "HEAD", without: Sequence[str] = ()
    ) -> Generator[FileChange]:
        """Yield the commits on the branch of ``ref`` (its first parents) that change ``paths``, newest first.

        Leaves out the commits in the history of ``without``.  More than ``MANY`` paths also yield other files of their
        common folder.  Git runs while the caller iterates; ``close`` ends it.
        """
        names = [self.relative(path) for path in paths]
        places = names if len(names) <= MANY else [os.path.commonpath(names) or "."]
        fields = ("%H", "%ct", "%s", f"%(trailers:key={trailer},valueonly,separator=%x20)")
        log = [
            *("-c", "log.showSignature=false", "-c", "log.showRoot=true", "-c", "log.follow=false"),
            *("log", "-z", "--first-parent", "-m", "--raw", "--no-abbrev", "--no-renames", "--no-color"),
            *("--encoding=", f"--format=%x00{'%x00'.join(fields)}"),
            *(ref, *(f"^{name}" for name in without), "--", *map(literal, places)),
        ]
        shallow = self._shallow()
        for record in _records(stream(log, self.root, self.variables()), len(fields)):
            yield _file_change(record, len(fields), shallow)

    def moved_from(self, commit: str, path: str) -> str:
        """Return the path from which ``commit`` moves a file to ``path`` unchanged; empty if it does not move it."""
        return self.moves(commit).get(path, "")

    def moves(self, commit: str) -> dict[str, str]:
        """Return the old path of each file that ``commit`` moves unchanged, by its new path.

        Of several files with the same content it is the one whose path has most names in common.
        """
        listing = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--diff-filter=AD")
        parts = self.run(*listing, f"{commit}^1", commit, check=False).stdout.split(b"\0")
        created: list[tuple[str, str]] = []
        gone: dict[str, list[str]] = {}
        for row, name in zip(parts[::2], parts[1::2], strict=False):
            _, _, old, new, _ = row.decode().split()
            if new.strip("0"):
                created.append((os.fsdecode(name), new))
            else:
                gone.setdefault(old, []).append(os.fsdecode(name))
        return {
            path: max(gone[blob], key=lambda name: (shared_names(name, path), name))
            for path, blob in created
            if blob in gone
        }

    def _shallow(self) -> frozenset[str]:
        """Return the commits at which the history of a shallow clone ends."""
        try:
            return frozenset((self.common_dir / "shallow").read_text(encoding="ascii").split())
        except OSError:
            return frozenset()

    def dirty(self, paths: Iterable[Path | str] = ()) -> tuple[str, ...]:
        """Return the files in and below ``paths`` (default: all) that differ from HEAD or are untracked, sorted."""
        with self.status(paths) as running:
            return self.dirty_of(running)

    def status(self, paths: Iterable[Path | str] = ()) -> Running:
        """Start the git whose output ``dirty_of`` reads."""
        args = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--"]
        return self.start(*args, *(literal(self.relative(path)) for path in paths))

    @staticmethod
    def dirty_of(running: Running) -> tuple[str, ...]:
        """Return the result of ``dirty`` from the git that ``status`` started."""
        return tuple(sorted({entry[3:] for entry in split(running.output().stdout)}))

    def _ask(self, *args: str) -> str:
        """Return git's line of output, empty for status 1; raise RollstepError for other failures."""
        answer = self.run(*args, check=False)
        if answer.status > 1:
            raise RollstepError(f"git {args[0]} failed: {answer.stderr}")
        return answer.stdout.decode().strip()

    def _own_environment(self) -> dict[str, str]:
        """Return variables that keep git in this repository, even when a hook of another one has started rollstep."""
        # `git status` would refresh the index, and leave its lock behind when killed.
        own: dict[str, str] = {"GIT_OPTIONAL_LOCKS": "0"}
        if {"GIT_DIR", "GIT_WORK_TREE"} & os.environ.keys():
            own |= {"GIT_DIR": str(self.git_dir)} | ({} if self.is_bare else {"GIT_WORK_TREE": str(self.root)})
        if index := os.environ.get("GIT_INDEX_FILE"):
            path = Path(index).resolve()
            own["GIT_INDEX_FILE"] = str(path if path.is_relative_to(self.git_dir) else self.git_dir / "index")
        return own


def shared_names(one: str, other: str) -> int:
    """Return how many names of files and folders two paths have in common, each at its place from either end."""
    first, second = one.split("/"), other.split("/")
    pairs = (zip(first, second, strict=False), zip(reversed(first), reversed(second), strict=False))
    return sum(a == b for pair in pairs for a, b in pair)


def literal(path: str) -> str:
    """Return the pathspec of ``path`` itself, whatever characters it has; ``.`` is the root."""
    return ":(top,literal)" if path == "." else f":(top,literal){path}"


def _commits(log: bytes) -> tuple[Commit, ...]:
    values, width = list(map(_text, log.split(b"\0"))), len(_LOG_FIELDS)
    return tuple(_commit(values[start : start + width]) for start in range(0, len(values) - width + 1, width))


def _commit(values: Sequence[str]) -> Commit:
    sha, name, email, date, subject, trailers = values
    pairs = [line.partition(":") for line in trailers.split("\n") if ":" in line]
    return Commit(
        sha, name, email, _time(date), subject, tuple((key.strip(), value.strip()) for key, _, value in pairs)
    )


def _text(content: bytes) -> str:
    """Return a text of a commit, which is UTF-8 but for old commits of Western Europe."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _time(seconds: str) -> datetime:
    """Return a committer's time; the epoch for one that git cannot read, and the year 9999 for a later one."""
    number = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 20 else 0
    return datetime.fromtimestamp(min(number, _LAST_SECOND), UTC)


def _records(parts: Iterable[bytes], width: int) -> Iterator[list[bytes]]:
    """Yield the parts of each commit: an empty one begins it, ``width`` fields follow, then two for each file."""
    record: list[bytes] = []
    for part in parts:
        # A field may be empty, too, but none of the first ones of a record.
        if not part and not 0 < len(record) < width:
            if record:
                yield record
            record = []
        else:
            record.append(part)
    if record:
        yield record


def _file_change(record: Sequence[bytes], width: int, shallow: frozenset[str]) -> FileChange:
    sha, when, subject, trailer = map(_text, record[:width])
    files, created = {}, set()
    for row, path in zip(record[width::2], record[width + 1 :: 2], strict=False):
        # ":<old mode> <new mode> <old name> <new name> <letter>"; the first row follows a line break.
        _, _, old, new, _ = row.decode().split()
        files[os.fsdecode(path)] = new if new.strip("0") else ""
        if not old.strip("0"):
            created.add(os.fsdecode(path))
    return FileChange(sha, _time(when), subject, trailer.strip(), files, sha in shallow, frozenset(created))


def split(listing: bytes) -> list[str]:
    """Return the paths of a listing that NUL bytes separate."""
    return [os.fsdecode(entry) for entry in listing.split(b"\0") if entry]
