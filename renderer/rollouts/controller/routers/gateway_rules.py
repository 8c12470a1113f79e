"""Rules of Gateway API routes: weights over ``backendRefs``, and rules of their own for headers (API v1).

A rule belongs to the release by its name, one of ``managedRoutes`` or that with a number behind it, and by having the
canary as its only backend: whatever a user's own rule looks like, it stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.routers.router import refusal

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
EXACT, EXPRESSION = "Exact", "RegularExpression"


class Backends(Struct, frozen=True):
    """The Services between which traffic shifts."""

    stable: str
    canary: str

    def in_rule(self, rule: Body) -> bool:
        """Tell whether a rule has both: one with another Service alone, or none of them, is not the release's."""
        names = {name_of(ref) for ref in refs_of(rule)}
        return self.stable in names and self.canary in names


def rules_of(route: Body) -> list[Body]:
    """Return the rules of a route."""
    return list((route.get("spec") or {}).get("rules") or [])


def with_rules(route: Body, rules: Sequence[Body]) -> Body:
    """Return the route with other rules in their place; the route itself where they are the same."""
    return route if rules_of(route) == list(rules) else {**route, "spec": {**route["spec"], "rules": list(rules)}}


def refs_of(rule: Body) -> list[Body]:
    """Return the backends of a rule."""
    return list(rule.get("backendRefs") or [])


def name_of(ref: Body) -> str:
    """Return the name of the Service that a backend is; empty where it is something else of that name."""
    is_service = (ref.get("kind") or "Service") == "Service" and not ref.get("group")
    return str(ref.get("name") or "") if is_service else ""


def weighted(rules: Sequence[Body], backends: Backends, weights: Mapping[str, int]) -> list[Body]:
    """Return the rules with ``weights`` (by Service) in each that has both Services; nothing else of them changes."""
    return [{**rule, "backendRefs": _weighted(rule, weights)} if backends.in_rule(rule) else rule for rule in rules]


def _weighted(rule: Body, weights: Mapping[str, int]) -> list[Body]:
    return [{**ref, "weight": weights[name_of(ref)]} if name_of(ref) in weights else ref for ref in refs_of(rule)]


def weights_in(rules: Sequence[Body], backends: Backends) -> dict[str, int]:
    """Return the weights of the two Services in the first rule that has both; a weight that is not set is 1."""
    for rule in rules:
        if backends.in_rule(rule):
            return {name_of(ref): ref.get("weight", 1) for ref in reversed(refs_of(rule)) if _is_one(ref, backends)}
    return {}


def _is_one(ref: Body, backends: Backends) -> bool:
    return name_of(ref) in (backends.stable, backends.canary)


def owner_of(rule: Body, managed: Sequence[str], backends: Backends) -> str:
    """Return the managed route that a rule was made for; empty for a rule of the user's."""
    if [name_of(ref) for ref in refs_of(rule)] != [backends.canary]:
        return ""
    name = str(rule.get("name") or "")
    if name in managed:
        return name
    base, _, number = name.rpartition("-")
    return base if base in managed and number.isdecimal() else ""


def ordered(rules: Sequence[Body], managed: Sequence[str], backends: Backends) -> list[Body]:
    """Return the user's rules as they are, and behind them those for headers in the order of ``managedRoutes``."""
    owners = [owner_of(rule, managed, backends) for rule in rules]
    users = [rule for rule, owner in zip(rules, owners, strict=True) if not owner]
    return users + [rule for name in managed for rule, owner in zip(rules, owners, strict=True) if owner == name]


def with_header_rules(
    rules: Sequence[Body], step: Body, managed: Sequence[str], backends: Backends, field: str
) -> list[Body]:
    """Return the rules with one for the headers of ``step`` beside each that has both Services.

    Those are its copy (filters, timeouts and all), which asks for the headers as well and has the canary alone; those
    of an earlier step of that name are gone.  ``field`` names the Rollout's field in refusals.
    """
    base = str(step["name"])
    kept = [rule for rule in rules if owner_of(rule, managed, backends) != base]
    if not step.get("match"):
        return kept
    headers = header_matches(step["match"])
    names = _free_names(base, {*managed} - {base} | {str(rule.get("name") or "") for rule in kept})
    made = []
    for rule in rules:
        if not backends.in_rule(rule):
            continue
        matches = [_joined(match, headers, field) for match in rule.get("matches") or [{}]]
        matches = [match for match in matches if match is not None]
        if matches:
            copied = {key: value for key, value in rule.items() if key != "name"}
            made.append({"name": next(names), **copied, "matches": matches, "backendRefs": [_canary(rule, backends)]})
    return ordered([*kept, *made], managed, backends)


def _free_names(base: str, taken: set[str]) -> Iterator[str]:
    """Yield the names of a step's rules, which have to differ within a route: ``beta``, ``beta-1``, ``beta-2``."""
    number = 0
    while True:
        name = f"{base}-{number}" if number else base
        if name not in taken:
            yield name
        number += 1


def _canary(rule: Body, backends: Backends) -> Body:
    ref = next(ref for ref in refs_of(rule) if name_of(ref) == backends.canary)
    # Without a weight it is 1, of 1: the weight of a later step must not reach it.
    return {key: value for key, value in ref.items() if key != "weight"}


def header_matches(matches: Sequence[Body]) -> list[dict[str, Any]]:
    """Return the header matches of a step's ``match``; a request has to meet all of them."""
    result = []
    for match in matches:
        value = match.get("headerValue") or {}
        kind, text = EXACT, value.get("exact")
        if not text:
            prefix = value.get("prefix")
            # A prefix is text, and the expression has to match the whole value.
            kind, text = EXPRESSION, f"{_SPECIAL.sub(_escaped, prefix)}.*" if prefix else value.get("regex")
        result.append({"name": match.get("headerName"), "type": kind, "value": text})
    return result


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _joined(match: Body, headers: Sequence[Body], field: str) -> Body | None:
    """Return a rule's match with headers added; None where no request could have both.

    The API takes a header once in a match, in whatever case its name is written.
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
        message = f"a rule of the route matches the header {header['name']} already, in another way"
        raise refusal(field, message, "a match takes a header once: use another header, or take it out of the rule")
    return {**match, "headers": joined}
