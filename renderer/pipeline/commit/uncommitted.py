"""Finds the uncommitted sources of apps, from which nobody could repeat a step."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

from renderer.git.process import Running
from renderer.git.repository import MANY, Repository


class Uncommitted:
    """The uncommitted sources of apps, as a context in which ``git status`` runs.

    ``git status`` may be as slow as a render, so it can start before the render.
    """

    def __init__(self, repository: Repository) -> None:
        """Take the repository of the apps."""
        self._repository = repository
        self._running: dict[tuple[str, ...], Running] = {}
        self._contexts = ExitStack()

    def start(self, inputs: Iterable[str]) -> None:
        """Start ``git status`` for the inputs of an app, which are absolute paths."""
        paths = self._paths([inputs])
        if paths:
            self._running[paths] = self._contexts.enter_context(self._repository.status(paths))

    def of(self, inputs: Iterable[Iterable[str]]) -> tuple[str, ...]:
        """Return the files that differ from HEAD, sorted: those among the inputs of the apps, and maybe others."""
        paths = self._paths(inputs)
        running = self._running.get(paths)
        if running is not None:
            return self._repository.dirty_of(running)
        # Git compares each listed path with each of its files: for many paths, the whole status is faster.
        return self._repository.dirty(paths if len(paths) <= MANY else ()) if paths else ()

    def __enter__(self) -> Uncommitted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._contexts.__exit__(kind, error, trace)

    def _paths(self, inputs: Iterable[Iterable[str]]) -> tuple[str, ...]:
        return tuple(sorted({path for paths in inputs for path in within(self._repository, paths)}))


def within(repository: Repository, paths: Iterable[str]) -> list[str]:
    """Return those of the absolute ``paths`` that are in the repository."""
    root = str(repository.root)
    return [path for path in paths if path == root or path.startswith(f"{root.rstrip('/')}/")]
