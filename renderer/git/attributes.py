"""The attributes of ``.gitattributes`` with which git stores other bytes than those of a file."""

from __future__ import annotations

import os
from collections.abc import Sequence

from renderer.git.repository import Repository, split

_ATTRIBUTES = ("filter", "ident", "working-tree-encoding")
_NO_VALUE = {"unspecified", "unset"}


def converted(repository: Repository, paths: Sequence[str]) -> dict[str, str]:
    """Return those of ``paths`` of which git stores other bytes, each with the attribute, such as ``filter=lfs``.

    Line endings do not count.  A filter counts if git's configuration has its program.
    """
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    listed = split(repository.run("check-attr", "-z", "--stdin", *_ATTRIBUTES, stdin=names).stdout) if paths else []
    rows = zip(listed[::3], listed[1::3], listed[2::3], strict=True)
    found = [(path, name, value) for path, name, value in rows if value not in _NO_VALUE]
    filters = _filters(repository) if found else set()
    return {
        path: name if value == "set" else f"{name}={value}"
        for path, name, value in found
        if name != "filter" or value in filters
    }


def _filters(repository: Repository) -> set[str]:
    pattern = r"^filter\..*\.(clean|process)$"
    listed = split(repository.run("config", "-z", "--name-only", "--get-regexp", pattern, check=False).stdout)
    return {name.removeprefix("filter.").rpartition(".")[0] for name in listed}
