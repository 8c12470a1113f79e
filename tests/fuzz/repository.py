"""Fuzz targets in a repository with a release: one of its files, or its last commit, is another one for each input."""

from __future__ import annotations

import copy
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from renderer.cli.main import main

APP = "environments/prod/web"
_PROJECT = Path(__file__).resolve().parents[2]
_NOON = "2026-03-01T12:00:00Z"
_IMAGE = "registry.example.com/shop/web:2.0.0"
_SETTINGS = "rollstep.yaml"
_KEPT: list[tempfile.TemporaryDirectory[str]] = []
_LONG = 300
"""The characters of a long name: more than a name in Kubernetes or on disk may have."""
_MANY = 1000
"""The items of a long list."""


class Repository:
    """A repository with the example's apps, of which prod/web is in a release."""

    def __init__(self, root: Path) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("rendered", "status.yaml")
        shutil.copytree(_PROJECT / "environments", root / "environments", ignore=ignored)
        shutil.copy(_PROJECT / _SETTINGS, root / _SETTINGS)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "a")
        self.git("config", "user.email", "a@example.com")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Add the apps")

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git and return its output without the last line break."""
        done = subprocess.run(["git", *arguments], cwd=self.root, input=stdin, capture_output=True, check=True)
        return done.stdout.decode().removesuffix("\n")

    def run(self, *arguments: str, stdin: bytes = b"") -> tuple[object, str]:
        """Run ``rollstep ARGUMENTS`` in this process; return the exit code and the output."""
        out, before = io.StringIO(), sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        try:
            with redirect_stdout(out), redirect_stderr(out):
                main(["-C", str(self.root), *arguments])
        except SystemExit as end:
            return end.code, out.getvalue()
        finally:
            sys.stdin = before

    def answer(self, *arguments: str, stdin: bytes = b"") -> None:
        """Run a verb; raise AssertionError for the exit code of a bug, and for a refusal without a reason."""
        code, told = self.run(*arguments, stdin=stdin)
        assert code in (0, 1, 2), f"{arguments}: exit {code}\n{told[-2000:]}"
        assert code == 0 or told, f"{arguments}: a refusal without a reason"


@cache
def released() -> Repository:
    """Return a repository that stays for as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="rollstep-fuzz-")
    _KEPT.append(folder)
    repository = Repository(Path(folder.name, "repo"))
    for verb in (("advance", "prod/web"), ("set", "image", "prod/web", f"web={_IMAGE}")):
        code, told = repository.run(*verb, "--no-validate", "--now", _NOON)
        assert code == 0, told
    return repository


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from _nodes(below, (*path, key))


def _replaced(value: Any, path: Sequence[Any], change: Callable[[Any], Any]) -> Any:
    if not path:
        return change(value)
    new = copy.copy(value)
    new[path[0]] = _replaced(value[path[0]], path[1:], change)
    return new


_SHAPES: Sequence[Callable[[Any, str], Any]] = (
    lambda _, text: text,
    lambda _, __: None,
    lambda _, __: True,
    lambda _, text: len(text) - 3,
    lambda _, text: 10.0 ** len(text),
    lambda _, __: [],
    lambda _, __: {},
    lambda old, _: [old],
    lambda old, text: {text or "a": old},
    lambda old, _: [old] * _MANY,
    lambda old, text: {f"{text[:9]}{number}": old for number in range(_MANY)},
    lambda _, text: (text or "a") * _LONG,
    lambda old, _: old[0] if isinstance(old, list) and old else str(old),
    lambda old, _: old * _MANY if isinstance(old, list) and len(old) < 9 else old,
    lambda _, text: "2026-03-01T12:00:00Z" + text,
    lambda _, text: f"{text}9999999999999h",
)
"""The shapes that take the place of a value: scalars for mappings, lists for scalars, long lists and names."""

_VERBS = (
    ("status", "prod/web"),
    ("plan", "prod/web", "--now", _NOON),
    ("render", "prod/web", "--check", "--no-validate", "--no-cache"),
    ("advance", "prod/web", "--dry-run", "--no-validate", "--now", "2026-03-02T12:00:00Z"),
)


def app(content: bytes) -> None:
    """Give one value of an app's manifests, status, rendered files or settings another shape, and run verbs on it.

    The first bytes choose the file, the value and the shape; the rest is the text in it.
    """
    if len(content) < 4:
        return
    repository = released()
    files = sorted(path for path in (repository.root / APP).rglob("*.yaml"))
    file = [*files, repository.root / _SETTINGS, repository.root / "freezes.yaml"][content[0] % (len(files) + 2)]
    before = file.read_text(encoding="utf-8") if file.exists() else None
    text = content[4:].decode(errors="replace")
    if before is None:
        made = text
    else:
        documents = list(yaml.safe_load_all(before))
        places = [(number, path) for number, value in enumerate(documents) for path in _nodes(value)]
        number, path = places[(content[1] * 256 + content[2]) % len(places)]
        shape = _SHAPES[content[3] % len(_SHAPES)]
        documents[number] = _replaced(documents[number], path, lambda old: shape(old, text))
        # JSON is YAML; what is no JSON, as an infinite number, is written as Python does.
        made = "---\n".join(f"{json.dumps(value, default=str)}\n" for value in documents)
    try:
        file.write_text(made, encoding="utf-8", errors="replace")
        for verb in _VERBS:
            repository.answer(*verb)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, encoding="utf-8")


def commit(content: bytes) -> None:
    """Give the last commit other headers and another message: dates, encodings, trailers."""
    repository = released()
    head = repository.git("rev-parse", "HEAD")
    raw = repository.git("cat-file", "commit", head).encode()
    tree, parent = (line for line in raw.split(b"\n")[:2])
    made = b"\n".join([tree, parent, content])
    sha = repository.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=made)
    try:
        repository.git("update-ref", "refs/heads/main", sha)
    except subprocess.CalledProcessError:
        # Git itself has no such commit on a branch.
        return
    try:
        repository.answer("verify", f"{sha}~1..{sha}")
        repository.answer("history", "prod/web")
        repository.answer("status", "prod/web")
    finally:
        repository.git("update-ref", "refs/heads/main", head)


def journal(content: bytes) -> None:
    """Put bytes in place of the index of an interrupted run, or of a new file of it, and recover."""
    repository = released()
    folder = repository.root / ".rollstep-journal"
    folder.mkdir()
    try:
        (folder / "journal.json").write_bytes(content)
        repository.answer("status", "prod/web")
        repository.answer("render", "prod/web", "--no-validate", "--no-cache")
    finally:
        repository.git("clean", "-qfdx")
        repository.git("checkout", "--quiet", "--force", "main")


def push(content: bytes) -> None:
    """Give bytes to the hook as the refs of a push; ``<HEAD>`` and ``<HEAD~1>`` stand for commits of the repository."""
    repository = released()
    for name in ("HEAD", "HEAD~1"):
        content = content.replace(f"<{name}>".encode(), repository.git("rev-parse", name).encode())
    repository.answer("verify", "--pre-receive", "--branch", "*", stdin=content)
