"""``render --stdout``: the manifests as one stream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from renderer.pipeline.load.sources import KUSTOMIZATION
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.render.files import render_release
from renderer.verbs.apps.open import rendered_worlds
from renderer.verbs.apps.shards import Shard


def apps_stream(
    workspace: Workspace,
    targets: tuple[str, ...],
    step: int | None,
    output: str,
    now: datetime | None,
    shard: Shard | None = None,
) -> str:
    """Return the manifests of the named apps as a YAML stream or a JSON List."""
    files: dict[str, str] = {}
    for release, world in rendered_worlds(workspace, targets, step, now, shard):
        rendered = render_release(release, world)
        files.update((f"{release.title}/{name}", text) for name, text in rendered.files.items())
    return files_stream(files, output)


def files_stream(files: Mapping[str, str], output: str) -> str:
    """Return rendered files without kustomizations, as a YAML stream or a JSON List (``output`` ``yaml``, ``json``)."""
    texts = [text for name, text in files.items() if not name.endswith(KUSTOMIZATION)]
    if output == "yaml":
        return "".join(f"---\n{text}" for text in texts)
    from renderer.kubernetes.printing import to_json
    from renderer.kubernetes.yaml.reader import load_documents

    items = [document.value for text in texts for document in load_documents(text, "")]
    return to_json({"apiVersion": "v1", "kind": "List", "items": items})
