"""The commands say what git knows, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout

SERVICE = "environments/prod/web/rendered/service-web-stable.yaml"
REPLICA_SET = "environments/prod/web/rendered"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with prod/web complete, and prod/api not rendered yet."""
    checkout = Checkout(tmp_path_factory.mktemp("repo") / "repo")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    return checkout


@pytest.fixture
def checkout(shared: Checkout, tmp_path: Path) -> Checkout:
    return shared.copy(tmp_path / "repo")


def test_a_subject_names_the_version(checkout: Checkout) -> None:
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    canary = checkout.git("log", "-1", "--format=%(trailers:key=Rollstep-Canary,valueonly)").strip()
    assert checkout.subjects[:2] == [
        f"web (prod): set image, step 1/6, 20% to 2.0.0 ({canary})",
        "web (prod): first release, 100% to 1.0.0 (cd4ff96b7)",
    ]
    assert "revision:2 (2.0.0)" in checkout.run("get", "prod/web").stdout
    assert "2 of 2.0.0" in checkout.run("plan", "prod/web").stdout


def test_an_app_that_is_not_rendered_has_no_weights(shared: Checkout) -> None:
    told = shared.run("get", "prod/api", "prod/web").stdout
    assert "None" not in told
    assert "Message:         not rendered yet: `rollstep advance prod/api` makes the first commit" in told
    assert "Status:          ✔ Committed" in told
    assert "Healthy" not in told
    (entry,) = shared.json("get", "prod/api")
    assert (entry["phase"], entry["revision"], entry["actualWeight"]) == ("Unknown", None, None)


def test_a_missing_step_or_file_is_named_as_the_user_named_it(shared: Checkout) -> None:
    assert "web has 6 steps: --to takes 0 to 6" in shared.run("diff", "prod/web", "--to", "99", code=2).stderr
    assert "web has 6 steps: --from takes 0 to 6" in shared.run("diff", "prod/web", "--from", "99", code=2).stderr
    assert "web has 6 steps: --step takes 0 to 6" in shared.run("render", "prod/web", "--step", "99", code=2).stderr
    file = "environments/prod/web/rollout.yaml"
    for files in ([file, "missing.yaml"], ["missing.yaml"]):
        assert "there is no file missing.yaml" in shared.run("render", *files, code=2).stderr
    assert "name either apps or files" in shared.run("render", file, "prod/web", code=2).stderr


def test_a_hand_edit_is_put_right_and_named(checkout: Checkout) -> None:
    checkout.edit(SERVICE, "port: 80", "port: 81")
    checkout.commit("Open another port")
    told = checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    note = f"{SERVICE} was edited by hand and is written anew"
    assert f"note: {note}" in told.stderr
    assert note in checkout.git("log", "-1", "--format=%b")
    assert "port: 80" in checkout.git("show", f"HEAD:{SERVICE}")
    checkout.edit(SERVICE, "port: 80", "port: 82")
    (entry,) = checkout.json("advance", "prod/web", "--now", NOON, "--no-validate")
    assert (entry["moved"], entry["edited"]) == (False, [note])
    assert checkout.git("status", "--porcelain") == ""
    assert "edited" not in checkout.run("advance", "prod/web", "--now", NOON).stderr


def test_a_hand_edit_that_a_step_would_keep_is_refused(checkout: Checkout) -> None:
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    (path,) = [name for name in (checkout.root / REPLICA_SET).glob("replicaset-*") if TWO not in name.read_text()]
    file = path.relative_to(checkout.root).as_posix()
    checkout.edit(file, "\n  annotations:\n", "\n  annotations:\n    example.com/note: mine\n")
    checkout.commit("Keep it")
    assert "example.com/note" in checkout.run("render", "--stdout", "prod/web").stdout
    before = checkout.snapshot()
    refused = checkout.run("promote", "prod/web", "--now", NOON, "--no-validate", code=1)
    hint = "(put it back with git, or keep it: `rollstep render prod/web`"
    assert f"error: {file}: was edited by hand {hint}" in refused.stderr
    assert checkout.snapshot() == before
    assert "is kept" in checkout.run("render", "prod/web").stderr
    checkout.commit("Accept it")
    checkout.run("promote", "prod/web", "--now", NOON, "--no-validate")
