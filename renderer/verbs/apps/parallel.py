"""Divides the work on apps among processes on this machine or the workers of a Dask scheduler."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from msgspec import Struct

from renderer.errors import Finding, RollstepError, UsageError
from renderer.pipeline.load.discover import AppRef
from renderer.verbs import progress

R = TypeVar("R")
Work = Callable[[Iterable[AppRef]], R]
"""The work of a process on some apps: a function of a module, or a partial of one, which can be pickled."""

MAX_BATCH, MIN_BATCH = 250, 50
"""Apps in one batch: their manifests are in memory together, and each batch starts the validator once."""
BATCHES_PER_PROCESS = 2
APPS_PER_PROCESS = 150
"""Apps that are worth the start of a process."""

DASK = "dask://"
CONNECT_TIMEOUT = "20s"
RETRIES = 3
"""The times that a batch is given to another worker after its worker has died."""


class BatchResult(Struct, Generic[R], frozen=True):
    """The result of the work on one batch of apps, or its findings."""

    result: R | None
    findings: tuple[Finding, ...] = ()
    is_usage: bool = False


def map_batches(
    work: Work[R], refs: Sequence[AppRef], doing: str, *, jobs: int, executor: str = ""
) -> Iterator[BatchResult[R]]:
    """Yield the results of ``work`` on batches of ``refs``, in their order; ``doing`` is shown as progress.

    ``jobs`` processes do the work, or the workers of an ``executor`` (``dask://HOST:PORT``).  Raises RollstepError if
    the scheduler does not answer, and if a worker dies and no other one can do its work.
    """
    size = MIN_BATCH if executor else max(MIN_BATCH, min(MAX_BATCH, -(-len(refs) // (jobs * BATCHES_PER_PROCESS))))
    batches = [tuple(refs[start : start + size]) for start in range(0, len(refs), size)]
    run = partial(run_batch, work)
    with progress.stage(f"{doing} ({len(refs):,} apps)"):
        yield from _by_dask(run, batches, executor) if executor else _by_processes(run, batches, jobs)


def run_batch(work: Work[R], refs: Iterable[AppRef]) -> BatchResult[R]:
    """Return the result of ``work`` on ``refs``, or the findings that it raises."""
    try:
        return BatchResult(work(refs))
    except RollstepError as error:
        return BatchResult(None, error.findings, isinstance(error, UsageError))


def results(batches: Iterable[BatchResult[R]]) -> Iterator[R]:
    """Yield the results of ``batches`` up to the first finding; raise RollstepError with the findings of all."""
    findings: dict[Finding, None] = {}
    for batch in batches:
        if batch.is_usage:
            raise UsageError(batch.findings)
        findings.update(dict.fromkeys(batch.findings))
        if batch.result is not None and not findings:
            yield batch.result
    if findings:
        raise RollstepError(findings)


def jobs_for(apps: int) -> int:
    """Return the number of processes that is fastest for so many apps."""
    return max(1, min(_cpus(), apps // APPS_PER_PROCESS))


def check_executor(executor: str) -> None:
    """Raise UsageError for an unknown executor."""
    if executor and not (executor.startswith(DASK) and executor.removeprefix(DASK)):
        raise UsageError(f"--executor {executor}: expected {DASK}HOST:PORT, the address of a Dask scheduler")


def _by_processes(
    run: Callable[[Sequence[AppRef]], BatchResult[R]], batches: Sequence[Sequence[AppRef]], jobs: int
) -> Iterator[BatchResult[R]]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # A forked copy would lack the threads of this process.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, gc.get_threshold())
    is_done = False
    try:
        yield from pool.map(run, batches)
        is_done = True
    except BrokenProcessPool as error:
        raise _worker_died("it may have been killed for its memory: try fewer --jobs") from error
    finally:
        # Idle processes take a while to end; the interpreter waits for them when it exits.
        pool.shutdown(wait=not is_done)


def _start_worker(*gc_threshold: int) -> None:
    from threading import Thread

    gc.set_threshold(*gc_threshold)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent ends: a killed parent cannot end its children."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _by_dask(
    run: Callable[[Sequence[AppRef]], BatchResult[R]], batches: Sequence[Sequence[AppRef]], executor: str
) -> Iterator[BatchResult[R]]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise UsageError(f"--executor {executor} needs Dask: pip install 'rollstep[dask]'") from error
    connect: Any = Client  # Dask has no types.
    try:
        client = connect(f"tcp://{executor.removeprefix(DASK)}", timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        message = f"no Dask scheduler answers: {error}"
        raise RollstepError([Finding(executor, 0, 0, "", message, "start one: dask scheduler")]) from error
    with client:
        futures = client.map(run, batches, pure=False, retries=RETRIES)
        try:
            for future in futures:
                yield future.result()
                future.release()
        except KilledWorker as error:
            raise _worker_died("see the logs of the workers") from error
        finally:
            client.cancel(futures)


def _worker_died(hint: str) -> RollstepError:
    return RollstepError([Finding("", 0, 0, "", "a worker ended before its apps were rendered", hint)])


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
