"""Finds the uncommitted sources of apps: nobody could make a step again that is made from them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

from renderer.git.process import Running
from renderer.git.repository import MANY, Repository


class Uncommitted:
    """The uncommitted sources of apps, as a context in which git runs.

    `git status` may take as long as to render an app, so it starts as soon as one app has been read.
    """

    def __init__(self, repository: Repository) -> None:
        """Take the repository that the apps are in."""
        self._repository = repository
        self._asked: dict[tuple[str, ...], Running] = {}
        self._ends = ExitStack()

    def ask(self, made_from: Iterable[str]) -> None:
        """Start `git status` for the absolute paths that an app is made from."""
        places = self._places([made_from])
        if places:
            self._asked[places] = self._ends.enter_context(self._repository.status(places))

    def of(self, made_from: Iterable[Iterable[str]]) -> tuple[str, ...]:
        """Return the files that are not as in HEAD, sorted: those that the apps are made from, and maybe others."""
        places = self._places(made_from)
        asked = self._asked.get(places)
        if asked is not None:
            return self._repository.dirty_of(asked)
        # Git compares each listed path with each of its files: for a fleet, the whole status is faster.
        return self._repository.dirty(places if len(places) <= MANY else ()) if places else ()

    def __enter__(self) -> Uncommitted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.__exit__(kind, error, trace)

    def _places(self, made_from: Iterable[Iterable[str]]) -> tuple[str, ...]:
        return tuple(sorted({path for paths in made_from for path in within(self._repository, paths)}))


def within(repository: Repository, paths: Iterable[str]) -> list[str]:
    """Return those of the absolute ``paths`` that lie in the repository: what lies outside git has not."""
    root = str(repository.root)
    return [path for path in paths if path == root or path.startswith(f"{root.rstrip('/')}/")]
