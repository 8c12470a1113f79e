"""Pod templates of ReplicaSets: comparison with the Rollout's, anti-affinity and ephemeral metadata.

Follows ``utils/replicaset/replicaset.go`` and ``canary.go``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from renderer.kubernetes.go_json import go_json
from renderer.kubernetes.manifest import Body, mapping
from renderer.rollouts.model.corrections import EQUAL_TEMPLATES, NO_CORRECTIONS
from renderer.rollouts.model.rollout import EPHEMERAL_METADATA_ANNOTATION, HASH_LABEL, ReplicaSet, Rollout
from renderer.rollouts.model.spec import PREFERRED, REQUIRED, PodTemplateMetadata


def rollout_hash(rollout: Rollout, collision_count: int | None, version: str) -> str:
    """Return the pod-template-hash of the Rollout's template."""
    from renderer.rollouts.pod_template import pod_template_hash

    key = (collision_count, version)
    if key not in rollout.hashes:
        rollout.hashes[key] = pod_template_hash(rollout.template, collision_count, version)
    return rollout.hashes[key]


def find_new_replica_set(
    rollout: Rollout,
    pod_template_hash: str,
    replica_sets: Sequence[ReplicaSet],
    corrections: frozenset[str] = NO_CORRECTIONS,
) -> ReplicaSet | None:
    """Return the ReplicaSet with the Rollout's template, by hash or else by comparison of the templates.

    Defaults of the API server do not count as a difference; ``replica_sets`` are oldest first.
    """
    exact = EQUAL_TEMPLATES not in corrections
    for rs in replica_sets:
        if rs.pod_template_hash == pod_template_hash:
            return rs
    if not replica_sets:
        return None
    images, wanted = _images(rollout.template), None
    for rs in replica_sets:
        # Nearly every new template has another image, which has no default.
        if _images(rs.template) != images:
            continue
        template = _without_injected_anti_affinity(sync_metadata(rs, None)[0].template, rollout, keep_empty=exact)
        wanted = comparable(rollout.template) if wanted is None else wanted
        if comparable(template) == wanted:
            return rs
    return None


def _images(template: Body) -> list[Any]:
    containers = (template.get("spec") or {}).get("containers") or ()
    return [container.get("image") for container in containers if isinstance(container, dict)]


def comparable(template: Body) -> bytes:
    """Return bytes that are equal for templates of the same meaning; the hash label is ignored."""
    from renderer.kubernetes.pod_defaults import default_pod_template
    from renderer.rollouts.pod_template import canonical_json

    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    bare = default_pod_template({**template, "metadata": {**metadata, "labels": labels}})
    spec = {name: value for name, value in bare["spec"].items() if name != "serviceAccount"}
    result: bytes = canonical_json({**bare, "spec": spec})
    return result


def replica_set_affinity(rollout: Rollout, stable_rs: str, pod_template_hash: str) -> Body | None:
    """Return the affinity of new pods: the Rollout's own with, in an update, the anti-affinity to stable pods."""
    affinity: Body | None = rollout.template.get("spec", {}).get("affinity")
    wanted = rollout.strategy.anti_affinity
    if wanted is None or not stable_rs or stable_rs == pod_template_hash:
        return affinity
    term: dict[str, Any] = {
        "labelSelector": {"matchExpressions": [{"key": HASH_LABEL, "operator": "In", "values": [stable_rs]}]},
        "topologyKey": "kubernetes.io/hostname",
    }
    if rollout.namespace:
        # Without a known namespace the field is left out: the default is the pod's own.
        term["namespaces"] = [rollout.namespace]
    name = REQUIRED if wanted.preferred_weight is None else PREFERRED
    item = term if wanted.preferred_weight is None else {"weight": wanted.preferred_weight, "podAffinityTerm": term}
    away = dict((affinity or {}).get("podAntiAffinity") or {})
    away[name] = [*(away.get(name) or []), item]
    return {**(affinity or {}), "podAntiAffinity": away}


def with_affinity(template: Body, affinity: Body | None) -> Body:
    """Return the template with the affinity, or without any."""
    spec = {name: value for name, value in template["spec"].items() if name != "affinity"}
    if affinity is not None:
        spec["affinity"] = affinity
    return {**template, "spec": spec}


