"""Reads an app's manifests from files, from Jinja templates (``*.j2``), or from a command that prints them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.read_objects import SourceText
from renderer.pipeline.load import ALLOW_EXEC
from renderer.pipeline.load.files import Files
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import AppSettings

PLAIN = (".yaml", ".yml", ".json")
"""The suffixes of manifests that are not templates."""
STATUS_FILE = "status.yaml"
RUNS_FILE = "analysis-runs.yaml"
OWN_FILES = (STATUS_FILE, RUNS_FILE)
"""The files that rollstep writes beside an app's manifests."""
KUSTOMIZATION = "kustomization.yaml"
KUSTOMIZATIONS = (KUSTOMIZATION, "kustomization.yml", "Kustomization")

FILLED_IN = " (filled in)"
"""The end of the name of a template's text in findings."""

_TEMPLATE_SUFFIXES = (".yaml.j2", ".yml.j2")
_API_VERSION = re.compile(r"^[ \t]*(- +)?[\"']?apiVersion[\"']?[ \t]*:|\{\s*\"apiVersion\"", re.MULTILINE)
_STDERR_LINES = 20
"""The number of lines of a failed command's stderr that a finding quotes."""


class Sources(Struct, frozen=True):
    """The manifests of an app as text, and every file that they were read from.

    ``notes`` name the manifests in the app's folder that are not read, because a command prints the app's manifests.
    """

    texts: tuple[SourceText, ...]
    files: tuple[Path, ...]
    notes: tuple[Finding, ...] = ()


def read_sources(folder: Path, settings: AppSettings, files: Files) -> Sources:
    """Return the manifests of the app in ``folder`` of the repository whose files are ``files``.

    Raises ``RollstepError`` with every unreadable file and every failed template, or for a failed command.
    """
    root = files.root
    if settings.source.argv is not None:
        command = _command_line(settings.source.argv)
        if not may_execute():
            message = "rollstep.yaml names this program as a source, but it is not allowed to run"
            hint = f"if you trust the authors of this branch, allow it with --allow-exec or {ALLOW_EXEC}=1"
            raise RollstepError.at(command, message, hint)
        output = run_command(settings.source.argv, root, settings.source.timeout_seconds)
        found = tuple(path for path in manifest_files(folder, settings.output, files) if files.is_file(str(path)))
        return Sources((SourceText(command, None, output),), found, tuple(_unread(found, settings, files, command)))
    texts: list[SourceText] = []
    paths: set[Path] = set()
    findings: list[Finding] = []
    in_place = files.real(str(root)) + str(folder).removeprefix(str(root))
    real_folder = folder if files.real(str(folder)) == in_place else None
    for path in manifest_files(folder, settings.output, files):
        file = str(path).removeprefix(f"{root}/")
        try:
            check_source(path, files, file, real_folder)
            paths.add(path)
            text = files.read_text(str(path), file)
            if path.name.endswith(_TEMPLATE_SUFFIXES):
                text, included = _render_template(text, file, settings, files)
                paths.update(included)
                texts.append(SourceText(f"{file}{FILLED_IN}", None, text))
            else:
                texts.append(SourceText(file, path, text))
        except RollstepError as error:
            findings += error.findings
    if findings:
        raise RollstepError(findings)
    return Sources(tuple(texts), tuple(sorted(paths)))


def _unread(found: Sequence[Path], settings: AppSettings, files: Files, command: str) -> Iterator[Finding]:
    """Yield a note for each manifest in the app's folder that ``command`` does not read, as far as its text shows.

    A command reads what an argument or an entry of ``source.reads`` names, but for the repository as a whole.
    """
    source = settings.source
    named = [*(source.argv or ()), *(path for path in source.reads if os.path.normpath(path) != ".")]
    for path in found:
        file = path.relative_to(files.root)
        places = "|".join(re.escape(str(place)) for place in (file, *file.parents) if place.parts)
        is_named = re.compile(rf"(?<![\w-])({places})(?![\w.-]|/[\w.-])").search
        if not any(map(is_named, named)) and _API_VERSION.search(files.read_text(str(path), str(file))):
            message = f"is not read: {command} prints the manifests of {settings.environment}/{settings.app}"
            hint = "let the command read it and name it in source.reads, or delete it"
            yield Finding(str(file), 0, 0, "", message, hint)


