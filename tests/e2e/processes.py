"""Servers that a test starts and stops, with what they say in a file each."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class Process:
    """One server; what it prints is in ``NAME.log``."""

    def __init__(
        self, name: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def kill(self) -> None:
        """End it at once, as a crash does, with all that it started."""
        if self.running:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def stop(self, patience: float = 10) -> None:
        """Ask it to end, and make it after ``patience`` seconds."""
        if self.running:
            self.popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)
        self.kill()

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def wait_for(what: str, found: Callable[[], object], seconds: float = 60, every: float = 0.1) -> None:
    """Return when ``found()`` is true; fail with ``what`` where it is not within ``seconds``."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"not within {seconds:g} seconds: {what}"
        time.sleep(every)
