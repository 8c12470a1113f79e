"""The ports of Services to which a router sends requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from renderer.kubernetes.manifest import Manifest, place
from renderer.rollouts.checks.references import Objects, ingresses
from renderer.rollouts.checks.report import Report, part_of
from renderer.rollouts.controller.routers.gateway_config import GROUP, plugin_section, route_refs
from renderer.rollouts.model.spec import CANARY, ROUTING

INGRESS = ("networking.k8s.io", "Ingress")


def check_ports(report: Report, objects: Objects) -> None:
    """Report ports of the stable or the canary Service that a router uses and that only the other one has."""
    found = {key: _service(report, objects, report.text(*CANARY, key)) for key in ("stableService", "canaryService")}
    stable, canary = found["stableService"], found["canaryService"]
    if stable is None or canary is None:
        return
    for router, port in _ports(report, objects, (stable.name, canary.name)):
        for key, own, other in (("stableService", stable, canary), ("canaryService", canary, stable)):
            if not _has(own, port) and _has(other, port):
                message = f'Service "{own.name}" has no port {port}, to which the router {router} sends requests'
                hint = f"give it the port, as {other.name} has it ({place(own)})"
                report.add("RS322", (*CANARY, key), message, hint)


def _service(report: Report, objects: Objects, name: str) -> Manifest | None:
    own = report.rollout.namespace
    named = objects.named(("", "Service"), name) if name else []
    return next((item for item in named if (item.namespace or own) == own), None)


def _has(service: Manifest, port: Any) -> bool:
    """Return whether a Service has a port, by number, name or target, as some of the routers look for it."""
    ports = part_of(service.body, ("spec", "ports"))
    for item in ports if isinstance(ports, list) else ():
        if port in [part_of(item, (key,)) for key in ("port", "name", "targetPort")]:
            return True
    return False


def _ports(report: Report, objects: Objects, services: tuple[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield each port with which a router names one of the Services, after the router's name."""
    for path, name in ingresses(report):
        for ingress in objects.named(INGRESS, name):
            for service in _named(part_of(ingress.body, ("spec", "rules")), "name", services):
                for key in ("number", "name"):
                    yield from ((str(path[len(ROUTING)]), port) for port in [part_of(service, ("port", key))] if port)
    port = report.at(*ROUTING, "alb", "servicePort")
    if port:
        yield "alb", port
    for ref in route_refs(plugin_section(report.at(*ROUTING, "plugins"))):
        for route in objects.named((GROUP, ref.kind), ref.name):
            for backend in _named(part_of(route.body, ("spec", "rules")), "name", services):
                if backend.get("port") and not backend.get("namespace"):
                    yield "plugins", backend["port"]
    name = report.text(*ROUTING, "traefik", "weightedTraefikServiceName")
    for group in ("traefik.io", "traefik.containo.us"):
        for traefik in objects.named((group, "TraefikService"), name):
            for entry in _named(part_of(traefik.body, ("spec", "weighted")), "name", services):
                if entry.get("port") and not entry.get("namespace"):
                    yield "traefik", entry["port"]
    name = report.text(*ROUTING, "apisix", "route", "name")
    for apisix in objects.named(("apisix.apache.org", "ApisixRoute"), name):
        for backend in _named(part_of(apisix.body, ("spec", "http")), "serviceName", services):
            if backend.get("servicePort"):
                yield "apisix", backend["servicePort"]


def _named(value: Any, key: str, names: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Yield each mapping below ``value`` that has one of ``names`` at ``key``."""
    if isinstance(value, dict):
        if value.get(key) in names:
            yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _named(item, key, names)
