"""Rules of Gateway API routes: weights of ``backendRefs``, and rules for headers (API v1).

A rule is the release's if its only backend is the canary and its name is one of ``managedRoutes``, with or without a
number; all others are the user's, and stay.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.routers.router import own_namespaces, refusal

BACKSLASHED = r"\\\g<0>"
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
EXACT, EXPRESSION = "Exact", "RegularExpression"


class Backends(Struct, frozen=True):
    """The Services between which traffic shifts, and their ``namespaces`` (``own_namespaces``).

    ``default`` is the namespace of a backend that names none: that of its route.
    """

    stable: str
    canary: str
    namespaces: frozenset[str] = frozenset([""])
    default: str = ""

    @classmethod
    def of(cls, stable: str, canary: str, namespace: str, route: Body) -> Backends:
        """Return the Services of a Rollout in ``namespace``, as ``route`` names them."""
        default = str((route.get("metadata") or {}).get("namespace") or namespace)
        found = [
            str(ref.get("namespace") or default)
            for rule in rules_of(route)
            for ref in refs_of(rule)
            if _is_service(ref) and ref.get("name") in (stable, canary)
        ]
        return cls(stable, canary, own_namespaces(namespace, found), default)

    def name_of(self, ref: Body) -> str:
        """Return the name of a backend's Service; empty for another kind or namespace."""
        is_near = str(ref.get("namespace") or self.default) in self.namespaces
        return str(ref.get("name") or "") if is_near and _is_service(ref) else ""

    def in_rule(self, rule: Body) -> bool:
        """Return whether a rule has both Services."""
        names = {self.name_of(ref) for ref in refs_of(rule)}
        return self.stable in names and self.canary in names


def rules_of(route: Body) -> list[Body]:
    """Return the rules of a route."""
    return list((route.get("spec") or {}).get("rules") or [])


def with_rules(route: Body, rules: Sequence[Body]) -> Body:
    """Return the route with the rules; the same object if they are equal."""
    return route if rules_of(route) == list(rules) else {**route, "spec": {**route["spec"], "rules": list(rules)}}


def refs_of(rule: Body) -> list[Body]:
    """Return the backends of a rule."""
    return list(rule.get("backendRefs") or [])


def _is_service(ref: Body) -> bool:
    return (ref.get("kind") or "Service") == "Service" and not ref.get("group")


def weighted(rules: Sequence[Body], backends: Backends, weights: Mapping[str, int]) -> list[Body]:
    """Return the rules with ``weights`` (by Service) in each that has both Services."""
    return [
        {**rule, "backendRefs": _weighted(rule, backends, weights)} if backends.in_rule(rule) else rule
        for rule in rules
    ]


def _weighted(rule: Body, backends: Backends, weights: Mapping[str, int]) -> list[Body]:
    names = [backends.name_of(ref) for ref in refs_of(rule)]
    return [
        {**ref, "weight": weights[name]} if name in weights else ref
        for name, ref in zip(names, refs_of(rule), strict=True)
    ]


def weights_in(rules: Sequence[Body], backends: Backends) -> dict[str, int]:
    """Return the weights of both Services in the first rule that has them; the default is 1."""
    for rule in rules:
        if backends.in_rule(rule):
            weights = {backends.name_of(ref): ref.get("weight", 1) for ref in reversed(refs_of(rule))}
            return {name: weights[name] for name in weights if name in (backends.stable, backends.canary)}
    return {}


def owner_of(rule: Body, managed: Sequence[str], backends: Backends) -> str:
    """Return the managed route that a rule belongs to; empty for a rule of the user's."""
    if [backends.name_of(ref) for ref in refs_of(rule)] != [backends.canary]:
        return ""
    name = str(rule.get("name") or "")
    if name in managed:
        return name
    base, _, number = name.rpartition("-")
    return base if base in managed and number.isdecimal() else ""


def ordered(rules: Sequence[Body], managed: Sequence[str], backends: Backends) -> list[Body]:
    """Return the user's rules, followed by those for headers in the order of ``managedRoutes``."""
    owners = [owner_of(rule, managed, backends) for rule in rules]
    users = [rule for rule, owner in zip(rules, owners, strict=True) if not owner]
    return users + [rule for name in managed for rule, owner in zip(rules, owners, strict=True) if owner == name]


def with_header_rules(
    rules: Sequence[Body], step: Body, managed: Sequence[str], backends: Backends, field: str
) -> list[Body]:
    """Return the rules with a rule for the headers of ``step`` for each that has both Services.

    It is a copy with the headers added to its matches and the canary as its only backend; it replaces the rules of an
    earlier step of that name.  ``field`` is the Rollout's field for errors.
    """
    base = str(step["name"])
    kept = [rule for rule in rules if owner_of(rule, managed, backends) != base]
    if not step.get("match"):
        return kept
    headers = header_matches(step["match"])
    names = _free_names(base, {*managed} - {base} | {str(rule.get("name") or "") for rule in kept})
    added = []
    for rule in rules:
        if not backends.in_rule(rule):
            continue
        matches = [_joined(match, headers, field) for match in rule.get("matches") or [{}]]
        matches = [match for match in matches if match is not None]
        if matches:
            copied = {key: value for key, value in rule.items() if key != "name"}
            added.append({"name": next(names), **copied, "matches": matches, "backendRefs": [_canary(rule, backends)]})
    return ordered([*kept, *added], managed, backends)


def _free_names(base: str, taken: set[str]) -> Iterator[str]:
    """Return names for a step's rules that are unique in a route: ``beta``, ``beta-1``, ``beta-2``."""
    names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(1)))
    return (name for name in names if name not in taken)


def _canary(rule: Body, backends: Backends) -> Body:
    ref = next(ref for ref in refs_of(rule) if backends.name_of(ref) == backends.canary)
    # Without a weight, so that the weight of a later step does not apply to it.
    return {key: value for key, value in ref.items() if key != "weight"}


def header_matches(matches: Sequence[Body]) -> list[dict[str, Any]]:
    """Return the header matches of a step's ``match``, which a request must all meet."""
    result = []
    for match in matches:
        value = match.get("headerValue") or {}
        kind, text = EXACT, value.get("exact")
        if not text:
            prefix = value.get("prefix")
            # The expression must match the whole value, and take the prefix literally.
            kind, text = EXPRESSION, f"{_SPECIAL.sub(BACKSLASHED, prefix)}.*" if prefix else value.get("regex")
        result.append({"name": match.get("headerName"), "type": kind, "value": text})
    return result


def _joined(match: Body, headers: Sequence[Body], field: str) -> Body | None:
    """Return a rule's match with headers added; None if no request can have both.

    The API takes a header once in a match, regardless of case.
    """
    joined = list(match.get("headers") or [])
    for header in headers:
        same = [one for one in joined if str(one.get("name")).lower() == str(header["name"]).lower()]
        if not same:
            joined.append(header)
            continue
        kinds = {one.get("type") or EXACT for one in (*same, header)}
        if all((one.get("type") or EXACT, one.get("value")) == (header["type"], header["value"]) for one in same):
            continue
        if kinds == {EXACT}:
            return None
        message = f"a rule of the route matches the header {header['name']} already, with another value"
        raise refusal(field, message, "a match takes a header once: use another header, or take it out of the rule")
    return {**match, "headers": joined}
