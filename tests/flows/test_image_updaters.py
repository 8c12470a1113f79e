"""Image updaters edit the sources of a release: their marks survive every verb, and nothing rendered has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, TWO, Checkout

ROLLOUT = "environments/prod/web/rollout.yaml"
SIDE = "registry.example.com/shop/side:1.0.0"
MARK, SIDE_MARK = ('# {"$imagepolicy": "flux-system:web"}', '# {"$imagepolicy": "flux-system:side"}')


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.edit(ROLLOUT, f"{ONE} # what a release changes", f"{ONE} {MARK}")
    made.commit("Let Flux update the image")
    run(made, "advance", "prod/web")
    return made


def run(checkout: Checkout, *arguments: str) -> None:
    checkout.run(*arguments, "--now", NOON, "--no-validate")


def image_lines(checkout: Checkout) -> list[str]:
    text = (checkout.root / ROLLOUT).read_text(encoding="utf-8")
    return [line.partition("image: ")[2] for line in text.splitlines() if "image: " in line]


def test_the_mark_of_an_image_survives_every_verb(checkout: Checkout) -> None:
    run(checkout, "set", "image", "prod/web", f"web={TWO}")
    assert image_lines(checkout) == [f"{TWO} {MARK}"]
    for verb in ("pause", "resume", "promote", "abort", "retry", "restart"):
        run(checkout, verb, "prod/web")
        assert image_lines(checkout) == [f"{TWO} {MARK}"]
    run(checkout, "scale", "prod/web", "--replicas", "7")
    assert image_lines(checkout) == [f"{TWO} {MARK}"]
    run(checkout, "undo", "prod/web", "--to-revision", "1")
    assert image_lines(checkout) == [f"{ONE} {MARK}"]
    assert "imagepolicy" not in "".join(
        path.read_text(encoding="utf-8") for path in (checkout.root / "environments/prod/web/rendered").glob("*.yaml")
    )


def test_the_mark_survives_the_way_back_from_a_release_with_another_container(checkout: Checkout) -> None:
    before = (checkout.root / ROLLOUT).read_text(encoding="utf-8")
    end = "            limits: {memory: 256Mi}\n"
    checkout.edit(ROLLOUT, end, f"{end}        - name: side\n          image: {SIDE} {SIDE_MARK}\n")
    checkout.commit("Add a container")
    run(checkout, "advance", "prod/web")
    run(checkout, "undo", "prod/web")
    assert (checkout.root / ROLLOUT).read_text(encoding="utf-8") == before


def test_what_an_updater_commits_waits_for_advance(checkout: Checkout) -> None:
    checkout.edit(ROLLOUT, ONE, TWO)
    checkout.commit("Update the image")
    told = checkout.run("render", "--check", "prod/web", "--no-validate")
    assert "2.0.0 waits: `rollstep advance prod/web` begins it" in told.stderr
    assert "STEP" in told.stderr
    checkout.run("verify")
    run(checkout, "advance", "prod/web")
    assert checkout.replicas("prod/web") == {"1.0.0": 5, "2.0.0": 1}
