"""The typed parts of a Rollout's ``spec``, and the kinds of steps."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from renderer.kubernetes.manifest import Body, mapping
from renderer.kubernetes.times import parse_duration

Path = tuple[str | int, ...]
IntOrString = int | str

CANARY: Path = ("spec", "strategy", "canary")
BLUE_GREEN: Path = ("spec", "strategy", "blueGreen")
ROUTING: Path = (*CANARY, "trafficRouting")

SERVICES: tuple[Path, ...] = (
    (*CANARY, "stableService"),
    (*CANARY, "canaryService"),
    (*CANARY, "pingPong", "pingService"),
    (*CANARY, "pingPong", "pongService"),
    (*BLUE_GREEN, "activeService"),
    (*BLUE_GREEN, "previewService"),
)
"""The fields with the name of a Service."""

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
DEFAULT_MAX_SURGE = "25%"
DEFAULT_MAX_UNAVAILABLE = "25%"


class RolloutPause(Struct, frozen=True):
    """A pause step; ``duration`` is as written (seconds or text such as ``1h``), None if only a person ends it."""

    duration: IntOrString | None = None

    @property
    def duration_seconds(self) -> int:
        """The duration in whole seconds; 0 without one, -1 for an invalid one, as in the controller."""
        if self.duration is None:
            return 0
        return self.duration if isinstance(self.duration, int) else parse_duration(self.duration)


class SetCanaryScale(Struct, frozen=True):
    """A step that scales the canary: ``weight`` percent of the replicas, a number, or by its traffic weight."""

    weight: int | None = None
    replicas: int | None = None
    match_traffic_weight: bool = False


class CanaryStep(Struct, frozen=True):
    """A step of a canary; ``kind`` is the field that ends it (``ENDING_ORDER``), ``body`` the step as written."""

    kind: str
    body: Body
    set_weight: int | None = None
    pause: RolloutPause | None = None
    set_canary_scale: SetCanaryScale | None = None

    def __str__(self) -> str:
        """Return the step as in the controller's events."""
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

    @property
    def routes(self) -> Mapping[str, Body]:
        """The header and the mirror route that the step sets, by their field."""
        return {kind: self.body[kind] for kind in STEP_KINDS if STEP_KINDS[kind].is_route and self.body.get(kind)}


def excluding_actions(step: Body) -> str:
    """Return the message for a step without an action, or with actions that exclude each other; else empty.

    A step does one of ``EXCLUSIVE``, with routes and a scale of the canary beside it.  A scale beside an experiment, an
    analysis or a plugin is excluded as well: the controller takes it, and goes on as soon as the pods are there.
    """
    found = [kind for kind in STEP_KINDS if step.get(kind) is not None]
    ends = [kind for kind in found if kind in EXCLUSIVE]
    if not found:
        return f"expected one of {', '.join(STEP_KINDS)}, found none"
    if len(ends) > 1:
        return f"expected one of {', '.join(EXCLUSIVE)}, found {' and '.join(ends)}"
    if "setCanaryScale" in found and set(ends) & {"experiment", "analysis", "plugin"}:
        return f"setCanaryScale and {ends[0]} in one step: the controller would not wait for the {ends[0]}"
    return ""


class PodTemplateMetadata(Struct, frozen=True):
    """Labels and annotations of pods while their ReplicaSet has a role."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class AntiAffinity(Struct, frozen=True):
    """The anti-affinity between canary and stable pods: preferred with a weight, or required."""

    preferred_weight: int | None = None
    required: bool = False


class ReplicaProgressThreshold(Struct, frozen=True):
    """The available pods that a step requires: a number (``type`` Pods) or Percent."""

    type: str
    value: int


class TrafficRouting(Struct, frozen=True):
    """``trafficRouting``; ``routers`` has the fields that are routers, in the order of the manifest."""

    routers: tuple[str, ...]
    body: Body
    managed_routes: tuple[str, ...] = ()
    max_traffic_weight: int | None = None

    def section(self, router: str) -> Body:
        """Return the router's own part of ``trafficRouting``."""
        return mapping(self.body, router)


class CanaryStrategy(Struct, frozen=True):
    """``strategy.canary`` with the controller's defaults; None where a missing value differs from the default."""

    body: Body
    canary_service: str = ""
    stable_service: str = ""
    steps: tuple[CanaryStep, ...] = ()
    traffic_routing: TrafficRouting | None = None
    max_surge: IntOrString = DEFAULT_MAX_SURGE
    max_unavailable: IntOrString = DEFAULT_MAX_UNAVAILABLE
    analysis: Body | None = None
    anti_affinity: AntiAffinity | None = None
    new_metadata: PodTemplateMetadata | None = None
    """``canaryMetadata``."""
    stable_metadata: PodTemplateMetadata | None = None
    scale_down_delay_seconds: int | None = None
    scale_down_delay_revision_limit: int | None = None
    abort_scale_down_delay_seconds: int | None = None
    dynamic_stable_scale: bool = False
    ping_pong: Body | None = None
    min_pods_per_replica_set: int | None = None
    replica_progress_threshold: ReplicaProgressThreshold | None = None


class BlueGreenStrategy(Struct, frozen=True):
    """``strategy.blueGreen`` with the controller's defaults; None where a missing value differs from the default."""

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
    new_metadata: PodTemplateMetadata | None = None
    """``previewMetadata``."""
    stable_metadata: PodTemplateMetadata | None = None
    """``activeMetadata``."""
    abort_scale_down_delay_seconds: int | None = None


NOT_ROUTERS = ("managedRoutes", "maxTrafficWeight")
"""The fields of ``trafficRouting`` that are not routers."""


class StepKind(Struct, frozen=True):
    """The end of a kind of step.

    ``is_indefinite``: without a progress deadline (``IsIndefiniteStep``); ``is_gate``: by a person, since nothing runs
    the analysis or the plugin; ``is_route``: at once, when its route of ``managedRoutes`` is added.
    """

    is_indefinite: bool = False
    is_gate: bool = False
    is_route: bool = False


STEP_KINDS: Mapping[str, StepKind] = {
    "setWeight": StepKind(),
    "pause": StepKind(is_indefinite=True),
    "experiment": StepKind(is_indefinite=True),
    "analysis": StepKind(is_indefinite=True, is_gate=True),
    "setCanaryScale": StepKind(),
    "setHeaderRoute": StepKind(is_route=True),
    "setMirrorRoute": StepKind(is_route=True),
    "plugin": StepKind(is_gate=True),
}
"""The kinds of steps by their field, in the order of the CRD."""
EXCLUSIVE = ("setWeight", "pause", "experiment", "analysis", "plugin")
"""The fields of which a step has at most one; the others may stand beside it (``hasMultipleStepsType``)."""
ENDING_ORDER = (
    *("pause", "setCanaryScale", "setWeight", "experiment", "analysis"),
    *("setHeaderRoute", "setMirrorRoute", "plugin"),
)
"""The fields in the controller's order of asking which one ends a step (``completedCurrentCanaryStep``)."""
