"""The table of sync tools: the safe orders of commits, and what each tool reads and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from renderer.errors import Finding
from renderer.kubernetes.manifest import Body, Source, mapping
from renderer.kubernetes.sync_tools import argocd, flux
from renderer.kubernetes.sync_tools.git_source import GitSource
from renderer.kubernetes.sync_tools.liveness import Liveness

ANY = "any"
STEP = "step"
"""The order without a promise."""


class SyncTool(Struct, frozen=True):
    """A row of the table.

    ``safe_orders`` are the values of ``order`` whose promise holds with the tool, the default last; ``step`` promises
    nothing and is never refused.  ``resource`` is kubectl's name for the tool's object of an app, by default in
    ``namespace``, and ``liveness`` judges that object by the git revisions that count.  ``objects`` returns the tool's
    objects for an environment and its apps, by file name; with ``creates_namespaces`` they create its namespace.
    ``removal`` says how an app's objects leave the cluster.
    """

    name: str
    safe_orders: tuple[str, ...] = ("phases",)
    resource: str = ""
    namespace: str = ""
    liveness: Callable[[Body, Iterable[str]], Liveness] | None = None
    objects: Callable[[GitSource, tuple[str, ...]], Mapping[str, dict[str, Any]]] | None = None
    creates_namespaces: bool = False
    removal: str = "delete its objects yourself where the sync tool does not: kubectl delete -k"


SYNC_TOOLS: Mapping[str, SyncTool] = {
    tool.name: tool
    for tool in (
        SyncTool(ANY),
        SyncTool(
            "argocd",
            ("phases", "waves"),
            argocd.RESOURCE,
            argocd.NAMESPACE,
            argocd.of_application,
            argocd.objects,
            creates_namespaces=True,
            removal="an ApplicationSet deletes its Application with the objects; delete one of your own with --cascade",
        ),
        SyncTool(
            "flux",
            ("phases",),
            flux.RESOURCE,
            flux.NAMESPACE,
            flux.of_kustomization,
            flux.objects,
            removal="delete its Kustomization, which deletes its objects: without the folder it prunes nothing",
        ),
        SyncTool("kubectl", removal="nothing deletes its objects: run kubectl delete -k before the push"),
    )
}
"""The values of the setting ``sync``; ``any`` is an unknown tool."""


def default_order(sync: str) -> str:
    """Return the order of commits without the setting ``order``: the safe one with the fewest commits."""
    return SYNC_TOOLS[sync].safe_orders[-1]


def unsafe_order(body: Mapping[str, object], source: Source, environment: str, app: str) -> list[Finding]:
    """Return a finding for an app's ``order`` in ``rollstep.yaml`` (``body``) that is not safe with its sync tool."""
    path = _setting(body, "order", environment, app)
    if path is None:
        return []
    order, sync = str(mapping(body, *path[:-1])["order"]), _sync(body, environment, app)
    if order == STEP or order in SYNC_TOOLS[sync].safe_orders:
        return []
    message = f"order: {order} is safe with Argo CD alone, and sync says {sync}"
    hint = "choose `order: phases`, which is safe with any tool" + (", or set `sync: argocd`" if sync == ANY else "")
    return [Finding(source.file, *source.position(path), ".".join(path), message, hint)]


def step_order(body: Mapping[str, object], source: Source, environment: str, app: str) -> Finding | None:
    """Return a note about an app's ``order: step`` in ``rollstep.yaml`` (``body``); None for any other order."""
    path = _setting(body, "order", environment, app)
    if path is None or mapping(body, *path[:-1])["order"] != STEP:
        return None
    safe = default_order(_sync(body, environment, app))
    message = "order: step is not safe: requests may reach a version before its pods are available"
    hint = f"take it out for the default, `order: {safe}`"
    return Finding(source.file, *source.position(path), ".".join(path), message, hint)


def _sync(body: Mapping[str, object], environment: str, app: str) -> str:
    path = _setting(body, "sync", environment, app)
    return str(mapping(body, *path[:-1])["sync"]) if path else ANY


def _setting(body: Mapping[str, object], key: str, environment: str, app: str) -> tuple[str, ...] | None:
    """Return the path of an app's setting in ``rollstep.yaml``; None where it has the default."""
    own = ("environments", environment)
    levels: tuple[tuple[str, ...], ...] = ((*own, "apps", app), own, ("apps", app), ("defaults",))
    return next(((*level, key) for level in levels if key in mapping(body, *level)), None)
