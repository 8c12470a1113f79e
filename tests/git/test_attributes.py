"""Attributes with which git stores other bytes than those of a file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from renderer.git.attributes import converted
from renderer.git.repository import Repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def configure(root: Path, key: str) -> None:
    subprocess.run(["git", "-C", str(root), "config", key, "cat"], check=True)


@pytest.mark.parametrize("key", ["filter.my.lfs.clean", "filter.my.lfs.process"])
def test_a_filter_counts_if_git_has_its_program(root: Path, key: str) -> None:
    (root / ".gitattributes").write_text("*.yaml filter=my.lfs\n", encoding="utf-8")
    repository = Repository.open(root)
    assert converted(repository, ["a.yaml", "b.txt"]) == {}
    configure(root, "filter.my.lfs.smudge")
    assert converted(repository, ["a.yaml", "b.txt"]) == {}
    configure(root, key)
    assert converted(repository, ["a.yaml", "b.txt"]) == {"a.yaml": "filter=my.lfs"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("* ident", "ident"),
        ("* working-tree-encoding=UTF-16", "working-tree-encoding=UTF-16"),
        ("* -ident", ""),
        ("* text=auto eol=crlf diff=x merge=y", ""),
        ("sub/** ident", ""),
    ],
)
def test_other_attributes(root: Path, line: str, found: str) -> None:
    (root / ".git/info/attributes").write_text(f"{line}\n", encoding="utf-8")
    assert converted(Repository.open(root), ["a.yaml"]) == ({"a.yaml": found} if found else {})


def test_unusual_names_and_no_names(root: Path) -> None:
    (root / ".gitattributes").write_text("* ident\n", encoding="utf-8")
    names = ["ä b.yaml", 'q"uote.yaml', "line\nbreak.yaml"]
    assert list(converted(Repository.open(root), names)) == names
    assert converted(Repository.open(root), []) == {}
