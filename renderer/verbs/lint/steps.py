"""Canary steps that the controller accepts and that do not do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from renderer.errors import Finding
from renderer.kubernetes.manifest import field_path
from renderer.rollouts.checks.report import Path, part_of
from renderer.rollouts.controller.replica_counts import approximate_weighted_counts
from renderer.rollouts.controller.replica_math import max_surge
from renderer.rollouts.model.spec import CANARY, ROUTING, RolloutPause
from renderer.verbs.lint.context import Context, Group, Subject, kind_of, parse_rollout

STEPS: Path = (*CANARY, "steps")
TOLERANCE = 5
"""The percentage points by which the share of pods may miss a weight."""
LONGEST_PAUSE_DAYS = 30
DAY = 86_400
"""The seconds of a day."""
AUTOSCALERS = (("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject"))


def weights_below_one_pod(context: Context) -> Iterator[Finding]:
    """Yield weights of less than one pod, in Rollouts without a router and an autoscaler."""
    autoscaled = _autoscaled(context)
    for subject in context.subjects():
        replicas = subject.integer("spec", "replicas")
        if not replicas or replicas < 1 or subject.at(*ROUTING) is not None:
            continue
        rollout = None if (subject.group, subject.rollout.name) in autoscaled else parse_rollout(subject)
        if rollout is None:
            continue
        for path, weight in _weights(subject):
            if not 0 < weight < 100 or replicas * min(weight, 100 - weight) >= 100:
                continue
            canary, stable = approximate_weighted_counts(replicas, weight, 100, max_surge(rollout))
            share = round(100 * Fraction(canary, canary + stable))
            if abs(share - weight) < TOLERANCE:
                continue
            total, pods = canary + stable, "1 pod" if replicas == 1 else f"{replicas} pods"
            side = "canary" if weight <= 50 else "stable version"
            message = (
                f"{min(weight, 100 - weight)}% of {pods} for the {side} is less than one pod: without a router, "
                f"the canary has {canary} of {total} pods, and with them about {share}% of the requests"
            )
            yield subject.finding(path, message, "run more pods, choose another weight, or use trafficRouting")


def _autoscaled(context: Context) -> set[tuple[Group, str]]:
    found = set()
    for group in context.groups:
        for manifest in group.manifests:
            target = part_of(manifest.body, ("spec", "scaleTargetRef", "name"))
            if kind_of(manifest) in AUTOSCALERS and isinstance(target, str):
                found.add((group, target))
    return found


def _weights(subject: Subject) -> Iterator[tuple[Path, int]]:
    for index in range(len(subject.items(*STEPS))):
        path = (*STEPS, index, "setWeight")
        weight = subject.integer(*path)
        if weight is not None:
            yield path, weight


def weights_that_do_not_grow(context: Context) -> Iterator[Finding]:
    """Yield weights that are not higher than the weight before."""
    for subject in context.subjects():
        before: tuple[Path, int] | None = None
        for path, weight in _weights(subject):
            if before is not None and weight <= before[1]:
                effect = "changes nothing" if weight == before[1] else "returns traffic to the stable version"
                message = f"{weight} after {before[1]} ({field_path(before[0])}): this step {effect}"
                yield subject.finding(path, message, "raise the weight from step to step")
            before = (path, weight)


def pauses_without_length(context: Context) -> Iterator[Finding]:
    """Yield pauses that end at once."""
    for path, seconds, subject in _pauses(context):
        if seconds == 0:
            message = f"{subject.at(*path)!r} ends at once: the controller counts whole seconds"
            yield subject.finding(path, message, "write at least 1s, or `pause: {}` to wait for a person")


def pauses_without_end(context: Context) -> Iterator[Finding]:
    """Yield pauses that only a person ends in practice, and those that a sync tool begins again."""
    for path, seconds, subject in _pauses(context):
        if seconds > LONGEST_PAUSE_DAYS * DAY:
            message = f"{subject.at(*path)!r} is {seconds // DAY} days: in practice only a person ends this pause"
            yield subject.finding(path, message, "write `pause: {}` to wait for a person, or a duration in s, m or h")
    for subject in context.subjects():
        if subject.at("spec", "paused") is True and not subject.group.app:
            message = "is in the manifest: a sync tool pauses the release again after each resume"
            hint = "remove it, and pause in the cluster, or with a pause step"
            yield subject.finding(("spec", "paused"), message, hint)


def _pauses(context: Context) -> Iterator[tuple[Path, int, Subject]]:
    """Yield each pause with a duration, and its seconds."""
    for subject in context.subjects():
        for index in range(len(subject.items(*STEPS))):
            path = (*STEPS, index, "pause", "duration")
            duration = subject.at(*path)
            if isinstance(duration, int | str) and not isinstance(duration, bool):
                yield path, RolloutPause(duration).duration_seconds, subject


def pauses_at_the_end(context: Context) -> Iterator[Finding]:
    """Yield last steps that wait for a person after the canary has all traffic."""
    for subject in context.subjects():
        last = len(subject.items(*STEPS)) - 1
        pause = subject.at(*STEPS, last, "pause") if last >= 0 else None
        weights = [weight for _, weight in _weights(subject)]
        most = subject.integer(*ROUTING, "maxTrafficWeight") or 100
        if isinstance(pause, dict) and pause.get("duration") is None and weights and weights[-1] >= most:
            message = "the canary has all traffic, and the release stays incomplete until a person promotes it"
            hint = "give the pause a duration, or remove it: the release is complete after the last step"
            yield subject.finding((*STEPS, last, "pause"), message, hint)
