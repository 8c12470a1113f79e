"""The ``rollstep.yaml`` that ``init`` creates; each setting in a comment can be uncommented as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from renderer.kubernetes import KUBERNETES_VERSION
from renderer.kubernetes.sync_tools.tools import SYNC_TOOLS
from renderer.rollouts.model.versions import DEFAULT_VERSION


def settings_text(
    environments: Sequence[str], base: str, *, sync: str, own_namespaces: bool, step_apps: Sequence[str]
) -> str:
    """Return the text of a new ``rollstep.yaml``.

    ``base`` is the beginning of the namespaces, which are settings with ``own_namespaces`` and else a comment.
    ``step_apps`` are the apps that allow no other order than ``step``.
    """
    lines = [
        "# Settings of rollstep. All of them are optional; `rollstep schema` prints every key with its description.",
        "defaults:",
        f'  kubernetesVersion: "{KUBERNETES_VERSION}"',
        f'  controllerVersion: "{DEFAULT_VERSION}"',
    ]
    if not own_namespaces:
        lines.append(f"  # namespace: {base}-${{environment}}  # of objects that name none")
    if not sync:
        tools = ", ".join(name for name, tool in SYNC_TOOLS.items() if tool.resource)
        lines.append(f"  # sync: kubectl  # what applies the rendered manifests: {tools} or kubectl")
    if step_apps:
        lines.append("apps:")
        for name in step_apps:
            reason = "# rollstep: ignore RS450 -- an autoscaler owns the number of pods"
            lines += [f"  {_key(name)}:", f"    order: step  {reason}"]
    return "\n".join([*lines, "environments:", *_environments(environments, base, sync, own_namespaces)]) + "\n"


def _environments(environments: Sequence[str], base: str, sync: str, own_namespaces: bool) -> Iterator[str]:
    for name in environments:
        yield f"  {_key(name)}:" + ("" if sync else " {}")
        if sync:
            yield f"    sync: {sync}"
        if own_namespaces:
            yield f"    namespace: {namespace_of(base, name)}"


def namespace_of(base: str, environment: str) -> str:
    """Return the namespace that ``init`` gives to an environment."""
    from renderer.kubernetes.sync_tools.git_source import object_name

    return object_name(f"{base}-{environment}")


def _key(name: str) -> str:
    from renderer.kubernetes.yaml.writer import dump

    return dump({name: 0}).partition(":")[0]
