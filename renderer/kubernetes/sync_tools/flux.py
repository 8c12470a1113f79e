"""Flux: the GitRepository and Kustomizations of an environment, and whether a Kustomization is live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.sync_tools.git_source import GitSource, object_name
from renderer.kubernetes.sync_tools.liveness import Liveness

RESOURCE, NAMESPACE = "kustomizations.kustomize.toolkit.fluxcd.io", "flux-system"


def objects(source: GitSource, apps: tuple[str, ...]) -> Mapping[str, dict[str, Any]]:
    """Return the objects that let Flux apply the ``apps`` of an environment, by file name."""
    kustomizations = {f"{source.environment}-{app}.yaml": flux_kustomization(source, app) for app in apps}
    return {f"{source.environment}.yaml": git_repository(source), **kustomizations}


def git_repository(source: GitSource) -> dict[str, Any]:
    """Return the GitRepository of an environment."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": source.name, "namespace": NAMESPACE},
        "spec": {"interval": "1m", "url": ssh_url(source.url), "ref": {"branch": source.branch}},
    }


def flux_kustomization(source: GitSource, app: str) -> dict[str, Any]:
    """Return the Kustomization that applies one app."""
    spec: dict[str, Any] = {
        "interval": "10m",
        "retryInterval": "1m",
        "timeout": "5m",
        "path": f"./{source.path(app)}",
        "prune": True,
        "wait": True,
        "sourceRef": {"kind": "GitRepository", "name": source.name},
    }
    if not source.namespace:
        # The app's objects have no namespace, and the API server would refuse them.
        spec["targetNamespace"] = "default"
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": object_name(f"{app}-{source.environment}"), "namespace": NAMESPACE},
        "spec": spec,
    }


def ssh_url(url: str) -> str:
    """Return a repository's address as a URL, which Flux needs: ``git@host:path`` as ``ssh://git@host/path``."""
    found = re.fullmatch(r"([^/:]+):(?!//)/*(.+)", url)
    return f"ssh://{found[1]}/{found[2]}" if found else url


def of_kustomization(body: Body, revisions: Iterable[str]) -> Liveness:
    """Judge a Kustomization (v1): live if ready and observed, with one of the git ``revisions`` applied.

    ``Ready`` includes health only if the Kustomization waits (``spec.wait`` or ``spec.healthChecks``).
    """
    spec, status = body.get("spec") or {}, body.get("status") or {}
    applied = str(status.get("lastAppliedRevision") or "")
    if not spec.get("wait") and not spec.get("healthChecks"):
        return Liveness("its spec.wait is not true, so its Ready says nothing about pods")
    if applied.rpartition(":")[2] not in set(revisions):
        return Liveness(f"it is at {applied or 'no revision'}")
    ready: Body = next((item for item in status.get("conditions") or () if item.get("type") == "Ready"), {})
    if status.get("observedGeneration", 0) < body["metadata"].get("generation", 1) or ready.get("status") != "True":
        return Liveness(f"it is not ready: {ready.get('message') or ready.get('reason') or 'no condition'}")
    return Liveness()