def manifest_files(folder: Path, output: str, files: Files) -> Iterator[Path]:
    """Yield the manifests and templates in ``folder`` and the folders in it, sorted.

    Leaves out hidden files, rollstep's own files and ``output``, any other folder that rollstep wrote, and
    templates that only other templates include (their names start with ``_``).  Yields a link to a folder outside of
    the repository as it is.
    """
    start = str(folder)
    ours = {*(f"{start}/{name}" for name in OWN_FILES), f"{start}/{output}"}
    pending: list[tuple[str, tuple[str, ...]]] = [(start, ())]
    found: list[str] = []
    while pending:
        parent, above = pending.pop()
        for entry in files.entries(parent):
            if entry.name.startswith(".") or entry.path in ours:
                continue
            if entry.is_dir():
                # The output folder before its setting was changed.
                if files.exists(f"{entry.path}/{MARKER}"):
                    continue
                if entry.is_symlink():
                    real = files.real(entry.path)
                    if not _is_within(real, files):
                        found.append(entry.path)
                        continue
                    # A link to a folder above would never end.
                    if real in map(files.real, (*above, parent)):
                        continue
                pending.append((entry.path, (*above, parent)))
            elif is_manifest(entry.name):
                found.append(entry.path)
    yield from sorted(map(Path, found))


