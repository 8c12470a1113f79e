"""Edits of a file at the repository's root that holds a policy, each in a commit of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from renderer.errors import Finding, RollstepError, UsageError
from renderer.git.commit import CommitResult
from renderer.git.repository import Repository
from renderer.pipeline.commit.atomic import commit_transaction
from renderer.pipeline.commit.part import Request
from renderer.pipeline.commit.planned_commit import identities, sign_off
from renderer.pipeline.commit.recovery import open_to_write
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.publish.push import Pusher, make_on_top
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction

T = TypeVar("T")


@contextmanager
def open_policy_file(request: Request, note: Callable[[str], object], file: str) -> Iterator[PolicyFile]:
    """Open the repository for one edit of ``file``, the name of a file at its root."""
    with open_to_write(request.directory, dry_run=request.dry_run, note=note) as (workspace, repository):
        yield PolicyFile(request, workspace, repository, note, file)


class PolicyFile:
    """A policy's file in a work tree; ``now`` is the time of the run (UTC)."""

    def __init__(
        self,
        request: Request,
        workspace: Workspace,
        repository: Repository,
        note: Callable[[str], object],
        file: str,
    ) -> None:
        self._request = request
        self._workspace = workspace
        self._repository = repository
        self._file = file
        self.now = request.now or current_time()
        self._pusher = Pusher(repository, workspace.settings.forge, note) if request.push else None

    @property
    def root(self) -> Path:
        """The root of the work tree."""
        return self._workspace.root

    def run(self, edit: Callable[[], T]) -> T:
        """Return the result of ``edit``, which reads the file and commits it.

        With ``--push``, the edit is made on top of the remote branch, again if others push first, and its commit is
        pushed.
        """
        if self._pusher is None or self._request.dry_run:
            return edit()
        return make_on_top(self._pusher, self._reload, edit)

    def _reload(self) -> None:
        self._workspace = Workspace.open(self._request.directory)

    def check_environments(self, environments: Sequence[str]) -> None:
        """Raise UsageError for an environment that does not exist."""
        _check("environment", environments, {ref.environment for ref in self._workspace.apps(())})

    def check_app(self, app: str) -> None:
        """Raise UsageError for an app that no environment has."""
        _check("app", [app], {ref.name for ref in self._workspace.apps(())})

    def commit(
        self, text: str, subject: str, trailers: Iterable[tuple[str, str]], body: str = ""
    ) -> CommitResult | None:
        """Write and commit the file's new text; return None for a dry run.

        Raises RollstepError for a file with uncommitted changes.
        """
        if self._repository.dirty([self._file]):
            message, hint = "has uncommitted changes", "commit them, or undo them with git restore"
            raise RollstepError([Finding(self._file, 0, 0, "", message, hint)])
        settings = self._workspace.settings.for_app("", "").commit
        author, committer = identities(settings)
        lines = "".join(f"{key}: {value}\n" for key, value in trailers)
        if settings.signoff:
            lines += sign_off(self._repository, author)
        with NewFiles(self._repository.root, in_memory=self._request.dry_run) as new_files:
            return commit_transaction(
                self._repository,
                Transaction(new_files).write(self._file, text),
                "\n\n".join(filter(None, (subject, body, lines))),
                author=author,
                committer=committer,
                when=self._request.now,
                allow_detached=self._request.allow_detached,
                dry_run=self._request.dry_run,
            )


def _check(kind: str, names: Sequence[str], known: set[str]) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise UsageError(f"there is no {kind} {', '.join(unknown)} (there are {', '.join(sorted(known))})")
