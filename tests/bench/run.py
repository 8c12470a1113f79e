"""``python -m tests.bench.run``: rollstep and its peers by turns; fails where a bound is not met.

``BENCH=quick`` (the default) takes some minutes, ``BENCH=full`` has the large fleets and repositories too.
"""

from __future__ import annotations

import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from renderer.kubeconform.binary import find_kubeconform
from tests.bench import fleet, peers
from tests.bench.measure import Row, Step, compare, peak_megabytes, run, seconds, table

ROLLSTEP = str(Path(sys.executable).parent / "rollstep")
HELM, KUSTOMIZE = str(peers.BIN / "helm"), str(peers.BIN / "kustomize")
SETTLED = 0.2
"""Seconds after which the times of files tell whether they have changed since."""


class Bench:
    """One run of all rows, in a folder of its own."""

    def __init__(self, folder: Path, *, full: bool) -> None:
        self.folder = folder
        self.full = full
        self.rows: list[Row] = []
        self.broken: list[str] = []

    def row(self, what: str, bound: float, peer: tuple[str, partial[None]], own: partial[None], **more: object) -> None:
        times = int(str(more.pop("times", 7)))
        prepare = more.pop("prepare", None)
        assert not more
        assert prepare is None or callable(prepare)
        self.rows.append(compare(what, bound, peer, own, times=times, prepare=prepare))

    def limit(self, what: str, found: float, bound: float) -> None:
        """Hold a figure that is no ratio of times to its bound."""
        print(f"{what}: {found:.3g} (bound {bound:g})", flush=True)
        if found > bound:
            self.broken.append(what)

    def rollstep(self, root: Path, *arguments: str) -> partial[None]:
        return partial(run, [ROLLSTEP, *arguments], root, 0, XDG_CACHE_HOME=str(self.folder / "cache"))

    def repository(self, size: int, *, rendered: bool) -> Path:
        root = self.folder / f"fleet-{size}{'-rendered' if rendered else ''}"
        if not root.exists():
            fleet.make_sources(root, size)
            if rendered:
                self.rollstep(root, "render", "--no-validate")()
                fleet.commit_all(root)
                time.sleep(SETTLED)
                self.rollstep(root, "render", "--check")()
        return root

    def chart(self, size: int) -> tuple[str, partial[None]]:
        folder = self.folder / f"chart-{size}"
        if not folder.exists():
            fleet.make_chart(folder, size)
        home = {name: str(self.folder / "helm") for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
        return f"helm template, {size} apps", partial(run, [HELM, "template", "x", str(folder)], self.folder, 0, **home)

    def cold_start(self) -> None:
        root, nothing = self.repository(5, rendered=True), partial(run, [sys.executable, "-c", "pass"], self.folder)
        python = ("python -c pass", nothing)
        app = "environments/prod/app-00000"
        self.rollstep(root, "render", "--check", app)()
        self.rollstep(root, "--help")()
        complete = partial(
            self.rollstep(root), _ROLLSTEP_COMPLETE="bash_complete", COMP_WORDS="rollstep re", COMP_CWORD="1"
        )
        complete()
        self.row("`--help`", 1.6, python, self.rollstep(root, "--help"), times=31)
        self.row("completion of a verb", 1.6, python, complete, times=31)
        self.row("`render --check` of one app", 2, python, self.rollstep(root, "render", "--check", app), times=31)
        self.row("the same", 1.2, self.chart(1), self.rollstep(root, "render", "--check", app), times=31)

    def from_nothing(self) -> None:
        root = self.repository(1000, rendered=False)

        def clear() -> None:
            for path in (root / "environments/prod").iterdir():
                shutil.rmtree(path / "rendered", ignore_errors=True)
                (path / "status.yaml").unlink(missing_ok=True)

        own = self.rollstep(root, "render", "--no-validate")
        self.row("1,000 apps from nothing", 1.5, self.chart(1000), own, times=3, prepare=clear)
        if self.full:
            overlays = self.folder / "overlays"
            fleet.make_overlays(overlays, 1000)
            build = partial(run, [KUSTOMIZE, "build", str(overlays)], self.folder)
            self.row("the same", 0.05, ("kustomize build, 1,000 apps", build), own, times=1, prepare=clear)
        plain = min(repeated(2, own, clear))
        binary = find_kubeconform()
        assert binary is not None
        texts = self.folder / "texts"
        texts.mkdir()
        for path in (root / "environments").glob("*/*/rendered/*.yaml"):
            shutil.copy(path, texts / f"{path.parent.parent.name}-{path.name}")
        clear()
        self.rollstep(root, "render")()
        (schemas,) = (self.folder / "cache/rollstep/schemas").iterdir()
        location = "{{ .Group }}/{{ .ResourceKind }}-{{ .ResourceAPIVersion }}.json"
        command = [binary, "-strict", "-verbose", "-output", "json", "-ignore-missing-schemas", "-n"]
        command += [str(os.cpu_count() or 1), "-schema-location", location, str(texts)]
        theirs = [seconds(partial(run, command, schemas)) for _ in range(3)]
        ours = [found - plain for found in repeated(3, self.rollstep(root, "render"), clear)]
        self.rows.append(Row("validation of these", "kubeconform, 1,000 apps", 1.2, theirs, ours))

    def unchanged(self) -> None:
        root = self.repository(1000, rendered=True)
        check = self.rollstep(root, "render", "--check")
        check()
        self.row("`render --check` of 1,000 apps, nothing changed", 0.25, self.chart(1000), check)
        source = root / "environments/prod/app-00500/services.yaml"

        def edit() -> None:
            source.write_text(f"{source.read_text()}# seen\n")
            time.sleep(SETTLED)

        one = self.rollstep(root, "render", "--check", "--now", "2026-01-01T00:00:00Z", "environments/prod/app-00500")
        alone = min(seconds(one) for _ in range(3))
        helm = self.chart(1000)
        theirs = 0.25 * min(seconds(helm[1]) for _ in range(3)) + alone
        ours = repeated(5, check, edit)
        self.rows.append(Row("the same, one app changed", "a quarter of helm's and one app", 1, [theirs], ours))

    def growth(self) -> None:
        sizes = (1000, 3000, 10000, 30000) if self.full else (300, 1000)
        found = []
        for size in sizes:
            root = self.folder / f"growth-{size}"
            fleet.make_sources(root, size)
            found.append(seconds(self.rollstep(root, "render", "--no-validate")))
            print(f"{size} apps from nothing: {found[-1]:.2f} s, largest process {peak_megabytes():.0f} MB", flush=True)
            shutil.rmtree(root)
        self.limit("exponent of growth", math.log(found[-1] / found[0]) / math.log(sizes[-1] / sizes[0]), 1.05)
        self.limit("peak memory in MB", peak_megabytes(), 256)

    def one_among_many(self) -> None:
        root = self.repository(10000 if self.full else 1000, rendered=True)
        small = self.repository(5, rendered=True)
        for verb in ("plan", "status", "history"):
            app = "environments/prod/app-00003"
            cold = (f"{verb} of one app among 5", self.rollstep(small, verb, app))
            self.row(f"`{verb}` of one app among {len(fleet.names(10000 if self.full else 1000))}", 1.5, cold,
                     self.rollstep(root, verb, app), times=5)  # fmt: skip

    def commits(self) -> None:
        size = 1000 if self.full else 200
        root = self.repository(size, rendered=True)
        mirror = self.folder / "mirror"
        shutil.copytree(root, mirror)

        def release(version: int) -> None:
            for path in (root / "environments/prod").glob("*/rollout.yaml"):
                path.write_text(path.read_text().replace(f":{version}.0.0", f":{version + 1}.0.0"))
            subprocess.run(["git", "commit", "--quiet", "--all", "--message=Sources"], cwd=root, check=True)

        theirs, ours = [], []
        for version in (1, 2, 3):
            release(version)
            before = subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
            ).stdout.strip()
            ours.append(seconds(self.rollstep(root, "advance", "--all", "--together", "--no-validate")))
            subprocess.run(["git", "fetch", "--quiet", str(root), before], cwd=mirror, check=True)
            subprocess.run(["git", "reset", "--quiet", "--hard", before], cwd=mirror, check=True)
            shutil.copytree(root / "environments", mirror / "environments", dirs_exist_ok=True)
            theirs.append(seconds(partial(fleet.commit_all, mirror)))
        self.rows.append(Row(f"`advance --all --together`, {size} apps", "git add and git commit", 3, theirs, ours))

    def hashes(self) -> None:
        program = (
            "import sys, time; from renderer.pod_template import pod_template_hash as h; from renderer.yaml_io import "
            "load_documents as l; t = l(open(sys.argv[1]).read(), '')[0].value['spec']['template']; h(t); "
            "b = time.perf_counter(); [h(t) for _ in range(5000)]; print(5000 / (time.perf_counter() - b))"
        )
        source = self.repository(5, rendered=True) / "environments/prod/app-00000/rollout.yaml"
        found = [
            float(subprocess.run([sys.executable, "-c", program, str(source)], capture_output=True, check=True).stdout)
            for _ in range(3)
        ]
        print(f"hashes a second: {max(found):.0f}", flush=True)
        self.limit("10,000 hashes in seconds", 10000 / max(found), 1)


def repeated(times: int, own: Step, prepare: Step) -> list[float]:
    """Return how long each of some runs takes; ``prepare`` goes before each and is not counted."""
    found = []
    for _ in range(times):
        prepare()
        found.append(seconds(own))
    return found


def main() -> int:
    """Install the peers, run all rows or those that are named, print the table; return 1 where a bound is broken."""
    peers.install()
    full = os.environ.get("BENCH", "quick") == "full"
    names = ["cold_start", "from_nothing", "unchanged", "one_among_many", "commits", "hashes", "growth"]
    with tempfile.TemporaryDirectory(prefix="rollstep-bench-") as folder:
        bench = Bench(Path(folder), full=full)
        for name in sys.argv[1:] or names:
            getattr(bench, name)()
    told = f"helm {peers.version('helm')}, kustomize {peers.version('kustomize')}"
    print(f"\n{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {told}\n")
    print(table(bench.rows), end="")
    missed = [row.what for row in bench.rows if not row.is_met] + bench.broken
    for what in missed:
        print(f"above its bound: {what}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
