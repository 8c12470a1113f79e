"""The attributes of ``.gitattributes`` with which git stores other bytes than those of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory

from renderer.git.repository import Repository, split

_ATTRIBUTES = ("filter", "ident", "working-tree-encoding")
_NO_VALUE = {"unspecified", "unset"}


def converted(repository: Repository, paths: Sequence[str]) -> dict[str, str]:
    """Return those of ``paths`` of which git stores other bytes, each with the attribute, such as ``filter=lfs``.

    Line endings do not count.  A filter counts if git's configuration has its program.
    """
    found = list(_attributes(repository, paths))
    filters = _filters(repository) if found else set()
    return {
        path: name if value == "set" else f"{name}={value}"
        for path, name, value in found
        if name != "filter" or value in filters
    }


def converted_in(repository: Repository, commit: str, paths: Sequence[str]) -> dict[str, str]:
    """Return those of ``paths`` of which a clone of ``commit`` gets other bytes than git stores, with the attribute.

    No file is laid out.  A filter does not count: its program is in the clone's configuration.
    """
    with TemporaryDirectory(prefix="rollstep-index-") as folder:
        beside = repository.within({"GIT_INDEX_FILE": f"{folder}/index"})
        beside.run("read-tree", commit)
        found = list(_attributes(beside, paths, "--cached"))
    return {path: name if value == "set" else f"{name}={value}" for path, name, value in found if name != "filter"}


def _attributes(repository: Repository, paths: Sequence[str], *options: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, name and value of each attribute that ``paths`` have."""
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    command = ("check-attr", *options, "-z", "--stdin", *_ATTRIBUTES)
    listed = split(repository.run(*command, stdin=names).stdout) if paths else []
    for path, name, value in zip(listed[::3], listed[1::3], listed[2::3], strict=True):
        if value not in _NO_VALUE:
            yield path, name, value


def _filters(repository: Repository) -> set[str]:
    pattern = r"^filter\..*\.(clean|process)$"
    listed = split(repository.run("config", "-z", "--name-only", "--get-regexp", pattern, check=False).stdout)
    return {name.removeprefix("filter.").rpartition(".")[0] for name in listed}
