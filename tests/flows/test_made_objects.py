"""Objects that a release makes never replace those of the user or of another app of the environment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import NOON, PROJECT, Checkout

CASES = PROJECT / "tests/verbs/lint/cases"
CASE = CASES / "RS444/bad/environments/prod"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Add two apps whose canary Ingresses have the same name: web with api-main, and web-api with main."""
    checkout = Checkout(tmp_path / "repo")
    shutil.copytree(CASE / "web-api", checkout.root / "environments/prod/web-api")
    shutil.copytree(CASE / "web", checkout.root / "environments/prod/shop")
    checkout.commit("Add two apps")
    return checkout


NAME = "Ingress web-api-main-canary, which a release makes, is also an object of another app"


@pytest.mark.parametrize(("first", "second"), [("shop", "web-api"), ("web-api", "shop")])
def test_the_second_of_two_apps_is_refused_with_both_places(checkout: Checkout, first: str, second: str) -> None:
    checkout.run("advance", f"prod/{first}", "--now", NOON)
    before = checkout.snapshot()
    refused = checkout.run("advance", f"prod/{second}", "--now", NOON, code=1)
    file = "rendered/ingress-web-api-main-canary.yaml"
    assert f"environments/prod/{second}/{file}: {NAME} (environments/prod/{first}/{file})" in refused.stderr
    assert checkout.snapshot() == before


def test_two_apps_of_one_run_are_refused_and_the_others_go_on(checkout: Checkout) -> None:
    refused = checkout.run("advance", "--all", "--now", NOON, "--yes", code=1)
    assert refused.stderr.count(NAME) == 2
    assert (checkout.root / "environments/prod/web/rendered").is_dir()
    assert not (checkout.root / "environments/prod/shop/rendered").exists()
    assert not (checkout.root / "environments/prod/web-api/rendered").exists()


def test_apps_of_two_environments_may_have_the_same_names(checkout: Checkout) -> None:
    shutil.move(checkout.root / "environments/prod/web-api", checkout.root / "environments/staging/web-api")
    checkout.commit("Move an app")
    checkout.run("advance", "prod/shop", "staging/web-api", "--now", NOON)


def test_an_object_of_the_users_is_refused_with_its_place(checkout: Checkout) -> None:
    shutil.copytree(CASES / "RS330/bad", checkout.root / "environments/prod/own")
    checkout.commit("Add an app with the Ingress that its router makes")
    refused = checkout.run("advance", "prod/own", "--now", NOON, code=1)
    assert 'Ingress "own-main-own-canary" is among the manifests' in refused.stderr
    assert "environments/prod/own/web.yaml:" in refused.stderr.partition("rename one of the two")[2]


def test_an_object_that_another_app_makes_is_refused(checkout: Checkout) -> None:
    checkout.run("advance", "prod/shop", "--now", NOON)
    checkout.edit(
        "environments/prod/web/ingress.yaml", "metadata:\n  name: web", "metadata:\n  name: web-api-main-canary"
    )
    checkout.edit("environments/prod/web/rollout.yaml", "stableIngress: web", "stableIngress: web-api-main-canary")
    checkout.commit("Take the name of what the other app makes")
    refused = checkout.run("advance", "prod/web", "--now", NOON, code=1)
    assert f"{NAME} (environments/prod/shop/rendered/ingress-web-api-main-canary.yaml)" in refused.stderr
