"""A hundred processes race to one remote: no step is lost, none is done twice, no commit mixes two states."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.flows.test_race import assert_whole, clone, subjects
from tests.support.commands import NOON, Checkout

WRITERS = 100
APPS = 20
CLONES = 25
"""Four processes share each clone, so that they race for its files as well as for the remote."""


def fleet(folder: Path) -> Path:
    """Return a bare repository with ``APPS`` apps, nothing of them rendered."""
    source = folder / "source"
    source.mkdir()
    checkout = Checkout(source)
    checkout.git("rm", "-rq", "environments/dev", "environments/staging", "environments/prod/api")
    web = source / "environments" / "prod" / "web"
    for number in range(APPS):
        app = web.parent / f"app-{number}"
        app.mkdir()
        for path in sorted(web.iterdir()):
            text = path.read_text(encoding="utf-8")
            (app / path.name).write_text(text.replace("name: web", f"name: app-{number}"), encoding="utf-8")
            (app / path.name).write_text(
                (app / path.name)
                .read_text(encoding="utf-8")
                .replace("web-stable", f"app-{number}-stable")
                .replace("web-canary", f"app-{number}-canary")
                .replace("stableIngress: web", f"stableIngress: app-{number}"),
                encoding="utf-8",
            )
    checkout.git("rm", "-rq", "environments/prod/web")
    (source / "rollstep.yaml").write_text("environments:\n  prod: {namespace: shop, order: step}\n", encoding="utf-8")
    checkout.commit("A fleet")
    remote = folder / "remote"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(source), str(remote)], check=True)
    return remote


def test_a_hundred_writers(tmp_path: Path) -> None:
    remote = fleet(tmp_path)
    clones = [clone(remote, f"clone-{number}") for number in range(CLONES)]
    options = ["--push", "--no-validate", "--now", NOON, "--message"]
    command = [sys.executable, "-m", "renderer", "advance"]
    running = [
        # Each has a message of its own: with the same one two commits would be one and the same.
        subprocess.Popen(
            [*command, f"prod/app-{number % APPS}", *options, f"app-{number % APPS} by writer {number}"],
            cwd=clones[number // (WRITERS // CLONES)].root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    done = [(process.communicate(), process.returncode) for process in running]
    codes = Counter(code for _, code in done)
    assert set(codes) <= {0, 1}, [words for words, code in done if code not in (0, 1)]
    released = Counter(line.split()[0] for line in subjects(remote) if line.startswith("app-"))
    told = "\n".join(words[1] for words, code in done if code)
    assert released == {f"app-{number}": 1 for number in range(APPS)}, f"{released}\n{codes}\n{told}"
    assert_whole(remote)
    for each in clones:
        assert each.git("status", "--porcelain") == ""
    print(f"\n{WRITERS} writers, {APPS} steps: {released.total()} commits, exit codes {dict(codes)}, 0 lost, 0 doubled")
