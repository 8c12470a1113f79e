"""Routes of an Istio VirtualService: those that get weights, and managed routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body
from renderer.rollouts.controller.routers.router import once, own_namespaces, refusal
from renderer.rollouts.model.strategy_status import WeightDestination


class Destinations(Struct, frozen=True):
    """The Services, or subsets of the DestinationRule, that identify the stable and the canary destination."""

    stable_service: str
    canary_service: str
    stable_subset: str
    canary_subset: str
    additional_subsets: tuple[str, ...]
    has_rule: bool
    namespaces: frozenset[str] | None = None
    """The namespaces of the Services (``own_namespaces``); None for any."""
    default: str = ""
    """The namespace of a host without one, that of the VirtualService."""

    @property
    def services(self) -> tuple[str, ...]:
        """The Services by name."""
        return tuple(filter(None, (self.stable_service, self.canary_service)))

    def within(self, service: Body, namespace: str) -> Destinations:
        """Return the destinations as a VirtualService names them; ``namespace`` is that of the Rollout's Services."""
        default = str((service.get("metadata") or {}).get("namespace") or namespace)
        hosts = [
            _place(share, default)
            for protocol in ("http", "tls", "tcp")
            for route in (service.get("spec") or {}).get(protocol) or []
            for share in route.get("route") or []
        ]
        found = own_namespaces(namespace, (at for name, at in hosts if name in self.services))
        return replace(self, namespaces=found, default=default)

    def has(self, share: Body) -> bool:
        """Return whether a destination is one of these."""
        subsets = (self.stable_subset, self.canary_subset, *self.additional_subsets)
        return self.host_of(share) in self.services or (bool(_subset(share)) and _subset(share) in subsets)

    def host_of(self, share: Body) -> str:
        """Return the name of a destination's Service; the whole host if that is in another namespace."""
        name, namespace = _place(share, self.default)
        is_near = self.namespaces is None or namespace in self.namespaces
        return name if is_near or name not in self.services else _host(share)


def routes_to_weigh(routes: Sequence[Body], wanted: Sequence[Any], protocol: str, field: str) -> list[int]:
    """Return the indexes of the routes that get weights.

    ``wanted`` has the routes that the Rollout names: names for HTTP, ports and hosts for TLS and TCP.  Without it the
    only route is returned, or the first HTTP route without a name.
    """
    if not routes:
        return []
    if not wanted:
        if protocol != "http" or len(routes) == 1:
            return [0]
        return [index for index, route in enumerate(routes) if not route.get("name")][:1]
    indexes: list[int] = []
    for item in wanted:
        if protocol == "http":
            found = [index for index, route in enumerate(routes) if route.get("name", "") == item][:1]
            missing = f"HTTP Route '{item}' is not found in the defined Virtual Service."
        else:
            found = [index for index, route in enumerate(routes) if _matches(route, item, protocol)]
            missing = f"No matching {protocol.upper()} routes found in the defined Virtual Service."
        if not found:
            raise refusal(field, missing)
        indexes += found
    return indexes


def _matches(route: Body, wanted: Body, protocol: str) -> bool:
    matches = route.get("match") or []
    ports = {match.get("port", 0) for match in matches}
    if len(ports) > 1 or next(iter(ports), 0) != wanted.get("port", 0):
        return False
    hosts = {host for match in matches for host in match.get("sniHosts") or []}
    return protocol == "tcp" or hosts == set(wanted.get("sniHosts") or [])


def weighted(
    shares: Sequence[Body], weight: int, names: Destinations, field: str, additional: Sequence[WeightDestination] = ()
) -> list[Body]:
    """Return the destinations of a route with the canary at ``weight`` percent.

    Like the controller, remove unknown destinations with a weight; ``additional`` are the Services of an experiment.
    """
    check_shares(shares, names, field)
    others = {item.service_name: item.weight for item in additional}
    rest = 100 - weight - sum(others.values())
    rest -= sum(int(share.get("weight", 0)) for share in shares if _subset(share) in names.additional_subsets)
    result = []
    for share in shares:
        host, subset, now = names.host_of(share), _subset(share), int(share.get("weight", 0))
        if not host:
            result.append(share)
        elif host == names.canary_service or (subset and subset == names.canary_subset):
            result.append(_with_weight(share, now, weight))
        elif host == names.stable_service or (subset and subset == names.stable_subset):
            result.append(_with_weight(share, now, max(0, rest)))
        elif host in others:
            result.append(_with_weight(share, now, others.pop(host)))
        elif now == 0 or subset in names.additional_subsets:
            result.append(share)
    result += [{"weight": share, "destination": {"host": host}} for host, share in others.items()]
    return result


