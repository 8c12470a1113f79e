"""Processes of git: start one, and read its status and output."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from renderer.errors import RollstepError

NO_GIT, NO_GIT_HINT = "git is not installed, or not in PATH", "install git 2.30 or newer"

QUIET = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
"""Options with which git starts none of the programs that a repository's configuration names; reading needs none."""

_SURVIVING = ("sh", "-c", 'trap "" XFSZ; exec git "$@"', "git")
"""Starts a git that gets an error from a limit of file sizes, which would kill it otherwise.  A ``preexec_fn`` would
make Python fork a copy of this process, which takes much longer."""

_KEEPS_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_TOP_PAD_": str(1 << 24)}
"""Settings of glibc (mallopt(3)) that keep the memory in which git deflates objects; else glibc returns the memory to
the system after each object."""

_IN_ENGLISH = {"LANGUAGE": "C", "LC_ALL": "C"}
"""The language of git's messages, which rollstep parses and prints."""

_AS_STORED = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": f"{os.devnull}/none"}
"""Git shows each commit as it is stored: anyone who may push could replace it for readers by ``refs/replace``."""

_ROOM = 4096
"""Bytes that fit into an empty pipe on any system."""

_FILTER_FAILED = re.compile(r"external filter .* failed|(clean|smudge) filter .* failed")
"""Git's message about a failed filter of ``.gitattributes``, such as that of LFS (git 2.39, ``convert.c``)."""


class Output(NamedTuple):
    """The exit status and output of a git process."""

    status: int
    stdout: bytes
    stderr: str


class Running:
    """A started git.  As a context manager it waits for git's end, whatever the block raises."""

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
        """Start ``git ARGUMENTS`` in ``folder`` with ``variables`` beside those of this process (None removes one).

        The other arguments are those of ``Repository.run``.  Raises RollstepError if git is not installed.
        """
        self._name, self._check = arguments[0], check
        source = subprocess.PIPE if stdin else subprocess.DEVNULL
        self._process = _start(arguments, folder, variables, source, writes=writes)
        self._output: Output | None = None
        self._rest: bytes | None = stdin or None
        if stdin and len(stdin) <= _ROOM:
            # Git gets what fits into the pipe at once, and need not wait for ``output``.
            self._write(stdin)

    def output(self) -> Output:
        """Wait for git's end and return its output; raise RollstepError if git failed and ``check`` is set."""
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

    def __exit__(self, *raised: Any) -> None:
        # This waits: a killed git would leave its locks behind.
        self._process.__exit__(*raised)

    def _write(self, content: bytes) -> None:
        stdin, self._process.stdin, self._rest = self._process.stdin, None, None
        assert stdin is not None
        try:
            with stdin:
                stdin.write(content)
        except BrokenPipeError:
            # Git has ended already, and its status is the error.
            pass


def stream(
    arguments: Sequence[str], folder: os.PathLike[str] | str, variables: Mapping[str, str | None]
) -> Iterator[bytes]:
    """Yield the NUL-separated parts of a reading git's output, none if it fails; closing the generator kills git."""
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
    """Return the command line of a git that only reads, or that ``writes``."""
    return [*(_SURVIVING if writes else ("git", *QUIET)), *arguments]


def environment(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return all variables of a git: those of this process, of every git, and ``variables`` (None removes one)."""
    wanted = {**os.environ, **_IN_ENGLISH, **_KEEPS_MEMORY, **_AS_STORED, **variables}
    return {name: value for name, value in wanted.items() if value is not None}


def plain(text: str, limit: int = 20) -> str:
    """Return the last ``limit`` lines of a program's message without control characters, which could fake output."""
    lines = [line.rstrip() for line in text.replace("\r", "\n").replace("\t", "    ").split("\n")]
    shown = ["".join(character for character in line if character.isprintable()) for line in lines if line]
    return "\n".join(shown[-limit:])
