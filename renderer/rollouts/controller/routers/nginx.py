"""The nginx ingress controller: a weighted canary Ingress for each stable one (``trafficrouting/nginx``)."""

from __future__ import annotations

from typing import Any

from renderer.kubernetes.manifest import Body, ObjectKey, field_path
from renderer.rollouts.controller.context import Context
from renderer.rollouts.controller.routers.router import NamedObject, Router, find_object, named_ingresses, refusal
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.spec import ROUTING, Path

SUFFIX = "-canary"
NAME_LIMIT = 253
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_PREFIX = "nginx.ingress.kubernetes.io"
PATH: Path = (*ROUTING, "nginx")


def canary_ingress_name(rollout_name: str, stable_ingress: str) -> str:
    """Return the name of the canary Ingress, cut to the length limit."""
    return f"{rollout_name}-{stable_ingress}"[: NAME_LIMIT - len(SUFFIX)] + SUFFIX


class NginxRouter(Router):
    """The router for ``trafficRouting.nginx``."""

    has_max_traffic_weight = True
    one_or_several = ("stableIngress", "stableIngresses")
    names_ingresses = True

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        return named_ingresses(rollout, "nginx", "stableIngress", "stableIngresses")

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        keys = [key for named in self.named_objects(rollout) for key in named.keys]
        return tuple(key._replace(name=canary_ingress_name(rollout.name, key.name)) for key in keys)

    def set_weight(self, ctx: Context, weight: int) -> None:
        rollout = ctx.rollout
        for named, key in zip(self.named_objects(rollout), self.created_objects(rollout), strict=True):
            desired = canary_ingress(rollout, find_object(ctx, named)[1], key.name, weight)
            current = ctx.world.objects.get(key)
            ctx.apply_object(key, desired if current is None else _updated(current, desired))


ROUTER = NginxRouter()


def _updated(current: Body, desired: Body) -> Body:
    metadata = {name: value for name, value in (current.get("metadata") or {}).items() if name != "labels"}
    # Annotations of other tools stay.
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **desired["metadata"]["annotations"]}
    return {**current, "metadata": metadata, "spec": desired["spec"]}


def canary_ingress(rollout: Rollout, stable: Body, name: str, weight: int) -> dict[str, Any]:
    """Return the canary Ingress: the stable one's rules for the stable Service, with the canary Service instead."""
    nginx, most = rollout.routing.section("nginx"), rollout.routing.max_traffic_weight
    stable_spec = stable.get("spec") or {}
    spec: dict[str, Any] = {
        field: stable_spec[field] for field in ("tls", "ingressClassName") if stable_spec.get(field)
    }
    spec["rules"] = _canary_rules(rollout, stable)
    prefix = nginx.get("annotationPrefix") or DEFAULT_PREFIX
    annotations: dict[str, str] = {}
    stable_annotations = (stable.get("metadata") or {}).get("annotations") or {}
    if CLASS_ANNOTATION in stable_annotations:
        annotations[CLASS_ANNOTATION] = stable_annotations[CLASS_ANNOTATION]
    for key, value in sorted((nginx.get("additionalIngressAnnotations") or {}).items()):
        annotations[key if key.startswith(prefix) else f"{prefix}/{key}"] = value
    annotations.update(nginx.get("canaryIngressAnnotations") or {})
    annotations[f"{prefix}/canary"] = "true"
    annotations[f"{prefix}/canary-weight"] = str(weight)
    if most is not None:
        annotations[f"{prefix}/canary-weight-total"] = str(most)
    metadata: dict[str, Any] = {"name": name, "annotations": annotations}
    if rollout.namespace:
        metadata["namespace"] = rollout.namespace
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def _canary_rules(rollout: Rollout, stable: Body) -> list[Any]:
    assert rollout.canary is not None
    from_name, to_name = rollout.canary.stable_service, rollout.canary.canary_service
    rules = []
    for rule in (stable.get("spec") or {}).get("rules") or []:
        http = rule.get("http") or {}
        paths = [_redirected(path, from_name, to_name) for path in http.get("paths") or []]
        if paths != (http.get("paths") or []):
            rules.append({**rule, "http": {**http, "paths": paths}})
    if not rules:
        name = (stable.get("metadata") or {}).get("name")
        message = f'ingress "{name}" has no rules using service {from_name} backend'
        hint = "let a rule of the Ingress name the stable Service"
        raise refusal(field_path((*PATH, "stableIngress")), message, hint)
    return rules


def _redirected(path: Body, from_name: str, to_name: str) -> Body:
    backend = path.get("backend") or {}
    service = backend.get("service") or {}
    if service.get("name") != from_name:
        return path
    return {**path, "backend": {**backend, "service": {**service, "name": to_name}}}
