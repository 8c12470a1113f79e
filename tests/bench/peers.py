"""The tools that rollstep is measured beside, helm and kustomize, built from what ``tools/*/go.mod`` pins."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from tests.e2e.build import environment, find_go

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
BIN = PROJECT / ".tools" / "bench" / "bin"
PACKAGES = {"helm": "helm.sh/helm/v3/cmd/helm", "kustomize": "sigs.k8s.io/kustomize/kustomize/v5"}


def install() -> None:
    """Build the peers that are not built from the same pins; raise CalledProcessError where Go fails."""
    BIN.mkdir(parents=True, exist_ok=True)
    for name, package in PACKAGES.items():
        source, stamp = HERE / "tools" / name, BIN / f".{name}"
        pins = hashlib.sha256((source / "go.mod").read_bytes() + (source / "go.sum").read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == pins and (BIN / name).exists():
            continue
        print(f"building {name}", flush=True)
        command = [find_go(), "build", "-trimpath", "-ldflags", "-s -w", "-o", str(BIN / name), package]
        subprocess.run(command, cwd=source, env=environment(), check=True)
        stamp.write_text(pins)


def version(name: str) -> str:
    """Return the version of a peer that is pinned."""
    module = PACKAGES[name].removesuffix("/cmd/helm")
    for line in (HERE / "tools" / name / "go.mod").read_text().splitlines():
        if line.strip().startswith(f"{module} "):
            return line.split()[1]
    raise LookupError(name)


def settings() -> dict[str, str]:
    """Return the environment of every run: bytecode is kept, and nothing of whoever runs it counts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "HELM_", "PYTHON"))}
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1"}
