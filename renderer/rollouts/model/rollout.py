"""The Rollout and its ReplicaSets.

Field names are the API's in snake_case (``pkg/apis/rollouts/v1alpha1/types.go`` of Argo Rollouts v1.9.1); times are
datetimes in UTC, to the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from renderer.kubernetes.manifest import Body, ObjectKey, Source
from renderer.kubernetes.times import parse_time
from renderer.rollouts.model.reader import SpecReader, read_strategy
from renderer.rollouts.model.spec import BlueGreenStrategy, CanaryStrategy, TrafficRouting

HASH_LABEL = "rollouts-pod-template-hash"
"""The label that distinguishes the pods of ReplicaSets."""

REVISION_ANNOTATION = "rollout.argoproj.io/revision"
REVISION_HISTORY_ANNOTATION = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS_ANNOTATION = "rollout.argoproj.io/desired-replicas"
EPHEMERAL_METADATA_ANNOTATION = "rollout.argoproj.io/ephemeral-metadata"
SCALE_DOWN_DEADLINE_ANNOTATION = "scale-down-deadline"
MANAGED_BY_ANNOTATION = "argo-rollouts.argoproj.io/managed-by-rollouts"

NO_SOURCE = Source("")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Memo(dict[tuple[int | None, str], str]):
    """A cache within a value, which comparisons ignore."""

    def __eq__(self, other: object) -> bool:
        """Return True for every ``Memo``."""
        return isinstance(other, Memo)

    def __ne__(self, other: object) -> bool:
        """Return False for every ``Memo``."""
        return not isinstance(other, Memo)

    __hash__ = None


class Rollout(Struct, frozen=True):
    """A Rollout's manifest (``body``) and its fields, with the controller's defaults."""

    body: Body
    name: str
    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generation: int
    replicas: int
    selector: Body
    template: Body
    min_ready_seconds: int
    revision_history_limit: int
    paused: bool
    progress_deadline_seconds: int
    progress_deadline_abort: bool
    restart_at: datetime | None
    rollback_window: int
    workload_ref: Body | None
    strategy: CanaryStrategy | BlueGreenStrategy
    hashes: Memo = field(default_factory=Memo)
    """Computed hashes of ``template``, by collision count and controller version; empty after a change of it."""

    @classmethod
    def from_body(cls, body: Body, source: Source = NO_SOURCE) -> Rollout:
        """Read a manifest that is pruned and has the defaults of the CRD.

        ``source`` has file and lines for findings.  Raise ``RollstepError`` with every field of an invalid type, and
        unless there is exactly one strategy.
        """
        reader = SpecReader(body, source)
        rollout = cls(
            body=body,
            name=reader.text("metadata", "name"),
            namespace=reader.text("metadata", "namespace"),
            labels=reader.strings("metadata", "labels"),
            annotations=reader.strings("metadata", "annotations"),
            generation=reader.integer("metadata", "generation", default=1),
            replicas=reader.integer("spec", "replicas", default=1),
            selector=reader.mapping("spec", "selector"),
            template=reader.mapping("spec", "template"),
            min_ready_seconds=reader.integer("spec", "minReadySeconds", default=0),
            revision_history_limit=reader.integer("spec", "revisionHistoryLimit", default=10),
            paused=reader.boolean("spec", "paused"),
            progress_deadline_seconds=reader.integer("spec", "progressDeadlineSeconds", default=600),
            progress_deadline_abort=reader.boolean("spec", "progressDeadlineAbort"),
            restart_at=reader.time("spec", "restartAt"),
            rollback_window=reader.integer("spec", "rollbackWindow", "revisions", default=0),
            workload_ref=reader.optional_mapping("spec", "workloadRef"),
            strategy=read_strategy(reader),
        )
        reader.raise_findings()
        return rollout

    @property
    def canary(self) -> CanaryStrategy | None:
        """The canary strategy; None for blue-green."""
        return self.strategy if isinstance(self.strategy, CanaryStrategy) else None

    @property
    def blue_green(self) -> BlueGreenStrategy | None:
        """The blue-green strategy; None for a canary."""
        return self.strategy if isinstance(self.strategy, BlueGreenStrategy) else None

    @property
    def routing(self) -> TrafficRouting:
        """``trafficRouting`` of a canary that has it."""
        assert self.canary is not None
        assert self.canary.traffic_routing is not None
        return self.canary.traffic_routing

    @property
    def service_names(self) -> tuple[str, str]:
        """(stable Service, canary Service) of a canary."""
        assert self.canary is not None
        return self.canary.stable_service, self.canary.canary_service

    @property
    def revision(self) -> int:
        """The revision in the annotations; 0 before the first."""
        return _revision(self.annotations)

    def with_annotation(self, name: str, value: str) -> Rollout:
        """Return the Rollout with an annotation, in ``body`` as well."""
        annotations = {**self.annotations, name: value}
        metadata = {**self.body["metadata"], "annotations": annotations}
        return replace(self, body={**self.body, "metadata": metadata}, annotations=annotations)


class ReplicaSet(Struct, frozen=True):
    """A ReplicaSet: its manifest's fields, its creation time, and the counts of its pods.

    ``actual_replicas`` is ``status.replicas``: existing pods, available or not.  It is not ``observed`` while the
    counts are those of a ``spec`` before (``status.observedGeneration`` is behind ``metadata.generation``).
    """

    name: str
    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    replicas: int
    min_ready_seconds: int
    selector: Body
    template: Body
    created: datetime = EPOCH
    available_replicas: int = 0
    ready_replicas: int = 0
    actual_replicas: int = 0
    observed: bool = True

    @classmethod
    def from_body(cls, body: Body, created: datetime = EPOCH, *, available: bool = True) -> ReplicaSet:
        """Read an apps/v1 manifest; with ``available`` all its replicas are available, else none."""
        metadata: Mapping[str, Any] = body["metadata"]
        spec: Mapping[str, Any] = body["spec"]
        replicas = int(spec.get("replicas", 1))
        pods = replicas if available else 0
        return cls(
            name=metadata["name"],
            namespace=metadata.get("namespace", ""),
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            replicas=replicas,
            min_ready_seconds=int(spec.get("minReadySeconds", 0)),
            selector=spec["selector"],
            template=spec["template"],
            created=created,
            available_replicas=pods,
            ready_replicas=pods,
            actual_replicas=pods,
        )

    def to_body(self) -> dict[str, Any]:
        """Return the apps/v1 manifest, without ownerReferences."""
        metadata: dict[str, Any] = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        if self.labels:
            metadata["labels"] = dict(self.labels)
        if self.annotations:
            metadata["annotations"] = dict(self.annotations)
        spec: dict[str, Any] = {"replicas": self.replicas, "selector": self.selector, "template": self.template}
        if self.min_ready_seconds:
            spec["minReadySeconds"] = self.min_ready_seconds
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}

    @property
    def key(self) -> ObjectKey:
        """The ReplicaSet's identity."""
        return ObjectKey("apps", "ReplicaSet", self.namespace, self.name)

    @property
    def pod_template_hash(self) -> str:
        """The pod-template-hash label; empty if missing."""
        return self.labels.get(HASH_LABEL, "")

    @property
    def revision(self) -> int:
        """The revision in the annotations; 0 if missing."""
        return _revision(self.annotations)

    @property
    def has_scale_down_deadline(self) -> bool:
        """True if it has a scale-down deadline."""
        return bool(self.annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION))

    @property
    def scale_down_deadline(self) -> datetime | None:
        """The scale-down deadline; None if missing or invalid."""
        text = self.annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION)
        try:
            return parse_time(text) if text else None
        except ValueError:
            return None

    def without_scale_down_deadline(self) -> ReplicaSet:
        """Return the ReplicaSet without a scale-down deadline."""
        kept = {name: text for name, text in self.annotations.items() if name != SCALE_DOWN_DEADLINE_ANNOTATION}
        return replace(self, annotations=kept)

    def fully_available(self) -> ReplicaSet:
        """Return the ReplicaSet with all its replicas available."""
        count = self.replicas
        return replace(self, available_replicas=count, ready_replicas=count, actual_replicas=count, observed=True)


def find_by_hash(replica_sets: Iterable[ReplicaSet], pod_template_hash: str) -> ReplicaSet | None:
    """Return the ReplicaSet with the pod-template-hash; None if missing, or for an empty hash."""
    found = (rs for rs in replica_sets if rs.pod_template_hash == pod_template_hash)
    return next(found, None) if pod_template_hash else None


def _revision(annotations: Mapping[str, str]) -> int:
    try:
        return int(annotations.get(REVISION_ANNOTATION, "0"))
    except ValueError:
        return 0
