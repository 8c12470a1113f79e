"""A check of unchanged apps prints the same as a full check, and detects every change of a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.write import journal
from renderer.verbs.cache import stamps, store
from renderer.verbs.cache.checks import Check
from renderer.verbs.cache.renders import RenderCache
from tests.support.commands import Checkout

STAGING, RENDERED = "environments/staging/web", "environments/staging/web/rendered"
SETTLED = 0.12
"""Seconds after which a change of a file shows in its times."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = Checkout(tmp_path_factory.mktemp("released"))
    shutil.rmtree(checkout.root / "environments/dev")
    shutil.rmtree(checkout.root / "environments/prod")
    (checkout.root / "rollstep.yaml").write_text("defaults: {namespace: shop, order: step}\n")
    checkout.commit()
    checkout.advance_all()
    return checkout.root


@pytest.fixture
def checkout(released: Path, tmp_path: Path) -> Checkout:
    return copy(released, tmp_path / "checkout")


def copy(released: Path, root: Path) -> Checkout:
    shutil.copytree(released, root)
    found = Checkout.__new__(Checkout)
    found.root = root
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the test's own folder of the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / store.FOLDER


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if path.is_file())


def recalled(checkout: Checkout, *targets: str) -> int | None:
    last = Check.of(str(checkout.root), targets)
    return last.up_to_date() if last else None


