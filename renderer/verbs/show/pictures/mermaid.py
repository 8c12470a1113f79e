"""The drawing of a staircase in Mermaid's language, which several forges draw in Markdown (``Forge.mermaid``).

The picture is a Gantt chart: a bar for each commit, as long as the weight of the new version in percent.  Mermaid's own
charts of numbers have no texts at their bars, and older forges do not draw them.
"""

from __future__ import annotations

from renderer.errors import printable
from renderer.verbs.show.pictures.staircase import ANALYSIS, DONE, NEW, PERSON, STABLE, TIME, Stair, Staircase
from renderer.verbs.show.pictures.words import number_of
from renderer.verbs.show.planned import EXPERIMENT

MOST, LABEL = 64, 20
"""The largest numbers of characters of a text and of a version; Mermaid does not wrap, and cuts what does not fit."""
_WAITS = {PERSON: "promote", ANALYSIS: "analysis", EXPERIMENT: "experiment"}
_PLAIN = " .,()/+-"
"""The characters beside letters and digits that mean nothing to Mermaid."""


def mermaid(staircase: Staircase) -> str:
    """Return the chart; it has no backquote, so any fence holds it."""
    lines = [
        "gantt",
        f"  title {_text(_short(staircase.title, MOST))}",
        f"  accTitle: {_text(staircase.title)}",
        f"  accDescr: {_text(staircase.summary)}",
        "  dateFormat X",
        "  axisFormat %s",
    ]
    for index, stair in enumerate(staircase.stairs):
        # Mermaid sorts sections whose names are numbers.
        number = number_of(staircase, index)
        lines.append(f"  section {number}." if number.isdecimal() else f"  section {number}")
        length = round(_weight_of(stair, NEW) * 100 / staircase.max_weight)
        lines.append(
            f"  {_text(_short(_task(staircase, stair), MOST))} :{'done, ' if stair.place == DONE else ''}0, {length}"
        )
    return "\n".join(lines) + "\n"


def _task(staircase: Staircase, stair: Stair) -> str:
    """Return the text of a bar, which begins with a digit, so it is no statement of Mermaid's.

    It is short enough for a bar on a phone: the table of the commits has the rest.
    """
    shares = [share for share in stair.shares if share.weight and share.version.kind != STABLE] or stair.shares
    weights = [f"{staircase.percent(share.weight)} {_short(share.version.label, LABEL)}" for share in shares]
    wait = stair.until.removeprefix("after ") if stair.wait == TIME else _WAITS.get(stair.wait, "")
    return ", ".join(filter(None, (*weights, f"{stair.pods} pod{'' if stair.pods == 1 else 's'}", wait)))


def _weight_of(stair: Stair, kind: str) -> int:
    return sum(share.weight for share in stair.shares if share.version.kind == kind)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(text: str) -> str:
    """Return a text as Mermaid that only shows it: everything else than letters and digits as an entity."""
    return "".join(char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in printable(text))
