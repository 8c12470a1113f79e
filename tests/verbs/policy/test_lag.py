"""The lag of one environment behind another: by steps, by time, and with the same images."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from renderer.errors import UsageError
from renderer.verbs.policy.lag import NO_RELEASE, Lag, Progress, lag_wait
from tests.support.commands import NOON, ONE, TWO, Checkout

EARLY = "2026-03-01T08:00:00Z"
ONE_O_CLOCK = "2026-03-01T13:00:00Z"
NEXT_DAY = "2026-03-02T12:00:01Z"
START = datetime(2026, 3, 1, tzinfo=UTC)
NEW, OLD = ("web:2",), ("web:1",)

lags = st.builds(Lag, st.just("staging"), steps=st.integers(0, 4), after=st.integers(0, 100))


@st.composite
def releases(draw: st.DrawFn) -> Progress:
    """Return the progress of a release at any step, or complete."""
    step = draw(st.integers(0, 6))
    times = sorted(draw(st.lists(st.integers(0, 200), min_size=step + 1, max_size=step + 1)))
    reached = [(index, START + timedelta(seconds=second)) for index, second in enumerate(times)]
    complete = draw(st.booleans())
    stable = NEW if complete else draw(st.sampled_from([OLD, NEW]))
    return Progress(NEW, stable, step, complete, not complete and draw(st.booleans()), reached, reached[-1][1])


@given(lags, releases(), st.integers(0, 6), st.integers(0, 400), st.integers(0, 400))
def test_what_may_be_done_may_be_done_later_too_and_with_less_lag(
    lag: Lag, leader: Progress, step: int, second: int, later: int
) -> None:
    follower = replace(NO_RELEASE, images=NEW, step=step)
    now = START + timedelta(seconds=second)
    if lag_wait(lag, leader, follower, now) is None:
        assert lag_wait(lag, leader, follower, now + timedelta(seconds=later)) is None
        assert lag_wait(replace(lag, after=lag.after // 2, steps=lag.steps // 2), leader, follower, now) is None
        assert leader.is_complete or leader.stable_images == NEW or leader.step >= step + lag.steps
        assert not leader.is_aborted or leader.stable_images == NEW


@given(lags, releases(), st.integers(0, 6), st.integers(0, 400))
def test_a_wait_for_a_time_is_over_at_that_time(lag: Lag, leader: Progress, step: int, second: int) -> None:
    follower = replace(NO_RELEASE, images=NEW, step=step)
    reason = lag_wait(lag, leader, follower, START + timedelta(seconds=second))
    if reason is not None and reason.until is not None:
        assert reason.until > START + timedelta(seconds=second)
        assert lag_wait(lag, leader, follower, reason.until) is None
        assert lag_wait(lag, leader, follower, reason.until - timedelta(seconds=1)) is not None


@pytest.mark.parametrize(
    ("leader", "told"),
    [
        (NO_RELEASE, "staging has not released web:2 yet"),
        (Progress(OLD, OLD, 6, True, False), "staging has not released web:2 yet"),
        (Progress(NEW, OLD, 2, False, False), "staging is at step 2, and has to be at 3 or complete"),
        (Progress(NEW, OLD, 5, False, True), "staging has aborted web:2"),
        (Progress(NEW, OLD, 3, False, False), ""),
        (Progress(NEW, NEW, 6, True, False), ""),
        (Progress(("web:3",), NEW, 1, False, False), ""),
    ],
)
def test_how_far_the_other_release_has_to_be(leader: Progress, told: str) -> None:
    reason = lag_wait(Lag("staging", steps=2), leader, Progress(NEW, OLD, 1, False, False), START)
    assert (reason.detail if reason else "").endswith(told)
    assert bool(reason) == bool(told)


@pytest.mark.parametrize(
    "text", ["staging", "staging=", "=2", "staging=two", "staging=-1", "staging=+1", "staging=-1h", "staging=2w"]
)
def test_what_is_no_lag_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="neither ENV=STEPS"):
        Lag.parse(text)


def test_a_lag_is_steps_or_a_time() -> None:
    assert Lag.parse("staging=2") == Lag("staging", steps=2)
    assert Lag.parse("staging=24h") == Lag("staging", after=86400)
    assert Lag.parse("staging=1d30m") == Lag("staging", after=88200)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with web released to staging and prod, and a lag of one step for prod."""
    checkout = Checkout(tmp_path_factory.mktemp("lag") / "repo")
    checkout.run("advance", "staging/web", "prod/web", "prod/api", "--no-validate", "--now", EARLY)
    settings = checkout.root / "rollstep.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f"{text}  prod:\n    apps: {{web: {{lag: {{behind: staging, steps: 1}}}}}}\n", encoding="utf-8")
    checkout.commit("Let prod stay behind staging")
    return checkout


