"""Programs whose time and output are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence

from msgspec import Struct

from renderer.http import LARGEST_ANSWER
from renderer.metric_providers.question import ProviderError

_CHUNK = 2**16
_STDERR = 2**12


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
    whole process group ends with it.
    """
    path = program(argv[0], environment)
    if path is None:
        raise ProviderError(f"{argv[0]}: program not found")
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *argv[1:],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise ProviderError(f"{argv[0]}: cannot be started: {error.strerror or error}") from None
    try:
        async with asyncio.timeout(timeout):
            _, stdout, stderr = await asyncio.gather(_give(process, given), _read(process), _end_of_errors(process))
            status = await process.wait()
    except TimeoutError:
        raise ProviderError(f"{argv[0]}: took longer than {timeout:g} s") from None
    finally:
        await _end(process)
    return Output(status, stdout, stderr)


async def _give(process: asyncio.subprocess.Process, given: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the program does not read its input


async def _read(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    output = bytearray()
    while chunk := await process.stdout.read(_CHUNK):
        output += chunk
        if len(output) > LARGEST_ANSWER:
            raise ProviderError(f"the program prints more than {LARGEST_ANSWER // 2**20} MiB, which is left out")
    return bytes(output)


async def _end_of_errors(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    output = bytearray()
    while chunk := await process.stderr.read(_CHUNK):
        output = (output + chunk)[-_STDERR:]
    return output.decode(errors="replace").strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what is left of the program's process group, and wait for the program."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
