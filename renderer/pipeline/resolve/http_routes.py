"""HTTPRoutes that lead where an Ingress of ingress-nginx leads (pure; networking.k8s.io/v1, Gateway API v1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from renderer.kubernetes.manifest import Body, mapping

PREFIX = "nginx.ingress.kubernetes.io"
WITHOUT_EFFECT = ("canary", "service-upstream", "use-regex", "rewrite-target", "upstream-vhost", "ssl-redirect")
"""Annotations that are converted, or that a route has no need of."""
PATH_TYPES = {"Prefix": "PathPrefix", "Exact": "Exact"}


class Gateway(Struct, frozen=True):
    """The Gateway that routes hang on: its name, its namespace where that is another, and a listener of it."""

    name: str
    namespace: str = ""
    listener: str = ""

    def parent_ref(self) -> Body:
        """Return the item of ``parentRefs``."""
        ref = {"name": self.name, "namespace": self.namespace, "sectionName": self.listener}
        return {key: value for key, value in ref.items() if value}


class Conversion(Struct):
    """The routes that were made; ``differences`` is what the Ingress does and they do not, ``notes`` what to know."""

    routes: list[Body] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Port = Callable[[str, Any], int | None]
"""Returns the number of a Service's port by the Service's name and the port's."""


def converted(ingress: Body, stable: str, canary: str, gateway: Gateway, port: Port) -> Conversion:
    """Return the HTTPRoutes of an Ingress: one for each set of hosts that have the same rules.

    A rule for the Service ``stable`` gets ``canary`` as its second backend, with the weight 0.
    """
    made = Conversion()
    spec, metadata = mapping(ingress, "spec"), mapping(ingress, "metadata")
    annotations = {
        str(key).removeprefix(f"{PREFIX}/"): str(value)
        for key, value in mapping(metadata, "annotations").items()
        if str(key).startswith(f"{PREFIX}/")
    }
    filters = list(_filters(annotations, made))
    _tell_differences(spec, metadata, annotations, made)
    by_rules: list[tuple[list[str], list[Body]]] = []
    for rule in spec.get("rules") or ():
        host = str(rule.get("host") or "")
        rules = [
            _rule(path, annotations, filters, (stable, canary), port, made)
            for path in mapping(rule, "http").get("paths") or ()
        ]
        if host.startswith("*."):
            made.differences.append(f"{host} takes one more label in an Ingress, and any number in a route")
        same = next((hosts for hosts, others in by_rules if others == rules and bool(hosts) == bool(host)), None)
        if same is not None and host:
            same.append(host)
        elif rules:
            by_rules.append(([host] if host else [], rules))
    for number, (hosts, rules) in enumerate(by_rules, 1):
        name = metadata["name"] if number == 1 else f"{metadata['name']}-{number}"
        made.routes.append(_route(name, metadata, gateway, hosts, rules))
    return made


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
    made: Conversion,
) -> Body:
    rule: dict[str, Any] = {"matches": [{"path": _match(path, annotations, made)}]}
    if filters:
        rule["filters"] = filters
    backend = mapping(path, "backend", "service")
    name, wanted = str(backend.get("name") or ""), mapping(backend, "port")
    if not name:
        made.differences.append(f"the backend of {path.get('path')} is no Service")
        return rule
    number = wanted.get("number") or port(name, wanted.get("name"))
    if number is None:
        made.differences.append(f"the port {wanted.get('name')} of the Service {name} has no number in the manifests")
    ref = {"name": name, "port": number or 0}
    stable, canary = services
    refs = [{**ref, "weight": 100}, {**ref, "name": canary, "weight": 0}] if name == stable else [ref]
    return {**rule, "backendRefs": refs}


def _match(path: Mapping[str, Any], annotations: Mapping[str, str], made: Conversion) -> Body:
    value, kind = str(path.get("path") or "/"), str(path.get("pathType") or "ImplementationSpecific")
    if annotations.get("use-regex") == "true":
        made.differences.append(f"{value} is a regular expression: whether and how one matches is the Gateway's own")
        return {"type": "RegularExpression", "value": value}
    if kind not in PATH_TYPES and value != "/":
        made.differences.append(f"{value} ({kind}) is the beginning of a path for nginx, and whole segments in a route")
    return {"type": PATH_TYPES.get(kind, "PathPrefix"), "value": value}


def _filters(annotations: Mapping[str, str], made: Conversion) -> Iterator[Body]:
    """Yield the filters that do what annotations do, where that is the same."""
    rewrite: dict[str, Any] = {}
    target = annotations.get("rewrite-target")
    if target is not None and ("$" in target or annotations.get("use-regex") == "true"):
        made.differences.append(f"rewrite-target {target} names parts of a regular expression, which no route can")
    elif target is not None:
        rewrite["path"] = {"type": "ReplaceFullPath", "replaceFullPath": target}
    if "upstream-vhost" in annotations:
        rewrite["hostname"] = annotations["upstream-vhost"]
    if rewrite:
        yield {"type": "URLRewrite", "urlRewrite": rewrite}


def _tell_differences(
    spec: Mapping[str, Any], metadata: Mapping[str, Any], annotations: Mapping[str, str], made: Conversion
) -> None:
    known = {*WITHOUT_EFFECT, "backend-protocol"}
    unknown = sorted(annotations.keys() - known)
    made.differences += [f"no route does what the annotation {name} does" for name in unknown]
    protocol = annotations.get("backend-protocol", "HTTP")
    if protocol != "HTTP":
        made.differences.append(f"backend-protocol {protocol} belongs to the Service (appProtocol)")
    if spec.get("defaultBackend"):
        made.differences.append("defaultBackend takes what no rule does: a route has none")
    for tls in spec.get("tls") or ():
        hosts, secret = ", ".join(tls.get("hosts") or ["all hosts"]), tls.get("secretName") or "no Secret"
        made.notes.append(f"TLS for {hosts} ({secret}) belongs to a listener of the Gateway")
    if spec.get("tls") and annotations.get("ssl-redirect") != "false":
        made.differences.append("http is not redirected to https: that takes a route of its own at the http listener")
    others = [str(key) for key in mapping(metadata, "annotations") if not str(key).startswith(f"{PREFIX}/")]
    made.notes += [f"the annotation {key} is not taken over" for key in sorted(others) if "ingress.class" not in key]


def leads_to(route: Body) -> set[tuple[str, str, str]]:
    """Return host, type and path of every match of a route that has backends; an empty host for all hosts."""
    spec = mapping(route, "spec")
    return {
        (str(host), str(path.get("type") or "PathPrefix"), str(path.get("value") or "/"))
        for host in spec.get("hostnames") or [""]
        for rule in spec.get("rules") or ()
        if rule.get("backendRefs")
        for match in rule.get("matches") or [{}]
        for path in [mapping(match, "path")]
    }
