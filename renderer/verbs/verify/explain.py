"""The findings about an illegal commit: a wrong step, missing pods, and the lines that no verb renders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from renderer.errors import Finding, RollstepError, printable
from renderer.git.objects import TreeFile
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.resolve.describe import current_replica_set
from renderer.pipeline.resolve.release import Release
from renderer.rollouts.info import traffic_weight
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import World
from renderer.verbs.verify.app_state import AppState
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.expected import Expected, rendered_state
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.object_cache import ObjectCache

_MOST_DIFFERENCES = 5
"""The most differences of one file that are reported one by one."""


def explain(
    loader: Loader, change: Change, release: Release, after: AppState, before: AppState, expected: Sequence[Expected]
) -> Iterator[Finding]:
    """Yield the findings about a commit that no verb makes; ``expected`` are the verbs' results on its parent.

    A step that does not follow is one finding, with the jump of traffic.  Missing pods and differing files are findings
    of their own where the files are not those of that step.
    """
    nearest = min(expected, key=lambda one: ("" in one.differences(after, before), len(one.differences(after, before))))
    try:
        world = loader.world(change.commit.sha, after)
    except RollstepError:
        world = None
    differences, files = nearest.differences(after, before), nearest.files
    location = after.location
    hint = f"`rollstep render {location.environment}/{location.app}` restores the file, git revert the commit before"
    if "" in differences and after.state() is not None:
        jump = _jump(release.world, world, [one.transition.move.after for one in expected]) if world is not None else ""
        yield _wrong_step(after, world, nearest, jump)
        own = own_render(loader, change, after)
        if own is not None:
            # The files belong to the step that was made: only what differs from it has another cause.
            differences, files = own.differences(after, before), own.files
    if world is not None and differences:
        yield from _missing_pods(release.world, world, after, nearest)
    for name in differences:
        if name == MARKER and len(differences) > 1:
            continue
        yield from differing_lines(after.path(name), files.get(name), after.contents.get(name), hint)


def own_differences(loader: Loader, change: Change, after: AppState) -> tuple[str, ...] | None:
    """Return the names of the files in which ``after`` is not what its own status renders; None if it cannot be."""
    own = own_render(loader, change, after)
    return None if own is None else own.differences(after, after)


def own_render(loader: Loader, change: Change, after: AppState) -> Expected | None:
    """Return the files that the commit's own status renders; None for a state that cannot be loaded or rendered."""
    try:
        return rendered_state(loader, change.commit.sha, after.location, after, change.commit.sha)
    except RollstepError:
        return None


def _wrong_step(after: AppState, world: World | None, nearest: Expected, jump: str) -> Finding:
    legal = nearest.transition.move.after.status.current_step_index
    here = "" if world is None or world.status.current_step_index is None else f" {world.status.current_step_index}"
    to_step = "" if legal is None else f", to step {legal}"
    message = f"step{here} does not follow from the commit before: the nearest is {nearest.transition.verb!r}{to_step}"
    message = "; ".join(filter(None, (message, jump)))
    return Finding(after.location.status_file, 0, 0, "", message, "undo the commit and let rollstep make the step")


def _jump(before: World, world: World, legal: Sequence[World]) -> str:
    """Return the jump of the new version's weight in words; empty if the weight is legal."""
    newest = current_replica_set(world)
    if newest is None:
        return ""
    weight, weights = traffic_weight(world, newest), sorted({_weight(one, newest) for one in legal})
    old_weight = _weight(before, newest)
    if weight in {*weights, old_weight}:
        return ""
    return f"the weight of {newest.name} jumps from {old_weight} to {weight}, expected {' or '.join(map(str, weights))}"


def _missing_pods(before: World, world: World, after: AppState, nearest: Expected) -> Iterator[Finding]:
    """Yield every ReplicaSet that gets traffic and is missing or too small."""
    wanted = nearest.transition.move.after
    for pod_hash, share in sorted(status_shares(world.status).items()):
        replica_set, old = world.replica_set_by_hash(pod_hash), before.replica_set_by_hash(pod_hash)
        name = replica_set.name if replica_set else old.name if old else f"the ReplicaSet {pod_hash}"
        file = after.path(f"replicaset-{name}.yaml")
        if replica_set is None:
            message = f"{name} gets {share}% of the traffic and is missing"
            yield Finding(file, 0, 0, "", message, "git revert the commit")
            continue
        needed = wanted.replica_set_by_hash(pod_hash)
        if needed is not None and replica_set.replicas < needed.replicas:
            message = f"{name} gets {share}% of the traffic and has {replica_set.replicas} of {needed.replicas} pods"
            yield Finding(file, 0, 0, "spec.replicas", message, "git revert the commit")


def _weight(world: World, replica_set: ReplicaSet) -> int:
    found = world.replica_set_by_hash(replica_set.pod_template_hash)
    return traffic_weight(world, found) if found is not None else 0


def status_shares(status: RolloutStatus) -> dict[str, int]:
    """Return the weight of each ReplicaSet that gets traffic, by pod-template-hash."""
    weights = status.canary.weights
    if weights is not None:
        shares = Counter[str]()
        for item in (weights.stable, weights.canary, *weights.additional):
            shares[item.pod_template_hash] += item.weight
        return {name: share for name, share in shares.items() if name and share}
    active = status.blue_green.active_selector or status.stable_rs
    return {active: 100} if active else {}


def differing_lines(path: str, wanted: bytes | None, found: bytes | None, hint: str) -> Iterator[Finding]:
    """Yield the differences of a file from the wanted content; None stands for a missing file."""
    from difflib import SequenceMatcher

    if found is None or wanted is None:
        message = "is missing, and the step has it" if found is None else "is not a file of the step"
        yield Finding(path, 0, 0, "", message, hint)
        return
    is_secret = path.rpartition("/")[2].startswith("secret-")
    old, new = (content.decode(errors="replace").split("\n") for content in (wanted, found))
    blocks = [block for block in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if block[0] != "equal"]
    for _, old_from, old_to, new_from, new_to in blocks[:_MOST_DIFFERENCES]:
        expected, actual = (_shown(lines) for lines in (old[old_from:old_to], new[new_from:new_to]))
        # Logs never show a Secret's content.
        details = "" if is_secret else f": found {actual}, expected {expected}"
        yield Finding(path, new_from + 1, 0, "", f"was edited by hand{details}", hint)
    if len(blocks) > _MOST_DIFFERENCES:
        yield Finding(path, 0, 0, "", f"differs in {len(blocks) - _MOST_DIFFERENCES} more places", hint)


def differing_files(
    objects: ObjectCache, wanted: Mapping[str, TreeFile], found: Mapping[str, TreeFile], hint: str
) -> Iterator[Finding]:
    """Yield the differences of a tree's files from the wanted ones."""
    for path in different_paths(wanted, found):
        contents = objects.contents(files[path].sha for files in (wanted, found) if path in files)
        old, new = (contents[files[path].sha] if path in files else None for files in (wanted, found))
        yield from differing_lines(path, old, new, hint)


def different_paths(wanted: Mapping[str, TreeFile], found: Mapping[str, TreeFile]) -> list[str]:
    """Return the paths in which two trees differ, sorted."""
    return sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))


def _shown(lines: Sequence[str]) -> str:
    """Return the first line in short, with the number of further ones; never a whole document."""
    if not lines:
        return "nothing"
    text = printable(lines[0].strip())
    text = f"`{text[:79]}…`" if len(text) > 80 else f"`{text}`"
    return text if len(lines) == 1 else f"{text} and {len(lines) - 1} more lines"
