"""A cluster and a sync tool that applies objects in any order, with checks after every write.

The model is independent of the code that divides steps into commits: it reads selectors, weights and replicas from
the applied objects, and counts pods itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from math import factorial
from typing import Any

from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, Manifest, ObjectKey
from renderer.pipeline.load.status_file import dump_state, load_state
from renderer.pipeline.resolve.commit_content import next_state, rendered
from renderer.pipeline.resolve.moves import Move, advance, react, wait
from renderer.pipeline.resolve.resolve import resolve
from renderer.rollouts.controller.replica_math import max_unavailable
from renderer.rollouts.model.corrections import CORRECTIONS
from renderer.rollouts.model.rollout import HASH_LABEL, Rollout
from renderer.rollouts.model.world import EXPAND, PHASES, World
from renderer.rollouts.pod_template import default_rollout
from renderer.verbs.show.plan_rows import peak_pods
from tests.docs.test_router_matrix import MAIN, WEIGHTS
from tests.docs.test_routers import blocks

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STABLE, CANARY = "web-stable", "web-canary"
STEPS: tuple[Any, ...] = ({"setWeight": 20}, {"pause": {"duration": 60}}, {"setWeight": 60}, {"pause": {}})
Objects = Mapping[ObjectKey, Body]
Weights = dict[str, int]


class UnsafeError(AssertionError):
    """A request would go to a version without enough pods."""


class App:
    """The manifests of an app with all corrections, and the function that reads its destinations."""

    def __init__(self, bodies: list[dict[str, Any]], router: str, order: str = "phases") -> None:
        self.router = router
        self.order = order
        self.manifests = [Manifest(body) for body in bodies[1:]]
        rollout = Rollout.from_body(default_rollout(bodies[0]))
        self.world = react(self._resolved(rollout, None, (), NOON)).after

    def _resolved(self, rollout: Rollout, state: Any, found: Iterable[Manifest], now: datetime) -> World:
        corrections = frozenset(CORRECTIONS)
        return resolve(rollout, self.manifests, state, found, now, order=self.order, corrections=corrections).world

    def reloaded(self, world: World) -> World:
        """Return the world as the next command reads it from git."""
        state = load_state(dump_state(next_state(None, world)), "status.yaml")
        found = [Manifest(body) for body in rendered(world).values()]
        return self._resolved(world.rollout, state, found, world.now)

    def routes(self, objects: Objects) -> list[Weights]:
        """Return the weights of the destinations, once for each object that has them."""
        if self.router == "pods":
            return []
        if self.router == "blueGreen":
            return [{"web-active": 100}]
        mains = [body for key, body in sorted(objects.items()) if key.kind == MAIN[self.router] and key.name != "beta"]
        read = WEIGHTS[self.router]
        most = self.world.rollout.canary.traffic_routing.max_traffic_weight or 100  # type: ignore[union-attr]
        canary = [weight for body in mains for weight in read(body, CANARY)]
        if self.router in ("nginx", "ambassador"):
            return [{CANARY: weight, STABLE: most - weight} for weight in canary or [0]]
        stable = [weight for body in mains for weight in read(body, STABLE)]
        return [{CANARY: c, STABLE: s} for c, s in zip(canary, stable, strict=True)]

    def selected(self, objects: Objects, name: str) -> str:
        """Return the hash that a destination selects; raise for a missing Service."""
        for key, body in objects.items():
            if key.kind == "DestinationRule":
                for subset in body["spec"]["subsets"]:
                    if subset["name"] == name:
                        return str((subset.get("labels") or {}).get(HASH_LABEL, ""))
        for key, body in objects.items():
            if key.kind == "Service" and key.name == name:
                return str(body["spec"]["selector"].get(HASH_LABEL, ""))
        raise UnsafeError(f"there is no {name}")


def routed(
    router: str,
    replicas: int = 5,
    steps: Iterable[Any] = STEPS,
    *,
    order: str = "phases",
    routing: Any = None,
    **canary: Any,
) -> App:
    """Return an app with a traffic router; ``canary`` has fields of its strategy, ``routing`` of trafficRouting."""
    bodies = copy.deepcopy(blocks("istio" if router == "istio subsets" else router)[0])
    spec = bodies[0]["spec"]
    spec["replicas"] = replicas
    strategy = spec["strategy"]["canary"]
    strategy["steps"] = list(steps)
    strategy |= canary
    strategy["trafficRouting"] |= routing or {}
    if router == "istio subsets":
        _use_subsets(bodies)
        router = "istio"
    if "pingPong" in canary:
        del strategy["stableService"], strategy["canaryService"]
    return App(bodies, router, order)


def _use_subsets(bodies: list[dict[str, Any]]) -> None:
    strategy = bodies[0]["spec"]["strategy"]["canary"]
    del strategy["stableService"], strategy["canaryService"]
    strategy["trafficRouting"]["istio"]["destinationRule"] = {
        "name": "web",
        "canarySubsetName": CANARY,
        "stableSubsetName": STABLE,
    }
    for share in next(body for body in bodies if body["kind"] == "VirtualService")["spec"]["http"][0]["route"]:
        share["destination"] = {"host": "web", "subset": share["destination"]["host"]}
    subsets = [{"name": name, "labels": {"app": "web"}} for name in (STABLE, CANARY)]
    head = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "web"}}
    bodies.append({**head, "spec": {"host": "web", "subsets": subsets}})


def pods(replicas: int = 5, steps: Iterable[Any] = STEPS, *, order: str = "phases", **canary: Any) -> App:
    """Return a canary without a router: one Service selects the pods of all versions."""
    bodies = copy.deepcopy(blocks("nginx")[0])[:3]
    bodies[0]["spec"]["replicas"] = replicas
    bodies[0]["spec"]["strategy"]["canary"] = {"steps": list(steps), **canary}
    return App(bodies, "pods", order)


def blue_green(replicas: int = 3, *, order: str = "phases", **strategy: Any) -> App:
    """Return a blue-green app."""
    bodies = copy.deepcopy(blocks("nginx")[0])[:3]
    bodies[0]["spec"]["replicas"] = replicas
    bodies[0]["spec"]["strategy"] = {
        "blueGreen": {"activeService": "web-active", "previewService": "web-preview", **strategy}
    }
    for body, name in zip(bodies[1:], ("web-active", "web-preview"), strict=True):
        body["metadata"]["name"] = name
    return App(bodies, "blueGreen", order)


class Simulation:
    """An app's commits, and a cluster to which their objects are applied one at a time.

    ``commits`` may be applied: the last live one and all later ones.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.world = app.world
        self.commits: list[Objects] = [rendered(self.world)]
        self.waves: list[Mapping[ObjectKey, str]] = [{}]
        self.rollouts = [self.world.rollout]
        self.peak = sum(rs.replicas for rs in self.world.replica_sets)
        self.objects: dict[ObjectKey, Body] = dict(self.commits[0])
        self.available = {key.name: _replicas(body) for key, body in self.objects.items() if key.kind == "ReplicaSet"}
        self.dead: dict[str, int] = {}
        self.checks = 0

    # Actions of the operator.

    def do(self, verb: Callable[[World], Move | None]) -> bool:
        """Run a verb and commit its result; return whether there was one."""
        self.is_live()
        try:
            move = verb(self.world)
        except RollstepError:
            return False
        if move is None:
            return False
        self.peak = max(self.peak, peak_pods(move))
        self.world = self.app.reloaded(move.after)
        self.commits.append(rendered(self.world))
        self.waves.append(self.world.waves)
        if len(self.commits) > 2:
            # The plan's peak counts from a live commit; other commits may add pods to it.
            self.peak = max(self.peak, self._most_of_any_commit())
        self.rollouts.append(self.world.rollout)
        return True

    def advance(self) -> bool:
        """Make the next commit if the last one is live."""
        return self.is_live() and self.do(advance)

    def sleep(self, seconds: float) -> None:
        self.world = replace(self.world, now=self.world.now + timedelta(seconds=seconds))

    def sleep_until_due(self) -> None:
        until = wait(self.world).until
        self.sleep(max(0.0, (until - self.world.now).total_seconds()) if until else 0)

    def is_live(self) -> bool:
        """Return whether the last commit is applied with all its pods available."""
        if self.objects != self.commits[-1] or any(self.missing(name) for name in self.available):
            return False
        self.commits, self.rollouts, self.waves = self.commits[-1:], self.rollouts[-1:], self.waves[-1:]
        self.peak = self.sum_of_pods()
        return True

    # Actions of the sync tool and the cluster.

    def pending(self, commit: int = -1) -> list[ObjectKey]:
        """Return the objects in which the cluster differs from a commit."""
        wanted = self.commits[commit]
        return [key for key in sorted(wanted.keys() | self.objects) if wanted.get(key) != self.objects.get(key)]

    def next_wave(self, commit: int = -1) -> list[ObjectKey]:
        """Return the objects that a sync of a commit applies next, in any order; a wave waits for the one before."""
        pending = self.pending(commit)
        wave = min((self._wave(key, commit) for key in pending), default=0)
        before = [key for key in self.objects if key not in pending and self._wave(key, commit) < wave]
        if any(key.kind == "ReplicaSet" and self.missing(key.name) for key in before):
            return []
        return [key for key in pending if self._wave(key, commit) == wave]

    def _wave(self, key: ObjectKey, commit: int = -1) -> int:
        # A removal has the wave of the object's last manifest, from an older commit.
        return PHASES.index(self.waves[commit].get(key, EXPAND))

    def apply(self, key: ObjectKey, commit: int = -1) -> None:
        """Apply or remove one object as in a commit, and check."""
        body = self.commits[commit].get(key)
        if body is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = body
        if key.kind == "ReplicaSet":
            asked = _replicas(body) if body else 0
            # The worst case: old pods go at once, new ones come later.
            self.available[key.name] = min(self.available.get(key.name, 0), asked)
            self.dead[key.name] = min(self.dead.get(key.name, 0), asked - self.available[key.name])
        self.check()

    def missing(self, name: str) -> int:
        return self._asked_now(name) - self.available.get(name, 0)

    def start_pod(self, name: str) -> None:
        if self.missing(name):
            self.available[name] = self.available.get(name, 0) + 1
            self.dead[name] = min(self.dead.get(name, 0), self.missing(name))

    def start_all(self) -> None:
        for key in self.objects:
            while key.kind == "ReplicaSet" and self.missing(key.name):
                self.start_pod(key.name)

    def kill_pod(self, name: str) -> None:
        if self.available.get(name):
            self.available[name] -= 1
            self.dead[name] = self.dead.get(name, 0) + 1

    def apply_all(self) -> None:
        while self.pending():
            for key in self.next_wave():
                self.apply(key)
            self.start_all()
        self.start_all()

    def snapshot(self) -> tuple[dict[ObjectKey, Body], dict[str, int], dict[str, int]]:
        return dict(self.objects), dict(self.available), dict(self.dead)

    def restore(self, snapshot: tuple[dict[ObjectKey, Body], dict[str, int], dict[str, int]]) -> None:
        self.objects, self.available, self.dead = (dict(part) for part in snapshot)  # type: ignore[assignment]

    # Checks.

    def sum_of_pods(self) -> int:
        return sum(_replicas(body) for key, body in self.objects.items() if key.kind == "ReplicaSet")

    def _most_of_any_commit(self) -> int:
        most: dict[str, int] = {}
        for commit in self.commits:
            for key, body in commit.items():
                if key.kind == "ReplicaSet":
                    most[key.name] = max(most.get(key.name, 0), _replicas(body))
        return sum(most.values())

    def check(self) -> None:
        """Raise UnsafeError if a request would go astray, or if pods are too few or more than planned."""
        self.checks += 1
        if self.sum_of_pods() > self.peak:
            raise UnsafeError(f"{self.sum_of_pods()} pods, announced were {self.peak}")
        rollout = min(self.rollouts, key=lambda rollout: rollout.replicas)
        if self.app.router == "pods":
            there = sum(self._counted(key) for key in self.objects if key.kind == "ReplicaSet")
            if there < rollout.replicas - max_unavailable(rollout):
                raise UnsafeError(f"{there} pods of {rollout.replicas} are available")
        for weights in self.app.routes(self.objects):
            self._check_route(rollout, weights)

    def _check_route(self, rollout: Rollout, weights: Weights) -> None:
        most = sum(weights.values())
        for chosen, weight in self._loads(self.objects, weights).items():
            keys = [key for key, body in self.objects.items() if _is_of(key, body, chosen)]
            if not keys:
                raise UnsafeError(f"weight {weight} goes to {chosen}, which is not there")
            there = sum(self._counted(key) for key in keys)
            share = weight * rollout.replicas // most - max_unavailable(rollout)
            wanted = min(share, self._asked(keys, chosen, weight))
            if there < max(1, wanted):
                raise UnsafeError(f"weight {weight} goes to {chosen}, which has {there} pods of {wanted}")

    def _loads(self, objects: Objects, weights: Weights) -> dict[str, int]:
        loads: dict[str, int] = {}
        for name, weight in weights.items():
            if weight:
                chosen = self.app.selected(objects, name)
                loads[chosen] = loads.get(chosen, 0) + weight
        return loads

    def _asked(self, keys: list[ObjectKey], chosen: str, weight: int) -> int:
        """Return the pods that the Rollout asks for; setCanaryScale may ask for fewer than the weight's share.

        These are the live commit's pods if it gives them that much traffic, else the most of any commit.
        """
        live = self.commits[0]
        had = max((self._loads(live, weights).get(chosen, 0) for weights in self.app.routes(live)), default=0)
        commits = [live] if had >= weight else self.commits
        return max(sum(_replicas(commit[key]) for key in keys if key in commit) for commit in commits)

    def _counted(self, key: ObjectKey) -> int:
        """Return the pods without those that died, which no order of writes can prevent."""
        return self.available.get(key.name, 0) + self.dead.get(key.name, 0)

    def _asked_now(self, name: str) -> int:
        return sum(
            _replicas(body) for key, body in self.objects.items() if key.kind == "ReplicaSet" and key.name == name
        )


def _replicas(body: Body) -> int:
    return int(body["spec"]["replicas"])


def _is_of(key: ObjectKey, body: Body, chosen: str) -> bool:
    """Return whether a destination selects the pods of a ReplicaSet; without a hash it selects all pods."""
    return key.kind == "ReplicaSet" and chosen in ("", body["metadata"]["labels"].get(HASH_LABEL))


def explore(simulation: Simulation) -> int:
    """Check every state in any order of the last commit's writes; return the number of orders.

    A state depends only on the set of applied objects, so every subset is tried, wave by wave.  The simulation is left
    unchanged.
    """
    start = simulation.snapshot()
    orders = 1
    while keys := simulation.next_wave():
        before = simulation.snapshot()
        for chosen in _subsets(keys):
            for key in chosen:
                simulation.apply(key)
            simulation.restore(before)
        for key in keys:
            simulation.apply(key)
        simulation.start_all()
        orders *= factorial(len(keys))
    simulation.restore(start)
    return orders


def _subsets(keys: list[ObjectKey]) -> Iterator[tuple[ObjectKey, ...]]:
    return chain.from_iterable(combinations(keys, count) for count in range(1, len(keys) + 1))
