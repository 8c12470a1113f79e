"""The drawing of a staircase as SVG.

Horizontal places are in percent and text is not scaled, so the picture is as wide as its place and its text is never
smaller.  The colors are those of Okabe and Ito ("Color Universal Design", 2008), which people with any color vision
tell apart; each has its pattern as well.  The picture has no program and loads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from xml.etree import ElementTree as ET

from renderer.errors import printable
from renderer.rollouts.model.world import PHASES
from renderer.verbs.show.pictures.staircase import (
    ANALYSIS,
    EXPERIMENT,
    PERSON,
    TIME,
    Stair,
    Staircase,
)
from renderer.verbs.show.pictures.words import WAIT_WORDS, stair_text

STYLE = """
.rs text{font:12px/1 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,sans-serif;fill:#1f2328}
.rs .rs-h{font-size:14px;font-weight:700}
.rs .rs-s{font-size:10px;text-anchor:middle}
.rs .rs-v{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.rs .rs-b{font-weight:700}
.rs .rs-bg{fill:#fff}
.rs .rs-gap{fill:#fff}
.rs .rs-line{stroke:#59636e;fill:none}
.rs .rs-mark{fill:#1f2328;stroke:none}
.rs .rs-now{fill:none;stroke:#1f2328;stroke-width:2px}
.rs .rs-peak{stroke:#1f2328;stroke-dasharray:4 3;fill:none}
.rs .rs-edge{stroke:#fff;stroke-width:1.5px;fill:none}
.rs .rs-new{fill:#d55e00}
.rs .rs-stable{fill:#0072b2}
.rs .rs-old{fill:#767676}
.rs .rs-rest{fill:#009e73}
.rs rect,.rs .rs-edge{shape-rendering:crispEdges}
.rs .rs-wide{display:none}
@media (min-width:640px){.rs .rs-wide{display:inline}}
@media (prefers-color-scheme:dark){
.rs text,.rs .rs-mark{fill:#e6edf3}
.rs .rs-v,.rs .rs-edge{stroke:#0d1117}
.rs .rs-bg,.rs .rs-gap{fill:#0d1117}
.rs .rs-line{stroke:#9198a1}
.rs .rs-now,.rs .rs-peak{stroke:#e6edf3}
.rs .rs-new{fill:#e69f00}
.rs .rs-stable{fill:#56b4e9}
.rs .rs-old{fill:#8b949e}
.rs .rs-rest{fill:#009e73}
}
"""
"""The style of all drawings; a page with several needs it once."""

LINE, MARGIN, COLUMNS = 16, 8, 40
"""The height of a line and the margin in pixels, and the characters on a line, as many as 320 pixels hold."""
WEIGHTS, PODS, BAND = 120, 64, 18
"""The heights of the two charts, and of a band of marks."""
NARROW, WIDE, LABEL, LETTER = 300, 620, 30, 8
"""The widths for which labels are left out where they would touch, and those of a label and a letter, in pixels."""


def svg(staircases: Sequence[Staircase]) -> str:
    """Return one SVG document with all ``staircases`` below each other, each with the list of its commits."""
    root = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", width="100%")
    _add(root, "style", STYLE)
    top = 0
    for number, one in enumerate(staircases, 1):
        drawing, height = _drawing(one, f"s{number}", has_list=True)
        drawing.set("y", str(top))
        root.append(drawing)
        top += height
    root.set("height", str(max(top, 1)))
    return ET.tostring(root, encoding="unicode") + "\n"


def inline_svg(staircase: Staircase, key: str) -> str:
    """Return an SVG element for a page that has ``STYLE``, without the list of commits; ``key`` begins its ids."""
    drawing, _ = _drawing(staircase, re.sub(r"[^A-Za-z0-9-]", "-", key), has_list=False)
    drawing.set("xmlns", "http://www.w3.org/2000/svg")
    return ET.tostring(drawing, encoding="unicode") + "\n"


def _drawing(staircase: Staircase, key: str, *, has_list: bool) -> tuple[ET.Element, int]:
    """Return the element of one staircase, and its height."""
    element = ET.Element("svg", {"class": "rs", "role": "img", "aria-labelledby": f"{key}-t {key}-d", "width": "100%"})
    _add(element, "title", staircase.title, id=f"{key}-t")
    _add(element, "desc", _description(staircase), id=f"{key}-d")
    _patterns(element, key)
    background = _add(element, "rect", **{"class": "rs-bg", "width": "100%"})
    top = _header(element, staircase, key)
    if staircase.stairs:
        top = _charts(element, staircase, key, top)
    if has_list:
        top = _list(element, staircase, top)
    height = top + MARGIN
    element.set("height", str(height))
    background.set("height", str(height))
    return element, height


def _patterns(element: ET.Element, key: str) -> None:
    """Add the pattern of each kind of version; the stable one is plain."""
    definitions = _add(element, "defs")
    lines = {
        "new": ("rotate(45)", [("0", "0", "2", "8")]),
        "old": ("", [("0", "0", "3", "3"), ("4", "4", "3", "3")]),
        "rest": ("", [("0", "0", "8", "2"), ("0", "0", "2", "8")]),
    }
    for kind, (transform, gaps) in lines.items():
        size = {"width": "8", "height": "8"}
        place = {"patternTransform": transform} if transform else {}
        pattern = _add(definitions, "pattern", id=f"{key}-{kind}", patternUnits="userSpaceOnUse", **size, **place)
        _add(pattern, "rect", **{"class": f"rs-{kind}"}, **size)
        for x, y, width, height in gaps:
            gap = {"class": "rs-gap", "opacity": "0.55"}
            _add(pattern, "rect", x=x, y=y, width=width, height=height, **gap)


def _fill(kind: str, key: str) -> dict[str, str]:
    return {"class": "rs-stable"} if kind == "stable" else {"fill": f"url(#{key}-{kind})"}


def _header(element: ET.Element, staircase: Staircase, key: str) -> int:
    """Add the title, the summary and the key of colors and marks; return the place below them."""
    top = MARGIN
    for line in _wrapped(staircase.title, COLUMNS - 6):
        top += LINE + 2
        _text(element, line, MARGIN, top, "rs-h")
    for line in _wrapped(staircase.summary, COLUMNS):
        top += LINE
        _text(element, line, MARGIN, top)
    top += 4
    for kind, words in _legend(staircase):
        for number, line in enumerate(_wrapped(words, COLUMNS - 4)):
            top += LINE
            if number == 0:
                _add(element, "rect", x=str(MARGIN), y=str(top - 10), width="18", height="12", **_fill(kind, key))
            _text(element, line, MARGIN + 26, top)
    for wait in dict.fromkeys(stair.wait for stair in staircase.stairs if stair.wait in WAIT_WORDS):
        top += LINE
        mark = _add(element, "svg", x=str(MARGIN + 9), y=str(top - 4), overflow="visible")
        _mark(mark, wait)
        _text(element, WAIT_WORDS[wait], MARGIN + 26, top)
    if any(stair.peak_pods > stair.pods for stair in staircase.stairs):
        top += LINE
        y, end = str(top - 4), str(MARGIN + 18)
        _add(element, "line", x1=str(MARGIN), x2=end, y1=y, y2=y, **{"class": "rs-peak"})
        _text(element, "most pods on the way to a step", MARGIN + 26, top)
    phases = [phase for phase in PHASES if any(stair.phase == phase for stair in staircase.stairs)]
    if phases:
        top += LINE
        _text(element, ", ".join(f"{phase[0].upper()} {phase}" for phase in phases), MARGIN + 26, top)
    return top + MARGIN


def _legend(staircase: Staircase) -> Iterator[tuple[str, str]]:
    words = {"new": "the new version", "stable": "the stable version now", "old": "an older version"}
    for version in staircase.versions:
        yield version.kind, f"{version.label}: {words[version.kind]}"
    if any(_rest(staircase, stair) for stair in staircase.stairs):
        yield "rest", "versions of an experiment"


def _charts(element: ET.Element, staircase: Staircase, key: str, top: int) -> int:
    """Add the chart of weights, that of pods, and the labels under them; return the place below."""
    stairs, count = staircase.stairs, len(staircase.stairs)
    # The margins are in percent, so that the columns are.
    chart = _add(element, "svg", x="2%", width="96%", y=str(top), overflow="visible")
    weights_top, pods_top = BAND, BAND + WEIGHTS + 24
    under = pods_top + PODS
    peak = max(staircase.peak_pods, 1)
    shown = _labels([stair.shares[0].weight if stair.shares else 0 for stair in stairs])
    pods_shown = _labels([stair.pods for stair in stairs])
    numbered = _labels(range(count))
    _text(chart, f"pods (at most {staircase.peak_pods})", 0, pods_top - 7)
    for index, stair in enumerate(stairs):
        column = _add(chart, "g")
        _add(column, "title", stair_text(staircase, stair))
        place = {"x": f"{_percent(index, count)}%", "width": f"{_percent(1, count)}%"}
        _weights(column, staircase, stair, key, weights_top, place)
        _pods(column, stair, peak, key, pods_top, place)
        middle = f"{_percent(index + 0.5, count)}%"
        if stair.wait:
            _mark(_add(column, "svg", x=middle, y=str(weights_top - 9), overflow="visible"), stair.wait)
        if shown[index] is not None and stair.shares:
            lead = stair.shares[0]
            level = weights_top + WEIGHTS - WEIGHTS * lead.weight // staircase.max_weight
            label = _add(
                column, "text", staircase.percent(lead.weight), x=middle, y=str(max(level - 3, weights_top + 11))
            )
            label.set("class", f"rs-s rs-v{shown[index]}")
        if pods_shown[index] is not None:
            level = under - PODS * stair.pods // peak
            label = _add(column, "text", str(stair.pods), x=middle, y=str(min(level + 11, under - 3)))
            label.set("class", f"rs-s rs-v{pods_shown[index]}")
        if numbered[index] is not None or stair.is_now:
            text = "now" if stair.is_now else _number(staircase, index)
            label = _add(column, "text", text, x=middle, y=str(under + 12))
            label.set("class", f"rs-s{' rs-b' if stair.is_now else numbered[index]}")
        if stair.is_now:
            for y, height in ((weights_top, WEIGHTS), (pods_top, PODS)):
                _add(column, "rect", y=str(y), height=str(height), **{"class": "rs-now"}, **place)
    for y in (weights_top, weights_top + WEIGHTS, under):
        _add(chart, "line", x1="0", x2="100%", y1=str(y), y2=str(y), **{"class": "rs-line"})
    bottom = under + LINE
    if any(stair.phase for stair in stairs):
        _phases(chart, stairs, bottom)
        bottom += LINE
    chart.set("height", str(bottom))
    return top + bottom + 4


def _weights(column: ET.Element, staircase: Staircase, stair: Stair, key: str, top: int, place: dict[str, str]) -> None:
    """Add the weights: the newest version from below, the stable one from above, an experiment between them."""
    bottom = top + WEIGHTS
    rest = _rest(staircase, stair)
    parts = [(share.version.kind, share.weight) for share in stair.shares if share.version.kind != "stable"]
    parts += [("rest", rest)] if rest else []
    stable = sum(share.weight for share in stair.shares if share.version.kind == "stable")
    done = 0
    for kind, weight in [*parts, ("stable", stable)]:
        if not weight:
            continue
        high = bottom - WEIGHTS * (done + weight) / staircase.max_weight
        low = bottom - WEIGHTS * done / staircase.max_weight
        # Shares of pods are rounded down; the highest part has the remainder.
        if kind == "stable" or done + weight >= sum(share.weight for share in stair.shares) + rest:
            high = top
        _add(column, "rect", y=_fixed(high), height=_fixed(low - high), **place, **_fill(kind, key))
        if done:
            edge = {"x1": place["x"], "x2": f"{float(place['x'][:-1]) + float(place['width'][:-1]):.4g}%"}
            _add(column, "line", y1=_fixed(low), y2=_fixed(low), **edge, **{"class": "rs-edge"})
        done += weight


def _pods(column: ET.Element, stair: Stair, peak: int, key: str, top: int, place: dict[str, str]) -> None:
    """Add the pods of each version, and a dashed line at the largest number during the step."""
    low = float(top + PODS)
    for share in stair.shares:
        height = PODS * share.pods / peak
        if height:
            _add(
                column, "rect", y=_fixed(low - height), height=_fixed(height), **place, **_fill(share.version.kind, key)
            )
            low -= height
    level = _fixed(top + PODS - PODS * stair.peak_pods / peak)
    end = f"{float(place['x'][:-1]) + float(place['width'][:-1]):.4g}%"
    _add(column, "line", x1=place["x"], x2=end, y1=level, y2=level, **{"class": "rs-peak"})


def _phases(chart: ET.Element, stairs: Sequence[Stair], top: int) -> None:
    """Add the first letter of each phase under its column, as far as all of them fit."""
    count = len(stairs)
    for index, stair in enumerate(stairs):
        if stair.phase and count <= NARROW // LETTER:
            label = _add(chart, "text", stair.phase[0].upper(), x=f"{_percent(index + 0.5, count)}%", y=str(top + 10))
            label.set("class", "rs-s rs-b")


def _list(element: ET.Element, staircase: Staircase, top: int) -> int:
    for index, stair in enumerate(staircase.stairs):
        lines = _wrapped(stair_text(staircase, stair), COLUMNS - 4)
        for number, line in enumerate(lines):
            top += LINE
            if number == 0:
                _text(element, "now" if stair.is_now else _number(staircase, index), MARGIN, top, "rs-b")
            _text(element, line, MARGIN + 30, top)
        top += 2
    return top


def _mark(place: ET.Element, wait: str) -> None:
    """Add the mark of a wait around the point (0, 0)."""
    if wait == PERSON:
        for x in ("-4", "1"):
            _add(place, "rect", x=x, y="-5", width="3", height="10", **{"class": "rs-mark"})
    elif wait == TIME:
        _add(place, "circle", r="5.5", **{"class": "rs-line"})
        _add(place, "path", d="M0-4V0H3", **{"class": "rs-line"})
    elif wait in (ANALYSIS, EXPERIMENT):
        _add(place, "path", d="M0-6.5L6.5 0L0 6.5L-6.5 0Z", **{"class": "rs-line"})
        label = _add(place, "text", "A" if wait == ANALYSIS else "E", y="3")
        label.set("class", "rs-s rs-b")


def _rest(staircase: Staircase, stair: Stair) -> int:
    """Return the weight of no version of the plan, which an experiment has; rounding leaves less than one a version."""
    rest = staircase.max_weight - sum(share.weight for share in stair.shares)
    return rest if stair.shares and rest >= max(len(stair.shares), 2) else 0


def _labels(values: Iterable[int]) -> list[str | None]:
    """Return the class of each column's label, None without one: changes have one, as far as they fit."""
    values = list(values)
    found: list[str | None] = [None] * len(values)
    for width, name in ((WIDE, " rs-wide"), (NARROW, "")):
        apart = -(-LABEL * len(values) // width)
        last = -apart
        for index, value in enumerate(values):
            if (index == 0 or value != values[index - 1]) and index - last >= apart:
                found[index] = name
                last = index
    return found


def _number(staircase: Staircase, index: int) -> str:
    return str(index if staircase.stairs[0].is_now else index + 1)


def _description(staircase: Staircase) -> str:
    lines = [stair_text(staircase, stair) for stair in staircase.stairs]
    return "; ".join([staircase.summary, *lines])


def _percent(position: float, count: int) -> str:
    return f"{position * 100 / count:.6g}"


def _fixed(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _wrapped(text: str, columns: int) -> list[str]:
    return wrap(printable(text), columns)


def _text(parent: ET.Element, text: str, x: int, y: int, name: str = "") -> None:
    label = _add(parent, "text", text, x=str(x), y=str(y))
    if name:
        label.set("class", name)


def _add(parent: ET.Element, tag: str, text: str = "", /, **attributes: str) -> ET.Element:
    """Add an element with a text that only shows."""
    element = ET.SubElement(parent, tag, attributes)
    if text:
        element.text = text if tag == "style" else printable(text)
    return element
