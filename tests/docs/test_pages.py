"""Links, navigation and the reference of commands; `make docs` checks the links of the built site too."""

from __future__ import annotations

import os
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from renderer.pipeline.commit import trailers
from tests.docs.commands import PAGES, page
from tests.docs.console import PROJECT
from tests.docs.site import LINK, ROOT_PAGES, Links, broken, relocated

DOCS = PROJECT / "docs"
FENCED = re.compile(r"^([ \t]*)```.*?^\1```$", re.MULTILINE | re.DOTALL)
FOLDERS = {"tutorials", "how-to", "reference", "explanation"}
SHELL = re.compile(r"^ {4,}(rollstep|git|make|pip|pipx|helm|kubectl|kustomize) ", re.MULTILINE)


def all_pages() -> list[Path]:
    return [*sorted(PROJECT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#+ (.*)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def test_every_link_in_the_repository_leads_somewhere() -> None:
    wrong, count = [], 0
    for path in all_pages():
        text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", path.read_text(encoding="utf-8")))
        for match in LINK.finditer(text):
            place, _, anchor = match["target"].partition("#")
            if urlsplit(place).scheme:
                continue
            count += 1
            target = Path(os.path.normpath(path.parent / place)) if place else path
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                wrong.append(f"{path.relative_to(PROJECT)}: {match['target']}")
    assert wrong == []
    assert count > 400


def test_every_page_is_in_a_folder_of_its_kind_and_in_the_navigation() -> None:
    names = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert {name.partition("/")[0] for name in names} - {"README.md"} == FOLDERS

    def listed(entries: Any) -> list[str]:
        if isinstance(entries, str):
            return [entries]
        children = entries.values() if isinstance(entries, dict) else entries
        return [name for child in children for name in listed(child)]

    settings = tomllib.loads((PROJECT / "zensical.toml").read_text(encoding="utf-8"))
    assert Counter(listed(settings["project"]["nav"])) == Counter([*names, *ROOT_PAGES])


def test_every_command_stands_in_a_block_that_is_run() -> None:
    wrong = []
    for path in all_pages():
        text = path.read_text(encoding="utf-8")
        wrong += [f"{path.name}: ```{name}" for name in re.findall(r"^[ \t]*```(sh|bash|shell)$", text, re.MULTILINE)]
        wrong += [f"{path.name}: {match[0]}" for match in SHELL.finditer(FENCED.sub("", text))]
    assert wrong == ["verify.md: ```sh"], "the hook of a server is a file, not a command"


def test_the_reference_of_commands_is_that_of_the_program() -> None:
    assert (DOCS / "reference" / "commands.md").read_text(encoding="utf-8") == page(), "run `make docs`"
    for place in PAGES.values():
        assert (DOCS / "reference" / place).is_file()


def test_every_trailer_is_in_the_reference() -> None:
    names = {value for value in vars(trailers).values() if isinstance(value, str) and value.startswith(trailers.PREFIX)}
    text = (DOCS / "reference" / "trailers.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(Rollstep-[\w-]+)`", text, re.MULTILINE)
    assert len(set(listed)) == len(listed)
    assert names - {trailers.PREFIX} < set(listed)


def test_links_fit_the_site_and_those_out_of_it_become_text() -> None:
    text = "[a](../reference/json.md#status) [b](../../SECURITY.md) [c](../../tests/docs) [d](https://x.org) [e](#x)"
    source = DOCS / "how-to" / "page.md"
    expected = "[a](../reference/json.md#status) [b](../SECURITY.md) c [d](https://x.org) [e](#x)"
    assert relocated(text, source, Path("how-to/page.md")) == expected
    assert relocated("[a](docs/how-to/page.md)", PROJECT / "README.md", Path("README.md")) == "[a](how-to/page.md)"


def test_a_broken_link_of_the_site_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="top"></h1><a href="b.html#there"></a><a href="#top"></a>')
    (tmp_path / "b.html").write_text('<p id="there"><img src="https://example.com/x.png"><a href="c.html"></a>')
    assert broken(tmp_path) == (3, ["b.html: c.html", "b.html: loads https://example.com/x.png"])
    assert Links('<a href="x">').links == ["x"]


@pytest.mark.parametrize("name", ["line", "git", "phases"])
def test_a_diagram_says_in_words_what_it_shows(name: str) -> None:
    text = (DOCS / "explanation" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert re.search(r"<title id=.title.>.+</title>\n<desc id=.desc.>.{40,}</desc>", text)
    assert "prefers-color-scheme:dark" in text
