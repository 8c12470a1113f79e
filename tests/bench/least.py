"""``python tests/bench/least.py SOURCES TARGET``: the least that a fleet's render has to do, and nothing else.

Every source is read as YAML by libyaml through PyYAML, and as many files of the same sizes as rollstep writes are made,
by as many processes as there are CPUs.  No value is looked at, nothing is computed, and no file is made safe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

SIZES = (1071, 666, 663, 544, 414, 366, 366, 342, 185)
"""Bytes of the files that are written of an app of the bench's fleets: six manifests and three of rollstep's own."""


def make(apps: Sequence[Path], target: Path) -> None:
    """Read the sources of ``apps``, and make files in ``target``."""
    for app in apps:
        for path in app.glob("*.yaml"):
            if path.name != "status.yaml":
                list(yaml.load_all(path.read_bytes(), yaml.CSafeLoader))
        folder = f"{target}/{app.name}"
        os.mkdir(folder)
        for number, size in enumerate(SIZES):
            descriptor = os.open(f"{folder}/{number}", os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, b"x" * size)
            os.close(descriptor)


def main(sources: Path, target: Path) -> int:
    """Share the apps out to processes, and wait for them; return 1 where one of them has failed."""
    apps, cpus = sorted(sources.glob("environments/prod/*")), os.cpu_count() or 1
    children = []
    for start in range(cpus):
        child = os.fork()
        if not child:
            make(apps[start::cpus], target)
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
