"""``sync`` and ``order``: their safe combinations, in the code as in the documentation."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from renderer.errors import RollstepError
from renderer.kubernetes.sync_tools.argocd import SYNC_WAVE
from renderer.kubernetes.sync_tools.tools import SYNC_TOOLS, step_order, unsafe_order
from renderer.pipeline.load.app import load_app
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.settings import parse_settings
from renderer.pipeline.load.settings_schema import schema_text
from tests.support.commands import NOON, STEP_ORDER, TWO, Checkout

ORDERS = ("step", "phases", "waves")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "repository").mkdir()
    return Checkout(tmp_path / "repository")


def table(project: Path) -> dict[tuple[str, str], str]:
    """Return the cells of the documentation's table, by tool and order."""
    text = (project / "docs" / "explanation" / "ordering.md").read_text(encoding="utf-8")
    text = text.partition("## With which tool")[2].partition("\n## ")[0]
    head, _, *rows = re.findall(r"^\| (.*) \|$|^\|(---.*)\|$", text, re.MULTILINE)
    orders = re.findall(r"`order: (\w+)`", head[0])
    found: dict[tuple[str, str], str] = {}
    for row, _ in rows:
        tool, *cells = row.split(" | ")
        named = re.match(r"`(\w+)`", tool)
        assert named
        found |= {(named[1], order): cell for order, cell in zip(orders, cells, strict=True)}
    return found


def test_the_table_in_the_documentation_is_true(project: Path, checkout: Checkout) -> None:
    told = table(project)
    assert told.keys() == {(tool, order) for tool in SYNC_TOOLS for order in ORDERS}
    for (tool, order), cell in told.items():
        settings = parse_settings(f"defaults:\n  order: {order}\n  sync: {tool}\n", checkout.root)
        refusal = pytest.raises(RollstepError, match="safe with Argo CD alone") if cell == "refused" else nullcontext()
        with refusal:
            load_app(AppRef("prod", "web", checkout.root / "environments/prod/web"), settings, Folder(checkout.root))
        assert (order in SYNC_TOOLS[tool].safe_orders) == cell.startswith("safe"), (tool, order)
        assert cell.startswith(("safe", "not safe")) or cell == "refused"


def test_the_schema_knows_the_same_tools() -> None:
    assert f'"enum": {list(SYNC_TOOLS)!s}'.replace("'", '"') in schema_text()
    assert f'"enum": {list(ORDERS)!s}'.replace("'", '"') in schema_text()


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("defaults:\n  order: waves\n", 2, "defaults.order"),
        (
            "defaults: {sync: argocd}\nenvironments:\n prod:\n  order: waves\n  sync: flux\n",
            4,
            "environments.prod.order",
        ),
        ("defaults:\n  order: waves\nenvironments:\n  prod:\n    sync: kubectl\n", 2, "defaults.order"),
        ("apps:\n  web: {order: waves}\n", 2, "apps.web.order"),
        (
            "environments:\n prod:\n  sync: argocd\n  apps:\n   web:\n    order: waves\n    sync: kubectl\n",
            6,
            "environments.prod.apps.web.order",
        ),
    ],
)
def test_an_order_that_is_not_safe_is_found_where_it_is_set(text: str, line: int, field: str) -> None:
    settings = parse_settings(text, Path())
    (finding,) = unsafe_order(settings.body, settings.source, "prod", "web")
    assert (finding.file, finding.line, finding.field) == ("rollstep.yaml", line, field)


