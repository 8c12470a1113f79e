"""``kubectl port-forward`` to services of the cluster, for as long as measurements are taken."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from renderer.errors import RollstepError
from renderer.metric_providers.access import PORT_FORWARD, Access, mapped_target
from renderer.metric_providers.programs import program

START_SECONDS = 15.0
"""The longest time until kubectl forwards."""

_TARGET = re.compile(r"kubectl://(?P<namespace>[^/]+)/(?P<resource>[^:]+):(?P<port>\w[\w-]*)")
_READY = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+) ->")


@contextmanager
def forwarded(access: Access, urls: Iterable[str] | None = None) -> Iterator[Access]:
    """Yield the access whose port-forwards run: those that the URLs need, all of them without URLs.

    The ports are on the loopback address only, and kubectl is ended afterwards.  Raises ``RollstepError`` for an
    invalid target and for one that kubectl does not forward.
    """
    targets = [mapped_target(url, access) for url in urls] if urls is not None else list(access.addresses.values())
    needed = {target for target in targets if target is not None and target.startswith(PORT_FORWARD)}
    if not needed:
        yield access
        return
    with ExitStack() as stack:
        ports = {target: stack.enter_context(_forward(target, access)) for target in sorted(needed)}
        addresses = {
            key: f"{_scheme(key)}127.0.0.1:{ports[value]}" if value in ports else value
            for key, value in access.addresses.items()
        }
        yield replace(access, addresses=addresses)


def _scheme(key: str) -> str:
    return f"{key.partition('://')[0]}://" if "://" in key else ""


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
        raise RollstepError(target_error(target), hint="see analysis.addresses")
    kubectl = program("kubectl", access.environment)
    if kubectl is None:
        raise RollstepError(f"{target} needs kubectl, which is not installed", hint="install it, or map an address")
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
                raise RollstepError(f"kubectl does not forward {target}: {reason}", hint="see analysis.addresses")
            printed += part
    return int(match[1])
