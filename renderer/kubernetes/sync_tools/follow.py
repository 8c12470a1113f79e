"""The objects that let Argo CD or Flux follow what is rendered (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

ARGOCD, FLUX = "argocd", "flux"


class Followed(Struct, frozen=True):
    """An environment as a sync tool follows it.

    ``url`` and ``branch`` are where git has it, ``folder`` what is above the apps' folders there (empty: they are at
    the root), ``output`` the folder of the rendered manifests within an app's, ``namespace`` where objects go that name
    none.
    """

    environment: str
    url: str
    branch: str
    folder: str
    output: str
    namespace: str

    @property
    def name(self) -> str:
        """A name for objects about it: that of the repository and of the environment."""
        repository = re.split(r"[/:]", self.url.rstrip("/"))[-1].removesuffix(".git")
        return object_name(f"{repository}-{self.environment}")

    def path(self, app: str) -> str:
        """Return where the rendered manifests of ``app`` are, from the root; ``*`` for all apps."""
        return "/".join(part for part in (self.folder, app, self.output) if part)


def object_name(text: str) -> str:
    """Return ``text`` as Kubernetes takes it for a name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-")


def application_set(followed: Followed) -> dict[str, Any]:
    """Return the ApplicationSet that makes an Argo CD Application of each app, those to come among them."""
    depth = len(followed.folder.split("/")) if followed.folder else 0
    source = {"repoURL": followed.url, "targetRevision": followed.branch, "path": "{{ .path.path }}"}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": followed.name, "namespace": "argocd"},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [
                {
                    "git": {
                        "repoURL": followed.url,
                        "revision": followed.branch,
                        "directories": [{"path": followed.path("*")}],
                    }
                }
            ],
            "template": {
                "metadata": {
                    "name": f"{{{{ index .path.segments {depth} | normalize }}}}-{object_name(followed.environment)}"
                },
                "spec": {
                    "project": "default",
                    "source": source,
                    "destination": {
                        "server": "https://kubernetes.default.svc",
                        "namespace": followed.namespace or "default",
                    },
                    "syncPolicy": {
                        "automated": {"prune": True, "selfHeal": True},
                        "syncOptions": ["CreateNamespace=true"],
                    },
                },
            },
        },
    }


def git_repository(followed: Followed) -> dict[str, Any]:
    """Return the GitRepository that Flux reads an environment from."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": followed.name, "namespace": "flux-system"},
        "spec": {"interval": "1m", "url": ssh_url(followed.url), "ref": {"branch": followed.branch}},
    }


def flux_kustomization(followed: Followed, app: str) -> dict[str, Any]:
    """Return the Kustomization by which Flux applies one app."""
    spec: dict[str, Any] = {
        "interval": "10m",
        "retryInterval": "1m",
        "timeout": "5m",
        "path": f"./{followed.path(app)}",
        "prune": True,
        "wait": True,
        "sourceRef": {"kind": "GitRepository", "name": followed.name},
    }
    if not followed.namespace:
        # Objects of the app name no namespace, and the API server would refuse them.
        spec["targetNamespace"] = "default"
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": object_name(f"{app}-{followed.environment}"), "namespace": "flux-system"},
        "spec": spec,
    }


def ssh_url(url: str) -> str:
    """Return the address of a repository as a URL, which Flux wants: ``git@host:path`` is ``ssh://git@host/path``."""
    found = re.fullmatch(r"([^/:]+):(?!//)/*(.+)", url)
    return f"ssh://{found[1]}/{found[2]}" if found else url


def sync_objects(tool: str, followed: Followed, apps: tuple[str, ...]) -> Mapping[str, dict[str, Any]]:
    """Return the objects for ``tool`` by the name of their file below ``sync/TOOL``."""
    environment = followed.environment
    if tool == ARGOCD:
        return {f"{environment}.yaml": application_set(followed)}
    kustomizations = {f"{environment}-{app}.yaml": flux_kustomization(followed, app) for app in apps}
    return {f"{environment}.yaml": git_repository(followed), **kustomizations}
