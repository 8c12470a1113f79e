"""Commits of our own files and nothing else."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError, one_line
from renderer.git.index import Staged, staged
from renderer.git.objects import store_commit
from renderer.git.process import Output, Running
from renderer.git.repository import MANY, Repository
from renderer.git.trees import TreeFile, new_files, store_tree

HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit")
"""What `git commit` runs; all but the last can refuse it."""

_CONFIG = ("config", "--type=bool", "--get-regexp", r"^(commit\.gpgsign|maintenance\.auto)$")


class Identity(Struct, frozen=True):
    """Who writes or makes a commit."""

    name: str
    email: str

    @classmethod
    def parse(cls, text: str) -> Identity:
        """Return the identity that ``text`` spells as git does, ``Name <mail@example.com>``; raises RollstepError."""
        name, opened, rest = text.partition("<")
        email, closed, after = rest.partition(">")
        if not (name.strip() and opened and email.strip() and closed) or after.strip():
            raise RollstepError(f"{text!r} is no author", hint="write it as `Name <mail@example.com>`")
        return cls(one_line(name), one_line(email))


class Ready(Struct, frozen=True):
    """What a commit that can be made needs.

    ``environment`` has git's variables for it, ``head`` is the commit that it comes after (None before the first one),
    ``hooks`` are those that run; ``signs`` and ``maintains`` say what git's configuration asks for with it and after.
    """

    environment: Mapping[str, str]
    head: str | None
    hooks: tuple[str, ...]
    signs: bool
    maintains: bool


class CommitResult(Struct, frozen=True):
    """A commit that was made: its full hash, its subject and its files.  A dry run's has no hash."""

    sha: str
    subject: str
    paths: tuple[str, ...]

    def text(self) -> str:
        """Return the commit on one line, as git tells it."""
        return (f"[{self.sha[:9]}] " if self.sha else "[dry run] ") + self.subject


def commit(
    repository: Repository,
    paths: Iterable[Path | str],
    message: str,
    *,
    author: Identity | None = None,
    committer: Identity | None = None,
    when: datetime | None = None,
    allow_detached: bool = False,
) -> CommitResult | None:
    """Commit ``paths`` as they are in the work tree (those that are not there: their deletion) and nothing else.

    What is staged or modified elsewhere stays so.  ``author`` and ``committer`` None is who git's configuration says
    (a committer that it does not know is the author); ``when`` None is git's own now.  Hooks run and signing is git's.
    Returns None where the paths are as in HEAD.  Raises RollstepError where git or a hook refuses; then nothing is
    committed or staged.
    """
    names = sorted({repository.relative(path) for path in paths})
    ready = check_commit(
        repository, names, author=author, committer=committer, when=when, allow_detached=allow_detached
    )
    return commit_checked(repository, names, message, ready)


def commit_checked(repository: Repository, names: Sequence[str], message: str, ready: Ready) -> CommitResult | None:
    """Do what ``commit`` does, of what ``check_commit`` has found ``ready``; ``names`` are as git has them."""
    files = new_files(repository, names, ready.head)
    if not files:
        return None
    with _uninterrupted(), staged(repository, tuple(files), ready.head) as made_from:
        if ready.hooks:
            sha = _commit_with_hooks(made_from.alone(), message, ready)
        else:
            sha = _move(repository, _made(repository, files, made_from, message, ready), message, ready)
        with _maintained(repository) if ready.maintains and not ready.hooks else nullcontext():
            made_from.take()
    return CommitResult(sha, message.split("\n", 1)[0], tuple(files))


def _made(
    repository: Repository, files: Mapping[str, TreeFile | None], made_from: Staged, message: str, ready: Ready
) -> str:
    """Store a commit of HEAD with ``files`` in it and return it."""
    if len(files) <= MANY:
        # While git updates the index, the commit is made without one: git writes the trees of many sooner.
        tree = store_tree(repository, ready.head, files)
        made = _store(repository, tree, message, ready)
        if made_from.has(tree):
            return made
    tree = made_from.alone().run("write-tree", writes=True).stdout.decode().strip()
    return _store(repository, tree, message, ready)


def _store(repository: Repository, tree: str, message: str, ready: Ready) -> str:
    """Store a commit of ``tree`` on HEAD and return it; `git commit` would look at every file of the repository."""
    parents = [ready.head] if ready.head else []
    return store_commit(repository, tree, parents, stripped(message), ready.environment, signs=ready.signs)


def _move(repository: Repository, sha: str, message: str, ready: Ready) -> str:
    """Move the branch to the commit ``sha`` and return it; raise RollstepError where somebody else has moved it."""
    reason = ("commit: " if ready.head else "commit (initial): ") + message.split("\n", 1)[0]
    moved = repository.run(
        *("update-ref", "-m", reason, "HEAD", sha, ready.head or "0" * len(sha)),
        env=ready.environment,
        check=False,
        writes=True,
    )
    if moved.status and repository.head.sha != sha:
        raise RollstepError([_refusal(repository, moved)])
    return sha


