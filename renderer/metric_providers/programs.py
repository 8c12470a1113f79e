"""Programs whose time and output are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence

from msgspec import Struct

from renderer.http import LARGEST_ANSWER
from renderer.metric_providers.errors import ProviderError

_CHUNK = 2**16
_STDERR = 2**12
_TICK_SECONDS = 0.05


class Output(Struct, frozen=True):
    """The end of a program: its exit status, its output, and the end of its errors."""

    status: int
    stdout: bytes
    stderr: str


def program(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of a program by the variable ``PATH``; None if there is none."""
    return shutil.which(name, path=environment.get("PATH") or os.defpath)


async def run_program(
    argv: Sequence[str], environment: Mapping[str, str], *, timeout: float, given: bytes = b""
) -> Output:
    """Return the end of a program that runs without a shell, at most ``timeout`` seconds, with ``given`` as its input.

    Raises ``ProviderError`` for one that does not start, takes too long or prints more than the largest answer.  Its
    whole process group ends with it, also when this coroutine is cancelled.
    """
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(_run, argv, environment, timeout, given, stopped)
    except asyncio.CancelledError:
        stopped.set()
        raise


def _run(
    argv: Sequence[str], environment: Mapping[str, str], timeout: float, given: bytes, stopped: threading.Event
) -> Output:
    # Not asyncio's own processes: those wait for the end of their pipes, which a daemon of the program may hold.
    path = program(argv[0], environment)
    if path is None:
        raise ProviderError(f"{argv[0]}: program not found")
    with tempfile.TemporaryFile() as source:
        source.write(given)
        source.seek(0)
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                [path, *argv[1:]],
                stdin=source,
                stdout=pipe,
                stderr=pipe,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            raise ProviderError(f"{argv[0]}: cannot be started: {error.strerror or error}") from None
    with process:
        try:
            stdout, stderr = _read(process, time.monotonic() + timeout, stopped)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        if stdout is None:
            raise ProviderError(f"{argv[0]}: took longer than {timeout:g} s")
        if len(stdout) > LARGEST_ANSWER:
            raise ProviderError(f"the program prints more than {LARGEST_ANSWER // 2**20} MiB, which is left out")
        return Output(process.wait(), bytes(stdout), stderr.decode(errors="replace").strip())


def _read(process: subprocess.Popen[bytes], end: float, stopped: threading.Event) -> tuple[bytearray | None, bytearray]:
    """Return the output, and the end of the errors, once the program is over; None where it takes too long."""
    assert process.stdout is not None
    assert process.stderr is not None
    output: bytearray = bytearray()
    errors: bytearray = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, errors)
        while selector.get_map() and len(output) <= LARGEST_ANSWER:
            # What a daemon of the program holds open is read no longer than the program runs.
            is_over = process.poll() is not None
            ready = selector.select(0 if is_over else _TICK_SECONDS)
            for key, _ in ready:
                part = os.read(key.fd, _CHUNK)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
            del errors[:-_STDERR]
            if is_over and not ready:
                break
            if stopped.is_set() or time.monotonic() > end:
                return None, errors
        while process.poll() is None and len(output) <= LARGEST_ANSWER:
            if stopped.wait(_TICK_SECONDS) or time.monotonic() > end:
                return None, errors
    return output, errors
