"""The Rollout's configuration of the plugin ``argoproj-labs/gatewayAPI`` v0.15.0: routes, selectors and label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.routers.router import Problem
from renderer.rollouts.model.spec import ROUTING, Path

PLUGIN = "argoproj-labs/gatewayAPI"
PATH: Path = (*ROUTING, "plugins", PLUGIN)
GROUP = "gateway.networking.k8s.io"
LABEL_KEY, LABEL_VALUE = "rollouts.argoproj.io/gatewayapi-canary", "in-progress"
KINDS: Mapping[str, str] = {"http": "HTTPRoute", "grpc": "GRPCRoute", "tcp": "TCPRoute", "tls": "TLSRoute"}
WITH_HEADERS = frozenset({"HTTPRoute", "GRPCRoute"})
"""The kinds whose rules can match headers."""
TEXTS = ("namespace", "inProgressLabelKey", "inProgressLabelValue", *(f"{prefix}Route" for prefix in KINDS))
IGNORED = ("configMap",)
"""Fields of plugin versions up to v0.12, which later ones ignore."""
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


class RouteRef(Struct, frozen=True):
    """A route that the Rollout names at ``path``; ``headers``: whether it gets rules for headers."""

    kind: str
    name: str
    headers: bool
    path: Path


class RouteSelector(Struct, frozen=True):
    """A label selector for routes of a kind, at ``path``."""

    kind: str
    selector: Body
    path: Path


def plugin_section(plugins: Any) -> Body:
    """Return the plugin's part of ``trafficRouting.plugins``; empty if missing or malformed."""
    section = plugins.get(PLUGIN) if isinstance(plugins, dict) else None
    return section if isinstance(section, dict) else {}


def route_refs(section: Body) -> tuple[RouteRef, ...]:
    """Return the routes named in ``section``, each once, in the plugin's order of kinds."""
    found: dict[tuple[str, str], RouteRef] = {}
    for prefix, kind in KINDS.items():
        items = section.get(f"{prefix}Routes")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict) and isinstance(item.get("name"), str) and item["name"]:
                path: Path = (*PATH, f"{prefix}Routes", index, "name")
                _add(found, RouteRef(kind, item["name"], item.get("useHeaderRoutes") is True, path))
        name = section.get(f"{prefix}Route")
        if isinstance(name, str) and name:
            _add(found, RouteRef(kind, name, headers=True, path=(*PATH, f"{prefix}Route")))
    return tuple(found.values())


def _add(found: dict[tuple[str, str], RouteRef], ref: RouteRef) -> None:
    """Add a route; of two with the same name, either sets ``headers``."""
    first = found.get((ref.kind, ref.name), ref)
    found[ref.kind, ref.name] = RouteRef(first.kind, first.name, first.headers or ref.headers, first.path)


def route_selectors(section: Body) -> tuple[RouteSelector, ...]:
    """Return the label selectors of ``section``."""
    return tuple(
        RouteSelector(kind, section[field], (*PATH, field))
        for kind, field in ((kind, f"{prefix}RouteSelector") for prefix, kind in KINDS.items())
        if isinstance(section.get(field), dict)
    )


def in_progress_label(section: Body) -> tuple[str, str] | None:
    """Return key and value of the label on a route whose canary has traffic; None if disabled."""
    if section.get("disableInProgressLabel") is True:
        return None
    return str(section.get("inProgressLabelKey") or LABEL_KEY), str(section.get("inProgressLabelValue") or LABEL_VALUE)


def plugin_problems(plugins: Any) -> Iterator[Problem]:
    """Yield the problems of ``trafficRouting.plugins``, which the CRD does not check."""
    for name in plugins if isinstance(plugins, dict) else ():
        if name != PLUGIN:
            hint = "release this app with the controller, or with another router"
            message = f"the plugin {name} is not supported, only {PLUGIN}"
            yield Problem((*PATH[:-1], name), message, hint)
    if not isinstance(plugins, dict) or PLUGIN not in plugins:
        return
    section = plugins[PLUGIN]
    if not isinstance(section, dict):
        yield Problem(PATH, f"expected a mapping, found {section!r}")
        return
    yield from _wrong_fields(section)
    if not route_refs(section) and not route_selectors(section):
        fields = [f"{prefix}Route{end}" for prefix in KINDS for end in ("", "s", "Selector")]
        yield Problem(PATH, "names no route", f"give it one of {', '.join(fields)}")


def _wrong_fields(section: Body) -> Iterator[Problem]:
    lists, selectors = [f"{prefix}Routes" for prefix in KINDS], [f"{prefix}RouteSelector" for prefix in KINDS]
    scalars = {**dict.fromkeys(TEXTS, (str, "text")), "disableInProgressLabel": (bool, "true or false")}
    for field, value in section.items():
        path: Path = (*PATH, field)
        if field in scalars:
            kind, expected = scalars[field]
            if not isinstance(value, kind):
                yield Problem(path, f"expected {expected}, found {value!r}")
        elif field in lists:
            yield from _wrong_list(value, path)
        elif field in selectors:
            yield from _wrong_selector(value, path)
        elif field not in IGNORED:
            known = (*scalars, *lists, *selectors)
            yield Problem(path, f"is not a field of {PLUGIN}", f"take it out; it has {', '.join(sorted(known))}")


def _wrong_list(value: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield Problem(path, f"expected a list, found {value!r}", "each item has a `name`")
        return
    for index, item in enumerate(value):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"]:
            yield Problem((*path, index), f"expected a route's name, found {item!r}", "write `- name: ROUTE`")
        elif not isinstance(item.get("useHeaderRoutes", False), bool):
            yield Problem(
                (*path, index, "useHeaderRoutes"), f"expected true or false, found {item['useHeaderRoutes']!r}"
            )


def _wrong_selector(value: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict) or not isinstance(value.get("matchLabels") or {}, dict):
        yield Problem(
            path, f"expected a label selector, found {value!r}", "it has matchLabels, matchExpressions or both"
        )
        return
    expressions = value.get("matchExpressions") or []
    for index, item in enumerate(expressions if isinstance(expressions, list) else [None]):
        at: Path = (*path, "matchExpressions", index)
        operator = item.get("operator") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(item.get("key"), str) or operator not in OPERATORS:
            yield Problem(at, f"expected a key and one of the operators {', '.join(OPERATORS)}, found {item!r}")
            continue
        values = item.get("values") or []
        if not isinstance(values, list) or bool(values) != (operator in ("In", "NotIn")):
            yield Problem(
                (*at, "values"), f"expected {'' if operator in ('In', 'NotIn') else 'no '}values with {operator}"
            )
