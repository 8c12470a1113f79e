"""The command line: its names for verbs, its help, and its colors."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.cli.main import ALIASES, GROUPS, VERBS
from tests.support.commands import NOON, TWO, Checkout


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with prod/web at its first pause, which no test changes."""
    checkout = Checkout(tmp_path_factory.mktemp("repo") / "repo")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    return checkout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["get", "rollout", "prod/web"], ["get", "prod/web"]),
        (["get", "rollouts"], ["get"]),
        (["get", "ro", "web"], ["get", "web"]),
        (["list", "rollouts"], ["status"]),
        (["list"], ["status"]),
        (["version"], ["--version"]),
        (["help"], ["--help"]),
        (["help", "set", "image"], ["set", "image", "--help"]),
        (["scale", "prod/web", "10", "--dry-run"], ["scale", "prod/web", "--replicas", "10", "--dry-run"]),
        (["rollback", "prod/web", "--dry-run"], ["undo", "prod/web", "--dry-run"]),
    ],
)
def test_what_users_of_kubectl_type(shared: Checkout, typed: list[str], meant: list[str]) -> None:
    now = [] if {"version", "help"} & set(typed) else ["--now", NOON]
    first, second = shared.run(*typed, *now), shared.run(*meant, *now)
    assert first.stdout == second.stdout != ""
    assert first.stderr == second.stderr


def test_scale_takes_one_number_of_pods(shared: Checkout) -> None:
    for arguments in (["prod/web"], ["prod/web", "ten"], []):
        assert "--replicas N" in shared.run("scale", *arguments, code=2).stderr
    assert "there is no app or environment 3" in shared.run("scale", "3", "--replicas", "3", code=2).stderr
    assert "name a TARGET" in shared.run("scale", "3", code=2).stderr


def test_an_unknown_verb_has_a_suggestion(shared: Checkout) -> None:
    assert "did you mean promote?" in shared.run("promot", code=2).stderr
    assert "did you mean rollback?" in shared.run("rolback", code=2).stderr
    assert "no such command: nothing" in shared.run("help", "nothing", code=2).stderr


def test_get_has_the_formats_of_kubectl(shared: Checkout) -> None:
    from renderer.kubernetes.yaml.reader import load_documents

    (document,) = load_documents(shared.run("get", "prod/web", "-o", "yaml", "--now", NOON).stdout, "-")
    assert document.value == shared.json("get", "prod/web", "--now", NOON)
    wide = shared.run("get", "prod/web", "-o", "wide", "--now", NOON).stdout.splitlines()
    rows = [line for line in wide if "ReplicaSet" in line]
    assert [row.split()[-1] for row in rows] == [TWO, "registry.example.com/shop/web:1.0.0"]


def test_lint_takes_an_app(shared: Checkout) -> None:
    assert shared.run("lint", "prod/web").stderr == shared.run("lint", "environments/prod/web").stderr
    assert "no such file, folder, app or environment" in shared.run("lint", "prod/nothing", code=2).stderr


def test_init_names_the_command_for_a_chart(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    (checkout.root / "chart").mkdir()
    (checkout.root / "chart/Chart.yaml").write_text("name: web\n")
    told = checkout.run("init", "./chart", code=1).stderr
    assert f"helm template chart {checkout.root}/chart | rollstep init -" in told


def test_the_help_has_every_verb_in_a_section(shared: Checkout) -> None:
    listed = [verb for verbs in GROUPS.values() for verb in verbs]
    assert len(listed) == len(set(listed))
    assert set(listed) | set(ALIASES.values()) <= VERBS.keys()
    lines = shared.run("--help").stdout.splitlines()
    assert [line.rstrip(":") for line in lines if line.rstrip(":") in GROUPS] == list(GROUPS)
    assert all(any(line.startswith(f"  {verb} ") for line in lines) for verb in VERBS)


def on_terminal(checkout: Checkout, *arguments: str, **environment: str) -> str:
    """Return what a command prints on a terminal, and expect success."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "renderer", *arguments]
    variables = {**os.environ, "TERM": "xterm", **environment}
    with subprocess.Popen(command, cwd=checkout.root, env=variables, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        told = b""
        try:
            while chunk := os.read(ours, 4096):
                told += chunk
        except OSError:
            pass  # The end of a terminal.
    os.close(ours)
    assert process.returncode == 0, told
    return told.decode()


def test_bars_are_for_terminals(shared: Checkout) -> None:
    for verb in ("status", "get"):
        command = (verb, "prod/web", "--now", NOON)
        assert "▰▰▱▱▱▱▱▱▱▱ 20" in on_terminal(shared, *command)
        assert "##-------- 20" in on_terminal(shared, *command, PYTHONIOENCODING="ascii")
        assert "▰" not in shared.process(*command).stdout
    ascii_only = on_terminal(shared, "get", "prod/web", "--now", NOON, PYTHONIOENCODING="ascii")
    assert ascii_only.isascii()
    assert "|--# revision:2 (2.0.0)" in ascii_only


def test_a_watch_on_a_terminal_has_colors_and_bars(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    shown = on_terminal(checkout, "get", "prod/web", "--watch")
    assert "\x1b[32mCommitted" in shown
    assert "▰▰▰▰▰▰▰▰▰▰ 100" in shown
    plain = on_terminal(checkout, "status", "prod/web", "--watch", NO_COLOR="1", PYTHONIOENCODING="ascii")
    assert "########## 100" in plain
    assert "\x1b[32m" not in plain


def test_colors_are_for_terminals(shared: Checkout) -> None:
    status, diff = ("status", "prod/web", "--now", NOON), ("diff", "prod/web", "--now", NOON)
    assert "\x1b[33mPaused" in on_terminal(shared, *status)
    assert "\x1b[32m+" in on_terminal(shared, *diff)
    for arguments in (status, diff):
        assert "\x1b" not in on_terminal(shared, *arguments, NO_COLOR="1")
        assert "\x1b" not in shared.process(*arguments).stdout
