"""The tools that rollstep is measured beside, built from what their ``go.mod`` pins."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.e2e.build import environment, find_go

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
BIN = PROJECT / ".tools" / "bench" / "bin"


class Peer(NamedTuple):
    """A program: the folder of the module that pins it, its package, and the module that has its version."""

    source: Path
    package: str
    module: str


PEERS = {
    "helm": Peer(HERE / "tools/helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3"),
    "kustomize": Peer(
        HERE / "tools/kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "sigs.k8s.io/kustomize/kustomize/v5"
    ),
    "kubectl": Peer(PROJECT / "tests/e2e/tools/kubernetes", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes"),
}


def install() -> None:
    """Build the peers that are not built from the same pins; raise CalledProcessError where Go fails."""
    BIN.mkdir(parents=True, exist_ok=True)
    for name, peer in PEERS.items():
        stamp = BIN / f".{name}"
        pins = hashlib.sha256((peer.source / "go.mod").read_bytes() + (peer.source / "go.sum").read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == pins and (BIN / name).exists():
            continue
        print(f"building {name}", flush=True)
        command = [find_go(), "build", "-trimpath", "-ldflags", "-s -w", "-o", str(BIN / name), peer.package]
        subprocess.run(command, cwd=peer.source, env=environment(), check=True)
        stamp.write_text(pins)


def version(name: str) -> str:
    """Return the pinned version of a peer."""
    peer = PEERS[name]
    for line in (peer.source / "go.mod").read_text().splitlines():
        words = line.removeprefix("require").split()
        if words[:1] == [peer.module]:
            return words[1]
    raise LookupError(name)


def settings() -> dict[str, str]:
    """Return the environment of every run: bytecode is kept, and nothing of whoever runs it counts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "HELM_", "PYTHON"))}
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1"}
