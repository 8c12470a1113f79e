"""The typed parts of a Rollout's ``spec`` and the reader that makes them from a manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct, field

from renderer.kubernetes.manifest import Body

Path = tuple[str | int, ...]
IntOrString = int | str

DEFAULT_MAX_SURGE = "25%"
DEFAULT_MAX_UNAVAILABLE = "25%"


class RolloutPause(Struct, frozen=True):
    """A pause step; ``duration`` is as written (seconds or text such as ``1h``), None where only a person ends it."""

    duration: IntOrString | None = None

    @property
    def duration_seconds(self) -> int:
        """The duration in whole seconds, 0 without one, -1 where it cannot be read (as the controller has it)."""
        if self.duration is None:
            return 0
        return self.duration if isinstance(self.duration, int) else parse_duration(self.duration)


class SetCanaryScale(Struct, frozen=True):
    """A step that scales the canary apart from its traffic: percent of replicas, or a number, or as the traffic."""

    weight: int | None = None
    replicas: int | None = None
    match_traffic_weight: bool = False


class CanaryStep(Struct, frozen=True):
    """One step of a canary; ``kind`` is its field name, ``body`` the step as written."""

    kind: str
    body: Body
    set_weight: int | None = None
    pause: RolloutPause | None = None
    set_canary_scale: SetCanaryScale | None = None

    def __str__(self) -> str:
        """Return the step as the controller's events name it."""
        if self.set_weight is not None:
            return f"setWeight: {self.set_weight}"
        if self.pause is not None:
            return "pause" if self.pause.duration is None else f"pause: {self.pause.duration}"
        if self.set_canary_scale is not None:
            scale = self.set_canary_scale
            if scale.weight is not None:
                return f"setCanaryScale{{weight: {scale.weight}}}"
            if scale.match_traffic_weight:
                return "setCanaryScale{matchTrafficWeight: true}"
            if scale.replicas is not None:
                return f"setCanaryScale{{replicas: {scale.replicas}}}"
        if self.kind in ("experiment", "analysis"):
            return self.kind
        name = self.body.get(self.kind, {}).get("name") if isinstance(self.body.get(self.kind), Mapping) else None
        return f"{self.kind}: {name}" if name else "invalid"


class PodTemplateMetadata(Struct, frozen=True):
    """Labels and annotations that pods carry while their ReplicaSet plays a role."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class AntiAffinity(Struct, frozen=True):
    """Keep canary and stable pods apart: preferred with a weight, or required."""

    preferred_weight: int | None = None
    required: bool = False


class ReplicaProgressThreshold(Struct, frozen=True):
    """How many pods (``type`` Pods) or percent of them (Percent) are enough to go on."""

    type: str
    value: int


class NginxTrafficRouting(Struct, frozen=True):
    """``trafficRouting.nginx``."""

    stable_ingress: str = ""
    stable_ingresses: tuple[str, ...] | None = None
    annotation_prefix: str = "nginx.ingress.kubernetes.io"
    additional_ingress_annotations: Mapping[str, str] = field(default_factory=dict)
    canary_ingress_annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def ingresses(self) -> tuple[str, ...]:
        """The names of the stable Ingresses."""
        return self.stable_ingresses if self.stable_ingresses is not None else (self.stable_ingress,)


class TrafficRouting(Struct, frozen=True):
    """``trafficRouting``: ``routers`` names the routers in the order in which the controller serves them."""

    routers: tuple[str, ...]
    body: Body
    nginx: NginxTrafficRouting | None = None
    managed_routes: tuple[str, ...] = ()
    max_traffic_weight: int | None = None


class CanaryStrategy(Struct, frozen=True):
    """``strategy.canary`` with the controller's defaults; None where the controller tells "not set" from a value."""

    body: Body
    canary_service: str = ""
    stable_service: str = ""
    steps: tuple[CanaryStep, ...] = ()
    traffic_routing: TrafficRouting | None = None
    max_surge: IntOrString = DEFAULT_MAX_SURGE
    max_unavailable: IntOrString = DEFAULT_MAX_UNAVAILABLE
    analysis: Body | None = None
    anti_affinity: AntiAffinity | None = None
    canary_metadata: PodTemplateMetadata | None = None
    stable_metadata: PodTemplateMetadata | None = None
    scale_down_delay_seconds: int | None = None
    scale_down_delay_revision_limit: int | None = None
    abort_scale_down_delay_seconds: int | None = None
    dynamic_stable_scale: bool = False
    ping_pong: Body | None = None
    min_pods_per_replica_set: int | None = None
    replica_progress_threshold: ReplicaProgressThreshold | None = None


class BlueGreenStrategy(Struct, frozen=True):
    """``strategy.blueGreen`` with the controller's defaults; None where "not set" differs from a value."""

    body: Body
    active_service: str = ""
    preview_service: str = ""
    preview_replica_count: int | None = None
    auto_promotion_enabled: bool = True
    auto_promotion_seconds: int = 0
    max_unavailable: IntOrString = DEFAULT_MAX_UNAVAILABLE
    scale_down_delay_seconds: int | None = None
    scale_down_delay_revision_limit: int | None = None
    pre_promotion_analysis: Body | None = None
    post_promotion_analysis: Body | None = None
    anti_affinity: AntiAffinity | None = None
    preview_metadata: PodTemplateMetadata | None = None
    active_metadata: PodTemplateMetadata | None = None
    abort_scale_down_delay_seconds: int | None = None


ROUTERS = ("istio", "nginx", "alb", "smi", "ambassador", "appMesh", "traefik", "apisix", "plugins")
STEP_KINDS = (
    "setWeight",
    "pause",
    "experiment",
    "analysis",
    "setCanaryScale",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
)
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


# Each pass of the controller asks again, and apps of a fleet often wait for the same time.
@lru_cache(maxsize=64)
def parse_duration(text: str) -> int:
    """Return the seconds of ``90``, ``1m30s`` or ``1.5h``, cut to whole; -1 for what Go's ParseDuration refuses."""
    if re.fullmatch(r"[+-]?\d+", text):
        return int(text)
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if not rest or not re.fullmatch(f"(?:{_DURATION.pattern})+", rest):
        return -1
    nanoseconds = sum(int(_decimal(number) * _UNITS[unit]) for number, unit in _DURATION.findall(rest))
    return sign * (nanoseconds // 10**9)


def _decimal(number: str) -> Any:
    from decimal import Decimal

    return Decimal(number)
