"""Where an app's manifests come from: files, Jinja templates (``*.j2``), or a command that prints them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.read_objects import SourceText
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import ALLOW_EXEC, AppSettings, SourceSettings

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

PLAIN = (".yaml", ".yml", ".json")
TEMPLATE = (".yaml.j2", ".yml.j2")
STATUS_FILE, KUSTOMIZATION = "status.yaml", "kustomization.yaml"
KUSTOMIZATIONS = (KUSTOMIZATION, "kustomization.yml", "Kustomization")

_STDERR_LINES = 20


class Sources(Struct, frozen=True):
    """The manifests of an app as text, and every file that they were read from."""

    texts: tuple[SourceText, ...]
    files: tuple[Path, ...]


def read_sources(folder: Path, settings: AppSettings, root: Path) -> Sources:
    """Return the manifests of the app in ``folder`` of the repository at ``root``.

    Raises ``RollstepError`` with every file that cannot be read or filled in, or where a command fails.
    """
    if settings.source.argv is not None:
        check_may_execute(settings.source.argv)
        text = run(settings.source.argv, settings.source, root)
        return Sources(
            (SourceText(command_line(settings.source.argv), None, text),), _own_files(folder, settings, root)
        )
    texts: list[SourceText] = []
    files: list[Path] = []
    findings: list[Finding] = []
    included: set[Path] = set()
    within = folder if _is_within(os.path.realpath(folder), root) else None
    for path in manifest_files(folder, settings.output, root):
        shown = _shown(path, root)
        try:
            _check_file(path, root, shown, within)
            files.append(path)
            if path.name.endswith(TEMPLATE):
                texts.append(SourceText(f"{shown} (filled in)", None, fill(root, settings, path, shown, included)))
            else:
                texts.append(SourceText(shown, path, _read(path, shown)))
        except RollstepError as error:
            findings += error.findings
    if findings:
        raise RollstepError(findings)
    return Sources(tuple(texts), tuple(sorted({*files, *included})))


def manifest_files(folder: Path, output: str, root: Path) -> Iterator[Path]:
    """Yield the manifests and templates in ``folder`` and the folders in it, sorted.

    What is hidden, rollstep's own ``status.yaml`` and ``output``, any other folder that it wrote, and templates for
    other templates to include (whose name starts with ``_``) are left out.  A link to a folder out of the repository at
    ``root`` is yielded itself.
    """
    start = str(folder)
    ours = {f"{start}/{STATUS_FILE}", f"{start}/{output}"}
    pending: list[tuple[str, tuple[str, ...]]] = [(start, ())]
    found: list[str] = []
    while pending:
        parent, above = pending.pop()
        for entry in _entries(parent):
            if entry.name.startswith(".") or entry.path in ours:
                continue
            if entry.is_dir():
                # Rendered, too: the output folder before it was given another name.
                if os.path.lexists(f"{entry.path}/{MARKER}"):
                    continue
                if entry.is_symlink():
                    real = os.path.realpath(entry.path)
                    if not _is_within(real, root):
                        found.append(entry.path)
                        continue
                    # A link to a folder above would never end.
                    if real in map(os.path.realpath, (*above, parent)):
                        continue
                pending.append((entry.path, (*above, parent)))
            elif _is_manifest(entry.name):
                found.append(entry.path)
    yield from sorted(map(Path, found))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_manifest(name: str) -> bool:
    if name.endswith(TEMPLATE):
        return not name.startswith("_")
    return name.endswith(PLAIN) or name in KUSTOMIZATIONS


def _is_within(real: str | Path, root: Path) -> bool:
    top = os.path.realpath(root)
    return str(real) == top or str(real).startswith(f"{top.rstrip('/')}/")


def run(argv: Sequence[str], source: SourceSettings, root: Path) -> str:
    """Return what a command prints; it runs in ``root``, without a shell and without input.

    Raises ``RollstepError`` where it is not there, fails (with the end of its stderr), takes longer than
    ``source.timeout_seconds``, or prints what is no UTF-8.
    """
    import signal
    import subprocess

    from renderer.kubernetes.yaml.reader import decode

    shown = command_line(argv)
    try:
        # In a process group of its own, so that on a timeout its children end with it.
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
        raise _failure(shown, f"cannot be started: {error.strerror or error}", hint) from error
    try:
        stdout, stderr = process.communicate(timeout=source.timeout_seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        message = f"took longer than {source.timeout_seconds:g} s"
        raise _failure(shown, message, "set source.timeoutSeconds in rollstep.yaml") from error
    if process.returncode:
        words = "\n".join(stderr.decode(errors="replace").strip().split("\n")[-_STDERR_LINES:])
        raise _failure(shown, f"failed with exit status {process.returncode}" + (f": {words}" if words else ""))
    return decode(stdout, shown)


def may_execute() -> bool:
    """Tell whether programs may run that ``rollstep.yaml`` names, which whoever wrote the branch has chosen."""
    return os.environ.get(ALLOW_EXEC, "").lower() in ("1", "true", "yes", "on")


def check_may_execute(argv: Sequence[str]) -> None:
    """Raise ``RollstepError`` for a program of the repository's choice, where the user has not allowed it."""
    if not may_execute():
        message = "rollstep.yaml names this program as a source, and it may not run"
        hint = f"where you trust whoever wrote this branch, allow it: --allow-exec, or {ALLOW_EXEC}=1"
        raise _failure(command_line(argv), message, hint)


