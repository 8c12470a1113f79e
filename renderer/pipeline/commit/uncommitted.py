"""Which sources of apps are not committed: a step that is made of them could not be made again (shell)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType

from renderer.git.process import Running
from renderer.git.repository import MANY, Repository
from renderer.pipeline.commit.part import Part


class Uncommitted:
    """What git is asked about the sources of apps, as a context: it ends with that.

    Git looks at every file of a repository, which may take as long as to render an app: of one app it is asked as soon
    as that has been read.  What is edited later is told as well, as long as git has not looked there yet.
    """

    def __init__(self, repository: Repository) -> None:
        """Take the repository that the apps are in."""
        self._repository = repository
        self._asked: dict[tuple[str, ...], Running] = {}
        self._ends = ExitStack()

    def ask(self, made_from: Iterable[str]) -> None:
        """Let git look at the absolute paths that an app has been made from."""
        places = self._places([made_from])
        if places:
            self._asked[places] = self._ends.enter_context(self._repository.status(places))

    def of(self, parts: Sequence[Part]) -> tuple[str, ...]:
        """Return what is not as in HEAD, sorted: of the files that the apps are made from, and maybe of others."""
        places = self._places(part.made_from for part in parts)
        asked = self._asked.get(places)
        if asked is not None:
            return self._repository.dirty_of(asked)
        # Git holds every path of a list against every file that it has: of a fleet, it tells everything sooner.
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
