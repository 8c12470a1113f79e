"""A release that measures itself, whose commits go by pull request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Checkout
from tests.support.forge_server import TOKEN, ForgeServer
from tests.support.metrics import WEB, Metrics, advance, analyzed, metrics_server, release

FORGE = "forge: {{type: github, url: '{url}'}}\n"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeServer]:
    with pytest.MonkeyPatch.context() as patch, ForgeServer("github", tmp_path_factory.mktemp("forge")) as made:
        patch.setenv("GITHUB_TOKEN", TOKEN)
        yield made
        assert made.violations == []


def at_its_analysis(root: Path, metrics: Metrics, server: ForgeServer, template: str = "") -> Checkout:
    """Return a checkout whose release is at its analysis, and whose commits go by pull request from now on."""
    checkout = analyzed(root, metrics.address, metrics=template)
    release(checkout)
    advance(checkout, 1)
    checkout.edit("rollstep.yaml", "defaults:\n", f"{FORGE.format(url=server.url)}defaults:\n")
    checkout.edit("rollstep.yaml", "  commit:\n", "  commit:\n    to: pull-request\n")
    checkout.commit("Use pull requests")
    checkout.git("remote", "add", "origin", server.remote)
    checkout.git("push", "--quiet", str(server.folder / "shop/web.git"), "main")
    return checkout


def propose(checkout: Checkout, code: int = 0) -> str:
    done = checkout.run("advance", "prod/web", "--no-validate", code=code)
    return done.stdout + done.stderr


def test_the_verdict_is_a_pull_request(tmp_path: Path, server: ForgeServer) -> None:
    with metrics_server(lambda _, __: 0.42) as metrics:
        checkout = at_its_analysis(tmp_path, metrics, server)
        assert "[opened" in propose(checkout)
        (found,) = server.open_ones
        assert found["title"].startswith("web (prod): aborted, 100% to 1.0.0 (cd4ff96b7), success-rate Failed")
        assert found["head"] == "rollstep/prod/web/abort"
        assert "[unchanged" in propose(checkout)
        # Nothing is committed here: the merge takes the release back.
        assert checkout.subjects[0] == "Use pull requests"
        checkout.git("fetch", "--quiet", str(server.folder / "shop/web.git"), found["head"])
        checkout.git("merge", "--quiet", "--ff-only", "FETCH_HEAD")
    assert "registry.example.com/shop/web:2.0.0" in (tmp_path / "quarantine.yaml").read_text(encoding="utf-8")
    assert "Rollstep-Analysis: web-757fd686f6-2-1 Failed" in checkout.git("log", "-1")
    checkout.run("verify", "HEAD~1..")


def test_a_success_proposes_the_next_step(tmp_path: Path, server: ForgeServer) -> None:
    with metrics_server(lambda _, __: 0.99) as metrics:
        checkout = at_its_analysis(tmp_path, metrics, server)
        assert "[opened" in propose(checkout)
        (found,) = server.open_ones
        assert found["title"].startswith("web (prod): step 2/3, 60% to 2.0.0")
        checkout.git("fetch", "--quiet", str(server.folder / "shop/web.git"), found["head"])
        checkout.git("merge", "--quiet", "--ff-only", "FETCH_HEAD")
    checkout.run("verify", "HEAD~1..")


def test_a_metric_of_the_present_is_refused(tmp_path: Path, server: ForgeServer) -> None:
    with metrics_server(lambda _, __: 0.99) as metrics:
        template = WEB.format(name="health", interval="1m", count=2, limit=0, address=metrics.address)
        checkout = at_its_analysis(tmp_path, metrics, server, template)
        assert "health knows the present only, and a pull request keeps no measurement" in propose(checkout, code=1)
        assert not metrics.asked
        assert server.open_ones == []
