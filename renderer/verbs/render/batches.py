"""Renders apps in batches: one after another in this process, or in several processes where that is faster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.workspace import Workspace
from renderer.verbs import progress
from renderer.verbs.apps import parallel
from renderer.verbs.render.request import RenderRequest

if TYPE_CHECKING:
    from renderer.pipeline.write.new_files import NewFiles

R = TypeVar("R")
SAMPLE = 20
"""Apps that are looked up in the cache before a fleet is rendered."""


def in_batches(
    work: Callable[..., R],
    workspace: Workspace,
    request: RenderRequest,
    refs: Sequence[AppRef],
    doing: str,
    new_files: NewFiles | None = None,
) -> Iterator[R]:
    """Return the results of ``work(workspace, refs, request)`` for each batch of apps, in their order.

    ``doing`` is shown as progress.  Other processes on this machine also get the folder of ``new_files``.  Raises
    RollstepError with the findings of all apps; after the first finding there are no more results.
    """
    jobs = request.jobs or _jobs_for(workspace, request, refs)
    if request.executor or jobs > 1:
        if new_files is not None and not request.executor:
            work = partial(work, folder=new_files.open())
        alone = replace(request, directory=os.path.abspath(request.directory), jobs=1, executor="")
        work_there = partial(_work_in_worker, work, alone)
        return parallel.results(parallel.map_batches(work_there, refs, doing, jobs=jobs, executor=request.executor))
    queue = iter(progress.over(refs, doing))
    batches = (islice(queue, parallel.MAX_BATCH) for _ in range(0, len(refs), parallel.MAX_BATCH))
    return parallel.results(parallel.run_batch(lambda refs: work(workspace, refs, request), refs) for refs in batches)


def _work_in_worker(work: Callable[..., R], request: RenderRequest, refs: Iterable[AppRef]) -> R:
    """Do the work in another process, which has the same repository at the same path."""
    return work(Workspace.open(request.directory), refs, request)


def _jobs_for(workspace: Workspace, request: RenderRequest, refs: Sequence[AppRef]) -> int:
    """Return the number of processes that is fastest for ``refs``: one if the cache has them."""
    most = parallel.jobs_for(len(refs))
    if most < 2 or request.executor:
        return 1
    cache = request.open_cache()
    if cache is None:
        return most
    sample = refs[:: max(1, len(refs) // SAMPLE)]
    missing = sum(not cache.has(workspace.home(ref)) for ref in sample)
    return max(1, min(most, len(refs) * missing // (len(sample) * parallel.APPS_PER_PROCESS)))
