"""``python -m tests.bench.profile``: where a cold start and a fleet run spend their time.

A cold start is shown by what is imported (``-X importtime``), a fleet run by cProfile; both cost time themselves, so
only the shares count.
"""

from __future__ import annotations

import argparse
import pstats
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from tests.bench import peers
from tests.bench.measure import seconds
from tests.bench.place import Place
from tests.bench.single import APP

PROJECT = Path(__file__).resolve().parents[2]
ROWS = 15
OWN, PYTHON = "renderer/", "python"


class Spent(NamedTuple):
    """Seconds that a function, module or folder took by itself, and with all that it called or imported."""

    name: str
    own: float
    total: float


def imports(place: Place, root: Path, arguments: Sequence[str]) -> list[Spent]:
    """Return what a run of ``rollstep ARGUMENTS`` imports, the most costly first."""
    command = [sys.executable, "-X", "importtime", "-m", "renderer", *arguments]
    environment = {**peers.settings(), **place.variables()}
    told = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stderr
    lines = [line.removeprefix("import time:").split("|") for line in told.splitlines() if "|" in line]
    found = [
        Spent(name.strip(), int(own) / 1e6, int(total) / 1e6)
        for own, total, name in lines
        if own.strip().isdigit()
    ]  # fmt: skip
    return sorted(found, key=lambda each: each.total, reverse=True)


def functions(place: Place, root: Path, arguments: Sequence[str]) -> list[Spent]:
    """Return the functions that a run of ``rollstep ARGUMENTS`` spends its time in, those with the most of it first."""
    file = place.folder / "profile"
    command = [sys.executable, "-m", "cProfile", "-o", str(file), "-m", "renderer", *arguments]
    quiet = subprocess.DEVNULL
    environment = {**peers.settings(), **place.variables()}
    subprocess.run(command, cwd=root, env=environment, stdout=quiet, stderr=quiet, check=True)
    stats = cast("dict[tuple[str, int, str], tuple[int, int, float, float, object]]", pstats.Stats(str(file)).stats)  # type: ignore[attr-defined]
    found = [
        Spent(f"{_module(path)}{f':{line}' if line else ''} {name}", own, total)
        for (path, line, name), (_, _, own, total, _) in stats.items()
    ]
    return sorted(found, key=lambda each: each.own, reverse=True)


def _module(path: str) -> str:
    """Return a file of a profile as it is called within rollstep, a library or the interpreter."""
    if path.startswith(str(PROJECT / "renderer")):
        return str(Path(path).relative_to(PROJECT))
    parts = Path(path).parts
    if "site-packages" in parts:
        return "/".join(parts[parts.index("site-packages") + 1 :])
    return "built-in" if path == "~" else f"{PYTHON}/{'/'.join(parts[-2:])}"


def by_package(found: Sequence[Spent]) -> list[Spent]:
    """Return own time summed up by module of rollstep, by library, and for the interpreter, the largest sum first."""
    sums: defaultdict[str, float] = defaultdict(float)
    for each in found:
        place = each.name.split(" ", 1)[0]
        top = place.split(":", 1)[0] if place.startswith(OWN) else place.split("/", 1)[0]
        sums[top] += each.own
    return sorted((Spent(name, own, own) for name, own in sums.items()), key=lambda each: each.own, reverse=True)


def show(title: str, found: Sequence[Spent], rows: int = ROWS, whole: float = 0) -> None:
    """Print the first of what was found, with its share of the whole: of all own time that was found."""
    whole = whole or sum(each.own for each in found)
    print(f"\n{title}: {whole * 1000:,.0f} ms in all\n")
    print(f"{'own ms':>10} {'share':>6} {'with all below':>15}  what")
    for each in found[:rows]:
        share = each.own / whole if whole else 0
        print(f"{each.own * 1000:>10,.1f} {share:>6.1%} {each.total * 1000:>12,.1f} ms  {each.name}")


def main() -> int:
    """Profile a cold start, with and without what is remembered, and a fleet run; return 0."""
    parser = argparse.ArgumentParser(prog="make profile", description="Show where rollstep spends its time.")
    parser.add_argument("--apps", type=int, default=200, metavar="N", help="size of the fleet (default: 200)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rollstep-profile-") as folder:
        place = Place(Path(folder), full=False)
        few = place.repository(5, rendered=True)
        check, looked = ("render", "--check", APP), ("render", "--check", "--no-cache", APP)
        for title, arguments in (
            ("`render --check` of one app, with the cache", check),
            ("`render --check` of one app, without", looked),
            ("`plan` of one app", ("plan", APP)),
        ):
            place.rollstep(few, *arguments)()
            times = sorted(seconds(place.rollstep(few, *arguments)) for _ in range(5))
            print(f"\n== {title}: {times[2] * 1000:,.0f} ms without a profile (median of 5)")
            show("imports", imports(place, few, arguments))
        fleet = place.repository(asked.apps, rendered=False)
        render = ("render", "--no-validate", "--no-cache", "--jobs", "1")
        print(f"\n== {asked.apps:,} apps from nothing, without validation")
        found = functions(place, fleet, render)
        show("by module and library", by_package(found))
        show("by function", found, 2 * ROWS)
        ours = [each for each in found if each.name.startswith(OWN)]
        below = sorted(ours, key=lambda each: each.total, reverse=True)
        show("rollstep's functions with all below", below, 2 * ROWS, sum(each.own for each in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
