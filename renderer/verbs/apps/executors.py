"""Where batches of apps are rendered: in processes beside this one, or by the workers of a Dask scheduler (shell)."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from renderer.errors import Finding, RollstepError, UsageError

T = TypeVar("T")
R = TypeVar("R")

DASK = "dask://"
PATIENCE = "20s"
"""How long a scheduler may take to answer."""
GC_THRESHOLD = 200_000
"""Manifests are many objects without cycles: looking for cycles takes a fifth of a run."""
RETRIES = 3
"""How often a batch is given to another worker where one ends."""


def check_executor(executor: str) -> None:
    """Raise UsageError for an executor that there is none of."""
    if executor and not (executor.startswith(DASK) and executor.removeprefix(DASK)):
        raise UsageError(f"--executor {executor}: expected {DASK}HOST:PORT, the address of a Dask scheduler")


def mapped(work: Callable[[T], R], items: Sequence[T], executor: str, jobs: int) -> Iterator[R]:
    """Yield what ``work`` makes of each item, in their order.

    With an ``executor`` (``dask://HOST:PORT``) its workers do it, else ``jobs`` processes.  Raises RollstepError where
    the scheduler cannot be reached, or where a worker ends and nobody can do its work.
    """
    yield from _by_dask(work, items, executor) if executor else _by_processes(work, items, jobs)


def _by_processes(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # A new interpreter, and no copy of this one, whose threads and locks a copy would not have.
    pool, is_done = ProcessPoolExecutor(jobs, get_context("spawn"), _begin), False
    try:
        yield from pool.map(work, items)
        is_done = True
    except BrokenProcessPool as error:
        raise _ended("it may have been killed for its memory: try fewer --jobs") from error
    finally:
        # Processes that have nothing to do any more take a while to end, which the interpreter waits for at its end.
        pool.shutdown(wait=not is_done)


def _begin() -> None:
    """Make a process ready for work."""
    from threading import Thread

    gc.set_threshold(GC_THRESHOLD)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one ends that it works for: where that is killed, nobody else tells this one."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _by_dask(work: Callable[[T], R], items: Sequence[T], executor: str) -> Iterator[R]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise UsageError(f"--executor {executor} needs Dask: pip install 'rollstep[dask]'") from error
    with _connected(Client, executor) as client:
        futures = client.map(work, items, pure=False, retries=RETRIES)
        try:
            for future in futures:
                yield future.result()
                future.release()
        except KilledWorker as error:
            raise _ended("see the logs of the workers") from error
        finally:
            client.cancel(futures)


@contextmanager
def _connected(client: Any, executor: str) -> Iterator[Any]:
    address = executor.removeprefix(DASK)
    try:
        connected = client(f"tcp://{address}", timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler answers: {error}"
        raise RollstepError([Finding(executor, 0, 0, "", message, "start one: dask scheduler")]) from error
    with connected:
        yield connected


def _ended(hint: str) -> RollstepError:
    return RollstepError([Finding("", 0, 0, "", "a worker ended before its apps were rendered", hint)])
