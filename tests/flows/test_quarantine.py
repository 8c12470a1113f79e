"""An image that was taken back is not released again: by no verb, no bot and no commit, until somebody lifts it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from renderer.pipeline.commit.trailers import QUARANTINE
from renderer.verbs.policy.listed_image import ListedImage, Verdict
from renderer.verbs.policy.quarantine import parse_quarantine, quarantined
from tests.support.commands import NOON, ONE, TWO, Checkout

ONE_O_CLOCK = "2026-03-01T13:00:00Z"
TWO_O_CLOCK = "2026-03-01T14:00:00Z"
ROLLOUT = "environments/prod/web/rollout.yaml"
LIFT = ("quarantine", "lift", TWO, "--reason", "The database was down")
VERDICT = Verdict("web-7c9-2-1", "Failed", 'Metric "success-rate" assessed Failed', "prod")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which a verdict has taken 2.0.0 of prod/web back, and whose sources name 1.0.0 again."""
    checkout = Checkout(tmp_path_factory.mktemp("quarantine") / "repo")
    checkout.run("advance", "prod/web", "prod/api", "dev/web", "--no-validate", "--now", "2026-03-01T08:00:00Z")
    run(checkout, "set", "image", "prod/web", f"web={TWO}", now=NOON)
    take_back(checkout)
    bump(checkout, TWO, ONE)
    run(checkout, "advance", "prod/web")
    return checkout


@pytest.fixture
def checkout(template: Checkout, tmp_path: Path) -> Checkout:
    return template.copy(tmp_path / "repo")


def run(checkout: Checkout, *arguments: str, now: str = ONE_O_CLOCK, code: int = 0) -> str:
    done = checkout.run(*arguments, "--no-validate", "--now", now, code=code)
    return done.stdout + done.stderr


def take_back(checkout: Checkout) -> None:
    """Abort prod/web and list its image in the same commit, as a verdict does."""
    step = checkout.head
    run(checkout, "abort", "prod/web", now=NOON)
    since = datetime(2026, 3, 1, 12, tzinfo=UTC)
    text = quarantined(None, [ListedImage(TWO, since, "web", (), VERDICT, commit=step)])
    (checkout.root / "quarantine.yaml").write_text(text, encoding="utf-8")
    checkout.git("add", "quarantine.yaml")
    checkout.git("commit", "--quiet", "--amend", "--no-edit", f"--trailer={QUARANTINE}: web {TWO}")


def bump(checkout: Checkout, old: str = ONE, new: str = TWO, path: str = ROLLOUT) -> None:
    checkout.edit(path, old, new)
    checkout.commit(f"Update the image to {new.rpartition(':')[2]}")


def amend(checkout: Checkout) -> None:
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--amend", "--no-edit")


def received(checkout: Checkout, old: str, code: int = 0) -> str:
    """Judge the push of HEAD over ``old`` as the hook of a server does."""
    line = f"{checkout.git('rev-parse', old).strip()} {checkout.head} refs/heads/main\n"
    return checkout.run("verify", "--pre-receive", "--branch", "main", stdin=line, code=code).stdout


def without_hold(checkout: Checkout, *verb: str) -> None:
    """Commit a verb as a machine does that knows nothing of the quarantine."""
    path = checkout.root / "quarantine.yaml"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    run(checkout, *verb)
    path.write_text(text, encoding="utf-8")


def test_a_verdict_is_a_legal_commit_and_is_listed(checkout: Checkout) -> None:
    checkout.run("verify")
    told = checkout.run("quarantine", "list").stdout
    assert TWO in told
    assert "the analysis web-7c9-2-1 in prod is Failed: Metric" in told
    (entry,) = checkout.json("quarantine", "list")
    assert (entry["app"], entry["environments"], entry["since"]) == ("web", [], NOON)
    assert entry["verdict"]["phase"] == "Failed"


