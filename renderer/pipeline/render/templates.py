"""Renders the Jinja templates of manifests and messages: rollstep's own, and those that a user puts in their place.

A user's templates run in Jinja's sandbox and in a child process (``sandbox``).  An undefined name is an error.  Only
templates are Jinja, values are data: ``{{args.service-name}}`` in an AnalysisTemplate stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.errors import Finding, RollstepError, one_line
from renderer.pipeline.load.sandbox import (
    SYNTAX,
    call_in_child,
    check_length,
    sandboxed_environment,
    template_position,
    to_yaml,
)

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment
    from jinja2.sandbox import ImmutableSandboxedEnvironment

NAMES = (
    "commit-body.j2",
    "commit-subject.j2",
    "ingress.yaml.j2",
    "kustomization.yaml.j2",
    "object.yaml.j2",
    "pull-request-body.j2",
    "pull-request-title.j2",
    "replicaset.yaml.j2",
    "service.yaml.j2",
)
"""The names of all templates."""

_BUILT_IN = "builtin"
"""The prefix under which a user's template can include the one it replaces."""
_RESERVED = re.compile(r"(?!_).*\.yaml\.j2|(commit|pull-request)-.*\.j2", re.DOTALL)
"""The names that only templates of ours may have."""
_ROOT_ENTRIES = (".git", "rollstep.yaml")
"""The files and folders that mark a repository's root."""


def built_in_folder() -> Path:
    """Return the folder of rollstep's own templates: in the package once installed, else at the checkout's root."""
    package = Path(__file__).parents[2]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def is_overridden(name: str, user_templates: Path | None) -> bool:
    """Return whether the user's folder has its own template ``name``."""
    return user_templates is not None and (user_templates / name).is_file()


def check_user_templates(user_templates: Path | None) -> None:
    """Raise RollstepError for a missing folder, and for files that look like a template of ours but have no such name.

    Names with a leading ``_`` are free for templates that others include.  Files such as ``nginx.conf.j2`` belong to
    other tools.
    """
    if user_templates is None:
        return
    if not user_templates.is_dir():
        raise RollstepError.at(str(user_templates), "is not a folder")
    hint = (
        f"the templates are {', '.join(NAMES)}; start its name with _ if other templates include it, or let "
        "`templates` in rollstep.yaml name another folder"
    )
    names = sorted(path.name for path in user_templates.iterdir())
    unknown = [name for name in names if name not in NAMES and _RESERVED.fullmatch(name)]
    if unknown:
        message = "does not replace any template"
        raise RollstepError(Finding(f"{user_templates}/{name}", 0, 0, "", message, hint) for name in unknown)


def render_template(name: str, user_templates: Path | None, variables: Mapping[str, Any]) -> str:
    """Return template ``name`` rendered with ``variables``.

    Raises RollstepError with the template's file and line if it is invalid, uses an undefined name, or fails.
    """
    if user_templates is None or not is_overridden(name, user_templates):
        return _render_here(name, None, variables)
    file, folder = str(user_templates / name), user_templates.absolute()
    text: str = call_in_child(file, _render_here, name, folder, variables, user_templates)
    return text


def render_string(text: str, file: str, variables: Mapping[str, Any]) -> str:
    """Return the template ``text`` rendered; ``file`` is its place in findings.

    Raises RollstepError as ``render_template`` does.
    """
    rendered: str = call_in_child(file, _render_string_here, text, file, variables)
    return rendered


