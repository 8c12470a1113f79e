"""``.rollstep``, the marker in an output folder: it lists the files that rollstep wrote there, with their SHA-256.

A line has the form of ``sha256sum`` (``cd rendered && sha256sum -c .rollstep``).  A file that the marker does not list
is never changed and never deleted.  The marker is a dot file without a YAML suffix, so kubectl, kustomize, Argo CD and
Flux ignore it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from renderer.errors import CONFLICT, Finding, RollstepError
from renderer.pipeline.load.files import read_own

MARKER = ".rollstep"

_LINE = re.compile(r"([0-9a-f]{64})  ([^/\x00-\x1f]+)")


def marker_text(files: Mapping[str, str]) -> str:
    """Return the text of the marker that lists ``files`` (text by name)."""
    return "".join(f"{digest(files[name].encode())}  {name}\n" for name in sorted(files))


def read_marker(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that rollstep wrote into ``folder``, by name; empty without a marker.

    Raises RollstepError with every invalid line: a damaged marker could name files of other owners.
    """
    return parse_marker(read_own(f"{folder}/{MARKER}"), f"{folder}/{MARKER}")


def parse_marker(content: bytes | None, file: str) -> dict[str, str]:
    """Return what the ``content`` of a marker lists, as ``read_marker``; ``file`` is its path in findings."""
    if not content:
        return {}
    if b"\r\n" in content:
        message = "has Windows line endings: git converted the file (core.autocrlf)"
        hint = "put `environments/** text eol=lf` into .gitattributes, commit it, and check the folder out again"
        raise RollstepError([Finding(file, 1, 0, "", message, hint)])
    conflict = re.search(rb"^<{7} .*$", content, re.MULTILINE)
    if conflict:
        above = content.count(b"\n", 0, conflict.start())
        message = f"{CONFLICT} ({conflict[0].decode(errors='replace')[:80]})"
        raise RollstepError([Finding(file, above + 1, 0, "", message, "rollstep resolve")])
    owned, findings = {}, []
    for number, line in enumerate(content.decode(errors="replace").removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match and match[2] not in (".", "..", MARKER):
            owned[match[2]] = match[1]
        else:
            hint = "restore the file with git"
            message = "is not a SHA-256, two spaces and a file name"
            findings.append(Finding(file, number, 0, "", message, hint))
    if findings:
        raise RollstepError(findings)
    return owned


def for_own_files(findings: Iterable[Finding], folder: str, hint: str = "") -> Iterator[Finding]:
    """Yield findings about files that rollstep wrote for the app in ``folder``.

    Those about a conflict name the command that resolves it; the others get ``hint``, if it is given.
    """
    command = f"`rollstep resolve {folder}` takes one side of the app"
    for found in findings:
        yield replace(found, hint=command if CONFLICT in found.message else hint or found.hint)


def digest(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hexadecimal."""
    # hashlib loads OpenSSL, which costs more than the rest of this module.
    from hashlib import sha256

    return sha256(content).hexdigest()
