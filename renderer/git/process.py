"""Starts git and takes what it leaves; several may run at once (shell)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple

from renderer.errors import RollstepError

NO_GIT, NO_GIT_HINT = "git is not installed, or not in PATH", "install git 2.30 or newer"

QUIET = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
"""Options with which git starts no program that a repository's configuration plants: what only reads needs none."""

_SURVIVING = ("sh", "-c", 'trap "" XFSZ; exec git "$@"', "git")
"""A git that gets an error where a limit of files' sizes would kill it.  To say so between fork and exec, in a copy of
this process, would take several times as long as to start git."""

_KEEPS_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_TOP_PAD_": str(1 << 24)}
"""For glibc (mallopt(3)): it gives back what git takes to deflate an object, and asks for it again for the next one,
which takes half of the time of a git that stores thousands."""

_IN_ENGLISH = {"LANGUAGE": "C", "LC_ALL": "C"}
"""Git's words are looked at, and told with rollstep's own."""

_ROOM = 4096
"""Bytes that a pipe takes at once on any system (``PIPE_BUF`` of Linux; POSIX asks for 512, macOS has 16,384)."""

_FILTER_FAILED = re.compile(r"external filter .* failed|(clean|smudge) filter .* failed")
"""How git tells that a filter of ``.gitattributes``, such as that of LFS, did not work (git 2.39, ``convert.c``)."""


class Output(NamedTuple):
    """What a git process left: its exit status, and what it wrote."""

    status: int
    stdout: bytes
    stderr: str


class Running:
    """A git that has been started.  As a context it has ended when that is left, whatever happens there."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: os.PathLike[str] | str,
        variables: Mapping[str, str | None],
        stdin: bytes = b"",
        *,
        check: bool = True,
        writes: bool = False,
    ) -> None:
        """Start ``git ARGUMENTS`` in ``folder`` with ``variables`` beside those of this process (None: without it).

        The other arguments are those of ``run``.  Raises RollstepError without a git.
        """
        self._name, self._check = arguments[0], check
        source = subprocess.PIPE if stdin else subprocess.DEVNULL
        self._process = _start(arguments, folder, variables, source, writes=writes)
        self._output: Output | None = None
        self._rest: bytes | None = stdin or None
        if stdin and len(stdin) <= _ROOM:
            # What fits into the pipe is given at once: git need not wait until somebody asks for its output.
            self._give(stdin)

    def output(self) -> Output:
        """Wait for the end and return what git left; raise RollstepError where it failed and that is checked."""
        if self._output is None:
            stdout, words = self._process.communicate(self._rest)
            self._output = Output(self._process.returncode, stdout, plain(words.decode(errors="replace")))
        status, _, stderr = self._output
        if self._check and status:
            hint = ""
            if _FILTER_FAILED.search(stderr):
                hint = "install the program of that filter, or take the files out of it in .gitattributes"
            raise RollstepError(f"git {self._name} failed: {stderr or f'exit status {status}'}", hint=hint)
        return self._output

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # It is left to end by itself: a git that is killed leaves its locks behind.
        self._process.__exit__(kind, error, trace)

    def _give(self, content: bytes) -> None:
        stdin, self._process.stdin, self._rest = self._process.stdin, None, None
        assert stdin is not None
        try:
            with stdin:
                stdin.write(content)
        except BrokenPipeError:
            # It has ended already, and its status tells why.
            pass


def stream(
    arguments: Sequence[str], folder: os.PathLike[str] | str, variables: Mapping[str, str | None]
) -> Iterator[bytes]:
    """Yield what ``git ARGUMENTS``, which only reads, writes up to each NUL; it is ended with the generator.

    Nothing where git fails.
    """
    process = _start(arguments, folder, variables, subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        rest = b""
        while piece := os.read(process.stdout.fileno(), 1 << 16):
            *whole, rest = (rest + piece).split(b"\0")
            yield from whole
    finally:
        process.kill()
        process.communicate()


def _start(
    arguments: Sequence[str],
    folder: os.PathLike[str] | str,
    variables: Mapping[str, str | None],
    stdin: int,
    *,
    writes: bool = False,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command(arguments, writes=writes),
            cwd=folder,
            env=environment(variables),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise RollstepError(NO_GIT, hint=NO_GIT_HINT) from error


def command(arguments: Sequence[str], *, writes: bool = False) -> list[str]:
    """Return the command line of a git that only reads, or of one that ``writes``."""
    return [*(_SURVIVING if writes else ("git", *QUIET)), *arguments]


def environment(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return all variables of a git: those of this process, what every git gets, and ``variables`` (None: not that)."""
    wanted = {**os.environ, **_IN_ENGLISH, **_KEEPS_MEMORY, **variables}
    return {name: value for name, value in wanted.items() if value is not None}


def plain(text: str, limit: int = 20) -> str:
    """Return the last ``limit`` lines of a program's message, without the control characters that fake a terminal."""
    lines = [line.rstrip() for line in text.replace("\r", "\n").replace("\t", "    ").split("\n")]
    shown = ["".join(character for character in line if character.isprintable()) for line in lines if line]
    return "\n".join(shown[-limit:])
