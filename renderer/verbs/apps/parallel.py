"""Apps in batches: here one after another, or by processes and workers elsewhere where that pays (shell)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, UsageError
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace
from renderer.verbs import progress
from renderer.verbs.apps.executors import mapped
from renderer.verbs.cache.renders import RenderCache
from renderer.verbs.render.request import RenderRequest

if TYPE_CHECKING:
    from renderer.pipeline.write.new_files import NewFiles

R = TypeVar("R")
Work = Callable[[Workspace, Iterable[AppRef], RenderRequest], R]
"""What is done with the apps of a batch; a function of a module, so that another process finds it."""

AT_ONCE = 250
"""Apps that are rendered and validated before the next ones: what they take is all that a fleet takes."""
AT_ONCE_ELSEWHERE = 50
"""The least for a worker: so few that all have something to do."""
EACH = 2
"""Batches for each process, where these are not too large: the validator starts once for each."""
WORTH_A_PROCESS = 150
"""Apps to render that take a process much longer than it takes to start."""
SAMPLE = 20
"""Apps that are asked for before a fleet is rendered, whether what they come to is kept already."""


class Batch(Struct, Generic[R], frozen=True):
    """What came of some apps, or what is wrong with them."""

    made: R | None
    findings: tuple[Finding, ...] = ()
    is_usage: bool = False


def in_batches(
    work: Work[R],
    workspace: Workspace,
    request: RenderRequest,
    refs: Sequence[AppRef],
    doing: str,
    new_files: NewFiles | None = None,
) -> Iterator[R]:
    """Yield what ``work`` makes of the apps, batch by batch in their order, whoever does it; ``doing`` is for people.

    Processes on this machine get the folder of ``new_files`` as well.
    Raises RollstepError with the findings of all apps; after the first one nothing is yielded any more.
    """
    yield from _gathered(_batches(work, workspace, request, refs, doing, new_files))


def in_parts(work: Callable[[Sequence[AppRef]], R], refs: Sequence[AppRef], jobs: int, doing: str) -> Iterator[R]:
    """Yield what ``work`` makes of parts of ``refs``, in their order, by ``jobs`` processes; ``doing`` is for people.

    Raises RollstepError with the findings of all parts; after the first one nothing is yielded any more.
    """
    yield from _gathered(_elsewhere(work, refs, _size(len(refs), jobs), "", jobs, doing))


def _gathered(batches: Iterable[Batch[R]]) -> Iterator[R]:
    findings: dict[Finding, None] = {}
    for batch in batches:
        if batch.is_usage:
            raise UsageError(batch.findings)
        findings.update(dict.fromkeys(batch.findings))
        if batch.made is not None and not findings:
            yield batch.made
    if findings:
        raise RollstepError(findings)


def _batches(
    work: Callable[..., R],
    workspace: Workspace,
    request: RenderRequest,
    refs: Sequence[AppRef],
    doing: str,
    new_files: NewFiles | None,
) -> Iterator[Batch[R]]:
    jobs = request.jobs or _jobs_that_pay(workspace, request, refs)
    if new_files is not None and jobs > 1 and not request.executor:
        work = partial(work, folder=new_files.open())
    if request.executor or jobs > 1:
        alone = replace(request, directory=os.path.abspath(request.directory), jobs=1, executor="")
        size = AT_ONCE_ELSEWHERE if request.executor else _size(len(refs), jobs)
        yield from _elsewhere(partial(_opened, work, alone), refs, size, request.executor, jobs, doing)
        return
    queue = iter(progress.over(refs, doing))
    for _ in range(0, len(refs), AT_ONCE):
        yield _tried(partial(work, workspace, islice(queue, AT_ONCE), request))


def _elsewhere(
    work: Callable[[Sequence[AppRef]], R], refs: Sequence[AppRef], size: int, executor: str, jobs: int, doing: str
) -> Iterator[Batch[R]]:
    """Yield what other processes make of ``size`` apps each.

    They are told which apps there are: to look for them in each batch would take a time that grows with the fleet.
    """
    parts = [tuple(refs[start : start + size]) for start in range(0, len(refs), size)]
    with progress.stage(f"{doing} ({len(refs):,} apps)"):
        yield from mapped(partial(_tried_part, work), parts, executor, jobs)


def _tried_part(work: Callable[[Sequence[AppRef]], R], refs: Sequence[AppRef]) -> Batch[R]:
    return _tried(lambda: work(refs))


def _opened(work: Work[R], request: RenderRequest, refs: Sequence[AppRef]) -> R:
    """Do the work in another process, which has the same repository at the same place."""
    return work(Workspace.open(request.directory), refs, request)


def _tried(make: Callable[[], R]) -> Batch[R]:
    try:
        return Batch(make())
    except RollstepError as error:
        return Batch(None, error.findings, isinstance(error, UsageError))


def _jobs_that_pay(workspace: Workspace, request: RenderRequest, refs: Sequence[AppRef]) -> int:
    """Return how many processes render ``refs`` soonest: one where what they come to is kept already."""
    most = jobs_for(len(refs))
    if most < 2 or request.executor:
        return 1
    kept_renders = RenderCache.open(request.step) if request.keeps else None
    if kept_renders is None:
        return most
    sample = refs[:: max(1, len(refs) // SAMPLE)]
    missing = sum(not kept_renders.has(workspace.home(ref)) for ref in sample)
    return max(1, min(most, len(refs) * missing // (len(sample) * WORTH_A_PROCESS)))


def jobs_for(apps: int) -> int:
    """Return how many processes do the work of so many apps soonest, where all of it has to be done."""
    return max(1, min(_cpus(), apps // WORTH_A_PROCESS))


def _size(apps: int, jobs: int) -> int:
    """Return how many apps a process is given at once."""
    return max(AT_ONCE_ELSEWHERE, min(AT_ONCE, -(-apps // (jobs * EACH))))


def _cpus() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
