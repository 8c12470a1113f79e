"""The tables with what they were measured on, for a terminal and as a page of the documentation."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from renderer import __version__
from renderer.pipeline.validate.install import kubeconform_version
from tests.bench import peers
from tests.bench.measure import FIGURES, ROWS, Figure, Row, table
from tests.bench.place import Place

HEAD = """\
# Performance

`make bench ARGS="--markdown docs/explanation/performance.md"` writes this page. Each row runs rollstep and a peer by
turns, so that the ratio counts and not the milliseconds, which depend on the machine and its load. `make bench` fails
where the median of the ratios is above its bound; a row without a bound is for comparison.

- "Nothing cached" starts with an empty cache, also the first time. "With the cache" is the same command once more.
- "From nothing" and growth run with `--no-cache`. The row of apps whose content was rendered before has the
  [cache](../how-to/pipelines.md#fleets), and nothing rendered in the repository.
- Validation has its own row, beside the time of kubeconform for the same files.
- Memory is that of all processes of a command, each with its share of common pages (`Pss` in Linux' `smaps_rollup`,
  every 50 ms), or the kernel's peak of the largest process if that is more.

`make profile` shows where one app and a fleet spend their time.
"""
SECTION = """
## {title}

Measured on: {machine}.

Versions: {versions}.

{tables}"""


def versions() -> str:
    """Return the commit of rollstep, and the versions of its interpreter, of git and of the peers."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    asked = ["git", "-C", str(peers.PROJECT), "describe", "--always", "--dirty"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "no checkout"
    told = {name: peers.version(name) for name in peers.PEERS} | {"kubeconform": kubeconform_version()}
    own = [f"rollstep {__version__} ({commit})", f"Python {platform.python_version()}", f"git {git}"]
    return ", ".join([*own, *(f"{name} {version}" for name, version in told.items())])


def machine() -> str:
    """Return what the machine is, and how busy it was with other work."""
    found = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) / 1024**2 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    parts = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} CPUs{f' ({found[0]})' if found else ''}"]
    parts += [f"{each:.0f} GB of memory" for each in memory]
    return ", ".join([*parts, f"load of the last 15 minutes at the end of the run {os.getloadavg()[2]:.1f}"])


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def tables(place: Place) -> str:
    """Return all tables, what is above its bound and why, and what was left out."""
    parts = [table(ROWS, place.rows)] if place.rows else []
    parts += [table(FIGURES, place.figures)] if place.figures else []
    above = [*missed(place)]
    if above:
        parts.append("Above its bound:\n\n" + "".join(f"- {_above(each)}\n" for each in above))
    if place.left_out:
        parts.append("Left out of a quick run:\n\n" + "".join(f"- {each}\n" for each in place.left_out))
    return "\n".join(parts)


def _above(found: Row | Figure) -> str:
    beside = f", beside {found.peer}" if isinstance(found, Row) else ""
    return f"{found.what}{beside}{f': {found.limit}' if found.limit else ''}"


def missed(place: Place) -> list[Row | Figure]:
    """Return what is above its bound."""
    found: list[Row | Figure] = [*place.rows, *place.figures]
    return [each for each in found if not each.is_met]


def section(place: Place, parts: Sequence[str], left: Sequence[str]) -> str:
    """Return what a run of ``parts`` (all where there are none) has found; ``left`` are still to be measured."""
    date = datetime.now(UTC).date().isoformat()
    title = f"{'Full' if place.full else 'Quick'} run of {date}"
    if parts:
        title += f": {', '.join(parts).replace('_', ' ')}"
    unfinished = f"\nNot measured in this run: {', '.join(left)}.\n" if left else ""
    return SECTION.format(title=title, machine=machine(), versions=versions(), tables=tables(place)) + unfinished