@contextmanager
def _maintained(repository: Repository) -> Iterator[None]:
    """Do what git does after a commit, while something else is done: where objects are many, they are packed."""
    with repository.start("maintenance", "run", "--auto", "--quiet", check=False, writes=True) as running:
        yield
        running.output()


def stripped(message: str) -> str:
    """Return a message as ``git stripspace`` has it: no spaces at ends of lines, no empty lines but one at a time."""
    lines = [line.rstrip(" \t\r") for line in message.split("\n")]
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    text = "\n".join(kept).strip("\n")
    return f"{text}\n" if text else ""


def _commit_with_hooks(repository: Repository, message: str, ready: Ready) -> str:
    """Commit what is in the index, with the repository's hooks, and return the commit."""
    from tempfile import NamedTemporaryFile

    # What is in the index was made on top of that.
    if repository.head.sha != ready.head:
        raise RollstepError(
            [Finding("HEAD", 0, 0, "", "somebody else has committed meanwhile", "run the command again")]
        )
    with NamedTemporaryFile(prefix="rollstep-message-") as file:
        file.write(message.encode())
        file.flush()
        output = repository.run(
            *("-c", "i18n.commitEncoding=UTF-8", "commit", "--quiet", "--cleanup=whitespace", f"--file={file.name}"),
            env=ready.environment,
            check=False,
            writes=True,
        )
    sha = repository.head.sha
    if output.status and sha == ready.head:
        raise RollstepError([_refusal(repository, output)])
    return sha or ""


def check_commit(
    repository: Repository,
    paths: Sequence[str],
    *,
    author: Identity | None = None,
    committer: Identity | None = None,
    when: datetime | None = None,
    allow_detached: bool = False,
) -> Ready:
    """Return what a commit of ``paths`` needs; raise RollstepError where it cannot be made.

    That is where HEAD is detached, an operation is in progress, git knows no committer, or a path is ignored.
    """
    nameless = [role for role, who in (("AUTHOR", author), ("COMMITTER", committer)) if who is None]
    with ExitStack() as ends:
        # Git is asked all of it at once: none of these questions needs the answer to another one.
        hooks = ends.enter_context(repository.start("rev-parse", "--git-path", "hooks", writes=True))
        config = ends.enter_context(repository.start(*_CONFIG, check=False))
        known = {role: ends.enter_context(_asked_for(repository, role)) for role in nameless}
        head = repository.check_can_commit(allow_detached=allow_detached)
        ignored = repository.ignored(paths)
        if ignored:
            hint = "take it out of .gitignore, or choose another folder"
            raise RollstepError(
                Finding(path, 0, 0, "", "is ignored by git, so it cannot be committed", hint) for path in ignored
            )
        unknown = [role for role, ident in known.items() if ident.output().status]
        if author is not None and unknown == ["COMMITTER"]:
            committer, unknown = author, []
        if unknown:
            hint = "git config user.name NAME and git config user.email MAIL, or set the author in rollstep.yaml"
            raise RollstepError("git does not know who commits", hint=hint)
        settings = dict(line.split(" ", 1) for line in config.output().stdout.decode(errors="replace").splitlines())
        installed = repository.installed(hooks.output().stdout, *HOOKS)
    environment = environment_of(author, committer)
    if when is not None:
        date = f"{int(when.timestamp())} {when.strftime('%z') or '+0000'}"
        environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    return Ready(
        environment,
        head.sha,
        installed,
        signs=settings.get("commit.gpgsign") == "true",
        maintains=settings.get("maintenance.auto") != "false",
    )


def _asked_for(repository: Repository, role: str) -> Running:
    """Start the git that tells who is the author or the committer; it fails where it knows nobody."""
    # Without useConfigOnly git makes up an address of the login and the host's name, which is nobody's.
    return repository.start("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT", check=False)


def environment_of(author: Identity | None, committer: Identity | None) -> dict[str, str]:
    """Return git's variables for a commit by these people; None leaves it to git's configuration."""
    people = {"AUTHOR": author, "COMMITTER": committer}
    return {
        f"GIT_{role}_{field.upper()}": getattr(person, field)
        for role, person in people.items()
        if person is not None
        for field in ("name", "email")
    }


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold a Ctrl-C back to the end of the block.

    The terminal sends it to git as well, which then ends by itself; without waiting for that, nobody knows whether the
    commit is going to be there.
    """
    received: list[int] = []
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or not _in_main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *caught: received.append(caught[0]))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if received:
            raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _refusal(repository: Repository, output: Output) -> Finding:
    if output.status < 0:
        name = signal.strsignal(-output.status) or f"signal {-output.status}"
        return Finding("", 0, 0, "", f"git was killed: {name}", "nothing was committed")
    hooks = repository.hooks(*HOOKS[:-1])
    words = output.stderr or f"exit status {output.status}"
    if hooks and not words.startswith(("fatal:", "error:")):
        return Finding(
            "", 0, 0, "", f"a hook ({', '.join(hooks)}) refused the commit: {words}", "nothing was committed"
        )
    return Finding("", 0, 0, "", f"git refused the commit: {words}", "nothing was committed")
