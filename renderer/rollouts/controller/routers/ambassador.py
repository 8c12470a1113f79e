"""Ambassador: a weighted canary Mapping for each of the user's Mappings (``trafficrouting/ambassador``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from renderer.kubernetes.manifest import Body, ObjectKey, field_path, mapping
from renderer.rollouts.controller.context import Context, PropagationDelayError
from renderer.rollouts.controller.routers.router import (
    Lookup,
    NamedObject,
    Problem,
    Router,
    find_object,
    own_namespaces,
    refusal,
)
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.spec import ROUTING

PATH = (*ROUTING, "ambassador", "mappings")
GROUPS = ("getambassador.io", "x.getambassador.io")
NAME_LIMIT = 246
LEAD = "let spec.service be {0}, {0}.NAMESPACE or {0}:PORT"
_SERVICE = re.compile(r"((?:[a-z][a-z0-9+.-]*://)?)([^/.:]+)((?:\..*|:.*)?)")


class AmbassadorRouter(Router):
    """The router for ``trafficRouting.ambassador``."""

    def object_problems(self, canary: Any, lookup: Lookup) -> Iterator[Problem]:
        names = mapping(canary, "trafficRouting", "ambassador").get("mappings")
        stable = mapping(canary).get("stableService")
        for name in names if isinstance(names, list) else ():
            for found in (mapping_ for group in GROUPS for mapping_ in lookup(group, "Mapping", name, "")):
                service = mapping(found.body, "spec").get("service")
                if isinstance(stable, str) and _host_of(service)[1] != stable:
                    message = f"{service!r} does not lead to the stable Service {stable}"
                    yield Problem(("spec", "service"), message, LEAD.format(stable), manifest=found)
                weight = mapping(found.body, "spec").get("weight")
                if isinstance(weight, int) and weight:
                    message = f"{weight}: the router creates a Mapping with the weight"
                    yield Problem(("spec", "weight"), message, manifest=found)

    def named_objects(self, rollout: Rollout) -> tuple[NamedObject, ...]:
        names = rollout.routing.section("ambassador").get("mappings") or []
        return tuple(
            NamedObject(_keys(rollout, str(name)), field_path((*PATH, index))) for index, name in enumerate(names)
        )

    def created_objects(self, rollout: Rollout) -> tuple[ObjectKey, ...]:
        names = rollout.routing.section("ambassador").get("mappings") or []
        return tuple(key for name in names for key in _keys(rollout, canary_mapping_name(str(name))))

    def set_weight(self, ctx: Context, weight: int) -> None:
        """Create, update or delete the canary Mapping of each Mapping.

        A Mapping with the weight 0 is deleted a while later, after Ambassador has read the weight.
        """
        delayed = False
        for named in self.named_objects(ctx.rollout):
            key, base = find_object(ctx, named)
            canary_key = key._replace(name=canary_mapping_name(key.name))
            current = ctx.world.objects.get(canary_key)
            if current is None:
                if weight:
                    ctx.create_object(canary_key, _canary_mapping(ctx.rollout, base, weight, named.field))
                continue
            if weight == 0 and current["spec"].get("weight") == 0:
                ctx.delete_object(canary_key)
                continue
            delayed = delayed or weight == 0
            ctx.update_object(canary_key, {**current, "spec": {**current["spec"], "weight": weight}})
        if delayed:
            raise PropagationDelayError


def _keys(rollout: Rollout, name: str) -> tuple[ObjectKey, ...]:
    return tuple(ObjectKey(group, "Mapping", rollout.namespace, name) for group in GROUPS)


def _host_of(service: object) -> tuple[str, str, str]:
    """Return the scheme, the name of the Service, and the rest of a Mapping's ``[SCHEME://]NAME[.NAMESPACE][:PORT]``."""
    match = _SERVICE.fullmatch(service) if isinstance(service, str) else None
    return (match[1], match[2], match[3]) if match else ("", "", "")


def canary_mapping_name(name: str) -> str:
    """Return the name of the canary Mapping, cut to the length limit."""
    return f"{name[:NAME_LIMIT]}-canary"


def _canary_mapping(rollout: Rollout, base: Body, weight: int, field: str) -> dict[str, Any]:
    spec = dict(base.get("spec") or {})
    if spec.get("weight"):
        name = base["metadata"]["name"]
        message = f'Ambassador mapping "{name}" can not define weight'
        raise refusal(field, message, "take spec.weight out of the Mapping")
    stable, canary = rollout.service_names
    metadata: dict[str, Any] = {"name": canary_mapping_name(base["metadata"]["name"])}
    if base["metadata"].get("namespace"):
        metadata["namespace"] = base["metadata"]["namespace"]
    before, name, after = _host_of(spec.get("service"))
    at = after.partition(":")[0].split(".")[1:] or [str(base["metadata"].get("namespace") or rollout.namespace)]
    if name != stable or at[0] not in own_namespaces(rollout.namespace, at[:1]):
        message = f'Ambassador mapping "{base["metadata"]["name"]}" does not lead to the Service {stable}'
        raise refusal(field, message, LEAD.format(stable))
    spec["service"] = f"{before}{canary}{after}"
    spec["weight"] = weight
    return {**base, "metadata": metadata, "spec": spec}


ROUTER = AmbassadorRouter()
