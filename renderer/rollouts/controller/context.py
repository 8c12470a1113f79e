"""The state of one pass (``rollout/context.go``): the objects as read, the decisions, and the writes.

As in the controller, ``new_rs``, ``stable_rs`` and the lists have the ReplicaSets as read at the start of the pass;
``world`` has every write.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.kubernetes.merge_patch import merge_patch_between
from renderer.rollouts.controller.templates import rollout_hash
from renderer.rollouts.model.corrections import ABORTED_TRAFFIC, CHANGED_STRATEGY
from renderer.rollouts.model.rollout import ReplicaSet, Rollout, find_by_hash
from renderer.rollouts.model.spec import BlueGreenStrategy, CanaryStrategy
from renderer.rollouts.model.status import RolloutCondition, RolloutStatus
from renderer.rollouts.model.strategy_status import (
    AnalysisRunStatus,
    BlueGreenStatus,
    CanaryStatus,
    TrafficWeights,
    WeightDestination,
)
from renderer.rollouts.model.versions import is_since
from renderer.rollouts.model.world import World, Write


class ConflictError(Exception):
    """An update of an object that was written since it was read, which the API server refuses.

    It ends the pass, and the next one begins: it never leaves the engine.
    """


class HashDelayedError(Exception):
    """A router would select pods that are not available yet, where the controller's pass fails."""


class PropagationDelayError(Exception):
    """The controller sleeps for a change to reach the router; the rest of the pass belongs to the next one."""


class AnalysisRuns(Struct, frozen=True):
    """The analysis runs of the current release: step, background, pre-promotion and post-promotion."""

    step: AnalysisRunStatus | None = None
    background: AnalysisRunStatus | None = None
    pre: AnalysisRunStatus | None = None
    post: AnalysisRunStatus | None = None

    @classmethod
    def of(cls, status: RolloutStatus) -> AnalysisRuns:
        """Return the runs in the status."""
        canary, blue_green = status.canary, status.blue_green
        return cls(
            canary.current_step_analysis_run_status,
            canary.current_background_analysis_run_status,
            blue_green.pre_promotion_analysis_run_status,
            blue_green.post_promotion_analysis_run_status,
        )


class PauseContext:
    """The decisions of a pass about pauses and abort (``rollout/pause.go``)."""

    def __init__(self, status: RolloutStatus) -> None:
        self.status = status
        self.added: list[str] = []
        self.removed: set[str] = set()
        self.cleared = False
        self.add_abort = False
        self.remove_abort = False
        self.abort_message = ""

    @property
    def is_aborted(self) -> bool:
        """True if the release is aborted after the decisions of this pass."""
        return not self.remove_abort and (self.add_abort or self.status.abort)

    def clear(self) -> None:
        """End all pauses and the abort."""
        self.cleared = self.remove_abort = True

    def abort(self, message: str) -> None:
        """Abort the release."""
        self.add_abort = True
        self.abort_message = message


