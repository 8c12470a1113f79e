"""Which of a user's objects belong to which app (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from renderer.errors import Finding
from renderer.kubernetes.kinds import is_rollout
from renderer.kubernetes.manifest import finding, mapping
from renderer.verbs.init.documents import Item

HOOK = "helm.sh/hook"
AUTOSCALERS = {"HorizontalPodAutoscaler", "VerticalPodAutoscaler", "ScaledObject"}
OTHER_WORKLOADS = {"DaemonSet", "StatefulSet"}

_REFERENCES = ("name", "names", "host", "hosts", "service", "services", "ingress", "ingresses", "mappings")
"""Ends of the keys, in small letters, whose value names another object (``claimName``, ``stableService``)."""


class Group(Struct):
    """An app to be: a Rollout or a Deployment, the labels of its pods, what goes with it, and what scales it."""

    workload: Item
    labels: Mapping[str, Any] = field(default_factory=dict)
    members: list[Item] = field(default_factory=list)
    autoscalers: list[Item] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.workload.manifest.name


class Grouped(Struct):
    """The apps, what is worth telling, and what stands in the way."""

    groups: list[Group]
    notes: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def group(items: Sequence[Item]) -> Grouped:
    """Return the apps that ``items`` make: one for each Rollout; where there is none, one for each Deployment."""
    notes = [_note(item, f"the {item.title()} is a Helm hook: left out") for item in items if _is_hook(item)]
    items = [item for item in items if not _is_hook(item)]
    workloads, wrong = _workloads(items)
    grouped = Grouped([Group(item, _labels(item, items)) for item in workloads], notes, wrong)
    if wrong:
        return grouped
    others = [item for item in items if not any(item is workload for workload in workloads)]
    others = _take_autoscalers(others, grouped)
    left = [item for item in others if not _claim(item, grouped)]
    _spread(left, grouped)
    order = {id(item): number for number, item in enumerate(items)}
    for one in grouped.groups:
        one.members.sort(key=lambda item: order[id(item)])
        for item in one.members:
            _note_workload(item, one, grouped)
    return grouped


def selects(item: Item, one: Group) -> bool:
    """Tell whether an object selects the app's pods by their labels, as a Service does."""
    spec = mapping(item.manifest.body, "spec")
    for selector in (spec.get("selector"), mapping(spec, "selector", "matchLabels"), _pod_selector(spec)):
        if isinstance(selector, Mapping) and selector and selector.items() <= one.labels.items():
            return True
    return False


def in_one_namespace(item: Item, other: Item) -> bool:
    """Tell whether two objects may meet: one that names no namespace is wherever the other one is."""
    here, there = item.manifest.namespace, other.manifest.namespace
    return not here or not there or here == there