def run_command(argv: Sequence[str], root: Path, timeout_seconds: float) -> str:
    """Return what a command prints; it runs in ``root``, without a shell and without input.

    Raises ``RollstepError`` for a missing or failed command (with the end of its stderr), one that exceeds
    ``timeout_seconds``, and output that is not UTF-8.
    """
    import signal
    import subprocess

    from renderer.kubernetes.yaml.reader import decode

    name = _command_line(argv)
    try:
        # A process group of its own: on a timeout the children end as well.
        process = subprocess.Popen(
            list(argv),
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        hint = "install it, or change source in rollstep.yaml"
        raise RollstepError.at(name, f"cannot be started: {error.strerror or error}", hint) from error
    try:
        stdout, stderr = process.communicate(timeout=timeout_seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        message = f"took longer than {timeout_seconds:g} s"
        raise RollstepError.at(name, message, "set source.timeoutSeconds in rollstep.yaml") from error
    if process.returncode:
        output = "\n".join(stderr.decode(errors="replace").strip().split("\n")[-_STDERR_LINES:])
        message = f"failed with exit status {process.returncode}" + (f": {output}" if output else "")
        raise RollstepError.at(name, message)
    return decode(stdout, name)


def may_execute() -> bool:
    """Return whether the user allows the programs that ``rollstep.yaml`` names, which a branch's author chooses."""
    return os.environ.get(ALLOW_EXEC, "").lower() in ("1", "true", "yes", "on")


def _command_line(argv: Sequence[str]) -> str:
    """Return a command as a shell takes it; findings use it as a file name."""
    import shlex

    return f"`{shlex.join(argv)}`"


def is_manifest(name: str) -> bool:
    """Return whether a file of this name in an app's folder is a manifest, a template of one, or a kustomization."""
    if name.endswith(_TEMPLATE_SUFFIXES):
        return not name.startswith("_")
    return name.endswith(PLAIN) or name in KUSTOMIZATIONS


def _is_within(real: str, files: Files) -> bool:
    top = files.real(str(files.root))
    return real == top or real.startswith(f"{top.rstrip('/')}/")


def check_source(path: Path, files: Files, file: str, real_folder: Path | None = None) -> None:
    """Raise ``RollstepError`` for a path that is not a manifest of the branch, such as a pipe or a chart.

    A link may only lead to a file that git tracks, so neither out of the repository nor into ``.git``.  A plain file in
    ``real_folder`` is known to be in the repository.
    """
    if path.name in KUSTOMIZATIONS:
        hint = 'to release what kustomize builds, set `source: {kustomize: "${folder}"}` for this app in rollstep.yaml'
        raise RollstepError.at(file, "is a kustomization, not a manifest", hint)
    if path.name == "Chart.yaml":
        hint = 'to release what helm makes of it, set `source: {helm: {chart: "${folder}"}}` in rollstep.yaml'
        raise RollstepError.at(file, "is a Helm chart, not a manifest", hint)
    is_plain = path.parent == real_folder and not files.is_link(str(path))
    real = "" if is_plain else files.real(str(path))
    if not is_plain and not _is_within(real, files):
        raise RollstepError.at(file, "is a link out of the repository", "put the file itself into the repository")
    if not files.is_file(str(path)):
        dangling = files.is_link(str(path)) and not files.exists(files.real(str(path)))
        raise RollstepError.at(file, "is a dangling link" if dangling else "is not a regular file")
    if not is_plain and real != str(path) and not files.is_tracked(real):
        raise RollstepError.at(file, "is a link to a file that git does not track", "put the file itself there")


def read_template(path: Path, files: Files, file: str) -> str | None:
    """Return the text of a template that another one names, ``file`` in findings; None for a missing file.

    Raises ``RollstepError`` for a file that git does not track.
    """
    if ".." in path.parts or not files.is_file(str(path)):
        return None
    check_source(path, files, file)
    if not files.is_tracked(files.real(str(path))):
        raise RollstepError.at(file, "is not tracked by git", "a template includes only files of the branch")
    return files.read_text(str(path), file)


def _render_template(text: str, file: str, settings: AppSettings, files: Files) -> tuple[str, set[Path]]:
    """Return a ``*.j2`` manifest's text rendered, and the templates that it includes.

    Raises ``RollstepError`` with the file and line of an error.
    """
    from renderer.pipeline.load.sandbox import call_with_templates

    variables = {
        **settings.values,
        "environment": settings.environment,
        "app": settings.app,
        "namespace": settings.namespace,
    }
    texts: dict[str, str | None] = {}

    def find(name: str) -> str | None:
        """Return the template at a path from the repository's root."""
        return read_template(files.root / name, files, name)

    rendered = call_with_templates(file, _render_here, texts, find, variables, text, file)
    return rendered, {files.root / name for name, found in texts.items() if found is not None}


def _render_here(texts: Mapping[str, str | None], variables: Mapping[str, Any], text: str, file: str) -> str:
    """Return a template rendered in this process; ``texts`` are those that it may include."""
    from jinja2 import FunctionLoader, TemplateError, TemplateSyntaxError

    from renderer.pipeline.load.sandbox import (
        MissingTemplateError,
        check_length,
        known_template,
        sandboxed_environment,
        template_position,
    )

    try:
        environment = sandboxed_environment(FunctionLoader(lambda name: known_template(texts, name)))
        code = environment.compile(text, name=file, filename=file)
        template = environment.template_class.from_code(environment, code, environment.globals)
        return check_length(template.render(variables), file)
    except (MemoryError, MissingTemplateError, RollstepError):
        raise
    # The expressions of a template can raise any error.
    except Exception as error:
        is_jinja = isinstance(error, TemplateError)
        message = str(error) if is_jinja and str(error) else f"{type(error).__name__}: {error}"
        if isinstance(error, TemplateSyntaxError):
            place, line = error.filename or error.name or file, error.lineno
        else:
            place, line = template_position(error, file)
        hint = "values stand under `values` in rollstep.yaml" if "undefined" in message else ""
        raise RollstepError([Finding(place, line, 0, "", message, hint)]) from error
