"""Runs a user's templates in one child process with limited time and memory.

Anyone who can propose a branch can put templates into it.  Jinja's sandbox keeps them from attributes and imports, but
not from endless loops or from filling the memory.  Only a process that can be killed does that.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from renderer.errors import Finding, RollstepError

if TYPE_CHECKING:
    from subprocess import Popen

    from jinja2 import BaseLoader
    from jinja2.sandbox import ImmutableSandboxedEnvironment

SECONDS = 5
"""The processor time of one template, far above what any template of manifests takes."""
PATIENCE = 60
"""The seconds to wait for an answer: on a busy machine the processor time takes longer."""
MEGABYTES = 128
"""The memory that the child may use beyond what it starts with."""
MAX_TEXT = 4_000_000
"""The characters that one template may produce."""
SYNTAX: Mapping[str, Any] = {
    "autoescape": False,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "newline_sequence": "\n",
}
"""The options of every Jinja environment."""

MAX_TEMPLATES = 100
"""The templates that one template may include or import."""
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}>")

_MEBIBYTE = 1 << 20
_START = "import sys; sys.path[:] = sys.argv[1:]; from renderer.pipeline.load.sandbox import serve; serve()"
_HINT = "look for an endless loop or a very long text"


class MissingTemplateError(Exception):
    """A template asks for another one, whose text the child has not received: it reads no files itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def known_template(texts: Mapping[str, str | None], name: str) -> tuple[str, str, None] | None:
    """Return a template for Jinja's loader, None for a missing one; raise MissingTemplateError if it is unknown."""
    if name not in texts:
        raise MissingTemplateError(name)
    text = texts[name]
    return None if text is None else (text, name, None)


def call_with_templates(
    file: str,
    function: Callable[..., str],
    texts: dict[str, str | None],
    find: Callable[[str], str | None],
    *arguments: Any,
) -> str:
    """Return the result of ``function``, called in the child with ``texts`` and ``arguments``.

    ``find`` returns the text of each template that ``function`` asks for, None for a missing one; ``texts`` gets it.
    Raises RollstepError as ``call_in_child``, and for more than ``MAX_TEMPLATES``.
    """
    while len(texts) <= MAX_TEMPLATES:
        try:
            return str(call_in_child(file, function, texts, *arguments))
        except MissingTemplateError as missing:
            texts[missing.name] = find(missing.name)
    raise RollstepError.at(file, f"includes more than {MAX_TEMPLATES} templates")