def _pod_selector(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(spec, "podSelector", "matchLabels")


def _note(item: Item, message: str, hint: str = "") -> Finding:
    return finding(item.manifest, (), message, hint)


def _is_hook(item: Item) -> bool:
    return HOOK in mapping(item.manifest.body, "metadata", "annotations")


def _workloads(items: Sequence[Item]) -> tuple[list[Item], list[Finding]]:
    workloads = [item for item in items if is_rollout(item.manifest)]
    workloads = workloads or [item for item in items if is_deployment(item)]
    if not workloads:
        file = items[0].file if items else ""
        message = "there is no Rollout (argoproj.io/v1alpha1) and no Deployment among the manifests"
        return [], [Finding(file, 0, 0, "", message, "name the files that have one")]
    first: dict[str, Item] = {}
    wrong = []
    for item in workloads:
        earlier = first.setdefault(item.manifest.name, item)
        if earlier is not item:
            line, _ = earlier.manifest.source.position(())
            message = f"the {item.title()} is there twice, the other one at {earlier.file}:{line}"
            hint = "name the manifests of one environment at a time, and the environment with --env"
            wrong.append(_note(item, message, hint))
    return workloads, wrong


def is_deployment(item: Item) -> bool:
    """Tell whether an object is a Deployment of Kubernetes."""
    return item.manifest.kind == "Deployment" and item.manifest.key.group in ("apps", "extensions")


def _labels(workload: Item, items: Sequence[Item]) -> Mapping[str, Any]:
    """Return the labels of a workload's pods, which are those of another one where it has a ``workloadRef``."""
    for item in items:
        if _is_reference(workload, item):
            workload = item
            break
    return mapping(workload.manifest.body, "spec", "template", "metadata", "labels")


def _is_reference(workload: Item, item: Item) -> bool:
    reference = mapping(workload.manifest.body, "spec", "workloadRef")
    named = (reference.get("kind"), reference.get("name"))
    return named == (item.manifest.kind, item.manifest.name) and in_one_namespace(item, workload)


def _take_autoscalers(items: Sequence[Item], grouped: Grouped) -> list[Item]:
    """Give each app what scales its workload; return everything else."""
    rest = []
    for item in items:
        spec = mapping(item.manifest.body, "spec")
        target = mapping(spec, "scaleTargetRef") or mapping(spec, "targetRef")
        scaled = [
            one
            for one in grouped.groups
            if item.manifest.kind in AUTOSCALERS
            and target.get("kind", "Deployment") == one.workload.manifest.kind
            and target.get("name") == one.name
            and in_one_namespace(item, one.workload)
        ]
        if scaled:
            scaled[0].autoscalers.append(item)
        else:
            rest.append(item)
    return rest


def _claim(item: Item, grouped: Grouped) -> bool:
    """Give an object to the app whose strategy names it, else to the one whose pods it selects."""
    near = [one for one in grouped.groups if in_one_namespace(item, one.workload)]
    named = [one for one in near if item.manifest.name in set(_strategy_names(one))]
    if len(named) > 1:
        users = " and ".join(one.name for one in named)
        message = f"the {item.title()} is named by the strategies of several Rollouts: {users}"
        grouped.findings.append(_note(item, message, "give each of them an object of its own"))
    claims = named or [one for one in near if selects(item, one)]
    _give(item, claims, grouped)
    return bool(claims)


def _spread(left: list[Item], grouped: Grouped) -> None:
    """Give each object to the app that it has to do with, on and on until no more is found."""
    found = True
    while found and left:
        found = False
        for item in list(left):
            near = [one for one in grouped.groups if in_one_namespace(item, one.workload)]
            claims = [one for one in near if _has_to_do(item, one)]
            if claims:
                _give(item, claims, grouped)
                left.remove(item)
                found = True
    for item in left:
        if len(grouped.groups) == 1:
            grouped.groups[0].members.append(item)
            continue
        same = [one for one in grouped.groups if one.name == item.manifest.name]
        if same:
            _give(item, same, grouped)
        else:
            message = f"the {item.title()} has to do with none of the apps: left out"
            grouped.notes.append(_note(item, message, "put it into an app's folder to have it released with the app"))


def _give(item: Item, claims: Sequence[Group], grouped: Grouped) -> None:
    if not claims:
        return
    claims[0].members.append(item)
    if len(claims) > 1:
        users = " and ".join(one.name for one in claims)
        message = f"the {item.title()} is of use to {users}: it goes with {claims[0].name}"
        grouped.notes.append(_note(item, message))


def _has_to_do(item: Item, one: Group) -> bool:
    """Tell whether the object names one of the app's or is named by one, or selects its Services."""
    names = set(references(item.manifest.body))
    for member in (one.workload, *one.members):
        if member.manifest.name in names or item.manifest.name in set(references(member.manifest.body)):
            return True
        selector = mapping(item.manifest.body, "spec", "selector", "matchLabels")
        labels = mapping(member.manifest.body, "metadata", "labels")
        if member.manifest.kind == "Service" and selector and selector.items() <= labels.items():
            return True
    return False


def references(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of other objects that an object has in its fields."""
    for key, value in body.items():
        if key != "metadata":
            yield from _references(key, value)


def _references(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _references(str(name), below)
    elif isinstance(value, list):
        for below in value:
            yield from _references(key, below)
    elif isinstance(value, str) and key.lower().endswith(_REFERENCES):
        # web.shop.svc.cluster.local, or namespace/name.
        yield value
        yield value.partition(".")[0]
        yield value.rpartition("/")[2]


def _strategy_names(one: Group) -> Iterator[str]:
    strategy = mapping(one.workload.manifest.body, "spec", "strategy")
    yield from _references("", strategy)
    reference = mapping(one.workload.manifest.body, "spec", "workloadRef").get("name")
    if isinstance(reference, str):
        yield reference


def _note_workload(item: Item, one: Group, grouped: Grouped) -> None:
    if _is_reference(one.workload, item):
        return
    if item.manifest.kind in OTHER_WORKLOADS or is_deployment(item):
        message = f"the {item.title()} goes with {one.name} as it is: its pods are updated all in one commit"
        hint = "run init with it alone for a Rollout of its own" if is_deployment(item) else ""
        grouped.notes.append(_note(item, message, hint))
