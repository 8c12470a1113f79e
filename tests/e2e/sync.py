"""Sync tools: what brings a branch of the repository into the cluster.

Each is told where the repository is and which folder of manifests to apply; a thread follows the branch.  What the tool
gets is what its own repository server would give it: the folder of a clone, built by kustomize.
"""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from tests.e2e.build import BIN
from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.processes import Process, wait_for

PRUNED = (
    "apps/v1/ReplicaSet",
    "core/v1/Service",
    "core/v1/ConfigMap",
    "autoscaling/v2/HorizontalPodAutoscaler",
    "networking.k8s.io/v1/Ingress",
    "policy/v1/PodDisruptionBudget",
    "gateway.networking.k8s.io/v1/HTTPRoute",
)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Sync:
    """Follows the branch ``main`` of ``repository``, and applies ``path`` of it."""

    def __init__(self, cluster: Cluster, repository: Path, path: str, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.path = path
        self.clone = folder / "clone"
        self.applied = ""
        """The commit that was applied last, whole and without an error."""
        self._over = threading.Event()
        self._suspended = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "--quiet", repository, self.clone], check=True)
        self._begin()
        self._start()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def __enter__(self) -> Sync:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._end()

    def wait(self, commit: str, seconds: float = 60) -> None:
        """Return when ``commit`` has been applied."""
        wait_for(f"{commit[:9]} is applied", lambda: self.applied == commit, seconds)

    def _follow(self) -> None:
        """Look for a new commit twice a second, and apply again what is applied every three seconds."""
        rounds = 0
        while not self._over.wait(0.5):
            with self._suspended:
                rounds += 1
                self._look(again=rounds % 6 == 0)

    def _look(self, *, again: bool) -> None:
        git(self.clone, "fetch", "--quiet", "origin", "main")
        head = git(self.clone, "rev-parse", "FETCH_HEAD")
        if head == self.applied and not again:
            return
        git(self.clone, "reset", "--quiet", "--hard", head)
        if (self.clone / self.path).is_dir() and self._apply(head):
            self.applied = head

    def suspend(self) -> None:
        """Apply nothing until ``resume``, and forget what was applied: the cluster is lost."""
        self._suspended.acquire()
        self._end()
        self.applied = ""

    def resume(self) -> None:
        self._start()
        self._suspended.release()

    def built(self) -> str:
        return self.cluster.kubectl("kustomize", self.clone / self.path)

    def _begin(self) -> None:
        """Make what the tool needs."""

    def _start(self) -> None:
        """Start what runs all the time."""

    def _end(self) -> None:
        """Stop it."""

    def _apply(self, commit: str) -> bool:
        """Bring the clone's manifests into the cluster; tell whether all of them are."""
        raise NotImplementedError(commit)


class KubectlApply(Sync):
    """``kubectl apply -k``, which removes nothing."""

    def _apply(self, commit: str) -> bool:
        done = self._kubectl("apply", "-k", str(self.clone / self.path))
        return done.returncode == 0

    def _kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "kubectl"), f"--kubeconfig={self.cluster.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


class KubectlPrune(KubectlApply):
    """``kubectl apply --prune``, which removes what is not in git any more."""

    LABEL = "example.com/applied-by"

    def _apply(self, commit: str) -> bool:
        overlay = self.folder / "overlay"
        overlay.mkdir(exist_ok=True)
        # A label, and no selector: the overlay must not change which pods a Service selects.
        (overlay / "kustomization.yaml").write_text(
            f"resources: [{'../clone/' + self.path}]\nlabels: [{{pairs: {{{self.LABEL}: e2e}}}}]\n"
        )
        kinds = [f"--prune-allowlist={kind}" for kind in PRUNED]
        selector = ["--prune", "-l", f"{self.LABEL}=e2e", "-n", NAMESPACE, *kinds]
        return self._kubectl("apply", "-k", str(overlay), *selector).returncode == 0


class ArgoEngine(Sync):
    """The agent of Argo CD's own sync engine; it prunes, and knows sync waves, but not when one becomes healthy."""

    PORT = 9001
    TABLES = 2
    """It syncs unasked as well: a table that comes may be of a sync which had begun before, with older manifests."""

    def _begin(self) -> None:
        self.target = self.folder / "target"
        self.target.mkdir()
        git(self.target, "init", "--quiet")
        git(self.target, "commit", "--quiet", "--allow-empty", "--message=nothing yet")

    def _start(self) -> None:
        name, *options = self._command()
        options += [
            f"--kubeconfig={self.cluster.kubeconfig}",
            f"--default-namespace={NAMESPACE}",
            f"--port={self.PORT}",
        ]
        self.process = Process(name, [BIN / name, *options], self.folder)

    def _command(self) -> list[str]:
        return ["gitops-agent", str(self.target), "--path=.", "--resync-seconds=2"]

    def _end(self) -> None:
        self.process.stop()

    def crash(self, after: float) -> None:
        """Kill the agent when it has been at work for ``after`` seconds, and start it again."""
        mark = self.process.log.stat().st_size
        wait_for("the agent applies something", lambda: b"Applying resource" in self.process.log.read_bytes()[mark:])
        time.sleep(after)
        self.process.kill()
        self._start()

    def _apply(self, commit: str) -> bool:
        text = self.built()
        manifests = self.target / "manifests.yaml"
        if not manifests.exists() or manifests.read_text() != text:
            # The agent may look at any moment, and would prune what is not in a file that is half written.
            written = self.target / "manifests.new"
            written.write_text(text)
            written.replace(manifests)
            git(self.target, "add", "--all")
            git(self.target, "commit", "--quiet", "--allow-empty", f"--message={commit}")
        process = self.process
        mark = process.log.stat().st_size
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.PORT}/api/v1/sync", timeout=60).close()
        except OSError:
            return False
        return self._synced(process, mark)

    def _synced(self, process: Process, mark: int) -> bool:
        """Return whether the agent printed its result tables since ``mark``, without a failure."""

        def said() -> str:
            return process.log.read_bytes()[mark:].decode(errors="replace")

        try:
            wait_for("the agent has synced", lambda: said().count("RESOURCE") >= self.TABLES or not process.running, 60)
        except AssertionError:
            return False
        return process.running and "Failed to synchronize" not in said()


class ArgoCD(ArgoEngine):
    """The same engine, called as Argo CD's application controller does it: between waves it waits for health."""

    TABLES = 1
    """It syncs when it is asked."""

    def _command(self) -> list[str]:
        return ["argocd-sync", f"--manifests={self.target / 'manifests.yaml'}"]