def test_a_bot_bumps_again_and_nothing_begins_until_the_lift(checkout: Checkout) -> None:
    bump(checkout)
    bump(checkout, "shop/api:1.0.0", "shop/api:2.0.0", "environments/prod/api/rollout.yaml")
    received(checkout, "HEAD~2")
    told = run(checkout, "advance", "--all", "--yes")
    assert f"web (prod): {TWO} is in quarantine since 2026-03-01T12:00:00Z: the analysis web-7c9-2-1" in told
    assert "api (prod)" in told
    assert checkout.replicas("prod/web") == {"1.0.0": 5, "2.0.0": 0}
    assert "2.0.0" in checkout.replicas("prod/api")
    (entry,) = checkout.json("advance", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    assert (entry["reason"], entry["waitingVersion"], entry["moved"]) == ("quarantine", "2.0.0", False)
    checkout.run("verify")
    checkout.run(*LIFT, "--now", ONE_O_CLOCK)
    assert checkout.subjects[0] == "Lift the quarantine of 2.0.0 of web"
    body = checkout.git("log", "-1", "--format=%B")
    assert body.count("The database was down") == 2
    run(checkout, "advance", "prod/web", now=TWO_O_CLOCK)
    assert checkout.replicas("prod/web") == {"1.0.0": 5, "2.0.0": 1}
    checkout.run("verify")
    received(checkout, "HEAD~4")


@pytest.mark.parametrize(
    "verb",
    [
        ("set", "image", "prod/web", f"web={TWO}"),
        ("set", "image", "prod/web", f"web={TWO}@sha256:{'a' * 64}"),
        ("undo", "prod/web", "--to-revision", "2"),
        ("set", "image", "dev/web", f"web={TWO}"),
    ],
    ids=" ".join,
)
def test_a_verb_that_begins_it_is_refused_and_nothing_is_written(checkout: Checkout, verb: Sequence[str]) -> None:
    before = checkout.snapshot()
    told = run(checkout, *verb, code=1)
    assert "quarantine.yaml:3: " in told
    assert "is in quarantine since 2026-03-01T12:00:00Z: the analysis web-7c9-2-1 in prod is Failed" in told
    assert f"`rollstep quarantine lift {TWO} --app web --reason TEXT`" in told
    assert checkout.snapshot() == before


def test_what_is_not_listed_begins(checkout: Checkout) -> None:
    run(checkout, "set", "image", "prod/web", f"web={TWO.replace('2.0.0', '2.0.1')}")
    run(checkout, "set", "image", "prod/api", f"api={TWO}")
    run(checkout, "restart", "prod/api")
    checkout.run("verify")


def test_a_retry_is_refused_and_the_way_back_is_free(checkout: Checkout) -> None:
    checkout.git("reset", "--quiet", "--hard", "HEAD~2")
    assert "is in quarantine" in run(checkout, "retry", "prod/web", code=1)
    assert "is in quarantine" in checkout.run("status", "prod/web", code=1).stdout
    without_hold(checkout, "retry", "prod/web")
    assert "is in quarantine" in received(checkout, "HEAD~1", code=1)
    checkout.git("reset", "--quiet", "--hard", "HEAD~1")
    run(checkout, "undo", "prod/web")
    checkout.run("verify")


def test_a_release_that_runs_goes_on_and_does_not_begin_again(checkout: Checkout) -> None:
    three = TWO.replace("2.0.0", "3.0.0")
    run(checkout, "set", "image", "prod/web", f"web={three}")
    checkout.run("quarantine", "add", three, "--reason", "Loses orders", "--env", "prod", "--now", ONE_O_CLOCK)
    run(checkout, "promote", "prod/web")
    run(checkout, "scale", "prod/web", "--replicas", "7")
    run(checkout, "abort", "prod/web")
    checkout.run("verify")
    assert "3.0.0" in run(checkout, "retry", "prod/web", code=1)
    assert "3.0.0 is in quarantine" in run(checkout, "advance", "prod/web")


def test_a_first_release_does_not_begin_with_it(checkout: Checkout) -> None:
    folder = checkout.root / "environments/qa/web"
    source = checkout.root / "environments/prod/web"
    folder.mkdir(parents=True)
    for path in source.glob("*.yaml"):
        if path.name != "status.yaml":
            (folder / path.name).write_text(path.read_text(encoding="utf-8").replace(ONE, TWO), encoding="utf-8")
    checkout.run("render", "qa/web", "--no-validate", "--now", ONE_O_CLOCK, "--dry-run")
    assert "would begin" in run(checkout, "render", "qa/web", code=1)
    checkout.commit("Release to qa")
    told = run(checkout, "advance", "qa/web")
    assert "is in quarantine" in told
    assert "is in quarantine" in checkout.run("status", "qa/web").stdout
    assert not (folder / "status.yaml").exists()
    run(checkout, "advance", "qa/web", "--break-glass", "INC-1")
    assert "with the glass broken: INC-1" in checkout.run("verify").stderr


def test_what_waits_in_quarantine_is_shown(checkout: Checkout) -> None:
    bump(checkout)
    expected = "2.0.0 is in quarantine since 2026-03-01T12:00:00Z: the analysis"
    for command in (
        ("status", "prod/web"),
        ("get", "prod/web"),
        ("plan", "prod/web"),
        ("render", "--check", "prod/web"),
    ):
        told = checkout.run(*command)
        assert expected in told.stdout + told.stderr, command
    for verb in ("status", "get", "plan"):
        assert expected in checkout.json(verb, "prod/web")[0]["quarantine"]
    assert checkout.json("status", "prod/api")[0]["quarantine"] is None


def test_a_commit_that_begins_it_is_illegal(checkout: Checkout) -> None:
    without_hold(checkout, "set", "image", "prod/web", f"web={TWO}")
    told = checkout.run("verify", code=1).stdout
    assert f"quarantine.yaml:3: web (prod) would begin {TWO}, which is in quarantine" in told
    assert "would begin" in received(checkout, "HEAD~1", code=1)


def test_breaking_the_glass_is_recorded(checkout: Checkout) -> None:
    run(checkout, "set", "image", "prod/web", f"web={TWO}", "--break-glass", "INC-4711")
    assert "with the glass broken: INC-4711" in checkout.run("verify").stderr
    checkout.git("config", "rollstep.breakGlass", "ann@example.com")
    assert "do not let its author break the glass" in checkout.run("verify", code=1).stdout


@pytest.mark.parametrize("edit", ["remove", "narrow", "replace", "delete"])
def test_an_entry_stays_until_it_is_lifted(checkout: Checkout, edit: str) -> None:
    path = checkout.root / "quarantine.yaml"
    text = path.read_text(encoding="utf-8")
    if edit == "delete":
        path.unlink()
    else:
        narrow = text.replace("  app: web\n", "  app: web\n  environments: [dev]\n")
        other = text.replace("2.0.0", "2.0.1")
        path.write_text({"remove": "quarantine: []\n", "narrow": narrow, "replace": other}[edit], encoding="utf-8")
    checkout.commit("Tidy up")
    told = checkout.run("verify", code=1).stdout
    assert f"quarantine.yaml:3: {TWO} of web is taken out of quarantine or changed" in told
    assert "taken out" in received(checkout, "HEAD~1", code=1)


def test_comments_and_more_entries_are_free(checkout: Checkout) -> None:
    path = checkout.root / "quarantine.yaml"
    path.write_text("# Ask Ada\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    checkout.commit("Say whom to ask")
    checkout.run("quarantine", "add", "api:9", "--reason", "CVE-2026-1", "--now", ONE_O_CLOCK)
    assert checkout.subjects[0] == "Quarantine 9 of all apps: CVE-2026-1"
    assert path.read_text(encoding="utf-8").startswith("# Ask Ada\n")
    assert [entry.image for entry in parse_quarantine(path.read_text(encoding="utf-8"))] == ["api:9", TWO]
    checkout.run("verify")


def test_no_commit_lifts_what_it_begins(checkout: Checkout) -> None:
    checkout.run(*LIFT, "--now", ONE_O_CLOCK)
    run(checkout, "set", "image", "prod/web", f"web={TWO}")
    received(checkout, "HEAD~2")
    message = checkout.git("log", "-2", "--format=%B")
    checkout.git("reset", "--quiet", "--soft", "HEAD~2")
    checkout.git("commit", "--quiet", f"--message={message}")
    assert "would begin" in received(checkout, "HEAD~1", code=1)


def test_the_revert_of_a_lift_lists_the_image_again(checkout: Checkout) -> None:
    bump(checkout)
    checkout.run(*LIFT, "--now", ONE_O_CLOCK)
    checkout.git("revert", "--no-edit", "HEAD")
    assert "is in quarantine" in run(checkout, "advance", "prod/web")
    checkout.run("verify")
    checkout.git("revert", "--no-edit", "HEAD")
    assert "taken out of quarantine" in checkout.run("verify", code=1).stdout


def test_the_revert_of_a_verdict_is_illegal(checkout: Checkout) -> None:
    checkout.git("reset", "--quiet", "--hard", "HEAD~2")
    checkout.git("revert", "--no-edit", "HEAD")
    told = received(checkout, "HEAD~1", code=1)
    assert "would begin" in told
    assert "taken out of quarantine" in told


def test_branches_that_add_entries_of_different_apps_merge(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "--create", "other")
    checkout.run("quarantine", "add", "api:9", "--app", "api", "--reason", "Slow", "--now", ONE_O_CLOCK)
    checkout.git("switch", "--quiet", "main")
    checkout.run("quarantine", "add", "web:9", "--app", "web", "--reason", "Slow", "--now", ONE_O_CLOCK)
    checkout.git("merge", "--quiet", "--no-edit", "other")
    text = (checkout.root / "quarantine.yaml").read_text(encoding="utf-8")
    assert [entry.image for entry in parse_quarantine(text)] == ["api:9", TWO, "web:9"]
    received(checkout, "HEAD~1")


def test_resolve_takes_the_entries_and_the_lifts_of_both_sides(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "--create", "other")
    checkout.run(*LIFT, "--now", ONE_O_CLOCK)
    checkout.run("quarantine", "add", "web:8", "--app", "web", "--reason", "Slow", "--now", ONE_O_CLOCK)
    checkout.git("switch", "--quiet", "main")
    checkout.edit("quarantine.yaml", "# Written", "# Ask Ada. Written")
    checkout.commit("Say whom to ask")
    checkout.run("quarantine", "add", "web:9", "--app", "web", "--reason", "Slow", "--now", ONE_O_CLOCK)
    with pytest.raises(subprocess.CalledProcessError):
        checkout.git("merge", "--quiet", "--no-edit", "other")
    before = checkout.snapshot()
    checkout.run("resolve", "--all", "--dry-run")
    assert checkout.snapshot() == before
    told = checkout.run("resolve", "--all").stderr
    assert "quarantine.yaml: has the entries and the lifts of both sides" in told
    assert "next: git commit" in told
    checkout.git("commit", "--quiet", "--no-edit")
    text = (checkout.root / "quarantine.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Ask Ada.")
    assert [entry.image for entry in parse_quarantine(text)] == ["web:8", "web:9"]
    received(checkout, "HEAD~1")


def test_a_merge_brings_a_lift_but_no_release_that_its_first_parent_lists(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "--create", "other")
    checkout.run(*LIFT, "--now", ONE_O_CLOCK)
    checkout.git("switch", "--quiet", "main")
    (checkout.root / "README.md").write_text("Read me\n", encoding="utf-8")
    checkout.commit("Say what this is")
    checkout.git("merge", "--quiet", "--no-edit", "other")
    received(checkout, "HEAD~1")
    checkout.git("switch", "--quiet", "other")
    run(checkout, "set", "image", "prod/web", f"web={TWO}")
    checkout.git("switch", "--quiet", "main")
    checkout.git("reset", "--quiet", "--hard", "HEAD~1")
    checkout.git("merge", "--quiet", "--no-edit", "other")
    assert "would begin" in received(checkout, "HEAD~1", code=1)


def test_a_merge_does_not_drop_what_its_other_parent_never_had(checkout: Checkout) -> None:
    checkout.git("switch", "--quiet", "--create", "other", "HEAD~3")
    checkout.git("commit", "--quiet", "--allow-empty", "--message=Nothing")
    checkout.git("switch", "--quiet", "main")
    checkout.git("merge", "--quiet", "--no-commit", "other")
    checkout.git("rm", "--quiet", "quarantine.yaml")
    checkout.git("commit", "--quiet", "--no-edit")
    assert "taken out of quarantine" in received(checkout, "HEAD~1", code=1)


def test_a_moved_app_takes_its_entries_with_it(checkout: Checkout) -> None:
    for environment in ("prod", "dev"):
        checkout.git("mv", f"environments/{environment}/web", f"environments/{environment}/shop")
    checkout.commit("Call the app shop")
    assert "does not follow the app to dev/shop, prod/shop" in checkout.run("verify", code=1).stdout
    checkout.edit("quarantine.yaml", "app: web", "app: shop")
    amend(checkout)
    assert "taken out of quarantine" in checkout.run("verify", code=1).stdout, "staging/web would lose it"
    checkout.git("mv", "environments/staging/web", "environments/staging/shop")
    amend(checkout)
    checkout.run("verify")
    assert "is in quarantine" in run(checkout, "set", "image", "prod/shop", f"web={TWO}", code=1)


def test_a_removed_app_is_guarded_when_it_comes_back(checkout: Checkout) -> None:
    saved = checkout.git("rev-parse", "HEAD:environments/prod/web").strip()
    checkout.run("remove", "prod/web", "--sources", "--now", ONE_O_CLOCK)
    checkout.run("verify")
    checkout.git("read-tree", "--prefix=environments/prod/web", "-u", saved)
    checkout.git("rm", "-rfq", "environments/prod/web/rendered", "environments/prod/web/status.yaml")
    checkout.commit("Bring it back")
    assert "is in quarantine" in run(checkout, "set", "image", "prod/web", f"web={TWO}", code=1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("add", "Web:1", "--reason", "x"), 2, "is not an image"),
        (("add", "web:1", "--reason", " "), 2, "needs a reason"),
        (("add", "web:1", "--reason", "x", "--app", "wbe"), 2, "there is no app wbe (there are api, web)"),
        (("add", "web:1", "--reason", "x", "--env", "prd"), 2, "there is no environment prd"),
        (("add", TWO, "--reason", "x", "--app", "web"), 1, "is in quarantine already"),
        (("lift", "web:1", "--reason", "x"), 2, f"web:1 is not in quarantine (there are {TWO})"),
        (("lift", TWO, "--app", "api", "--reason", "x"), 2, "of api is not in quarantine"),
        (("lift", TWO, "--reason", "\n"), 2, "needs a reason"),
        (("lift", TWO), 2, "Missing option '--reason'"),
    ],
)
def test_what_makes_no_sense_is_refused(checkout: Checkout, arguments: Sequence[str], code: int, message: str) -> None:
    before = checkout.snapshot()
    assert message in checkout.run("quarantine", *arguments, "--now", NOON, code=code).stderr
    assert checkout.snapshot() == before


