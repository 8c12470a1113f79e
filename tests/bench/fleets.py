"""A fleet: everything from nothing, validation, nothing changed, one app changed, and growth."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median

from renderer.pipeline.validate.kubeconform import LOCATION, find_kubeconform
from tests.bench import fleet, peers
from tests.bench.measure import Figure, Row, Step, exponent, run, seconds, turns
from tests.bench.memory import peak_megabytes
from tests.bench.place import KUSTOMIZE, ROLLSTEP, SETTLED, Place

LEAST = str(Path(__file__).with_name("least.py"))
SIZE = 1000
MEGABYTES = 256
EXPONENT = 1.05
LARGEST = 30_000
NOTHING = f"{SIZE:,} apps from nothing, without validation"
RENDER = ("render", "--no-validate", "--no-cache")
HOT_PATH = (
    "All that is done for an app (YAML, checks, engine, text, files) is done in Python, which takes some 3 ms of "
    "processor time, and helm fills in text in Go and writes no file. The row of the least tells what is left for all "
    "the rest once libyaml has read the sources and the files are made, with nothing checked, computed or made safe."
)


def _clear(place: Place, root: Path) -> Callable[[], None]:
    """Return the step that moves all that rollstep has written out of ``root``, and lets the disk catch up.

    Nothing is removed: ext4 gives the inode of a removed file to no other for five minutes, and looks at each of them
    again whenever a file is made, which would be counted as rollstep's.
    """

    def clear() -> None:
        aside = place.aside()
        for path in (root / "environments/prod").iterdir():
            for name in ("rendered", "status.yaml"):
                with suppress(FileNotFoundError):
                    (path / name).rename(aside / f"{path.name}-{name}")
        os.sync()

    return clear


def from_nothing(place: Place) -> None:
    """Rendered, hashed, planned and written, beside helm's text; and with validation.

    Validation is held to what it costs to render without it and then to call kubeconform, with no tolerance.
    """
    root = place.repository(SIZE, rendered=False)
    clear, texts = _clear(place, root), place.folder / "texts"
    clear()
    place.rollstep(root, "render")()
    texts.mkdir()
    for path in (root / "environments").glob("*/*/rendered/*.yaml"):
        if path.name != "kustomization.yaml":
            shutil.copy(path, texts / f"{path.parent.parent.name}-{path.name}")
    called, template = place.chart(SIZE)
    helm, least, judged, plain, validated = turns(
        3,
        (None, template),
        (None, lambda: run([sys.executable, LEAST, str(root), str(place.aside())], place.folder)),
        (None, _kubeconform(place, texts)),
        (clear, place.rollstep(root, *RENDER)),
        (clear, place.rollstep(root, "render", "--no-cache")),
    )
    place.compare(Row(NOTHING, called, None, helm, plain))
    place.compare(
        Row("the least of that, by itself: its YAML read by libyaml, its files made", called, None, helm, least)
    )
    clear()
    render = place.rollstep(root, "render", "--no-validate")
    render()
    what = f"{SIZE:,} apps whose content was rendered before, in this clone or another, written"
    place.by_turns(what, None, (called, template), render, 5, prepare=clear)
    both = [without + their for without, their in zip(plain, judged, strict=True)]
    peer = f"the same without validation, then kubeconform of the {len(list(texts.iterdir())):,} files"
    place.compare(Row(f"{SIZE:,} apps from nothing, with validation", peer, None, both, validated))


def kustomize(place: Place) -> None:
    """The same beside ``kustomize build`` of overlays."""
    if not place.full:
        place.leave_out(f"{SIZE:,} apps beside `kustomize build`, which takes half a minute and more")
        return
    root, overlays = place.repository(SIZE, rendered=False), place.folder / "overlays"
    fleet.make_overlays(overlays, SIZE)
    build = (f"`kustomize build`, {SIZE:,} apps", partial(run, [KUSTOMIZE, "build", str(overlays)], place.folder))
    own = place.rollstep(root, *RENDER)
    place.by_turns(NOTHING, 0.05, build, own, 3, HOT_PATH, prepare=_clear(place, root))


def _kubeconform(place: Place, texts: Path) -> Step:
    """Return kubeconform of the files in ``texts`` with rollstep's schemas, by as many workers as there are CPUs."""
    (schemas,) = (place.folder / "cache/rollstep/schemas").iterdir()
    binary = find_kubeconform()
    assert binary is not None
    command = [binary, "-strict", "-verbose", "-output", "json", "-ignore-missing-schemas", "-n"]
    command += [str(os.cpu_count() or 1), "-schema-location", LOCATION, str(texts)]
    return partial(run, command, schemas)


def unchanged(place: Place) -> None:
    """Time the pre-commit hook, with nothing changed and with one app changed."""
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
    place.compare(Row(f"`render --check` of {SIZE:,} apps, one changed", peer, None, allowed, ours))


def growth(place: Place) -> None:
    """Time, files and memory of fleets of several sizes, each rendered from nothing."""
    for size in (1_000, 3_000, 10_000) if place.full else (300, 1_000):
        _grow(place, size)
    _exponents(place)


def largest(place: Place) -> None:
    """The same for the largest fleet."""
    if not place.full:
        place.leave_out("growth to 3,000, 10,000 and 30,000 apps (here: 300 and 1,000)")
        return
    _grow(place, LARGEST)
    _exponents(place)


def _grow(place: Place, size: int) -> None:
    """Measure one size: the time of one run, or the median of three for a small fleet."""
    root = place.folder / f"growth-{size}"
    fleet.make_sources(root, size)
    environment = {**peers.settings(), **place.variables()}
    command = [ROLLSTEP, *RENDER]
    taken: list[float] = []
    peaks: list[float] = []
    for _ in range(3 if size <= SIZE else 1):
        _clear(place, root)()
        taken.append(seconds(lambda: peaks.append(peak_megabytes(command, root, environment))))
    files = sum(1 for _ in root.glob("environments/prod/*/rendered/*")) + size
    place.sizes[size] = (median(taken), files)
    told = f"{max(peaks):.0f} ({median(taken):.1f} s, {median(taken) / size * 1000:.2f} ms an app, {files:,} files)"
    limit = "What is to be written is held until all of it is valid, so memory grows with the fleet."
    what = f"{size:,} apps from nothing: megabytes of all processes at the peak"
    place.hold(Figure(what, max(peaks), MEGABYTES, told, limit=limit))
    place.keep(root, size)


def _exponents(place: Place) -> None:
    """Fit the powers of the size that time and files grow with."""
    sizes = sorted(place.sizes)
    told = ", ".join(f"{size:,}" for size in sizes)
    for position, what in enumerate(("time", "files")):
        found = exponent(sizes, [place.sizes[size][position] for size in sizes])
        place.hold(Figure(f"exponent of {what} over {told} apps", found, EXPONENT, f"{found:.3f}"))
