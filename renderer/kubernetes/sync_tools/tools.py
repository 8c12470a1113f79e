"""Which order of commits is safe with which sync tool (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from renderer.errors import Finding
from renderer.kubernetes.manifest import Source, mapping

ANY, ARGOCD = "any", "argocd"
SYNC_TOOLS = (ANY, ARGOCD, "flux", "kubectl")
"""The values of the setting ``sync``; ``any`` where it is not known."""
SAFE_WITH: Mapping[str, tuple[str, ...]] = {
    "step": (),
    "phases": SYNC_TOOLS,
    "waves": (ARGOCD,),
}
"""The tools with which each ``order`` keeps its promise.  ``step`` promises nothing, and is refused with none."""


def unsafe_order(body: Mapping[str, object], source: Source, environment: str, app: str) -> list[Finding]:
    """Return the finding that the ``order`` of an app is not safe with what applies it, at the place that sets it.

    ``body`` is what ``rollstep.yaml`` says, ``source`` where.
    """
    levels: list[tuple[str, ...]] = [
        ("environments", environment, "apps", app),
        ("environments", environment),
        ("apps", app),
        ("defaults",),
    ]
    order_at, sync_at = (
        next((level for level in levels if key in mapping(body, *level)), None) for key in ("order", "sync")
    )
    order = str(mapping(body, *order_at)["order"]) if order_at else "step"
    sync = str(mapping(body, *sync_at)["sync"]) if sync_at else ANY
    if order_at is None or order == "step" or sync in SAFE_WITH[order]:
        return []
    path = (*order_at, "order")
    message = f"order: {order} is kept by Argo CD alone, and sync says {sync}"
    hint = "choose `order: phases`, which is safe with any tool" + (", or set `sync: argocd`" if sync == ANY else "")
    return [Finding(source.file, *source.position(path), ".".join(path), message, hint)]
