"""playwright-core and axe-core, installed once from npm at the pinned versions and kept in ``.tools/e2e``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
PINS = ("package.json", "package-lock.json")
"""The files that name the packages with their hashes."""
PROGRAMS = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}
"""The programs that the machine has to have, and the Debian package of each."""


def missing() -> list[str]:
    """Return the Debian packages of the programs that are not on ``PATH``."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def installed() -> Path:
    """Return the folder with the packages; install them first if need be."""
    build()
    return _folder()


def build() -> bool:
    """Install the packages if they are not there; tell whether that was so."""
    folder = _folder()
    if (folder / "node_modules").is_dir():
        return False
    work = folder.with_name(f"{folder.name}.installing")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in PINS:
        shutil.copyfile(HERE / name, work / name)
    # No package may run a program, and playwright-core takes the machine's Chromium.
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)
    return True


def _folder() -> Path:
    pins = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PINS)).hexdigest()
    return PROJECT / ".tools" / "e2e" / f"browser-{pins[:12]}"


if __name__ == "__main__":
    print(installed())
