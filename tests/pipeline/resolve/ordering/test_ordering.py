"""``order: phases`` and ``waves`` against a model of sync tools and of a cluster: safe whatever is applied first."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from renderer.pipeline.resolve import moves as release
from renderer.pipeline.resolve.commit_content import differs
from renderer.pipeline.resolve.moves import Move, react
from renderer.pipeline.resolve.ordering import phases, safety, waves
from renderer.pipeline.resolve.verb_moves import acting, promoting
from renderer.rollouts import actions
from renderer.rollouts.controller.reconcile import Settled, with_available_pods
from renderer.rollouts.model.world import CONTRACT, EXPAND, PHASES, World
from renderer.verbs.show.plan import make_plan
from tests.support.ordering_model import STEPS, App, Simulation, UnsafeError, blue_green, explore, pods, routed

EXAMPLES = int(os.environ.get("ROLLSTEP_ORDERING_EXAMPLES", "0"))
"""The number of random histories; ``make ordering`` runs more of them, and follows all others to their end."""
COMMITS_AFTER = 60 if EXAMPLES else 3
Verb = Callable[[World], Move | None]
PING_PONG = {"pingService": "web-stable", "pongService": "web-canary"}
SCALE: tuple[Any, ...] = ({"setCanaryScale": {"replicas": 2}}, {"setWeight": 10}, {"pause": {}}, *STEPS[2:])

ROUTERS = ("alb", "ambassador", "apisix", "gateway-api", "istio", "istio subsets", "nginx", "smi", "traefik")
APPS: dict[str, Callable[..., App]] = {
    **{router: partial(routed, router) for router in ROUTERS},
    "pods": pods,
    "pods, no surge": lambda **more: pods(4, maxSurge=0, maxUnavailable=1, **more),
    "pods, no steps": lambda **more: pods(4, (), maxSurge=1, maxUnavailable=0, **more),
    "nginx, no steps": lambda **more: routed("nginx", steps=(), **more),
    "nginx, dynamic": lambda **more: routed("nginx", dynamicStableScale=True, **more),
    "subsets, dynamic": lambda **more: routed("istio subsets", dynamicStableScale=True, **more),
    "ping-pong": lambda **more: routed("alb", pingPong=PING_PONG, **more),
    "ping-pong, dynamic": lambda **more: routed("istio", pingPong=PING_PONG, dynamicStableScale=True, **more),
    "canary scale": lambda **more: routed("istio", steps=SCALE, **more),
    "no delay": lambda **more: routed("smi", scaleDownDelaySeconds=0, **more),
    "one pod": lambda **more: routed("nginx", 1, **more),
    "blue-green": blue_green,
    "blue-green, preview": lambda **more: blue_green(previewReplicaCount=1, autoPromotionEnabled=False, **more),
    "blue-green, no delay": lambda **more: blue_green(scaleDownDelaySeconds=0, autoPromotionSeconds=30, **more),
}
ALIKE = {"ambassador", "apisix", "gateway-api", "smi", "traefik"}
"""Routers whose objects have the same phases as those of nginx."""


def image(tag: str) -> Verb:
    return acting(lambda world: actions.set_image(world, "*", f"registry.example.com/shop/web:{tag}"))


def scaling(replicas: int) -> Verb:
    return acting(lambda world: actions.scale(world, replicas))


VERBS: dict[str, Verb] = {
    "abort": acting(actions.abort),
    "retry": acting(actions.retry),
    "undo": acting(actions.undo),
    "promote full": acting(actions.promote_full),
    "image 2": image("2.0.0"),
    "image 3": image("3.0.0"),
    "scale 2": scaling(2),
    "scale 8": scaling(8),
}


def go_on(simulation: Simulation) -> bool:
    """Make the next commit of a release whose last commit is live, with a promotion or a later time if necessary."""
    if simulation.advance():
        return True
    simulation.sleep_until_due()
    return simulation.advance() or simulation.do(promoting(actions.promote))


def to_the_end(simulation: Simulation, limit: int = 60) -> int:
    """Explore every order of every commit to the end of a release, or for ``limit`` commits; return their number."""
    orders = 0
    for _ in range(limit):
        orders += explore(simulation)
        simulation.apply_all()
        assert simulation.is_live()
        if not go_on(simulation):
            return orders
    assert limit < 60, "the release does not end"
    return orders


def begun(app: App) -> Simulation:
    simulation = Simulation(app)
    assert simulation.do(VERBS["image 2"])
    return simulation


@pytest.mark.parametrize("order", ["phases", "waves"])
@pytest.mark.parametrize("name", APPS)
def test_every_order_of_every_commit_of_a_release_is_safe(name: str, order: str) -> None:
    simulation = begun(APPS[name](order=order))
    assert to_the_end(simulation) >= 2
    status = simulation.world.status
    assert status.stable_rs == status.current_pod_hash
    assert status.phase == "Healthy"


@pytest.mark.parametrize("name", APPS)
def test_a_release_ends_the_same_in_any_order(name: str) -> None:
    ends = []
    for order in ("phases", "waves", "step"):
        simulation = Simulation(APPS[name](order=order))
        simulation.check = lambda: None  # type: ignore[method-assign]
        simulation.do(VERBS["image 2"])
        to_the_end(simulation)
        ends.append(simulation.commits[-1])
    assert without_times(ends[0]) == without_times(ends[1]) == without_times(ends[2])


def without_times(objects: Any) -> Any:
    """Return specs and annotations without deadlines, which depend on the time."""
    found = {}
    for key, body in objects.items():
        annotations = body["metadata"].get("annotations") or {}
        found[key] = body["spec"], {name: text for name, text in annotations.items() if name != "scale-down-deadline"}
    return found


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", APPS if EXAMPLES else sorted(APPS.keys() - ALIKE))
def test_a_release_is_left_safely_from_the_middle_of_any_phase(name: str, verb: str) -> None:
    leave_anywhere(begun(APPS[name]()), verb)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", APPS if EXAMPLES else ["blue-green", "nginx", "pods", "subsets, dynamic"])
def test_a_release_is_left_safely_from_the_middle_of_any_wave(name: str, verb: str) -> None:
    leave_anywhere(begun(APPS[name](order="waves")), verb)


def leave_anywhere(simulation: Simulation, verb: str) -> None:
    """Run a verb after every commit of a release, before the commit is applied and once it is live, and go on.

    With waves, run it also in the middle of each wave, and between two waves.
    """
    for _ in range(40):
        other: Simulation | None = forked(simulation)
        while other is not None:
            left = forked(other)
            if left.do(VERBS[verb]):
                to_the_end(left, COMMITS_AFTER)
            other = further(other)
        simulation.apply_all()
        if not simulation.is_live() or not go_on(simulation):
            return
    raise AssertionError("the release does not end")


def further(simulation: Simulation) -> Simulation | None:
    """Return the next state of the cluster to leave from; None once the last commit is live."""
    other = forked(simulation)
    if other.is_live():
        return None
    wave = other.next_wave()
    if simulation.world.waves and wave:
        other.apply(wave[0])
    elif simulation.world.waves:
        other.start_all()
    else:
        other.apply_all()
    return other


def forked(simulation: Simulation) -> Simulation:
    other = object.__new__(Simulation)
    other.__dict__.update(simulation.__dict__)
    for name in ("commits", "rollouts", "waves", "objects", "available", "dead"):
        setattr(other, name, type(getattr(simulation, name))(getattr(simulation, name)))
    return other


def test_a_step_is_one_commit_where_its_phases_are_waves() -> None:
    simulation = begun(APPS["nginx, dynamic"](order="waves"))
    assert sorted(key.kind for key in simulation.world.waves) == ["Ingress", "Service"]
    simulation.apply_all()
    assert simulation.advance()
    assert set(simulation.world.waves.values()) == {"contract"}
    simulation.apply_all()
    simulation.sleep_until_due()
    assert simulation.advance()
    waves = {key.kind: phase for key, phase in simulation.world.waves.items()}
    assert waves == {"Ingress": "shift", "ReplicaSet": "contract"}
    assert simulation.world.status.current_step_index == 3


@pytest.mark.parametrize("order", ["phases", "waves"])
@pytest.mark.parametrize("name", APPS)
def test_every_phase_is_planned_and_a_render_of_it_changes_nothing(name: str, order: str) -> None:
    simulation = begun(APPS[name](order=order))
    planned = make_plan(simulation.world)
    peak, happened = 0, []
    for _ in range(60):
        assert not differs(simulation.world, react(simulation.world).after)
        simulation.apply_all()
        peak = max(peak, simulation.sum_of_pods())
        if not simulation.is_live() or not go_on(simulation):
            break
        happened.append(simulation.world.phase)
    listed = [row.action.rpartition(", ")[2] for row in planned.commits if row.action.endswith(PHASES)]
    assert order == "waves" or listed == [phase for phase in happened if phase]
    assert peak <= planned.peak_pods


def test_a_promotion_between_phases_states_that_the_last_is_live() -> None:
    simulation = begun(APPS["nginx"]())
    simulation.apply_all()
    assert simulation.do(promoting(actions.promote))
    assert (simulation.world.phase, simulation.world.status.current_step_index) == ("shift", 1)
    assert simulation.do(promoting(actions.promote))
    assert (simulation.world.phase, simulation.world.status.current_step_index) == ("expand", 2)


def test_steps_that_empty_the_canary_before_its_traffic_are_found() -> None:
    steps = ({"setWeight": 70}, {"setWeight": 24}, {"pause": {}}, {"setCanaryScale": {"replicas": 1}}, *STEPS[2:])
    for dynamic in (False, True):
        app = routed("istio", 8, steps, dynamicStableScale=dynamic)
        assert phases.early_contractions(app.world.rollout) == [1, 3]
        with pytest.raises(UnsafeError):
            to_the_end(begun(app))
    assert not phases.early_contractions(routed("istio", 8, SCALE).world.rollout)


def test_a_weight_that_stays_for_want_of_stable_pods_counts() -> None:
    """With ``dynamicStableScale`` the stable side has one pod until the scale of the canary ends, for any weight."""
    scaled: list[Any] = [{"setCanaryScale": {"weight": 97}}, {"setWeight": 86}, {"setWeight": 16}]
    steps = (*scaled, {"setCanaryScale": {"weight": 46}}, {"pause": {}})
    assert phases.early_contractions(routed("smi", 7, steps, dynamicStableScale=True).world.rollout) == [3]
    assert phases.early_contractions(routed("smi", 7, steps).world.rollout) == []


SAFE_IN_STEPS = {"nginx, no steps", "blue-green", "blue-green, preview", "blue-green, no delay"}
"""Releases without steps, whose every commit waits for pods or for a person in any order."""


@pytest.mark.parametrize("name", sorted(APPS.keys() - SAFE_IN_STEPS))
def test_without_an_order_the_same_release_is_unsafe(name: str) -> None:
    with pytest.raises(UnsafeError):
        to_the_end(begun(APPS[name](order="step")))


def never_split(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(phases, "_fits", lambda *worlds: bool(worlds))


def shift_without_waiting_for_pods(patch: pytest.MonkeyPatch) -> None:
    original = phases.settle_phase

    def hasty(world: World, **more: Any) -> Settled:
        done = original(world, **more)
        return original(with_available_pods(done.world), **more) if done.world.phase == EXPAND else done

    patch.setattr(release, "settle_phase", hasty)


def contract_with_anything(patch: pytest.MonkeyPatch) -> None:
    original = phases._kind
    patch.setattr(phases, "_kind", lambda *args: {CONTRACT: ""}.get(original(*args), original(*args)))


def expand_with_anything(patch: pytest.MonkeyPatch) -> None:
    original = phases._kind
    patch.setattr(phases, "_kind", lambda *args: {EXPAND: ""}.get(original(*args), original(*args)))


def any_mixture_of_a_shift(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(phases, "is_safe_shift", lambda *worlds: bool(worlds))


def few_pods_are_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(safety, "required_pods", lambda *args: 0 * len(args))


def contract_before_the_last_commit_is_live(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release, "CONTRACT", "never")


def act_as_if_pods_were_there(patch: pytest.MonkeyPatch) -> None:
    original = phases.settle_phase
    patch.setattr(release, "settle_phase", lambda world, **more: original(with_available_pods(world), **more))


def forget_the_waves_of_a_commit_that_may_not_be_live(patch: pytest.MonkeyPatch) -> None:
    original = waves.waves_of

    def forgetful(before: World, after: World, _: Any) -> Any:
        return original(before, after, {})

    patch.setattr(release, "waves_of", forgetful)


def grow_at_once_what_was_to_shrink(patch: pytest.MonkeyPatch) -> None:
    original = waves.waves_of

    def eager(before: World, after: World, kept: Any) -> Any:
        return original(before, after, {key: phase for key, phase in kept.items() if phase != CONTRACT})

    patch.setattr(release, "waves_of", eager)


def waves_in_any_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Simulation, "_wave", lambda *args: 0 * len(args))


def advance_before_pods_are_available(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Simulation, "missing", lambda *args: 0 * len(args))


MUTANTS: dict[Callable[[pytest.MonkeyPatch], None], tuple[str, str]] = {
    never_split: ("nginx", "undo"),
    shift_without_waiting_for_pods: ("nginx", ""),
    contract_with_anything: ("nginx", "undo"),
    expand_with_anything: ("nginx, dynamic", "promote full"),
    any_mixture_of_a_shift: ("subsets, dynamic", "image 3"),
    few_pods_are_enough: ("ping-pong", "image 3"),
    contract_before_the_last_commit_is_live: ("nginx, dynamic", "retry"),
    act_as_if_pods_were_there: ("nginx", "retry"),
    advance_before_pods_are_available: ("nginx", ""),
}
"""Faults in the split into phases, each with the release and the verb that reveal it."""
MUTANTS_OF_WAVES: dict[Callable[[pytest.MonkeyPatch], None], tuple[str, str]] = {
    waves_in_any_order: ("nginx", ""),
    forget_the_waves_of_a_commit_that_may_not_be_live: ("pods", "scale 8"),
    grow_at_once_what_was_to_shrink: ("pods", "scale 8"),
}


@pytest.mark.parametrize("mutant", [*MUTANTS, *MUTANTS_OF_WAVES])
def test_a_fault_in_the_split_is_caught(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    order, (name, verb) = ("phases", MUTANTS[mutant]) if mutant in MUTANTS else ("waves", MUTANTS_OF_WAVES[mutant])
    explore_release = leave_anywhere if verb else lambda simulation, _: to_the_end(simulation)
    with pytest.raises(UnsafeError):
        explore_release(begun(APPS[name](order=order)), verb)


class Histories(RuleBasedStateMachine):
    """Random apps, verbs, writes in any order, several commits applied at once, pods that start late or die."""

    order = "phases"
    simulation: Simulation

    @initialize(
        router=st.sampled_from(["alb", "gateway-api", "istio", "istio subsets", "nginx", "smi", "pods", "blue-green"]),
        replicas=st.integers(1, 6),
        steps=st.lists(
            st.one_of(
                st.integers(0, 100).map(lambda weight: {"setWeight": weight}),
                st.just({"pause": {}}),
                st.integers(1, 6).map(lambda count: {"setCanaryScale": {"replicas": count}}),
            ),
            max_size=5,
        ),
        surge=st.integers(0, 2),
        unavailable=st.integers(0, 2),
        dynamic=st.booleans(),
        delay=st.sampled_from([0, 30]),
    )
    def begin(
        self, router: str, replicas: int, steps: list[Any], surge: int, unavailable: int, dynamic: bool, delay: int
    ) -> None:
        rolling = {"maxSurge": surge or (1 if unavailable == 0 else 0), "maxUnavailable": unavailable}
        weighted = [step for step in steps if "setCanaryScale" not in step]
        if router == "blue-green":
            app = blue_green(replicas, scaleDownDelaySeconds=delay, autoPromotionEnabled=dynamic, order=self.order)
        elif router == "pods":
            app = pods(replicas, weighted, order=self.order, **rolling)
        elif dynamic:
            app = routed(router, replicas, weighted, order=self.order, dynamicStableScale=True, **rolling)
        else:
            app = routed(router, replicas, steps, order=self.order, scaleDownDelaySeconds=delay, **rolling)
        assume(not phases.early_contractions(app.world.rollout))
        self.simulation = begun(app)

    @rule(verb=st.sampled_from(sorted(VERBS)))
    def act(self, verb: str) -> None:
        self.simulation.do(VERBS[verb])

    @rule(data=st.data())
    def apply_one(self, data: st.DataObject) -> None:
        commit = data.draw(st.integers(-min(4, len(self.simulation.commits)), -1))
        keys = self.simulation.pending(commit)
        if keys:
            self.simulation.apply(data.draw(st.sampled_from(keys)), commit)

    @rule(data=st.data())
    def apply_some_of_the_last(self, data: st.DataObject) -> None:
        keys = data.draw(st.permutations(self.simulation.pending()))
        for key in keys[: data.draw(st.integers(0, len(keys)))]:
            self.simulation.apply(key)

    @rule(data=st.data(), dies=st.booleans())
    def move_a_pod(self, data: st.DataObject, dies: bool) -> None:
        names = sorted(name for name in self.simulation.available if self.simulation._asked_now(name))
        if names:
            name = data.draw(st.sampled_from(names))
            (self.simulation.kill_pod if dies else self.simulation.start_pod)(name)

    @rule(commits=st.integers(1, 4))
    def go_on(self, commits: int) -> None:
        for _ in range(commits):
            self.simulation.apply_all()
            assert self.simulation.is_live()
            if not go_on(self.simulation):
                self.simulation.do(VERBS["image 2"]) or self.simulation.do(VERBS["image 3"])

    @rule(seconds=st.sampled_from([31, 700]))
    def wait(self, seconds: int) -> None:
        self.simulation.sleep(seconds)


class Waves(Histories):
    """The same with a step in one commit, and a sync tool that respects its waves.

    A sync may finish its commit although a newer one exists, but never goes back to an older one.
    """

    order = "waves"
    synced: Any = None

    @rule(data=st.data())
    def apply_one(self, data: st.DataObject) -> None:
        commit = self._chosen(data)
        keys = self.simulation.next_wave(commit)
        if keys:
            self.simulation.apply(data.draw(st.sampled_from(keys)), commit)

    @rule(data=st.data())
    def apply_some_of_the_last(self, data: st.DataObject) -> None:
        commit = self._chosen(data)
        keys = data.draw(st.permutations(self.simulation.next_wave(commit)))
        for key in keys[: data.draw(st.integers(0, len(keys)))]:
            self.simulation.apply(key, commit)

    def _chosen(self, data: st.DataObject) -> int:
        commits = self.simulation.commits
        places = [place for place, commit in enumerate(commits) if commit is self.synced]
        chosen: int = data.draw(st.integers((places[-1] if places else 0) - len(commits), -1))
        self.synced = commits[chosen]
        return chosen


class WithoutOrder(Histories):
    """The same with a whole step in a commit, in any order."""

    order = "step"


def run_histories(machine: type[Histories], examples: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        derandomize=not EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


@pytest.mark.parametrize("machine", [Histories, Waves])
def test_random_histories_are_safe(machine: type[Histories]) -> None:
    run_histories(machine, EXAMPLES or 40)


@pytest.mark.parametrize("order", ["phases", "waves"])
@pytest.mark.parametrize("edit", ["image 3", "scale 2", "scale 8"])
@pytest.mark.parametrize("name", ["nginx, dynamic", "subsets, dynamic"])
def test_manifests_that_change_between_the_halves_of_a_shift_wait_for_the_other_half(
    name: str, edit: str, order: str
) -> None:
    simulation = begun(APPS[name](order=order))
    while not phases.is_half_shifted(simulation.world):
        simulation.apply_all()
        assert simulation.is_live()
        assert go_on(simulation)
    edited = forked(simulation)
    if edit == "image 3":
        edited.world = actions.set_image(edited.world, "*", "registry.example.com/shop/web:3.0.0")
    else:
        edited.world = actions.scale(edited.world, int(edit[-1]))
    assert not differs(edited.world, react(edited.world).after)
    to_the_end(edited)
    assert edited.world.status.phase == "Healthy"
    assert {rs.replicas for rs in edited.world.replica_sets} - {0} == {edited.world.rollout.replicas}


def test_random_histories_without_an_order_are_unsafe() -> None:
    with pytest.raises((UnsafeError, ExceptionGroup)):
        run_histories(WithoutOrder, 100)


def test_a_sync_of_changed_objects_alone_does_not_wait_for_earlier_waves() -> None:
    simulation = begun(APPS["nginx"](order="waves"))
    for key in simulation.next_wave():
        simulation.apply(key)
    assert simulation.pending()
    assert simulation.next_wave() == [], "a whole sync waits for the pods of the first wave"
    with pytest.raises(UnsafeError):
        apply_pending(simulation)


def apply_pending(simulation: Simulation) -> None:
    for key in simulation.pending():
        simulation.apply(key)


def test_a_sync_back_to_an_older_commit_is_unsafe_with_the_waves_of_that_commit() -> None:
    simulation = begun(APPS["nginx, dynamic"](order="waves"))
    simulation.apply_all()
    older, waves_of_older = simulation.commits[-1], simulation.waves[-1]
    assert go_on(simulation)
    while simulation.world.status.current_step_index != 3:
        simulation.apply_all()
        assert go_on(simulation)
    simulation.apply_all()
    assert simulation.is_live()
    simulation.commits.append(older)
    simulation.waves.append(waves_of_older)
    with pytest.raises(UnsafeError):
        explore(simulation)