def call_in_child(file: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a module's ``function`` in the child; it must be JSON data.

    Raises the RollstepError or MissingTemplateError of the function, and a RollstepError about ``file`` if it exceeds
    the limits of time or memory.
    """
    from pickle import PicklingError, dumps
    from signal import SIGXCPU

    try:
        request = dumps((SECONDS, function, arguments))
    except (PicklingError, RecursionError) as error:
        raise RollstepError.at(file, f"cannot receive its values: {error}", _HINT) from error
    try:
        _child.send(request)
        answer = json.loads(_child.receive())
    except TimeoutError as error:
        _child.kill()
        raise RollstepError.at(file, f"takes longer than {PATIENCE} s", _HINT) from error
    except (EOFError, OSError) as error:
        if _child.kill() == -SIGXCPU:
            raise RollstepError.at(file, f"takes longer than {SECONDS} s of processor time", _HINT) from error
        raise RollstepError.at(file, "takes more time or memory than a template is allowed", _HINT) from error
    except BaseException:
        # Later output of the child would pass for the answer to the next call.
        _child.kill()
        raise
    if "needs" in answer:
        raise MissingTemplateError(answer["needs"])
    if "findings" in answer:
        raise RollstepError(Finding(*values) for values in answer["findings"])
    if "memory" in answer:
        _child.kill()
        raise RollstepError.at(file, f"takes more than {MEGABYTES} MB of memory", _HINT)
    return answer["value"]


def serve() -> None:
    """Answer the calls on stdin until its end; this is the main function of the child."""
    import resource
    from pickle import load

    import jinja2.sandbox  # noqa: F401  # before the limit, which is for the templates alone

    calls, answers = sys.stdin.buffer, sys.stdout.buffer
    # No template has a reason to write a file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    size = _address_space()
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size + MEGABYTES * _MEBIBYTE,) * 2)
    while True:
        try:
            seconds, function, arguments = load(calls)
        except EOFError:
            return
        # The limit is the kernel's, which ends a loop in C too, and after the parent was killed.
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        used = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))
        answers.write(_answer(function, arguments) + b"\n")
        answers.flush()


def sandboxed_environment(loader: BaseLoader) -> ImmutableSandboxedEnvironment:
    """Return the environment of every template of a user; it has the filter ``to_yaml``.

    The same sources always render the same: it has no random numbers, and shows no addresses of objects.
    """
    # Most verbs render no template of a user, and Jinja is slow to import.
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Cycler, Joiner

    class RepeatableEnvironment(ImmutableSandboxedEnvironment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            return _nameless(super().getattr(obj, attribute))

        def getitem(self, obj: Any, argument: Any) -> Any:
            return _nameless(super().getitem(obj, argument))

    environment = RepeatableEnvironment(loader=loader, undefined=StrictUndefined, **SYNTAX)
    environment.globals |= {"cycler": _without_address(Cycler), "joiner": _without_address(Joiner)}
    del environment.globals["lipsum"], environment.filters["random"]
    environment.filters = {name: _listed(function) for name, function in environment.filters.items()}
    environment.filters["to_yaml"] = to_yaml
    return environment


def _nameless(value: Any) -> Any:
    """Return a method as one whose text has no address; any other value as it is."""
    from types import BuiltinMethodType, FunctionType, MethodType

    # Older versions of Jinja look at the name of what is called for a string's format.
    is_method = isinstance(value, (BuiltinMethodType, FunctionType, MethodType))
    if not is_method or value.__name__.startswith("format"):
        return value
    method = value

    class Method:
        def __call__(self, *arguments: Any, **keywords: Any) -> Any:
            return method(*arguments, **keywords)

        def __repr__(self) -> str:
            return f"<{type(method).__name__}>"

    return Method()


def _without_address(kind: type) -> type:
    return type(kind.__name__, (kind,), {"__repr__": lambda _: f"<{kind.__name__.lower()}>"})


def _listed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter with a list for a generator, whose text would be an address."""
    from functools import wraps
    from types import GeneratorType

    @wraps(function)
    def listed(*arguments: Any, **keywords: Any) -> Any:
        result = function(*arguments, **keywords)
        return list(result) if isinstance(result, GeneratorType) else result

    return listed


def to_yaml(value: Any, indent: int = 0) -> str:
    """Return ``value`` as YAML, indented by ``indent`` spaces, without the last newline (a template filter)."""
    from renderer.kubernetes.yaml.writer import dump

    text = dump(value).removesuffix("\n")
    # Not textwrap.indent and not splitlines: U+2028 and its like end no line of YAML.
    return text if not indent else "\n".join(" " * indent + line if line else line for line in text.split("\n"))


def check_length(text: str, file: str) -> str:
    """Return the ``text`` of a template; raise RollstepError about ``file`` for more than ``MAX_TEXT`` characters.

    Also raises it for the address of an object, which is another one in each run.
    """
    if (found := _ADDRESS.search(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        message = f"shows the address of an object in line {line} of what it renders"
        raise RollstepError.at(file, message, "it differs in each run: show a value, or call the method")
    if len(text) > MAX_TEXT:
        raise RollstepError.at(file, f"produces {len(text):,} characters; the maximum is {MAX_TEXT:,}")
    return text


def template_position(error: Exception, file: str) -> tuple[str, int]:
    """Return the template and the line in which ``error`` was raised; ``file`` and 0 if there is none."""
    position, frame = (file, 0), error.__traceback__
    # Jinja rewrites the traceback: a template's frame has the template's own file and line.
    while frame is not None:
        if frame.tb_frame.f_code.co_filename.endswith(".j2"):
            position = frame.tb_frame.f_code.co_filename, frame.tb_lineno
        frame = frame.tb_next
    return position


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    try:
        try:
            return json.dumps({"value": function(*arguments)}).encode()
        except MissingTemplateError as missing:
            return json.dumps({"needs": missing.name}).encode()
        except RollstepError as error:
            findings = [
                (found.file, found.line, found.column, found.field, found.message[:2000], found.hint, found.code)
                for found in error.findings
            ]
            return json.dumps({"findings": findings}).encode()
    except MemoryError:
        return b'{"memory": true}'


def _address_space() -> int:
    """Return the size of this process' address space in bytes; 0 if the system does not report it."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class _Child:
    """The one child of this process: started on first use, and ended with the process."""

    def __init__(self) -> None:
        self._process: Popen[bytes] | None = None

    def send(self, request: bytes) -> None:
        pipe = self._started().stdin
        assert pipe is not None
        pipe.write(request)
        pipe.flush()

    def receive(self) -> bytes:
        """Return the next line; raise TimeoutError after ``PATIENCE``, and EOFError if the child has ended."""
        import select
        import time

        pipe = self._started().stdout
        assert pipe is not None
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        end, parts = time.monotonic() + PATIENCE, [b""]
        while not parts[-1].endswith(b"\n"):
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise TimeoutError
            parts.append(os.read(pipe.fileno(), _MEBIBYTE))
            if not parts[-1]:
                raise EOFError
        return b"".join(parts)

    def kill(self) -> int | None:
        """End the child; return its exit status, which is a negative signal number, or None if it had not started."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        # Closes the pipes as well.
        process.communicate()
        return process.returncode

    def _started(self) -> Popen[bytes]:
        if self._process is None:
            import atexit
            from pathlib import Path
            from subprocess import DEVNULL, PIPE, Popen

            atexit.unregister(self.kill)
            atexit.register(self.kill)
            home = str(Path(__file__).resolve().parents[3])
            command = [sys.executable, "-I", "-c", _START, home, *filter(None, sys.path)]
            self._process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        return self._process


_child = _Child()
