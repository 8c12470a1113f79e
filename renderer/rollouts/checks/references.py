"""The Services, Ingresses, routes and AnalysisTemplates that a Rollout names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from renderer.kubernetes.manifest import Manifest, field_path, place
from renderer.rollouts.checks.report import Path, Report, part_of
from renderer.rollouts.controller.routers import ROUTERS, router_for, routers_of
from renderer.rollouts.controller.routers.gateway_config import GROUP, plugin_section, route_refs
from renderer.rollouts.model.rollout import HASH_LABEL, MANAGED_BY_ANNOTATION, Rollout
from renderer.rollouts.model.spec import BLUE_GREEN, CANARY, ROUTING, SERVICES

MAX_CANDIDATES = 500
"""With more names there is no suggestion for a missing one: the comparison takes too long."""

NUMBER_SUFFIX = re.compile(r"-[0-9]+$")
"""The end of the name of a rule for headers, if a route has several."""

Kind = tuple[str, str]
SHIPPED = "rollstep-"
"""The start of the names of the AnalysisTemplates that rollstep ships."""
"""API group and kind."""


class Objects:
    """Manifests by kind and name, for the checks of many Rollouts among them."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._by_kind: dict[Kind, dict[str, list[Manifest]]] = {}
        for manifest in manifests:
            names = self._by_kind.setdefault((manifest.key.group, manifest.kind), {})
            names.setdefault(manifest.name, []).append(manifest)

    def named(self, kind: Kind, name: str) -> list[Manifest]:
        """Return the objects of the kind with the name, in any namespace."""
        return self._by_kind.get(kind, {}).get(name, [])

    def all(self) -> list[Manifest]:
        """Return all objects."""
        return [manifest for names in self._by_kind.values() for named in names.values() for manifest in named]

    def of_kind(self, kind: Kind) -> list[Manifest]:
        """Return the objects of the kind, in any namespace."""
        return [manifest for named in self._by_kind.get(kind, {}).values() for manifest in named]

    def nearest(self, kind: Kind, name: str) -> str:
        """Return the name of the kind that is most similar to ``name``; empty without one."""
        from difflib import get_close_matches

        names = self._by_kind.get(kind, {})
        near = get_close_matches(name, sorted(names), n=1) if len(names) <= MAX_CANDIDATES else []
        return near[0] if near else ""


def check_references(report: Report, objects: Objects) -> None:
    """Report objects that the Rollout names and that are missing from ``objects``, or do not fit."""
    if report.mapping(*CANARY) and report.mapping(*BLUE_GREEN):
        return
    for path in SERVICES:
        name = report.text(*path)
        if name:
            service = _find(report, objects, path, ("", "Service"), name, "RS301")
            if service is not None:
                _check_service(report, path, service)
    for path, name in ingresses(report):
        ingress = _find(report, objects, path, ("networking.k8s.io", "Ingress"), name, "RS302")
        if ingress is not None:
            _check_ingress(report, path, ingress)
    _check_routes(report, objects)
    for path in analyses(report):
        for index, reference in enumerate(report.items(*path, "templates")):
            name = part_of(reference, ("templateName",))
            # A ClusterAnalysisTemplate is rarely among an app's manifests, and rollstep ships some templates itself.
            is_elsewhere = bool(part_of(reference, ("clusterScope",))) or str(name).startswith(SHIPPED)
            if isinstance(name, str) and not is_elsewhere:
                kind = ("argoproj.io", "AnalysisTemplate")
                _find(report, objects, (*path, "templates", index), kind, name, "RS303")


def check_experiment_services(report: Report, objects: Objects) -> None:
    """Report Services of experiments that would replace and then delete a Service among the manifests."""
    own = report.rollout.namespace
    for step, _ in report.mappings(*CANARY, "steps"):
        for template, _ in report.mappings(*step, "experiment", "templates"):
            path = (*template, "service", "name")
            name = report.text(*path)
            if name and any((item.namespace or own) == own for item in objects.named(("", "Service"), name)):
                message = f'Service "{name}" is among the manifests, and the experiment creates one of that name'
                report.add("RS318", path, message, "give the experiment's Service another name")


def check_made_objects(report: Report, objects: Objects, rollout: Rollout) -> None:
    """Report objects among the manifests that a router would make, and replace."""
    own = report.rollout.namespace
    for name, router in routers_of(rollout).items():
        for group, kind, namespace, made in router.created_objects(rollout):
            for manifest in objects.named((group, kind), made):
                if (manifest.namespace or own) == (namespace or own):
                    message = f'{kind} "{made}" is among the manifests, and the router {name} makes one of that name'
                    report.add("RS330", (*ROUTING, name), message, f"rename one of the two ({place(manifest)})")


def _check_routes(report: Report, objects: Objects) -> None:
    section = plugin_section(report.at(*CANARY, "trafficRouting", "plugins"))
    namespace = section.get("namespace")
    for ref in route_refs(section):
        at = namespace if isinstance(namespace, str) else ""
        route = _find(report, objects, ref.path, (GROUP, ref.kind), ref.name, "RS309", at)
        if route is not None and ref.headers:
            _check_rule_names(report, ref.path, route)


