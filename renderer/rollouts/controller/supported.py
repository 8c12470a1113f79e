"""What the engine cannot do yet is refused, field by field."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding
from renderer.kubernetes.manifest import Body, Source, field_path
from renderer.rollouts.controller.routers import supported_routers
from renderer.rollouts.controller.routers.gateway_config import PLUGIN, problems
from renderer.rollouts.model.rollout import NO_SOURCE, Rollout
from renderer.rollouts.model.spec import BlueGreenStrategy, CanaryStrategy, Path

STEPS = ("setWeight", "pause", "setCanaryScale", "setHeaderRoute", "setMirrorRoute", "analysis", "experiment")
WEIGHING_ROUTERS = ("alb", "smi", "istio")
"""The routers that can give an experiment weight (``ValidateRolloutStrategyCanary`` of v1.9.1)."""


def check_supported(
    rollout: Rollout, source: Source = NO_SOURCE, plugin_gates: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """Return a finding for every field whose meaning the engine does not know.

    ``plugin_gates`` are the names of the plugins whose steps wait for a person instead.
    """
    findings = []
    for path, message in _unsupported(rollout, plugin_gates):
        line, column = source.position(path)
        hint = "take the field out, or release this app with the controller"
        if path[-1] == "plugin":
            hint = "let it wait for a person, with `stepPlugins: {NAME: gate}` in rollstep.yaml, or take the step out"
        findings.append(Finding(source.file, line, column, field_path(path), message, hint))
    routing = rollout.canary.traffic_routing if rollout.canary is not None else None
    for path, message, hint in problems(routing.body.get("plugins")) if routing is not None else ():
        findings.append(Finding(source.file, *source.position(path), field_path(path), message, hint))
    return tuple(findings)


def _unsupported(rollout: Rollout, plugin_gates: frozenset[str]) -> Iterator[tuple[Path, str]]:
    if isinstance(rollout.strategy, CanaryStrategy):
        yield from _unsupported_canary(rollout.strategy, plugin_gates)
    else:
        yield from _unsupported_blue_green(rollout.strategy)


def _unsupported_canary(canary: CanaryStrategy, plugin_gates: frozenset[str]) -> Iterator[tuple[Path, str]]:
    base: Path = ("spec", "strategy", "canary")
    for index, step in enumerate(canary.steps):
        if step.kind == "plugin":
            plugin = step.body[step.kind]
            if plugin.get("name") not in plugin_gates:
                message = f"plugin steps are not supported: nobody calls {plugin.get('name')}"
                yield (*base, "steps", index, step.kind), message
        elif step.kind == "experiment":
            yield from _unsupported_experiment(canary, step.body[step.kind], (*base, "steps", index, step.kind))
        elif step.kind not in STEPS:
            message = f"{step.kind} steps are not supported; supported are {', '.join(STEPS)}"
            yield (*base, "steps", index, step.kind), message
    if canary.traffic_routing is not None:
        supported = [PLUGIN if name == "plugins" else name for name in supported_routers()]
        for router in canary.traffic_routing.routers:
            if router not in supported_routers():
                message = f"the router {router} is not supported; supported is {', '.join(supported)}"
                if router == "appMesh":
                    message = f"App Mesh has come to its end, AWS has shut it down; supported is {', '.join(supported)}"
                yield (*base, "trafficRouting", router), message


def _unsupported_experiment(canary: CanaryStrategy, experiment: Body, path: Path) -> Iterator[tuple[Path, str]]:
    routers = canary.traffic_routing.routers if canary.traffic_routing is not None else ()
    for index, template in enumerate(experiment.get("templates") or ()):
        at = (*path, "templates", index)
        if template.get("specRef") not in ("canary", "stable"):
            yield (*at, "specRef"), f"expected canary or stable, found {template.get('specRef')}"
        if template.get("weight") is not None and not set(routers) & set(WEIGHING_ROUTERS):
            yield (*at, "weight"), f"a weight needs a router that can give it: one of {', '.join(WEIGHING_ROUTERS)}"


def _unsupported_blue_green(blue_green: BlueGreenStrategy) -> Iterator[tuple[Path, str]]:
    base: Path = ("spec", "strategy", "blueGreen")
    for field in ("prePromotionAnalysis", "postPromotionAnalysis"):
        analysis = blue_green.body.get(field)
        if analysis is not None and not analysis.get("templates"):
            yield (*base, field), "names no templates: the controller would wait for ever"
