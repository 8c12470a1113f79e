"""The hash of the canary's steps, by which the controller detects a change (``ComputeStepHash``)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from renderer.kubernetes.go_json import go_json
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.spec import STEP_KINDS, CanaryStep


def compute_step_hash(rollout: Rollout) -> str:
    """Return the FNV-32a hash of the steps' JSON in Kubernetes' safe characters; empty for blue-green.

    The bytes are those of Go's encoding/json for steps without nested lists.
    """
    if rollout.canary is None:
        return ""
    # Every pass hashes the same steps: the identical object, not an equal one.
    global _last
    steps = rollout.canary.steps
    # Threads may hash different steps, so the result comes from a local variable, not from the shared one.
    last = _last
    if last[0] is not steps:
        plain = [_plain(step.body) for step in steps] or None
        last = _last = steps, _hash(go_json(plain))
    return last[1]


_last: tuple[tuple[CanaryStep, ...] | None, str] = (None, "")


# Apps of a fleet often have the same steps.
@lru_cache(maxsize=64)
def _hash(text: str) -> str:
    from renderer.rollouts.pod_template.fnv import safe_hash

    return safe_hash(text.encode())


FIELD_ORDER = {name: n for n, name in enumerate((*STEP_KINDS, "weight", "replicas", "matchTrafficWeight", "duration"))}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (FIELD_ORDER.get(key, len(FIELD_ORDER)), key))
        return {key: _plain(value[key]) for key in keys if value[key] is not None and value[key] is not False}
    return [_plain(item) for item in value] if isinstance(value, list) else value