class Context:
    """One pass of the controller."""

    def __init__(self, world: World, *, hold_step: int | None = None, skip_pauses: bool = False) -> None:
        if CHANGED_STRATEGY in world.corrections:
            world = _without_other_strategy(world)
        self.world = world
        self.now = world.now
        self.hold_step = hold_step
        self.skip_pauses = skip_pauses
        self.rollout: Rollout = world.rollout
        self.status: RolloutStatus = world.status
        self.writes: list[Write] = []
        self.pause = PauseContext(world.status)
        self.weights: TrafficWeights | None = world.status.canary.weights
        self.runs = AnalysisRuns.of(world.status)
        self.new_runs = AnalysisRuns()
        self.current_experiment = ""
        self.additional: tuple[WeightDestination, ...] = ()
        self.restarted_at = world.status.restarted_at
        self.since_1_10 = is_since(world.controller_version, "1.10")
        self.wrote_rollout = False
        self.new_rs_within_delay = False
        self.all_rss: list[ReplicaSet] = sorted(world.replica_sets, key=lambda rs: (rs.created, rs.name))
        self.new_rs: ReplicaSet | None = None
        self.stable_rs: ReplicaSet | None = None
        self.older_rss: list[ReplicaSet] = []
        self.other_rss: list[ReplicaSet] = []

    @property
    def canary(self) -> CanaryStrategy:
        """The strategy of a canary."""
        assert isinstance(self.rollout.strategy, CanaryStrategy)
        return self.rollout.strategy

    @property
    def blue_green(self) -> BlueGreenStrategy:
        """The strategy of a blue-green release."""
        assert isinstance(self.rollout.strategy, BlueGreenStrategy)
        return self.rollout.strategy

    def set_new_rs(self, new_rs: ReplicaSet | None) -> None:
        """Set the new ReplicaSet, and find the stable, older and other ones."""
        self.new_rs = new_rs
        self.older_rss = [rs for rs in self.all_rss if new_rs is None or rs.name != new_rs.name]
        self.stable_rs = find_by_hash(self.all_rss, self.status.stable_rs)
        names = {rs.name for rs in (self.new_rs, self.stable_rs) if rs is not None}
        self.other_rss = [rs for rs in self.all_rss if rs.name not in names]

    @property
    def is_fully_promoted(self) -> bool:
        """True if the current ReplicaSet is the stable one, by the status as read."""
        return self.status.stable_rs == self.status.current_pod_hash

    def halts_progress(self) -> bool:
        """Return whether replicas must not change: ``spec.paused``, or an inconclusive analysis.

        With the correction an abort goes on all the same: traffic could not come back to a stable ReplicaSet that must
        grow first.
        """
        if self.pause.is_aborted and self.corrects(ABORTED_TRAFFIC):
            return False
        return self.rollout.paused or self.status.pause_condition("InconclusiveAnalysis") is not None

    def corrects(self, correction: str) -> bool:
        """Return whether a fault of the controller is corrected (``model/corrections.py``)."""
        return correction in self.world.corrections

    def holds_step(self, step: int) -> bool:
        """Return whether the step with this index must not complete."""
        return self.hold_step is not None and step >= self.hold_step

    def pod_template_hash(self) -> str:
        """Return the pod-template-hash of the Rollout's template."""
        return rollout_hash(self.rollout, self.status.collision_count, self.world.controller_version)

    def set_analysis_runs(self, runs: AnalysisRuns) -> None:
        """Set the runs of the new status; a pass that ends before this call removes them from the status."""
        self.runs = self.new_runs = runs

    def create_replica_set(self, created: ReplicaSet) -> None:
        """Create a ReplicaSet; like every write, it changes ``world`` at once."""
        self.world = self.world.with_replica_set(created)
        body = created.to_body()
        self.writes.append(Write("create", "ReplicaSet", created.name, object=body, after=body))

    def update_replica_set(self, seen: ReplicaSet, changed: ReplicaSet) -> ReplicaSet:
        """Update a ReplicaSet read as ``seen``; raise ``ConflictError`` if it was written since."""
        if self.world.replica_set(seen.name) is not seen:
            raise ConflictError(seen.name)
        self.world = self.world.with_replica_set(changed)
        write = Write("update", "ReplicaSet", seen.name, replicas=changed.replicas, after=changed.to_body())
        self.writes.append(write)
        return changed

    def annotate_replica_set(self, name: str, annotation: str, value: str | None) -> None:
        """Set an annotation, or remove it with None, by a patch, which never conflicts."""
        live = self.world.replica_set(name)
        assert live is not None, name
        annotations = {key: text for key, text in live.annotations.items() if key != annotation}
        path = f"/metadata/annotations/{annotation}"
        operation: dict[str, str] = {"op": "remove", "path": path}
        if value is not None:
            annotations[annotation] = value
            operation = {"op": "add", "path": path, "value": value}
        changed = replace(live, annotations=annotations)
        self.world = self.world.with_replica_set(changed)
        self.writes.append(Write("patch", "ReplicaSet", name, patch=[operation], after=changed.to_body()))

    def delete_replica_set(self, name: str) -> None:
        """Delete a ReplicaSet."""
        kept = tuple(rs for rs in self.world.replica_sets if rs.name != name)
        self.world = replace(self.world, replica_sets=kept)
        self.writes.append(Write("delete", "ReplicaSet", name))

    def create_object(self, key: ObjectKey, body: Body) -> None:
        """Create an object other than a ReplicaSet."""
        self.world = self.world.with_object(key, body)
        self.writes.append(Write("create", key.kind, key.name, object=body, after=body))

    def patch_object(self, key: ObjectKey, patch: Body, after: Body) -> None:
        """Patch an object other than a ReplicaSet; ``after`` is the result."""
        self.world = self.world.with_object(key, after)
        self.writes.append(Write("patch", key.kind, key.name, patch=patch, after=after))

    def apply_object(self, key: ObjectKey, after: Body) -> bool:
        """Create an object other than a ReplicaSet, or patch it; return whether it differed from ``after``."""
        current = self.world.objects.get(key)
        if current is None:
            self.create_object(key, after)
            return True
        patch = merge_patch_between(current, after)
        if patch:
            self.patch_object(key, patch, after)
        return bool(patch)

    def update_object(self, key: ObjectKey, after: Body) -> None:
        """Update an object other than a ReplicaSet, if ``after`` differs from it."""
        if self.world.objects.get(key) != after:
            self.world = self.world.with_object(key, after)
            self.writes.append(Write("update", key.kind, key.name, object=after, after=after))

    def delete_object(self, key: ObjectKey) -> None:
        """Delete an object other than a ReplicaSet."""
        objects = {other: body for other, body in self.world.objects.items() if other != key}
        self.world = replace(self.world, objects=objects)
        self.writes.append(Write("delete", key.kind, key.name))

    def update_rollout(self, rollout: Rollout) -> None:
        """Update the Rollout's annotations."""
        self.rollout = rollout
        self.world = replace(self.world, rollout=rollout)
        self.wrote_rollout = True

    def set_status_condition(self, condition: RolloutCondition) -> None:
        """Write one condition; the pass goes on with it."""
        self.status = self.status.with_condition(condition)
        self.world = replace(self.world, status=self.status)
        self.wrote_rollout = True

    def patch_status(self, before: RolloutStatus, after: RolloutStatus) -> None:
        """Write the fields of the status that differ between ``before`` and ``after``."""
        changed = {
            name: value for name in after.__struct_fields__ if (value := getattr(after, name)) != getattr(before, name)
        }
        if changed:
            self.world = replace(self.world, status=replace(self.world.status, **changed))
            self.wrote_rollout = True


def _without_other_strategy(world: World) -> World:
    """Return the world without the status of another strategy than the Rollout's.

    The controller keeps it: pods of the hash in a former canary's weights stay for good, and so does its pause.
    """
    status = world.status
    if world.rollout.blue_green is not None:
        fitting = replace(status, canary=CanaryStatus(stable_ping_pong=status.canary.stable_ping_pong))
        other = "CanaryPauseStep"
    else:
        fitting, other = replace(status, blue_green=BlueGreenStatus()), "BlueGreenPause"
    if status.pause_condition(other) is not None:
        left = tuple(condition for condition in status.pause_conditions if condition.reason != other)
        fitting = replace(fitting, pause_conditions=left, controller_pause=bool(left))
    return world if fitting == status else replace(world, status=fitting)


def hash_of(rs: ReplicaSet | None) -> str:
    """Return the pod-template-hash label of a ReplicaSet; empty for None."""
    return rs.pod_template_hash if rs is not None else ""


def by_revision(replica_sets: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Return the ReplicaSets sorted by revision and creation time, newest first."""
    return sorted(replica_sets, key=lambda rs: (rs.revision, rs.created), reverse=True)
