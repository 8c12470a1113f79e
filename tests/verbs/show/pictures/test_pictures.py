"""The pictures of a plan: exact for some releases, true to the plan for all, and safe whatever the names are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from renderer.verbs.show.pictures import DRAWINGS
from renderer.verbs.show.pictures.charts import BAND, WEIGHTS
from renderer.verbs.show.pictures.mermaid import mermaid
from renderer.verbs.show.pictures.staircase import COMING, DONE, NOW, Staircase, shortened, staircase
from renderer.verbs.show.pictures.svg import picture
from renderer.verbs.show.pictures.table import markdown, table_rows
from renderer.verbs.show.pictures.words import number_of
from tests.support.commands import NOON, Checkout
from tests.support.staircases import DRAWN, PAGE, PICTURES, SCENES, drawings, plan_of, scene

SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "style", "title", "desc", "defs", "pattern", "rect", "text", "g", "line", "circle", "path"}
HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "</text><script>x</script>",
        "a: done, 0, 5\n  click a",
        "`|\n#58;%%{init:{}}%%",
        "\x00\x1b[31m\ud800\u202e",
        "]]>",
    ]
)


def tags(root: ET.Element) -> Iterator[str]:
    return (element.tag.removeprefix(SVG) for element in root.iter())


@pytest.mark.parametrize("path", drawings(), ids=lambda path: path.name)
def test_the_pictures_of_the_page_are_what_is_drawn(path: Path) -> None:
    hint = "python -m tests.support.staircases draws it again"
    assert path.read_text(encoding="utf-8") == drawings()[path], hint


def test_the_page_shows_every_picture() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"\]\(pictures/([a-z-]+)\.svg\)", page) == list(DRAWN)
    assert sorted(path.stem for path in PICTURES.iterdir()) == sorted(DRAWN)


@pytest.mark.parametrize("name", SCENES)
def test_the_stairs_are_the_rows_of_the_plan(name: str) -> None:
    plan, found = plan_of(name), scene(name)
    data = plan.to_dict()
    rows = [*data["done"], *([data["now"]] if data["now"] else []), *data["commits"]]
    assert len(rows) == len(found.stairs) > 0
    for row, stair in zip(rows, found.stairs, strict=True):
        shown = {share.version.name: (share.weight, share.pods) for share in stair.shares}
        assert shown == {rs["name"]: (rs["weight"], rs["replicas"]) for rs in row["replicaSets"]}
        assert stair.peak_pods == row["peakPods"]
    assert [stair.place for stair in found.stairs].count(NOW) == 1


@pytest.mark.parametrize("name", SCENES)
def test_the_areas_are_the_weights(name: str) -> None:
    found = scene(name)
    (chart,) = [element for element in picture(found, "s") if element.get("width") == "96%"]
    for stair, column in zip(found.stairs, chart.findall("g"), strict=True):
        areas = [float(rect.get("height", "")) for rect in column.findall("rect") if is_weight(rect)]
        wanted = [share.weight for share in stair.shares if share.weight]
        assert len(areas) == len(wanted)
        for area, weight in zip(areas, wanted, strict=True):
            # Shares of pods are rounded down to percents.
            assert abs(area * found.max_weight / WEIGHTS - weight) < 2
        assert sum(areas) == pytest.approx(WEIGHTS, abs=0.1)


def is_weight(rect: ET.Element) -> bool:
    return BAND <= float(rect.get("y", "")) < BAND + WEIGHTS


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_loads_nothing_and_runs_nothing(name: str) -> None:
    for form in ("svg", "html"):
        text = DRAWINGS[form]([scene(name)]).replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert re.findall(r"https?:|href|@import|<script|\son\w+=|\sstyle=", text) == []
        assert set(re.findall(r"url\((.)", text)) <= {"#"}


def renamed(found: Staircase, text: str) -> Staircase:
    """Return a staircase in which every text of the repository is ``text``."""
    versions = {one.name: replace(one, label=text) for one in found.versions}
    stairs = [
        replace(
            stair,
            action=text,
            gates=(text,),
            shares=tuple(replace(share, version=versions[share.version.name]) for share in stair.shares),
        )
        for stair in found.stairs
    ]
    return replace(
        found, app=text, environment=text, message=text, versions=tuple(versions.values()), stairs=tuple(stairs)
    )


@given(HOSTILE)
def test_hostile_names_are_only_shown(text: str) -> None:
    plain = scene("experiment")
    hostile = renamed(plain, text)
    root = ET.fromstring(DRAWINGS["svg"]([hostile, hostile]))
    assert set(tags(root)) <= TAGS
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert html_tags(DRAWINGS["html"]([hostile])) == html_tags(DRAWINGS["html"]([plain]))
    lines = mermaid(hostile).split("\n")
    assert len(lines) == len(mermaid(plain).split("\n"))
    assert all(
        re.fullmatch(r"  (section|title|acc\w+:|dateFormat|axisFormat|\d)[^:;]*.*", line) for line in lines[1:-1]
    )
    assert "`" not in mermaid(hostile)
    assert len(markdown(hostile).split("\n")) == len(markdown(plain).split("\n"))


class Tags(HTMLParser):
    """The tags of a page, but for lines of words, whose number depends on the names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(f"{tag} {sorted(name for name, _ in attrs)}")


