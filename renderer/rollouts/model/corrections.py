"""The corrections: faults of the controller that rollstep does not share (docs/reference/corrections.md).

A world names the corrections that apply to it.  Without any, the engine does exactly what the controller does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ABORTED_TRAFFIC = "aborted-traffic"
ABORTED_SUBSET = "aborted-subset"
MANAGED_ROUTES = "managed-routes"
OTHER_SUBSETS = "other-subsets"
OWN_METADATA = "own-metadata"
EQUAL_TEMPLATES = "equal-templates"
STABLE_WITHOUT_PODS = "stable-without-pods"
NGINX_STABLE_PODS = "nginx-stable-pods"
EXPERIMENT_ANALYSIS = "experiment-analysis"
NEEDED_OBJECTS = "needed-objects"
PING_PONG_SERVICES = "ping-pong-services"
CHANGED_STRATEGY = "changed-strategy"
WHOLE_ROUTES = "whole-routes"
EVERY_OBJECT = "every-object"
ZERO_SCALE_DOWN_DELAY = "zero-scale-down-delay"

CORRECTIONS: Mapping[str, str] = {
    ABORTED_TRAFFIC: "argo-rollouts#4841, argo-rollouts#4898, argo-rollouts#4973",
    ABORTED_SUBSET: "argo-rollouts#1838",
    MANAGED_ROUTES: "argo-rollouts#4486, argo-rollouts#4716",
    OTHER_SUBSETS: "argo-rollouts#3125",
    EQUAL_TEMPLATES: "argo-rollouts#4696",
    OWN_METADATA: "argo-rollouts#2916",
    STABLE_WITHOUT_PODS: "-",
    NGINX_STABLE_PODS: "argo-rollouts#1820",
    EXPERIMENT_ANALYSIS: "-",
    NEEDED_OBJECTS: "argo-rollouts#1297, argo-rollouts#2675",
    PING_PONG_SERVICES: "argo-rollouts#5006",
    CHANGED_STRATEGY: "argo-rollouts#555",
    WHOLE_ROUTES: "argo-rollouts#3088, argo-rollouts#3155, argo-rollouts#3879",
    EVERY_OBJECT: "-",
    ZERO_SCALE_DOWN_DELAY: "argo-rollouts#1992",
}
"""Each correction by its name, with the report of the fault."""

NO_CORRECTIONS: frozenset[str] = frozenset()
ALL, NONE = "all", "none"
"""Values of the setting ``corrections``, besides a list of names."""


def chosen_corrections(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return the corrections that ``all``, ``none`` or a list of names chooses, in the order of ``CORRECTIONS``."""
    names = {ALL: CORRECTIONS, NONE: ()}.get(value, ()) if isinstance(value, str) else value
    return tuple(name for name in CORRECTIONS if name in names)
