"""Trees of hostile commits: `verify` reads them from git's objects, lays nothing out, and leads nowhere."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from renderer.errors import RollstepError
from renderer.git.repository import Repository
from renderer.pipeline.load.files import Folder
from renderer.verbs.verify.commits import changed_files
from renderer.verbs.verify.object_cache import ObjectCache
from renderer.verbs.verify.tree import Tree
from tests.support.commands import NOON, Checkout
from tests.support.hostile_trees import TreeBuilder

WEB = "environments/prod/web"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "repo")
    made.run("advance", "prod/web", "--no-validate", "--now", NOON)
    return made


@pytest.fixture
def objects(checkout: Checkout) -> Iterator[ObjectCache]:
    cache = ObjectCache(Repository.open(checkout.root))
    yield cache
    cache.close()


def test_a_link_and_a_folder_of_one_name_write_nothing(checkout: Checkout, tmp_path: Path) -> None:
    """Git's own checkout refuses such a tree; a careless one writes through the link."""
    outside = tmp_path / "out"
    outside.mkdir()
    (outside / "authorized_keys").write_text("mine\n", encoding="utf-8")
    build = TreeBuilder(checkout.root)
    evil = build.blob(b"theirs\n")
    folder = build.tree([("100644", "authorized_keys", evil), ("100644", "planted", evil)])
    for link in (str(outside), "/".join([".."] * 12) + str(outside)):
        both = build.tree([("120000", "y", build.blob(link.encode())), ("40000", "y", folder)])
        status = build.blob((checkout.root / WEB / "status.yaml").read_bytes() + b"# x\n")
        kept = [entry for entry in build.entries(f"HEAD:{WEB}") if entry[1] != "status.yaml"]
        entries = [("40000", "a", both), *kept, ("100644", "status.yaml", status)]
        commit = build.commit(build.replaced("HEAD", WEB, entries), "HEAD")
        told = checkout.run("verify", f"{commit}~1..{commit}", code=1)
        assert "y: is twice in one folder" in told.stdout + told.stderr
        assert [path.name for path in outside.iterdir()] == ["authorized_keys"]
        assert (outside / "authorized_keys").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT", "", ".git .", ".git:$x", "GIT~1", ".g\u200cit"])
def test_a_name_that_git_does_not_check_out(checkout: Checkout, objects: ObjectCache, name: str) -> None:
    build = TreeBuilder(checkout.root)
    blob = build.blob(b"x")
    raw = f"100644 {name}\0".encode() + bytes.fromhex(blob)
    sha = build.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    with pytest.raises(RollstepError, match="does not check out"):
        objects.files(sha)


def test_names_that_differ_only_in_case(checkout: Checkout, objects: ObjectCache) -> None:
    build = TreeBuilder(checkout.root)
    blob = build.blob(b"x")
    sha = build.tree([("100644", "Rollout.yaml", blob), ("100644", "rollout.yaml", blob)])
    with pytest.raises(RollstepError, match="only in case"):
        Tree(objects, sha, checkout.root).entries(str(checkout.root))


def test_a_tree_is_read_as_its_checkout(checkout: Checkout, objects: ObjectCache) -> None:
    links = {"in": "web", "file": "web/rollout.yaml", "up": "../dev/web", "out": "../../../x", "no": "web/no"}
    links["loop"] = "loop"
    for name, target in links.items():
        (checkout.root / "environments/prod" / name).symlink_to(target)
    checkout.commit("Links")
    folder, tree = Folder(checkout.root), Tree(objects, checkout.head, checkout.root)
    below = ["in/rollout.yaml", "up/rollout.yaml", "web", "web/none", "web/rollout.yaml", "web/rollout.yaml/x"]
    places = ["", *links, *below]
    for place in (f"{checkout.root}/environments/prod/{name}".rstrip("/") for name in places):
        for ask in ("exists", "is_link", "is_file", "is_dir"):
            assert getattr(tree, ask)(place) == getattr(folder, ask)(place), (ask, place)
        # The folder itself cannot be listed.
        listings = (
            []
            if place.endswith("/loop")
            else [
                sorted((entry.name, entry.path, entry.is_dir(), entry.is_symlink()) for entry in files.entries(place))
                for files in (folder, tree)
            ]
        )
        assert listings[:1] == listings[1:], place
        if folder.is_file(place):
            assert tree.real(place) == folder.real(place)
            assert tree.read_text(place, "x") == folder.read_text(place, "x")
    assert tree.real(f"{checkout.root}/environments/prod/out") == "/"


def test_a_submodule_is_no_empty_folder(checkout: Checkout, objects: ObjectCache) -> None:
    build = TreeBuilder(checkout.root)
    sha = build.tree([("160000", "web", checkout.head)])
    with pytest.raises(RollstepError, match="is a submodule"):
        Tree(objects, sha, checkout.root).entries(f"{checkout.root}/web")


def test_some_bytes_that_name_a_million_files(checkout: Checkout, objects: ObjectCache) -> None:
    build = TreeBuilder(checkout.root)
    sha = build.tree([("100644", f"f{number}", build.blob(b"x")) for number in range(10)])
    for _ in range(9):
        sha = build.tree([("40000", f"d{number}", sha) for number in range(10)])
    with pytest.raises(RollstepError, match="changes more than 100,000 files"):
        changed_files(objects, "", sha)
    with pytest.raises(RollstepError, match="has more than 100,000 files"):
        objects.files(sha)
    root = build.tree([*build.entries("HEAD^{tree}"), ("40000", "zz", sha)])
    commit = build.commit(root, "HEAD")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))

    command = [sys.executable, "-m", "renderer", "verify", f"{commit}~1..{commit}"]
    done = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 1, done.stderr
    assert "changes more than 100,000 files" in done.stderr


def test_a_blob_that_unpacks_to_megabytes(checkout: Checkout, objects: ObjectCache) -> None:
    build = TreeBuilder(checkout.root)
    sha = build.blob(b"\0" * 17_000_000)
    with pytest.raises(RollstepError, match="has 17,000,000 bytes"):
        objects.contents([sha])
    assert objects.contents([build.blob(b"x")]), "git was started again"


@pytest.mark.parametrize("way", ["replace", "grafts"])
def test_history_is_what_is_stored(checkout: Checkout, way: str) -> None:
    """`refs/replace` and grafts show readers other commits than those that a clone checks out."""
    base = checkout.head
    canary = f"{WEB}/rendered/ingress-web-web-canary.yaml"
    checkout.edit(canary, 'canary-weight: "0"', 'canary-weight: "100"')
    checkout.commit("Tidy")
    evil = checkout.head
    good = checkout.git("commit-tree", "-p", base, "-m", "Tidy", f"{base}^{{tree}}").strip()
    if way == "replace":
        checkout.git("update-ref", f"refs/replace/{evil}", good)
    else:
        (checkout.root / ".git/info").mkdir(exist_ok=True)
        (checkout.root / ".git/info/grafts").write_text(f"{evil}\n", encoding="utf-8")
    assert f"{canary}:" in checkout.run("verify", f"{base}..{evil}", code=1).stdout
