"""Rows of the table: two commands that take turns in one run, and what their times come to."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench import peers

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured: seconds of the peer and of rollstep, and the ratio of both that is allowed."""

    what: str
    peer: str
    bound: float
    peer_seconds: Sequence[float]
    own_seconds: Sequence[float]

    @property
    def ratio(self) -> float:
        return median(self.own_seconds) / median(self.peer_seconds)

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.bound

    def cells(self) -> list[str]:
        return [
            self.what,
            _told(self.own_seconds),
            f"{self.peer}: {_told(self.peer_seconds)}",
            f"{self.ratio:.2f}",
            f"{self.bound:g}",
            "yes" if self.is_met else "**no**",
        ]


HEAD = ["what", "rollstep (fastest to slowest)", "beside", "ratio", "bound", "met"]


def _told(seconds: Sequence[float]) -> str:
    found = sorted(seconds)
    unit, factor = ("ms", 1000) if found[-1] < 10 else ("s", 1)
    return f"{median(found) * factor:.0f} {unit} ({found[0] * factor:.0f} to {found[-1] * factor:.0f})"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def run(command: Sequence[str], folder: Path, expected: int = 0, **variables: str) -> None:
    """Run a command with its output thrown away; raise CalledProcessError for another exit code than ``expected``."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**peers.settings(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != expected:
        raise subprocess.CalledProcessError(done.returncode, command, stderr=done.stderr[-2000:])


def seconds(step: Step) -> float:
    """Return how long ``step`` takes."""
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def compare(
    what: str, bound: float, peer: tuple[str, Step], own: Step, *, times: int, prepare: Step | None = None
) -> Row:
    """Let the peer and rollstep take turns; ``prepare`` goes before each of rollstep's, and is not counted."""
    peer_seconds, own_seconds = [], []
    for _ in range(times):
        peer_seconds.append(seconds(peer[1]))
        if prepare is not None:
            prepare()
        own_seconds.append(seconds(own))
    row = Row(what, peer[0], bound, peer_seconds, own_seconds)
    print(" | ".join(row.cells()), flush=True)
    return row


def peak_megabytes() -> float:
    """Return the memory that the largest child so far has had."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
