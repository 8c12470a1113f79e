"""Renders the Jinja templates of manifests and messages: rollstep's own, and those that a user puts in their place.

A user's templates run in Jinja's sandbox and in a child process (``sandbox``).  An undefined name is an error.  Only
templates are Jinja, values are data: ``{{args.service-name}}`` in an AnalysisTemplate stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.errors import Finding, RollstepError, one_line
from renderer.pipeline.load.files import Files, Folder
from renderer.pipeline.load.sandbox import (
    SYNTAX,
    MissingTemplateError,
    call_in_child,
    call_with_templates,
    check_length,
    known_template,
    sandboxed_environment,
    template_position,
    to_yaml,
)

if TYPE_CHECKING:
    from jinja2 import Environment
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


class Layouts:
    """A folder of the user's templates; their texts are read on demand, and once."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        """``files`` are those of the repository; None stands for the folder on disk."""
        self.folder = folder
        self._files = files or Folder(_root_of(folder.absolute()))
        self._texts: dict[str, str | None] = {}

    def exist(self) -> bool:
        """Return whether the folder exists."""
        return self._files.is_dir(str(self.folder))

    def names(self) -> list[str]:
        """Return the names in the folder, sorted."""
        return sorted(entry.name for entry in self._files.entries(str(self.folder)))

    def has(self, name: str) -> bool:
        """Return whether the folder has a file ``name``."""
        return self._files.is_file(str(self.folder / name))

    def render(self, name: str, variables: Mapping[str, Any]) -> str:
        """Return a template of the folder rendered; raise RollstepError as ``render_template`` does."""
        file = str(self.folder / name)
        return call_with_templates(file, _render_users_here, self._texts, self._find, name, str(self.folder), variables)

    def _find(self, name: str) -> str | None:
        from renderer.pipeline.load.sources import read_template

        path = self.folder / name
        return read_template(path, self._files, str(path))


UserTemplates = Path | Layouts | None
"""The user's templates: a folder on disk, those of a commit, or none."""


def as_layouts(user_templates: UserTemplates) -> Layouts | None:
    """Return the folder of the user's templates, None without one."""
    return Layouts(user_templates) if isinstance(user_templates, Path) else user_templates


def is_overridden(name: str, user_templates: UserTemplates) -> bool:
    """Return whether the user's folder has its own template ``name``."""
    layouts = as_layouts(user_templates)
    return layouts is not None and layouts.has(name)


def check_user_templates(user_templates: UserTemplates) -> None:
    """Raise RollstepError for a missing folder, and for files that look like a template of ours but have no such name.

    Names with a leading ``_`` are free for templates that others include.  Files such as ``nginx.conf.j2`` belong to
    other tools.
    """
    layouts = as_layouts(user_templates)
    if layouts is None:
        return
    if not layouts.exist():
        raise RollstepError.at(str(layouts.folder), "is not a folder")
    hint = (
        f"the templates are {', '.join(NAMES)}; start its name with _ if other templates include it, or let "
        "`templates` in rollstep.yaml name another folder"
    )
    unknown = [name for name in layouts.names() if name not in NAMES and _RESERVED.fullmatch(name)]
    if unknown:
        message = "does not replace any template"
        raise RollstepError(Finding(f"{layouts.folder}/{name}", 0, 0, "", message, hint) for name in unknown)


def render_template(name: str, user_templates: UserTemplates, variables: Mapping[str, Any]) -> str:
    """Return template ``name`` rendered with ``variables``.

    Raises RollstepError with the template's file and line if it is invalid, uses an undefined name, or fails.
    """
    layouts = as_layouts(user_templates)
    if layouts is None or not layouts.has(name):
        return _render_here(name, variables)
    return layouts.render(name, variables)


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


def markdown_of(text: Any) -> str:
    """Return a text as Markdown that only shows it (the filter ``markdown``)."""
    from renderer.kubernetes.printing import markdown_text

    return markdown_text(str(text))


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "to_yaml": to_yaml,
    "first_keys": first_keys,
    "one_line": one_line,
    "table": table,
    "markdown": markdown_of,
    "markdown_table": markdown,
}


def _render_here(name: str, variables: Mapping[str, Any]) -> str:
    try:
        return _built_in_environment().get_template(name).render(variables)
    except (MemoryError, RollstepError):
        raise
    except Exception as error:
        raise RollstepError([_finding(error, name)]) from error


def _render_users_here(texts: Mapping[str, str | None], name: str, folder: str, variables: Mapping[str, Any]) -> str:
    """Render a template of the user's in this process; ``texts`` are those that it may include."""
    environment = _environment(tuple(texts.items()))
    try:
        return check_length(environment.get_template(name).render(variables), f"{folder}/{name}")
    except (MemoryError, MissingTemplateError, RollstepError):
        raise
    # A user's template can raise any error.
    except Exception as error:
        raise RollstepError([_finding(error, name, folder, texts)]) from error


def _render_string_here(text: str, file: str, variables: Mapping[str, Any]) -> str:
    try:
        return check_length(_environment(None).from_string(text).render(variables), file)
    except (MemoryError, RollstepError):
        raise
    # As in _render_here.
    except Exception as error:
        raise RollstepError.at(file, f"{type(error).__name__}: {error}") from error


@lru_cache(maxsize=8)
def _environment(texts: tuple[tuple[str, str | None], ...] | None) -> ImmutableSandboxedEnvironment:
    """Return the environment of a user's templates, of which ``texts`` are known; None for rollstep's alone."""
    from jinja2 import ChoiceLoader, FileSystemLoader, FunctionLoader, PrefixLoader

    built_in = FileSystemLoader(built_in_folder())
    known = None if texts is None else dict(texts)

    def load(name: str) -> tuple[str, str, None] | None:
        return None if known is None or name.startswith(f"{_BUILT_IN}/") else known_template(known, name)

    environment = sandboxed_environment(
        ChoiceLoader([FunctionLoader(load), built_in, PrefixLoader({_BUILT_IN: built_in})])
    )
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


def _root_of(folder: Path) -> Path:
    """Return the root of the repository that a folder is in."""
    roots = (path for path in folder.parents if any((path / name).exists() for name in _ROOT_ENTRIES))
    return next(roots, folder.parent)


def _finding(error: Exception, name: str, folder: str = "", texts: Mapping[str, str | None] | None = None) -> Finding:
    """Return the finding about a failed template; ``folder`` has those of the user, ``texts`` by name."""
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
    return Finding(f"{folder}/{file}" if (texts or {}).get(file) is not None else file, line, 0, "", message)