def _injected_term(affinity: Body | None, rollout: Rollout) -> tuple[str, int, Body] | None:
    """Return (list, index, requirement) of the injected anti-affinity."""
    wanted = rollout.strategy.anti_affinity
    if wanted is None or affinity is None:
        return None
    name = REQUIRED if wanted.preferred_weight is None else PREFERRED
    for index, item in enumerate((affinity.get("podAntiAffinity") or {}).get(name) or []):
        term = item.get("podAffinityTerm", item)
        for requirement in (term.get("labelSelector") or {}).get("matchExpressions") or []:
            if requirement.get("key") == HASH_LABEL:
                return name, index, requirement
    return None


def anti_affinity_needs_update(template: Body, rollout: Rollout, stable_rs: str, pod_template_hash: str) -> bool:
    """Return whether the injected anti-affinity names a ReplicaSet other than the stable one."""
    found = _injected_term(template.get("spec", {}).get("affinity"), rollout)
    return found is not None and stable_rs != pod_template_hash and found[2].get("values", [""])[0] != stable_rs


def template_of(rs: ReplicaSet, rollout: Rollout) -> Body:
    """Return a ReplicaSet's pod template as the Rollout had it: without the hash label and all that was injected."""
    template = _without_injected_anti_affinity(sync_metadata(rs, None)[0].template, rollout)
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {name: value for name, value in (metadata.get("labels") or {}).items() if name != HASH_LABEL}
    return {**template, "metadata": metadata}


def _without_injected_anti_affinity(template: Body, rollout: Rollout, *, keep_empty: bool = False) -> Body:
    """Return the template without the injected anti-affinity.

    With ``keep_empty`` the affinity stays where a preferred one was its only content, as in the controller
    (``RemoveInjectedAntiAffinityRule``): its comparison takes an empty affinity for another than none.
    """
    affinity: Body | None = template.get("spec", {}).get("affinity")
    found = _injected_term(affinity, rollout)
    if found is None or affinity is None:
        return template
    name, index, _ = found
    away = dict(affinity["podAntiAffinity"])
    away[name] = [item for n, item in enumerate(away[name]) if n != index]
    kept = {key for key in ("podAntiAffinity",) if keep_empty and name == PREFERRED}
    rest = {key: value for key, value in {**affinity, "podAntiAffinity": _full(away)}.items() if value or key in kept}
    return with_affinity(template, rest or None)


def _full(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item}


def sync_metadata(
    rs: ReplicaSet, wanted: PodTemplateMetadata | None, *, keep_own: bool = False
) -> tuple[ReplicaSet, bool]:
    """Return the ReplicaSet with the metadata ``wanted`` in place of any injected before, and whether it changed.

    An annotation records the injected metadata, so that no other metadata is removed.  With ``keep_own`` it also
    records the template's own values of the same keys (``own``), which come back later; the controller loses them.
    """
    injected = _injected_metadata(rs)
    own: dict[str, dict[str, str]] = {}
    if wanted is None and not injected:
        return rs, False
    metadata = rs.template.get("metadata") or {}
    changed = dict(metadata)
    for field in ("annotations", "labels"):
        values = dict(metadata.get(field) or {})
        desired: Mapping[str, str] = getattr(wanted, field) if wanted is not None else {}
        added = injected.get(field) or {}
        before = {name: values[name] for name in desired if name in values and name not in added} if keep_own else {}
        before |= mapping(injected, "own").get(field) or {}
        values.update({name: value for name, value in desired.items() if values.get(name, "") != value})
        for name in added:
            if name not in desired:
                values.pop(name, None)
                values |= {name: before[name]} if name in before else {}
        own[field] = {name: before[name] for name in sorted(before) if name in desired}
        if values != (metadata.get(field) or {}):
            changed[field] = values
            if not values:
                del changed[field]
    if changed == metadata:
        return rs, False
    annotations = {name: value for name, value in rs.annotations.items() if name != EPHEMERAL_METADATA_ANNOTATION}
    if wanted is not None:
        injected = {
            "labels": dict(sorted(wanted.labels.items())),
            "annotations": dict(sorted(wanted.annotations.items())),
            "own": _full(own),
        }
        annotations[EPHEMERAL_METADATA_ANNOTATION] = go_json(_full(injected))
    return replace(rs, annotations=annotations, template={**rs.template, "metadata": changed}), True


def _injected_metadata(rs: ReplicaSet) -> Mapping[str, Any]:
    text = rs.annotations.get(EPHEMERAL_METADATA_ANNOTATION)
    if text is None:
        return {}
    try:
        injected = json.loads(text)
    except ValueError:
        return {}
    return injected if isinstance(injected, dict) else {}
