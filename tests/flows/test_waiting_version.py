"""A version that waits in the sources is begun by no verb but those that begin a revision."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import TWO, Checkout

AT = "2026-03-{:02}T12:00:00Z"
ROLLOUT = "environments/prod/web/rollout.yaml"
STAYING: dict[str, tuple[str, ...]] = {
    "abort": ("abort", "prod/web"),
    "scale": ("scale", "prod/web", "--replicas", "10"),
    "pause": ("pause", "prod/web"),
    "promote": ("promote", "prod/web"),
    "skip": ("promote", "prod/web", "--skip-current-step"),
    "full": ("promote", "prod/web", "--full"),
    "render": ("render", "prod/web"),
}
BEGINNING: dict[str, tuple[str, ...]] = {
    "advance": ("advance", "prod/web"),
    "restart": ("restart", "prod/web"),
    "set image": ("set", "image", "prod/web", f"web={TWO.replace('2.0.0', '4.0.0')}"),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout in the middle of the release of 2.0.0, in whose sources 3.0.0 waits."""
    made = Checkout(tmp_path)
    made.run("advance", "prod/web", "--now", AT.format(1), "--no-validate")
    made.run("set", "image", "prod/web", f"web={TWO}", "--now", AT.format(2), "--no-validate")
    made.edit(ROLLOUT, "web:2.0.0", "web:3.0.0")
    made.commit("Bump the image")
    return made


def run(checkout: Checkout, *command: str, day: int = 3) -> str:
    return checkout.run(*command, "--now", AT.format(day), "--no-validate").stderr


@pytest.mark.parametrize("command", STAYING.values(), ids=STAYING)
def test_other_verbs_act_on_the_running_release(checkout: Checkout, command: tuple[str, ...]) -> None:
    base = checkout.head
    stderr = run(checkout, *command)
    assert set(checkout.replicas("prod/web")) == {"1.0.0", "2.0.0"}
    assert "web:3.0.0" in (checkout.root / ROLLOUT).read_text(encoding="utf-8")
    if command[0] != "render":
        assert "web (prod): 3.0.0 waits: `rollstep advance prod/web` begins it" in stderr
        assert checkout.head != base
        checkout.run("verify", f"{base}..")
    run(checkout, "advance", "prod/web", day=4)
    assert "3.0.0" in checkout.replicas("prod/web")


def test_the_way_back_and_forth_stays_with_the_running_release(checkout: Checkout) -> None:
    base = checkout.head
    for day, command in enumerate((["abort"], ["retry"], ["pause"], ["resume"]), 3):
        run(checkout, *command, "prod/web", day=day)
    assert set(checkout.replicas("prod/web")) == {"1.0.0", "2.0.0"}
    assert checkout.replicas("prod/web")["2.0.0"] == 1
    checkout.run("verify", f"{base}..")


@pytest.mark.parametrize("command", BEGINNING.values(), ids=BEGINNING)
def test_verbs_that_begin_a_revision_do(checkout: Checkout, command: tuple[str, ...]) -> None:
    base = checkout.head
    assert "waits" not in run(checkout, *command)
    assert len(checkout.replicas("prod/web")) == 3
    checkout.run("verify", f"{base}..")


def test_the_subject_says_that_a_new_image_waits(tmp_path: Path) -> None:
    made = Checkout(tmp_path)
    made.use_default_order()
    rollout = made.root / ROLLOUT
    text = rollout.read_text(encoding="utf-8")
    # Without a router the controller removes an old pod first, which only `advance` does.
    canary = "  strategy:\n    canary:\n      steps:\n        - setWeight: 25\n        - pause: {}\n"
    rollout.write_text(text[: text.index("  strategy:")] + canary, encoding="utf-8")
    made.commit("Release by pods")
    run(made, "advance", "prod/web", day=1)
    run(made, "set", "image", "prod/web", f"web={TWO}", day=2)
    assert made.subjects[0].startswith("web (prod): set image, step 2/2, 100% to 1.0.0 (")
    assert made.subjects[0].endswith("), 2.0.0 waits")
    run(made, "advance", "prod/web", day=3)
    assert "to 2.0.0 (" in made.subjects[0]
    assert "waits" not in made.subjects[0]
    made.run("verify")


