"""The format of ``quarantine.yaml`` at the repository's root: reading and editing it.

Edits keep the comments and the order of the file.  A new entry comes before the first one that sorts after it, by app
and image, so that branches which add entries of different apps merge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.images import parse_image
from renderer.kubernetes.manifest import FieldPath, field_path
from renderer.kubernetes.times import format_time, parse_time
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.kubernetes.yaml.shape import TEXT, TIME, Fields, Items, Value, mismatches
from renderer.pipeline.load.files import read_own
from renderer.verbs.policy.listed_image import QUARANTINE_FILE, ListedImage, Verdict

HEADER = "# Written by rollstep: no release begins with one of these images until `rollstep quarantine lift`.\n"
_LIST = "quarantine"
_IMAGE = Value("an image", lambda value: isinstance(value, str) and parse_image(value) is not None)
_NAME = Value("a name", lambda value: isinstance(value, str) and bool(value))
_VERDICT = Fields(
    {"run": TEXT, "phase": TEXT, "message": TEXT, "environment": _NAME},
    frozenset({"run", "phase"}),
)
_ENTRY = Fields(
    {
        "image": _IMAGE,
        "app": _NAME,
        "environments": Items(_NAME),
        "since": TIME,
        "verdict": _VERDICT,
        "reason": TEXT,
        "commit": TEXT,
    },
    frozenset({"image", "since"}),
)
_SHAPE = Fields({_LIST: Items(_ENTRY)}, frozenset({_LIST}))


def load_quarantine(root: Path) -> tuple[ListedImage, ...]:
    """Return the images listed in the work tree ``root``; none without a file.  Raises as ``parse_quarantine``."""
    text = read_quarantine(root)
    return () if text is None else parse_quarantine(text)


def read_quarantine(root: Path) -> str | None:
    """Return the text of the file in the work tree ``root``; None without it."""
    content = read_own(str(root / QUARANTINE_FILE), QUARANTINE_FILE)
    return None if content is None else decode(content, QUARANTINE_FILE)


@lru_cache(maxsize=4)
def parse_quarantine(text: str) -> tuple[ListedImage, ...]:
    """Return the images in the text of the file; raise RollstepError with everything wrong in it."""
    documents = load_documents(text, QUARANTINE_FILE)
    if not documents:
        return ()
    value, source = documents[0].value, documents[0].source
    wrong: list[tuple[FieldPath, str]] = list(mismatches(value, _SHAPE))
    if len(documents) > 1:
        wrong.append(((), "has several documents, expected one"))
    findings = [
        Finding(QUARANTINE_FILE, *source.position(path), field_path(path), message, "see docs/how-to/quarantine.md")
        for path, message in wrong
    ]
    if findings:
        raise RollstepError(sorted(findings))
    return tuple(_entry(entry, source.position((_LIST, index))[0]) for index, entry in enumerate(value[_LIST]))


def quarantined(text: str | None, entries: Iterable[ListedImage]) -> str:
    """Return the text of the file with ``entries`` added; ``text`` is the file's, None without one.

    An entry that guards no more than another one of the same image is left out.  The commit of a verdict writes this
    text: for each of ``images_beyond_stable`` an entry with the verdict, the step's commit and the time.  Raises
    RollstepError as ``parse_quarantine`` does, and for a file that cannot be edited.
    """
    for entry in entries:
        known = parse_quarantine(text) if text is not None else ()
        if not any(covers(other, entry) for other in known):
            text = _added(text, known, entry)
    return text or ""


def lifted(text: str, is_lifted: Callable[[ListedImage], bool]) -> str:
    """Return the text of the file without the entries for which ``is_lifted`` is true; raise as ``quarantined``."""
    from renderer.kubernetes.yaml.editor import Items as Edited
    from renderer.kubernetes.yaml.editor import edit

    kept = tuple(index for index, entry in enumerate(parse_quarantine(text)) if not is_lifted(entry))
    changed: Any = Edited(kept) if kept else []
    return edit(text, 0, {(_LIST,): changed}, QUARANTINE_FILE)


def covers(known: ListedImage, new: ListedImage) -> bool:
    """Return whether ``known`` guards everything that ``new`` does."""
    is_wider = not known.environments or (bool(new.environments) and {*new.environments} <= {*known.environments})
    return known.app in ("", new.app) and is_wider and parse_image(known.image) == parse_image(new.image)


def entry(listed: ListedImage) -> dict[str, Any]:
    """Return an entry as JSON-ready data; missing values are None."""
    body = to_dict(listed)
    verdict = body.get("verdict")
    return {
        "image": listed.image,
        "app": body.get("app"),
        "environments": list(listed.environments),
        "since": body["since"],
        "verdict": None if verdict is None else {key: verdict.get(key) for key in _VERDICT.of},
        "reason": body.get("reason"),
        "stepCommit": body.get("commit"),
    }


def to_dict(entry: ListedImage) -> dict[str, Any]:
    """Return an entry under the keys of the file, without empty ones."""
    verdict = entry.verdict
    values: dict[str, Any] = {
        "image": entry.image,
        "app": entry.app,
        "environments": list(entry.environments),
        "since": format_time(entry.since),
        "verdict": {} if verdict is None else _verdict_to_dict(verdict),
        "reason": entry.reason,
        "commit": entry.commit,
    }
    return {key: value for key, value in values.items() if value}


def _verdict_to_dict(verdict: Verdict) -> dict[str, str]:
    values = {key: str(getattr(verdict, key)) for key in _VERDICT.of}
    return {key: value for key, value in values.items() if value or key in _VERDICT.required}


def _entry(body: dict[str, Any], line: int) -> ListedImage:
    verdict = body.get("verdict")
    return ListedImage(
        image=body["image"],
        app=body.get("app", ""),
        since=parse_time(body["since"]),
        environments=tuple(body.get("environments", ())),
        verdict=None if verdict is None else Verdict(**verdict),
        reason=body.get("reason", ""),
        commit=body.get("commit", ""),
        line=line,
    )


def _added(text: str | None, known: tuple[ListedImage, ...], entry: ListedImage) -> str:
    from renderer.kubernetes.yaml.editor import Items as Edited
    from renderer.kubernetes.yaml.editor import edit
    from renderer.kubernetes.yaml.writer import dump

    body = to_dict(entry)
    if not known:
        if text is not None and load_documents(text, QUARANTINE_FILE):
            return edit(text, 0, {(_LIST,): [body]}, QUARANTINE_FILE)
        start = HEADER if not text or text.isspace() else text if text.endswith("\n") else f"{text}\n"
        return start + dump({_LIST: [body]})
    later = (index for index, other in enumerate(known) if (other.app, other.image) > (entry.app, entry.image))
    at = next(later, len(known))
    places = (*range(at), None, *range(at, len(known)))
    return edit(text or "", 0, {(_LIST,): Edited(places, (body,))}, QUARANTINE_FILE)