def check(checkout: Checkout, *targets: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        # A new release contains the time.
        patch.setattr("renderer.verbs.render.compare.current_time", lambda: datetime(2026, 3, 1, 13, tzinfo=UTC))
        for code in (0, 1):
            try:
                done = checkout.run("render", "--check", *targets, code=code)
            except AssertionError:
                continue
            return (code, done.stdout, done.stderr)
    raise AssertionError("neither 0 nor 1")


def without_cache(checkout: Checkout) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
        return check(checkout)


def remember(checkout: Checkout, *targets: str) -> int:
    time.sleep(SETTLED)
    assert check(checkout, *targets)[0] == 0
    found = recalled(checkout, *targets)
    assert found is not None
    return found


def test_an_unchanged_check_loads_neither_settings_nor_engine(checkout: Checkout) -> None:
    assert remember(checkout) == 2
    program = (
        "import sys; from renderer.__main__ import main\n"
        "try: main()\n"
        "finally: print([name for name in ('yaml', 'subprocess', 'renderer.rollouts')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, "render", "--check"]
    done = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "2 apps are up to date\n")


def test_each_choice_of_targets_is_remembered_by_itself(checkout: Checkout) -> None:
    assert remember(checkout, STAGING) == 1
    assert recalled(checkout) is None
    assert remember(checkout, "staging/web") == 1
    assert remember(checkout, "web") == 1
    checkout.edit("environments/staging/api/rollout.yaml", "spec:", "spec: # the same")
    assert recalled(checkout, STAGING) is not None


@pytest.mark.parametrize(
    "options",
    [
        ["--step", "2"],
        ["--now", "2026-03-01T13:00:00Z"],
        ["--shard", "1/1"],
        ["--no-cache"],
        ["--jobs", "2"],
        ["-o", "json"],
    ],
)
def test_a_check_with_options_is_not_answered_from_a_plain_one(
    checkout: Checkout, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Check, "up_to_date", lambda _: 99)
    assert "99 apps" in checkout.run("render", "--check", "staging/web").stderr
    assert "99 apps" not in checkout.run("render", "--check", "staging/web", *options).stderr


def in_place(checkout: Checkout) -> None:
    """Change a file without changing its size and mtime."""
    path = checkout.root / STAGING / "rollout.yaml"
    before = path.stat()
    text = path.read_text()
    changed = text.replace("1.0.0", "1.0.1")
    assert len(changed) == len(text)
    assert changed != text
    path.write_text(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(checkout: Checkout) -> None:
    path = checkout.root / RENDERED / "service-web-stable.yaml"
    other = path.with_suffix(".new")
    other.write_text(path.read_text() + "# by hand\n")
    other.replace(path)


CHANGES: dict[str, Callable[[Checkout], object]] = {
    "a source": lambda c: c.edit(f"{STAGING}/rollout.yaml", "1.0.0", "2.0.0"),
    "a source within the same length and time": in_place,
    "a new source": lambda c: (c.root / STAGING / "more.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"
    ),
    "a source that is gone": lambda c: (c.root / STAGING / "ingress.yaml").unlink(),
    "a rendered file": replaced,
    "a rendered file that is gone": lambda c: (c.root / RENDERED / "service-web-stable.yaml").unlink(),
    "the marker": lambda c: (c.root / RENDERED / ".rollstep").write_text(""),
    "the status": lambda c: (c.root / STAGING / "status.yaml").unlink(),
    "the settings": lambda c: c.edit("rollstep.yaml", "namespace: shop", "namespace: other"),
    "a new template": lambda c: write(c.root / "templates/service.yaml.j2", "# mine\n{{ manifest | to_yaml }}"),
    "a new app": lambda c: shutil.copytree(c.root / STAGING, c.root / "environments/staging/third"),
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_seen(checkout: Checkout, name: str) -> None:
    remember(checkout)
    CHANGES[name](checkout)
    assert recalled(checkout) is None
    assert check(checkout) == without_cache(checkout)
    assert check(checkout)[2] != "2 apps are up to date\n"


def test_a_folder_that_becomes_an_app_is_seen(checkout: Checkout) -> None:
    (checkout.root / "environments/staging/later").mkdir()
    remember(checkout)
    shutil.copytree(checkout.root / STAGING, checkout.root / "environments/staging/later", dirs_exist_ok=True)
    assert recalled(checkout) is None


def test_an_app_that_the_settings_name_is_missed_whatever_was_asked_for(checkout: Checkout) -> None:
    (checkout.root / "rollstep.yaml").write_text(
        "defaults: {namespace: shop, order: step}\nenvironments: {staging: {apps: {api: {}}}}\n"
    )
    remember(checkout, STAGING)
    for path in (checkout.root / "environments/staging/api").glob("*.yaml"):
        path.unlink()
    assert recalled(checkout, STAGING) is None
    code, _, told = check(checkout, STAGING)
    assert (code, "warning: rollstep.yaml:2" in told) == (0, True)
    assert recalled(checkout, STAGING) is None, "the warning comes at each check"


def test_a_journal_is_reported(checkout: Checkout) -> None:
    remember(checkout)
    (checkout.root / journal.JOURNAL).mkdir()
    assert recalled(checkout) is None


def test_a_change_in_the_tick_of_the_check_is_not_taken_for_old(checkout: Checkout) -> None:
    path = checkout.root / STAGING / "rollout.yaml"
    path.write_text(path.read_text())
    changed = path.stat().st_ctime_ns
    assert not stamps.is_settled(stamps.group("now", [str(path)]), changed + 10_000_000)
    assert stamps.is_settled(stamps.group("now", [str(path)]), changed + 3_000_000_000)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert not stamps.is_settled(stamps.group("now", [str(path)]), path.stat().st_ctime_ns)


def test_only_changed_apps_are_looked_at(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    from renderer.pipeline.resolve import rendered_world

    seen: list[str] = []
    look = rendered_world.rendered_world

    def noted(workspace: Workspace, ref: AppRef, *more: Any) -> Any:
        seen.append(ref.name)
        return look(workspace, ref, *more)

    remember(checkout)
    monkeypatch.setattr(rendered_world, "rendered_world", noted)
    # Without cached renders, every render is counted.
    monkeypatch.setattr(RenderCache, "find", lambda *_: None)
    checkout.edit(f"{STAGING}/rollout.yaml", "spec:", "spec: # the same")
    checkout.run("render", "--check")
    assert seen == ["web"]
    time.sleep(SETTLED)
    checkout.run("render", "--check")
    assert seen == ["web", "web"]
    assert recalled(checkout) is not None


@pytest.mark.parametrize("damage", [b"", b"abc", b"\0" * 400])
def test_a_damaged_cache_costs_time_alone(checkout: Checkout, folder: Path, damage: bytes) -> None:
    remember(checkout)
    for path in entries(folder):
        whole = path.read_bytes()
        for content in (damage, whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), damage + whole[1:]):
            path.write_bytes(content)
            recalled(checkout)
            assert check(checkout) == (0, "", "2 apps are up to date\n")
    shutil.rmtree(folder)
    assert recalled(checkout) is None
    assert remember(checkout) == 2


def test_a_cache_that_cannot_be_written_is_no_error(checkout: Checkout, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    assert check(checkout) == (0, "", "2 apps are up to date\n")
    assert recalled(checkout) is None


def test_a_git_folder_without_a_clock_is_no_error(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError("read-only")

    monkeypatch.setattr(stamps, "file_clock", refuse)
    assert check(checkout) == (0, "", "2 apps are up to date\n")
    assert recalled(checkout) is None


def test_another_program_checks_again(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(checkout)
    monkeypatch.setattr(sys, "prefix", "/elsewhere")
    assert recalled(checkout) is None


def test_runs_at_the_same_time_do_not_disturb_each_other(checkout: Checkout, folder: Path) -> None:
    time.sleep(SETTLED)
    command = [sys.executable, "-m", "renderer", "render", "--check"]
    runs = [subprocess.Popen(command, cwd=checkout.root, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [run.communicate()[1] for run in runs] == ["2 apps are up to date\n"] * 4
    assert [run.returncode for run in runs] == [0] * 4
    assert recalled(checkout) is not None
    assert [path for path in entries(folder) if "." in path.name] == []


@pytest.mark.parametrize("link", ["environments/staging/web/linked.yaml", "environments/staging/linked"])
def test_an_app_with_links_is_looked_at_each_time(checkout: Checkout, link: str) -> None:
    folder = (checkout.root / link).parent
    target = "rollout.yaml" if link.endswith(".yaml") else "web"
    if link.endswith(".yaml"):
        (folder / "moved").mkdir()
        shutil.move(folder / "rollout.yaml", folder / "moved/rollout.txt")
        target = "moved/rollout.txt"
    (checkout.root / link).symlink_to(target)
    time.sleep(SETTLED)
    check(checkout)
    assert recalled(checkout) is None


def test_a_worktree_is_checked_by_itself(checkout: Checkout, tmp_path: Path) -> None:
    checkout.git("worktree", "add", "--quiet", str(tmp_path / "tree"))
    time.sleep(SETTLED)
    there = Checkout.__new__(Checkout)
    there.root = tmp_path / "tree"
    assert check(there)[0] == 0
    assert recalled(there) is not None
    assert recalled(checkout) is None
    assert there.git("status", "--porcelain") == checkout.git("status", "--porcelain") == ""


EDITS = st.sampled_from([*CHANGES, "back", "touch"])


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(EDITS, st.booleans()), min_size=1, max_size=4))
def test_with_and_without_cache_the_output_is_the_same(
    released: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, bool]]
) -> None:
    checkout = copy(released, tmp_path_factory.mktemp("edited") / "checkout")
    check(checkout)
    for name, waits in edits:
        if name == "back":
            checkout.git("checkout", "--quiet", "--", ".")
            checkout.git("clean", "--quiet", "-fd")
        elif name == "touch":
            os.utime(checkout.root / STAGING / "services.yaml")
        else:
            try:
                CHANGES[name](checkout)
            except (AssertionError, FileNotFoundError, FileExistsError):
                continue
        if waits:
            time.sleep(SETTLED)
        assert check(checkout) == without_cache(checkout)
