"""The files in git are enough: the engine goes on from them as the controller does in a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.yaml.reader import load_documents
from renderer.kubernetes.yaml.writer import dump
from renderer.pipeline.load.status_file import State, dump_state, load_state
from renderer.pipeline.resolve.commit_content import differs, next_state, rendered
from renderer.pipeline.resolve.moves import react
from renderer.pipeline.resolve.resolve import all_objects, resolve
from renderer.rollouts.model.world import World
from renderer.rollouts.simulator.frames import to_document
from renderer.rollouts.simulator.scenario import read_scenario, simulate
from tests.support.recordings import RULES, RUNS, SCENARIOS, golden_of


class Git:
    """Writes a world as text, like a repository, and reads it back."""

    def __init__(self, manifests: tuple[Manifest, ...]) -> None:
        self.manifests = tuple(manifest for manifest in manifests if manifest.kind != "Rollout")
        self.state: State | None = None
        self.files: list[str] = []

    def __call__(self, world: World) -> World:
        self.state = load_state(dump_state(next_state(self.state, world)), "status.yaml")
        self.files = [dump(body) for body in rendered(world).values()]
        found = [Manifest(document.value) for text in self.files for document in load_documents(text, "rendered")]
        sources = [replace(manifest, body=self.source_of(manifest, world)) for manifest in self.manifests]
        resolved = resolve(world.rollout, sources, self.state, found, world.now, world.controller_version)
        assert all_objects(resolved, resolved.world) == [
            *map(dict, (rendered(world)[key] for key in sorted(rendered(world))))
        ]
        passing = {
            manifest.key._replace(namespace=world.rollout.namespace): manifest.body
            for manifest in resolved.pass_through
        }
        return replace(resolved.world, objects={**passing, **resolved.world.objects})

    @staticmethod
    def source_of(manifest: Manifest, world: World) -> dict[str, object]:
        """Return the user's manifest of an object, with the defaults and patches of the simulated cluster."""
        key = manifest.key._replace(namespace=world.rollout.namespace)
        body = json.loads(json.dumps(world.objects[key]))
        if body["kind"] == "Service":
            body["spec"].get("selector", {}).pop("rollouts-pod-template-hash", None)
            body["metadata"].get("annotations", {}).pop("argo-rollouts.argoproj.io/managed-by-rollouts", None)
            if not body["metadata"].get("annotations", True):
                del body["metadata"]["annotations"]
        return body  # type: ignore[no-any-return]


@pytest.mark.parametrize(("path", "version"), RUNS)
def test_frames_are_the_controllers_with_git_between_all_actions(path: Path, version: str) -> None:
    scenario = read_scenario(path.read_text(encoding="utf-8"), str(path))
    produced = to_document(scenario, list(simulate(scenario, version, between=Git(scenario.manifests))), version)
    assert list(RULES.differences(golden_of(path, version), produced)) == []


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_settled_world_does_not_change(path: Path) -> None:
    scenario = read_scenario(path.read_text(encoding="utf-8"), str(path))
    git = Git(scenario.manifests)
    held = False
    for frame in simulate(scenario):
        held = held or any("hold" in (action if isinstance(action, dict) else {}) for action in scenario.actions)
        if not held and not frame.delayed:
            world = git(frame.world)
            assert not differs(world, react(world).after), frame.action
