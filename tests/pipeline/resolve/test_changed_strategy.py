"""Another strategy, router or other Services, between two releases or in the middle of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from renderer.kubernetes.manifest import Manifest
from renderer.pipeline.load.status_file import dump_state, load_state
from renderer.pipeline.resolve.commit_content import next_state, rendered
from renderer.rollouts.model.rollout import HASH_LABEL, Rollout
from renderer.rollouts.pod_template import default_rollout
from tests.pipeline.resolve.ordering.test_ordering import PING_PONG, forked, go_on, image
from tests.support import ordering_model
from tests.support.ordering_model import CANARY, STABLE, STEPS, App, Objects, Simulation, Weights, routed


class BlueGreenApp(App):
    """A blue-green app with the Services of the other apps."""

    def routes(self, objects: Objects) -> list[Weights]:
        return [{STABLE: 100}]


def blue_green(order: str) -> App:
    app = routed("nginx", 4, order=order)
    strategy = {"activeService": STABLE, "previewService": CANARY, "autoPromotionEnabled": False}
    body = {**app.world.rollout.body, "spec": {**app.world.rollout.body["spec"], "strategy": {"blueGreen": strategy}}}
    services = [dict(item.body) for item in app.manifests if item.kind == "Service"]
    return BlueGreenApp([body, *services], "blueGreen", order)


APPS: dict[str, Callable[[str], App]] = {
    "alb": lambda order: routed("alb", 4, order=order),
    "alb, ping-pong": lambda order: routed("alb", 4, order=order, pingPong=PING_PONG),
    "blue-green": blue_green,
    "istio": lambda order: routed("istio", 4, order=order),
    "istio, ping-pong": lambda order: routed("istio", 4, order=order, pingPong=PING_PONG),
    "nginx": lambda order: routed("nginx", 4, order=order),
    "pods": lambda order: ordering_model.pods(4, STEPS, order=order),
    "subsets": lambda order: routed("istio subsets", 4, order=order),
}
CHANGES = (
    ("alb", "alb, ping-pong"),
    ("alb, ping-pong", "blue-green"),
    ("blue-green", "nginx"),
    ("istio", "istio, ping-pong"),
    ("istio, ping-pong", "istio"),
    ("nginx", "blue-green"),
    ("nginx", "istio"),
    ("nginx", "pods"),
    ("pods", "nginx"),
    ("subsets", "blue-green"),
)


def points(simulation: Simulation) -> Iterator[Simulation]:
    """Yield the release before its first commit, and after each of them once it is live."""
    yield forked(simulation)
    assert simulation.do(image("2.0.0"))
    for _ in range(30):
        simulation.apply_all()
        yield forked(simulation)
        assert simulation.is_live()
        if not go_on(simulation):
            return
    raise AssertionError("the release does not end")


def changed(simulation: Simulation, app: App) -> None:
    """Give a release the manifests of another app, with the pod template that it has."""
    simulation.apply_all()
    assert simulation.is_live()
    world = simulation.world
    template = world.rollout.body["spec"]["template"]
    body: dict[str, Any] = {**app.world.rollout.body, "spec": {**app.world.rollout.body["spec"], "template": template}}
    state = load_state(dump_state(next_state(None, world)), "status.yaml")
    found = [Manifest(item) for item in rendered(world).values()]
    rollout = Rollout.from_body(default_rollout(body))
    simulation.app, simulation.world = app, app._resolved(rollout, state, found, world.now)
    # The objects of the old app are in the cluster until the next commit is live.
    simulation.check = lambda: None  # type: ignore[method-assign]


def versions(simulation: Simulation, destination: str) -> int:
    """Return how many versions with pods a destination selects."""
    objects = simulation.commits[-1]
    chosen = simulation.app.selected(objects, destination)
    sets = [body for key, body in objects.items() if key.kind == "ReplicaSet" and body["spec"]["replicas"]]
    return sum(chosen in ("", body["metadata"]["labels"][HASH_LABEL]) for body in sets)


@pytest.mark.parametrize("order", ["step", "phases"])
@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_a_release_goes_on_after_a_change(before: str, after: str, order: str) -> None:
    app = APPS[after](order)
    simulation = Simulation(APPS[before](order))
    simulation.check = lambda: None  # type: ignore[method-assign]
    for point in points(simulation):
        changed(point, app)
        for _ in range(30):
            if not go_on(point):
                break
            point.apply_all()
            assert point.is_live()
        else:
            raise AssertionError("the release does not end")
        status = point.world.status
        assert status.stable_rs == status.current_pod_hash
        assert sum(rs.replicas for rs in point.world.replica_sets) == 4
        for weights in app.routes(point.commits[-1]):
            assert [versions(point, name) for name, weight in weights.items() if weight] == [1]


@pytest.mark.parametrize(("before", "after"), [pair for pair in CHANGES if "pods" not in pair])
def test_the_traffic_of_a_step_is_that_of_one_version_each(before: str, after: str) -> None:
    app = APPS[after]("step")
    simulation = Simulation(APPS[before]("step"))
    simulation.check = lambda: None  # type: ignore[method-assign]
    for point in points(simulation):
        changed(point, app)
        while go_on(point):
            for weights in app.routes(point.commits[-1]):
                assert {versions(point, name) for name, weight in weights.items() if weight} == {1}
            point.apply_all()
            assert point.is_live()
