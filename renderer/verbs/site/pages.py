"""The HTML of the site's pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from renderer.kubernetes.times import format_time, human_duration, minute_text
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.render.html import html_environment, visible
from renderer.verbs.policy.freeze import Freeze
from renderer.verbs.policy.listed_image import ListedImage
from renderer.verbs.show.pictures.elements import STYLE
from renderer.verbs.show.pictures.staircase import staircase
from renderer.verbs.show.pictures.svg import picture
from renderer.verbs.show.pictures.table import table_rows
from renderer.verbs.show.tree import ICONS
from renderer.verbs.site import dora
from renderer.verbs.site.links import (
    Links,
    address,
    app_page,
    environment_page,
    index_page,
    release_page,
)
from renderer.verbs.site.read import Reading
from renderer.verbs.site.records import ABORTED, RUNNING, AppRecord, MeasuredMetric, ReleaseCommit, ReleaseRecord
from renderer.verbs.site.rows import PHASES, EnvironmentRow, MatrixRow, Row, environment_rows, matrix, row_of

HERE = Path(__file__).parent
TEMPLATES, ASSETS = HERE / "templates", HERE / "assets"
PAGE_SIZE = 250
"""The apps on one page."""
MOST_ATTENTION = 100
MOST_LISTED = 100
"""The images in quarantine on an environment's page."""
_WORDS = {
    "Committed": "Complete",
    "InProgress": "In progress",
    "TakenBack": "Taken back",
    "Degraded": "Aborted",
    "Unknown": "Not begun",
}
"""The states whose name is not the word that people read."""
_KINDS = {
    "Committed": "good",
    "Complete": "good",
    "Progressing": "going",
    "InProgress": "going",
    "Paused": "paused",
    "Degraded": "bad",
    "Aborted": "bad",
    "TakenBack": "bad",
    "Unreadable": "bad",
    "Orphaned": "bad",
}
_ICONS = {**ICONS, "Paused": "‖", "Complete": "✔", "InProgress": "◌", "Aborted": "✖", "TakenBack": "↩"}
"""The icon of a state; the pause of the terminal is a letter of Devanagari, which a screen reader would read."""


class SiteInfo(Struct, frozen=True):
    """The input of the pages about all apps: the commit, its time, the forge, the freezes and the quarantine."""

    commit: str
    time: datetime
    links: Links
    freezes: Sequence[Freeze]
    listed: Sequence[ListedImage]


class ShownPlan(Struct, frozen=True):
    """A plan in words, as a picture in SVG and as a table."""

    words: Sequence[str]
    picture: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class ShownStep(Struct, frozen=True):
    """A commit of a timeline: the time since the one before, and the diff of each file that it changes, by lines."""

    title: str
    commit: ReleaseCommit
    after: str
    tags: tuple[str, ...]
    changes: Sequence[tuple[str, Sequence[tuple[str, str]]]]


def app_pages(reading: Reading, links: Links) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each page of an app."""
    record = reading.record
    row, plan = row_of(record), _shown_plan(reading)
    releases = [
        {"record": release, "page": release_page(record.environment, record.app, release.id), "tags": _tags(release)}
        for release in reversed(record.releases)
    ]
    yield _page(
        app_page(record.environment, record.app),
        "app.html.j2",
        f"{record.app} in {record.environment}",
        record=record,
        row=row,
        info=record.info,
        plan=plan,
        releases=releases,
        commit_url=links.commit(record.commit),
        environment_page=environment_page(record.environment),
    )
    for release in record.releases:
        is_last = release.outcome == RUNNING
        yield from _release_pages(record, release, reading, links, plan if is_last else None)


def site_pages(records: Sequence[AppRecord], info: SiteInfo) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each page about several apps."""
    rows = [row_of(record) for record in records]
    frozen = {
        name: minute_text(max(freeze.until for freeze in own))
        for name in {row.environment for row in rows}
        if (own := [freeze for freeze in info.freezes if freeze.applies_to(name, info.time)])
    }
    environments = environment_rows(rows, frozen)
    shared = {
        "commit": info.commit,
        "commit_url": info.links.commit(info.commit),
        "time": info.time,
        "environments": environments,
    }
    yield from _index_pages(rows, matrix(rows, [row.name for row in environments]), shared)
    for environment in environments:
        yield from _environment_pages(environment, rows, info, shared)
    yield _dora_page(records, info, shared)
    yield "search.js", _search_data(rows)
    yield "picture.css", STYLE.lstrip()