def _check_rule_names(report: Report, path: Path, route: Manifest) -> None:
    """Report the user's rules that look like those of a release, which would remove them."""
    canary = report.text(*CANARY, "canaryService")
    managed = [part_of(item, ("name",)) for item in report.items(*CANARY, "trafficRouting", "managedRoutes")]
    rules = part_of(route.body, ("spec", "rules"))
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        name, refs = part_of(rule, ("name",)), part_of(rule, ("backendRefs",))
        alone = isinstance(refs, list) and len(refs) == 1 and part_of(refs[0], ("name",)) == canary
        if alone and isinstance(name, str) and any(base in managed for base in (name, NUMBER_SUFFIX.sub("", name))):
            message = f'{route.kind} "{route.name}" has a rule {name}, and a route of managedRoutes has that name'
            hint = "rename the rule: the release would remove it with its own"
            place = _place(route, ("spec", "rules", index, "name"))
            report.add("RS312", path, message, f"{hint} ({place})" if place else hint)


def _find(
    report: Report, objects: Objects, path: Path, kind: Kind, name: str, code: str, elsewhere: str = ""
) -> Manifest | None:
    """Return the object of a name; report a missing one by the rule ``code``.

    Its namespace must be the Rollout's, or ``elsewhere`` if the Rollout names another.
    """
    own = report.rollout.namespace
    namespace = elsewhere or own
    named = objects.named(kind, name)
    for other in named:
        if (other.namespace or own or namespace) == namespace:
            return other
    if named:
        where = f"namespace {namespace}" if namespace else "none"
        hint = f"it is in namespace {named[0].namespace}, the Rollout {'looks ' if elsewhere else ''}in {where}"
    else:
        near = objects.nearest(kind, name)
        hint = f"did you mean {near}?" if near else f"add it to the manifests beside the Rollout {report.rollout.name}"
    report.add(code, path, f'{kind[1]} "{name}" not found', hint, field=_field(path))
    return None


def _field(path: Path) -> str:
    """Return the controller's name of a reference; an item of a list has that of the list."""
    return field_path(path[:-1] if isinstance(path[-1], int) else path)


def _check_service(report: Report, path: Path, service: Manifest) -> None:
    labels = report.mapping("spec", "template", "metadata", "labels")
    selector = part_of(service.body, ("spec", "selector"))
    # Missing labels are reported with the Rollout's selector; with a workloadRef the workload has them.
    for key, value in sorted(selector.items()) if isinstance(selector, dict) and labels else ():
        if key != HASH_LABEL and labels.get(key) != value:
            have = f"{key}: {labels[key]}" if key in labels else f"no label {key}"
            message = f'Service "{service.name}" selects pods with {key}: {value}, the template has {have}'
            report.add("RS304", path, message, _place(service, ("spec", "selector", key)))
    if part_of(service.body, ("spec", "type")) == "ExternalName":
        message = (
            f'Service "{service.name}" is an ExternalName: it selects no pods, and can get no share of the traffic'
        )
        report.add("RS332", path, message, "name a Service of the Rollout's pods")
    managed_by = service.metadata.get("annotations")
    owner = managed_by.get(MANAGED_BY_ANNOTATION) if isinstance(managed_by, dict) else None
    if owner and owner != report.rollout.name:
        hint = f"take its annotation {MANAGED_BY_ANNOTATION} out, or give this Rollout a Service of its own"
        report.add("RS305", path, f'Service "{service.name}" is managed by the Rollout {owner}', hint)


def ingresses(report: Report) -> Iterator[tuple[Path, str]]:
    """Yield path and name of each Ingress of the routers."""
    routing = report.mapping(*ROUTING)
    for router in ROUTERS:
        if routing.get(router) is None or not router_for(router).names_ingresses:
            continue
        one, several = router_for(router).one_or_several or ("", "")
        for index, name in enumerate(report.items(*ROUTING, router, several)):
            if isinstance(name, str):
                yield (*ROUTING, router, several, index), name
        name = report.text(*ROUTING, router, one)
        if name and report.at(*ROUTING, router, several) is None:
            yield (*ROUTING, router, one), name


def _check_ingress(report: Report, path: Path, ingress: Manifest) -> None:
    router = str(path[len(ROUTING)])
    root = router_for(router).root_service
    service = (root and report.text(*ROUTING, router, root)) or report.text(*CANARY, "stableService")
    if service and service not in set(backends(ingress)):
        message = f'Ingress "{ingress.name}" has no rule with the Service "{service}" as its backend'
        report.add("RS306", path, message, _place(ingress, ("spec", "rules")), field=_field(path))


def backends(ingress: Manifest) -> Iterator[str]:
    """Yield the Service of each path of an Ingress."""
    rules = part_of(ingress.body, ("spec", "rules"))
    for rule in rules if isinstance(rules, list) else ():
        paths = part_of(rule, ("http", "paths"))
        for item in paths if isinstance(paths, list) else ():
            name = part_of(item, ("backend", "service", "name"))
            if isinstance(name, str):
                yield name


def analyses(report: Report) -> Iterator[Path]:
    """Yield the path of each possible analysis of the Rollout."""
    for step, _ in report.mappings(*CANARY, "steps"):
        yield (*step, "analysis")
    yield (*CANARY, "analysis")
    yield (*BLUE_GREEN, "prePromotionAnalysis")
    yield (*BLUE_GREEN, "postPromotionAnalysis")


def _place(manifest: Manifest, path: Path) -> str:
    line, column = manifest.source.position(path)
    return f"see {manifest.source.file}:{line}:{column}" if line else ""
