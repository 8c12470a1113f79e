"""Unusual repositories and servers: a step works there, or is refused with the reason."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, TWO, Checkout
from tests.support.git_server import GitServer

STEP = ("prod/web", "--no-validate", "--now", NOON)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def at(root: Path) -> Checkout:
    made = Checkout.__new__(Checkout)
    made.root = root
    return made


@pytest.fixture
def source(tmp_path: Path) -> Checkout:
    """Return a repository whose app web has its first release."""
    root = tmp_path / "source"
    root.mkdir()
    checkout = Checkout(root)
    # Settings of an environment outside a sparse checkout are refused.
    (root / "rollstep.yaml").write_text("environments:\n  prod: {namespace: shop, order: step}\n", encoding="utf-8")
    checkout.commit("Name prod alone")
    checkout.run("advance", *STEP)
    return checkout


@pytest.fixture
def remote(source: Checkout, tmp_path: Path) -> Path:
    folder = tmp_path / "srv" / "shop.git"
    folder.parent.mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", str(source.root), str(folder))
    return folder


def release(checkout: Checkout, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    return checkout.run("set", "image", "prod/web", f"web={TWO}", *STEP[1:], *options, code=code)


def assert_released(checkout: Checkout) -> None:
    assert "step 1/6" in git(checkout.root, "log", "-1", "--format=%s")
    assert git(checkout.root, "status", "--porcelain") == ""
    checkout.run("render", "--check", "--no-validate", "prod/web")


def test_a_shallow_clone(remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", remote.as_uri(), str(tmp_path / "shallow"))
    checkout = at(tmp_path / "shallow")
    release(checkout, "--push")
    assert_released(checkout)
    assert git(remote, "log", "-1", "--format=%s", "main") == git(checkout.root, "log", "-1", "--format=%s")


def test_a_sparse_checkout_of_the_environment(remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--sparse", str(remote), str(tmp_path / "sparse"))
    checkout = at(tmp_path / "sparse")
    git(checkout.root, "sparse-checkout", "set", "environments/prod", "templates")
    release(checkout)
    assert_released(checkout)
    assert "environments/staging/web/rollout.yaml" in git(checkout.root, "ls-tree", "-r", "--name-only", "HEAD")


def test_a_sparse_checkout_without_the_app(remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--sparse", str(remote), str(tmp_path / "sparse"))
    checkout = at(tmp_path / "sparse")
    git(checkout.root, "sparse-checkout", "set", "environments/staging")
    head = checkout.head
    done = release(checkout, code=2)
    assert "environments.prod: there is no environment of this name" in done.stderr
    assert "there is no app or environment prod/web" in done.stderr
    assert checkout.head == head


def test_a_submodule(source: Checkout, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "init", "--quiet", str(outer))
    git(outer, "submodule", "--quiet", "add", str(source.root), "shop")
    git(outer, "commit", "--quiet", "--message=A submodule")
    checkout = at(outer / "shop")
    git(checkout.root, "switch", "--quiet", "main")
    release(checkout)
    assert_released(checkout)
    assert git(outer, "status", "--porcelain").strip() == "M shop"


def test_a_linked_worktree(source: Checkout, tmp_path: Path) -> None:
    git(source.root, "worktree", "add", "--quiet", "-b", "release", str(tmp_path / "linked"))
    checkout = at(tmp_path / "linked")
    release(checkout)
    assert_released(checkout)
    assert "step 1/6" not in git(source.root, "log", "-1", "--format=%s", "main")


def test_a_bare_repository_is_refused(remote: Path) -> None:
    done = release(at(remote), code=1)
    assert "is in a bare git repository" in done.stderr


def test_windows_line_ends_are_refused_and_the_hint_works(source: Checkout, tmp_path: Path) -> None:
    source.git("rm", "--quiet", "environments/.gitattributes")
    source.git("commit", "--quiet", "--message=Leave the line ends to git")
    remote = source.root
    folder = tmp_path / "crlf"
    git(tmp_path, "clone", "--quiet", "-c", "core.autocrlf=true", str(remote), str(folder))
    assert b"\r\n" in (folder / "environments/prod/web/rollout.yaml").read_bytes()
    checkout = at(folder)
    done = release(checkout, code=1)
    assert "has Windows line endings" in done.stderr
    (folder / ".gitattributes").write_text("environments/** text eol=lf\n", encoding="utf-8")
    checkout.commit("Keep the line ends of what is rendered")
    shutil.rmtree(folder / "environments")
    git(folder, "checkout", "--quiet", "--", "environments")
    release(checkout)
    assert_released(checkout)


@pytest.mark.parametrize("operation", ["rebase", "merge", "cherry-pick"])
def test_an_operation_in_progress(source: Checkout, operation: str) -> None:
    git(source.root, "switch", "--quiet", "--create", "other", "HEAD~1")
    (source.root / "notes.txt").write_text("theirs\n", encoding="utf-8")
    source.commit("Their notes")
    git(source.root, "switch", "--quiet", "main")
    (source.root / "notes.txt").write_text("mine\n", encoding="utf-8")
    source.commit("My notes")
    with pytest.raises(subprocess.CalledProcessError):
        git(source.root, operation, "other")
    head = source.head
    done = release(source, code=1)
    assert f"{operation} is in progress" in done.stderr
    assert "notes.txt: has an unresolved conflict" in done.stderr
    assert source.head == head


def test_files_in_lfs(source: Checkout) -> None:
    """A filter in place of git-lfs: the commit holds its output."""
    (source.root / ".gitattributes").write_text("*.bin filter=upper\n", encoding="utf-8")
    git(source.root, "config", "filter.upper.clean", "tr a-z A-Z")
    git(source.root, "config", "filter.upper.required", "true")
    (source.root / "image.bin").write_text("pixels\n", encoding="utf-8")
    source.commit("Keep a file as LFS does")
    release(source)
    assert_released(source)
    assert git(source.root, "show", "HEAD:image.bin") == "PIXELS\n"


LFS = "*.yaml filter=lfs diff=lfs merge=lfs -text\n"


def test_files_in_lfs_where_git_lfs_is_missing(source: Checkout) -> None:
    (source.root / ".gitattributes").write_text(LFS, encoding="utf-8")
    source.commit("Keep manifests in LFS")
    for key, value in {"clean": "no-such-git-lfs clean -- %f", "required": "true"}.items():
        git(source.root, "config", f"filter.lfs.{key}", value)
    head = source.head
    # Git compares the content, by the filter, of files whose times are not those of its index.
    os.utime(source.root / "environments/prod/web/rollout.yaml", (0, 0))
    done = release(source, code=1)
    assert "no-such-git-lfs" in done.stderr
    assert "install the program of that filter, or take the files out of it in .gitattributes" in done.stderr
    assert source.head == head
    assert ONE in (source.root / "environments/prod/web/rollout.yaml").read_text(encoding="utf-8")


def test_a_pointer_of_lfs_is_recognized(source: Checkout) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"
    (source.root / "environments/prod/web/rollout.yaml").write_text(pointer, encoding="utf-8")
    source.commit("Check out without LFS")
    before = source.snapshot()
    done = release(source, code=1)
    assert "rollout.yaml:1:1: is a pointer of git LFS, not the file itself (git lfs pull" in done.stderr
    assert source.snapshot() == before


def test_a_sparse_checkout_without_what_is_rendered(remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(remote), str(tmp_path / "sparse"))
    checkout = at(tmp_path / "sparse")
    git(checkout.root, "sparse-checkout", "set", "--no-cone", "/*", "!environments/prod/web/rendered/")
    before = checkout.snapshot()
    done = release(checkout, code=1)
    assert "git sparse-checkout add environments/prod/web/rendered" in done.stderr
    assert checkout.snapshot() == before


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_branch_that_is_protected(remote: Path, tmp_path: Path, hook: str) -> None:
    program = remote / "hooks" / hook
    program.write_text("#!/bin/sh\necho 'Protected branch update failed' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    before = git(remote, "rev-parse", "main")
    git(tmp_path, "clone", "--quiet", str(remote), str(tmp_path / "clone"))
    checkout = at(tmp_path / "clone")
    done = release(checkout, "--push", code=1)
    assert "Protected branch update failed" in done.stderr
    assert "push to a branch that it allows, or use a pull request" in done.stderr
    assert git(remote, "rev-parse", "main") == before
    assert_released(checkout)


def test_a_server_over_http(remote: Path, tmp_path: Path) -> None:
    git(remote, "config", "http.receivepack", "true")
    with closing(GitServer(remote.parent)) as server:
        git(tmp_path, "clone", "--quiet", f"{server.url}/{remote.name}", str(tmp_path / "http"))
        checkout = at(tmp_path / "http")
        release(checkout, "--push")
    assert "step 1/6" in git(remote, "log", "-1", "--format=%s", "main")


@pytest.fixture
def daemon(remote: Path) -> Iterator[str]:
    """Serve the repository with ``git daemon`` and return its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["git", "daemon", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}", "--export-all"]
    command += ["--enable=receive-pack", f"--base-path={remote.parent}", str(remote.parent)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as served:
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end, "git daemon does not answer"
                time.sleep(0.05)
        yield f"git://127.0.0.1:{port}/{remote.name}"
        os.killpg(served.pid, 15)


def test_gits_own_daemon(daemon: str, remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", daemon, str(tmp_path / "clone"))
    checkout = at(tmp_path / "clone")
    release(checkout, "--push")
    assert "step 1/6" in git(remote, "log", "-1", "--format=%s", "main")


def test_the_network_fails_during_a_push(remote: Path, tmp_path: Path) -> None:
    """The server dies during the push: its branch has not moved, and the next push brings the commit."""
    git(remote, "config", "http.receivepack", "true")
    hook = remote / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\nkill -9 "$PPID"\n', encoding="utf-8")
    hook.chmod(0o755)
    before = git(remote, "rev-parse", "main")
    with closing(GitServer(remote.parent)) as server:
        git(tmp_path, "clone", "--quiet", f"{server.url}/{remote.name}", str(tmp_path / "http"))
        checkout = at(tmp_path / "http")
        done = release(checkout, "--push", code=1)
        assert "git push failed" in done.stderr
        assert git(remote, "rev-parse", "main") == before
        assert_released(checkout)
        hook.unlink()
        checkout.run("advance", *STEP, "--push")
    assert git(remote, "rev-parse", "main") == git(checkout.root, "rev-parse", "HEAD")


def test_a_full_server(remote: Path, tmp_path: Path) -> None:
    git(remote, "config", "receive.maxInputSize", "10")
    before = git(remote, "rev-parse", "main")
    git(tmp_path, "clone", "--quiet", str(remote), str(tmp_path / "clone"))
    checkout = at(tmp_path / "clone")
    done = release(checkout, "--push", code=1)
    assert "push" in done.stderr
    assert "maximum allowed size" in done.stderr
    assert git(remote, "rev-parse", "main") == before
    assert_released(checkout)


def test_a_repository_of_another_user_is_refused(source: Checkout) -> None:
    variables = {**os.environ, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    command = [sys.executable, "-m", "renderer", "set", "image", "prod/web", f"web={TWO}", *STEP[1:]]
    head = source.head
    done = subprocess.run(command, cwd=source.root, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert "safe.directory" in done.stderr
    assert source.head == head


def test_a_work_tree_that_cannot_be_written(source: Checkout) -> None:
    if os.geteuid() == 0:
        # Root may write everywhere, except below a file in place of a folder.
        shutil.rmtree(source.root / "environments/prod/web/rendered")
        (source.root / "environments/prod/web/rendered").write_text("", encoding="utf-8")
    else:
        (source.root / "environments/prod/web").chmod(0o555)
    head = source.head
    release(source, code=1)
    assert source.head == head
    assert ONE in (source.root / "environments/prod/web/rollout.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", ["environments", "environments/prod", "environments/prod/web"])
@pytest.mark.parametrize("is_there", [True, False], ids=["initialised", "not initialised"])
def test_sources_in_a_submodule_are_refused(tmp_path: Path, place: str, is_there: bool) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    outer.mkdir()
    source = Checkout(outer)
    git(tmp_path, "init", "--quiet", str(inner))
    for child in (source.root / place).iterdir():
        (shutil.copytree if child.is_dir() else shutil.copy)(child, inner / child.name)
    git(inner, "add", "--all")
    git(inner, "commit", "--quiet", "--message=Sources")
    source.git("rm", "--quiet", "-r", place)
    (source.root / "rollstep.yaml").write_text("", encoding="utf-8")
    git(source.root, "submodule", "--quiet", "add", str(inner), place)
    source.commit("Move the sources into a submodule")
    if not is_there:
        # The files alone do not say that the folder is a submodule.
        (source.root / place / ".git").unlink()
    before = source.snapshot()
    done = source.run("advance", *STEP, "--include-sources", code=1)
    assert f"{place}: is a submodule or another repository" in done.stderr
    assert source.snapshot() == before
    assert source.git("ls-tree", "HEAD", place).startswith("160000")


def test_a_repository_within_the_repository_is_refused(source: Checkout) -> None:
    git(source.root, "init", "--quiet", "environments/prod/web")
    before = source.snapshot()
    assert "environments/prod/web: is a submodule or another repository" in release(source, code=1).stderr
    assert source.snapshot() == before


@pytest.mark.parametrize(
    ("attribute", "files"),
    [
        ("filter=crypt", "**/rendered/rollout*.yaml"),
        ("ident", "**/status.yaml"),
        ("working-tree-encoding=UTF-16", "**/rendered/*"),
    ],
)
def test_rendered_files_that_git_would_change_are_refused(source: Checkout, attribute: str, files: str) -> None:
    git(source.root, "config", "filter.crypt.clean", "rev")
    git(source.root, "config", "filter.crypt.smudge", "rev")
    pattern = files.replace("rollout*", "replicaset*")
    (source.root / ".gitattributes").write_text(f"{pattern} {attribute}\n", encoding="utf-8")
    source.git("add", ".gitattributes")
    source.git("commit", "--quiet", "--message=Attributes")
    head = source.head
    done = release(source, code=1)
    assert f"git would not store it as it is rendered: {attribute} in .gitattributes" in done.stderr
    assert source.head == head
    assert ONE in (source.root / "environments/prod/web/rollout.yaml").read_text(encoding="utf-8")
    (source.root / ".gitattributes").write_text(f"{pattern} -{attribute.partition('=')[0]}\n", encoding="utf-8")
    source.commit("No attributes")
    release(source)
    assert_released(source)


@pytest.mark.parametrize("attribute", ["text=auto", "text eol=crlf", "filter=unknown", "diff=yaml"])
def test_attributes_that_change_no_bytes_are_fine(source: Checkout, attribute: str) -> None:
    (source.root / ".gitattributes").write_text(f"environments/**/rendered/* {attribute}\n", encoding="utf-8")
    source.commit("Attributes")
    release(source)
    folder = source.root / "environments/prod/web"
    for path in (folder / "rendered").iterdir():
        name = path.relative_to(source.root).as_posix()
        assert git(source.root, "show", f"HEAD:{name}") == path.read_text(encoding="utf-8")
    source.run("verify", "HEAD~1..HEAD")


@pytest.mark.parametrize("filter_", ["blob:none", "tree:0"])
def test_a_partial_clone(remote: Path, tmp_path: Path, filter_: str) -> None:
    git(remote, "config", "uploadpack.allowFilter", "true")
    git(remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(tmp_path, "clone", "--quiet", f"--filter={filter_}", remote.as_uri(), str(tmp_path / "partial"))
    checkout = at(tmp_path / "partial")
    release(checkout, "--push")
    checkout.run("promote", *STEP, "--push")
    assert git(remote, "rev-parse", "main") == git(checkout.root, "rev-parse", "HEAD")
    checkout.run("verify", "HEAD~2..HEAD")


def test_a_detached_head(source: Checkout) -> None:
    git(source.root, "switch", "--quiet", "--detach")
    before = source.snapshot()
    assert "HEAD is detached" in release(source, code=1).stderr
    assert source.snapshot() == before
    release(source, "--allow-detached")
    assert_released(source)
    assert git(source.root, "rev-parse", "main").strip() == before[0]


def test_a_linked_worktree_pushes_its_branch_alone(remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(remote), str(tmp_path / "clone"))
    git(tmp_path / "clone", "worktree", "add", "--quiet", "-b", "release", str(tmp_path / "linked"))
    main = git(remote, "rev-parse", "main")
    checkout = at(tmp_path / "linked")
    release(checkout, "--push")
    assert_released(checkout)
    assert git(remote, "rev-parse", "main") == main
    assert git(remote, "rev-parse", "release") == git(checkout.root, "rev-parse", "HEAD")


def test_a_sha256_repository(source: Checkout, tmp_path: Path) -> None:
    root, there = tmp_path / "sha256", tmp_path / "sha256.git"
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", str(root))
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", "--bare", str(there))
    shutil.copytree(source.root / "environments", root / "environments", ignore=shutil.ignore_patterns("rendered"))
    (root / "environments/prod/web/status.yaml").unlink()
    settings = "environments:\n  prod: {order: step, commit: {environmentBranch: 'env/${environment}'}}\n"
    (root / "rollstep.yaml").write_text(settings, encoding="utf-8")
    checkout = at(root)
    checkout.commit("The sources")
    git(root, "remote", "add", "origin", str(there))
    checkout.run("advance", *STEP, "--push")
    release(checkout, "--push")
    assert len(checkout.head) == 64
    assert_released(checkout)
    assert git(there, "rev-parse", "env/prod") == git(root, "rev-parse", "env/prod")
    checkout.run("verify", "HEAD~2..HEAD")
    checkout.run("verify", "env/prod")
