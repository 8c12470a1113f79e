"""An image in quarantine: which moves begin it, and the file that lists it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError
from renderer.rollouts.model.rollout import HASH_LABEL, REVISION_ANNOTATION, ReplicaSet
from renderer.rollouts.model.status import RolloutStatus
from renderer.verbs.policy.listed_image import (
    ListedImage,
    Verdict,
    begun_images,
    images_beyond_stable,
    listed_images,
)
from renderer.verbs.policy.quarantine import lifted, parse_quarantine, quarantined

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERDICT = Verdict("web-6f7-2-1", "Failed", 'Metric "success-rate" assessed Failed', "staging")
TWO = ListedImage("registry.example.com/web:2.0.0", SINCE, "web", (), VERDICT, commit="0123456789abcdef")

times = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=0)
)
texts = st.text(max_size=12)
entries = st.lists(
    st.builds(
        ListedImage,
        image=st.sampled_from(["web:1", "web:2", "library/web:2", "shop/web:2", f"web@sha256:{'a' * 64}"]),
        app=st.sampled_from(["web", "api", "no", "1", ""]),
        since=times,
        environments=st.lists(st.sampled_from(["dev", "prod"]), unique=True).map(tuple),
        verdict=st.none() | st.builds(Verdict, run=texts, phase=texts, message=texts),
        reason=texts,
        commit=texts,
    ),
    max_size=3,
)


class State(Struct, frozen=True):
    """A status with the images of its ReplicaSets, by hash."""

    status: RolloutStatus
    replica_sets: Sequence[ReplicaSet]


def state(stable: str, current: str, *, abort: bool = False, revisions: str = "", **images: str) -> State:
    """Return a state with a ReplicaSet for each of ``images``; ``revisions`` are their hashes, oldest first."""
    order = revisions or "".join(images)
    sets = [
        ReplicaSet(
            name=f"web-{name}",
            namespace="",
            labels={HASH_LABEL: name},
            annotations={REVISION_ANNOTATION: str(order.index(name) + 1)},
            replicas=1,
            min_ready_seconds=0,
            selector={},
            template={"spec": {"containers": [{"name": "web", "image": image}]}},
        )
        for name, image in images.items()
    ]
    return State(RolloutStatus(stable_rs=stable, current_pod_hash=current, abort=abort), sets)


@pytest.mark.parametrize(
    ("before", "after", "begun"),
    [
        (state("", ""), state("", "a", a="web:1"), ("web:1",)),
        (state("a", "a", a="web:1"), state("a", "b", a="web:1", b="web:2"), ("web:2",)),
        (state("a", "a", a="web:1"), state("a", "a", a="web:1", b="web:2"), ("web:2",)),
        (state("a", "a", a="web:1"), state("a", "b", a="web:1", b="web:1"), ()),
        (state("a", "b", a="web:1", b="web:2"), state("b", "b", a="web:1", b="web:2"), ()),
        (state("a", "b", a="web:1", b="web:2"), state("a", "b", abort=True, a="web:1", b="web:2"), ()),
        (state("a", "b", abort=True, a="web:1", b="web:2"), state("a", "b", a="web:1", b="web:2"), ("web:2",)),
        (state("a", "b", a="web:1", b="web:2"), state("a", "a", revisions="ba", a="web:1", b="web:2"), ()),
        (state("b", "b", a="web:1", b="web:2"), state("b", "a", revisions="ba", a="web:1", b="web:2"), ("web:1",)),
        (state("b", "b", a="web:1", b="web:2"), state("b", "b", revisions="ba", a="web:1", b="web:2"), ("web:1",)),
        (state("b", "b", a="web:1", b="web:2"), state("a", "a", a="web:1", b="web:2"), ("web:1",)),
    ],
    ids=[
        "first release",
        "new version",
        "first phase of a new version",
        "restart",
        "promotion",
        "abort",
        "retry",
        "undo to stable",
        "undo to an older one",
        "first phase of an undo",
        "revert to an older status",
    ],
)
def test_the_images_that_a_move_begins(before: State, after: State, begun: tuple[str, ...]) -> None:
    assert begun_images(before, after) == begun
    found = listed_images([ListedImage("web:2", SINCE, "web")], "prod", "web", before, after)
    assert [image for image, _ in found] == [image for image in begun if image == "web:2"]


def test_a_verdict_lists_what_the_stable_version_lacks() -> None:
    assert images_beyond_stable(state("a", "b", abort=True, a="web:1", b="web:2")) == ("web:2",)
    assert images_beyond_stable(state("a", "b", abort=True, a="web", b="library/web:latest")) == ()
    assert images_beyond_stable(state("", "a", a="web:1")) == ("web:1",)


def test_many_images_are_found_among_many_entries() -> None:
    images = [f"web:1@sha256:{number:064x}" for number in range(4000)]
    listed = [ListedImage(image, SINCE) for image in images[:2001]]
    (replica_set,) = state("", "a", a="web:1").replica_sets
    template = {"spec": {"containers": [{"name": image, "image": image} for image in images[2000:]]}}
    begun = State(RolloutStatus(current_pod_hash="a"), [replace(replica_set, template=template)])
    found = list(listed_images(listed, "prod", "web", state("", ""), begun))
    assert found == [(images[2000], listed[2000])]


def test_an_entry_guards_its_app_in_all_environments_or_in_the_named_ones() -> None:
    assert TWO.guards("prod", "web")
    assert not TWO.guards("prod", "api")
    narrow = ListedImage("web:2", SINCE, "web", ("staging",))
    assert [narrow.guards(name, "web") for name in ("staging", "prod")] == [True, False]


@settings(max_examples=40)
@given(entries)
def test_what_is_written_is_read_as_it_was(written: list[ListedImage]) -> None:
    text = quarantined(None, written)
    found = parse_quarantine(text) if text else ()
    assert all(entry in written for entry in found)
    assert all(any(entry.matches(other.image) and entry.app in ("", other.app) for entry in found) for other in written)
    assert quarantined(text or None, written) == text
    assert parse_quarantine(lifted(text, lambda _: True)) == () if text else True


def test_the_order_and_the_comments_of_the_file_stay() -> None:
    text = quarantined(None, [TWO]).replace("- image", "# Ask Ada\n- image") + "# The end\n"
    more = [ListedImage("api:1", SINCE, "api", reason="CVE-2026-1"), ListedImage("web:9", SINCE, "web")]
    added = quarantined(text, more)
    assert [entry.image for entry in parse_quarantine(added)] == ["api:1", TWO.image, "web:9"]
    assert "# Ask Ada" in added
    assert "# The end" in added
    assert parse_quarantine(lifted(added, lambda entry: entry.app == "api" or entry.image == "web:9")) == (TWO,)
    assert "# Ask Ada" in lifted(added, lambda entry: entry.app == "api")


def test_a_damaged_file_is_refused_with_its_lines() -> None:
    text = quarantined(None, [TWO]).replace("web:2.0.0", "Web:2.0.0").replace("app: web", "apps: web")
    with pytest.raises(RollstepError) as error:
        parse_quarantine(text)
    lines = [finding.text() for finding in error.value.findings]
    assert [line.split(": ")[1] for line in lines] == [
        "quarantine[0].image",
        "quarantine[0].apps",
    ]
    assert lines[0].startswith("quarantine.yaml:3:")
    assert "expected an image, found 'registry.example.com/Web:2.0.0'" in lines[0]
    with pytest.raises(RollstepError, match="several documents"):
        parse_quarantine("quarantine: []\n---\nquarantine: []\n")
    assert parse_quarantine("# nothing\n") == ()
    assert parse_quarantine(quarantined("# nothing\n", [TWO])) == (TWO,)
    assert parse_quarantine(quarantined("quarantine: []\n", [TWO])) == (TWO,)
