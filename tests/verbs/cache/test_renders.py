"""A cached render equals a new one, and a missing or damaged entry costs only time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.resolve import rendered_world
from renderer.verbs.cache import renders as render_cache
from renderer.verbs.cache.renders import RenderCache
from renderer.verbs.cache.store import FOLDER
from tests.support.commands import NOON, ONE, TWO, Checkout

LATER = "2026-05-06T07:08:09Z"
WEB = "environments/staging/web"
RELATIVE = "staging/web"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the test's own folder of the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / FOLDER


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "one")


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of each app that is rendered instead of found."""
    seen: list[str] = []
    make = rendered_world.rendered_world

    def noted(workspace: Workspace, ref: AppRef, *more: Any) -> Any:
        seen.append(f"{ref.environment}/{ref.name}")
        return make(workspace, ref, *more)

    monkeypatch.setattr(rendered_world, "rendered_world", noted)
    return seen


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if path.is_file())


def key(checkout: Checkout, step: int | None = None) -> str | None:
    cache = RenderCache.open(step)
    assert cache is not None
    workspace = Workspace.open(str(checkout.root))
    return cache.key(workspace.home(workspace.apps([RELATIVE])[0]))


def test_another_clone_at_another_time_finds_what_it_would_have_rendered(
    checkout: Checkout, tmp_path: Path, rendered: list[str]
) -> None:
    found, fresh = checkout.copy(tmp_path / "two"), checkout.copy(tmp_path / "three")
    checkout.run("render", "--now", NOON)
    assert len(rendered) == 5
    done = found.run("render", "--now", LATER)
    assert len(rendered) == 5
    assert fresh.run("render", "--now", LATER, "--no-cache").stderr == done.stderr
    assert len(rendered) == 10
    assert found.snapshot()[1:] == fresh.snapshot()[1:]
    assert LATER in (found.root / WEB / "status.yaml").read_text()


def test_every_step_of_a_release_is_found_as_it_would_be_rendered(
    checkout: Checkout, tmp_path: Path, rendered: list[str]
) -> None:
    app = "environments/prod/web"
    checkout.advance_all()
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    for hour in range(13, 20):
        other = checkout.copy(tmp_path / str(hour))
        shutil.rmtree(other.root / app / "rendered" / "nothing", ignore_errors=True)
        fresh = checkout.run("render", "--check", "--now", LATER)
        before = len(rendered)
        assert other.run("render", "--check", "--now", f"2026-06-01T{hour}:00:00Z").stderr == fresh.stderr
        assert len(rendered) == before
        assert other.run("render", "--check", "--no-cache").stderr == fresh.stderr
        checkout.run("advance", "prod/web", "--now", f"2026-03-02T{hour}:00:00Z", "--no-validate")


def test_different_steps_have_different_entries(checkout: Checkout, rendered: list[str]) -> None:
    checkout.advance_all()
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    first = [checkout.run("render", "prod/web", "--dry-run", "--step", str(step)).stdout for step in range(3)]
    assert len(set(first)) == 3
    assert len(rendered) == 3
    assert [checkout.run("render", "prod/web", "--dry-run", "--step", str(step)).stdout for step in range(3)] == first
    assert len(rendered) == 3


def test_a_cached_render_is_compared_with_the_folder(checkout: Checkout, rendered: list[str]) -> None:
    checkout.run("render", RELATIVE, "--now", NOON)
    checkout.run("render", "--check", RELATIVE, "--now", NOON)
    checkout.edit(f"{WEB}/rendered/service-web-stable.yaml", "port: 80", "port: 81")
    seen = len(rendered)
    fresh = checkout.run("render", RELATIVE, "--check", "--now", NOON, code=1)
    assert len(rendered) == seen + 1
    again = checkout.run("render", RELATIVE, "--check", "--now", NOON, code=1)
    assert len(rendered) == seen + 1
    assert (again.stdout, again.stderr) == (fresh.stdout, fresh.stderr)
    assert "port: 81" in again.stdout


