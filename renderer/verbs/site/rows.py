"""The rows of tables: an app, an environment and an app in all environments, each in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from renderer.pipeline.resolve.describe import COMMITTED, FROZEN, HELD
from renderer.rollouts.controller import gates
from renderer.verbs.show.status import ORPHANED
from renderer.verbs.site.links import app_page, environment_page, feed
from renderer.verbs.site.records import AppRecord

UNREADABLE, UNKNOWN = "Unreadable", "Unknown"
PHASES = (COMMITTED, "Progressing", "Paused", "Degraded", UNKNOWN, ORPHANED, UNREADABLE)
"""The states of an app, in the order of the columns."""
_GATES = {
    gates.ANALYSIS_STEP: "analysis",
    gates.BACKGROUND_ANALYSIS: "background analysis",
    gates.PRE_PROMOTION_ANALYSIS: "analysis before promotion",
    gates.POST_PROMOTION_ANALYSIS: "analysis after promotion",
    gates.EXPERIMENT_STEP: "experiment",
    gates.PLUGIN_STEP: "plugin",
}


class Row(Struct, frozen=True):
    """An app: ``stable`` is the version that runs, ``new`` the one that is being released, empty without one.

    ``quarantine`` is why the version to come may not begin, empty if it may.
    """

    environment: str
    app: str
    page: str
    phase: str
    tags: tuple[str, ...]
    stable: str
    new: str
    step: str
    weight: int | None
    out_of: int
    revision: int | None
    since: datetime
    message: str
    quarantine: str = ""

    @property
    def needs_attention(self) -> bool:
        """True unless the release is complete and nothing waits."""
        return self.phase != COMMITTED or bool(set(self.tags) - {FROZEN})


class EnvironmentRow(Struct, frozen=True):
    """An environment with the number of its apps in each state; ``frozen`` is the end of the freeze now."""

    name: str
    page: str
    feed: str
    apps: int
    phases: Mapping[str, int]
    waiting: int
    frozen: str


class MatrixRow(Struct, frozen=True):
    """An app with its row in each environment, None where it is not."""

    app: str
    cells: tuple[Row | None, ...]


def row_of(record: AppRecord) -> Row:
    """Return the row of an app."""
    since = record.releases[-1].commits[-1].time if record.releases else record.time
    page = app_page(record.environment, record.app)
    info = record.info
    if info is None:
        phase, message = (ORPHANED if record.is_orphan else UNREADABLE), "; ".join(record.problems)
        last = record.releases[-1] if record.releases else None
        stable = last.version if last is not None else ""
        tags = (FROZEN,) if record.frozen else ()
        return Row(record.environment, record.app, page, phase, tags, stable, "", "", None, 100, None, since, message)
    stable, new = _versions(info["replicaSets"])
    index = info["currentStepIndex"]
    return Row(
        environment=record.environment,
        app=record.app,
        page=page,
        phase=info["phase"],
        tags=tuple(_tags(record, info)),
        stable=stable,
        new=new,
        step="" if index is None else f"{index}/{info['steps']}",
        weight=info["actualWeight"],
        out_of=info["maxTrafficWeight"] or 100,
        revision=info["revision"],
        since=since,
        message=_message(record, info),
        quarantine=info["quarantine"] or "",
    )


def environment_rows(rows: Sequence[Row], frozen: Mapping[str, str]) -> list[EnvironmentRow]:
    """Return a row for each environment, sorted; ``frozen`` has the end of the freeze by environment."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.environment, []).append(row)
    return [
        EnvironmentRow(
            name=name,
            page=environment_page(name),
            feed=feed(name),
            apps=len(own),
            phases=Counter(row.phase for row in own),
            waiting=sum(any(tag.endswith(" waits") for tag in row.tags) for row in own),
            frozen=frozen.get(name, ""),
        )
        for name, own in sorted(found.items())
    ]


def matrix(rows: Sequence[Row], environments: Sequence[str]) -> list[MatrixRow]:
    """Return a row for each app, sorted, with a cell for each of ``environments``."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row.app, {})[row.environment] = row
    return [MatrixRow(app, tuple(own.get(name) for name in environments)) for app, own in sorted(found.items())]


def _versions(replica_sets: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the version that runs and the one that is being released, each empty without one."""

    def version(*roles: str) -> str:
        own = (found for found in replica_sets if set(roles).intersection(found["roles"]))
        return next((str(found["version"] or found["name"]) for found in own), "")

    stable = version("stable", "active")
    new = version("canary", "preview")
    return stable, new


def _message(record: AppRecord, info: Mapping[str, Any]) -> str:
    """Return what the release waits for; of an aborted one, why it was aborted."""
    aborts = record.releases[-1].aborts if record.releases else ()
    return aborts[-1].reason if info["reason"] == "aborted" and aborts else info["message"] or ""


def _tags(record: AppRecord, info: Mapping[str, object]) -> list[str]:
    found = []
    reason = str(info["reason"] or "")
    if reason == HELD:
        found.append(HELD)
    if reason in _GATES:
        found.append(f"in {_GATES[reason]}")
    if info["waitingVersion"]:
        found.append(f"{info['waitingVersion']} waits")
    if info["quarantine"]:
        found.append("in quarantine")
    if record.frozen:
        found.append(FROZEN)
    return found
