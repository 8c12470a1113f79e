"""Fields of a Rollout that the engine does not support."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding
from renderer.kubernetes.manifest import Body, Source, field_path
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.replica_math import last_set_weight
from renderer.rollouts.controller.routers import router_for, routers_of, routers_that
from renderer.rollouts.model.rollout import NO_SOURCE, Rollout
from renderer.rollouts.model.spec import BLUE_GREEN, CANARY, ROUTING, CanaryStrategy, Path


def unsupported_fields(
    rollout: Rollout, source: Source = NO_SOURCE, plugin_gates: frozenset[str] = frozenset()
) -> tuple[Finding, ...]:
    """Return a finding for every field that the engine does not support.

    ``plugin_gates`` are the names of the plugins whose steps wait for a person instead.
    """
    findings = []
    for path, message in _unsupported(rollout, plugin_gates):
        hint = "take the field out, or release this app with the controller"
        if path[-1] == "plugin":
            hint = "let it wait for a person, with `stepPlugins: {NAME: gate}` in rollstep.yaml, or take the step out"
        findings.append(Finding(source.file, *source.position(path), field_path(path), message, hint))
    for name, router in routers_of(rollout).items():
        for path, message, hint, _ in router.problems(rollout.routing.body.get(name)):
            findings.append(Finding(source.file, *source.position(path), field_path(path), message, hint))
    return tuple(findings)


def _unsupported(rollout: Rollout, plugin_gates: frozenset[str]) -> Iterator[tuple[Path, str]]:
    if isinstance(rollout.strategy, CanaryStrategy):
        yield from _unsupported_steps(rollout, rollout.strategy, plugin_gates)
        for name, router in routers_of(rollout).items():
            if router.unsupported:
                supported = [
                    router_for(other).plugin or other for other in routers_that(lambda one: not one.unsupported)
                ]
                yield (*ROUTING, name), f"{router.unsupported}; supported routers are {', '.join(supported)}"
        return
    for field in ("prePromotionAnalysis", "postPromotionAnalysis"):
        analysis = rollout.strategy.body.get(field)
        if analysis is not None and not analysis.get("templates"):
            yield (*BLUE_GREEN, field), "has no templates: the controller would wait for ever"


def _unsupported_steps(
    rollout: Rollout, canary: CanaryStrategy, plugin_gates: frozenset[str]
) -> Iterator[tuple[Path, str]]:
    for index, step in enumerate(canary.steps):
        if step.kind == "plugin":
            plugin = step.body[step.kind]
            if plugin.get("name") not in plugin_gates:
                message = f"plugin steps are not supported: rollstep does not call {plugin.get('name')}"
                yield (*CANARY, "steps", index, step.kind), message
        elif step.kind == "experiment":
            path: Path = (*CANARY, "steps", index, step.kind)
            yield from _unsupported_experiment(rollout, step.body[step.kind], path)
            if _can_weigh(rollout):
                before = last_set_weight(canary.steps[:index])
                yield from _unsupported_weights(rollout, step.body[step.kind], before, path)


def _can_weigh(rollout: Rollout) -> bool:
    return any(router.weighs_experiments for router in routers_of(rollout).values())


def _unsupported_experiment(rollout: Rollout, experiment: Body, path: Path) -> Iterator[tuple[Path, str]]:
    for index, template in enumerate(experiment.get("templates") or ()):
        at = (*path, "templates", index)
        if template.get("specRef") not in ("canary", "stable"):
            yield (*at, "specRef"), f"expected canary or stable, found {template.get('specRef')}"
        if template.get("weight") is not None and not _can_weigh(rollout):
            names = ", ".join(routers_that(lambda router: router.weighs_experiments))
            yield (*at, "weight"), f"a weight requires one of the routers {names}"


def _unsupported_weights(
    rollout: Rollout, experiment: Body, canary_weight: int, path: Path
) -> Iterator[tuple[Path, str]]:
    """Yield why an experiment's weights cannot be set while the canary has ``canary_weight``.

    The controller gives the stable version less than nothing, and a destination without a name to a template without a
    Service, anew in each pass.
    """
    templates = experiment.get("templates") or ()
    weights = [int(template["weight"]) for template in templates if template.get("weight") is not None]
    most = max_traffic_weight(rollout)
    if weights and canary_weight + sum(weights) > most:
        message = f"the weights of the templates and the canary's ({canary_weight}) are more than {most}"
        yield (*path, "templates"), message
    containers = (rollout.template.get("spec") or {}).get("containers") or ()
    if weights and containers and not any(container.get("ports") for container in containers):
        yield (*path, "templates"), "a weight requires a containerPort in the pod template, for the template's Service"
