"""Composes a commit's message: a subject and tables of the changes for reviewers, and trailers for tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import RollstepError, one_line
from renderer.pipeline.commit.trailers import trailers_of
from renderer.pipeline.render.templates import check_user_templates, render_string, render_template
from renderer.pipeline.resolve.step_change import StepChange

_MAX_SUBJECT = 200
_T = TypeVar("_T", bound=Struct)


def compose_message(
    changes: Sequence[StepChange], *, user_templates: Path | None = None, subject_text: str | None = None
) -> str:
    """Return the message of a commit with ``changes``: subject, body, and the trailers of each app.

    ``subject_text`` is the setting ``commit.message``, a template that replaces ``commit-subject.j2``.  Trailers come
    from no template, so a template can neither omit nor forge one.  Raises RollstepError if a user's template fails.
    """
    check_user_templates(user_templates)
    one_line_changes = [cleaned(change) for change in changes]
    variables = {"changes": one_line_changes}
    file = "commit-subject.j2" if subject_text is None else "rollstep.yaml: commit.message"
    if subject_text is None:
        subject = one_line(render_template(file, user_templates, variables))
    else:
        subject = one_line(render_string(subject_text, file, variables))
    if not subject:
        raise RollstepError.at(file, "produces an empty subject")
    if len(subject) > _MAX_SUBJECT:
        subject = subject[: _MAX_SUBJECT - 1] + "…"
    body = _body(render_template("commit-body.j2", user_templates, variables))
    trailers = "".join(f"{key}: {value}\n" for change in one_line_changes for key, value in trailers_of(change))
    return "\n\n".join(part for part in (subject, body, trailers) if part)


def cleaned(value: _T) -> _T:
    """Return a struct with every string on one line, also in the structs of its fields."""
    changed: dict[str, Any] = {}
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if isinstance(field, str):
            changed[name] = one_line(field)
        elif isinstance(field, tuple):
            changed[name] = tuple(cleaned(item) if isinstance(item, Struct) else item for item in field)
    return replace(value, **changed)


def _body(text: str) -> str:
    lines = ["".join(filter(str.isprintable, line)) for line in text.split("\n")]
    # For git, a line with three dashes ends the message, and a patch follows.
    lines = [f" {line}" if line.startswith("---") else line.rstrip() for line in lines]
    return "\n".join(line for at, line in enumerate(lines) if line or (at and lines[at - 1])).strip("\n")
