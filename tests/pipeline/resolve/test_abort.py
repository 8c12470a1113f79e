"""An abort brings all traffic back, from every commit of a release, with every router, order and setting."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, reject, settings
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Body, ObjectKey
from renderer.pipeline.resolve.ordering.phases import early_contractions
from renderer.rollouts.controller.defaults import max_traffic_weight
from renderer.rollouts.controller.experiment import belongs_to_experiment
from renderer.rollouts.model.rollout import HASH_LABEL
from tests.pipeline.resolve.ordering.test_ordering import APPS, PING_PONG, ROUTERS, VERBS, forked, go_on, image
from tests.support.ordering_model import App, Simulation, routed

EXAMPLES = int(os.environ.get("ROLLSTEP_ORDERING_EXAMPLES", "0"))
"""The number of random Rollouts; ``make ordering`` runs more of them."""
HEADER: Mapping[str, Any] = {"name": "beta", "match": [{"headerName": "x-user", "headerValue": {"exact": "42"}}]}
MIRROR: Mapping[str, Any] = {"name": "copy", "percentage": 10, "match": [{"path": {"prefix": "/"}}]}
ROUTES: Mapping[str, tuple[str, ...]] = {
    "alb": ("setHeaderRoute",),
    "apisix": ("setHeaderRoute",),
    "gateway-api": ("setHeaderRoute",),
    "istio": ("setHeaderRoute", "setMirrorRoute"),
    "istio subsets": ("setHeaderRoute", "setMirrorRoute"),
}
WEIGHS_EXPERIMENTS = ("alb", "istio", "smi")


def experiment(*, weighed: bool) -> dict[str, Any]:
    template: dict[str, Any] = {"name": "trial", "specRef": "canary", "replicas": 1}
    return {"experiment": {"duration": "60s", "templates": [template | ({"weight": 5} if weighed else {})]}}


@st.composite
def steps(draw: st.DrawFn, router: str) -> list[Any]:
    choices = [
        st.builds(lambda weight: {"setWeight": weight}, st.integers(0, 100)),
        st.sampled_from([{"pause": {}}, {"pause": {"duration": 60}}]),
        st.builds(lambda count: {"setCanaryScale": {"replicas": count}}, st.integers(0, 8)),
        st.builds(lambda weight: {"setCanaryScale": {"weight": weight}}, st.integers(0, 100)),
        st.just({"setCanaryScale": {"matchTrafficWeight": True}}),
        st.just(experiment(weighed=router in WEIGHS_EXPERIMENTS)),
    ]
    if router in ROUTES:
        choices.append(st.sampled_from([{"setHeaderRoute": HEADER}, {"setHeaderRoute": {"name": "beta"}}]))
    if "setMirrorRoute" in ROUTES.get(router, ()):
        choices.append(st.sampled_from([{"setMirrorRoute": MIRROR}, {"setMirrorRoute": {"name": "copy"}}]))
    return draw(st.lists(st.one_of(choices), max_size=7))


@st.composite
def apps(draw: st.DrawFn) -> App:
    router = draw(st.sampled_from(ROUTERS))
    canary: dict[str, Any] = {"dynamicStableScale": draw(st.booleans())}
    delay = draw(st.sampled_from([None, 0, 1, 60]))
    least = draw(st.none() | st.integers(1, 6))
    if delay is not None:
        canary["abortScaleDownDelaySeconds"] = delay
    if least is not None:
        canary["minPodsPerReplicaSet"] = least
    if router in ("alb", "istio") and draw(st.booleans()):
        canary["pingPong"] = PING_PONG
    routing: dict[str, Any] = {"managedRoutes": [{"name": "beta"}, {"name": "copy"}]} if router in ROUTES else {}
    if router in ("nginx", "gateway-api") and draw(st.booleans()):
        routing["maxTrafficWeight"] = draw(st.sampled_from([100, 1000]))
    order = draw(st.sampled_from(["step", "phases", "waves"]))
    try:
        app = routed(router, draw(st.integers(1, 10)), draw(steps(router)), order=order, routing=routing, **canary)
    except RollstepError as refusal:
        if "the weights of the templates" not in str(refusal):
            raise
        reject()
    assume(order == "step" or not early_contractions(app.world.rollout))
    return app


def states(simulation: Simulation) -> Iterator[Simulation]:
    """Yield the release after each of its commits, before the commit is applied and once it is live."""
    for _ in range(60):
        yield forked(simulation)
        simulation.apply_all()
        yield forked(simulation)
        assert simulation.is_live()
        if not go_on(simulation):
            return
    raise AssertionError("the release does not end")


def to_rest(simulation: Simulation) -> None:
    """Advance until nothing moves, whatever time passes."""
    for _ in range(40):
        simulation.apply_all()
        assert simulation.is_live()
        if simulation.advance():
            continue
        simulation.sleep_until_due()
        simulation.sleep(3600)
        if not simulation.advance():
            return
    raise AssertionError("the abort does not end")


def check_all_is_back(simulation: Simulation) -> None:
    """Assert that nothing leads to the aborted version, and that stable has its pods."""
    world, objects = simulation.world, simulation.commits[-1]
    assert world.status.abort
    for weights in simulation.app.routes(objects):
        loads = {name: weight for name, weight in weights.items() if weight}
        assert {simulation.app.selected(objects, name) for name in loads} <= {world.status.stable_rs}
        assert sum(loads.values()) == max_traffic_weight(world.rollout)
    assert not any(belongs_to_experiment(body) for body in objects.values())
    assert not set(routes_in(objects)) & {"beta", "beta-1", "copy"}
    stable = world.replica_set_by_hash(world.status.stable_rs)
    assert stable is not None
    assert stable.replicas >= world.rollout.replicas
    for body in objects.values():
        if body["kind"] == "DestinationRule":
            assert {subset["labels"][HASH_LABEL] for subset in body["spec"]["subsets"]} == {world.status.stable_rs}


def routes_in(objects: Mapping[ObjectKey, Body]) -> Iterator[str]:
    """Yield the names of all routes, and of the objects that routers make for them."""
    for key, body in objects.items():
        yield key.name
        spec = body.get("spec") or {}
        for route in (*(spec.get("http") or ()), *(spec.get("rules") or ())):
            yield str(route.get("name"))
            for path in (route.get("http") or {}).get("paths") or ():
                yield str(((path.get("backend") or {}).get("service") or {}).get("name"))


def check_every_abort(app: App) -> None:
    simulation = Simulation(app)
    if app.order == "step":
        # A whole step in one commit is not safe in every order.
        simulation.check = lambda: None  # type: ignore[method-assign]
    assert simulation.do(image("2.0.0"))
    for state in states(simulation):
        if state.world.status.stable_rs == state.world.status.current_pod_hash:
            continue
        if state.do(VERBS["abort"]):
            to_rest(state)
            check_all_is_back(state)


@settings(
    max_examples=EXAMPLES or 25,
    deadline=None,
    derandomize=not EXAMPLES,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(apps())
def test_an_abort_brings_all_traffic_back(app: App) -> None:
    note(f"order: {app.order}, {app.world.rollout.replicas} replicas, {app.world.rollout.strategy.body}")
    check_every_abort(app)


@pytest.mark.parametrize("order", ["step", "phases", "waves"])
@pytest.mark.parametrize("name", ["pods", "pods, no steps", "blue-green", "blue-green, preview"])
def test_an_abort_without_a_router_brings_all_pods_back(name: str, order: str) -> None:
    simulation = Simulation(APPS[name](order=order))
    simulation.check = lambda: None  # type: ignore[method-assign]
    assert simulation.do(image("2.0.0"))
    for state in states(simulation):
        if state.world.status.stable_rs != state.world.status.current_pod_hash and state.do(VERBS["abort"]):
            to_rest(state)
            world = state.world
            replicas = {rs.pod_template_hash: rs.replicas for rs in world.replica_sets}
            assert replicas[world.status.stable_rs] == world.rollout.replicas
            assert world.rollout.blue_green is not None or sum(replicas.values()) == world.rollout.replicas
            if world.rollout.blue_green is not None:
                assert world.status.blue_green.active_selector == world.status.stable_rs


@pytest.mark.parametrize("order", ["step", "phases", "waves"])
@pytest.mark.parametrize("router", ROUTERS)
def test_an_abort_does_not_stop_at_pods_that_the_canary_keeps(router: str, order: str) -> None:
    release = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
    for fields in ({"minPodsPerReplicaSet": 3}, {"abortScaleDownDelaySeconds": 60}):
        check_every_abort(routed(router, 10, release, order=order, dynamicStableScale=True, **fields))
