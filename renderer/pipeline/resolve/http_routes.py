"""HTTPRoutes (Gateway API v1) in place of an Ingress of ingress-nginx (networking.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from renderer.kubernetes.manifest import Body, mapping

PREFIX = "nginx.ingress.kubernetes.io"
WITHOUT_EFFECT = ("canary", "service-upstream", "use-regex", "rewrite-target", "upstream-vhost", "ssl-redirect")
"""Annotations that are converted, or that a route does not need."""
PATH_TYPES = {"Prefix": "PathPrefix", "Exact": "Exact"}


class Gateway(Struct, frozen=True):
    """The Gateway of the routes: its name, its namespace if it is another one, and optionally one of its listeners."""

    name: str
    namespace: str = ""
    listener: str = ""

    def parent_ref(self) -> Body:
        """Return the Gateway's item in ``parentRefs``."""
        ref = {"name": self.name, "namespace": self.namespace, "sectionName": self.listener}
        return {key: value for key, value in ref.items() if value}


class Conversion(Struct):
    """The converted routes; ``differences`` are features of the Ingress that they lack, ``notes`` are for the user."""

    routes: list[Body] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Port = Callable[[str, Any], int | None]
"""Returns the number of a Service's port by the names of the Service and the port; None if unknown."""


def convert_ingress(ingress: Body, stable: str, canary: str, gateway: Gateway, port: Port) -> Conversion:
    """Return the HTTPRoutes of an Ingress: one for each set of hosts with the same rules.

    A rule for the Service ``stable`` gets ``canary`` as its second backend, with the weight 0.
    """
    conversion = Conversion()
    spec, metadata = mapping(ingress, "spec"), mapping(ingress, "metadata")
    annotations = {
        str(key).removeprefix(f"{PREFIX}/"): str(value)
        for key, value in mapping(metadata, "annotations").items()
        if str(key).startswith(f"{PREFIX}/")
    }
    filters = list(_filters(annotations, conversion))
    _note_differences(spec, metadata, annotations, conversion)
    by_rules: list[tuple[list[str], list[Body]]] = []
    for rule in spec.get("rules") or ():
        host = str(rule.get("host") or "")
        rules = [
            _rule(path, annotations, filters, (stable, canary), port, conversion)
            for path in mapping(rule, "http").get("paths") or ()
        ]
        if host.startswith("*."):
            conversion.differences.append(f"{host} matches one more label in an Ingress, and any number in a route")
        same = next((hosts for hosts, others in by_rules if others == rules and bool(hosts) == bool(host)), None)
        if same is not None and host:
            same.append(host)
        elif rules:
            by_rules.append(([host] if host else [], rules))
    for number, (hosts, rules) in enumerate(by_rules, 1):
        name = metadata["name"] if number == 1 else f"{metadata['name']}-{number}"
        conversion.routes.append(_route(name, metadata, gateway, hosts, rules))
    return conversion


def route_matches(route: Body) -> set[tuple[str, str, str]]:
    """Return the host (empty for all hosts), type and path of every match of a route with backends."""
    spec = mapping(route, "spec")
    return {
        (str(host), str(path.get("type") or "PathPrefix"), str(path.get("value") or "/"))
        for host in spec.get("hostnames") or [""]
        for rule in spec.get("rules") or ()
        if rule.get("backendRefs")
        for match in rule.get("matches") or [{}]
        for path in [mapping(match, "path")]
    }


def _route(name: str, metadata: Mapping[str, Any], gateway: Gateway, hosts: Sequence[str], rules: list[Body]) -> Body:
    head: dict[str, Any] = {"name": name}
    head.update((key, metadata[key]) for key in ("namespace", "labels") if metadata.get(key))
    spec: dict[str, Any] = {"parentRefs": [gateway.parent_ref()]}
    if hosts:
        spec["hostnames"] = list(hosts)
    spec["rules"] = rules
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": head, "spec": spec}


