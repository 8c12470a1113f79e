"""Reads git's objects one by one through a single ``git cat-file --batch``, within bounds."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple

from renderer.errors import RollstepError
from renderer.git.process import NO_GIT, NO_GIT_HINT, command, environment
from renderer.git.repository import Repository

MAX_BYTES = 16_000_000
"""The most bytes of one object; a blob of some kilobytes in a pack can have gigabytes."""


class Object(NamedTuple):
    """An object of git: its hash, its type and its content."""

    sha: str
    kind: str
    content: bytes


class ObjectReader:
    """Reads objects by name; ``close`` ends git."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, name: str) -> Object | None:
        """Return the object of a name (a hash, ``COMMIT:PATH``, ``COMMIT^{tree}``); None for a missing one.

        Raises RollstepError for an object of more than ``MAX_BYTES``.
        """
        if "\n" in name:
            return None
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(os.fsencode(name) + b"\n")
            process.stdin.flush()
        except BrokenPipeError as error:
            self.close()
            raise RollstepError(f"git cannot read the object {name}") from error
        # "<hash> <type> <size>\n<content>\n", or "<name> missing\n"
        words = process.stdout.readline().split()
        if len(words) != 3 or not words[2].isdigit():
            if not words:
                self.close()
                raise RollstepError(f"git cannot read the object {name}", hint="git fsck")
            return None
        sha, kind, size = words[0].decode(), words[1].decode(), int(words[2])
        if size > MAX_BYTES:
            # Git would print all of it.
            self.close()
            raise RollstepError(f"the {kind} {sha[:9]} has {size:,} bytes, and {MAX_BYTES:,} are the most")
        content = process.stdout.read(size)
        process.stdout.read(1)
        return Object(sha, kind, content)

    def close(self) -> None:
        """End git."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            arguments = command(("-c", f"core.bigFileThreshold={MAX_BYTES}", "cat-file", "--batch"))
            try:
                self._process = subprocess.Popen(
                    arguments,
                    cwd=self._repository.root,
                    env=environment(self._repository.variables()),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as error:
                raise RollstepError(NO_GIT, hint=NO_GIT_HINT) from error
        return self._process
