"""``python -m tests.e2e.build``: build the tools of the end-to-end tests into ``.tools/e2e/bin``.

Each is a Go program that a ``go.mod`` and ``go.sum`` below ``tools/`` pin with all it is built from.  What drives the
browser comes from npm, as ``browser/package-lock.json`` pins it.  What has been built is kept until its pins change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from renderer.pipeline.validate.install import go_from_package
from tests.e2e.browser.build import build as browser
from tests.e2e.gitea.build import build as gitea

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
FOLDER = PROJECT / ".tools" / "e2e"
BIN = FOLDER / "bin"
GATEWAY_API = FOLDER / "gateway-api"
FLUX_DEFINITIONS = FOLDER / "flux"
KWOK_DEFINITIONS = FOLDER / "kwok"
OLDEST_GO = (1, 26)
"""The Go version that KWOK v0.8.0 and Traefik v3.7.13 require in their go.mod."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One module below ``tools/``: which programs it pins, by the name of the file that each becomes."""

    module: str
    programs: dict[str, str]
    tags: str = ""
    """Go's build tags, which leave out what no test needs."""
    version: str = ""
    """A value for Kubernetes' version variables, which its own build sets; without it kubectl says v0.0.0."""

    @property
    def source(self) -> Path:
        return HERE / "tools" / self.module

    def pins(self) -> str:
        """Return a sum over all that decides what is built."""
        found = hashlib.sha256(repr(self).encode())
        for path in sorted(self.source.rglob("*")):
            if path.is_file():
                found.update(path.relative_to(self.source).as_posix().encode() + b"\0" + path.read_bytes())
        return found.hexdigest()


TOOLS = (
    Tool("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Tool(
        "kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kubectl")},
        version="v1.34.1",
    ),
    Tool("kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Tool(
        "prometheus",
        {name: f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")},
        tags="remove_all_sd",
    ),
    Tool("traefik", {"traefik": "github.com/traefik/traefik/v3/cmd/traefik"}),
    Tool("gitops-engine", {"gitops-agent": "github.com/argoproj/gitops-engine/agent", "argocd-sync": "./argocd"}),
    Tool("flux", {name: f"github.com/fluxcd/{name}" for name in ("source-controller", "kustomize-controller")}),
)


def find_go() -> str:
    """Return a Go that is new enough: that on ``PATH``, else the toolchain that a Python package ships."""
    go = shutil.which("go")
    if go is not None:
        told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
        major, minor = told.removeprefix("go").split(".")[:2]
        if (int(major), int(minor)) >= OLDEST_GO:
            return go
    folder = FOLDER / "toolchain"
    kept = folder / "go" / "bin" / "go"
    return str(kept) if kept.exists() else go_from_package(folder)


def build(tool: Tool, go: str) -> bool:
    """Build ``tool`` where it is not built from the same pins; tell whether that was so.

    Raises CalledProcessError where Go fails.
    """
    stamp, pins = BIN / f".{tool.module}", tool.pins()
    if stamp.exists() and stamp.read_text() == pins and all((BIN / name).exists() for name in tool.programs):
        return False
    BIN.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    if tool.module == "traefik":
        copy_lego(go, tool.source)
        copy_definitions(go, tool.source, "sigs.k8s.io/gateway-api", "config/crd/standard/gateway.*.yaml", GATEWAY_API)
    if tool.module == "kwok":
        copy_definitions(go, tool.source, "sigs.k8s.io/kwok", "kustomize/crd/bases/*_stages.yaml", KWOK_DEFINITIONS)
    if tool.module == "flux":
        for controller in ("source-controller", "kustomize-controller"):
            module = f"github.com/fluxcd/{controller}"
            copy_definitions(go, tool.source, module, "config/crd/bases/*.yaml", FLUX_DEFINITIONS)
    flags = "-s -w"
    if tool.version:
        major, minor = tool.version.removeprefix("v").split(".")[:2]
        package = "k8s.io/component-base/version"
        flags += f" -X {package}.gitVersion={tool.version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
    for name, package in tool.programs.items():
        command = [go, "build", "-trimpath", "-tags", tool.tags, "-ldflags", flags, "-o", str(BIN / name), package]
        subprocess.run(command, cwd=tool.source, env=environment(), check=True)
    stamp.write_text(pins)
    return True


def module_folder(go: str, module: str, pinned: Path) -> Path:
    """Download ``module`` as ``pinned`` has it and return where it lies."""
    subprocess.run([go, "mod", "download", module], cwd=pinned, env=environment(), check=True)
    command = [go, "list", "-m", "-f", "{{.Dir}}", module]
    told = subprocess.run(command, cwd=pinned, env=environment(), check=True, capture_output=True, text=True)
    return Path(told.stdout.strip())


def copy_definitions(go: str, source: Path, module: str, pattern: str, folder: Path) -> None:
    """Keep the CustomResourceDefinitions of a module that a tool is built with."""
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(module_folder(go, module, source).glob(pattern))
    assert found, f"{module} has no {pattern}"
    for path in found:
        shutil.copyfile(path, folder / path.name)


def copy_lego(go: str, source: Path) -> None:
    """Make the copy of lego, without its DNS providers, that Traefik's ``go.mod`` names."""
    copy = FOLDER / "src" / "lego"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(
        module_folder(go, "github.com/go-acme/lego/v5", source / "lego"), copy, copy_function=shutil.copyfile
    )
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    providers = copy / "providers" / "dns"
    (providers / "dns_providers_test.go").unlink()
    shutil.copyfile(source / "no_dns_providers.go.txt", providers / "zz_gen_dns_providers.go")


def environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the tools that are named, or all."""
    names = list(sys.argv[1:] if arguments is None else arguments)
    chosen = [tool for tool in TOOLS if not names or tool.module in names]
    go = find_go()
    for tool in chosen:
        begun = time.monotonic()
        if build(tool, go):
            print(f"{tool.module}: built in {time.monotonic() - begun:.0f} s", flush=True)
    if not names or "gitea" in names:
        begun = time.monotonic()
        if gitea():
            print(f"gitea: built in {time.monotonic() - begun:.0f} s", flush=True)
    if (not names or "browser" in names) and browser():
        print("browser: its packages are installed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
