"""Checks of a site's files without a browser: HTML is well formed and hostile to nobody, and every link leads on."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

VOID = {"meta", "link", "input", "br", "img", "hr"}
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
TAGS = {
    *("html", "head", "meta", "title", "link", "script", "body", "header", "nav", "ul", "ol", "li", "a", "search"),
    *("label", "input", "p", "main", "section", "h1", "h2", "h3", "span", "strong", "code", "pre", "table", "caption"),
    *("thead", "tbody", "tr", "th", "td", "time", "dl", "div", "dt", "dd", "details", "summary", "select", "option"),
    *("footer", "svg", "rect", "line", "text", "g", "defs", "pattern", "path", "polygon", "circle", "desc"),
}
"""The elements that templates and pictures have: any other one came from a value."""


class Page(HTMLParser):
    """A page: its links, its ids, its text, and everything that is wrong with it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.headings: list[int] = []
        self.wrong: list[str] = []
        self.text = ""
        self.policy = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if len(values) < len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag not in TAGS:
            self.wrong.append(f"<{tag}> is no element of a template")
        self.wrong += [f"<{tag} {name}>" for name in values if name.startswith("on") or name == "style"]
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        self.loads += [values[name] for name in ("src", "href") if name in values and tag != "a"]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append(int(tag[1:]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            self.wrong.append(f"<{self.open[-1]}> with a text")
        self.text += data


FORGE = "https://github.com/example/shop/"


def faults(site: Path, *elsewhere: str) -> Iterator[str]:
    """Yield everything that is wrong with the pages of a site, whose links may also lead to ``elsewhere``."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        place = path.relative_to(site)
        yield from (f"{place}: {text}" for text in page.wrong)
        if page.policy != POLICY:
            yield f"{place}: has another policy"
        if len(set(page.ids)) < len(page.ids):
            yield f"{place}: has an id twice"
        steps = zip([0, *page.headings], page.headings, strict=False)
        if page.headings.count(1) != 1 or any(after > before + 1 for before, after in steps):
            yield f"{place}: has the headings {page.headings}"
        for link in page.loads:
            if urlsplit(link).scheme or urlsplit(link).netloc or not (path.parent / unquote(link)).is_file():
                yield f"{place}: loads {link}"
        for link in page.links:
            yield from (f"{place}: {text}" for text in _broken(link, path, pages, (FORGE, *elsewhere)))


def _broken(link: str, path: Path, pages: dict[Path, Page], allowed: tuple[str, ...]) -> Iterator[str]:
    parts = urlsplit(link)
    if parts.scheme:
        if not link.startswith(allowed):
            yield f"leads to {link}"
        return
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        yield f"leads to {link}, which is not there"
    elif parts.fragment and parts.fragment not in pages[target].ids:
        yield f"leads to {link}, and there is no such place"
