"""Flux: its controllers of sources and of kustomizations, which follow the branch by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.build import BIN, FLUX_DEFINITIONS
from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.processes import Process, wait_for
from tests.support.git_server import GitServer

STORAGE = "127.0.0.1:9790"
KUSTOMIZATION = f"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{NAMESPACE}/kustomizations/web"


class Flux:
    """Flux' two controllers, told to apply ``path`` of the branch ``main`` of ``repository``, and to prune."""

    def __init__(self, cluster: Cluster, repository: Path, path: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.cluster = cluster
        self.server = GitServer(repository.parent)
        cluster.define(FLUX_DEFINITIONS)
        common = ["--watch-all-namespaces=true", "--log-level=info", "--interval-jitter-percentage=0"]
        environment = {"KUBECONFIG": str(cluster.kubeconfig), "RUNTIME_NAMESPACE": NAMESPACE, "TUF_ROOT": str(folder)}
        storage = folder / "storage"
        storage.mkdir()
        source: list[str | Path] = [
            BIN / "source-controller",
            *common,
            f"--storage-path={storage}",
            f"--storage-addr={STORAGE}",
            f"--storage-adv-addr={STORAGE}",
            "--metrics-addr=127.0.0.1:9081",
            "--health-addr=127.0.0.1:9441",
        ]
        kustomize: list[str | Path] = [
            BIN / "kustomize-controller",
            *common,
            "--requeue-dependency=1s",
            "--metrics-addr=127.0.0.1:9082",
            "--health-addr=127.0.0.1:9442",
        ]
        self.processes = [
            Process("source-controller", source, folder, environment),
            Process("kustomize-controller", kustomize, folder, environment),
        ]
        cluster.apply(*self.objects(f"{self.server.url}/{repository.name}/.git", path))

    def objects(self, url: str, path: str) -> list[dict[str, Any]]:
        metadata = {"name": "web", "namespace": NAMESPACE}
        return [
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "GitRepository",
                "metadata": metadata,
                "spec": {"url": url, "ref": {"branch": "main"}, "interval": "1s"},
            },
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": metadata,
                "spec": {
                    "sourceRef": {"kind": "GitRepository", "name": "web"},
                    "path": path,
                    "interval": "5s",
                    "retryInterval": "1s",
                    "timeout": "1m",
                    "prune": True,
                    "wait": True,
                },
            },
        ]

    def __enter__(self) -> Flux:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.server.close()

    def wait(self, commit: str, seconds: float = 60) -> None:
        """Return when Flux says that ``commit`` is applied and ready."""
        wait_for(f"Flux has applied {commit[:9]}", lambda: self._is_ready(commit), seconds)

    def _is_ready(self, commit: str) -> bool:
        for process in self.processes:
            assert process.running, f"{process.name} ended\n{process.tail()}"
        status = (self.cluster.api.get(KUSTOMIZATION) or {}).get("status", {})
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
        return ready and str(status.get("lastAppliedRevision", "")).endswith(commit)
