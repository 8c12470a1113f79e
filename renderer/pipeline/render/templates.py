"""The Jinja templates that lay out what rollstep writes: its own, and a user's that replace them one by one.

A user's run in Jinja's sandbox and in a process of their own (``sandbox``), and a name that is not there is
an error.  Only templates are Jinja: the values that they lay out are data, so ``{{args.service-name}}`` in an
AnalysisTemplate passes through as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renderer.errors import Finding, RollstepError, one_line
from renderer.pipeline.load.sandbox import _SYNTAX, sandbox, to_yaml

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment
    from jinja2.sandbox import ImmutableSandboxedEnvironment

SUFFIX = ".j2"
ROOTS = (".git", "rollstep.yaml")
"""What a repository's root has."""
BUILT_IN = "builtin"
"""The prefix under which a user's template can include the one it replaces."""

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
"""Every template there is."""


def built_in_folder() -> Path:
    """Return where rollstep's own templates lie: in the package when installed, else at the checkout's root."""
    package = Path(__file__).parents[2]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def is_overridden(name: str, user_templates: Path | None) -> bool:
    """Tell whether the user's folder has a template ``name`` of its own."""
    return user_templates is not None and (user_templates / name).is_file()


def check_user_templates(user_templates: Path | None) -> None:
    """Raise RollstepError where the user's folder is none, or has a template that looks like one of ours and is none.

    Names that start with ``_`` are free for what other templates include; ``nginx.conf.j2`` and its like belong to some
    other tool and are left alone.
    """
    if user_templates is None:
        return
    if not user_templates.is_dir():
        raise RollstepError([Finding(str(user_templates), 0, 0, "", "is no folder of templates")])
    hint = (
        f"the templates are {', '.join(NAMES)}; start its name with _ where others include it, or let `templates` in "
        "rollstep.yaml name another folder"
    )
    strange = sorted(
        path
        for path in user_templates.iterdir()
        if path.name not in NAMES
        and not path.name.startswith("_")
        and (
            path.name.endswith(".yaml.j2")
            or (path.name.startswith(("commit-", "pull-request-")) and path.suffix == SUFFIX)
        )
    )
    if strange:
        raise RollstepError(Finding(str(path), 0, 0, "", "replaces no template", hint) for path in strange)


def fill(name: str, user_templates: Path | None, variables: Mapping[str, Any]) -> str:
    """Return the text that template ``name`` makes of ``variables``.

    Raises RollstepError with the template's file and line where it is no Jinja, names what is not there, or fails.
    """
    if user_templates is None or not is_overridden(name, user_templates):
        return fill_here(name, None, variables)
    from renderer.pipeline.load.sandbox import call

    text: str = call(str(user_templates / name), fill_here, name, user_templates.absolute(), variables, user_templates)
    return text


def fill_here(name: str, user_templates: Path | None, variables: Mapping[str, Any], named: Path | None = None) -> str:
    """Do what ``fill`` does, in this process; ``named`` is the folder as the user named it."""
    environment = _own_environment() if user_templates is None else _environment(user_templates)
    try:
        text = environment.get_template(name).render(variables)
        return text if named is None else _short_enough(text, f"{named}/{name}")
    except (MemoryError, RollstepError):
        raise
    # A template runs the user's code: anything may come out of it, and all of it is the template's fault.
    except Exception as error:
        raise RollstepError([_finding(error, name, user_templates, named)]) from error


def fill_text(text: str, shown: str, variables: Mapping[str, Any]) -> str:
    """Return what the Jinja ``text`` itself makes of ``variables``; ``shown`` is where it stands, for findings.

    Raises RollstepError as ``fill`` does.
    """
    from renderer.pipeline.load.sandbox import call

    filled: str = call(shown, fill_text_here, text, shown, variables)
    return filled


def fill_text_here(text: str, shown: str, variables: Mapping[str, Any]) -> str:
    """Do what ``fill_text`` does, in this process."""
    try:
        return _short_enough(_environment(None).from_string(text).render(variables), shown)
    except (MemoryError, RollstepError):
        raise
    # As in fill_here.
    except Exception as error:
        raise RollstepError([Finding(shown, 0, 0, "", f"{type(error).__name__}: {error}")]) from error


