"""Releases without a setting of the order: no commit sends requests to a version without pods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from renderer.pipeline.write.moved_app import NOT_SAFE
from tests.support.commands import NOON, TWO, Checkout

LATER = "2026-03-01T13:00:00Z"
API = "api=registry.example.com/shop/api:2.0.0"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a repository in the default order, with the first release of all apps of prod."""
    made = Checkout(tmp_path)
    made.use_default_order()
    made.advance_all("prod")
    return made


def run(checkout: Checkout, *command: str, now: str = NOON) -> str:
    """Run a verb, and return what the subject of its commit says after the app's name."""
    checkout.run(*command, "--now", now, "--no-validate")
    return re.sub(r" to \S+ \([a-z0-9]{8,10}\)", "", checkout.subjects[0].partition(": ")[2])


def test_a_canary_adds_pods_before_it_sends_them_requests(checkout: Checkout) -> None:
    base = checkout.head
    assert run(checkout, "set", "image", "prod/web", f"web={TWO}") == "set image, step 0/6, 0%, expand"
    assert (checkout.replicas("prod/web")["2.0.0"], checkout.weight("prod/web")) == (1, "0")
    assert run(checkout, "advance", "prod/web") == "step 1/6, 20%, shift"
    assert (checkout.replicas("prod/web")["2.0.0"], checkout.weight("prod/web")) == (1, "20")
    checkout.run("verify", f"{base}..")
    checkout.run("render", "prod/web", "--check")


def test_a_blue_green_release_selects_its_preview_once_it_has_pods(checkout: Checkout) -> None:
    base = checkout.head
    assert run(checkout, "set", "image", "prod/api", API) == "set image, 0%, expand"
    assert checkout.replicas("prod/api") == {"1.0.0": 3, "2.0.0": 3}
    services = checkout.objects("prod/api", ["Service"])
    assert services["Service/api"]["spec"] == services["Service/api-preview"]["spec"]
    assert run(checkout, "advance", "prod/api") == "paused, 0%, shift"
    services = checkout.objects("prod/api", ["Service"])
    assert services["Service/api"]["spec"] != services["Service/api-preview"]["spec"]
    assert run(checkout, "promote", "prod/api") == "promote, 100%, shift"
    assert run(checkout, "advance", "prod/api", now=LATER) == "old ReplicaSets scaled down, 100%, contract"
    checkout.run("verify", f"{base}..")


def test_an_abort_before_the_preview_is_selected_is_kept(checkout: Checkout) -> None:
    run(checkout, "set", "image", "prod/api", API)
    assert run(checkout, "abort", "prod/api").startswith("abort, 100%")
    checkout.run("advance", "prod/api", "--now", LATER, "--no-validate")
    assert checkout.json("status", "prod/api", code=1)[0]["phase"] == "Degraded"
    assert "2.0.0" not in str(checkout.objects("prod/api", ["Service"]))


@pytest.mark.parametrize("verb", [("promote", "prod/api"), ("scale", "prod/api", "--replicas", "5")], ids=str)
def test_a_verb_between_the_phases_of_a_new_preview_stays_with_it(checkout: Checkout, verb: tuple[str, ...]) -> None:
    run(checkout, "set", "image", "prod/api", API)
    done = checkout.run(*verb, "--now", NOON, "--no-validate")
    assert "waits" not in done.stderr
    assert checkout.json("status", "prod/api")[0]["revision"] == 2
    assert checkout.replicas("prod/api")["2.0.0"] >= 3


def test_with_argo_cd_a_commit_holds_a_step_in_waves(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  sync: argocd\n")
    checkout.commit()
    assert run(checkout, "set", "image", "prod/web", f"web={TWO}") == "set image, step 0/6, 20%"
    assert "argocd.argoproj.io/sync-wave" in str(checkout.objects("prod/web", ["Ingress"]))


def test_a_commit_that_is_not_safe_says_so_and_others_do_not(checkout: Checkout) -> None:
    safe = checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    assert "not safe" not in safe.stderr
    assert NOT_SAFE not in checkout.git("log", "-1", "--format=%b")
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  order: step\n")
    checkout.commit()
    first = checkout.run("advance", "dev/web", "--now", NOON, "--no-validate")
    assert "not safe" not in first.stderr
    done = checkout.run("set", "image", "prod/api", API, "--now", NOON, "--no-validate")
    assert "note: rollstep.yaml:3:3: defaults.order: order: step is not safe" in done.stderr
    assert checkout.git("log", "-1", "--format=%b").startswith(NOT_SAFE)
