"""Elements of an SVG picture: texts that only show, patterns and marks, and the style of all of them.

The colors are those of Okabe and Ito ("Color Universal Design", 2008), which people with any color vision tell apart;
each has its pattern as well.
"""

from __future__ import annotations

from textwrap import wrap
from xml.etree import ElementTree as ET

from renderer.errors import printable
from renderer.verbs.show.pictures.staircase import ANALYSIS, NEW, OLD, PERSON, STABLE, TIME
from renderer.verbs.show.planned import EXPERIMENT

STYLE = """
.rs text{font:12px/1 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,sans-serif;fill:#1f2328}
.rs .rs-h{font-size:14px;font-weight:700}
.rs .rs-s{font-size:10px;text-anchor:middle}
.rs .rs-first{text-anchor:start}
.rs .rs-last{text-anchor:end}
.rs .rs-v{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.rs .rs-b{font-weight:700}
.rs .rs-bg,.rs .rs-gap{fill:#fff}
.rs .rs-gap{opacity:.6}
.rs .rs-line{stroke:#59636e;fill:none}
.rs .rs-mark{fill:#1f2328}
.rs .rs-now{fill:none;stroke:#1f2328;stroke-width:2px}
.rs .rs-peak{stroke:#1f2328;stroke-dasharray:4 3;fill:none}
.rs .rs-edge{stroke:#fff;stroke-width:2px;fill:none}
.rs .rs-new{fill:#d55e00}
.rs .rs-stable{fill:#0072b2}
.rs .rs-old{fill:#767676}
.rs .rs-experiment{fill:#00805d}
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
.rs .rs-experiment{fill:#009e73}
}
"""
"""The style of all pictures; a page with several needs it once."""

LINE, MARGIN, COLUMNS = 16, 8, 40
"""The height of a line and the margin in pixels, and the characters on a line, as many as 320 pixels hold."""
TILE = {"width": "8", "height": "8"}
_PATTERNS = {
    NEW: ("rotate(45)", [("0", "0", "2", "8")]),
    OLD: ("", [("0", "0", "3", "3"), ("4", "4", "3", "3")]),
    EXPERIMENT: ("", [("0", "0", "8", "2")]),
}
"""The pattern of each kind of version but the stable one, which is plain: a transformation, and gaps in a tile."""


def add(parent: ET.Element, tag: str, text: str = "", /, name: str = "", **attributes: str) -> ET.Element:
    """Add an element of the class ``name`` with a text that only shows."""
    element = ET.SubElement(parent, tag, {"class": name} if name else {}, **attributes)
    if text:
        element.text = printable(text)
    return element


def add_style(parent: ET.Element) -> None:
    """Add the style of all pictures."""
    ET.SubElement(parent, "style").text = STYLE


def add_patterns(parent: ET.Element, key: str) -> None:
    """Add the patterns; ``key`` begins their ids."""
    definitions = add(parent, "defs")
    for kind, (transform, gaps) in _PATTERNS.items():
        place = {"patternTransform": transform} if transform else {}
        pattern = add(definitions, "pattern", id=f"{key}-{kind}", patternUnits="userSpaceOnUse", **TILE, **place)
        add(pattern, "rect", name=f"rs-{kind}", **TILE)
        for x, y, width, height in gaps:
            add(pattern, "rect", name="rs-gap", x=x, y=y, width=width, height=height)


def fill(kind: str, key: str) -> dict[str, str]:
    """Return the attributes of a rectangle of a kind of version."""
    return {"class": "rs-stable"} if kind == STABLE else {"fill": f"url(#{key}-{kind})"}


def add_mark(place: ET.Element, wait: str, x: str, y: int, *, name: str = "") -> None:
    """Add the mark of a wait around a point."""
    mark = add(place, "svg", name=name, x=x, y=str(y), overflow="visible")
    if wait == PERSON:
        for left in ("-4", "1"):
            add(mark, "rect", name="rs-mark", x=left, y="-5", width="3", height="10")
    elif wait == TIME:
        add(mark, "circle", name="rs-line", r="5.5")
        add(mark, "path", name="rs-line", d="M0-4V0H3")
    elif wait in (ANALYSIS, EXPERIMENT):
        add(mark, "path", name="rs-line", d="M0-7L7 0L0 7L-7 0Z")
        add(mark, "text", wait[0].upper(), name="rs-s rs-b", y="3.5")


def add_lines(parent: ET.Element, text: str, top: int, *, indent: int = 0, name: str = "") -> int:
    """Add a text as lines that 320 pixels hold, ``indent`` pixels to the right; return the place below them."""
    columns = COLUMNS - indent // 7 - (6 if name == "rs-h" else 0)
    for line in wrap(printable(text), columns):
        top += LINE
        add(parent, "text", line, name=name, x=str(MARGIN + indent), y=str(top))
    return top


def percent(position: float, count: int) -> str:
    """Return the place of a column out of ``count``."""
    return f"{position * 100 / count:.6g}%"


def fixed(value: float) -> str:
    """Return a number of pixels, which is the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