def command_line(argv: Sequence[str]) -> str:
    """Return a command as a shell would take it, which is its name in findings."""
    import shlex

    return f"`{shlex.join(argv)}`"


def _failure(shown: str, message: str, hint: str = "") -> RollstepError:
    return RollstepError([Finding(shown, 0, 0, "", message, hint)])


def _own_files(folder: Path, settings: AppSettings, root: Path) -> tuple[Path, ...]:
    """Return the files beside which a command's manifests are released: what it reads of them only it knows."""
    return tuple(path for path in manifest_files(folder, settings.output, root) if path.is_file())


def _check_file(path: Path, root: Path, shown: str, within: Path | None = None) -> None:
    """Raise ``RollstepError`` for what is not a manifest to read: a way out of the repository, a pipe, a chart.

    ``within`` is a folder of which it is known that it lies in the repository, and so what is in it and no link.
    """
    if path.name in KUSTOMIZATIONS:
        hint = 'to release what kustomize builds, set `source: {kustomize: "${folder}"}` for this app in rollstep.yaml'
        raise _failure(shown, "is kustomize's, not a manifest", hint)
    if path.name == "Chart.yaml":
        hint = 'to release what helm makes of it, set `source: {helm: {chart: "${folder}"}}` in rollstep.yaml'
        raise _failure(shown, "is helm's, not a manifest", hint)
    is_within = path.parent == within and not os.path.islink(path)
    if not is_within and not _is_within(os.path.realpath(path), root):
        raise _failure(shown, "is a link out of the repository", "put the file itself into the repository")
    if not os.path.isfile(path):
        dangling = path.is_symlink() and not path.exists()
        raise _failure(shown, "is a link to nothing" if dangling else "is no regular file")


def _read(path: Path, shown: str) -> str:
    from renderer.kubernetes.yaml.reader import read_text

    return read_text(path, shown)


def _shown(path: Path, root: Path) -> str:
    return str(path).removeprefix(f"{root}/")


def fill(root: Path, settings: AppSettings, path: Path, shown: str, included: set[Path]) -> str:
    """Return a ``*.j2`` manifest's text filled in; the templates that it takes in are added to ``included``.

    Raises ``RollstepError`` with the file and line of its fault.
    """
    from renderer.pipeline.load.sandbox import call

    variables = {
        **settings.values,
        "environment": settings.environment,
        "app": settings.app,
        "namespace": settings.namespace,
    }
    text, taken_in = call(shown, fill_here, root.absolute(), variables, _read(path, shown), shown)
    included |= {root / name for name in taken_in}
    return str(text)


def fill_here(root: Path, variables: Mapping[str, Any], text: str, shown: str) -> tuple[str, list[str]]:
    """Return the text of a template filled in, and the names of those that it took in: within this process."""
    templates = _Templates(root)
    return templates.fill(variables, text, shown), sorted(templates.included)


class _Templates:
    """Fills in a template; ``included`` are the names of those that it took in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.included: set[str] = set()

    def fill(self, variables: Mapping[str, Any], text: str, shown: str) -> str:
        """Return the text filled in; raise ``RollstepError`` with the file and line of its fault."""
        from jinja2 import TemplateError

        from renderer.pipeline.load.sandbox import too_long

        try:
            environment = self._make_environment()
            code = environment.compile(text, name=shown, filename=shown)
            template = environment.template_class.from_code(environment, code, environment.globals)
            filled = template.render(variables)
            if wrong := too_long(filled):
                raise RollstepError([Finding(shown, 0, 0, "", wrong)])
            return filled
        except (MemoryError, RollstepError):
            raise
        # A template may run into any error that its expressions can raise.
        except Exception as error:
            is_jinja = isinstance(error, TemplateError)
            message = str(error) if is_jinja and str(error) else f"{type(error).__name__}: {error}"
            file, line = self._place(error, shown)
            hint = "values stand under `values` in rollstep.yaml" if "undefined" in message else ""
            raise RollstepError([Finding(file, line, 0, "", message, hint)]) from error

    def _make_environment(self) -> ImmutableSandboxedEnvironment:
        # Jinja takes a twentieth of a second to import, and most apps have no templates.
        from jinja2 import FunctionLoader

        from renderer.pipeline.load.sandbox import sandbox

        return sandbox(FunctionLoader(self._load))

    def _load(self, name: str) -> tuple[str, str, None] | None:
        """Return a template to include, by its path from the repository's root; None where it is not there."""
        path = self.root / name
        if ".." in Path(name).parts or not path.is_file():
            return None
        _check_file(path, self.root, name)
        self.included.add(name)
        return _read(path, name), name, None

    def _place(self, error: Exception, shown: str) -> tuple[str, int]:
        from jinja2 import TemplateSyntaxError

        if isinstance(error, TemplateSyntaxError):
            return error.filename or error.name or shown, error.lineno
        place, frame = (shown, 0), error.__traceback__
        # Jinja rewrites the traceback so that a template's frame has the template's own file and line.
        while frame is not None:
            if frame.tb_frame.f_code.co_filename.endswith(".j2"):
                place = frame.tb_frame.f_code.co_filename, frame.tb_lineno
            frame = frame.tb_next
        return place
