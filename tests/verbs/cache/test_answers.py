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
from renderer.verbs.cache import answers as remembered
from tests.support.commands import Checkout

STAGING, RENDERED = "environments/staging/web", "environments/staging/web/rendered"
SETTLED = 0.12
"""Seconds after which a change of a file can be told by its times."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = Checkout(tmp_path_factory.mktemp("released"))
    shutil.rmtree(checkout.root / "environments/dev")
    shutil.rmtree(checkout.root / "environments/prod")
    (checkout.root / "rollstep.yaml").write_text("defaults: {namespace: shop}\n")
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


def cache(checkout: Checkout) -> Path:
    return checkout.root / ".git/rollstep/cache"


def recalled(checkout: Checkout, *targets: str) -> remembered.Answer | None:
    return remembered.recall_asked(str(checkout.root), remembered.CHECK, targets)


def check(checkout: Checkout, *targets: str) -> tuple[int, str, str]:
    """Do what the command does: recall, and else look."""
    found = recalled(checkout, *targets)
    return found if found is not None else looked(checkout, *targets)


def looked(checkout: Checkout, *targets: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        # What has to be released has the time in it.
        patch.setattr("renderer.verbs.render.compare.current_time", lambda: datetime(2026, 3, 1, 13, tzinfo=UTC))
        for code in (0, 1):
            try:
                done = checkout.run("render", "--check", *targets, code=code)
            except AssertionError:
                continue
            return (code, done.stdout, done.stderr)
    raise AssertionError("neither 0 nor 1")


def told(checkout: Checkout, command: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=False)
    return (done.returncode, done.stdout, done.stderr)


def without_memory(checkout: Checkout) -> tuple[int, str, str]:
    kept = checkout.root / ".git/rollstep"
    aside = checkout.root / ".git/aside"
    if kept.exists():
        kept.rename(aside)
    try:
        return check(checkout)
    finally:
        shutil.rmtree(kept, ignore_errors=True)
        if aside.exists():
            aside.rename(kept)


def remember(checkout: Checkout, *targets: str) -> remembered.Answer:
    time.sleep(SETTLED)
    assert looked(checkout, *targets)[0] == 0
    found = recalled(checkout, *targets)
    assert found is not None
    return found


def test_what_was_told_is_told_again_without_the_command_line(checkout: Checkout) -> None:
    first = remember(checkout)
    assert first == (0, "", "2 apps are up to date\n")
    program = "import sys; from renderer.__main__ import main\ntry: main()\nfinally: print('click' in sys.modules)"
    done = told(checkout, [sys.executable, "-c", program, "render", "--check"])
    assert done == (0, "False\n", "2 apps are up to date\n")


def test_each_choice_of_targets_is_remembered_by_itself(checkout: Checkout) -> None:
    assert remember(checkout, STAGING)[2] == "1 app is up to date\n"
    assert recalled(checkout) is None
    assert remember(checkout, "staging/web")[2] == "1 app is up to date\n"
    assert remember(checkout, "web")[2] == "1 app is up to date\n"
    checkout.edit("environments/staging/api/rollout.yaml", "spec:", "spec: # the same")
    assert recalled(checkout, STAGING) is not None


def in_place(checkout: Checkout) -> None:
    """Change a file within its length and put its time back."""
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
    "a source that is gone": lambda c: (c.root / STAGING / "configmap.yaml").unlink(),
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
    assert check(checkout) == without_memory(checkout)
    assert check(checkout)[2] != "2 apps are up to date\n"


def test_a_folder_that_becomes_an_app_is_seen(checkout: Checkout) -> None:
    (checkout.root / "environments/staging/later").mkdir()
    remember(checkout)
    shutil.copytree(checkout.root / STAGING, checkout.root / "environments/staging/later", dirs_exist_ok=True)
    assert recalled(checkout) is None


def test_an_app_that_the_settings_name_is_missed_whatever_was_asked_for(checkout: Checkout) -> None:
    (checkout.root / "rollstep.yaml").write_text(
        "defaults: {namespace: shop}\nenvironments: {staging: {apps: {api: {}}}}\n"
    )
    remember(checkout, STAGING)
    for path in (checkout.root / "environments/staging/api").glob("*.yaml"):
        path.unlink()
    assert recalled(checkout, STAGING) is None
    assert looked(checkout, STAGING)[0] == 1


def test_a_journal_is_told_of(checkout: Checkout) -> None:
    remember(checkout)
    (checkout.root / journal.JOURNAL).mkdir()
    assert recalled(checkout) is None


def test_a_change_in_the_tick_of_the_check_is_not_taken_for_old(checkout: Checkout) -> None:
    path = checkout.root / STAGING / "rollout.yaml"
    path.write_text(path.read_text())
    changed = path.stat().st_ctime_ns
    assert not remembered.is_settled(remembered.group("now", [str(path)]), changed + 10_000_000)
    assert remembered.is_settled(remembered.group("now", [str(path)]), changed + 3_000_000_000)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert not remembered.is_settled(remembered.group("now", [str(path)]), path.stat().st_ctime_ns)


def test_only_changed_apps_are_looked_at(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    from renderer.pipeline.resolve import current_step as current_release

    seen: list[str] = []
    look = current_release.current_release

    def noted(workspace: Workspace, ref: AppRef, *more: Any) -> Any:
        seen.append(ref.name)
        return look(workspace, ref, *more)

    remember(checkout)
    monkeypatch.setattr(current_release, "current_release", noted)
    # No render is kept, so that each look is seen.
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    checkout.edit(f"{STAGING}/rollout.yaml", "spec:", "spec: # the same")
    checkout.run("render", "--check")
    assert seen == ["web"]
    time.sleep(SETTLED)
    checkout.run("render", "--check")
    assert seen == ["web", "web"]
    assert recalled(checkout) is not None


@pytest.mark.parametrize("damage", [b"", b"abc", b"\0" * 400])
def test_a_damaged_cache_costs_time_alone(checkout: Checkout, damage: bytes) -> None:
    remember(checkout)
    (path,) = cache(checkout).iterdir()
    whole = path.read_bytes()
    for content in (damage, whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), damage + whole[1:]):
        path.write_bytes(content)
        assert recalled(checkout) is None
    assert remember(checkout)[0] == 0
    shutil.rmtree(cache(checkout).parent)
    assert recalled(checkout) is None
    assert remember(checkout)[0] == 0


def test_a_cache_that_cannot_be_written_is_no_error(checkout: Checkout) -> None:
    (checkout.root / ".git/rollstep").write_text("in the way")
    assert looked(checkout) == (0, "", "2 apps are up to date\n")
    assert recalled(checkout) is None


@pytest.mark.parametrize("link", ["rollstep", "rollstep/cache"])
def test_a_link_to_other_files_is_not_followed(checkout: Checkout, tmp_path: Path, link: str) -> None:
    other = tmp_path / "other"
    (other / "cache").mkdir(parents=True)
    shutil.rmtree(checkout.root / ".git/rollstep", ignore_errors=True)
    if "/" in link:
        (checkout.root / ".git/rollstep").mkdir()
    (checkout.root / ".git" / link).symlink_to(other)
    time.sleep(SETTLED)
    assert looked(checkout)[0] == 0
    assert recalled(checkout) is None
    assert [path.name for path in other.rglob("*")] == ["cache"]


def test_old_answers_make_room_and_what_is_not_ours_stays(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(checkout)
    notes = [cache(checkout) / name for name in ("notes", "README.txt", "0a1b2c3d4")]
    for path in notes:
        path.write_text("mine")
    (cache(checkout) / "0a1b2c3d").write_text("old")
    (cache(checkout) / "0a1b2c3d.17").write_text("left by a process")
    monkeypatch.setattr(remembered, "MAX_ANSWERS", 1)
    remember(checkout, "staging/web")
    left = sorted(cache(checkout).iterdir())
    assert len(left) == len(notes) + 1
    assert set(notes) < set(left)


def test_another_version_looks_again(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(checkout)
    monkeypatch.setattr(remembered, "__version__", "99")
    assert recalled(checkout) is None


def test_runs_at_the_same_time_do_not_disturb_each_other(checkout: Checkout) -> None:
    time.sleep(SETTLED)
    command = [sys.executable, "-m", "renderer", "render", "--check"]
    runs = [subprocess.Popen(command, cwd=checkout.root, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [run.communicate()[1] for run in runs] == ["2 apps are up to date\n"] * 4
    assert [run.returncode for run in runs] == [0] * 4
    assert recalled(checkout) is not None
    assert [path for path in cache(checkout).iterdir() if "." in path.name] == []


@pytest.mark.parametrize("link", ["environments/staging/web/linked.yaml", "environments/staging/linked"])
def test_an_app_with_links_is_looked_at_each_time(checkout: Checkout, link: str) -> None:
    folder = (checkout.root / link).parent
    target = "rollout.yaml" if link.endswith(".yaml") else "web"
    if link.endswith(".yaml"):
        (folder / "kept").mkdir()
        shutil.move(folder / "rollout.yaml", folder / "kept/rollout.txt")
        target = "kept/rollout.txt"
    (checkout.root / link).symlink_to(target)
    time.sleep(SETTLED)
    looked(checkout)
    assert recalled(checkout) is None


def test_a_worktree_has_a_memory_of_its_own(checkout: Checkout, tmp_path: Path) -> None:
    checkout.git("worktree", "add", "--quiet", str(tmp_path / "tree"))
    time.sleep(SETTLED)
    there = Checkout.__new__(Checkout)
    there.root = tmp_path / "tree"
    assert looked(there)[0] == 0
    assert recalled(there) is not None
    assert recalled(checkout) is None
    assert there.git("status", "--porcelain") == checkout.git("status", "--porcelain") == ""


QUESTIONS = {"plan": ["text", "json", "markdown"], "status": ["text", "json"], "history": ["text", "json"]}
FORMS = [(verb, form) for verb, forms in QUESTIONS.items() for form in forms]


def answered(checkout: Checkout, verb: str, form: str = "text", *targets: str) -> remembered.Answer | None:
    asked = remembered.asked(["-C", str(checkout.root), verb, *targets, "-o", form])
    assert asked is not None
    return remembered.recall_asked(*asked)


def ask(checkout: Checkout, verb: str, form: str = "text", *targets: str) -> str:
    """Ask in full, and see that it is remembered then."""
    time.sleep(SETTLED)
    text = checkout.run(verb, *targets, "-o", form).stdout
    assert answered(checkout, verb, form, *targets) == (0, text, "")
    return text


@pytest.mark.parametrize(("verb", "form"), FORMS)
def test_what_a_verb_tells_is_remembered_for_each_form_and_target(checkout: Checkout, verb: str, form: str) -> None:
    assert answered(checkout, verb, form) is None
    text = ask(checkout, verb, form)
    assert "web" in text
    assert "api" in text
    assert answered(checkout, verb, form, "staging/web") is None
    assert "api" not in ask(checkout, verb, form, "staging/web")
    program = "import sys; sys.modules['click'] = None; from renderer.__main__ import main; main()"
    output = [] if form == "text" else ["-o", form]
    assert told(checkout, [sys.executable, "-c", program, verb, *output]) == (0, text, "")


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_seen_by_the_verbs_that_tell(checkout: Checkout, name: str) -> None:
    for verb in QUESTIONS:
        ask(checkout, verb)
    CHANGES[name](checkout)
    assert [answered(checkout, verb) for verb in QUESTIONS] == [None] * 3


def config(checkout: Checkout) -> None:
    checkout.git("config", "log.mailmap", "false")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.git("commit", "--quiet", "--allow-empty", "--message=Another"),
        lambda c: c.git("switch", "--quiet", "--create", "other"),
        lambda c: c.git("switch", "--quiet", "--detach"),
        lambda c: c.git("replace", "HEAD", "HEAD~1"),
        config,
        lambda c: c.git("pack-refs", "--all"),
    ],
    ids=["a commit", "a branch", "no branch", "a replacement", "git's settings", "packed refs"],
)
def test_a_history_rests_on_the_commit_that_head_is(checkout: Checkout, change: Callable[[Checkout], object]) -> None:
    for verb in QUESTIONS:
        ask(checkout, verb)
    change(checkout)
    assert answered(checkout, "history") is None
    assert answered(checkout, "plan") is not None
    assert answered(checkout, "status") is not None
    ask(checkout, "history")


def test_a_history_is_remembered_of_packed_refs_and_of_no_branch(checkout: Checkout) -> None:
    checkout.git("pack-refs", "--all")
    first = ask(checkout, "history")
    checkout.git("commit", "--quiet", "--allow-empty", "--message=Another")
    assert answered(checkout, "history") is None
    checkout.git("switch", "--quiet", "--detach")
    assert ask(checkout, "history") == first
    checkout.git("reset", "--quiet", "--soft", "HEAD~2")
    assert answered(checkout, "history") is None


def test_a_history_in_a_worktree_is_that_of_its_own_branch(checkout: Checkout, tmp_path: Path) -> None:
    checkout.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))
    there = Checkout.__new__(Checkout)
    there.root = tmp_path / "tree"
    ask(there, "history")
    checkout.git("commit", "--quiet", "--allow-empty", "--message=Another")
    assert answered(there, "history") is not None
    there.git("commit", "--quiet", "--allow-empty", "--message=Another")
    assert answered(there, "history") is None


@pytest.mark.parametrize("variable", ["GIT_CEILING_DIRECTORIES", "HOME", "XDG_CONFIG_HOME"])
def test_a_history_rests_on_what_git_is_told_by_variables(
    checkout: Checkout, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(checkout, "history")
    ask(checkout, "plan")
    monkeypatch.setenv(variable, "/elsewhere")
    assert answered(checkout, "history") is None
    assert answered(checkout, "plan") is not None


def test_what_changes_by_time_alone_is_not_remembered(checkout: Checkout) -> None:
    checkout.edit(f"{STAGING}/rollout.yaml", "1.0.0", "2.0.0")
    checkout.commit()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for _ in range(3):
        checkout.run("advance", "staging/web", "--no-validate", "--now", now)
    time.sleep(SETTLED)
    assert "until" in checkout.run("status", "staging/web").stdout
    checkout.run("plan", "staging/web")
    assert answered(checkout, "status", "text", "staging/web") is None
    assert answered(checkout, "plan", "text", "staging/web") is None
    ask(checkout, "status", "text", "staging/api")
    ask(checkout, "history", "text", "staging/web")


def test_a_time_that_is_named_is_not_taken_for_now(checkout: Checkout) -> None:
    time.sleep(SETTLED)
    for verb in ("plan", "status"):
        checkout.run(verb, "--now", "2026-03-01T13:00:00Z")
        assert answered(checkout, verb) is None
    checkout.run("history", "--revision", "1")
    assert answered(checkout, "history") is None


def test_a_clock_that_was_put_back_is_asked_again(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(checkout, "status")
    begun = time.time()
    monkeypatch.setattr(remembered, "time", lambda: begun - 3600)
    assert answered(checkout, "status") is None
    monkeypatch.setattr(remembered, "time", lambda: begun + 3600)
    assert answered(checkout, "status") is not None


EDITS = st.sampled_from([*CHANGES, "back", "touch"])


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(EDITS, st.booleans()), min_size=1, max_size=4))
def test_with_and_without_memory_the_same_is_told(
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
        assert check(checkout) == without_memory(checkout)


def test_help_is_remembered_for_each_width(tmp_path: Path) -> None:
    def run(*arguments: str, program: str = "from renderer.__main__ import main; main()", **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    plain = "from renderer.cli.main import main; main()"
    quick = "import sys; sys.modules['click'] = None; from renderer.__main__ import main; main()"
    for arguments in (["--help"], ["render", "--help"]):
        for width in ("60", "100"):
            expected = run(*arguments, program=plain, COLUMNS=width)
            assert run(*arguments, COLUMNS=width) == expected
            assert run(*arguments, COLUMNS=width, program=quick) == expected
    complete = {"_ROLLSTEP_COMPLETE": "bash_complete", "COMP_WORDS": "rollstep re", "COMP_CWORD": "1"}
    assert "render" in run(**complete)
    assert run(**complete, program=quick) == run(**complete, program=plain)


@pytest.mark.parametrize(
    "arguments",
    [
        ["render"],
        ["render", "--check", "--no-validate"],
        ["render", "--check", "--step", "1"],
        ["render", "--check", "--check"],
        ["-C"],
        ["-C", "x"],
        ["plan", "--check"],
        ["plan", "-ojson"],
        ["plan", "-o", "json", "prod"],
        ["plan", "--now", "2026-03-01T12:00:00Z"],
        ["history", "--revision", "1"],
        ["status", "--allow-exec"],
        ["status", "-o"],
        ["get"],
        [],
    ],
)
def test_any_other_command_line_is_read_in_full(arguments: list[str]) -> None:
    assert remembered.asked(arguments) is None


def test_a_command_line_is_told_from_its_targets() -> None:
    assert remembered.asked(["-C", "d", "render", "a", "--check", "b"]) == ("d", remembered.CHECK, ("a", "b"))
    assert remembered.asked(["plan", "a", "--output", "json"]) == (".", "plan json", ("a",))
    assert remembered.asked(["status"]) == (".", "status text", ())
