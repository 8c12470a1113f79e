"""The files of a commit whose phases are sync waves; test_ordering tests which waves are safe."""

from __future__ import annotations

import pytest

from renderer.errors import RollstepError
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.sync_tools.argocd import SYNC_WAVE
from renderer.pipeline.load.status_file import dump_state, load_state
from renderer.pipeline.resolve.commit_content import next_state, rendered
from renderer.pipeline.resolve.ordering.waves import has_wave, with_wave, without_wave
from renderer.pipeline.resolve.resolve import Resolved, all_objects, resolve
from renderer.rollouts.model.world import World
from tests.pipeline.resolve.ordering.test_ordering import VERBS
from tests.support.ordering_model import NOON, App, routed


@pytest.fixture
def app() -> App:
    return routed("nginx", order="waves", dynamicStableScale=True)


def begun(app: App) -> World:
    move = VERBS["image 2"](app.world)
    assert move is not None
    return move.after


def test_objects_of_later_phases_are_rendered_with_their_waves(app: App) -> None:
    bodies = all_objects(Resolved(begun(app), ()), begun(app))
    waves = {body["metadata"]["name"]: body["metadata"].get("annotations", {}).get(SYNC_WAVE) for body in bodies}
    canary = begun(app).status.current_pod_hash
    assert waves["web-canary"] == waves["web-web-canary"] == "1"
    assert waves[f"web-{canary}"] is None, "new pods come with the first wave"


def test_the_next_command_reads_objects_without_waves(app: App) -> None:
    world = begun(app)
    found = [Manifest(body) for body in all_objects(Resolved(world, ()), world)]
    assert any(has_wave(manifest.body) for manifest in found)
    text = dump_state(next_state(None, world))
    again = resolve(world.rollout, app.manifests, load_state(text, "status.yaml"), found, NOON, order="waves").world
    assert again.waves == world.waves
    assert rendered(again) == rendered(world)


def test_a_wave_of_the_status_has_to_name_an_object(app: App) -> None:
    text = dump_state(next_state(None, begun(app)))
    assert "/Service//web-canary" in text
    with pytest.raises(RollstepError, match="expected GROUP/KIND/NAMESPACE/NAME, found 'web-canary'"):
        load_state(text.replace("/Service//web-canary", "web-canary"), "status.yaml")


@pytest.mark.parametrize("metadata", [{"name": "web"}, {"name": "web", "annotations": {"a": "b"}}])
def test_without_wave_reverts_with_wave(metadata: dict[str, object]) -> None:
    body = {"kind": "Service", "metadata": metadata}
    waiting = with_wave(body, "contract")
    assert waiting["metadata"]["annotations"][SYNC_WAVE] == "2"
    assert has_wave(waiting)
    assert not has_wave(body)
    assert without_wave(waiting) == body