def test_a_dry_run_writes_nothing(checkout: Checkout) -> None:
    before = checkout.snapshot()
    (entry,) = checkout.json(*LIFT, "--dry-run", "--now", NOON)
    assert (entry["dryRun"], entry["commit"], entry["image"]) == (True, None, TWO)
    assert checkout.snapshot() == before


def test_a_damaged_file_stops_everything_with_its_lines(checkout: Checkout) -> None:
    checkout.edit("quarantine.yaml", "since:", "when:")
    for command in (("advance", "prod/web", "--now", NOON), ("status",), ("quarantine", "list")):
        told = checkout.run(*command, code=1).stderr
        assert "quarantine[0].since: missing" in told
        assert "quarantine.yaml:" in told
    checkout.commit("Damage it")
    assert "quarantine[0].when: unknown key" in checkout.run("verify", code=1).stdout


def test_the_first_phase_of_a_release_is_held(checkout: Checkout) -> None:
    checkout.use_default_order()
    assert "is in quarantine" in run(checkout, "undo", "prod/web", "--to-revision", "2", code=1)
    bump(checkout)
    assert "is in quarantine" in run(checkout, "advance", "--all", "--yes")
    without_hold(checkout, "advance", "prod/web")
    assert "would begin" in received(checkout, "HEAD~1", code=1)
    checkout.git("reset", "--quiet", "--hard", "HEAD~1")
    checkout.run(*LIFT, "--now", ONE_O_CLOCK)
    for now in (TWO_O_CLOCK, "2026-03-01T15:00:00Z"):
        run(checkout, "advance", "prod/web", now=now)
    checkout.run("quarantine", "add", TWO, "--reason", "Slow", "--now", "2026-03-01T15:00:00Z")
    run(checkout, "promote", "prod/web", now="2026-03-01T15:00:00Z")
    run(checkout, "abort", "prod/web", now="2026-03-01T15:00:00Z")
    checkout.run("verify")


def test_a_blue_green_release_is_held(checkout: Checkout) -> None:
    two = "registry.example.com/shop/api:2.0.0"
    path = "environments/prod/api/rollout.yaml"
    checkout.run("quarantine", "add", two, "--app", "api", "--reason", "Slow", "--now", ONE_O_CLOCK)
    bump(checkout, "shop/api:1.0.0", "shop/api:2.0.0", path)
    assert "is in quarantine" in run(checkout, "advance", "prod/api")
    run(checkout, "advance", "prod/api", "--break-glass", "INC-1")
    run(checkout, "advance", "prod/api", now=TWO_O_CLOCK)
    run(checkout, "abort", "prod/api", now=TWO_O_CLOCK)
    assert "is in quarantine" in run(checkout, "retry", "prod/api", now=TWO_O_CLOCK, code=1)
    checkout.run("verify")


def test_json_has_the_commit(checkout: Checkout) -> None:
    (entry,) = json.loads(checkout.run(*LIFT, "--now", NOON, "-o", "json").stdout)
    assert entry["commit"] == checkout.head
    assert len(entry["stepCommit"]) == 40
