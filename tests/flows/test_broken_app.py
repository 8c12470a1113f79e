"""One broken app, or one stale line in rollstep.yaml, stops nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import NOON, Checkout

BROKEN = "environments/prod/api/rollout.yaml"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("repo") / "repo")
    checkout.run("advance", "--all", "--now", NOON, "--no-validate")
    checkout.edit(BROKEN, "strategy:", "strategie:")
    checkout.commit("Break api")
    return checkout


@pytest.fixture
def broken(shared: Checkout) -> Iterator[Checkout]:
    head = shared.head
    yield shared
    shared.git("reset", "--hard", "--quiet", head)
    shared.git("clean", "-fdq")


@pytest.mark.parametrize("verb", ["status", "get", "plan", "history"])
def test_the_others_are_shown_and_the_error_comes_last(broken: Checkout, verb: str) -> None:
    shown = broken.run(verb, "prod", code=1)
    assert "web" in shown.stdout
    assert f"error: {BROKEN}" in shown.stderr
    assert broken.run(verb, "prod/web").stderr == ""
    assert [entry["app"] for entry in broken.json(verb, "prod", code=1)] == ["web"]
    assert broken.run(verb, "prod/api", code=1).stdout == ""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_check_compares_the_others(broken: Checkout, jobs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("renderer.verbs.apps.parallel.MIN_BATCH", 1)
    broken.run("render", "--check", "prod/web")
    broken.edit("environments/prod/web/configmap.yaml", "LOG_LEVEL: info", "LOG_LEVEL: debug")
    for arguments in ([], ["--output", "json"]):
        checked = broken.run("render", "--check", "--jobs", jobs, *arguments, code=1)
        assert "LOG_LEVEL: debug" in checked.stdout
        assert f"error: {BROKEN}" in checked.stderr
    before = broken.snapshot()
    assert broken.run("render", code=1).stdout == ""
    assert broken.snapshot() == before


@pytest.mark.parametrize("path", ["environments: {old: {}, prod: {apps: {gone: {}}}}", "apps: {gone: {}}"])
def test_a_stale_entry_of_the_settings_is_a_warning(tmp_path: Path, path: str) -> None:
    checkout = Checkout(tmp_path / "repo")
    (checkout.root / "rollstep.yaml").write_text("defaults: {namespace: shop}\n" + path)
    checkout.git("rm", "-rq", "environments/dev")
    checkout.commit("Leave old names behind")
    warning = "warning: rollstep.yaml:2:"
    assert warning in checkout.run("advance", "prod/web", "--now", NOON, "--no-validate").stderr
    commands: list[list[str]] = [["status"], ["plan", "prod/web"], ["lint", "environments/prod/web/services.yaml"]]
    for command in (*commands, ["render", "prod"], ["render", "--check", "prod"], ["render", "--check", "prod"]):
        assert warning in checkout.run(*command).stderr
