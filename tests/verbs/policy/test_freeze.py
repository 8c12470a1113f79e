"""A freeze stops releases: verbs refuse to commit, and `verify` refuses a commit that was made anyway."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError
from renderer.verbs.policy.freeze import Freeze, active_freeze, new_name
from renderer.verbs.policy.freezes import dump_freezes, parse_freezes
from tests.support.commands import NOON, TWO, Checkout

UNTIL = "2026-03-01T20:00:00Z"
ONE_O_CLOCK = "2026-03-01T13:00:00Z"
EVENING = "2026-03-01T20:00:00Z"
WEB = "environments/prod/web"

times = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=0)
)
freezes = st.lists(
    st.builds(
        Freeze,
        name=st.text(min_size=1, max_size=8),
        environments=st.lists(st.sampled_from(["dev", "prod"]), unique=True).map(tuple),
        start=times,
        until=times,
        reason=st.text(max_size=8),
    ),
    max_size=4,
).map(tuple)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in the middle of a release of prod/web, with a freeze of prod until the evening."""
    with pytest.MonkeyPatch.context() as patch:
        # No commit counts as one of before its parents.
        patch.setenv("GIT_COMMITTER_DATE", "2026-03-01T07:00:00Z")
        checkout = Checkout(tmp_path_factory.mktemp("frozen") / "repo")
    checkout.run("advance", "prod/web", "prod/api", "--no-validate", "--now", "2026-03-01T08:00:00Z")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON)
    checkout.run("freeze", "add", "--until", UNTIL, "--reason", "The big sale", "--env", "prod", "--now", NOON)
    return checkout


@pytest.fixture
def checkout(template: Checkout, tmp_path: Path) -> Checkout:
    return template.copy(tmp_path / "repo")


@given(freezes)
def test_what_is_written_is_read_as_it_was(written: tuple[Freeze, ...]) -> None:
    assert parse_freezes(dump_freezes(written)) == written


@given(freezes, times)
def test_the_longest_freeze_that_holds_counts(all_freezes: tuple[Freeze, ...], now: datetime) -> None:
    found = active_freeze(all_freezes, "prod", now)
    held = [
        freeze
        for freeze in all_freezes
        if freeze.start <= now < freeze.until
        and freeze.environments in ((), ("prod",), ("dev", "prod"), ("prod", "dev"))
    ]
    assert (found is None) == (not held)
    assert found is None or found.until == max(freeze.until for freeze in held)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_no_two_freezes_have_one_name(reasons: list[str]) -> None:
    made: list[Freeze] = []
    for reason in reasons:
        made.append(Freeze(new_name(reason, made), (), datetime(2026, 1, 1), datetime(2026, 1, 2), reason))
    assert len({freeze.name for freeze in made}) == len(reasons)
    assert all(freeze.name for freeze in made)


def test_a_freeze_is_a_commit_with_a_file(checkout: Checkout) -> None:
    assert checkout.subjects[0] == "Freeze prod until 2026-03-01T20:00:00Z: The big sale"
    assert "Rollstep-Freeze: the-big-sale" in checkout.git("log", "-1", "--format=%(trailers)")
    assert checkout.git("show", "--name-only", "--format=").split() == ["freezes.yaml"]
    assert checkout.git("log", "-1", "--format=%an %cI").strip() == "rollstep 2026-03-01T12:00:00+00:00"
    (entry,) = json.loads(checkout.run("freeze", "list", "--now", ONE_O_CLOCK, "-o", "json").stdout)
    assert entry == {
        "name": "the-big-sale",
        "environments": ["prod"],
        "from": NOON,
        "until": UNTIL,
        "reason": "The big sale",
        "state": "active",
    }
    assert "over" in checkout.run("freeze", "list", "--now", EVENING).stdout
    assert "later" in checkout.run("freeze", "list", "--now", "2026-03-01T11:59:59Z").stdout


@pytest.mark.parametrize(
    "verb",
    [
        ("promote", "prod/web"),
        ("promote", "prod/web", "--full"),
        ("set", "image", "prod/web", "web=web:3"),
        ("set", "image", "prod/api", "api=api:3"),
        ("restart", "prod/api"),
    ],
    ids=" ".join,
)
def test_what_goes_forward_is_refused_and_nothing_is_written(checkout: Checkout, verb: tuple[str, ...]) -> None:
    before = checkout.snapshot()
    told = checkout.run(*verb, "--no-validate", "--now", ONE_O_CLOCK, code=1).stderr
    assert "freezes.yaml:3: " in told
    assert "is frozen until 2026-03-01T20:00:00Z: The big sale" in told
    assert checkout.snapshot() == before
    checkout.run(*verb, "--no-validate", "--now", EVENING)
    checkout.run("verify")


