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


class SyncTool(Struct, frozen=True):
    """A row of the table.

    ``safe_orders`` are the values of ``order`` whose promise holds with the tool; ``step`` promises nothing and is
    never refused.  ``resource`` is kubectl's name for the tool's object of an app, by default in ``namespace``, and
    ``liveness`` judges that object by the git revisions that count.  ``objects`` returns the tool's objects for an
    environment and its apps, by file name.  ``removal`` says how an app's objects leave the cluster.
    """

    name: str
    safe_orders: tuple[str, ...] = ("phases",)
    resource: str = ""
    namespace: str = ""
    liveness: Callable[[Body, Iterable[str]], Liveness] | None = None
    objects: Callable[[GitSource, tuple[str, ...]], Mapping[str, dict[str, Any]]] | None = None
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
            "an ApplicationSet deletes its Application with the objects; delete one of your own with --cascade",
        ),
        SyncTool(
            "flux",
            ("phases",),
            flux.RESOURCE,
            flux.NAMESPACE,
            flux.of_kustomization,
            flux.objects,
            "delete its Kustomization, which deletes its objects: without the folder it prunes nothing",
        ),
        SyncTool("kubectl", removal="nothing deletes its objects: run kubectl delete -k before the push"),
    )
}
"""The values of the setting ``sync``; ``any`` is an unknown tool."""


def unsafe_order(body: Mapping[str, object], source: Source, environment: str, app: str) -> list[Finding]:
    """Return a finding for an app's ``order`` in ``rollstep.yaml`` (``body``) that is not safe with its sync tool."""
    own = ("environments", environment)
    levels: tuple[tuple[str, ...], ...] = ((*own, "apps", app), own, ("apps", app), ("defaults",))
    order_at, sync_at = (
        next((level for level in levels if key in mapping(body, *level)), None) for key in ("order", "sync")
    )
    order = str(mapping(body, *order_at)["order"]) if order_at else "step"
    sync = str(mapping(body, *sync_at)["sync"]) if sync_at else ANY
    if order_at is None or order == "step" or order in SYNC_TOOLS[sync].safe_orders:
        return []
    path = (*order_at, "order")
    message = f"order: {order} is safe with Argo CD alone, and sync says {sync}"
    hint = "choose `order: phases`, which is safe with any tool" + (", or set `sync: argocd`" if sync == ANY else "")
    return [Finding(source.file, *source.position(path), ".".join(path), message, hint)]
