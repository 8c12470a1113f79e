"""The words of a staircase, which all drawings share."""

from __future__ import annotations

from renderer.verbs.show.pictures.staircase import ANALYSIS, EXPERIMENT, PERSON, TIME, Stair, Staircase

WAIT_WORDS = {
    PERSON: "waits for a promotion by a person",
    TIME: "waits for a time",
    ANALYSIS: "waits for the result of an analysis",
    EXPERIMENT: "waits for an experiment",
}
"""The ends of waits that have a mark, in words."""


def stair_text(staircase: Staircase, stair: Stair) -> str:
    """Return one commit in words: its step, its action, the weights and the pods after it, and the wait after it."""
    parts = [" ".join(part for part in (stair.step, stair.action) if part)]
    for share in stair.shares:
        if share.weight or share.pods:
            pods = f"{share.pods_text} pod{'' if share.pods_text == '1' else 's'}"
            parts.append(f"{share.version.label} {staircase.percent(share.weight)}, {pods}")
    if stair.peak_pods > stair.pods:
        parts.append(f"at most {stair.peak_pods} pods")
    return "; ".join(part for part in (*parts, wait_words(stair)) if part)


def wait_words(stair: Stair) -> str:
    """Return what the release waits for after a commit; empty if nothing."""
    if stair.wait in (ANALYSIS, EXPERIMENT):
        return f"{WAIT_WORDS[stair.wait]}: {', '.join(stair.gates)}".removesuffix(": ")
    if stair.wait == PERSON:
        return WAIT_WORDS[PERSON]
    if stair.wait == TIME:
        return f"waits {stair.until.removeprefix('after ')}"
    return f"waits until {'it is live' if stair.until == 'live' else stair.until}" if stair.wait else ""