@pytest.mark.parametrize(
    "verb",
    [("abort", "prod/web"), ("undo", "prod/web"), ("pause", "prod/web"), ("scale", "prod/web", "--replicas", "9")],
    ids=" ".join,
)
def test_the_way_back_and_more_pods_are_free(checkout: Checkout, verb: tuple[str, ...]) -> None:
    head = checkout.head
    checkout.run(*verb, "--no-validate", "--now", ONE_O_CLOCK)
    assert checkout.head != head
    checkout.run("verify")


def test_a_version_that_is_older_than_the_stable_one_is_a_way_back_to_its_end(checkout: Checkout) -> None:
    checkout.run("freeze", "lift", "the-big-sale", "--now", NOON)
    checkout.run("promote", "prod/web", "--full", "--no-validate", "--now", "2026-03-01T12:10:00Z")
    checkout.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T12:20:00Z")
    checkout.run("freeze", "add", "--until", UNTIL, "--reason", "Sale", "--now", "2026-03-01T12:30:00Z")
    checkout.run("undo", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    checkout.run("promote", "prod/web", "--full", "--no-validate", "--now", "2026-03-01T13:10:00Z")
    checkout.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T13:20:00Z")
    assert checkout.replicas("prod/web") == {"1.0.0": 5, "2.0.0": 0}
    checkout.run("verify")
    again = checkout.run(
        "set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", "2026-03-01T14:00:00Z", code=1
    )
    assert "is frozen until" in again.stderr


def test_an_aborted_release_does_not_start_again(checkout: Checkout) -> None:
    checkout.run("abort", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    assert "is frozen" in checkout.run("retry", "prod/web", "--no-validate", "--now", ONE_O_CLOCK, code=1).stderr


def test_advance_waits_where_it_is_frozen_and_goes_on_elsewhere(checkout: Checkout) -> None:
    checkout.run("promote", "prod/web", "--no-validate", "--now", NOON, "--break-glass", "Must")
    head = checkout.head
    told = checkout.run("advance", "--all", "--no-validate", "--now", ONE_O_CLOCK)
    assert "web (prod): frozen until 2026-03-01T20:00:00Z: `rollstep freeze list` shows why" in told.stderr
    assert "web (dev)" in told.stdout
    assert checkout.git("diff", "--stat", head, "--", WEB) == ""
    (entry,) = checkout.json("advance", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    assert (entry["reason"], entry["until"]) == ("frozen", UNTIL)
    checkout.run("advance", "prod/web", "--to", "5", "--no-validate", "--now", ONE_O_CLOCK, code=1)
    checkout.run("advance", "prod/web", "--no-validate", "--now", EVENING)
    assert checkout.git("diff", "--stat", head, "--", WEB) != ""


def test_break_glass_ends_in_a_trailer(checkout: Checkout) -> None:
    reason = "Prices are\nwrong\x1b[2J"
    checkout.run("promote", "prod/web", "--no-validate", "--now", ONE_O_CLOCK, "--break-glass", reason)
    trailers = checkout.git("log", "-1", "--format=%(trailers)")
    assert "Rollstep-Break-Glass: Prices are wrong [2J\n" in trailers
    told = checkout.run("verify")
    assert "note: web (prod): went forward in" in told.stderr
    assert "with the glass broken: Prices are wrong [2J" in told.stderr
    assert "needs a reason" in checkout.run("promote", "prod/web", "--break-glass", " ", code=2).stderr


def test_a_commit_that_was_made_in_a_freeze_is_found(checkout: Checkout) -> None:
    text = (checkout.root / "freezes.yaml").read_text(encoding="utf-8")
    (checkout.root / "freezes.yaml").unlink()
    checkout.run("promote", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    (checkout.root / "freezes.yaml").write_text(text, encoding="utf-8")
    told = checkout.run("verify", code=1).stdout
    assert "freezes.yaml:3: web (prod) is frozen until" in told


def test_a_commit_cannot_lift_what_holds_it_up(checkout: Checkout) -> None:
    checkout.git("rm", "--quiet", "freezes.yaml")
    checkout.run("promote", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--amend", "--no-edit", f"--date={ONE_O_CLOCK}")
    checkout.git("update-ref", "refs/heads/amended", "HEAD")
    assert checkout.run("verify", "HEAD~1..", code=0).stdout == "", "made now, when the freeze is long over"
    received = checkout.run(
        "verify",
        "--pre-receive",
        "--branch",
        "amended",
        "--now",
        "2026-03-01T15:00:00Z",
        stdin=f"{checkout.git('rev-parse', 'HEAD~1').strip()} {checkout.head} refs/heads/amended\n",
        code=1,
    )
    assert "is frozen until" in received.stdout


def test_a_revert_is_the_way_back_unless_it_takes_an_abort_back(checkout: Checkout) -> None:
    checkout.run("abort", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    abort = checkout.head
    checkout.git("revert", "--no-edit", "HEAD")
    line = f"{abort} {checkout.head} refs/heads/main\n"
    arguments = ("verify", "--pre-receive", "--now", "2026-03-01T15:00:00Z")
    assert "is frozen until" in checkout.run(*arguments, stdin=line, code=1).stdout
    checkout.git("reset", "--quiet", "--hard", "HEAD~3")
    checkout.run("freeze", "add", "--until", UNTIL, "--reason", "Sale", "--now", NOON)
    before = checkout.head
    checkout.git("revert", "--no-edit", "HEAD~1")
    checkout.run(*arguments, stdin=f"{before} {checkout.head} refs/heads/main\n")


def test_lifting_is_a_commit_too(checkout: Checkout) -> None:
    checkout.run("freeze", "lift", "the-big-sale", "--reason", "Sold out", "--now", ONE_O_CLOCK)
    assert checkout.subjects[0] == "Lift the freeze of prod: Sold out"
    assert json.loads(checkout.run("freeze", "list", "-o", "json").stdout) == []
    checkout.run("promote", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    checkout.run("verify")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("add", "--until", "2026-03-02", "--reason", "x"), 2, "is not a time such as"),
        (("add", "--until", "2026-03-02T00:00:00", "--reason", "x"), 2, "is not a time such as"),
        (("add", "--until", "2026-02-02T00:00:00Z", "--reason", "x"), 2, "has to be later than now and than --from"),
        (("add", "--until", "2026-04-02T00:00:00Z", "--reason", " "), 2, "needs a reason"),
        (("add", "--until", "2026-04-02T00:00:00Z", "--reason", "x", "--env", "prd"), 2, "no environment prd"),
        (("add", "--until", "2026-04-02T00:00:00Z", "--reason", "x", "--name", "the-big-sale"), 1, "already"),
        (("lift", "sale"), 2, "there is no freeze sale (there are the-big-sale)"),
    ],
)
def test_what_makes_no_sense_is_refused(
    checkout: Checkout, arguments: tuple[str, ...], code: int, message: str
) -> None:
    before = checkout.snapshot()
    assert message in checkout.run("freeze", *arguments, "--now", NOON, code=code).stderr
    assert checkout.snapshot() == before


def test_a_zone_is_turned_into_utc(checkout: Checkout) -> None:
    arguments = ("--until", "2026-12-24T18:00:00+05:30", "--from", "2026-12-24T01:00:00-05:00", "--reason", "Holiday")
    checkout.run("freeze", "add", *arguments, "--now", NOON, "--dry-run")
    assert "Holiday" not in checkout.run("freeze", "list").stdout
    checkout.run("freeze", "add", *arguments, "--now", NOON)
    last = json.loads(checkout.run("freeze", "list", "-o", "json").stdout)[-1]
    assert (last["from"], last["until"]) == ("2026-12-24T06:00:00Z", "2026-12-24T12:30:00Z")
    assert last["environments"] == []


def test_a_file_that_is_damaged_stops_everything_with_its_lines(checkout: Checkout) -> None:
    checkout.edit("freezes.yaml", 'until: "2026-03-01T20:00:00Z"', "until: tomorrow")
    checkout.edit("freezes.yaml", "reason:", "cause:")
    told = checkout.run("advance", "prod/web", "--no-validate", "--now", ONE_O_CLOCK, code=1).stderr
    assert "freezes[0].until: expected a time such as 2026-01-31T12:00:00Z, found 'tomorrow'" in told
    assert told.count("error: freezes.yaml:") == 3
    assert "freezes[0].cause: unknown key" in told
    with pytest.raises(RollstepError, match="several documents"):
        parse_freezes("freezes: []\n---\nfreezes: []\n")
    assert parse_freezes("# nothing\n") == ()
