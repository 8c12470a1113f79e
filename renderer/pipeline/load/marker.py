"""TODO."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from renderer.errors import Finding, RollstepError, reporting


def digest(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hexadecimal."""
    # hashlib loads OpenSSL, which costs more than the rest of this module.
    from hashlib import sha256

    return sha256(content).hexdigest()


MARKER = ".rollstep"


_LINE = re.compile(r"([0-9a-f]{64})  ([^/\x00-\x1f]+)")


def marker_text(files: Mapping[str, str]) -> str:
    """Return the text of the marker that lists ``files`` (text by name)."""
    return "".join(f"{digest(files[name].encode())}  {name}\n" for name in sorted(files))


def read_marker(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that rollstep wrote into ``folder``, by name; empty where it wrote none.

    Raises RollstepError with every line that is not as we write it: a damaged marker could name what is not ours.
    """
    content = _read(f"{folder}/{MARKER}")
    if not content:
        return {}
    if b"\r\n" in content:
        message = "has the line ends of Windows: git has converted what rollstep wrote (core.autocrlf)"
        hint = "put `environments/** text eol=lf` into .gitattributes, commit it, and check the folder out again"
        raise RollstepError([Finding(str(folder / MARKER), 1, 0, "", message, hint)])
    owned, findings = {}, []
    for number, line in enumerate(content.decode(errors="replace").removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match and match[2] not in (".", "..", MARKER):
            owned[match[2]] = match[1]
        else:
            hint = "remove the conflict, or restore the file with git"
            message = "is not a SHA-256, two spaces and a file name"
            findings.append(Finding(str(folder / MARKER), number, 0, "", message, hint))
    if findings:
        raise RollstepError(findings)
    return owned


def _read(path: Path | str) -> bytes | None:
    with reporting(str(path)):
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read()
        except OSError:
            # A link to nothing is there.
            if os.path.lexists(path):
                raise
            return None
