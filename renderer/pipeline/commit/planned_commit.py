"""Plans the commit of one or several apps: its files and its message, and the checks before it."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from msgspec import Struct

from renderer.errors import Finding, RollstepError, one_line
from renderer.git.attributes import converted
from renderer.git.commit import CommitResult, Identity, check_commit
from renderer.git.repository import Repository
from renderer.pipeline.commit.atomic import commit_transaction
from renderer.pipeline.commit.message import compose_message
from renderer.pipeline.commit.part import Part, Request
from renderer.pipeline.commit.trailers import BREAK_GLASS
from renderer.pipeline.commit.uncommitted import within
from renderer.pipeline.load.discover import Home
from renderer.pipeline.load.marker import MARKER
from renderer.pipeline.load.settings import CommitSettings
from renderer.pipeline.load.sources import OWN_FILES
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction


class PlannedCommit(Struct, frozen=True):
    """The plan of one commit of one or several apps."""

    repository: Repository
    parts: Sequence[Part]
    request: Request
    transaction: Transaction
    message: str

    @classmethod
    def of(
        cls,
        repository: Repository,
        parts: Sequence[Part],
        request: Request,
        uncommitted: Sequence[str],
        new_files: NewFiles,
    ) -> PlannedCommit:
        """Collect the files and the message of the commit; raise RollstepError if a file cannot be changed.

        Git has to store the rendered files as they are, and no filter of ``.gitattributes`` instead of them.
        ``uncommitted`` are the uncommitted sources of these apps, and maybe of others, sorted.  Writes the text of
        each file to ``new_files``.
        """
        transaction = Transaction(new_files)
        for part in parts:
            _stage(repository, transaction, part, request.include_sources, uncommitted)
        _check_attributes(repository, parts)
        return cls(repository, parts, request, transaction, _message(repository, parts, request))

    @property
    def identities(self) -> tuple[Identity | None, Identity | None]:
        """The author and the committer of the first app's settings; None for those of git's configuration."""
        return identities(self.parts[0].home.settings.commit)

    def checked(self) -> Self:
        """Return the plan; raise RollstepError with every reason against the commit."""
        self.transaction.check()
        author, committer = self.identities
        written = [path for path, exists in self.transaction.paths.items() if exists]
        check_commit(
            self.repository,
            written,
            author=author,
            committer=committer,
            when=self.request.now,
            allow_detached=self.request.allow_detached,
        )
        return self

    def publish(self) -> CommitResult | None:
        """Change the files and commit them, both or neither; return None if HEAD has all of them already."""
        author, committer = self.identities
        return commit_transaction(
            self.repository,
            self.transaction,
            self.message,
            author=author,
            committer=committer,
            when=self.request.now,
            allow_detached=self.request.allow_detached,
            dry_run=self.request.dry_run,
        )


def identities(settings: CommitSettings) -> tuple[Identity | None, Identity | None]:
    """Return the author and the committer of the settings; None for those of git's configuration."""
    people = (settings.author, settings.committer)
    author, committer = (Identity(person.name, person.email) if person else None for person in people)
    return author, committer


def sign_off(repository: Repository, author: Identity | None) -> str:
    """Return the sign-off line of the author, None for that of git's configuration; empty if git knows no author."""
    if author is None:
        # The format is "Name <mail> time zone".  Without an identity, git refuses the commit itself.
        ident = repository.run("var", "GIT_AUTHOR_IDENT", check=False).stdout.decode(errors="replace")
        if ">" not in ident:
            return ""
        author = Identity.parse(ident.rpartition(">")[0] + ">")
    return f"Signed-off-by: {author.name} <{author.email}>\n"


def _stage(
    repository: Repository, transaction: Transaction, part: Part, include_sources: bool, uncommitted: Sequence[str]
) -> None:
    settings = part.home.settings
    dirty = _uncommitted_sources(repository, part, uncommitted) if uncommitted else []
    if dirty and not include_sources:
        hint = "commit it first, or use --include-sources to put it into this commit"
        if settings.source.argv is not None:
            hint += "; if the command does not read it, set source.reads in rollstep.yaml"
        message = "is not committed, but the step would depend on it"
        raise RollstepError(Finding(name, 0, 0, "", message, hint) for name in dirty)
    for name in dirty:
        transaction.include(name)
    transaction.plan(part.planned, part.unchanged, read=part.read)


def _check_attributes(repository: Repository, parts: Sequence[Part]) -> None:
    start = f"{repository.root}/"
    found = converted(repository, [path.removeprefix(start) for part in parts for path in part.rendered_paths])
    hint = "take it out there, as `*.yaml -filter`; a secret belongs in a SealedSecret or an ExternalSecret"
    if found:
        raise RollstepError(
            Finding(path, 0, 0, "", f"git would not store it as it is rendered: {attribute} in .gitattributes", hint)
            for path, attribute in sorted(found.items())
        )


def _uncommitted_sources(repository: Repository, part: Part, uncommitted: Sequence[str]) -> list[str]:
    """Return those of ``uncommitted`` that an app depends on, without the files that rollstep writes."""
    inputs = [repository.relative(path) for path in within(repository, part.inputs)]
    found = sorted({path for place in inputs for path in _below(uncommitted, place)})
    return [path for path in found if not _is_generated(repository.root / path, part.home)]


def _below(paths: Sequence[str], place: str) -> Sequence[str]:
    """Return those of the sorted ``paths`` that are the file ``place`` or in the folder ``place``."""
    if place == ".":
        return paths
    start, end = bisect_left(paths, f"{place}/"), bisect_left(paths, f"{place}0")  # 0 comes right after /
    at = bisect_left(paths, place)
    return [*(path for path in paths[at : at + 1] if path == place), *paths[start:end]]


def _is_generated(path: Path, home: Home) -> bool:
    """Return whether rollstep writes a file itself, for this app or for another one."""
    output = home.settings.output
    if path.name in OWN_FILES:
        return path.parent == home.ref.folder or os.path.lexists(path.parent / output / MARKER)
    parents = path.parents
    return home.output in parents or any(os.path.lexists(folder / MARKER) for folder in parents)


def _message(repository: Repository, parts: Sequence[Part], request: Request) -> str:
    settings = parts[0].home.settings
    message = compose_message(
        [part.change for part in parts], user_templates=settings.templates, subject_text=settings.commit.message
    )
    if request.message:
        message = "\n".join([" ".join(request.message.split()), *message.split("\n")[1:]])
    if request.break_glass is not None:
        message += f"{BREAK_GLASS}: {one_line(request.break_glass)}\n"
    if settings.commit.signoff:
        message += sign_off(repository, identities(settings.commit)[0])
    return message
