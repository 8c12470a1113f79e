"""``python -m tests.e2e.run``: build the tools, and run the end-to-end tests in a network namespace of their own.

The namespace has all addresses of pods, and the API server's, on its loopback device: nothing leaves this machine, no
port collides with another program's, and no root is needed where users may make namespaces.  What the tests start ends
with them, since they have a namespace of processes as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.e2e import build
from tests.e2e.cluster import ADDRESS, PODS

NETWORK = f"ip link set lo up && ip address add {ADDRESS}/32 dev lo && ip route add local {PODS} dev lo"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is missing and become pytest; ``arguments`` go to it."""
    missing = [name for name in ("unshare", "ip", "openssl", "git") if shutil.which(name) is None]
    if missing:
        print(f"The end-to-end tests need {', '.join(missing)}: Debian has them in util-linux, iproute2, openssl, git.")
        return 1
    build.main([])
    words = list(sys.argv[1:] if arguments is None else arguments)
    tests = words if any(word.startswith("tests/") for word in words) else ["tests/e2e", *words]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", *tests]
    shell = ["sh", "-c", f'{NETWORK} && exec "$@"', "sh", *command]
    namespaces = ["--net", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.chdir(build.PROJECT)
    return subprocess.run(["unshare", *namespaces, *shell], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
