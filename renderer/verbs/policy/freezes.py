"""The format of ``freezes.yaml`` at the repository's root: reading and writing it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import field_path
from renderer.kubernetes.times import format_time, parse_time
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.kubernetes.yaml.shape import TEXT, TIME, Fields, Items, mismatches
from renderer.pipeline.load.files import read_own
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze

HEADER = "# Written by rollstep freeze: while one of these holds, no release of its environments goes forward.\n"
_FREEZE = Fields(
    {"name": TEXT, "environments": Items(TEXT), "from": TIME, "until": TIME, "reason": TEXT},
    frozenset({"name", "from", "until", "reason"}),
)
_SHAPE = Fields({"freezes": Items(_FREEZE)}, frozenset({"freezes"}))


def load_freezes(root: Path) -> tuple[Freeze, ...]:
    """Return the freezes in the work tree ``root``; none without a file.  Raises RollstepError as ``parse_freezes``."""
    content = read_own(str(root / FREEZES_FILE), FREEZES_FILE)
    return () if content is None else parse_freezes(decode(content, FREEZES_FILE))


def parse_freezes(text: str) -> tuple[Freeze, ...]:
    """Return the freezes in the text of the file; raise RollstepError with everything wrong in it."""
    documents = load_documents(text, FREEZES_FILE)
    if not documents:
        return ()
    value, source = documents[0].value, documents[0].source
    wrong = list(mismatches(value, _SHAPE))
    if len(documents) > 1:
        wrong.append(((), "has several documents, expected one"))
    findings = [
        Finding(FREEZES_FILE, *source.position(path), field_path(path), message, "rollstep freeze writes this file")
        for path, message in wrong
    ]
    if findings:
        raise RollstepError(sorted(findings))
    return tuple(
        Freeze(
            name=entry["name"],
            environments=tuple(entry.get("environments", ())),
            start=parse_time(entry["from"]),
            until=parse_time(entry["until"]),
            reason=entry["reason"],
            line=source.position(("freezes", at))[0],
        )
        for at, entry in enumerate(value["freezes"])
    )


def dump_freezes(freezes: Sequence[Freeze]) -> str:
    """Return the text of the file with ``freezes``."""
    from renderer.kubernetes.yaml.writer import dump

    return HEADER + dump({"freezes": [to_dict(freeze) for freeze in freezes]})


def entry(freeze: Freeze, now: datetime) -> dict[str, Any]:
    """Return a freeze and its state at ``now`` as JSON-ready data."""
    return {**to_dict(freeze), "environments": list(freeze.environments), "state": freeze.state(now)}


def to_dict(freeze: Freeze) -> dict[str, Any]:
    """Return a freeze under the keys of the file."""
    environments = {"environments": list(freeze.environments)} if freeze.environments else {}
    times = {"from": format_time(freeze.start), "until": format_time(freeze.until)}
    return {"name": freeze.name, **environments, **times, "reason": freeze.reason}
