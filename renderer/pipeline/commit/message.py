"""What a commit says: a subject that a reviewer understands, a table of what changes, and trailers for tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, one_line
from renderer.pipeline.commit.trailers import trailers_of
from renderer.pipeline.render.templates import check_user_templates, render_string, render_template
from renderer.pipeline.resolve.step_change import StepChange

_MAX_SUBJECT = 200
_T = TypeVar("_T", bound=Struct)


def compose_message(
    changes: Sequence[StepChange] | StepChange, *, user_templates: Path | None = None, subject_text: str | None = None
) -> str:
    """Return the message of a commit that does ``changes``: subject, body, and the trailers of each app.

    ``subject_text`` is Jinja text that makes the subject in place of the template ``commit-subject.j2``.

    Subject and body come from the templates ``commit-subject.j2`` and ``commit-body.j2``, the trailers do not, so that
    no template and no name can leave one out or forge one.  Raises RollstepError where a user's template fails.
    """
    check_user_templates(user_templates)
    wanted = (changes,) if isinstance(changes, StepChange) else tuple(changes)
    told = [cleaned(change) for change in wanted]
    variables = {"changes": told}
    shown = "commit-subject.j2" if subject_text is None else "rollstep.yaml: commit.message"
    if subject_text is None:
        subject = one_line(render_template("commit-subject.j2", user_templates, variables))
    else:
        subject = one_line(render_string(subject_text, shown, variables))
    if not subject:
        raise RollstepError([Finding(shown, 0, 0, "", "produces an empty subject")])
    if len(subject) > _MAX_SUBJECT:
        subject = subject[: _MAX_SUBJECT - 1] + "…"
    body = _body(render_template("commit-body.j2", user_templates, variables))
    trailers = "".join(f"{key}: {value}\n" for change in told for key, value in trailers_of(change))
    return "\n\n".join(part for part in (subject, body, trailers) if part)


def cleaned(value: _T) -> _T:
    """Return a struct with every string in it on one line, also in the structs that it holds."""
    changed: dict[str, Any] = {}
    for name in value.__struct_fields__:
        held = getattr(value, name)
        if isinstance(held, str):
            changed[name] = one_line(held)
        elif isinstance(held, tuple):
            changed[name] = tuple(cleaned(part) if isinstance(part, Struct) else part for part in held)
    return replace(value, **changed)


def _body(text: str) -> str:
    lines = [
        line if line.isprintable() else "".join(character for character in line if character.isprintable())
        for line in text.split("\n")
    ]
    # Git takes three dashes for the end of a message, where a patch would follow.
    lines = [f" {line}" if line.startswith("---") else line.rstrip() for line in lines]
    return "\n".join(line for at, line in enumerate(lines) if line or (at and lines[at - 1])).strip("\n")