def _rule(
    path: Mapping[str, Any],
    annotations: Mapping[str, str],
    filters: list[Body],
    services: tuple[str, str],
    port: Port,
    conversion: Conversion,
) -> Body:
    rule: dict[str, Any] = {"matches": [{"path": _match(path, annotations, conversion)}]}
    if filters:
        rule["filters"] = filters
    backend = mapping(path, "backend", "service")
    name, wanted = str(backend.get("name") or ""), mapping(backend, "port")
    if not name:
        conversion.differences.append(f"the backend of {path.get('path')} is not a Service")
        return rule
    number = wanted.get("number") or port(name, wanted.get("name"))
    if number is None:
        conversion.differences.append(
            f"the port {wanted.get('name')} of the Service {name} has no number in the manifests"
        )
    ref = {"name": name, "port": number or 0}
    stable, canary = services
    refs = [{**ref, "weight": 100}, {**ref, "name": canary, "weight": 0}] if name == stable else [ref]
    return {**rule, "backendRefs": refs}


def _match(path: Mapping[str, Any], annotations: Mapping[str, str], conversion: Conversion) -> Body:
    value, kind = str(path.get("path") or "/"), str(path.get("pathType") or "ImplementationSpecific")
    if annotations.get("use-regex") == "true":
        conversion.differences.append(
            f"{value} is a regular expression: each Gateway implementation matches them in its own way"
        )
        return {"type": "RegularExpression", "value": value}
    if kind not in PATH_TYPES and value != "/":
        conversion.differences.append(
            f"{value} ({kind}) is a prefix of text for nginx, and a prefix of whole segments in a route"
        )
    return {"type": PATH_TYPES.get(kind, "PathPrefix"), "value": value}


def _filters(annotations: Mapping[str, str], conversion: Conversion) -> Iterator[Body]:
    """Yield the filters for the annotations that have an equivalent."""
    rewrite: dict[str, Any] = {}
    target = annotations.get("rewrite-target")
    if target is not None and ("$" in target or annotations.get("use-regex") == "true"):
        conversion.differences.append(
            f"rewrite-target {target} names parts of a regular expression, which a route does not support"
        )
    elif target is not None:
        rewrite["path"] = {"type": "ReplaceFullPath", "replaceFullPath": target}
    if "upstream-vhost" in annotations:
        rewrite["hostname"] = annotations["upstream-vhost"]
    if rewrite:
        yield {"type": "URLRewrite", "urlRewrite": rewrite}


def _note_differences(
    spec: Mapping[str, Any], metadata: Mapping[str, Any], annotations: Mapping[str, str], conversion: Conversion
) -> None:
    known = {*WITHOUT_EFFECT, "backend-protocol"}
    unknown = sorted(annotations.keys() - known)
    conversion.differences += [f"no route does what the annotation {name} does" for name in unknown]
    protocol = annotations.get("backend-protocol", "HTTP")
    if protocol != "HTTP":
        conversion.differences.append(f"backend-protocol {protocol} belongs to the Service (appProtocol)")
    if spec.get("defaultBackend"):
        conversion.differences.append("defaultBackend gets the requests that no rule matches: a route has none")
    for tls in spec.get("tls") or ():
        hosts, secret = ", ".join(tls.get("hosts") or ["all hosts"]), tls.get("secretName") or "no Secret"
        conversion.notes.append(f"TLS for {hosts} ({secret}) belongs to a listener of the Gateway")
    if spec.get("tls") and annotations.get("ssl-redirect") != "false":
        conversion.differences.append(
            "http is not redirected to https: that requires another route at the http listener"
        )
    others = [str(key) for key in mapping(metadata, "annotations") if not str(key).startswith(f"{PREFIX}/")]
    conversion.notes += [
        f"the annotation {key} is not taken over" for key in sorted(others) if "ingress.class" not in key
    ]
