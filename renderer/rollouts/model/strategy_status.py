"""The parts of a Rollout's ``status`` for one strategy: weights, analysis runs, experiments and selectors."""

from __future__ import annotations

from msgspec import Struct

ANALYSIS_RUN = ("argoproj.io/v1alpha1", "AnalysisRun")
"""The API version and the kind of an AnalysisRun."""


def json_name(name: str) -> str:
    """Return the JSON name of a field of the status."""
    if name == "stable_rs":
        return "stableRS"
    if name == "hpa_replicas":
        return "HPAReplicas"
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


class WeightDestination(Struct, frozen=True, rename=json_name, omit_defaults=True):
    """The traffic weight of a ReplicaSet, out of ``maxTrafficWeight``."""

    weight: int
    service_name: str = ""
    pod_template_hash: str = ""


class TrafficWeights(Struct, frozen=True, rename=json_name, omit_defaults=True):
    """The traffic weights; ``verified`` is None for a router that cannot verify them."""

    canary: WeightDestination
    stable: WeightDestination
    additional: tuple[WeightDestination, ...] = ()
    verified: bool | None = None


class AnalysisRunStatus(Struct, frozen=True, rename=json_name, omit_defaults=True):
    """Name, phase (Running, Successful, Failed, …) and message of an analysis run."""

    name: str
    status: str
    message: str = ""


class CanaryStatus(Struct, frozen=True, rename=json_name, omit_defaults=True):
    """The status of a canary."""

    weights: TrafficWeights | None = None
    stable_ping_pong: str = ""
    current_step_analysis_run_status: AnalysisRunStatus | None = None
    current_background_analysis_run_status: AnalysisRunStatus | None = None
    current_experiment: str = ""


class BlueGreenStatus(Struct, frozen=True, rename=json_name, omit_defaults=True):
    """The status of a blue-green release."""

    preview_selector: str = ""
    active_selector: str = ""
    scale_up_preview_check_point: bool = False
    pre_promotion_analysis_run_status: AnalysisRunStatus | None = None
    post_promotion_analysis_run_status: AnalysisRunStatus | None = None
