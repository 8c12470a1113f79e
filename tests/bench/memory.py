"""The memory of a command and of all processes that it starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from threading import Event, Thread

INTERVAL = 0.05
"""Seconds between two looks at a command's processes."""


class Sampler:
    """Looks at a process and its descendants until it is stopped; ``peak`` is the largest sum so far, in megabytes.

    A page that several processes have counts once: each has its share of it (``Pss`` of Linux' ``smaps_rollup``).
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak = 0.0
        self._stopped = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End it and return the peak."""
        self._stopped.set()
        self._thread.join()
        return self.peak

    def _look(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self.peak = max(self.peak, sum(_share(pid) for pid in _family(self.pid)))


def peak_megabytes(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run a command to its end and return the memory that it had at its peak; raise where it fails.

    That is the larger of two figures: the sum over all its processes, looked at every 50 ms, and the kernel's own peak
    of the largest of them (``wait4``), which misses no moment.
    """
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=quiet, stdout=quiet, stderr=quiet)
    sampler = Sampler(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    summed = sampler.stop()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return max(summed, usage.ru_maxrss / 1024)


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants that are there now."""
    found, pending = [], [pid]
    while pending:
        process = pending.pop()
        found.append(process)
        try:
            tasks = os.listdir(f"/proc/{process}/task")
            for task in tasks:
                pending += map(int, Path(f"/proc/{process}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


def _share(pid: int) -> float:
    """Return the memory of a process in megabytes, shared pages in part; 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
    except OSError:
        return 0.0
