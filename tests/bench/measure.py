"""Rows of the table: commands that take turns in one run, and what their times come to."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from tests.bench import peers

Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds of rollstep and of a peer, measured by turns, and the allowed ratio.

    ``bound`` is None where it is told for comparison alone.
    ``limit`` is what keeps it above its bound, told where it is above.
    """

    what: str
    peer: str
    bound: float | None
    peer_seconds: Sequence[float]
    own_seconds: Sequence[float]
    limit: str = ""

    @property
    def ratios(self) -> list[float]:
        """The ratio of each turn, smallest first: what slows a machine down for a while slows both of a turn."""
        return sorted(own / peer for own, peer in zip(self.own_seconds, self.peer_seconds, strict=True))

    @property
    def is_met(self) -> bool:
        return self.bound is None or median(self.ratios) <= self.bound

    def cells(self) -> list[str]:
        ratios = self.ratios
        return [
            self.what,
            _told(self.own_seconds),
            f"{self.peer}: {_told(self.peer_seconds)}",
            f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, {len(ratios)} turns)",
            "" if self.bound is None else f"{self.bound:g}",
            "" if self.bound is None else "yes" if self.is_met else "**no**",
        ]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement of rollstep alone and its bound: an upper one, or a lower one with ``at_least``."""

    what: str
    value: float
    bound: float
    told: str
    at_least: bool = False
    limit: str = ""

    @property
    def is_met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def cells(self) -> list[str]:
        bound = f"{'at least' if self.at_least else 'at most'} {self.bound:,g}"
        return [self.what, self.told, bound, "yes" if self.is_met else "**no**"]


ROWS = ["what", "rollstep: median (fastest to slowest)", "beside", "ratio: median (spread)", "at most", "met"]
FIGURES = ["what", "found", "bound", "met"]


def _told(seconds: Sequence[float]) -> str:
    found = sorted(seconds)
    if found[-1] < 10:
        return f"{median(found) * 1000:,.0f} ms ({found[0] * 1000:,.0f} to {found[-1] * 1000:,.0f})"
    return f"{median(found):.1f} s ({found[0]:.1f} to {found[-1]:.1f})"


def table(head: Sequence[str], found: Sequence[Row] | Sequence[Figure]) -> str:
    """Return rows or figures as a table in Markdown."""
    lines = [head, ["---"] * len(head), *(each.cells() for each in found)]
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


def turns(times: int, *steps: tuple[Step | None, Step]) -> list[list[float]]:
    """Let all steps take turns and return the seconds of each; what stands before a step makes it ready, uncounted."""
    found: list[list[float]] = [[] for _ in steps]
    for _ in range(times):
        for (prepare, step), taken in zip(steps, found, strict=True):
            if prepare is not None:
                prepare()
            taken.append(seconds(step))
    return found


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the power of the size that ``values`` grow with: the slope of least squares through their logarithms."""
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    middle_x, middle_y = fmean(x), fmean(y)
    along = sum((each - middle_x) * (other - middle_y) for each, other in zip(x, y, strict=True))
    return along / sum((each - middle_x) ** 2 for each in x)