def write(path: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(exist_ok=True, parents=True)
        (root / path).write_text(text)

    return change


def replace(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    "change",
    [
        replace(f"{WEB}/rollout.yaml", ONE, TWO),
        replace("rollstep.yaml", "namespace: shop", "namespace: market"),
        write(f"{WEB}/status.yaml", "rollout: web\n"),
        write(f"{WEB}/rendered/.rollstep", ""),
        write(f"{WEB}/more.yaml", ""),
        write(f"{WEB}/folder/more.yaml", ""),
        write("templates/service.yaml.j2", "{{ object | to_yaml }}"),
        lambda root: (root / WEB / "rollout.yaml").rename(root / WEB / "other.yaml"),
    ],
)  # fmt: skip
def test_every_input_of_an_app_counts(checkout: Checkout, change: Callable[[Path], None]) -> None:
    before = key(checkout)
    assert before is not None
    assert key(checkout) == before
    change(checkout.root)
    assert key(checkout) not in (None, before)


def test_the_step_and_the_program_count(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {key(checkout), key(checkout, 0), key(checkout, 1)}
    monkeypatch.setattr(render_cache, "_program", lambda: b"another version")
    keys |= {key(checkout), key(checkout, 0)}
    assert len(keys) == 5


def test_neither_the_place_of_the_clone_nor_another_app_counts(checkout: Checkout, tmp_path: Path) -> None:
    before = key(checkout)
    other = checkout.copy(tmp_path / "elsewhere")
    replace("environments/prod/web/rollout.yaml", ONE, TWO)(other.root)
    assert key(other) == before


def linked_templates(root: Path) -> None:
    (root / "own").mkdir()
    (root / "own/service.yaml.j2").write_text("{{ object | to_yaml }}")
    (root / "templates").symlink_to(root / "own")


def link(root: Path) -> None:
    (root / "shared.yaml").write_text("")
    (root / WEB / "shared.yaml").symlink_to(root / "shared.yaml")


@pytest.mark.parametrize(
    "change",
    [
        link,
        lambda root: (root / "templates").mkdir() or (root / "templates/_x.j2").symlink_to(root / "rollstep.yaml"),
        linked_templates,
        write(f"{WEB}/more.yaml.j2", '{% include "any/file.yaml" %}'),
        lambda root: os.truncate(os.open(root / WEB / "large.bin", os.O_CREAT | os.O_WRONLY), 20_000_000),
        lambda root: os.mkfifo(root / WEB / "pipe"),
    ],
)
def test_an_app_that_rests_on_more_than_its_folder_has_no_key(
    checkout: Checkout, change: Callable[[Path], None]
) -> None:
    change(checkout.root)
    assert key(checkout) is None


@pytest.mark.parametrize("place", ["environments/staging/web", "environments/staging"])
def test_a_folder_that_is_a_link_has_no_key(checkout: Checkout, tmp_path: Path, place: str) -> None:
    (checkout.root / place).rename(tmp_path / "elsewhere")
    (checkout.root / place).symlink_to(tmp_path / "elsewhere")
    assert key(checkout) is None


def test_templates_that_change_while_a_process_runs_count(checkout: Checkout) -> None:
    write("templates/service.yaml.j2", "{{ object | to_yaml }}")(checkout.root)
    cache = RenderCache.open(None)
    assert cache is not None
    workspace = Workspace.open(str(checkout.root))
    home = workspace.home(workspace.apps([RELATIVE])[0])
    before = cache.key(home)
    write("templates/service.yaml.j2", "# another one\n{{ object | to_yaml }}")(checkout.root)
    assert cache.key(home) not in (None, before)
    assert key(checkout) == cache.key(home)


def test_an_app_that_a_command_prints_has_no_key(checkout: Checkout) -> None:
    replace("rollstep.yaml", "defaults:\n", "defaults:\n  source: {exec: [cat, all.yaml]}\n")(checkout.root)
    assert key(checkout) is None


def test_a_release_that_depends_on_a_time_in_the_sources_is_not_cached(checkout: Checkout, folder: Path) -> None:
    replace(f"{WEB}/rollout.yaml", "\nspec:\n", '\nspec:\n  restartAt: "2026-04-01T00:00:00Z"\n')(checkout.root)
    checkout.run("render", RELATIVE, "--now", NOON, "--dry-run")
    assert entries(folder) == []


def test_manifests_with_the_time_of_the_run_are_not_cached(checkout: Checkout, folder: Path) -> None:
    write(f"{WEB}/more.yaml", f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: time}}\ndata: {{time: '{NOON}'}}\n")(
        checkout.root
    )
    checkout.run("render", RELATIVE, "--now", NOON, "--dry-run")
    assert entries(folder) == []
    checkout.run("render", RELATIVE, "--now", LATER, "--dry-run")
    assert len(entries(folder)) == 1


