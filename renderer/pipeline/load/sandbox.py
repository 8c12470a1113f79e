"""Calls that run a user's templates, in one child process whose time and memory are limited (shell).

A branch that anyone may propose brings its templates along.  Jinja's sandbox keeps them from attributes and imports,
but not from loops without end or from filling the memory: that only a process of their own does, which can be killed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from renderer.errors import Finding, RollstepError

if TYPE_CHECKING:
    from jinja2 import BaseLoader
    from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from subprocess import Popen

SECONDS = 5
"""How long one template may take: hundreds of times what any takes that lays out manifests."""
MEGABYTES = 128
"""What the child may use of memory on top of what it begins with."""
MAX_TEXT = 4_000_000
"""Characters that one template may make."""

_MEBIBYTE = 1 << 20
_START = "import sys; sys.path[:] = sys.argv[1:]; from renderer.pipeline.load.sandbox import serve; serve()"
_HINT = "look for a loop that does not end, or a text that is made far too long"


def call(shown: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``function`` of a module makes of ``arguments`` in the child, as JSON has it.

    Raises the RollstepError that it raises, and one that names ``shown`` where it takes too much time or memory.
    """
    from pickle import PicklingError, dumps

    try:
        request = dumps((function, arguments))
    except (PicklingError, RecursionError) as error:
        raise _exceeded(shown, f"cannot be given its values: {error}") from error
    try:
        _child.send(request)
        answer = json.loads(_child.receive())
    except TimeoutError as error:
        _child.kill()
        raise _exceeded(shown, f"takes longer than {SECONDS} s") from error
    except (EOFError, OSError) as error:
        _child.kill()
        raise _exceeded(shown, "takes more time or memory than a template may") from error
    except BaseException:
        # Whatever the child still says would be taken for the answer to the next call.
        _child.kill()
        raise
    if "findings" in answer:
        raise RollstepError(Finding(*values) for values in answer["findings"])
    if "memory" in answer:
        _child.kill()
        raise _exceeded(shown, f"takes more than {MEGABYTES} MB of memory")
    return answer["value"]


def serve() -> None:
    """Answer the calls that come in on stdin until it ends: what the child does."""
    import resource
    from pickle import load

    import jinja2.sandbox  # noqa: F401  # before the limit: what it takes is not the templates'

    calls, answers = sys.stdin.buffer, sys.stdout.buffer
    # No template has a reason to write a file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    size = _address_space()
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size + MEGABYTES * _MEBIBYTE,) * 2)
    while True:
        try:
            function, arguments = load(calls)
        except EOFError:
            return
        # Should the parent be killed, nobody else ends a loop.
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        used = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + SECONDS + 2, hard))
        answers.write(_answer(function, arguments) + b"\n")
        answers.flush()


def too_long(text: str) -> str:
    """Return what is wrong with a text that a template made, empty where nothing is."""
    return f"makes {len(text):,} characters, and {MAX_TEXT:,} are the most" if len(text) > MAX_TEXT else ""


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    try:
        try:
            return json.dumps({"value": function(*arguments)}).encode()
        except RollstepError as error:
            findings = [
                (found.file, found.line, found.column, found.field, found.message[:2000], found.hint, found.code)
                for found in error.findings
            ]
            return json.dumps({"findings": findings}).encode()
    except MemoryError:
        return b'{"memory": true}'


def _address_space() -> int:
    """Return the bytes of this process' address space; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _exceeded(shown: str, message: str) -> RollstepError:
    return RollstepError([Finding(shown, 0, 0, "", message, _HINT)])


class _Child:
    """The one child of this process, started when it is first needed and ended with it."""

    def __init__(self) -> None:
        self._process: Popen[bytes] | None = None

    def send(self, request: bytes) -> None:
        pipe = self._started().stdin
        assert pipe is not None
        pipe.write(request)
        pipe.flush()

    def receive(self) -> bytes:
        """Return the next line; raise TimeoutError where it takes too long, EOFError where the child has ended."""
        import select
        import time

        pipe = self._started().stdout
        assert pipe is not None
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        end, parts = time.monotonic() + SECONDS, [b""]
        while not parts[-1].endswith(b"\n"):
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise TimeoutError
            parts.append(os.read(pipe.fileno(), _MEBIBYTE))
            if not parts[-1]:
                raise EOFError
        return b"".join(parts)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # Closes the pipes as well.
            process.communicate()

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


_SYNTAX: Mapping[str, Any] = {
    "autoescape": False,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "newline_sequence": "\n",
}
"""How all templates are read."""


def sandbox(loader: BaseLoader) -> ImmutableSandboxedEnvironment:
    """Return the environment that every template of a user's runs in; it has the filter ``to_yaml``."""
    # Jinja takes a twentieth of a second to import, and most verbs render nothing.
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, **_SYNTAX)
    environment.filters["to_yaml"] = to_yaml
    return environment


def to_yaml(value: Any, indent: int = 0) -> str:
    """Return ``value`` as YAML, every line ``indent`` spaces in, without the last newline (a template filter)."""
    from renderer.kubernetes.yaml.writer import dump

    text = dump(value).removesuffix("\n")
    # Not textwrap.indent and not splitlines: U+2028 and its like end no line of YAML.
    return text if not indent else "\n".join(" " * indent + line if line else line for line in text.split("\n"))
