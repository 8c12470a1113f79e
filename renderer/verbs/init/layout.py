"""The files of an app's folder: the user's own where all their objects belong to the app, else one per object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import PurePath

from msgspec import Struct

from renderer.kubernetes.read_objects import SourceText
from renderer.pipeline.load.sources import KUSTOMIZATIONS, OWN_FILES, PLAIN
from renderer.verbs.init.documents import Item

RESERVED = {*OWN_FILES, "Chart.yaml", *KUSTOMIZATIONS}
"""Names that are not manifests to rollstep or another tool."""

_UNSAFE = re.compile(r"[^a-z0-9.-]+")


class File(Struct, frozen=True):
    """A file of an app's folder, with its text and objects."""

    name: str
    text: str
    items: tuple[Item, ...]

    @property
    def origins(self) -> tuple[str, ...]:
        """The input files of its objects, sorted."""
        return tuple(sorted({item.file for item in self.items}))


def lay_out(items: Sequence[Item], texts: Sequence[SourceText], objects: Mapping[str, int]) -> tuple[File, ...]:
    """Return the files of an app with ``items``, sorted by name.

    A file of ``texts`` is copied where all its objects (``objects`` has their number by file) are unchanged items.
    """
    files: dict[str, File] = {}
    placed: set[int] = set()
    for text in texts:
        own = tuple(item for item in items if item.file == text.file and item.is_whole)
        name = PurePath(text.file).name
        fits = text.path is not None and name.endswith(PLAIN) and not name.startswith(".") and name not in RESERVED
        if fits and own and len(own) == objects.get(text.file) and name not in files:
            files[name] = File(name, text.text, own)
            placed |= {id(item) for item in own}
    for item in items:
        if id(item) not in placed:
            name = _free_name(item, files)
            files[name] = File(name, item.text, (item,))
    return tuple(files[name] for name in sorted(files))


def _free_name(item: Item, files: Mapping[str, File]) -> str:
    """Return a name such as ``service-web.yaml``, with a number for a second object of that name."""
    stem = _UNSAFE.sub("-", f"{item.manifest.kind}-{item.manifest.name}".lower())
    names = chain([f"{stem}.yaml"], (f"{stem}-{number}.yaml" for number in count(2)))
    return next(name for name in names if name not in files)
