"""The AnalysisTemplates that rollstep has itself, for releases without their own."""

from __future__ import annotations

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.yaml.reader import load_documents, read_text
from renderer.pipeline.render.templates import built_in_folder

_FOLDER = "analysis"


def shipped_names() -> tuple[str, ...]:
    """Return the names of all shipped AnalysisTemplates, sorted."""
    return tuple(sorted(path.stem for path in (built_in_folder() / _FOLDER).glob("*.yaml")))


def shipped_template(name: str) -> Body | None:
    """Return the shipped AnalysisTemplate of a name, such as ``rollstep-nginx-success-rate``; None for another name."""
    if name not in shipped_names():
        return None
    path = built_in_folder() / _FOLDER / f"{name}.yaml"
    (document,) = load_documents(read_text(path), str(path))
    body: Body = document.value
    return body
