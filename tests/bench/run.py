"""``python -m tests.bench.run``: rollstep and its peers by turns; fails where a bound is not met.

``BENCH=quick`` (the default) takes some minutes, ``BENCH=full`` has the large fleets and repositories too.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench import commits, fleets, peers, single
from tests.bench.place import Place
from tests.bench.report import HEAD, machine, missed, section, tables, versions

PARTS: dict[str, Callable[[Place], None]] = {
    part.__name__: part
    for part in (
        single.one_app,
        single.hashes,
        fleets.from_nothing,
        fleets.unchanged,
        commits.step_commit,
        commits.advance_all,
        fleets.growth,
        single.one_among_many,
        fleets.kustomize,
        fleets.largest,
    )
}


def main() -> int:
    """Install the peers, measure all parts or those that are named, print the tables; return 1 above a bound."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure rollstep beside its peers, by turns.")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a page to FILE, or add named parts to it")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure: {', '.join(PARTS)}; default: all")
    asked = parser.parse_args()
    unknown = [name for name in asked.parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    is_added = asked.markdown and asked.parts and asked.markdown.exists()
    before = asked.markdown.read_text(encoding="utf-8") if is_added else HEAD
    peers.install()
    with tempfile.TemporaryDirectory(prefix="rollstep-bench-") as folder:
        place = Place(Path(folder), full=os.environ.get("BENCH", "quick") == "full")
        left = list(asked.parts or PARTS)
        while left:
            PARTS[left.pop(0)](place)
            if asked.markdown:
                asked.markdown.write_text(before + section(place, asked.parts, left), encoding="utf-8")
    print(f"\n{machine()}\n{versions()}\n\n{tables(place)}", end="")
    above = missed(place)
    for each in above:
        print(f"above its bound: {each.what}", file=sys.stderr)
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