def _index_pages(
    rows: Sequence[Row], apps: Sequence[MatrixRow], shared: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    attention = [row for row in rows if row.needs_attention]
    attention.sort(key=lambda row: (row.since, row.page), reverse=True)
    pages = _numbered(apps, index_page, lambda row: row.app)
    for number, own in enumerate(_chunks(apps), 1):
        yield _page(
            index_page(number),
            "index.html.j2",
            "Releases" if number == 1 else f"Apps, page {number}",
            **shared,
            number=number,
            count=len(rows),
            phases=[phase for phase in PHASES if any(row.phase == phase for row in rows)],
            attention=attention[:MOST_ATTENTION],
            attention_left=max(0, len(attention) - MOST_ATTENTION),
            pages=pages,
            rows=own,
        )


def _environment_pages(
    environment: EnvironmentRow, rows: Sequence[Row], info: SiteInfo, shared: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    own = sorted((row for row in rows if row.environment == environment.name), key=lambda row: row.app)
    pages = _numbered(own, lambda number: environment_page(environment.name, number), lambda row: row.app)
    freezes = [
        {"state": _FREEZES[freeze.state(info.time)], **{name: getattr(freeze, name) for name in _FREEZE_FIELDS}}
        for freeze in info.freezes
        if freeze.until > info.time and (not freeze.environments or environment.name in freeze.environments)
    ]
    listed = [entry for entry in info.listed if _is_in(entry, environment.name, {row.app for row in own})]
    quarantine = {"listed": listed[:MOST_LISTED], "listed_left": max(0, len(listed) - MOST_LISTED)}
    for number, some in enumerate(_chunks(own), 1):
        title = environment.name if number == 1 else f"{environment.name}, page {number}"
        page = environment_page(environment.name, number)
        values = {**shared, "environment": environment, "number": number, "pages": pages, **quarantine}
        yield _page(page, "environment.html.j2", title, **values, rows=some, freezes=freezes)


def _is_in(entry: ListedImage, environment: str, apps: Set[str]) -> bool:
    """Return whether an image in quarantine is of an environment's ``apps``."""
    return entry.guards(environment, entry.app) and (not entry.app or entry.app in apps)


_FREEZES = {"active": "Frozen", "later": "Frozen later", "over": "Was frozen"}
_FREEZE_FIELDS = ("name", "start", "until", "reason")


def _dora_page(records: Sequence[AppRecord], info: SiteInfo, shared: Mapping[str, Any]) -> tuple[str, str]:
    is_production = {record.environment: AppRef(record.environment, "", Path()).is_production for record in records}
    by_environment: dict[str, list[dora.Deployment]] = {}
    for record in records:
        by_environment.setdefault(record.environment, []).extend(dora.deployments_of(record))
    production = sorted(name for name, found in is_production.items() if found)
    counted = [found for name in production for found in by_environment[name]]
    # The last commit itself is within the window.
    end = datetime.fromtimestamp(int(info.time.timestamp()) + 1, UTC)
    window = (end - dora.WINDOW, end)
    tables = [
        ("Each month, production", "Month", dora.by_month(counted, info.time)),
        (
            f"Each environment, the last {dora.WINDOW.days} days",
            "Environment",
            [dora.figures(name, found, *window) for name, found in sorted(by_environment.items())],
        ),
    ]
    now = dora.figures("", counted, *window)
    values = {**shared, "production": production, "days": dora.WINDOW.days, "now": now, "tables": tables}
    return _page("dora.html", "dora.html.j2", "DORA figures", **values)


def _release_pages(
    record: AppRecord, release: ReleaseRecord, reading: Reading, links: Links, plan: ShownPlan | None
) -> Iterator[tuple[str, str]]:
    page, diffs = release_page(record.environment, record.app, release.id), reading.diffs[release.id]
    data = page.removesuffix(".html") + ".js"
    titles = [_title(commit, record) for commit in release.commits]
    earlier = 0 if release is record.releases[0] else 1
    coming = reading.plan.commits if reading.plan is not None and plan is not None else ()
    choices = [
        *["before the release"] * earlier,
        *(f"{minute_text(commit.time)}, {title}" for commit, title in zip(release.commits, titles, strict=True)),
        *(f"to come: {commit.action}" for commit in coming),
    ]
    steps = []
    for number, (commit, title) in enumerate(zip(release.commits, titles, strict=True)):
        before = release.commits[number - 1] if number else None
        at = number + earlier
        changes = diffs.between(at - 1, at) if at else []
        after = "" if before is None else human_duration((commit.time - before.time).total_seconds())
        shown = [(name, [_line(line) for line in text.splitlines()]) for name, text in changes]
        steps.append(ShownStep(title, commit, after, _step_tags(commit), shown))
    yield _page(
        page,
        "release.html.j2",
        f"{release.version or release.id} of {record.app} in {record.environment}",
        record=release,
        evidence={commit.commit: _evidence(commit) for commit in release.commits},
        tags=_tags(release),
        steps=steps,
        plan=plan,
        choices=choices if diffs.diffs else [],
        chosen=earlier + len(titles) - 1,
        diffs_file=data,
        change_url=links.commit(release.change_commit),
        environment_page=environment_page(record.environment),
        app_page=app_page(record.environment, record.app),
    )
    if diffs.diffs:
        yield data, f"rollstep.diffs = {_script({'steps': diffs.steps, 'diffs': diffs.diffs})};\n"


def _page(page: str, template: str, title: str, **values: Any) -> tuple[str, str]:
    environment = html_environment(TEMPLATES)
    environment.filters.update(_FILTERS)
    text = environment.get_template(template).render(
        page=page, root=address(page, ""), link=lambda target: address(page, target), title=title, **values
    )
    return page, text


def _title(commit: ReleaseCommit, record: AppRecord) -> str:
    """Return the subject of a commit without the app that it begins with by default."""
    return commit.subject.removeprefix(f"{record.app} ({record.environment}): ")


def _step_tags(commit: ReleaseCommit) -> tuple[str, ...]:
    step = "" if commit.current_step_index is None else f"step {commit.current_step_index}/{commit.steps}"
    return tuple(filter(None, (commit.verb or "by hand", step, commit.part or "", commit.pause or "")))


def _evidence(commit: ReleaseCommit) -> list[tuple[str, MeasuredMetric]]:
    """Return what a commit measured: each metric with the name of its run."""
    return [(run.name, metric) for run in commit.analysis_runs for metric in run.metrics]


def _tags(release: ReleaseRecord) -> tuple[str, ...]:
    was_aborted = bool(release.aborts) and release.outcome != ABORTED
    found = (("rollback", release.is_rollback), ("undone", release.is_undone), ("was aborted", was_aborted))
    return tuple(tag for tag, holds in found if holds)


def _shown_plan(reading: Reading) -> ShownPlan | None:
    if reading.plan is None:
        return None
    from xml.etree import ElementTree

    found = staircase(reading.record.app, reading.record.environment, reading.plan)
    header, *rows = table_rows(found)
    return ShownPlan(found.words, ElementTree.tostring(picture(found, "plan"), encoding="unicode"), header, rows)


def _line(line: str) -> tuple[str, str]:
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return ("file" if line.startswith(("+++ ", "--- ")) else kinds.get(line[:1], "")), line


def _search_data(rows: Sequence[Row]) -> str:
    found = [
        [row.environment, row.app, " ".join(filter(None, (row.stable, row.new))), _words(row.phase), *row.tags]
        for row in rows
    ]
    return f"rollstep.apps = {_script(found)};\n"


def _script(value: Any) -> str:
    """Return ``value`` as JavaScript."""
    import json

    return visible(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def _chunks(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + PAGE_SIZE] for start in range(0, len(items), PAGE_SIZE)] or [[]]


def _numbered(items: Sequence[Any], page: Any, name: Any) -> list[tuple[int, str, str]]:
    return [(number, page(number), name(own[0]) if own else "") for number, own in enumerate(_chunks(items), 1)]


def _words(phase: str) -> str:
    return _WORDS.get(phase, phase)


_FILTERS = {
    "rfc3339": format_time,
    "minute": minute_text,
    "duration": lambda seconds: "–" if seconds is None else human_duration(seconds),
    "percent": lambda share: "–" if share is None else f"{share * 100:.0f}%",
    "words": _words,
    "kind": lambda phase: _KINDS.get(phase, "other"),
    "icon": lambda phase: _ICONS.get(phase, "•"),
}
