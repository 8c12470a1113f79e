"""The pod-template-hash: defaults of the API server, JSON bytes of Go, and their hash.

``canonical_json`` and ``pod_template_hash`` take the result of ``default_rollout`` or ``default_template``.
"""

from __future__ import annotations

from renderer.rollouts.pod_template.canonical import canonical_json, pod_template_hash
from renderer.rollouts.pod_template.defaults import default_rollout, default_template, raise_errors, stored_rollout

__all__ = [
    "canonical_json",
    "default_rollout",
    "default_template",
    "pod_template_hash",
    "raise_errors",
    "stored_rollout",
]