def _with_weight(share: Body, now: int, weight: int) -> Body:
    return share if now == weight else {**share, "weight": weight}


def check_shares(shares: Sequence[Body], names: Destinations, field: str) -> None:
    """Raise RollstepError unless a route has the stable and the canary destination, each once."""
    subsets, hosts = [_subset(share) for share in shares], [names.host_of(share) for share in shares]
    for share, host in zip(shares, hosts, strict=True):
        if "." in host and share.get("weight") and _place(share, "")[0] in names.services:
            message = f"the destination {host} is not in the Rollout's namespace, and has the weight {share['weight']}"
            raise refusal(field, message, "give it a route of its own, or the weight 0")
    once(field, "the route", subsets, (names.stable_subset, names.canary_subset))
    if names.has_rule:
        for role, subset in (("Canary", names.canary_subset), ("Stable", names.stable_subset)):
            if not subset or subset not in subsets:
                raise refusal(field, f"{role} DestinationRule subset '{subset}' not found in route")
        return
    once(field, "the route", hosts, names.services)
    for role, service in (("Canary", names.canary_service), ("Stable", names.stable_service)):
        if not service or service not in hosts:
            raise refusal(field, f"{role} Service '{service}' not found in route")


def _host(share: Body) -> str:
    return str((share.get("destination") or {}).get("host") or "")


def _place(share: Body, default: str) -> tuple[str, str]:
    """Return name and namespace of the Service that a host names (``web``, ``web.ns.svc.cluster.local``)."""
    name, _, rest = _host(share).partition(".")
    return name, rest.partition(".")[0] or default


def virtual_service_readings(name: str) -> tuple[tuple[str, str], ...]:
    """Return name and namespace of the VirtualServices that a name may stand for; "" is the Rollout's namespace.

    v1.9 takes the first two parts for name and namespace, v1.10 the last one for the namespace (argo-rollouts#4709).
    The name as it is comes last.
    """
    if "." not in name:
        return ((name, ""),)
    first, _, rest = name.partition(".")
    others, _, last = name.removesuffix(".cluster.local").rpartition(".")
    return tuple(dict.fromkeys(((first, rest.partition(".")[0]), (others or name, last), (name, ""))))


def _subset(share: Body) -> str:
    return str((share.get("destination") or {}).get("subset") or "")


def without_route(routes: Sequence[Body], name: str) -> list[Any]:
    """Return the routes but for the name."""
    return [route for route in routes if route.get("name", "") != name]


def ordered(routes: Sequence[Body], managed: Sequence[str]) -> list[Body]:
    """Return the routes with the managed ones first, in the order of ``managedRoutes``."""
    first = [route for name in managed for route in routes if route.get("name", "") == name]
    return [*first, *(route for route in routes if route.get("name", "") not in managed)]


def canary_port(routes: Sequence[Body], wanted: Sequence[str]) -> int:
    """Return the port of the destinations that get weights; 0 without one."""
    try:
        indexes = routes_to_weigh(routes, wanted, "http", "")
    except RollstepError:
        return 0
    shares = routes[indexes[0]].get("route") or [] if indexes else []
    port = (shares[0].get("destination") or {}).get("port") if shares else None
    return int(port.get("number", 0)) if isinstance(port, dict) else 0


def header_route(route: Body, host: str, port: int, subset: str) -> dict[str, Any]:
    """Return the route that sends requests with the headers to the canary."""
    matches = []
    for match in route.get("match") or []:
        value = match.get("headerValue") or {}
        kinds = {kind: value[kind] for kind in ("exact", "regex", "prefix") if value.get(kind)}
        matches.append({"headers": {match.get("headerName"): kinds}})
    destination: dict[str, Any] = {"host": host}
    if port:
        destination["port"] = {"number": port}
    if subset:
        destination["subset"] = subset
    return {"name": route["name"], "match": matches, "route": [{"weight": 100, "destination": destination}]}


