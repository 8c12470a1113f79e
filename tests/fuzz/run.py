"""``python -m tests.fuzz.run [TARGET]...``: fuzz every target in turn, ``FUZZ_SECONDS`` in all (300).

What makes a target fail is left in ``FUZZ_FOLDER`` (``.fuzz``), and the run fails.  Put a small form of it into
``tests/fuzz/corpus``, where ``make test`` reads it again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from renderer.kubernetes.printing import text_table
from tests.fuzz.targets import TARGETS

_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def run(names: list[str]) -> int:
    """Fuzz the targets and print a table; return the exit code."""
    folder = Path(os.environ.get("FUZZ_FOLDER", ".fuzz"))
    seconds = max(int(os.environ.get("FUZZ_SECONDS", "300")) // len(names), 1)
    rows, failed = [["TARGET", "SECONDS", "EXECUTIONS", "RESULT"]], []
    for name in names:
        command = [sys.executable, "-m", "tests.fuzz.child", name, str(seconds), str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace", check=False)
        executions = _EXECUTIONS.search(done.stdout)
        if done.returncode:
            failed.append(name)
            print(done.stdout[done.stdout.find("INFO: Running") :][-6000:], flush=True)
        rows.append([name, str(seconds), executions[1] if executions else "?", "FAILED" if done.returncode else "fine"])
        print(f"{name}: {rows[-1][2]} executions in {seconds} s, {rows[-1][3]}", flush=True)
    print(text_table(rows), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(TARGETS)
    unknown = sorted(set(chosen) - set(TARGETS))
    sys.exit(f"no target {', '.join(unknown)}: they are {', '.join(TARGETS)}" if unknown else run(chosen))
