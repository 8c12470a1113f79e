"""Trees and files of commits, stored and read beside the work tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.git.objects import TreeFile, store_tree, tree_files
from renderer.git.repository import Repository

REGULAR, EXECUTABLE, LINK = "100644", "100755", "120000"
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "é", "x y", "line\nbreak", '"', "ab"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def git(root: Path, *args: str, stdin: bytes = b"", **variables: str) -> str:
    done = subprocess.run(
        ["git", *args], cwd=root, input=stdin, capture_output=True, check=True, env={**os.environ, **variables}
    )
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "--quiet")
    return folder


@pytest.fixture(scope="module")
def blobs(root: Path) -> list[str]:
    return [git(root, "hash-object", "-w", "--stdin", stdin=text) for text in (b"one", b"two", b"three")]


def with_index(root: Path, base: str | None, files: dict[str, TreeFile | None]) -> str:
    """Return the tree that git makes of ``base`` and ``files`` with an index."""
    index = root / ".git/other-index"
    index.unlink(missing_ok=True)
    if base:
        git(root, "read-tree", base, GIT_INDEX_FILE=str(index))
    for present in (False, True):
        rows = (
            f"{file.mode if file else 0} {file.sha if file else '0' * 40}\t{path}\0"
            for path, file in files.items()
            if bool(file) == present
        )
        git(root, "update-index", "-z", "--index-info", stdin="".join(rows).encode(), GIT_INDEX_FILE=str(index))
    return git(root, "write-tree", GIT_INDEX_FILE=str(index))


def clashing(paths: list[str]) -> bool:
    return any(other.startswith(f"{path}/") for path in paths for other in paths)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(PATHS, st.tuples(st.sampled_from([REGULAR, EXECUTABLE, LINK]), st.integers(0, 2)), max_size=8),
    st.dictionaries(PATHS, st.tuples(st.booleans(), st.integers(0, 2)), max_size=6),
)
def test_a_tree_is_what_an_index_makes_of_it(
    root: Path, blobs: list[str], old: dict[str, tuple[str, int]], new: dict[str, tuple[bool, int]]
) -> None:
    before: dict[str, TreeFile | None] = {path: TreeFile(mode, blobs[n]) for path, (mode, n) in old.items()}
    after = {path: TreeFile(REGULAR, blobs[n]) if there else None for path, (there, n) in new.items()}
    if clashing(list(before)) or clashing([path for path, file in after.items() if file]):
        return
    repository = Repository.open(root)
    base = store_tree(repository, None, before)
    assert base == with_index(root, None, before)
    assert store_tree(repository, base, after) == with_index(root, base, after)
    assert store_tree(repository, base, {}) == base


def test_a_tree_of_nothing_is_gits_empty_one(root: Path, blobs: list[str]) -> None:
    repository = Repository.open(root)
    assert store_tree(repository, None, {}) == EMPTY
    one = store_tree(repository, None, {"a/b/c": TreeFile(REGULAR, blobs[0])})
    assert store_tree(repository, one, {"a/b/c": None}) == EMPTY


def test_submodules_and_folders_that_do_not_change_stay(root: Path, blobs: list[str]) -> None:
    repository = Repository.open(root)
    module = "1" * 40
    inner = store_tree(repository, None, {"kept": TreeFile(EXECUTABLE, blobs[0])})
    listing = f"160000 commit {module}\tmodule\n040000 tree {inner}\tfolder\n"
    base = git(root, "mktree", "--missing", stdin=listing.encode())
    made = store_tree(repository, base, {"new": TreeFile(REGULAR, blobs[1])})
    assert git(root, "ls-tree", made).splitlines() == [
        f"040000 tree {inner}\tfolder",
        f"160000 commit {module}\tmodule",
        f"100644 blob {blobs[1]}\tnew",
    ]
    assert tree_files(repository, made)["folder/kept"] == TreeFile(EXECUTABLE, blobs[0])


def test_a_missing_base_is_an_error(root: Path) -> None:
    with pytest.raises(RollstepError, match=r"git read-tree failed: .* tree object 2{40}"):
        store_tree(Repository.open(root), "2" * 40, {"a": None})


def test_a_repository_with_sha256(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256")
    blob = git(tmp_path, "hash-object", "-w", "--stdin", stdin=b"one")
    repository = Repository.open(tmp_path)
    base = store_tree(repository, None, {"a/b": TreeFile(REGULAR, blob)})
    made = store_tree(repository, base, {"a/c": TreeFile(REGULAR, blob)})
    assert [*tree_files(repository, made)] == ["a/b", "a/c"]
