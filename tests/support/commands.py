"""A repository with the example's sources, for tests that run commands in it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Self

import pytest

PROJECT = Path(__file__).resolve().parents[2]
NOON = "2026-03-01T12:00:00Z"
ONE = "registry.example.com/shop/web:1.0.0"
TWO = "registry.example.com/shop/web:2.0.0"
STEP_ORDER = "  order: step  # rollstep: ignore RS450 -- shorter to test\n"


class Checkout:
    """A git repository with the sources of ``environments/``, not rendered yet.

    Its commits hold a whole step (``order: step``), which is shorter to test; ``use_default_order`` takes that out.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("rendered", "status.yaml")
        shutil.copytree(PROJECT / "environments", root / "environments", ignore=ignored)
        settings = (PROJECT / "rollstep.yaml").read_text(encoding="utf-8")
        settings = settings.replace("defaults:\n", f"defaults:\n{STEP_ORDER}")
        (root / "rollstep.yaml").write_text(settings, encoding="utf-8")
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Add the apps")

    def copy(self, root: Path) -> Self:
        """Return a copy of the repository, with its history, at ``root``."""
        shutil.copytree(self.root, root, symlinks=True)
        copied = type(self).__new__(type(self))
        copied.root = root
        return copied

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout

    def run(self, *arguments: str, code: int = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``rollstep ARGUMENTS`` in this process, which is faster, and expect the exit code; -1 is any."""
        from renderer.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        command = ["-C", str(self.root), *arguments]
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            if stdin is not None:
                patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
            with pytest.raises(SystemExit) as stop:
                main(command)
        done = subprocess.CompletedProcess(command, int(str(stop.value.code)), out.getvalue(), err.getvalue())
        assert code in (done.returncode, -1), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def process(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``rollstep ARGUMENTS`` in a process of its own, and expect the exit code; -1 is any."""
        command = [sys.executable, "-m", "renderer", *arguments]
        variables = {**os.environ, **environment}
        done = subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True, check=False)
        assert code in (done.returncode, -1), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text that a file of the repository has to contain."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def use_default_order(self) -> None:
        """Take ``order: step`` out of the settings, and commit that."""
        self.edit("rollstep.yaml", STEP_ORDER, "")
        self.commit("Release in the default order")

    def commit(self, message: str = "Edit") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", f"--message={message}")

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code).stdout)

    def advance_all(self, *targets: str, now: str = NOON) -> None:
        self.process("advance", *(targets or ("--all",)), "--now", now, "--no-validate")

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    @property
    def subjects(self) -> list[str]:
        """The subjects of all commits, newest first."""
        return self.git("log", "--format=%s").splitlines()

    def snapshot(self) -> tuple[str, str, dict[str, bytes]]:
        """Return HEAD, git's status and every file, to show that nothing has changed."""
        files = {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(self.root).parts
        }
        return self.head, self.git("status", "--porcelain"), files

    def objects(self, app: str, kinds: Sequence[str] = ()) -> dict[str, Any]:
        """Return the rendered objects of an app by ``Kind/name``."""
        from renderer.kubernetes.yaml.reader import load_documents

        found = {}
        for path in sorted((self.root / "environments" / app / "rendered").glob("*.yaml")):
            for document in load_documents(path.read_text(encoding="utf-8"), path.name):
                body = document.value
                if body["kind"] != "Kustomization" and (not kinds or body["kind"] in kinds):
                    found[f"{body['kind']}/{body['metadata']['name']}"] = body
        return found

    def replicas(self, app: str) -> dict[str, int]:
        """Return the replicas of an app's ReplicaSets by image tag."""
        return {
            body["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]: body["spec"]["replicas"]
            for body in self.objects(app, ["ReplicaSet"]).values()
        }

    def weight(self, app: str) -> str:
        """Return the canary Ingress' weight."""
        (ingress,) = [body for key, body in self.objects(app, ["Ingress"]).items() if key.endswith("-canary")]
        return str(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"])