def test_an_app_with_a_version_that_waits_is_not_cached(checkout: Checkout, folder: Path) -> None:
    checkout.run("render", RELATIVE, "--now", NOON)
    replace(f"{WEB}/rollout.yaml", ONE, TWO)(checkout.root)
    before = entries(folder)
    checkout.run("render", RELATIVE, "--now", LATER, "--dry-run")
    assert entries(folder) == before


def test_errors_are_found_each_time(checkout: Checkout, folder: Path) -> None:
    replace(f"{WEB}/rollout.yaml", "\nspec:\n", "\nspec:\n  revisionHistoryLimit: many\n")(checkout.root)
    first = checkout.run("render", RELATIVE, code=1)
    assert checkout.run("render", RELATIVE, code=1).stderr == first.stderr
    assert entries(folder) == []


def test_an_app_that_changes_while_it_is_rendered_is_not_cached(
    checkout: Checkout, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = rendered_world.rendered_world

    def changed(workspace: Workspace, ref: AppRef, *more: Any) -> Any:
        replace(f"{WEB}/rollout.yaml", ONE, TWO)(checkout.root)
        return make(workspace, ref, *more)

    monkeypatch.setattr(rendered_world, "rendered_world", changed)
    checkout.run("render", RELATIVE, "--dry-run")
    assert entries(folder) == []


@pytest.mark.parametrize("content", [
    b"", b"\0" * 300, *map(zlib.compress, (b"", b"[]", b'{"a": 1}', b'["a", 1, 2]', b'["KEY", {"a": 1}, [""]]',
    b'["KEY", {}, 7]', b"[" * 100_000)), None,
])  # fmt: skip
def test_a_damaged_entry_costs_time_alone(
    checkout: Checkout, tmp_path: Path, folder: Path, content: bytes | None
) -> None:
    other, third = checkout.copy(tmp_path / "two"), checkout.copy(tmp_path / "three")
    checkout.run("render", RELATIVE, "--now", NOON)
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    name = (entry.parent.name + entry.name).encode()
    if content is None:
        content = whole[: len(whole) // 2]
    elif content.startswith(b"x"):
        content = zlib.compress(zlib.decompress(content).replace(b"KEY", name))
    entry.write_bytes(content)
    other.run("render", RELATIVE, "--now", NOON)
    assert other.snapshot()[1:] == checkout.snapshot()[1:]
    assert entry.read_bytes() == whole
    third.run("render", RELATIVE, "--now", NOON)
    assert third.snapshot()[1:] == checkout.snapshot()[1:]


def test_an_entry_of_something_else_is_not_taken(checkout: Checkout, tmp_path: Path, folder: Path) -> None:
    other = checkout.copy(tmp_path / "two")
    checkout.run("render", "--now", NOON)
    whole = {entry: entry.read_bytes() for entry in entries(folder)}
    for entry, content in zip(whole, reversed(whole.values()), strict=True):
        entry.write_bytes(content)
    other.run("render", "--now", NOON)
    assert other.snapshot()[1:] == checkout.snapshot()[1:]
    assert {entry: entry.read_bytes() for entry in entries(folder)} == whole


def test_without_a_cache_nothing_is_stored_and_nothing_found(
    checkout: Checkout, tmp_path: Path, folder: Path, rendered: list[str]
) -> None:
    other = checkout.copy(tmp_path / "two")
    checkout.run("render", RELATIVE, "--no-cache")
    assert not folder.exists()
    other.run("render", RELATIVE)
    checkout.run("render", "--check", RELATIVE, "--no-cache")
    checkout.run("render", "--check", RELATIVE, "--no-cache")
    assert len(rendered) == 4
    assert not (checkout.root / ".git/rollstep/cache").exists()


@pytest.mark.parametrize("place", ["relative", "/dev/null/cache", "/proc/cache"])
def test_no_cache_is_no_error(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    checkout.run("render", RELATIVE, "--no-validate")
    checkout.run("render", "--check", RELATIVE)


def test_a_full_disk_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(28, f"No space left for {source} as {target}")

    cache = RenderCache.open(None)
    assert cache is not None
    monkeypatch.setattr("os.replace", full)
    cache.add("ab" * 32, {"a": "b"}, "c", "")
    assert cache.find("ab" * 32) is None


def test_only_the_owner_may_write_the_cache(checkout: Checkout, folder: Path) -> None:
    checkout.run("render", RELATIVE)
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0 or path.name == "trimmed"


def test_unused_entries_are_removed(checkout: Checkout, folder: Path) -> None:
    checkout.run("render", "staging/web", "prod/web")
    old, new = entries(folder)
    long_ago = time.time() - 40 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    assert RenderCache.open(None) is not None
    assert entries(folder) == [old, new]
    os.utime(folder / "trimmed", (long_ago, long_ago))
    assert RenderCache.open(None) is not None
    assert entries(folder) == [new]


def test_used_entries_stay(checkout: Checkout, tmp_path: Path, folder: Path) -> None:
    other = checkout.copy(tmp_path / "two")
    checkout.run("render", RELATIVE)
    (entry,) = entries(folder)
    long_ago = time.time() - 20 * 24 * 3600
    os.utime(entry, (long_ago, long_ago))
    other.run("render", RELATIVE)
    assert time.time() - entry.stat().st_mtime < 3600


def test_many_runs_at_once(checkout: Checkout, tmp_path: Path, folder: Path) -> None:
    others = [checkout.copy(tmp_path / f"other-{number}") for number in range(4)]
    command = [sys.executable, "-m", "renderer", "render", "--no-validate", "--now", NOON]
    runs = [subprocess.Popen(command, cwd=other.root, stderr=subprocess.DEVNULL) for other in others]
    assert [run.wait() for run in runs] == [0] * 4
    checkout.run("render", "--no-cache", "--no-validate", "--now", NOON)
    assert all(other.snapshot()[2] == checkout.snapshot()[2] for other in others)
    assert len(entries(folder)) == 5


def test_a_cached_app_loads_no_engine(checkout: Checkout) -> None:
    checkout.run("render", RELATIVE, "--no-validate", "--now", NOON)
    checkout.run("render", RELATIVE, "--no-validate", "--now", NOON)
    program = (
        "import sys; from renderer.__main__ import main\n"
        "try: main()\n"
        "finally: print('renderer.rollouts.controller' in sys.modules)"
    )
    words = ["render", RELATIVE, "--now", NOON, "--no-validate"]
    for more, engine in (([], "False\n"), (["--no-cache"], "True\n")):
        command = [sys.executable, "-c", program, *words, *more]
        done = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=True)
        assert done.stdout == engine
