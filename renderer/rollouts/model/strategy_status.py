"""The parts of a Rollout's ``status`` for one strategy: weights, analysis runs, experiments and selectors."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from renderer.kubernetes.manifest import Body


class WeightDestination(Struct, frozen=True):
    """The traffic weight of a ReplicaSet, out of ``maxTrafficWeight``."""

    weight: int
    service_name: str = ""
    pod_template_hash: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        data: dict[str, Any] = {"weight": self.weight}
        if self.service_name:
            data["serviceName"] = self.service_name
        if self.pod_template_hash:
            data["podTemplateHash"] = self.pod_template_hash
        return data

    @classmethod
    def from_dict(cls, data: Body) -> WeightDestination:
        """Read the JSON form."""
        return cls(int(data.get("weight", 0)), data.get("serviceName", ""), data.get("podTemplateHash", ""))


class TrafficWeights(Struct, frozen=True):
    """The traffic weights; ``verified`` is None for a router that cannot verify them."""

    canary: WeightDestination
    stable: WeightDestination
    additional: tuple[WeightDestination, ...] = ()
    verified: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        data: dict[str, Any] = {"canary": self.canary.to_dict(), "stable": self.stable.to_dict()}
        if self.additional:
            data["additional"] = [destination.to_dict() for destination in self.additional]
        if self.verified is not None:
            data["verified"] = self.verified
        return data

    @classmethod
    def from_dict(cls, data: Body) -> TrafficWeights:
        """Read the JSON form."""
        return cls(
            WeightDestination.from_dict(data.get("canary", {})),
            WeightDestination.from_dict(data.get("stable", {})),
            tuple(WeightDestination.from_dict(item) for item in data.get("additional", ())),
            data.get("verified"),
        )


class AnalysisRunStatus(Struct, frozen=True):
    """Name, phase (Running, Successful, Failed, …) and message of an analysis run."""

    name: str
    status: str
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        data = {"name": self.name, "status": self.status}
        return {**data, "message": self.message} if self.message else data

    @classmethod
    def from_dict(cls, data: Body | None) -> AnalysisRunStatus | None:
        """Read the JSON form; None for None."""
        return None if data is None else cls(data["name"], data.get("status", ""), data.get("message", ""))


class CanaryStatus(Struct, frozen=True):
    """The status of a canary."""

    weights: TrafficWeights | None = None
    stable_ping_pong: str = ""
    current_step_analysis_run_status: AnalysisRunStatus | None = None
    current_background_analysis_run_status: AnalysisRunStatus | None = None
    current_experiment: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form without empty fields."""
        data: dict[str, Any] = {}
        if self.current_step_analysis_run_status is not None:
            data["currentStepAnalysisRunStatus"] = self.current_step_analysis_run_status.to_dict()
        if self.current_background_analysis_run_status is not None:
            data["currentBackgroundAnalysisRunStatus"] = self.current_background_analysis_run_status.to_dict()
        if self.current_experiment:
            data["currentExperiment"] = self.current_experiment
        if self.weights is not None:
            data["weights"] = self.weights.to_dict()
        if self.stable_ping_pong:
            data["stablePingPong"] = self.stable_ping_pong
        return data


class BlueGreenStatus(Struct, frozen=True):
    """The status of a blue-green release."""

    preview_selector: str = ""
    active_selector: str = ""
    scale_up_preview_check_point: bool = False
    pre_promotion_analysis_run_status: AnalysisRunStatus | None = None
    post_promotion_analysis_run_status: AnalysisRunStatus | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form without empty fields."""
        pre, post = self.pre_promotion_analysis_run_status, self.post_promotion_analysis_run_status
        data: dict[str, Any] = {
            "previewSelector": self.preview_selector,
            "activeSelector": self.active_selector,
            "scaleUpPreviewCheckPoint": self.scale_up_preview_check_point,
            "prePromotionAnalysisRunStatus": pre.to_dict() if pre is not None else None,
            "postPromotionAnalysisRunStatus": post.to_dict() if post is not None else None,
        }
        return {key: value for key, value in data.items() if value}
