"""A picture of a terminal as SVG: its lines light up one after the other, unless the reader wants no motion."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

LINE, CHARACTER, MARGIN = 17, 7.2, 14
SECONDS, COMMAND_SECONDS = 0.04, 0.9
"""The time of a line, and that of a command before its output."""
STYLE = """
rect{fill:#0d1117}
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}
.command{fill:#7ee787;font-weight:700}
.heading{fill:#79c0ff}
@media (prefers-reduced-motion:no-preference){text{animation:appear .01s both}}
@keyframes appear{from{opacity:.3}to{opacity:1}}
"""


def terminal_picture(title: str, lines: Sequence[str]) -> str:
    """Return the picture of ``lines``; those that begin with ``$`` are commands, with ``#`` headings."""
    width = round(max(map(len, lines)) * CHARACTER) + 2 * MARGIN
    height = LINE * len(lines) + 2 * MARGIN
    place = {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}
    label = {"role": "img", "aria-labelledby": "t"}
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **label, **place})
    ET.SubElement(root, "title", id="t").text = title
    ET.SubElement(root, "style").text = STYLE
    ET.SubElement(root, "rect", width=str(width), height=str(height), rx="8")
    time = 0.0
    for number, line in enumerate(lines):
        time += COMMAND_SECONDS if line.startswith(("$", "#")) else SECONDS
        if not line:
            continue
        kind = {"$": "command", "#": "heading"}.get(line[0])
        # The length makes columns of every font as wide as the picture expects.
        element = ET.SubElement(
            root,
            "text",
            {"class": kind} if kind else {},
            x=str(MARGIN),
            y=str(MARGIN + LINE * number + 12),
            textLength=f"{len(line) * CHARACTER:g}",
            lengthAdjust="spacingAndGlyphs",
            style=f"animation-delay:{time:.2f}s",
        )
        element.text = line
    return ET.tostring(root, encoding="unicode") + "\n"