def html_tags(page: str) -> set[str]:
    parser = Tags()
    parser.feed(page)
    return {tag for tag in parser.found if tag.partition(" ")[0] not in ("p", "tspan")}


def test_the_places_and_numbers_of_commits() -> None:
    found = scene("sixty-steps")
    places = [stair.place for stair in found.stairs]
    assert places == sorted(places, key=[DONE, NOW, COMING].index)
    numbers = [number_of(found, index) for index in range(len(places))]
    assert numbers[places.index(NOW) - 1 :][:3] == ["✓", "now", "1"]
    assert numbers[-1] == str(places.count(COMING))
    cut = shortened(found, 5)
    assert [number_of(cut, index) for index in range(5)] == ["now", "1", "2", "3", "4"]
    assert len(shortened(found, 1000).stairs) == len(found.stairs)


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("canary-in-phases", ["", "live", "person", "live", "time", "live", "time", "live", "time", ""]),
        ("analysis", ["analysis", "time", "time", ""]),
        ("experiment", ["", "experiment", "person", "time", ""]),
        ("blue-green-paused", ["person", "time", ""]),
        ("aborted", ["time", ""]),
    ],
)
def test_the_marks_of_waits(name: str, waits: list[str]) -> None:
    assert [stair.wait for stair in scene(name).stairs if stair.place != DONE] == waits


def test_an_experiment_has_its_weights_and_pods() -> None:
    stair = next(stair for stair in scene("experiment").stairs if stair.wait == "experiment")
    shown = [(share.version.label, share.weight, share.pods) for share in stair.shares]
    assert shown == [("2.0.0", 20, 1), ("baseline", 5, 1), ("try", 10, 2), ("1.0.0", 65, 5)]
    assert stair.peak_pods == stair.pods == 9


def test_the_steps_done_are_those_of_the_release() -> None:
    found = scene("paused")
    done = [stair for stair in found.stairs if stair.place == DONE]
    assert [(stair.step, stair.action, stair.shares[0].weight, stair.pods) for stair in done] == [
        ("0/6", "setWeight: 20", 20, 6)
    ]
    assert not [stair for stair in scene("aborted").stairs if stair.place == DONE]


def test_nothing_runs_and_nothing_is_to_come() -> None:
    empty = replace(plan_of("canary"), now=None, done=(), commits=())
    found = staircase("web", "prod", empty)
    assert found.title == "web (prod): nothing runs"
    assert found.stairs == ()
    assert table_rows(found) == [["", "Action", "Most pods", "Then"]]
    for form, draw in DRAWINGS.items():
        assert "nothing to come" in draw([found]), form
    assert ET.fromstring(DRAWINGS["svg"]([])).get("height") == "1"


def test_the_command_draws_the_same_bytes_anywhere(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    command = ("plan", "prod/web", "prod/api", "--now", NOON, "--output")
    drawn = checkout.run(*command, "svg").stdout
    assert drawn.count("<desc ") == 2
    elsewhere = checkout.process(*command, "svg", PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C").stdout
    assert elsewhere == drawn
    assert checkout.run(*command, "html").stdout.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert checkout.run(*command, "mermaid").stdout.count("```mermaid\ngantt\n") == 2
    assert "| 1 | " in checkout.run(*command, "markdown").stdout
