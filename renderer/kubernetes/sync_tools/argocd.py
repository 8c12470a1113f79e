"""Argo CD: the ApplicationSet of an environment, sync waves, and whether an Application is live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.sync_tools.git_source import GitSource, object_name
from renderer.kubernetes.sync_tools.liveness import Liveness

RESOURCE, NAMESPACE = "applications.argoproj.io", "argocd"

SYNC_WAVE = "argocd.argoproj.io/sync-wave"
"""The annotation with an object's wave, a whole number, by default 0 (Argo CD 3, Sync Phases and Waves)."""


def objects(source: GitSource, _apps: tuple[str, ...]) -> Mapping[str, dict[str, Any]]:
    """Return the objects that let Argo CD apply an environment, by file name."""
    return {f"{source.environment}.yaml": application_set(source)}


def application_set(source: GitSource) -> dict[str, Any]:
    """Return the ApplicationSet that creates an Application for each app, later apps included."""
    depth = len(source.folder.split("/")) if source.folder else 0
    directories = [{"path": source.path("*")}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": source.name, "namespace": NAMESPACE},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"git": {"repoURL": source.url, "revision": source.branch, "directories": directories}}],
            "template": {
                "metadata": {
                    "name": f"{{{{ index .path.segments {depth} | normalize }}}}-{object_name(source.environment)}"
                },
                "spec": {
                    "project": "default",
                    "source": {"repoURL": source.url, "targetRevision": source.branch, "path": "{{ .path.path }}"},
                    "destination": {
                        "server": "https://kubernetes.default.svc",
                        "namespace": source.namespace or "default",
                    },
                    "syncPolicy": {
                        "automated": {"prune": True, "selfHeal": True},
                        "syncOptions": ["CreateNamespace=true"],
                    },
                },
            },
        },
    }


def of_application(body: Body, revisions: Iterable[str]) -> Liveness:
    """Judge an Application: live if healthy and synced to one of the git ``revisions``, with no operation running."""
    status = body.get("status") or {}
    sync, health = status.get("sync") or {}, status.get("health") or {}
    phase = (status.get("operationState") or {}).get("phase")
    if sync.get("revision") not in set(revisions):
        return Liveness(f"it is at {str(sync.get('revision') or 'no revision')[:9]}")
    if sync.get("status") != "Synced" or phase in ("Running", "Terminating"):
        return Liveness(f"it is {sync.get('status') or 'Unknown'}{', syncing' if phase == 'Running' else ''}")
    if health.get("status") != "Healthy":
        return Liveness(f"it is {health.get('status') or 'Unknown'}")
    return Liveness()
