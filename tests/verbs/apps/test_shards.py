"""Shards: every app is in exactly one, whatever other apps there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.verbs.apps.shards import Shard
from tests.support.commands import NOON, Checkout

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)


@given(NAMES, NAMES, st.integers(1, 50))
def test_an_app_is_in_one_shard(environment: str, app: str, count: int) -> None:
    homes = [number for number in range(1, count + 1) if Shard(number, count).has(environment, app)]
    assert len(homes) == 1


def test_shards_have_about_the_same_size() -> None:
    apps = [f"app-{number}" for number in range(4000)]
    sizes = [sum(Shard(number, 8).has("prod", app) for app in apps) for number in range(1, 9)]
    assert sum(sizes) == 4000
    assert min(sizes) > 400
    assert max(sizes) < 600


def test_the_shard_of_an_app_is_fixed() -> None:
    homes = {app: [Shard(number, 4).has("prod", app) for number in range(1, 5)].index(True) for app in ("api", "web")}
    assert homes == {"api": 0, "web": 1}


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1 /4", "1/99999999999"])
def test_an_invalid_shard_is_refused(text: str, tmp_path) -> None:
    with pytest.raises(ValueError, match="expected K/N"):
        Shard.from_text(text)
    refused = Checkout(tmp_path).run("render", "--shard", text, code=2)
    assert "expected K/N" in refused.stderr


def test_all_shards_together_give_the_same_as_one_run(tmp_path) -> None:
    whole, parts = Checkout(tmp_path / "whole"), Checkout(tmp_path / "parts")
    whole.run("render", "--now", NOON)
    told = ""
    for number in range(1, 4):
        told += parts.run("render", "--now", NOON, "--shard", f"{number}/3").stderr
    assert parts.snapshot()[2] == whole.snapshot()[2]
    assert told.count("created") == 5
    for number in range(1, 4):
        parts.run("render", "--check", "--shard", f"{number}/3")
    parts.edit("environments/prod/web/rendered/service-web-stable.yaml", "port: 80", "port: 81")
    codes = [
        parts.run("render", "--check", "--shard", f"{n}/3", code=1 if Shard(n, 3).has("prod", "web") else 0)
        for n in (1, 2, 3)
    ]
    assert sum(done.returncode for done in codes) == 1
    parts.run("render", "--check", code=1)
