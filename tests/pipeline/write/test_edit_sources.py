"""The fields of the user's file that a verb changes."""

from __future__ import annotations

from functools import partial

import pytest

from renderer.kubernetes.yaml.editor import REMOVED
from renderer.pipeline.resolve.verb_moves import Action
from renderer.pipeline.write.edit_sources import spec_changes
from renderer.rollouts import actions
from tests.support.worlds import web

IMAGE = ("spec", "template", "spec", "containers", 0, "image")


@pytest.mark.parametrize(
    ("action", "changes"),
    [
        (partial(actions.set_image, container="web", image="example.com/web:2"), {IMAGE: "example.com/web:2"}),
        (partial(actions.scale, replicas=0), {("spec", "replicas"): 0}),
        (actions.pause, {("spec", "paused"): True}),
        (actions.abort, {}),
        (actions.promote, {}),
    ],
)
def test_only_what_a_verb_changes_is_edited(action: Action, changes: dict[tuple[str | int, ...], object]) -> None:
    world = web()
    assert spec_changes(world.rollout.body, action(world).rollout.body) == changes


def test_a_removed_field_is_removed_and_a_list_of_another_length_replaced() -> None:
    before = {"spec": {"a": {"b": 1, "c": 2}, "list": [1, 2]}, "status": {"x": 1}}
    after = {"spec": {"a": {"b": 1}, "list": [1]}, "status": {"x": 2}}
    assert spec_changes(before, after) == {("spec", "a", "c"): REMOVED, ("spec", "list"): [1]}
