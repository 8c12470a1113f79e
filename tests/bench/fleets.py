"""A fleet: everything from nothing, validation, nothing changed, one app changed, and growth."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from renderer.kubeconform.binary import LOCATION, find_kubeconform
from tests.bench import fleet, peers
from tests.bench.measure import Figure, Row, exponent, run, seconds, turns
from tests.bench.memory import peak_megabytes
from tests.bench.place import KUSTOMIZE, ROLLSTEP, SETTLED, Place

SIZE = 1000
MEGABYTES = 256
EXPONENT = 1.05
HOT_PATH = "All that is done for an app (YAML, engine, text, files) is done in Python, and helm fills in text in Go."


def _clear(root: Path) -> Callable[[], None]:
    """Return the step that takes away all that rollstep has written."""

    def clear() -> None:
        for path in (root / "environments/prod").iterdir():
            shutil.rmtree(path / "rendered", ignore_errors=True)
            (path / "status.yaml").unlink(missing_ok=True)

    return clear


def from_nothing(place: Place) -> None:
    """Rendered, hashed, planned and written, without validation; beside helm's text, and kustomize."""
    root = place.repository(SIZE, rendered=False)
    clear, own = _clear(root), place.rollstep(root, "render", "--no-validate")
    what = f"{SIZE:,} apps from nothing, without validation"
    place.by_turns(what, 1.5, place.chart(SIZE), own, 5 if place.full else 3, HOT_PATH, prepare=clear)
    if not place.full:
        place.leave_out(f"{SIZE:,} apps beside `kustomize build`, which takes half a minute and more")
        return
    overlays = place.folder / "overlays"
    fleet.make_overlays(overlays, SIZE)
    build = (f"`kustomize build`, {SIZE:,} apps", partial(run, [KUSTOMIZE, "build", str(overlays)], place.folder))
    place.by_turns(what, 0.05, build, own, 3, HOT_PATH, prepare=clear)


def validation(place: Place) -> None:
    """A run with validation beside one without and then kubeconform: the bound is that sum, with no tolerance."""
    root = place.repository(SIZE, rendered=False)
    clear, texts = _clear(root), place.folder / "texts"
    clear()
    place.rollstep(root, "render")()
    texts.mkdir()
    for path in (root / "environments").glob("*/*/rendered/*.yaml"):
        if path.name != "kustomization.yaml":
            shutil.copy(path, texts / f"{path.parent.parent.name}-{path.name}")
    (schemas,) = (place.folder / "cache/rollstep/schemas").iterdir()
    binary = find_kubeconform()
    assert binary is not None
    command = [binary, "-strict", "-verbose", "-output", "json", "-ignore-missing-schemas", "-n"]
    command += [str(os.cpu_count() or 1), "-schema-location", LOCATION, str(texts)]
    plain, theirs, ours = turns(
        7 if place.full else 3,
        (clear, place.rollstep(root, "render", "--no-validate")),
        (None, partial(run, command, schemas)),
        (clear, place.rollstep(root, "render")),
    )
    both = [without + their for without, their in zip(plain, theirs, strict=True)]
    peer = f"the same without validation, then kubeconform of the {len(list(texts.iterdir())):,} files"
    place.compare(Row(f"{SIZE:,} apps from nothing, with validation", peer, 1, both, ours))


def unchanged(place: Place) -> None:
    """What pre-commit calls, with nothing changed, and with one app changed."""
    root = place.repository(SIZE, rendered=True)
    check, helm = place.rollstep(root, "render", "--check"), place.chart(SIZE)
    check()
    place.by_turns(f"`render --check` of {SIZE:,} apps, nothing changed", 0.25, helm, check, 11)
    app = "environments/prod/app-00500"
    source = root / app / "services.yaml"

    def edit() -> None:
        source.write_text(f"{source.read_text()}# seen\n")
        time.sleep(SETTLED)

    theirs, one, ours = turns(
        11, (None, helm[1]), (edit, place.rollstep(root, "render", "--check", app)), (None, check)
    )
    allowed = [0.25 * their + alone for their, alone in zip(theirs, one, strict=True)]
    peer = "a quarter of that, and `render --check` of the changed app"
    place.compare(Row(f"`render --check` of {SIZE:,} apps, one changed", peer, 1, allowed, ours))


def growth(place: Place) -> None:
    """Time, files and memory of fleets of several sizes, each rendered from nothing."""
    sizes = (1_000, 3_000, 10_000, 30_000) if place.full else (300, 1_000, 3_000)
    if not place.full:
        place.leave_out("growth to 10,000 and 30,000 apps (here: 300, 1,000 and 3,000)")
    environment = {**peers.settings(), **place.variables()}
    times, files = [], []
    for size in sizes:
        root = place.folder / f"growth-{size}"
        fleet.make_sources(root, size)
        taken, peak = [], 0.0
        for _ in range(3 if size <= 3_000 else 1):
            _clear(root)()
            found: list[float] = []
            command = [ROLLSTEP, "render", "--no-validate"]
            taken.append(seconds(lambda: found.append(peak_megabytes(command, root, environment))))  # noqa: B023
            peak = max(peak, *found)
        times.append(median(taken))
        files.append(sum(1 for _ in root.glob("environments/prod/*/rendered/*")) + size)
        per_app = f"{times[-1] / size * 1000:.2f} ms an app"
        print(f"{size:,} apps: {times[-1]:.1f} s, {per_app}, {files[-1]:,} files, {peak:.0f} MB", flush=True)
        shutil.rmtree(root)
        place.hold(
            Figure(
                f"{size:,} apps from nothing: megabytes of all processes at the peak",
                peak,
                MEGABYTES,
                f"{peak:.0f} ({times[-1]:.1f} s, {per_app})",
                limit="What is to be written is held until all of it is valid, so memory grows with the fleet.",
            )
        )
    told = ", ".join(f"{size:,}" for size in sizes)
    for what, values in (("time", times), ("files", files)):
        found_exponent = exponent(sizes, values)
        place.hold(Figure(f"exponent of {what} over {told} apps", found_exponent, EXPONENT, f"{found_exponent:.3f}"))
