"""The Rollout's ``status``, typed and as JSON."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec import Struct, convert, field, json
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body
from renderer.kubernetes.times import parse_time
from renderer.rollouts.model.strategy_status import BlueGreenStatus, CanaryStatus, json_name


class PauseCondition(Struct, frozen=True, rename=json_name):
    """Reason (``CanaryPauseStep``, ``BlueGreenPause``, ``InconclusiveAnalysis``) and start of a pause."""

    reason: str
    start_time: datetime


class RolloutCondition(Struct, frozen=True, rename=json_name):
    """A condition of the Rollout; ``status`` is True, False or Unknown, as text."""

    type: str
    status: str
    reason: str
    message: str
    last_update_time: datetime
    last_transition_time: datetime


class RolloutStatus(Struct, frozen=True, rename=json_name, omit_defaults=True):
    """The Rollout's status; the counts of pods are those of its last update."""

    abort: bool = False
    pause_conditions: tuple[PauseCondition, ...] = ()
    controller_pause: bool = False
    aborted_at: datetime | None = None
    current_pod_hash: str = ""
    current_step_hash: str = ""
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    current_step_index: int | None = None
    collision_count: int | None = None
    observed_generation: str = ""
    conditions: tuple[RolloutCondition, ...] = ()
    canary: CanaryStatus = field(default_factory=CanaryStatus)
    blue_green: BlueGreenStatus = field(default_factory=BlueGreenStatus)
    hpa_replicas: int = 0
    selector: str = ""
    stable_rs: str = ""
    restarted_at: datetime | None = None
    promote_full: bool = False
    phase: str = ""
    message: str = ""

    def condition(self, condition_type: str) -> RolloutCondition | None:
        """Return the condition of that type."""
        return next((condition for condition in self.conditions if condition.type == condition_type), None)

    def pause_condition(self, reason: str) -> PauseCondition | None:
        """Return the pause condition with that reason."""
        return next((condition for condition in self.pause_conditions if condition.reason == reason), None)

    def with_condition(self, condition: RolloutCondition) -> RolloutStatus:
        """Return the status with the condition; the same object if it has one with this status and reason.

        A condition with the same status keeps its transition time.
        """
        current = self.condition(condition.type)
        if current is not None and current.status == condition.status:
            if current.reason == condition.reason:
                return self
            condition = replace(condition, last_transition_time=current.last_transition_time)
        others = (other for other in self.conditions if other.type != condition.type)
        return replace(self, conditions=(*others, condition))

    def without_condition(self, condition_type: str) -> RolloutStatus:
        """Return the status without the condition of that type."""
        left = tuple(condition for condition in self.conditions if condition.type != condition_type)
        return self if len(left) == len(self.conditions) else replace(self, conditions=left)

    def to_dict(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the JSON form without empty fields, like Go's omitempty, and without the JSON names ``without``."""
        data: dict[str, Any] = json.decode(json.encode(self))
        canary = data["canary"]
        # In the order of the Go type.
        canary.update({name: canary.pop(name) for name in ("weights", "stablePingPong") if name in canary})
        return {name: value for name, value in data.items() if value != {} and name not in without}

    @classmethod
    def from_dict(cls, data: Body) -> RolloutStatus:
        """Read the JSON form without unknown fields.

        Raise ValueError for an invalid time, and ``msgspec.ValidationError`` for another value of an invalid type.
        """
        return convert(_with_times(data), cls)


def _with_times(value: Any, name: str = "") -> Any:
    """Return the value of a JSON field without nulls, and with times as datetimes."""
    if isinstance(value, dict):
        return {key: _with_times(item, key) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_with_times(item) for item in value]
    return parse_time(value) if name.endswith(("At", "Time")) else value