def _short_enough(text: str, shown: str) -> str:
    from renderer.pipeline.load.sandbox import too_long

    if wrong := too_long(text):
        raise RollstepError([Finding(shown, 0, 0, "", wrong)])
    return text


@cache
def _environment(user_templates: Path | None) -> ImmutableSandboxedEnvironment:
    from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

    built_in = FileSystemLoader(built_in_folder())
    loaders = [built_in, PrefixLoader({BUILT_IN: built_in})]
    environment = sandbox(ChoiceLoader([_inside(user_templates), *loaders] if user_templates else loaders))
    environment.filters.update(_FILTERS)
    return environment


@cache
def _own_environment() -> Environment:
    """Return the environment of our own templates: they need no sandbox, and do not change while a process runs."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    class Own(Environment):
        def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
            # Jinja's own is a mapping over two others, which it makes one of each time a template is filled in.
            return {**self.globals, **(d or {})}

    environment = Own(
        loader=FileSystemLoader(built_in_folder()),
        undefined=StrictUndefined,
        auto_reload=False,
        **_SYNTAX,
    )
    environment.filters.update(_FILTERS)
    return environment


def _inside(folder: Path) -> BaseLoader:
    """Return the loader of a user's templates, which no link leads out of the repository."""
    from jinja2 import FileSystemLoader

    root = next((path for path in folder.parents if any((path / name).exists() for name in ROOTS)), folder.parent)

    class Inside(FileSystemLoader):
        def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
            found = super().get_source(environment, template)
            if not Path(found[1]).resolve().is_relative_to(root.resolve()):
                message = "is a link out of the repository"
                raise RollstepError([Finding(found[1], 0, 0, "", message, "put the file itself into the repository")])
            return found

    return Inside(folder)


def first_keys(value: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return ``value`` with ``keys`` first, in that order, and the rest as it was (a template filter)."""
    return {key: value[key] for key in keys if key in value} | {k: v for k, v in value.items() if k not in keys}


def table(rows: list[list[Any]]) -> str:
    """Return ``rows``, the first of which is the header, in aligned columns (a template filter)."""
    from renderer.kubernetes.printing import text_table

    return text_table([[str(cell) for cell in row] for row in rows]).removesuffix("\n")


def markdown(rows: list[list[Any]]) -> str:
    """Return ``rows``, the first of which is the header, as a Markdown table (the filter ``markdown_table``)."""
    from renderer.kubernetes.printing import markdown_table

    return markdown_table([[str(cell) for cell in row] for row in rows])


_FILTERS: Mapping[str, Callable[..., Any]] = {
    "to_yaml": to_yaml,
    "first_keys": first_keys,
    "one_line": one_line,
    "table": table,
    "markdown_table": markdown,
}


def _finding(error: Exception, name: str, user_templates: Path | None, named: Path | None) -> Finding:
    from jinja2.exceptions import SecurityError, TemplateNotFound, TemplateSyntaxError

    file, line = name, 0
    frame = error.__traceback__
    # Jinja rewrites the traceback so that a template's frame has the template's own file and line.
    while frame is not None:
        if frame.tb_frame.f_code.co_filename.endswith(SUFFIX):
            file, line = frame.tb_frame.f_code.co_filename, frame.tb_lineno
        frame = frame.tb_next
    message = str(error) or type(error).__name__
    if isinstance(error, TemplateSyntaxError):
        file, line, message = error.filename or name, error.lineno, f"is no Jinja: {error.message}"
    elif isinstance(error, TemplateNotFound):
        message = f"there is no template {error.name}"
    elif isinstance(error, SecurityError):
        message = f"is not allowed in a template: {message}"
    elif type(error).__module__.partition(".")[0] != "jinja2":
        message = f"{type(error).__name__}: {message}"
    return Finding(_shown(Path(file), user_templates, named), line, 0, "", message)


def _shown(file: Path, user_templates: Path | None, named: Path | None) -> str:
    """Return a template's file as the user named its folder."""
    if user_templates is not None and named is not None and file.is_relative_to(user_templates):
        return str(named / file.relative_to(user_templates))
    return str(file)