def mirror_route(route: Body, shares: Sequence[Body], host: str, subset: str) -> dict[str, Any]:
    """Return the route that keeps the destinations of matching requests, and mirrors them to the canary."""
    matches = []
    for match in route.get("match") or []:
        fields = {"method": match.get("method"), "uri": match.get("path"), "headers": match.get("headers")}
        matches.append({name: value for name, value in fields.items() if value})
    mirror: dict[str, Any] = {"host": host}
    if subset:
        mirror["subset"] = subset
    port = (shares[0].get("destination") or {}).get("port") if shares else None
    if isinstance(port, dict):
        mirror["port"] = {"number": port.get("number")}
    kept = [_plain_share(share) for share in shares]
    percentage = route.get("percentage")
    return {
        "name": route["name"],
        "match": matches,
        "route": kept,
        "mirror": mirror,
        "mirrorPercentage": {"value": 100 if percentage is None else percentage},
    }


def _plain_share(share: Body) -> dict[str, Any]:
    """Return a destination with the fields that the controller knows, without a weight of 0."""
    known = {name: share["destination"][name] for name in ("host", "subset", "port") if share["destination"].get(name)}
    result: dict[str, Any] = {"destination": known}
    if share.get("weight"):
        result["weight"] = share["weight"]
    return result


def whole_header_route(route: Body, matched: Body, names: Destinations) -> dict[str, Any]:
    """Return a copy of the route ``matched`` for requests with the headers, which all go to the canary."""
    matches = [
        {**own, "headers": {**(own.get("headers") or {}), **wanted["headers"]}}
        for own in matched.get("match") or [{}]
        for wanted in header_route(route, "", 0, "")["match"]
    ]
    share = {**_canary_share(matched, names), "weight": 100}
    return {**matched, "name": route["name"], "match": matches, "route": [share]}


def whole_mirror_route(route: Body, matched: Body, names: Destinations) -> dict[str, Any]:
    """Return a copy of the route ``matched`` that mirrors matching requests to the canary.

    ``match`` has the requests that both match; it may be empty.
    """
    plain = mirror_route(route, (), "", "")
    matches = []
    for own in matched.get("match") or [{}]:
        for wanted in plain["match"]:
            uri = _common_uri(own.get("uri"), wanted.get("uri"))
            if uri is not None:
                headers = {**(own.get("headers") or {}), **(wanted.get("headers") or {})}
                more = {"uri": uri, "headers": headers}
                matches.append({**own, **wanted, **{name: value for name, value in more.items() if value}})
    mirror = _canary_share(matched, names)["destination"]
    added = {"match": matches, "mirror": mirror, "mirrorPercentage": plain["mirrorPercentage"]}
    return {**matched, "name": route["name"], **added}


def _canary_share(matched: Body, names: Destinations) -> Body:
    """Return the canary's share of a route that gets weights."""
    shares: Sequence[Body] = matched.get("route") or []
    check_shares(shares, names, "")
    wanted = names.canary_subset if names.has_rule else names.canary_service
    return next(share for share in shares if (_subset(share) if names.has_rule else _host(share)) == wanted)


def _common_uri(own: Body | None, wanted: Body | None) -> Body | None:
    """Return the narrower of two matches of a path; None if no path matches both, empty if all do.

    Of two of which one is an expression, the wanted one counts.
    """
    if not own or not wanted:
        return own or wanted or {}
    texts = {kind: (own.get(kind), wanted.get(kind)) for kind in ("exact", "prefix")}
    first, second = (next((pair[side] for pair in texts.values() if pair[side]), None) for side in (0, 1))
    if first is None or second is None:
        return wanted
    if second == first or (wanted.get("prefix") and first.startswith(second)):
        return own if not wanted.get("exact") else wanted
    return wanted if own.get("prefix") and second.startswith(first) else None
