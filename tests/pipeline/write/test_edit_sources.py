"""The fields of the user's file that a verb changes."""

from __future__ import annotations

from functools import partial

import pytest

from renderer.kubernetes.yaml.editor import REMOVED, Items, edit
from renderer.kubernetes.yaml.reader import load_documents
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


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("abc", "ac", Items((0, 2))),
        ("ac", "abc", Items((0, None, 1), ({"name": "b"},))),
        ("ab", "ac", Items((0, None), ({"name": "c"},))),
        ("ab", "ba", None),
        ("ab", "cd", None),
        ("ab", "aa", None),
    ],
)
def test_the_named_items_of_a_list_that_stay_are_left_alone(before: str, after: str, wanted: Items | None) -> None:
    old, new = ([{"name": name} for name in names] for names in (before, after))
    found = spec_changes({"spec": {"list": old}}, {"spec": {"list": new}})
    assert found == {("spec", "list"): new if wanted is None else wanted}


CONTAINERS = """\
spec:
  # all of them
  containers:
    - name: log # the first one
      image: example.com/log:1 # {"$imagepolicy": "flux-system:log"}
    - name: web
      # what a release changes
      image: "example.com/web:1" # {"$imagepolicy": "flux-system:web"}
    - name: side
      image: example.com/side:1 # {"$imagepolicy": "flux-system:side"}
  volumes: [] # none
"""


@pytest.mark.parametrize("names", [["web"], ["web", "side"], ["log", "side"], ["log", "new", "web"], ["new", "web"]])
def test_a_container_that_stays_keeps_its_comments(names: list[str]) -> None:
    containers = [{"name": name, "image": f"example.com/{name}:2"} for name in names]
    before = load_documents(CONTAINERS, "")[0].value
    after = {"spec": {**before["spec"], "containers": containers}}
    text = edit(CONTAINERS, 0, spec_changes(before, after), "rollout.yaml")
    assert load_documents(text, "")[0].value == after
    for name in names:
        (line,) = [line for line in text.splitlines() if f"example.com/{name}:2" in line]
        policy = f'{{"$imagepolicy": "flux-system:{name}"}}'
        assert line.endswith(policy) == (name != "new")
    for comment in ("# all of them", "# none", *(["# what a release changes"] if "web" in names else [])):
        assert comment in text
