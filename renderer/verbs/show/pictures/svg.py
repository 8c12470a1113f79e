"""The drawing of staircases as SVG.

Horizontal places are in percent and text is not scaled, so a picture is as wide as its place and its text is never
smaller.  A picture has no program and loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from renderer.rollouts.model.world import PHASES
from renderer.verbs.show.pictures.charts import add_charts
from renderer.verbs.show.pictures.elements import (
    LINE,
    MARGIN,
    add,
    add_lines,
    add_mark,
    add_patterns,
    add_style,
    fill,
)
from renderer.verbs.show.pictures.staircase import NOW, Staircase
from renderer.verbs.show.pictures.words import KIND_WORDS, WAIT_WORDS, number_of, stair_text

NAMESPACE = "http://www.w3.org/2000/svg"


def svg(staircases: Sequence[Staircase]) -> str:
    """Return one SVG document with all ``staircases`` below each other, each with its words and its commits."""
    root = ET.Element("svg", xmlns=NAMESPACE, width="100%")
    add_style(root)
    top = 0
    for number, one in enumerate(staircases, 1):
        drawing = picture(one, f"s{number}", has_words=True)
        drawing.set("y", str(top))
        root.append(drawing)
        top += int(drawing.get("height", "0"))
    root.set("height", str(max(top, 1)))
    return ET.tostring(root, encoding="unicode") + "\n"


def picture(staircase: Staircase, key: str, *, has_words: bool = False) -> ET.Element:
    """Return the element of one staircase, for a place that has the style.

    ``key`` begins its ids: letters, digits and hyphens.  With words, the title and the summary are above the charts,
    and the list of commits is below.
    """
    label = {"role": "img", "aria-labelledby": f"{key}-t {key}-d"}
    element = ET.Element("svg", {"class": "rs", **label, "width": "100%"})
    add(element, "title", staircase.title, id=f"{key}-t")
    lines = [f"{number_of(staircase, index)}: {text}" for index, text in _commits(staircase)]
    add(element, "desc", "; ".join([staircase.summary, *lines]), id=f"{key}-d")
    add_patterns(element, key)
    background = add(element, "rect", name="rs-bg", width="100%")
    top = _words(element, staircase) if has_words else 0
    if staircase.stairs:
        top = _legend(element, staircase, key, top)
        top = add_charts(element, staircase, key, top + MARGIN)
    if has_words:
        top = _list(element, staircase, top)
    for sized in (element, background):
        sized.set("height", str(top + MARGIN))
    return element


def _words(element: ET.Element, staircase: Staircase) -> int:
    top = add_lines(element, staircase.title, MARGIN, name="rs-h")
    for text in staircase.words:
        top = add_lines(element, text, top)
    return top + 4


def _legend(element: ET.Element, staircase: Staircase, key: str, top: int) -> int:
    """Add what the colors, patterns, marks and letters mean, as far as the picture has them."""
    indent, stairs = 26, staircase.stairs
    for version in staircase.versions:
        add(element, "rect", x=str(MARGIN), y=str(top + 6), width="18", height="12", **fill(version.kind, key))
        top = add_lines(element, f"{version.label}: {KIND_WORDS[version.kind]}", top, indent=indent)
    for wait in dict.fromkeys(stair.wait for stair in stairs if stair.wait in WAIT_WORDS):
        add_mark(element, wait, str(MARGIN + 9), top + 12)
        top = add_lines(element, WAIT_WORDS[wait], top, indent=indent)
    if any(stair.peak_pods > stair.pods for stair in stairs):
        y, end = str(top + 12), str(MARGIN + 18)
        add(element, "line", name="rs-peak", x1=str(MARGIN), x2=end, y1=y, y2=y)
        top = add_lines(element, "most pods on the way to a step", top, indent=indent)
    phases = [phase for phase in PHASES if any(stair.phase == phase for stair in stairs)]
    letters = ", ".join(f"{phase[0].upper()} {phase}" for phase in phases)
    return add_lines(element, letters, top, indent=indent)


def _list(element: ET.Element, staircase: Staircase, top: int) -> int:
    """Add each commit in words."""
    for index, text in _commits(staircase):
        name = "rs-b" if staircase.stairs[index].place == NOW else ""
        add(element, "text", number_of(staircase, index), name=name, x=str(MARGIN), y=str(top + LINE))
        top = add_lines(element, text, top, indent=30) + 2
    return top


def _commits(staircase: Staircase) -> Iterator[tuple[int, str]]:
    for index, stair in enumerate(staircase.stairs):
        yield index, stair_text(staircase, stair)
