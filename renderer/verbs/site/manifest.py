"""``.rollstep-site``, the marker in a site's folder: its files, and the records that they were made from.

A file that the marker does not list is never changed and never deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from renderer.errors import RollstepError
from renderer.pipeline.load.files import read_own
from renderer.verbs.site.records import AppRecord

MARKER = ".rollstep-site"
_MOST_BYTES = 1 << 30
"""The most bytes of a marker; that of 10,000 apps has some 20 MB."""


class Manifest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The content of the marker.

    ``made_by`` names the program that made the site, ``commit`` the commit.  ``files`` has the SHA-256 of each file by
    path.
    """

    made_by: str
    commit: str
    apps: tuple[AppRecord, ...]
    files: Mapping[str, str]

    def to_json(self) -> str:
        """Return the text of the marker."""
        return msgspec.json.encode(self, order="sorted").decode() + "\n"


class _Head(Struct, rename="camel"):
    made_by: str
    files: Mapping[str, str]


def read_manifest(folder: Path, made_by: str) -> tuple[Manifest | None, frozenset[str]]:
    """Return the manifest of the site in ``folder``, and the files that rollstep wrote there.

    None stands for a missing site and for one of another program, whose pages are all made again.  Raises RollstepError
    for a damaged marker, which could name files of other owners.
    """
    content = read_own(f"{folder}/{MARKER}", MARKER, _MOST_BYTES)
    if content is None:
        return None, frozenset()
    try:
        head = msgspec.json.decode(content, type=_Head)
        manifest = msgspec.json.decode(content, type=Manifest) if head.made_by == made_by else None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        hint = f"remove {folder} to make the site anew"
        raise RollstepError.at(f"{folder}/{MARKER}", f"is damaged: {error}", hint) from error
    wrong = [path for path in head.files if path.startswith("/") or ".." in path.split("/") or not path]
    if wrong:
        raise RollstepError.at(
            f"{folder}/{MARKER}", f"names {wrong[0]!r}, which is not in the site", f"remove {folder}"
        )
    return manifest, frozenset(head.files)