@pytest.fixture
def checkout(template: Checkout, tmp_path: Path) -> Checkout:
    return template.copy(tmp_path / "repo")


def release_two(checkout: Checkout, *environments: str) -> None:
    for environment in environments:
        checkout.edit(f"environments/{environment}/web/rollout.yaml", ONE, TWO)
    checkout.commit("Release another image")


def step(checkout: Checkout, app: str) -> int:
    status = checkout.root / "environments" / app / "status.yaml"
    return int(yaml.safe_load(status.read_text(encoding="utf-8"))["status"]["currentStepIndex"])


def test_advance_stays_behind_and_goes_on_when_the_other_is_further(checkout: Checkout) -> None:
    release_two(checkout, "staging", "prod")
    before = checkout.snapshot()
    waits = checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    assert f"behind another environment: staging has not released {TWO} yet" in waits.stderr
    assert checkout.snapshot() == before
    checkout.run("advance", "staging/web", "--no-validate", "--now", NOON)
    assert step(checkout, "staging/web") == 1
    before = checkout.snapshot()
    waits = checkout.run("advance", "prod/web", "--no-validate", "--now", NOON)
    assert "staging is at step 1, and has to be at 2 or complete" in waits.stderr
    assert "waits" in checkout.run("render", "prod/web", "--check", "--no-validate").stderr
    assert checkout.snapshot() == before
    checkout.run("advance", "staging/web", "--no-validate", "--now", ONE_O_CLOCK)
    checkout.run("advance", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    checkout.run("promote", "prod/web", "--no-validate", "--now", ONE_O_CLOCK)
    assert step(checkout, "prod/web") == 3
    assert checkout.run("verify", f"{before[0]}..HEAD").returncode == 0


def test_a_verb_is_refused_where_it_would_be_too_early(checkout: Checkout) -> None:
    before = checkout.snapshot()
    refused = checkout.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON, code=1)
    assert f"web (prod) stays behind another environment: staging has not released {TWO} yet" in refused.stderr
    assert "--break-glass" in refused.stderr
    assert checkout.snapshot() == before


def test_all_goes_on_with_those_that_are_free(checkout: Checkout) -> None:
    release_two(checkout, "staging", "prod")
    checkout.run("advance", "--all", "--together", "--no-validate", "--now", NOON)
    assert step(checkout, "staging/web") == 1
    assert checkout.replicas("prod/web") == {"1.0.0": 5}


def test_an_option_adds_a_time_to_the_setting(checkout: Checkout) -> None:
    release_two(checkout, "staging", "prod")
    checkout.run("advance", "staging/web", "--no-validate", "--now", NOON)
    checkout.run("promote", "staging/web", "--full", "--no-validate", "--now", NOON)
    waits = checkout.run("advance", "prod/web", "--lag", "staging=24h", "--no-validate", "--now", ONE_O_CLOCK)
    assert "staging has to be at this step for 24h until 2026-03-02T12:00:00Z" in waits.stderr
    checkout.run("advance", "prod/web", "--lag", "staging=24h", "--no-validate", "--now", NEXT_DAY)
    assert step(checkout, "prod/web") == 1


def test_the_way_back_is_free_and_the_glass_can_be_broken(checkout: Checkout) -> None:
    release_two(checkout, "prod")
    checkout.run("advance", "prod/web", "--break-glass", "INC-1", "--no-validate", "--now", NOON)
    assert step(checkout, "prod/web") == 1
    assert "with the glass broken: INC-1" in checkout.run("verify", "HEAD~1..HEAD").stderr
    checkout.run("abort", "prod/web", "--no-validate", "--now", NOON)
    assert "abort" in checkout.subjects[0]


def test_a_commit_that_did_not_stay_behind_is_found(checkout: Checkout) -> None:
    release_two(checkout, "prod")
    settings = checkout.root / "rollstep.yaml"
    asked = settings.read_text(encoding="utf-8")
    settings.write_text(asked.replace("behind: staging", "behind: prod"))
    checkout.run("advance", "prod/web", "--include-sources", "--no-validate", "--now", NOON)
    found = checkout.run("verify", "HEAD~1..HEAD", code=1)
    assert f"web (prod) had to stay behind another environment: staging has not released {TWO} yet" in found.stdout


def test_an_environment_without_the_app_is_refused(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "behind: staging", "behind: qa")
    release_two(checkout, "prod")
    before = checkout.snapshot()
    refused = checkout.run("advance", "prod/web", "--no-validate", "--now", NOON, code=1)
    assert "has to stay behind qa, which has no app web" in refused.stderr
    assert checkout.snapshot() == before
