"""The Atom feed of an environment: its newest commits of releases."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

from renderer.kubernetes.times import format_time
from renderer.pipeline.render.html import visible
from renderer.verbs.site.links import address, feed, release_page
from renderer.verbs.site.records import AppRecord, ReleaseCommit, ReleaseRecord

MOST_ENTRIES = 100
_ATOM = "http://www.w3.org/2005/Atom"


def atom_feed(environment: str, apps: Sequence[AppRecord], time: str) -> str:
    """Return the feed of an environment, newest entry first; ``time`` is that of an empty one.

    Source: RFC 4287.  Its addresses are relative to the feed's own, since the site does not know where it lies.
    """
    rows = [(commit, release) for app in apps for release in app.releases for commit in release.commits]
    rows.sort(key=lambda row: (row[0].time, row[1].app, row[0].commit), reverse=True)
    first = rows[-1][0].commit if rows else ""
    root = ElementTree.Element("feed", {"xmlns": _ATOM})
    _text(root, "title", f"Releases in {environment}")
    _text(root, "id", f"urn:uuid:{uuid5(NAMESPACE_URL, f'{first}/{environment}')}")
    _text(root, "updated", format_time(rows[0][0].time) if rows else time)
    ElementTree.SubElement(root, "link", {"rel": "self", "href": "feed.xml"})
    ElementTree.SubElement(root, "link", {"rel": "alternate", "href": "index.html"})
    _text(root, "generator", "rollstep")
    for commit, release in rows[:MOST_ENTRIES]:
        _entry(root, commit, release)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _entry(root: ElementTree.Element, commit: ReleaseCommit, release: ReleaseRecord) -> None:
    entry = ElementTree.SubElement(root, "entry")
    name = f"{commit.commit}/{release.environment}/{release.app}"
    page = release_page(release.environment, release.app, release.id)
    _text(entry, "title", commit.subject)
    _text(entry, "id", f"urn:uuid:{uuid5(NAMESPACE_URL, name)}")
    _text(entry, "updated", format_time(commit.time))
    _text(ElementTree.SubElement(entry, "author"), "name", commit.author)
    ElementTree.SubElement(entry, "link", {"href": address(feed(release.environment), page)})
    ElementTree.SubElement(entry, "category", {"term": commit.phase})
    said = (f"{release.app}, revision {release.revision} ({release.version})", commit.phase, commit.message)
    _text(entry, "summary", ": ".join(part for part in said if part))


def _text(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = visible(text)
