"""The words of a pull request: what a step changes, what follows, how to go back, and how long a body may be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from renderer.pipeline.resolve.describe import step_change
from renderer.pipeline.resolve.moves import Move, advance, react
from renderer.pipeline.resolve.step_change import ObjectChange
from renderer.rollouts import actions
from renderer.rollouts.model.world import World
from renderer.verbs.release.pull_requests.text import _cut, _new_images, _shortened
from renderer.verbs.release.pull_requests.words import change_in_words, following, ways_back
from renderer.verbs.show.pictures.staircase import Staircase, staircase
from renderer.verbs.show.plan import plan_move
from tests.support.staircases import begun, promoted
from tests.support.worlds import NOON, api, web, with_image

ABORT = "`rollstep abort prod/web` gives all traffic back to 1.0.0. Reverting the merge takes this step alone back."


def drawn(move: Move) -> Staircase:
    return staircase("web", "prod", plan_move(move))


def words(move: Move) -> str:
    return change_in_words(drawn(move), move, step_change(move, "web", "prod", "advance"))


def next_move(world: World) -> Move:
    move = advance(world)
    assert move is not None
    return move


def beginning(world: World) -> Move:
    return replace(react(with_image(world, "registry.example.com/shop/web:2.0.0")), before=world)


@pytest.mark.parametrize(
    ("make", "said", "follows", "back"),
    [
        (
            lambda: beginning(web()),
            "2.0.0 gets 20% of the traffic, 1 pod more; 1.0.0 keeps 80% of the traffic; nothing else",
            "After it the release waits for a promotion. The next pull request or `rollstep promote prod/web` goes on.",
            ABORT,
        ),
        (
            lambda: beginning(api()),
            "2.0.0 has 3 pods more; nothing else",
            "After it the release waits for a promotion. The next pull request or `rollstep promote prod/web` goes on.",
            ABORT,
        ),
        (
            lambda: next_move(replace(promoted(begun(web()), 3), now=NOON + timedelta(hours=1))),
            "1.0.0 has 5 pods fewer; nothing else",
            "After it nothing is left to do.",
            "`rollstep undo prod/web` goes back to the version before.",
        ),
        (
            lambda: replace(react(actions.abort(promoted(begun(web()), 1))), before=promoted(begun(web()), 1)),
            "2.0.0 gets no traffic; 1.0.0 gets 100% of the traffic; nothing else",
            "After it the release waits 30s.",
            "`rollstep retry prod/web` starts the release again.",
        ),
    ],
    ids=["canary", "blue-green", "complete", "abort"],
)
def test_a_step_in_words(make: Callable[[], Move], said: str, follows: str, back: str) -> None:
    move = make()
    assert words(move) == said
    assert following(drawn(move), "prod/web") == follows
    assert ways_back(drawn(move), move, "prod/web") == back


def test_objects_that_the_step_does_not_write_are_named() -> None:
    move = beginning(web())
    change = step_change(move, "web", "prod", "advance")
    more = tuple(ObjectChange("ConfigMap", f"c{number}*", "changed") for number in range(7))
    text = change_in_words(drawn(move), move, replace(change, objects=(*change.objects, *more)))
    assert "; ConfigMap c0\\* changed; " in text
    assert text.endswith("; ConfigMap c4\\* changed; 2 more objects")


def test_the_title_has_the_images_that_the_release_brings() -> None:
    assert _new_images(beginning(web())) == ["web:2.0.0"]
    aborted = react(actions.abort(begun(web()))).after
    assert _new_images(Move(begun(web()), aborted, ())) == []
    assert _new_images(Move(web(), web(), ())) == []


def test_a_body_is_as_long_as_the_forge_accepts() -> None:
    assert _cut("short", 100) == "short"
    cut = _cut("x" * 1000, 100)
    assert len(cut) == 100
    assert cut.endswith("(cut off: this forge accepts 100 characters)")
    assert _shortened("a\nb\nc\n", 4) == "a\nb\n… and 1 more lines\n"
    assert _shortened("a" * 10 + "\n", 4) == "… and 1 more lines\n"
