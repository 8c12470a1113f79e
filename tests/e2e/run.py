"""``python -m tests.e2e.run``: build the tools, and run the end-to-end tests, those with a cluster in namespaces.

Their network namespace has all addresses of pods, and the API server's, on its loopback device: nothing leaves this
machine, no port collides with another program's, and no root is needed where users may make namespaces.  What the tests
start ends with them, since they have a namespace of processes as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e import build
from tests.e2e.browser import build as browser
from tests.e2e.cluster import ADDRESS, PODS

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", "--durations=0", "--durations-min=10")

NETWORK = f"ip link set lo up && ip address add {ADDRESS}/32 dev lo && ip route add local {PODS} dev lo"

WITH_CLUSTER = ("test_analysis.py", "test_autoscaling.py", "test_naive.py", "test_releases.py", "test_waves.py")
"""The tests that need it; the others may use the network, as pre-commit does when it installs a hook."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is missing and become pytest; ``arguments`` go to it."""
    missing = [name for name in ("unshare", "ip", "openssl", "git") if shutil.which(name) is None]
    if missing:
        print(f"The end-to-end tests need {', '.join(missing)}: Debian has them in util-linux, iproute2, openssl, git.")
        return 1
    if packages := browser.missing():
        print(f"The tests of the site need a browser and Node.js 20 or newer: apt-get install {' '.join(packages)}")
        return 1
    build.main([])
    words = list(sys.argv[1:] if arguments is None else arguments)
    tests = [word for word in words if word.startswith("tests/")]
    options = [word for word in words if not word.startswith("tests/")]
    files = tests or [str(path.relative_to(build.PROJECT)) for path in sorted(build.HERE.glob("test_*.py"))]
    os.chdir(build.PROJECT)
    within = [name for name in files if name.partition("::")[0].rpartition("/")[2] in WITH_CLUSTER]
    without = [name for name in files if name not in within]
    # The one half waits for pods most of its time and the other computes, so both together take as long as the longer.
    with ThreadPoolExecutor() as both:
        beside = both.submit(_run_beside, without, options) if without else None
        codes = [_run(_namespaces(), within, options).returncode] if within else []
    if beside is not None:
        print(beside.result().stdout, flush=True)
        codes.append(beside.result().returncode)
    # Options such as -k can leave one half without a test, which pytest calls a failure.
    return max((code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED), default=max(codes))


def _namespaces() -> list[str]:
    """Return the command that runs another one in namespaces of its own."""
    shell = ["sh", "-c", f'{NETWORK} && exec "$@"', "sh"]
    return ["unshare", "--net", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", *shell]


def _run(prefix: Sequence[str], files: Sequence[str], options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*prefix, *PYTEST, *files, *options], check=False, text=True)


def _run_beside(files: Sequence[str], options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run the tests at a lower priority, and keep what they print."""
    command = ["nice", "-n", "10", *PYTEST, *files, *options]
    return subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


if __name__ == "__main__":
    sys.exit(main())
