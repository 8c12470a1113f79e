"""The words of a pull request in Markdown: what its step changes, what follows it, and how to go back."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.kubernetes.printing import markdown_code, markdown_text
from renderer.pipeline.resolve.describe import is_promoted
from renderer.pipeline.resolve.moves import Move
from renderer.pipeline.resolve.step_change import StepChange
from renderer.verbs.show.pictures.staircase import COMING, NOW, PERSON, STABLE, Stair, Staircase, Version
from renderer.verbs.show.pictures.words import wait_words

MOST_OBJECTS = 5
"""The most objects that a sentence names."""


def change_in_words(staircase: Staircase, move: Move, change: StepChange) -> str:
    """Return what the first commit to come changes: ``1.2.0 gets 20% of the traffic, 1 pod more; nothing else``."""
    shares = [text for version in staircase.versions if (text := _version_change(staircase, version))]
    written = {(write.kind, write.name) for write in move.writes}
    others = [f"{row.kind} {row.name} {row.change}" for row in change.objects if (row.kind, row.name) not in written]
    if len(others) > MOST_OBJECTS:
        others[MOST_OBJECTS:] = [f"{len(others) - MOST_OBJECTS} more objects"]
    return markdown_text("; ".join([*(shares or ["traffic and pods stay as they are"]), *(others or ["nothing else"])]))


def following(staircase: Staircase, target: str) -> str:
    """Return what follows once the first commit to come of the app ``target`` is merged."""
    stair = _stair(staircase, COMING)
    if stair is None or not stair.wait:
        return "After it nothing is left to do."
    words = markdown_text(f"After it the release {wait_words(stair)}.")
    if stair.wait == PERSON:
        words += f" The next pull request or {markdown_code(f'rollstep promote {target}')} goes on."
    return words


def ways_back(staircase: Staircase, move: Move, target: str) -> str:
    """Return how to go back after ``move`` of the app ``target``."""
    status = move.after.status
    revert = "Reverting the merge takes this step alone back."
    if status.abort:
        return f"{markdown_code(f'rollstep retry {target}')} starts the release again."
    if not move.before.status.stable_rs:
        return "Reverting the merge takes the first version back."
    if is_promoted(move.after):
        return f"{markdown_code(f'rollstep undo {target}')} goes back to the version before."
    stable = next((version.label for version in staircase.versions if version.kind == STABLE), "")
    if not stable:
        return revert
    abort = markdown_code(f"rollstep abort {target}")
    return f"{abort} gives all traffic back to {markdown_text(stable)}. {revert}"


def _version_change(staircase: Staircase, version: Version) -> str:
    (old_weight, old_pods), (weight, pods) = (_share(_stair(staircase, place), version) for place in (NOW, COMING))
    return ", ".join(_parts(version.label, staircase, old_weight, weight, pods - old_pods))


def _parts(label: str, staircase: Staircase, old: int, new: int, pods: int) -> Iterator[str]:
    if new > old:
        yield f"{label} gets {staircase.percent(new)} of the traffic"
    elif new < old:
        yield f"{label} keeps {staircase.percent(new)} of the traffic" if new else f"{label} gets no traffic"
    if pods:
        difference = f"{abs(pods)} pod{'' if abs(pods) == 1 else 's'} {'more' if pods > 0 else 'fewer'}"
        yield difference if new != old else f"{label} has {difference}"


def _stair(staircase: Staircase, place: str) -> Stair | None:
    return next((stair for stair in staircase.stairs if stair.place == place), None)


def _share(stair: Stair | None, version: Version) -> tuple[int, int]:
    """Return the weight and the pods of a version after a commit."""
    shares = [share for share in (stair.shares if stair else ()) if share.version == version]
    return sum(share.weight for share in shares), sum(share.pods for share in shares)
