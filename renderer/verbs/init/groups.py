"""The assignment of objects to apps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from renderer.errors import Finding
from renderer.kubernetes.kinds import is_hook, is_rollout
from renderer.kubernetes.manifest import finding, mapping
from renderer.verbs.init.documents import Item

AUTOSCALERS = {"HorizontalPodAutoscaler", "VerticalPodAutoscaler", "ScaledObject"}
OTHER_WORKLOADS = {"DaemonSet", "StatefulSet"}

_REFERENCES = ("name", "names", "host", "hosts", "service", "services", "ingress", "ingresses", "mappings")
"""The lower-case endings of keys whose value names another object (``claimName``, ``stableService``)."""


class Group(Struct):
    """A future app: a Rollout or Deployment, its pods' labels, its other objects and its autoscalers."""

    workload: Item
    labels: Mapping[str, Any] = field(default_factory=dict)
    members: list[Item] = field(default_factory=list)
    autoscalers: list[Item] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.workload.manifest.name


class Grouped(Struct):
    """The apps, notes, and the findings that prevent them."""

    groups: list[Group]
    notes: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def group_items(items: Sequence[Item]) -> Grouped:
    """Return one app for each Rollout; without Rollouts, one for each Deployment."""
    reasons = [_why_left_out(item) for item in items]
    left_out = [(item, reason) for item, reason in zip(items, reasons, strict=True) if reason]
    notes = [_note(item, f"the {item.title()} is {reason}: left out") for item, reason in left_out]
    items = [item for item, reason in zip(items, reasons, strict=True) if not reason]
    workloads, wrong = _workloads(items)
    grouped = Grouped([Group(item, _labels(item, items)) for item in workloads], notes, wrong)
    if wrong:
        return grouped
    others = [item for item in items if not any(item is workload for workload in workloads)]
    others = _take_autoscalers(others, grouped)
    left = [item for item in others if not _assign_direct(item, grouped)]
    _assign_related(left, grouped)
    order = {id(item): number for number, item in enumerate(items)}
    for group in grouped.groups:
        group.members.sort(key=lambda item: order[id(item)])
        for item in group.members:
            _note_workload(item, group, grouped)
    return grouped


def selects(item: Item, group: Group) -> bool:
    """Return whether an object selects the app's pods by their labels, as a Service does."""
    paths = (("selector",), ("selector", "matchLabels"), ("podSelector", "matchLabels"))
    selectors = (mapping(item.manifest.body, "spec", *path) for path in paths)
    return any(selector and selector.items() <= group.labels.items() for selector in selectors)


def in_one_namespace(item: Item, other: Item) -> bool:
    """Return whether two objects have the same namespace; an object without one has that of the other."""
    here, there = item.manifest.namespace, other.manifest.namespace
    return not here or not there or here == there


def _note(item: Item, message: str, hint: str = "") -> Finding:
    return finding(item.manifest, (), message, hint)


def _why_left_out(item: Item) -> str:
    """Return what an object is that no app may have, empty for any other object."""
    if is_hook(item.manifest.body):
        return "a Helm hook"
    owners = item.manifest.metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if isinstance(owner, dict) and owner.get("controller") is True:
            return f"made by the {owner.get('kind')} {owner.get('name')}"
    return ""


def _workloads(items: Sequence[Item]) -> tuple[list[Item], list[Finding]]:
    workloads = [item for item in items if is_rollout(item.manifest)]
    workloads = workloads or [item for item in items if is_deployment(item)]
    if not workloads:
        file = items[0].file if items else ""
        message = "there is no Rollout (argoproj.io/v1alpha1) and no Deployment in the manifests"
        return [], [Finding(file, 0, 0, "", message, "name the file that has one")]
    first: dict[str, Item] = {}
    wrong = []
    for item in workloads:
        earlier = first.setdefault(item.manifest.name, item)
        if earlier is not item:
            line, _ = earlier.manifest.source.position(())
            message = f"duplicate {item.title()}, the other one is at {earlier.file}:{line}"
            hint = "name the manifests of one environment at a time, and the environment with --env"
            wrong.append(_note(item, message, hint))
    return workloads, wrong


def is_deployment(item: Item) -> bool:
    """Return whether an object is a Deployment of Kubernetes."""
    return item.manifest.kind == "Deployment" and item.manifest.key.group in ("apps", "extensions")


