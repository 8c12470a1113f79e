"""The words of a staircase, which all drawings share."""

from __future__ import annotations

from renderer.verbs.show.pictures.staircase import (
    ANALYSIS,
    COMING,
    DONE,
    NEW,
    OLD,
    PERSON,
    STABLE,
    TIME,
    Share,
    Stair,
    Staircase,
)
from renderer.verbs.show.planned import EXPERIMENT

WAIT_WORDS = {
    PERSON: "waits for a promotion",
    TIME: "waits for a time",
    ANALYSIS: "waits for the result of an analysis",
    EXPERIMENT: "waits for an experiment",
}
"""The ends of waits that have a mark, in words."""
KIND_WORDS = {NEW: "new", STABLE: "stable", OLD: "other", EXPERIMENT: "in an experiment"}
"""The kinds of versions in words."""


def number_of(staircase: Staircase, index: int) -> str:
    """Return the number of a commit to come, ``now`` for the last one, and a check mark for those before it."""
    stair = staircase.stairs[index]
    if stair.place == COMING:
        return str(index + 1 - sum(other.place != COMING for other in staircase.stairs))
    return "✓" if stair.place == DONE else stair.place


def stair_text(staircase: Staircase, stair: Stair) -> str:
    """Return one commit in words: its step, its action, the weights and the pods after it, and the wait after it."""
    parts = [" ".join(part for part in (stair.step, stair.action) if part)]
    for share in stair.shares:
        if share.weight or share.pods:
            parts.append(f"{share.version.label}: {staircase.percent(share.weight)}, {pods_text(share)}")
    if stair.peak_pods > stair.pods:
        parts.append(f"at most {stair.peak_pods} pods")
    return "; ".join(part for part in (*parts, wait_words(stair)) if part)


def pods_text(share: Share) -> str:
    """Return the pods of a version in words."""
    return f"{share.pods_text} pod{'' if share.pods_text == '1' else 's'}"


def wait_words(stair: Stair) -> str:
    """Return what the release waits for after a commit; empty if nothing."""
    names = f": {', '.join(stair.gates)}" if stair.gates else ""
    if stair.wait == TIME:
        return f"waits {stair.until.removeprefix('after ')}"
    if stair.wait in WAIT_WORDS:
        return f"{WAIT_WORDS[stair.wait]}{names}"
    return f"waits until {'it is live' if stair.until == 'live' else stair.until}" if stair.wait else ""
