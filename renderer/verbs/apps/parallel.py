"""Shares apps out to processes on this machine, or to the workers of a Dask scheduler."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from msgspec import Struct

from renderer.errors import Finding, RollstepError, UsageError
from renderer.pipeline.load.discover import AppRef
from renderer.verbs import progress

R = TypeVar("R")
Work = Callable[[Iterable[AppRef]], R]
"""What a process does with some apps; a function of a module, or a partial of one, so that it can be pickled."""

MOST_APPS, LEAST_APPS = 250, 50
"""Apps that a process gets at once: a fleet needs the memory of so many, and each batch starts the validator once."""
BATCHES_A_PROCESS = 2
APPS_WORTH_A_PROCESS = 150
"""Apps that take a process much longer than its start."""
GC_THRESHOLD = 200_000
"""Manifests are many objects without cycles: looking for cycles takes a fifth of a run."""

DASK = "dask://"
PATIENCE = "20s"
"""The time that a scheduler has to answer."""
RETRIES = 3
"""How often a batch is given to another worker after one has ended."""


class Batch(Struct, Generic[R], frozen=True):
    """The result of the work on some apps, or its findings."""

    result: R | None
    findings: tuple[Finding, ...] = ()
    is_usage: bool = False


def map_parts(
    work: Work[R], refs: Sequence[AppRef], doing: str, *, jobs: int, executor: str = ""
) -> Iterator[Batch[R]]:
    """Yield the batches of ``work`` on parts of ``refs``, in their order; ``doing`` is shown as progress.

    ``jobs`` processes do the work, or with an ``executor`` (``dask://HOST:PORT``) its workers.  Raises RollstepError
    for a missing scheduler, and where a process ends and nobody can do its work.
    """
    size = LEAST_APPS if executor else max(LEAST_APPS, min(MOST_APPS, -(-len(refs) // (jobs * BATCHES_A_PROCESS))))
    parts = [tuple(refs[start : start + size]) for start in range(0, len(refs), size)]
    one = partial(batch, work)
    with progress.stage(f"{doing} ({len(refs):,} apps)"):
        yield from _by_dask(one, parts, executor) if executor else _by_processes(one, parts, jobs)


def batch(work: Work[R], refs: Iterable[AppRef]) -> Batch[R]:
    """Return the batch of ``work`` on ``refs``."""
    try:
        return Batch(work(refs))
    except RollstepError as error:
        return Batch(None, error.findings, isinstance(error, UsageError))


def results(batches: Iterable[Batch[R]]) -> Iterator[R]:
    """Yield the results of ``batches`` up to the first finding; raise RollstepError with the findings of all."""
    findings: dict[Finding, None] = {}
    for found in batches:
        if found.is_usage:
            raise UsageError(found.findings)
        findings.update(dict.fromkeys(found.findings))
        if found.result is not None and not findings:
            yield found.result
    if findings:
        raise RollstepError(findings)


def jobs_for(apps: int) -> int:
    """Return the number of processes that do the work on so many apps fastest."""
    return max(1, min(_cpus(), apps // APPS_WORTH_A_PROCESS))


def check_executor(executor: str) -> None:
    """Raise UsageError for an unknown executor."""
    if executor and not (executor.startswith(DASK) and executor.removeprefix(DASK)):
        raise UsageError(f"--executor {executor}: expected {DASK}HOST:PORT, the address of a Dask scheduler")


def _by_processes(
    work: Callable[[Sequence[AppRef]], Batch[R]], parts: Sequence[Sequence[AppRef]], jobs: int
) -> Iterator[Batch[R]]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # A new interpreter, not a copy of this one without its threads.
    pool, is_done = ProcessPoolExecutor(jobs, get_context("spawn"), _begin), False
    try:
        yield from pool.map(work, parts)
        is_done = True
    except BrokenProcessPool as error:
        raise _ended("it may have been killed for its memory: try fewer --jobs") from error
    finally:
        # Idle processes take a while to end, and the interpreter waits for them at its end.
        pool.shutdown(wait=not is_done)


def _begin() -> None:
    from threading import Thread

    gc.set_threshold(GC_THRESHOLD)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process with the one that it works for: a killed process cannot end its children."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _by_dask(
    work: Callable[[Sequence[AppRef]], Batch[R]], parts: Sequence[Sequence[AppRef]], executor: str
) -> Iterator[Batch[R]]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise UsageError(f"--executor {executor} needs Dask: pip install 'rollstep[dask]'") from error
    with _connected(Client, executor) as client:
        futures = client.map(work, parts, pure=False, retries=RETRIES)
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


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
