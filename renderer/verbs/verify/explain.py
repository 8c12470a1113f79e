"""Why a commit is no step of a release: the lines that are not what any verb gives, and what they would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from renderer.errors import Finding, RollstepError, printable
from renderer.git.objects import TreeFile
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.resolve.describe import current
from renderer.pipeline.resolve.release import Release
from renderer.rollouts.info import traffic_weight
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.world import World
from renderer.verbs.verify.app_state import AppState
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.expected import Made
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.object_cache import Objects

_MOST_LINES = 5
"""How many lines of one file are told."""


def explain(
    loader: Loader, change: Change, release: Release, now: AppState, then: AppState, made: Sequence[Made]
) -> Iterator[Finding]:
    """Yield what is wrong with a commit that no verb makes: ``made`` is what they would make of the commit before.

    First what it does to the traffic, then every line that differs from what comes nearest.
    """
    nearest = min(made, key=lambda one: ("" in one.different(now, then), len(one.different(now, then))))
    try:
        world = loader.world(change.commit.sha, now)
    except RollstepError:
        world = None
    if world is not None:
        yield from _traffic(release.world, world, now, [one.transition.move.after for one in made], nearest)
    different = nearest.different(now, then)
    state = now.state()
    if state is not None and "" in different:
        yield _no_step(now, world, nearest)
    hint = f"rollstep render {now.place.environment}/{now.place.app} writes it anew, or git revert takes the edit back"
    for name in different:
        if name == MARKER and len(different) > 1:
            continue
        yield from differing_lines(now.path(name), nearest.files.get(name), now.contents.get(name), hint)


def _no_step(now: AppState, world: World | None, nearest: Made) -> Finding:
    after = nearest.transition.move.after
    here = "" if world is None or world.status.current_step_index is None else f" {world.status.current_step_index}"
    follows = "" if after.status.current_step_index is None else f" {after.status.current_step_index}"
    message = (
        f"step{here} does not follow from the commit before: nearest is step{follows}, by {nearest.transition.verb}"
    )
    return Finding(now.place.status_file, 0, 0, "", message, "undo the commit and let rollstep make the step")


def _traffic(before: World, world: World, now: AppState, after: Sequence[World], nearest: Made) -> Iterator[Finding]:
    """Yield a jump of the weight, and ReplicaSets that get traffic and are gone or too small."""
    newest = current(world)
    if newest is not None:
        weight, weights = traffic_weight(world, newest), sorted({_weight(one, newest) for one in after})
        if weight not in {*weights, _weight(before, newest)}:
            may = ", ".join(map(str, weights))
            message = f"the weight of {newest.name} jumps from {_weight(before, newest)} to {weight}: next may be {may}"
            yield Finding(now.place.status_file, 0, 0, "", message, "a release goes step by step")
    wanted = nearest.transition.move.after
    for pod_hash, share in sorted(_shares(world).items()):
        replica_set, old = world.replica_set_by_hash(pod_hash), before.replica_set_by_hash(pod_hash)
        name = replica_set.name if replica_set else old.name if old else f"the ReplicaSet {pod_hash}"
        file = now.path(f"replicaset-{name}.yaml")
        if replica_set is None:
            yield Finding(file, 0, 0, "", f"{name} gets {share}% of the traffic and is gone", "git revert the commit")
            continue
        needed = wanted.replica_set_by_hash(pod_hash)
        if needed is not None and replica_set.replicas < needed.replicas:
            message = f"{name} gets {share}% of the traffic and has {replica_set.replicas} of {needed.replicas} pods"
            yield Finding(file, 0, 0, "spec.replicas", message, "git revert the commit")


def _weight(world: World, replica_set: ReplicaSet) -> int:
    found = world.replica_set_by_hash(replica_set.pod_template_hash)
    return traffic_weight(world, found) if found is not None else 0


def _shares(world: World) -> dict[str, int]:
    """Return the ReplicaSets' hashes that get traffic, each with its weight."""
    weights = world.status.canary.weights
    if weights is not None:
        given = [
            (item.pod_template_hash, item.weight) for item in (weights.stable, weights.canary, *weights.additional)
        ]
        return {
            name: sum(share for other, share in given if other == name) for name, weight in given if weight and name
        }
    active = world.status.blue_green.active_selector
    return {active: 100} if active else {world.status.stable_rs: 100} if world.status.stable_rs else {}


def differing_lines(path: str, wanted: bytes | None, found: bytes | None, hint: str) -> Iterator[Finding]:
    """Yield the lines in which a file differs from what is to be there."""
    from difflib import SequenceMatcher

    if found is None or wanted is None:
        message = "is gone, and the step has it" if found is None else "is no file that the step has"
        yield Finding(path, 0, 0, "", message, hint)
        return
    is_secret = path.rpartition("/")[2].startswith("secret-")
    old, new = (content.decode(errors="replace").split("\n") for content in (wanted, found))
    blocks = [block for block in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if block[0] != "equal"]
    for _, old_from, old_to, new_from, new_to in blocks[:_MOST_LINES]:
        expected, there = (_shown(lines) for lines in (old[old_from:old_to], new[new_from:new_to]))
        # What a Secret holds is nobody's to read in a log.
        told = "" if is_secret else f": found {there}, expected {expected}"
        yield Finding(path, new_from + 1, 0, "", f"was edited by hand{told}", hint)
    if len(blocks) > _MOST_LINES:
        yield Finding(path, 0, 0, "", f"differs in {len(blocks) - _MOST_LINES} more places", hint)


def differing_files(
    objects: Objects, wanted: Mapping[str, TreeFile], found: Mapping[str, TreeFile], hint: str
) -> Iterator[Finding]:
    """Yield the lines in which the files of one tree differ from those that are to be there."""
    for path in different_paths(wanted, found):
        contents = objects.contents(files[path].sha for files in (wanted, found) if path in files)
        old, new = (contents[files[path].sha] if path in files else None for files in (wanted, found))
        yield from differing_lines(path, old, new, hint)


def different_paths(wanted: Mapping[str, TreeFile], found: Mapping[str, TreeFile]) -> list[str]:
    """Return the paths of the files in which two trees differ, sorted."""
    return sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))


def _shown(lines: Sequence[str]) -> str:
    """Return the first of some lines in short, never a whole document."""
    if not lines:
        return "nothing"
    first = lines[0].strip()
    text = printable(first)
    text = f"`{text[:79]}…`" if len(text) > 80 else f"`{text}`"
    return text if len(lines) == 1 else f"{text} and {len(lines) - 1} more lines"
