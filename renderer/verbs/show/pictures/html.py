"""The drawing of staircases as a page of HTML, which needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from renderer.verbs.show.pictures.elements import STYLE, add
from renderer.verbs.show.pictures.staircase import NOW, Staircase
from renderer.verbs.show.pictures.svg import picture
from renderer.verbs.show.pictures.table import table_rows

PAGE_STYLE = """
:root{color-scheme:light dark}
body{margin:0 auto;max-width:72rem;padding:0 .5rem 2rem;color:#1f2328;background:#fff;
font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.4rem}
h2{font-size:1.15rem;margin:2rem 0 .25rem;overflow-wrap:anywhere}
p{margin:.25rem 0 .75rem;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin-top:.75rem}
table{border-collapse:collapse;font-size:.875rem}
th,td{border:1px solid #8c959f;padding:.25rem .5rem;text-align:left;vertical-align:top}
tr.now{font-weight:700}
@media (prefers-color-scheme:dark){
body{color:#e6edf3;background:#0d1117}
th,td{border-color:#6e7681}
}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(staircases: Sequence[Staircase]) -> str:
    """Return one page with a picture of each staircase, and the table of its commits under it."""
    page = ET.Element("html", lang="en")
    head = add(page, "head")
    add(head, "meta", charset="utf-8")
    ET.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    ET.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    title = staircases[0].title if len(staircases) == 1 else f"Plans of {len(staircases)} releases"
    add(head, "title", title)
    ET.SubElement(head, "style").text = PAGE_STYLE + STYLE
    main = add(add(page, "body"), "main")
    add(main, "h1", title)
    for number, one in enumerate(staircases, 1):
        section = add(main, "section")
        if len(staircases) > 1:
            add(section, "h2", one.title)
        for text in one.words:
            add(section, "p", text)
        section.append(picture(one, f"s{number}"))
        _table(section, one)
    return f"<!DOCTYPE html>\n{ET.tostring(page, encoding='unicode', method='html')}\n"


def _table(section: ET.Element, staircase: Staircase) -> None:
    # A keyboard scrolls what has the focus.
    region = {"tabindex": "0", "role": "region", "aria-label": f"The commits of {staircase.title}"}
    table = add(add(section, "div", name="scroll", **region), "table")
    header, *rows = table_rows(staircase)
    row = add(add(table, "thead"), "tr")
    for cell in header:
        add(row, "th", cell or "#", scope="col")
    body = add(table, "tbody")
    for stair, cells in zip(staircase.stairs, rows, strict=True):
        row = add(body, "tr", name="now" if stair.place == NOW else "")
        add(row, "th", cells[0], scope="row")
        for cell in cells[1:]:
            add(row, "td", cell)
