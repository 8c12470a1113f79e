"""A real control plane on loopback: etcd, the API server, the controllers of workloads, and KWOK for the pods."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.api import TOKEN, Api
from tests.e2e.build import BIN, KWOK_DEFINITIONS, PROJECT
from tests.e2e.processes import Process, wait_for

ADDRESS = "10.96.255.1"
"""The API server's own address, which the network namespace has on its loopback device."""
PODS = "10.244.0.0/16"
NODE = "node-0"
NAMESPACE = "default"
CONTROLLERS = (
    "replicaset,deployment,endpointslice,endpoint,namespace,garbagecollector,disruption,horizontalpodautoscaling"
)


class Cluster:
    """One control plane with its files in ``folder``; starts with an empty etcd."""

    def __init__(self, folder: Path, *, ready_after: float = 1.0, gone_after: float = 2.0) -> None:
        self.folder = folder
        self.ready_after = ready_after
        self.gone_after = gone_after
        self.processes: list[Process] = []
        self.api = Api(f"https://{ADDRESS}:6443", folder / "certificates" / "apiserver.crt")
        self.kubeconfig = folder / "kubeconfig"
        self._write_files()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_files(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        key = self.folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)

    def start(self) -> None:
        """Start all processes and return when the API server and the node are ready."""
        etcd = f"http://127.0.0.1:{2379}"
        self._run(
            "etcd",
            BIN / "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            # What is written here is thrown away: a disk that is slow to sync must not slow the tests down.
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        key = self.folder / "service-accounts.key"
        self._run(
            "kube-apiserver",
            BIN / "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=AlwaysAllow",
            "--disable-admission-plugins=ServiceAccount",
            f"--advertise-address={ADDRESS}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        )
        wait_for("the API server is ready", self._ready, 120)
        self._write_kubeconfig()
        self._run(
            "kube-controller-manager",
            BIN / "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={CONTROLLERS}",
            "--leader-elect=false",
            "--horizontal-pod-autoscaler-sync-period=1s",
            # A slice is written as soon as a pod changes: the tests are about the order of rollstep's own changes.
            "--endpointslice-updates-batch-period=0s",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        )
        self.define(KWOK_DEFINITIONS)
        self._apply_stages()
        self._run(
            "kwok",
            BIN / "kwok",
            f"--kubeconfig={self.kubeconfig}",
            "--manage-all-nodes=true",
            f"--cidr={PODS}",
            "--node-ip=127.0.0.1",
            # As objects of the cluster they can be changed while KWOK runs, which forgets whose address is whose
            # when it is started again.
            "--enable-crds=Stage",
        )
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        self._run("pods", sys.executable, "-m", "tests.e2e.pods", self.api.server, self.api.certificate)

    def _run(self, name: str, *command: str | Path) -> Process:
        process = Process(name, command, self.folder, {"PYTHONPATH": str(PROJECT)})
        self.processes.append(process)
        return process

    def _ready(self) -> bool:
        for process in self.processes:
            assert process.running, f"{process.name} ended\n{process.tail()}"
        if not self.api.certificate.exists():
            return False
        try:
            with self.api.open("/readyz") as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _write_kubeconfig(self) -> None:
        certificate = str(self.api.certificate)
        cluster = {"server": self.api.server, "certificate-authority": certificate}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "admin", "namespace": NAMESPACE}}],
            "current-context": "e2e",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def _apply_stages(self) -> None:
        """Set how long KWOK takes until a pod is ready, and until it is gone."""
        text = Path(__file__).with_name("stages.yaml").read_text(encoding="utf-8")
        text = text.replace("READY_AFTER", str(int(self.ready_after * 1000)))
        self.kubectl("apply", "-f", "-", stdin=text.replace("GONE_AFTER", str(int(self.gone_after * 1000))))

    def pods_get_ready_after(self, seconds: float) -> None:
        """Make new pods take ``seconds`` from now on."""
        self.ready_after = seconds
        self._apply_stages()

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop(5)
        self.processes.clear()

    def wipe(self) -> None:
        """Lose everything: a new control plane with an empty etcd in the old one's place."""
        for process in reversed(self.processes):
            process.kill()
        self.processes.clear()
        shutil.rmtree(self.folder / "etcd")
        self.start()

    def kubectl(self, *arguments: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl and return what it prints."""
        command = [str(BIN / "kubectl"), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def define(self, folder: Path) -> None:
        """Apply the CustomResourceDefinitions in ``folder`` and return when the API server serves them."""
        for definition in sorted(folder.glob("*.yaml")):
            self.kubectl("apply", "--server-side", "-f", definition)
        wait_for("the API server serves what was defined", self._all_established)

    def _all_established(self) -> bool:
        definitions = self.api.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        return all(
            any(
                condition["type"] == "Established" and condition["status"] == "True"
                for condition in definition.get("status", {}).get("conditions") or ()
            )
            for definition in definitions
        )

    def apply(self, *objects: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