def first_keys(value: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return ``value`` with ``keys`` first, in that order (a template filter)."""
    return {key: value[key] for key in keys if key in value} | {k: v for k, v in value.items() if k not in keys}


def table(rows: list[list[Any]]) -> str:
    """Return ``rows``, a header and others, in aligned columns (a template filter)."""
    from renderer.kubernetes.printing import text_table

    return text_table([[str(cell) for cell in row] for row in rows]).removesuffix("\n")


def markdown(rows: list[list[Any]]) -> str:
    """Return ``rows``, a header and others, as a Markdown table (the filter ``markdown_table``)."""
    from renderer.kubernetes.printing import markdown_table

    return markdown_table([[str(cell) for cell in row] for row in rows])


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "to_yaml": to_yaml,
    "first_keys": first_keys,
    "one_line": one_line,
    "table": table,
    "markdown_table": markdown,
}


def _render_here(
    name: str, user_templates: Path | None, variables: Mapping[str, Any], user_path: Path | None = None
) -> str:
    """Do ``render_template`` in this process; ``user_path`` is the folder's path for findings."""
    environment = _built_in_environment() if user_templates is None else _environment(user_templates)
    try:
        text = environment.get_template(name).render(variables)
        return text if user_path is None else check_length(text, f"{user_path}/{name}")
    except (MemoryError, RollstepError):
        raise
    # A user's template can raise any error.
    except Exception as error:
        raise RollstepError([_finding(error, name, user_templates, user_path)]) from error


def _render_string_here(text: str, file: str, variables: Mapping[str, Any]) -> str:
    try:
        return check_length(_environment(None).from_string(text).render(variables), file)
    except (MemoryError, RollstepError):
        raise
    # As in _render_here.
    except Exception as error:
        raise RollstepError.at(file, f"{type(error).__name__}: {error}") from error


@cache
def _environment(user_templates: Path | None) -> ImmutableSandboxedEnvironment:
    from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

    built_in = FileSystemLoader(built_in_folder())
    own = [_confined_loader(user_templates)] if user_templates else []
    environment = sandboxed_environment(ChoiceLoader([*own, built_in, PrefixLoader({_BUILT_IN: built_in})]))
    environment.filters.update(_FILTERS)
    return environment


@cache
def _built_in_environment() -> Environment:
    """Return the environment of our own templates, which need no sandbox and never change while a process runs."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    class BuiltInEnvironment(Environment):
        def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
            # A dict is faster than Jinja's chain of mappings.
            return {**self.globals, **(d or {})}

    loader = FileSystemLoader(built_in_folder())
    environment = BuiltInEnvironment(loader=loader, undefined=StrictUndefined, auto_reload=False, **SYNTAX)
    environment.filters.update(_FILTERS)
    return environment


def _confined_loader(folder: Path) -> BaseLoader:
    """Return the loader of a user's templates, which refuses links out of the repository."""
    from jinja2 import FileSystemLoader

    roots = (path for path in folder.parents if any((path / name).exists() for name in _ROOT_ENTRIES))
    root = next(roots, folder.parent).resolve()

    class ConfinedLoader(FileSystemLoader):
        def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
            found = super().get_source(environment, template)
            if not Path(found[1]).resolve().is_relative_to(root):
                hint = "put the file itself into the repository"
                raise RollstepError.at(found[1], "is a link out of the repository", hint)
            return found

    return ConfinedLoader(folder)


def _finding(error: Exception, name: str, user_templates: Path | None, user_path: Path | None) -> Finding:
    from jinja2.exceptions import SecurityError, TemplateNotFound, TemplateSyntaxError

    file, line = template_position(error, name)
    message = str(error) or type(error).__name__
    if isinstance(error, TemplateSyntaxError):
        file, line, message = error.filename or name, error.lineno, f"is not valid Jinja: {error.message}"
    elif isinstance(error, TemplateNotFound):
        message = f"there is no template {error.name}"
    elif isinstance(error, SecurityError):
        message = f"is not allowed in a template: {message}"
    elif type(error).__module__.partition(".")[0] != "jinja2":
        message = f"{type(error).__name__}: {message}"
    path = Path(file)
    if user_templates is not None and user_path is not None and path.is_relative_to(user_templates):
        path = user_path / path.relative_to(user_templates)
    return Finding(str(path), line, 0, "", message)
