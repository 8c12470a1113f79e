"""The trailers of rollstep's commits: their names, and functions to write and to read them."""

from __future__ import annotations

from collections.abc import Iterable

from renderer.pipeline.resolve.step_change import StepChange

PREFIX = "Rollstep-"
"""The prefix of every trailer."""
APP = f"{PREFIX}App"
"""The first trailer of each app in a commit."""
VERB = f"{PREFIX}Verb"
"""The verb of each app in a commit, with the options that decide its outcome."""
BREAK_GLASS = f"{PREFIX}Break-Glass"
"""The reason why a commit passes a freeze, a lag or missing approvals."""
FREEZE = f"{PREFIX}Freeze"
"""The name of the freeze that a commit adds or lifts."""
QUARANTINE = f"{PREFIX}Quarantine"
"""The app and the image that a commit puts in quarantine."""
LIFT = f"{PREFIX}Quarantine-Lift"
"""The app and the image whose quarantine a commit lifts, and the reason (``lift_value``)."""
SOURCE = f"{PREFIX}Source"
"""On an environment branch: the source commit."""
BRANCH = f"{PREFIX}Branch"
"""On an environment branch: the branch of the source commit."""
RENDERED = f"{PREFIX}Rendered"
"""In the notes of a source commit: an environment branch and the commit there."""


def trailers_of(change: StepChange) -> tuple[tuple[str, str], ...]:
    """Return the non-empty trailers of one app's change, as (key, value)."""
    values = {
        "App": change.app,
        "Env": change.environment,
        "Verb": change.verb,
        "Step": "" if change.step is None or change.steps is None else f"{change.step}/{change.steps}",
        "Phase": change.phase,
        "Revision": str(change.revision),
        "Stable": change.stable,
        "Canary": change.canary,
        "Analysis": change.analysis,
    }
    return tuple((PREFIX + key, value) for key, value in values.items() if value)


def releases(trailers: Iterable[tuple[str, str]]) -> tuple[dict[str, str], ...]:
    """Return a commit's trailers grouped by app, without the prefix: ``App``, ``Env``, ``Step`` and so on."""
    found: list[dict[str, str]] = []
    for key, value in trailers:
        if key == APP:
            found.append({})
        if found and key.startswith(PREFIX):
            found[-1].setdefault(key.removeprefix(PREFIX), value)
    return tuple(found)


def listed_value(app: str, image: str) -> str:
    """Return the value of the trailer ``QUARANTINE``: an app, ``*`` for all apps, and an image."""
    return f"{app or '*'} {image}"


def lift_value(app: str, image: str, reason: str) -> str:
    """Return the value of the trailer ``LIFT``."""
    return f"{listed_value(app, image)}: {reason}"


def lifted_images(trailers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the ``listed_value`` of each trailer ``LIFT`` that has a reason."""
    values = (value.partition(": ") for key, value in trailers if key == LIFT)
    return frozenset(head for head, _, reason in values if reason.strip())
