"""Builds the documentation's site, and fails where a link or an anchor in it leads nowhere: ``make docs``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PROJECT = Path(__file__).resolve().parents[2]
BUILD = PROJECT / "build"
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
"""Pages at the repository's root that the site has too, where forges expect them."""
LINK = re.compile(r"\[(?P<text>[^][]*(?:\[[^][]*\])?[^][]*)\]\((?P<target>[^()\s]+)\)")


def relocated(text: str, source: Path, page: Path) -> str:
    """Return ``text`` with the links of a page for its place in the site.

    Links to files that the site does not have become plain text: they are for readers of the repository.
    """

    def link(match: re.Match[str]) -> str:
        path, mark, anchor = match["target"].partition("#")
        if not path or urlsplit(path).scheme:
            return match[0]
        target = Path(os.path.normpath(source.parent / path)).relative_to(PROJECT)
        if target.parts[0] == "docs":
            target = target.relative_to("docs")
        elif str(target) not in ROOT_PAGES:
            return match["text"]
        return f"[{match['text']}]({os.path.relpath(target, page.parent)}{mark}{anchor})"

    return LINK.sub(link, text)


def stage(folder: Path) -> None:
    """Copy the pages and their files into ``folder``, with links that fit there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT / "docs", folder, ignore=shutil.ignore_patterns("sbom.cdx.json"))
    for source in [*(PROJECT / "docs").rglob("*.md"), *(PROJECT / name for name in ROOT_PAGES)]:
        page = source.relative_to(PROJECT / "docs" if source.is_relative_to(PROJECT / "docs") else PROJECT)
        (folder / page).write_text(relocated(source.read_text(encoding="utf-8"), source, page), encoding="utf-8")


class Links(HTMLParser):
    """The links, the anchors and the loaded resources of a page."""

    def __init__(self, text: str) -> None:
        """Read ``text``."""
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.resources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what the tag names."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name == "href" and value and tag == "a":
                self.links.append(value)
            elif value and (name == "src" or (name == "href" and tag == "link")):
                self.resources.append(value)


def broken(site: Path) -> tuple[int, list[str]]:
    """Return how many links the pages of ``site`` have, and those that lead nowhere or load from elsewhere."""
    pages = {page: Links(page.read_text(encoding="utf-8")) for page in sorted(site.rglob("*.html"))}
    count, wrong = 0, []
    for page, found in pages.items():
        if page.name == "404.html":
            continue
        for target in [*found.links, *found.resources]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if target in found.resources:
                    wrong.append(f"{page.relative_to(site)}: loads {target}")
                continue
            count += 1
            place = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = place / "index.html" if place.is_dir() else place
            known = place in pages and parts.fragment and not parts.fragment.startswith("__")
            if not place.is_file() or (known and unquote(parts.fragment) not in pages[place].anchors):
                wrong.append(f"{page.relative_to(site)}: {target}")
    return count, wrong


def main() -> int:
    """Build the site and check its links."""
    stage(BUILD / "docs")
    zensical = Path(sys.executable).with_name("zensical")
    if code := subprocess.run([zensical, "build", "--clean", "--strict"], cwd=PROJECT, check=False).returncode:
        return code
    count, wrong = broken(BUILD / "site")
    for text in wrong:
        print(f"broken link: {text}")
    print(f"{count} links checked, {len(wrong)} broken; the site is build/site/index.html")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