@pytest.mark.parametrize(
    ("text", "sync"),
    [
        ("", "any"),
        ("defaults: {sync: flux}\n", "flux"),
        ("defaults: {sync: flux, order: phases}\n", "flux"),
        ("defaults: {order: waves, sync: argocd}\n", "argocd"),
        ("defaults: {order: waves}\nenvironments: {prod: {sync: argocd}, dev: {}}\n", "argocd"),
        ("defaults: {order: waves}\napps: {web: {order: phases}}\n", "any"),
    ],
)
def test_what_is_safe_or_promises_nothing_is_taken(text: str, sync: str) -> None:
    settings = parse_settings(text, Path())
    assert unsafe_order(settings.body, settings.source, "prod", "web") == []
    assert settings.for_app("prod", "web").sync == sync


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", "phases"),
        ("defaults: {sync: kubectl}\n", "phases"),
        ("defaults: {sync: flux}\n", "phases"),
        ("defaults: {sync: argocd}\n", "waves"),
        ("environments: {prod: {sync: argocd}}\n", "waves"),
        ("defaults: {sync: argocd}\nenvironments: {prod: {sync: flux}}\n", "phases"),
        ("defaults: {sync: argocd, order: phases}\n", "phases"),
        ("defaults: {order: step}\nenvironments: {prod: {sync: argocd}}\n", "step"),
    ],
)
def test_the_default_is_the_safe_order_of_the_tool(text: str, order: str) -> None:
    assert parse_settings(text, Path()).for_app("prod", "web").order == order


def test_a_step_is_told_not_to_be_safe_where_it_is_set() -> None:
    text = "defaults:\n  order: step\nenvironments: {prod: {sync: argocd}, dev: {order: phases}}\n"
    settings = parse_settings(text, Path())
    note = step_order(settings.body, settings.source, "prod", "web")
    assert note is not None
    assert (note.line, note.field) == (2, "defaults.order")
    assert "`order: waves`" in note.hint
    assert step_order(settings.body, settings.source, "dev", "web") is None


def test_every_verb_refuses_what_is_not_safe_and_writes_nothing(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", STEP_ORDER, "  order: waves\n  sync: kubectl\n")
    checkout.commit()
    for verb in (("advance",), ("plan",), ("render",), ("set", "image", "web=x:1")):
        target = [verb[0], *verb[1:2], "prod/web", *verb[2:]] if verb[0] == "set" else [*verb, "prod/web"]
        done = checkout.run(*target, code=1)
        told = done.stdout + done.stderr
        assert "rollstep.yaml:3:3: defaults.order" in told
        assert "order: waves is safe with Argo CD alone, and sync says kubectl" in told
    assert checkout.git("status", "--porcelain") == ""


def test_there_is_no_order_of_flux_and_the_reason_is_told(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", STEP_ORDER, "  order: flux\n")
    done = checkout.run("plan", "prod/web", code=1)
    assert "rollstep.yaml:3:3: defaults.order" in done.stderr
    assert "Flux orders Kustomizations, not what one of them applies, so it needs phases" in done.stderr


@pytest.mark.parametrize("path", ["environments/prod/web/rollout.yaml", "environments/prod/web/services.yaml"])
def test_waves_of_the_users_own_are_refused_on_what_a_step_changes(checkout: Checkout, path: str) -> None:
    checkout.edit("rollstep.yaml", STEP_ORDER, "  order: waves\n  sync: argocd\n")
    text = (checkout.root / path).read_text(encoding="utf-8")
    (checkout.root / path).write_text(
        re.sub(
            r"^metadata:\n", f'metadata:\n  annotations:\n    {SYNC_WAVE}: "3"\n', text, count=1, flags=re.MULTILINE
        ),
        encoding="utf-8",
    )
    done = checkout.run("plan", "prod/web", code=1)
    assert re.search(
        rf"{path}:\d+:\d+: metadata.annotations.{SYNC_WAVE}: only order: waves may set the wave", done.stderr
    )


def test_a_release_in_waves_is_one_commit_a_step_in_git(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", STEP_ORDER, "  sync: argocd\n")
    checkout.commit()
    options = ("--now", NOON, "--no-validate")
    checkout.run("advance", "prod/web", *options)
    checkout.run("set", "image", "prod/web", f"web={TWO}", *options)
    changed = checkout.git("diff", "HEAD^", "--unified=0", "--", "environments/prod/web/rendered")
    assert f'+    {SYNC_WAVE}: "1"' in changed
    checkout.run("render", "prod/web", "--check", "--no-validate")
    checkout.run("verify", "HEAD^..HEAD")