def _labels(workload: Item, items: Sequence[Item]) -> Mapping[str, Any]:
    """Return the labels of a workload's pods: those of another workload with a ``workloadRef``."""
    workload = next((item for item in items if _is_reference(workload, item)), workload)
    return mapping(workload.manifest.body, "spec", "template", "metadata", "labels")


def _is_reference(workload: Item, item: Item) -> bool:
    reference = mapping(workload.manifest.body, "spec", "workloadRef")
    named = (reference.get("kind"), reference.get("name"))
    return named == (item.manifest.kind, item.manifest.name) and in_one_namespace(item, workload)


def scale_target(item: Item) -> Mapping[str, Any]:
    """Return the reference of an autoscaler to the workload that it scales."""
    return mapping(item.manifest.body, "spec", "scaleTargetRef") or mapping(item.manifest.body, "spec", "targetRef")


def _take_autoscalers(items: Sequence[Item], grouped: Grouped) -> list[Item]:
    """Assign the autoscalers to the apps that they scale; return the other items."""
    rest = []
    for item in items:
        target = scale_target(item)
        scaled = [
            group
            for group in grouped.groups
            if item.manifest.kind in AUTOSCALERS
            and target.get("kind", "Deployment") == group.workload.manifest.kind
            and target.get("name") == group.name
            and in_one_namespace(item, group.workload)
        ]
        if scaled:
            scaled[0].autoscalers.append(item)
        else:
            rest.append(item)
    return rest


def _assign_direct(item: Item, grouped: Grouped) -> bool:
    """Assign an object to the app whose strategy names it, else whose pods it selects; return whether there is one."""
    near = [group for group in grouped.groups if in_one_namespace(item, group.workload)]
    named = [group for group in near if item.manifest.name in set(_strategy_names(group))]
    if len(named) > 1:
        users = " and ".join(group.name for group in named)
        message = f"the {item.title()} is named by the strategies of several Rollouts: {users}"
        grouped.findings.append(_note(item, message, "give each Rollout its own object"))
    claims = named or [group for group in near if selects(item, group)]
    _assign(item, claims, grouped)
    return bool(claims)


def _assign_related(left: list[Item], grouped: Grouped) -> None:
    """Assign each object to the app whose objects it is related to, until no more is found."""
    found = True
    while found and left:
        found = False
        for item in list(left):
            near = [group for group in grouped.groups if in_one_namespace(item, group.workload)]
            claims = [group for group in near if _is_related(item, group)]
            if claims:
                _assign(item, claims, grouped)
                left.remove(item)
                found = True
    for item in left:
        groups = grouped.groups
        same = groups if len(groups) == 1 else [group for group in groups if group.name == item.manifest.name]
        if same:
            _assign(item, same, grouped)
        else:
            message = f"the {item.title()} is related to none of the apps: left out"
            grouped.notes.append(_note(item, message, "move it into an app's folder to release it with the app"))


def _assign(item: Item, claims: Sequence[Group], grouped: Grouped) -> None:
    if not claims:
        return
    claims[0].members.append(item)
    if len(claims) > 1:
        users = " and ".join(group.name for group in claims)
        message = f"the {item.title()} is related to {users}: assigned to {claims[0].name}"
        grouped.notes.append(_note(item, message))


def _is_related(item: Item, group: Group) -> bool:
    """Return whether the object refers to an object of the app or the other way round, or selects its Services."""
    names = set(references(item.manifest.body))
    for member in (group.workload, *group.members):
        if member.manifest.name in names or item.manifest.name in set(references(member.manifest.body)):
            return True
        selector = mapping(item.manifest.body, "spec", "selector", "matchLabels")
        labels = mapping(member.manifest.body, "metadata", "labels")
        if member.manifest.kind == "Service" and selector and selector.items() <= labels.items():
            return True
    return False


def references(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of other objects in an object's fields."""
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


def _strategy_names(group: Group) -> Iterator[str]:
    yield from _references("", mapping(group.workload.manifest.body, "spec", "strategy"))
    reference = mapping(group.workload.manifest.body, "spec", "workloadRef").get("name")
    if isinstance(reference, str):
        yield reference


def _note_workload(item: Item, group: Group, grouped: Grouped) -> None:
    if _is_reference(group.workload, item):
        return
    if item.manifest.kind in OTHER_WORKLOADS or is_deployment(item):
        message = f"the {item.title()} goes with {group.name} unchanged: one commit updates all its pods"
        hint = "for its own Rollout, run init with it alone" if is_deployment(item) else ""
        grouped.notes.append(_note(item, message, hint))
