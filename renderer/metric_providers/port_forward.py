"""``kubectl port-forward`` to services of the cluster, for as long as measurements are taken."""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Self

from renderer.metric_providers.access import PORT_FORWARD, Access, address_from_here, mapped_target
from renderer.metric_providers.errors import ProviderError
from renderer.metric_providers.programs import program

START_SECONDS = 15.0
"""The longest time until kubectl forwards."""

_TARGET = re.compile(r"kubectl://(?P<namespace>[^/]+)/(?P<resource>[^:]+):(?P<port>\w[\w-]*)")
_READY = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+) ->")


class PortForwards:
    """The port-forwards of a pass: each begins when it is first needed, and all end with this context manager.

    Their ports are on the loopback address only.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._stack = ExitStack()
        self._ports: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def address(self, url: str) -> str:
        """Return a URL with the address that reaches it from here; raise ``ProviderError`` for a failed forward."""
        target = mapped_target(url, self._access)
        if target is None or not target.startswith(PORT_FORWARD):
            return address_from_here(url, self._access)
        port = await asyncio.to_thread(self._port, target)
        addresses = {
            key: f"127.0.0.1:{port}" if value == target else value for key, value in self._access.addresses.items()
        }
        return address_from_here(url, replace(self._access, addresses=addresses))

    def _port(self, target: str) -> int:
        with self._lock:
            if target not in self._ports:
                self._ports[target] = self._stack.enter_context(_forward(target, self._access))
            return self._ports[target]


def target_error(target: str) -> str:
    """Return the fault of a ``kubectl://`` address; empty for a valid one."""
    if not target.startswith(PORT_FORWARD) or _TARGET.fullmatch(target):
        return ""
    return f"{target} is no kubectl://NAMESPACE/service/NAME:PORT"


@contextmanager
def _forward(target: str, access: Access) -> Iterator[int]:
    """Yield the local port of a running port-forward."""
    match = _TARGET.fullmatch(target)
    if match is None:
        raise ProviderError(target_error(target))
    kubectl = program("kubectl", access.environment)
    if kubectl is None:
        raise ProviderError(f"{target} needs kubectl, which is not installed")
    argv = [kubectl, "port-forward", "--address", "127.0.0.1", "--namespace", match["namespace"]]
    process = subprocess.Popen(
        [*argv, match["resource"], f":{match['port']}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(access.environment),
        start_new_session=True,
    )
    try:
        yield _port(process, target)
    finally:
        try:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=2)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _port(process: subprocess.Popen[bytes], target: str) -> int:
    """Return the local port, which kubectl prints once it listens."""
    assert process.stdout is not None
    printed, end = b"", time.monotonic() + START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (match := _READY.search(printed)) is None:
            ready = selector.select(max(end - time.monotonic(), 0))
            part = os.read(process.stdout.fileno(), 4096) if ready else b""
            if not part:
                reason = printed.decode(errors="replace").strip() or "it says nothing"
                raise ProviderError(f"kubectl does not forward {target}: {reason}")
            printed += part
    return int(match[1])
