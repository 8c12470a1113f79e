"""Typed values from a Rollout's manifest, with findings for those of another type."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Body, Source, field_path
from renderer.kubernetes.times import parse_time
from renderer.rollouts.model.spec import (
    DEFAULT_MAX_SURGE,
    DEFAULT_MAX_UNAVAILABLE,
    ENDING_ORDER,
    NOT_ROUTERS,
    PREFERRED,
    REQUIRED,
    AntiAffinity,
    BlueGreenStrategy,
    CanaryStep,
    CanaryStrategy,
    IntOrString,
    Path,
    PodTemplateMetadata,
    ReplicaProgressThreshold,
    RolloutPause,
    SetCanaryScale,
    TrafficRouting,
    excluding_actions,
)

T = TypeVar("T")


class SpecReader:
    """Reads typed values of a manifest and collects findings."""

    def __init__(self, body: Body, source: Source) -> None:
        self.body = body
        self.source = source
        self.findings: list[Finding] = []

    def value(self, *path: str | int) -> Any:
        """Return the value at ``path``; None if missing."""
        value: Any = self.body
        for part in path:
            if value is None:
                return None
            if isinstance(part, int):
                value = value[part]
            elif isinstance(value, dict):
                value = value.get(part)
            else:
                return None
        return value

    def text(self, *path: str | int) -> str:
        """Return a text; empty if missing."""
        return self._typed(path, str, "text", "")

    def boolean(self, *path: str | int, default: bool = False) -> bool:
        """Return a boolean."""
        return self._typed(path, bool, "true or false", default)

    def integer(self, *path: str | int, default: int) -> int:
        """Return an integer or its default."""
        value = self.optional_integer(*path)
        return default if value is None else value

    def optional_integer(self, *path: str | int) -> int | None:
        """Return an integer; None if missing."""
        value = self.value(*path)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.wrong_type(path, "an integer", value)
        return None

    def mapping(self, *path: str | int) -> Body:
        """Return a mapping; empty if missing."""
        return self._typed(path, dict, "a mapping", {})

    def optional_mapping(self, *path: str | int) -> Body | None:
        """Return a mapping; None if missing."""
        return None if self.value(*path) is None else self.mapping(*path)

    def strings(self, *path: str | int) -> dict[str, str]:
        """Return a mapping of texts."""
        values: dict[str, str] = {}
        for key, value in self.mapping(*path).items():
            if isinstance(value, str):
                values[key] = value
            else:
                self.wrong_type((*path, key), "text", value)
        return values

    def items(self, *path: str | int) -> list[Any]:
        """Return a list; empty if missing."""
        return self._typed(path, list, "a list", [])

    def int_or_string(self, *path: str | int, default: IntOrString | None = None) -> IntOrString | None:
        """Return a number or a text such as ``25%``."""
        value = self.value(*path)
        if value is None:
            return default
        if isinstance(value, int | str) and not isinstance(value, bool):
            return value
        self.wrong_type(path, "a number or text", value)
        return default

    def time(self, *path: str | int) -> datetime | None:
        """Return a time; None if missing."""
        value = self.value(*path)
        if value is None:
            return None
        try:
            return parse_time(value)
        except (TypeError, ValueError):
            self.wrong_type(path, "a time such as 2026-01-31T12:00:00Z", value)
            return None

    def wrong_type(self, path: Path, expected: str, found: Any) -> None:
        """Add a finding for a value of another type than ``expected``."""
        self.finding(path, f"expected {expected}, found {found!r}")

    def finding(self, path: Path, message: str, hint: str = "") -> None:
        """Add a finding at ``path``."""
        line, column = self.source.position(path)
        self.findings.append(Finding(self.source.file, line, column, field_path(path), message, hint))

    def raise_findings(self) -> None:
        """Raise ``RollstepError`` with all findings, if any."""
        if self.findings:
            raise RollstepError(self.findings)

    def _typed(self, path: Path, wanted: type[T], expected: str, default: T) -> T:
        value = self.value(*path)
        if value is None:
            return default
        if isinstance(value, wanted):
            return value
        self.wrong_type(path, expected, value)
        return default


def read_strategy(reader: SpecReader) -> CanaryStrategy | BlueGreenStrategy:
    """Return the strategy of the Rollout; add a finding unless there is exactly one."""
    canary = reader.value("spec", "strategy", "canary")
    blue_green = reader.value("spec", "strategy", "blueGreen")
    if (canary is None) == (blue_green is None):
        found = "neither canary nor" if canary is None else "both canary and"
        reader.finding(("spec", "strategy"), f"has {found} blueGreen, expected one of them")
    return _read_blue_green(reader) if blue_green is not None else _read_canary(reader)


def _read_canary(reader: SpecReader) -> CanaryStrategy:
    path = ("spec", "strategy", "canary")
    threshold = reader.optional_mapping(*path, "replicaProgressThreshold")
    return CanaryStrategy(
        body=reader.mapping(*path),
        canary_service=reader.text(*path, "canaryService"),
        stable_service=reader.text(*path, "stableService"),
        steps=tuple(_read_step(reader, (*path, "steps", n)) for n in range(len(reader.items(*path, "steps")))),
        traffic_routing=_read_traffic_routing(reader, (*path, "trafficRouting")),
        max_surge=reader.int_or_string(*path, "maxSurge", default=DEFAULT_MAX_SURGE) or 0,
        max_unavailable=reader.int_or_string(*path, "maxUnavailable", default=DEFAULT_MAX_UNAVAILABLE) or 0,
        analysis=reader.optional_mapping(*path, "analysis"),
        anti_affinity=_read_anti_affinity(reader, (*path, "antiAffinity")),
        new_metadata=_read_metadata(reader, (*path, "canaryMetadata")),
        stable_metadata=_read_metadata(reader, (*path, "stableMetadata")),
        scale_down_delay_seconds=reader.optional_integer(*path, "scaleDownDelaySeconds"),
        scale_down_delay_revision_limit=reader.optional_integer(*path, "scaleDownDelayRevisionLimit"),
        abort_scale_down_delay_seconds=reader.optional_integer(*path, "abortScaleDownDelaySeconds"),
        dynamic_stable_scale=reader.boolean(*path, "dynamicStableScale"),
        ping_pong=reader.optional_mapping(*path, "pingPong"),
        min_pods_per_replica_set=reader.optional_integer(*path, "minPodsPerReplicaSet"),
        replica_progress_threshold=None
        if threshold is None
        else ReplicaProgressThreshold(
            reader.text(*path, "replicaProgressThreshold", "type"),
            reader.integer(*path, "replicaProgressThreshold", "value", default=0),
        ),
    )


def _read_blue_green(reader: SpecReader) -> BlueGreenStrategy:
    path = ("spec", "strategy", "blueGreen")
    return BlueGreenStrategy(
        body=reader.mapping(*path),
        active_service=reader.text(*path, "activeService"),
        preview_service=reader.text(*path, "previewService"),
        preview_replica_count=reader.optional_integer(*path, "previewReplicaCount"),
        auto_promotion_enabled=reader.boolean(*path, "autoPromotionEnabled", default=True),
        auto_promotion_seconds=reader.integer(*path, "autoPromotionSeconds", default=0),
        max_unavailable=reader.int_or_string(*path, "maxUnavailable", default=DEFAULT_MAX_UNAVAILABLE) or 0,
        scale_down_delay_seconds=reader.optional_integer(*path, "scaleDownDelaySeconds"),
        scale_down_delay_revision_limit=reader.optional_integer(*path, "scaleDownDelayRevisionLimit"),
        pre_promotion_analysis=reader.optional_mapping(*path, "prePromotionAnalysis"),
        post_promotion_analysis=reader.optional_mapping(*path, "postPromotionAnalysis"),
        anti_affinity=_read_anti_affinity(reader, (*path, "antiAffinity")),
        new_metadata=_read_metadata(reader, (*path, "previewMetadata")),
        stable_metadata=_read_metadata(reader, (*path, "activeMetadata")),
        abort_scale_down_delay_seconds=reader.optional_integer(*path, "abortScaleDownDelaySeconds"),
    )


def _read_step(reader: SpecReader, path: Path) -> CanaryStep:
    body = reader.mapping(*path)
    kinds = [kind for kind in ENDING_ORDER if body.get(kind) is not None]
    if message := excluding_actions(body):
        reader.finding(path, message)
    scale, scale_path = None, (*path, "setCanaryScale")
    if "setCanaryScale" in kinds:
        scale = SetCanaryScale(
            reader.optional_integer(*scale_path, "weight"),
            reader.optional_integer(*scale_path, "replicas"),
            reader.boolean(*scale_path, "matchTrafficWeight"),
        )
    return CanaryStep(
        kind=kinds[0] if kinds else "",
        body=body,
        set_weight=reader.optional_integer(*path, "setWeight"),
        pause=RolloutPause(reader.int_or_string(*path, "pause", "duration")) if "pause" in kinds else None,
        set_canary_scale=scale,
    )


def _read_traffic_routing(reader: SpecReader, path: Path) -> TrafficRouting | None:
    body = reader.optional_mapping(*path)
    if body is None:
        return None
    return TrafficRouting(
        # To the controller `plugins: {}` is not a router, `nginx: {}` is one.
        routers=tuple(
            name
            for name, section in body.items()
            if name not in NOT_ROUTERS and section is not None and (section or name != "plugins")
        ),
        body=body,
        managed_routes=tuple(
            reader.text(*path, "managedRoutes", n, "name") for n in range(len(reader.items(*path, "managedRoutes")))
        ),
        max_traffic_weight=reader.optional_integer(*path, "maxTrafficWeight"),
    )


def _read_metadata(reader: SpecReader, path: Path) -> PodTemplateMetadata | None:
    if reader.optional_mapping(*path) is None:
        return None
    return PodTemplateMetadata(reader.strings(*path, "labels"), reader.strings(*path, "annotations"))


def _read_anti_affinity(reader: SpecReader, path: Path) -> AntiAffinity | None:
    body = reader.optional_mapping(*path)
    if body is None:
        return None
    weight = None
    if body.get(PREFERRED) is not None:
        weight = reader.integer(*path, PREFERRED, "weight", default=0)
    required = body.get(REQUIRED) is not None
    return AntiAffinity(weight, required) if weight is not None or required else None
