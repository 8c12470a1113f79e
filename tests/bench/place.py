"""The place of all measurements: a folder with repositories, charts and overlays, each made once, and the results."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from tests.bench import fleet, peers
from tests.bench.measure import Figure, Row, Step, run, turns

ROLLSTEP = str(Path(sys.executable).parent / "rollstep")
HELM, KUSTOMIZE, KUBECTL = (str(peers.BIN / name) for name in ("helm", "kustomize", "kubectl"))
SETTLED = 0.2
"""Seconds after which the times of files tell whether they have changed since."""


class Place:
    """One run of the bench; what is found is printed at once and kept."""

    def __init__(self, folder: Path, *, full: bool) -> None:
        self.folder = folder
        self.full = full
        self.rows: list[Row] = []
        self.figures: list[Figure] = []
        self.left_out: list[str] = []
        self.sizes: dict[int, tuple[float, int]] = {}
        """Seconds and files of a fleet rendered from nothing, by its size."""

    def compare(self, row: Row) -> None:
        """Keep a row."""
        self.rows.append(row)
        print(" | ".join(row.cells()), flush=True)

    def by_turns(
        self, what: str, bound: float | None, peer: tuple[str, Step], own: Step, times: int, limit: str = "",
        prepare: Step | None = None,
    ) -> None:  # fmt: skip
        """Keep a row of a peer and rollstep by turns; ``prepare`` goes before each of rollstep's, uncounted."""
        theirs, ours = turns(times, (None, peer[1]), (prepare, own))
        self.compare(Row(what, peer[0], bound, theirs, ours, limit))

    def hold(self, figure: Figure) -> None:
        """Keep a figure."""
        self.figures.append(figure)
        print(" | ".join(figure.cells()), flush=True)

    def leave_out(self, what: str) -> None:
        """Keep what is not measured in a quick run."""
        self.left_out.append(what)
        print(f"left out, BENCH=full has it: {what}", flush=True)

    def variables(self) -> dict[str, str]:
        """Return what rollstep's environment has in addition: a cache of its own."""
        return {"XDG_CACHE_HOME": str(self.folder / "cache")}

    def forget(self) -> None:
        """Move the cache out of the way."""
        cache = self.folder / "cache"
        if cache.exists():
            cache.rename(self.aside() / "cache")

    def rollstep(self, root: Path, *arguments: str) -> partial[None]:
        """Return the step that runs ``rollstep ARGUMENTS`` in ``root``."""
        return partial(run, [ROLLSTEP, *arguments], root, 0, **self.variables())

    def aside(self) -> Path:
        """Return a new folder for what is to be out of the way until all is measured."""
        folder = self.folder / "aside"
        folder.mkdir(exist_ok=True)
        return Path(mkdtemp(dir=folder))

    def repository(self, size: int, *, rendered: bool) -> Path:
        """Return a repository of ``size`` apps: their sources alone, or rendered, committed and checked."""
        root = self.folder / f"fleet-{size}{'-rendered' if rendered else ''}"
        if not root.exists():
            fleet.make_sources(root, size)
            if rendered:
                self.rollstep(root, "render", "--no-validate")()
                self._commit(root)
        return root

    def keep(self, root: Path, size: int) -> None:
        """Take over a rendered repository of ``size`` apps where one of that size is missing; remove it elsewhere."""
        place = self.folder / f"fleet-{size}-rendered"
        if place.exists() or size > 10_000:
            shutil.rmtree(root)
            return
        root.rename(place)
        self._commit(place)

    def _commit(self, root: Path) -> None:
        """Commit what is rendered, and let it be remembered that it is as it should be."""
        fleet.commit_all(root)
        time.sleep(SETTLED)
        self.rollstep(root, "render", "--check")()

    def kustomization(self) -> tuple[str, partial[None]]:
        """Return ``kubectl kustomize`` of one app's manifests, and what it is called."""
        folder = self.folder / "overlays-1"
        if not folder.exists():
            fleet.make_overlays(folder, 1)
        return "`kubectl kustomize`, 1 app", partial(run, [KUBECTL, "kustomize", str(folder)], self.folder)

    def chart(self, size: int) -> tuple[str, partial[None]]:
        """Return ``helm template`` of one chart with ``size`` apps, and what it is called."""
        folder = self.folder / f"chart-{size}"
        if not folder.exists():
            fleet.make_chart(folder, size)
        home = {name: str(self.folder / "helm") for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
        called = f"`helm template`, {size:,} app{'s' if size > 1 else ''}"
        return called, partial(run, [HELM, "template", "x", str(folder)], self.folder, 0, **home)


def git(root: Path, *arguments: str) -> str:
    """Run git in ``root`` and return what it prints."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()