def test_all_that_shows_a_release_shows_what_waits(checkout: Checkout) -> None:
    now = ("--now", AT.format(3))
    text = "3.0.0 waits: `rollstep advance prod/web` begins it"
    (row,) = checkout.json("status", "prod/web", *now)
    assert row["waitingVersion"] == "3.0.0"
    assert "waits" not in row["message"]
    assert text in checkout.run("status", "prod/web", *now).stdout
    (tree,) = checkout.json("get", "prod/web", *now)
    assert tree["waitingVersion"] == "3.0.0"
    assert text in checkout.run("get", "prod/web", *now).stdout
    (plan,) = checkout.json("plan", "prod/web", *now)
    assert plan["waitingVersion"] == "3.0.0"
    assert "3.0.0 waits, the first commit begins it" in checkout.run("plan", "prod/web", *now).stdout
    (first, *_) = checkout.json("history", "prod/web")
    assert first == {
        "app": "web",
        "environment": "prod",
        "revision": None,
        "images": [TWO.replace("2.0.0", "3.0.0")],
        "roles": ["waiting"],
        "commit": None,
        "date": None,
        "subject": None,
    }
    (entry,) = checkout.json("pause", "prod/web", *now, "--no-validate")
    assert entry["waitingVersion"] == "3.0.0"


def test_a_freeze_lets_the_way_back_pass_and_not_what_waits(checkout: Checkout) -> None:
    checkout.run("freeze", "add", "--env", "prod", "--until", AT.format(28), "--reason", "Sale", "--now", AT.format(3))
    run(checkout, "scale", "prod/web", "--replicas", "10", day=4)
    run(checkout, "pause", "prod/web", day=5)
    run(checkout, "resume", "prod/web", day=6)
    head = checkout.head
    assert "frozen" in run(checkout, "advance", "prod/web", day=7)
    assert checkout.head == head
    run(checkout, "abort", "prod/web", day=8)
    assert checkout.weight("prod/web") == "0"
    assert set(checkout.replicas("prod/web")) == {"1.0.0", "2.0.0"}
    run(checkout, "undo", "prod/web", day=9)
    assert "web:1.0.0" in (checkout.root / ROLLOUT).read_text(encoding="utf-8")


@pytest.mark.parametrize("order", ["step", "phases"])
def test_an_undo_after_an_abort_waits_for_nothing_and_stays(checkout: Checkout, order: str) -> None:
    if order == "phases":
        checkout.use_default_order()
    base = checkout.head
    run(checkout, "abort", "prod/web")
    assert "waits" not in run(checkout, "undo", "prod/web", day=4)
    (row,) = checkout.json("status", "prod/web", "--now", AT.format(5), code=1 if order == "phases" else 0)
    assert row["waitingVersion"] is None
    run(checkout, "retry", "prod/web", day=6)
    for day in range(7, 10):
        run(checkout, "advance", "prod/web", day=day)
    assert checkout.weight("prod/web") == "0"
    assert checkout.json("status", "prod/web", "--now", AT.format(10))[0]["phase"] == "Committed"
    checkout.run("verify", f"{base}..")


def test_other_changes_of_the_spec_are_taken(checkout: Checkout) -> None:
    checkout.edit(ROLLOUT, "- setWeight: 20", "- setWeight: 30")
    checkout.commit("Change the steps")
    run(checkout, "scale", "prod/web", "--replicas", "10")
    assert checkout.weight("prod/web") == "30"
    assert set(checkout.replicas("prod/web")) == {"1.0.0", "2.0.0"}


def test_a_scale_without_effect_is_refused(checkout: Checkout) -> None:
    run(checkout, "pause", "prod/web")
    before = checkout.snapshot()
    refused = checkout.run("scale", "prod/web", "--replicas", "9", "--now", AT.format(4), "--no-validate", code=1)
    assert "paused" in refused.stderr
    assert "`rollstep resume`" in refused.stderr
    assert checkout.snapshot() == before


def test_a_template_in_a_workload_waits_as_well(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    folder = checkout.root / "environments/prod/web"
    rollout = (folder / "rollout.yaml").read_text(encoding="utf-8")
    template = rollout.index("  template:\n")
    end = rollout.index("\n  strategy:", template) if "\n  strategy:" in rollout[template:] else len(rollout)
    reference = "  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}"
    text = rollout[:template] + reference + rollout[end:]
    (folder / "rollout.yaml").write_text(text, encoding="utf-8")
    selector = "  replicas: 0\n  selector: {matchLabels: {app.kubernetes.io/name: web}}\n"
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n" + selector
    (folder / "deployment.yaml").write_text(deployment + rollout[template:end] + "\n", encoding="utf-8")
    checkout.commit("Refer to a Deployment")
    for day, image in enumerate(("1.0.0", "2.0.0", "3.0.0"), 1):
        if day > 1:
            checkout.edit("environments/prod/web/deployment.yaml", f"web:{day - 1}.0.0", f"web:{image}")
            checkout.commit("Bump the image")
        if day < 3:
            run(checkout, "advance", "prod/web", day=day)
    base = checkout.head
    run(checkout, "abort", "prod/web")
    assert set(checkout.replicas("prod/web")) == {"1.0.0", "2.0.0"}
    checkout.run("verify", f"{base}..")
    shutil.rmtree(checkout.root / ".git")
