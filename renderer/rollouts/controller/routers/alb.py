"""AWS load balancers: forward actions in an Ingress's annotations (``trafficrouting/alb``, ``utils/ingress``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from renderer.kubernetes.go_json import go_json
from renderer.kubernetes.manifest import Body, field_path
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers.router import NamedObject, Router, find_object, named_ingresses, refusal
from renderer.rollouts.controller.services import stable_and_canary_services
from renderer.rollouts.model.corrections import EVERY_OBJECT, WHOLE_ROUTES
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.spec import ROUTING

PATH = (*ROUTING, "alb")
MANAGED = "rollouts.argoproj.io/managed-alb-annotations"
DEFAULT_PREFIX = "alb.ingress.kubernetes.io"
STICKINESS_LIMIT = 604800
"""Seconds: a week, the load balancer's maximum."""


class AlbRouter(Router):
    """The router for ``trafficRouting.alb``."""

    route_steps = ("setHeaderRoute",)
    header_values = ("exact",)
    has_ping_pong = True
    root_service = "rootService"
    weighs_experiments = True
    one_or_several = ("ingress", "ingresses")
    names_ingresses = True

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        return named_ingresses(rollout, "alb", "ingress", "ingresses")

    def carry_over(self, rollout: Rollout, wanted: Body, rendered: Body) -> Body:
        if wanted.get("kind") != "Ingress":
            return wanted
        old = _annotations(rendered)
        if rollout.name not in _managed(old):
            return wanted
        owned = _managed(old)[rollout.name]
        kept = {name: text for name, text in old.items() if name in (*owned, MANAGED)}
        result = _with_annotations(wanted, {**_annotations(wanted), **kept})
        for name in reversed(rollout.routing.managed_routes):
            if _has_service(rendered, name) and not _has_service(result, name):
                result = _with_paths_of(result, rendered, name)
        return _sorted(result, rollout.routing.managed_routes)

    def remove_managed_routes(self, ctx: Context) -> None:
        """Remove the paths, actions and conditions for headers from the Ingresses."""
        names = ctx.rollout.routing.managed_routes
        if not names:
            return
        keys = [key for name in names for key in _header_keys(ctx.rollout, name)]
        for named in self.named_objects(ctx.rollout):
            key, body = find_object(ctx, named)
            annotations = {name: text for name, text in _annotations(body).items() if name not in keys}
            after = _with_annotations(body, _manage(annotations, ctx.rollout.name, remove=keys))
            for name in names:
                after = _without_path(after, name)
            if not ctx.apply_object(key, after) and not ctx.corrects(EVERY_OBJECT):
                return

    def set_header_route(self, ctx: Context, route: Body) -> None:
        """Add the path for the headers with its action and conditions; without a match, remove it."""
        rollout, name, match = ctx.rollout, str(route["name"]), route.get("match")
        keys = _header_keys(rollout, name)
        for named in self.named_objects(rollout):
            key, body = find_object(ctx, named)
            annotations = {key: text for key, text in _annotations(body).items() if key not in keys}
            if match:
                annotations |= {keys[0]: forward_action(ctx, None), keys[1]: _conditions(match)}
                annotations = _manage(annotations, rollout.name, add=keys)
            else:
                annotations = _manage(annotations, rollout.name, remove=keys)
            after = _with_annotations(body, annotations)
            if _has_service(body, name) != bool(match):
                root = _root_service(rollout) if ctx.corrects(WHOLE_ROUTES) else ""
                after = _with_path(after, name, root) if match else _without_path(after, name)
            changed = ctx.apply_object(key, _sorted(after, rollout.routing.managed_routes))
            if not changed and not ctx.corrects(EVERY_OBJECT):
                return

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Write the forward action into each Ingress; like the controller, stop at the first unchanged one."""
        rollout = ctx.rollout
        root = _root_service(rollout)
        for named in self.named_objects(rollout):
            key, body = find_object(ctx, named)
            if not _has_service(body, root):
                raise refusal(named.field, f"ingress does not have service `{root}` in rules")
            action = _action_key(rollout, "actions", root)
            annotations = {**_annotations(body), action: forward_action(ctx, weight)}
            after = _with_annotations(body, _manage(annotations, rollout.name, add=(action,)))
            if not ctx.apply_object(key, after) and not ctx.corrects(EVERY_OBJECT):
                return


def _root_service(rollout: Rollout) -> str:
    return str(rollout.routing.section("alb").get("rootService") or rollout.service_names[0])


def _action_key(rollout: Rollout, kind: str, service: str) -> str:
    prefix = rollout.routing.section("alb").get("annotationPrefix") or DEFAULT_PREFIX
    return f"{prefix}/{kind}.{service}"


def _header_keys(rollout: Rollout, name: str) -> tuple[str, str]:
    return _action_key(rollout, "actions", name), _action_key(rollout, "conditions", name)


def forward_action(ctx: Context, weight: int | None) -> str:
    """Return the action that sends ``weight`` percent of the traffic to the canary, all of it with None."""
    stable, canary = stable_and_canary_services(ctx.rollout, ctx.status, prefer_ping_pong=True)
    alb = ctx.rollout.routing.section("alb")
    shares = [(canary, 100)]
    if weight is not None:
        shares = [(canary, weight), *((item.service_name, item.weight) for item in ctx.additional)]
        shares.append((stable, 100 - sum(share for _, share in shares)))
    port = str(alb.get("servicePort", 0))
    config: dict[str, Any] = {"TargetGroups": [_target_group(name, port, share) for name, share in shares]}
    stickiness = alb.get("stickinessConfig") or {}
    if stickiness.get("enabled"):
        seconds = stickiness.get("durationSeconds", 0)
        if not 1 <= seconds <= STICKINESS_LIMIT:
            field = field_path((*PATH, "stickinessConfig", "durationSeconds"))
            message = "TargetGroupStickinessConfig's duration must be between 1 and 604800 seconds (7 days)!"
            raise refusal(field, message)
        config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": seconds}
    return go_json({"Type": "forward", "ForwardConfig": config})


def _target_group(name: str, port: str, weight: int) -> dict[str, Any]:
    group = {"ServiceName": name, "ServicePort": port}
    return {**{key: value for key, value in group.items() if value}, "Weight": weight}


def _conditions(matches: Sequence[Body]) -> str:
    values: dict[str, list[str]] = {}
    for match in matches:
        values.setdefault(match["headerName"], []).append((match.get("headerValue") or {}).get("exact") or "")
    return go_json(
        [
            {"field": "http-header", "httpHeaderConfig": {"httpHeaderName": name, "values": found}}
            for name, found in values.items()
        ]
    )


def _managed(annotations: dict[str, str]) -> dict[str, list[str]]:
    text = annotations.get(MANAGED)
    return json.loads(text) if text else {}


def _manage(
    annotations: dict[str, str], rollout_name: str, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> dict[str, str]:
    managed = _managed(annotations)
    keys = [key for key in managed.get(rollout_name, []) if key not in remove]
    managed[rollout_name] = [*keys, *(key for key in add if key not in keys)]
    return {**annotations, MANAGED: go_json(dict(sorted(managed.items())))}


def _annotations(body: Body) -> dict[str, str]:
    return dict((body.get("metadata") or {}).get("annotations") or {})


def _with_annotations(body: Body, annotations: dict[str, str]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def _backend(path: Body) -> str:
    return str(((path.get("backend") or {}).get("service") or {}).get("name", ""))


def _rules(body: Body) -> list[Body]:
    return list((body.get("spec") or {}).get("rules") or [])


def _has_service(body: Body, name: str) -> bool:
    return any(_backend(path) == name for rule in _rules(body) for path in (rule.get("http") or {}).get("paths") or [])


def _with_paths(body: Body, paths_of: Any) -> dict[str, Any]:
    rules = []
    for rule in _rules(body):
        http = rule.get("http")
        rules.append(rule if http is None else {**rule, "http": {**http, "paths": paths_of(list(http["paths"]))}})
    return {**body, "spec": {**body["spec"], "rules": rules}} if rules else dict(body)


def _with_path(body: Body, name: str, root: str = "") -> dict[str, Any]:
    """Return the Ingress with a path for headers in each rule: for all paths, or with ``root`` for that Service's."""
    backend = {"service": {"name": name, "port": {"name": "use-annotation"}}}
    path = {"backend": backend, "path": "/*", "pathType": "ImplementationSpecific"}

    def added(paths: list[Body]) -> list[Body]:
        return [{**one, "backend": backend} for one in paths if _backend(one) == root] if root else [path]

    return _with_paths(body, lambda paths: [*added(paths), *paths])


def _with_paths_of(body: Body, rendered: Body, name: str) -> dict[str, Any]:
    """Return the Ingress with the paths for headers that its rules have in ``rendered``."""
    rules = _rules(rendered)
    if len(rules) != len(_rules(body)):
        return _with_path(body, name)
    found = iter(
        [
            [path for path in (rule.get("http") or {}).get("paths") or [] if _backend(path) == name]
            for rule in rules
            if rule.get("http") is not None
        ]
    )
    return _with_paths(body, lambda paths: [*next(found, []), *paths])


def _without_path(body: Body, name: str) -> dict[str, Any]:
    return _with_paths(body, lambda paths: [path for path in paths if _backend(path) != name])


def _sorted(body: Body, names: Sequence[str]) -> dict[str, Any]:
    order = {name: index for index, name in enumerate(names)}
    return _with_paths(body, lambda paths: sorted(paths, key=lambda path: order.get(_backend(path), len(order))))


ROUTER = AlbRouter()
