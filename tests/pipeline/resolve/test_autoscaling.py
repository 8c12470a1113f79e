"""Autoscalers and budgets of ReplicaSets: exact shares, other fields unchanged, and replicas that are read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Manifest, ObjectKey
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump
from renderer.pipeline.load.status_file import dump_state, load_state
from renderer.pipeline.resolve.autoscaling import most_pods, pod_limits, scaled_objects, share_down, share_up
from renderer.pipeline.resolve.commit_content import next_state, rendered
from renderer.pipeline.resolve.moves import react
from renderer.pipeline.resolve.resolve import Resolved, all_objects, resolve
from renderer.pipeline.resolve.verb_moves import scaling
from renderer.rollouts import actions
from renderer.rollouts.controller import settle
from renderer.rollouts.model.rollout import HASH_LABEL
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.frames import to_document
from renderer.rollouts.simulator.scenario import read_scenario, simulate
from renderer.verbs.show.plan import plan_world
from renderer.verbs.show.plan_table import plan_text
from renderer.verbs.show.tree import rollout_info, tree_text
from tests.pipeline.resolve.test_resolve import Git
from tests.support.commands import NOON as AT
from tests.support.commands import TWO, Checkout
from tests.support.recordings import RULES, RUNS, golden_of
from tests.support.worlds import NOON, REF, api, web, with_image

POSITIVE = st.integers(1, 200)
HPA: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {
        "name": "web",
        "namespace": "shop-prod",
        "labels": {"team": "shop"},
        "annotations": {"example.com/owner": "ops"},
        "finalizers": ["example.com/kept"],
    },
    "spec": {
        "scaleTargetRef": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"},
        "minReplicas": 3,
        "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
        "fieldOfTomorrow": {"a": [1, None, "x"]},
    },
}
KEY = ObjectKey("autoscaling", "HorizontalPodAutoscaler", "shop-prod", "web")


def budget(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop-prod", "labels": {"team": "shop"}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "unhealthyPodEvictionPolicy": "AlwaysAllow", **spec}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


def autoscaled(world: World, hpa: dict[str, Any] = HPA) -> World:
    return replace(world, autoscaler=hpa)


def releasing() -> World:
    """Return prod/web with two versions at 20%."""
    return autoscaled(react(with_image(web(), "registry.example.com/shop/web:2.0.0")).after)


def objects(world: World, *others: dict[str, Any]) -> dict[tuple[str, str], Any]:
    bodies = {**rendered(world), **{Manifest(body).key: body for body in others}}
    return {(key.kind, key.name): body for key, body in scaled_objects(bodies, world).items()}


@hypothesis.given(whole=POSITIVE, pods=POSITIVE, replicas=st.integers(0, 200))
def test_a_share_is_at_least_one_pod_and_at_most_the_whole(whole: int, pods: int, replicas: int) -> None:
    assert 1 <= share_up(whole, pods, replicas) <= whole
    assert 0 <= share_down(whole, pods, replicas) <= share_up(whole, pods, replicas)


@hypothesis.given(whole=POSITIVE, pods=POSITIVE, more=st.integers(0, 50), replicas=POSITIVE)
def test_shares_grow_with_the_pods_and_with_the_whole(whole: int, pods: int, more: int, replicas: int) -> None:
    for share in (share_up, share_down):
        assert share(whole, pods, replicas) <= share(whole, pods + more, replicas)
        assert share(whole, pods, replicas) <= share(whole + more, pods, replicas)
        assert share(whole, replicas + more, replicas) == whole


@hypothesis.given(whole=POSITIVE, parts=st.lists(POSITIVE, min_size=1, max_size=4))
def test_shares_of_all_pods_add_up_to_the_whole_but_for_rounding(whole: int, parts: list[int]) -> None:
    replicas = sum(parts)
    assert whole <= sum(share_up(whole, pods, replicas) for pods in parts) < whole + len(parts)
    assert whole - len(parts) < sum(share_down(whole, pods, replicas) for pods in parts) <= whole


@hypothesis.given(available=st.integers(0, 200), replicas=POSITIVE, pods=POSITIVE)
def test_both_forms_of_a_budget_allow_as_many_evictions(available: int, replicas: int, pods: int) -> None:
    hypothesis.assume(available <= replicas and pods <= replicas)
    assert pods - share_down(available, pods, replicas) == share_up(replicas - available, pods, replicas)
    if available < replicas:
        assert share_down(available, pods, replicas) < pods, "a node could never be drained"


@hypothesis.given(low=st.integers(0, 50), more=st.integers(0, 50), pods=POSITIVE, replicas=POSITIVE)
def test_the_minimum_is_never_above_the_maximum(low: int, more: int, pods: int, replicas: int) -> None:
    assert share_up(low, pods, replicas) <= share_up(low + more, pods, replicas)


def test_each_version_has_an_autoscaler_with_its_share() -> None:
    world = releasing()
    new, old = world.status.current_pod_hash, world.status.stable_rs
    made = objects(world, HPA)
    assert ("HorizontalPodAutoscaler", "web") not in made
    for pod_template_hash, low, high in ((new, 1, 2), (old, 3, 10)):
        name = f"web-{pod_template_hash}"
        body = made["HorizontalPodAutoscaler", name]
        target = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name}
        changed = {"scaleTargetRef": target, "minReplicas": low, "maxReplicas": high}
        assert body == {**HPA, "metadata": {**HPA["metadata"], "name": name}, "spec": {**HPA["spec"], **changed}}
        assert list(body["spec"]) == list(HPA["spec"])
        assert "replicas" not in made["ReplicaSet", name]["spec"]


def test_weights_decide_the_shares() -> None:
    highs = []
    for step in range(0, 6, 2):
        world = autoscaled(settle(with_image(web(), "x:2"), hold_step=step, skip_pauses=True).world)
        canary = world.replica_set_by_hash(world.status.current_pod_hash)
        assert canary is not None
        highs.append(pod_limits(world, canary))
    assert highs == [(1, 2), (2, 4), (2, 6)]


def test_both_versions_of_blue_green_have_an_autoscaler() -> None:
    hpa = {**HPA, "spec": {**HPA["spec"], "scaleTargetRef": {"kind": "Rollout", "name": "api"}}}
    world = autoscaled(react(with_image(api(), "registry.example.com/shop/api:2.0.0")).after, hpa)
    made = objects(world, hpa)
    ranges = {
        name: (body["spec"]["minReplicas"], body["spec"]["maxReplicas"])
        for (kind, name), body in made.items()
        if kind == "HorizontalPodAutoscaler"
    }
    active, preview = world.status.blue_green.active_selector, world.status.blue_green.preview_selector
    assert active != preview
    assert ranges == {f"api-{active}": (3, 10), f"api-{preview}": (3, 10)}


def test_a_replica_set_without_pods_has_no_autoscaler() -> None:
    world = releasing()
    old = world.replica_set_by_hash(world.status.stable_rs)
    assert old is not None
    made = objects(world.with_replica_set(replace(old, replicas=0)), HPA)
    assert made["ReplicaSet", old.name]["spec"]["replicas"] == 0
    assert ("HorizontalPodAutoscaler", old.name) not in made


def test_a_missing_minimum_stays_missing() -> None:
    spec = {key: value for key, value in HPA["spec"].items() if key != "minReplicas"}
    world = autoscaled(releasing(), {**HPA, "spec": spec})
    made = objects(world)
    found = [body["spec"] for (kind, _), body in made.items() if kind == "HorizontalPodAutoscaler"]
    assert [sorted(spec) for spec in found] == [sorted(spec)] * 2
    assert pod_limits(world, world.replica_sets[0])[0] == 1


def test_a_numbered_replica_set_keeps_its_replicas() -> None:
    world = releasing()
    old = f"web-{world.status.stable_rs}"
    made = objects(replace(world, numbered=frozenset({old})), HPA)
    assert made["ReplicaSet", old]["spec"]["replicas"] == 5
    assert [name for kind, name in made if kind == "HorizontalPodAutoscaler"] == [
        f"web-{world.status.current_pod_hash}"
    ]


@pytest.mark.parametrize(
    ("field", "value", "stable", "canary"),
    [
        ("minAvailable", 4, 4, 0),
        ("minAvailable", 5, 5, 1),
        ("minAvailable", "80%", "80%", "80%"),
        ("maxUnavailable", 1, 1, 1),
        ("maxUnavailable", 0, 0, 0),
        ("maxUnavailable", "25%", "25%", "25%"),
    ],
)
def test_each_version_keeps_its_own_budget(field: str, value: Any, stable: Any, canary: Any) -> None:
    world = releasing()
    made = objects(world, budget(**{field: value}))
    assert ("PodDisruptionBudget", "web") not in made
    for pod_template_hash, share in ((world.status.stable_rs, stable), (world.status.current_pod_hash, canary)):
        body = made["PodDisruptionBudget", f"web-{pod_template_hash}"]
        wanted = budget(**{field: share})
        wanted["metadata"]["name"] = f"web-{pod_template_hash}"
        wanted["spec"]["selector"]["matchLabels"][HASH_LABEL] = pod_template_hash
        assert body == wanted


def test_a_budget_that_covers_other_pods_is_not_split() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    jobs: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "jobs"}}
    jobs["metadata"]["namespace"] = "shop-prod"
    jobs["spec"] = {"jobTemplate": {"spec": {"template": template}}}
    other = budget(minAvailable=1, selector={"matchLabels": {"app": "api"}})
    for bodies in ((budget(minAvailable=4), jobs), (other,)):
        made = objects(releasing(), *bodies)
        assert made["PodDisruptionBudget", "web"] is bodies[0]
        assert len([kind for kind, _ in made if kind == "PodDisruptionBudget"]) == 1


def test_the_autoscaler_of_the_rollout_is_never_rendered() -> None:
    made = objects(replace(releasing(), autoscaler=None), HPA)
    assert not any(kind == "HorizontalPodAutoscaler" for kind, _ in made)
    elsewhere = {**HPA, "spec": {**HPA["spec"], "scaleTargetRef": {"kind": "StatefulSet", "name": "web"}}}
    assert objects(releasing(), elsewhere)["HorizontalPodAutoscaler", "web"] is elsewhere


def test_the_plan_and_the_tree_show_the_range() -> None:
    world = releasing()
    plan = plan_world(world)
    text = plan_text(plan)
    assert "3-10" in text
    assert "2-4" in text
    assert plan.peak_pods == 20
    info = rollout_info(world, "prod/web")
    assert [(rs.min_replicas, rs.max_replicas) for rs in info.replica_sets] == [(1, 2), (3, 10)]
    assert "  1-2  " in tree_text(info, NOON, REF)
    assert "Autoscaler:      web (3-10 pods)" in tree_text(info, NOON, REF)
    assert most_pods(world, "web-new", 0) == 0


class Autoscaled(Git):
    """Writes a world like ``Git``, with an autoscaler for its ReplicaSets."""

    def __call__(self, world: World) -> World:
        target = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": world.rollout.name}
        metadata = {"name": "scaler", "namespace": world.rollout.namespace}
        hpa = Manifest({**HPA, "metadata": metadata, "spec": {**HPA["spec"], "scaleTargetRef": target}})
        # Without replicas the Rollout would count with the autoscaler's maximum, which the recordings do not have.
        spec = {"replicas": world.rollout.replicas, **world.rollout.body["spec"]}
        rollout = replace(world.rollout, body={**world.rollout.body, "spec": spec})
        world = replace(world, rollout=rollout, autoscaler=hpa.body, numbered=frozenset())
        self.state = load_state(dump_state(next_state(self.state, world)), "status.yaml")
        bodies = all_objects(Resolved(world, ()), world)
        self.files = [dump(body) for body in bodies]
        found = [Manifest(document.value) for text in self.files for document in load_documents(text, "rendered")]
        scaled = {body["spec"]["scaleTargetRef"]["name"] for body in bodies if body["kind"] == hpa.kind}
        counted = {rs.name for rs in world.replica_sets if rs.replicas}
        assert scaled == counted
        assert all(
            "replicas" not in body["spec"]
            for body in bodies
            if body["metadata"]["name"] in scaled - {hpa.kind} and body["kind"] == "ReplicaSet"
        )
        sources = [replace(manifest, body=self.source_of(manifest, world)) for manifest in self.manifests]
        resolved = resolve(
            world.rollout,
            [*sources, hpa],
            self.state,
            found,
            world.now,
            world.controller_version,
            replicas="autoscaler",
        )
        assert [body for body in all_objects(resolved, resolved.world) if body["metadata"]["name"] in scaled] == [
            body for body in bodies if body["metadata"]["name"] in scaled
        ]
        passing = {
            manifest.key._replace(namespace=world.rollout.namespace): manifest.body
            for manifest in resolved.pass_through
            if manifest is not hpa
        }
        return replace(resolved.world, objects={**passing, **resolved.world.objects})


@pytest.mark.parametrize(("path", "version"), RUNS[::11])
def test_frames_are_the_controllers_without_replicas_in_git(path: Path, version: str) -> None:
    scenario = read_scenario(path.read_text(encoding="utf-8"), str(path))
    produced = to_document(scenario, list(simulate(scenario, version, between=Autoscaled(scenario.manifests))), version)
    assert list(RULES.differences(golden_of(path, version), produced)) == []


def test_a_scale_is_refused_with_an_autoscaler() -> None:
    world = releasing()
    with pytest.raises(RollstepError, match="the HorizontalPodAutoscaler web owns the number of pods"):
        scaling(8)(world)
    off = scaling(0)(world)
    assert off.rollout.replicas == 0
    assert scaling(8)(off).rollout.replicas == 8
    assert scaling(8)(replace(world, autoscaler=None)) == actions.scale(replace(world, autoscaler=None), 8)


MANIFESTS = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web}
  minReplicas: 3
  maxReplicas: 10
  metrics:
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 4, selector: {matchLabels: {app: web}}}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "repo")


def add_autoscaler(checkout: Checkout) -> None:
    (checkout.root / "environments/prod/web/hpa.yaml").write_text(MANIFESTS, encoding="utf-8")
    checkout.commit("Let an autoscaler scale web")


def ranges(checkout: Checkout) -> dict[str, tuple[int, int] | int | None]:
    """Return for each ReplicaSet of prod/web, by image tag, the range of its autoscaler, or its replicas."""
    made = checkout.objects("prod/web")
    found: dict[str, tuple[int, int] | int | None] = {}
    for key, body in made.items():
        if key.startswith("ReplicaSet/"):
            tag = body["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
            hpa = made.get(f"HorizontalPodAutoscaler/{body['metadata']['name']}")
            assert (hpa is None) == ("replicas" in body["spec"])
            found[tag] = (
                (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) if hpa else body["spec"].get("replicas")
            )
    return found


def test_a_release_leaves_the_number_of_pods_to_autoscalers(checkout: Checkout) -> None:
    add_autoscaler(checkout)
    checkout.run("advance", "prod/web", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": (3, 10)}
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", AT)
    assert ranges(checkout) == {"1.0.0": (3, 10), "2.0.0": (1, 2)}
    assert "canary  - -> 1-2" in checkout.git("log", "-1", "--format=%B")
    checkout.run("render", "prod/web", "--check")
    before = checkout.snapshot()
    assert "owns the number of pods" in checkout.run("scale", "prod/web", "--replicas", "9", code=1).stderr
    assert checkout.snapshot() == before
    checkout.run("promote", "prod/web", "--full", "--now", AT, "--no-validate")
    checkout.run("advance", "prod/web", "--now", "2026-03-01T13:00:00Z", "--no-validate")
    assert ranges(checkout) == {"1.0.0": 0, "2.0.0": (3, 10)}
    assert len(checkout.objects("prod/web", ["PodDisruptionBudget"])) == 1
    checkout.run("undo", "prod/web", "--now", "2026-03-01T14:00:00Z", "--no-validate")
    assert ranges(checkout) == {"1.0.0": (1, 2), "2.0.0": (3, 10)}
    checkout.run("render", "prod/web", "--check")


def test_switching_the_autoscaler_off_and_on(checkout: Checkout) -> None:
    add_autoscaler(checkout)
    checkout.run("advance", "prod/web", "--now", AT, "--no-validate")
    checkout.run("scale", "prod/web", "--replicas", "0", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": 0}
    assert not checkout.objects("prod/web", ["HorizontalPodAutoscaler"])
    assert list(checkout.objects("prod/web", ["PodDisruptionBudget"])) == ["PodDisruptionBudget/web"]
    checkout.run("scale", "prod/web", "--replicas", "6", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": (3, 10)}


def test_without_replicas_the_release_counts_in_the_maximum(checkout: Checkout) -> None:
    checkout.edit("environments/prod/web/rollout.yaml", "  replicas: 5\n", "")
    add_autoscaler(checkout)
    checkout.run("advance", "prod/web", "--now", AT, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": (3, 10), "2.0.0": (1, 2)}
    assert "replicas:" not in (checkout.root / "environments/prod/web/rollout.yaml").read_text(encoding="utf-8")


def test_a_new_autoscaler_removes_no_running_pods(checkout: Checkout) -> None:
    checkout.advance_all("prod/web")
    add_autoscaler(checkout)
    checkout.run("advance", "prod/web", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": 5}
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": 5, "2.0.0": (1, 2)}
    checkout.run("abort", "prod/web", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": 5, "2.0.0": (1, 2)}


@pytest.mark.parametrize(("owner", "found"), [("autoscaler", (3, 10)), ("rollstep", 5)])
def test_the_owner_can_be_set(checkout: Checkout, owner: str, found: Any) -> None:
    checkout.advance_all("prod/web")
    add_autoscaler(checkout)
    checkout.edit("rollstep.yaml", "defaults:\n", f"defaults:\n  replicas: {owner}\n")
    (checkout.root / "environments/staging/web/hpa.yaml").write_text(MANIFESTS, encoding="utf-8")
    checkout.commit()
    checkout.run("advance", "prod/web", "--now", AT, "--no-validate")
    assert ranges(checkout) == {"1.0.0": found}


def test_a_missing_autoscaler_is_refused(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  replicas: autoscaler\n")
    checkout.commit()
    before = checkout.snapshot()
    refused = checkout.run("advance", "prod/web", code=1)
    assert "no HorizontalPodAutoscaler scales the Rollout web" in refused.stderr
    assert checkout.snapshot() == before


def test_missing_replicas_are_refused(checkout: Checkout) -> None:
    add_autoscaler(checkout)
    checkout.run("advance", "prod/web", "--now", AT, "--no-validate")
    checkout.edit("environments/prod/web/status.yaml", "    replicas: 5\n", "")
    before = checkout.snapshot()
    refused = checkout.run("plan", "prod/web", code=1)
    assert "spec.replicas: is missing, and status.yaml does not record its number of pods" in refused.stderr
    assert checkout.snapshot() == before
