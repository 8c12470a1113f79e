"""From what a verb came to for some apps to one commit: its files, its message, and what stands against it (shell)."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from renderer.app_release import Release, Rendered
from renderer.changes import ObjectChange
from renderer.commit import CommitResult, Identity, check_commit, identities, sign_off
from renderer.describe import step_change
from renderer.errors import Finding, RollstepError
from renderer.freeze import BREAK_GLASS
from renderer.git import MANY, Repository
from renderer.layouts import one_line
from renderer.manifest import Manifest, ObjectKey
from renderer.message import compose_message
from renderer.outcome import Outcome, Request
from renderer.publish import publish
from renderer.release import Move, Wait
from renderer.settings import SETTINGS_FILE, CommitSettings
from renderer.source_edit import edited_sources
from renderer.state import STATUS_FILE
from renderer.transaction import Transaction
from renderer.write import MARKER, Changes
from renderer.yaml_io import load_documents


@dataclass(frozen=True, slots=True)
class Publication:
    """One commit that is about to be made for one or several apps."""

    repository: Repository
    outcomes: Sequence[Outcome]
    request: Request
    transaction: Transaction
    message: str

    @classmethod
    def of(
        cls, repository: Repository, outcomes: Sequence[Outcome], request: Request, uncommitted: Sequence[str]
    ) -> Publication:
        """Collect the files and the message of the commit; raise RollstepError where a file cannot be changed.

        ``uncommitted`` is what :func:`uncommitted_sources` has found of these apps, and maybe of others, sorted.
        """
        transaction = Transaction(repository.root)
        for outcome in outcomes:
            _stage(repository, transaction, outcome, request.include_sources, uncommitted)
        return cls(repository, outcomes, request, transaction, _message(repository, outcomes, request))

    @property
    def settings(self) -> CommitSettings:
        """How the commit is made: the first app's settings."""
        return self.outcomes[0].release.app.settings.commit

    @property
    def identities(self) -> tuple[Identity | None, Identity | None]:
        """The author and the committer, None where git's configuration says them."""
        return identities(self.settings)

    def check(self) -> None:
        """Raise RollstepError with what stands against the commit; write nothing."""
        self.transaction.check()
        author, committer = self.identities
        written = [path for path, content in self.transaction.contents.items() if content is not None]
        check_commit(
            self.repository,
            written,
            author=author,
            committer=committer,
            when=self.request.now,
            allow_detached=self.request.allow_detached,
        )

    def publish(self) -> CommitResult | None:
        """Change the files and commit them, both or neither; None where HEAD has all of it already."""
        author, committer = self.identities
        return publish(
            self.repository,
            self.transaction,
            self.message,
            author=author,
            committer=committer,
            when=self.request.now,
            allow_detached=self.request.allow_detached,
            dry_run=self.request.dry_run,
        )


def uncommitted_sources(repository: Repository, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return what is not as in HEAD, sorted: of the files that apps are made from, and maybe of others."""
    folders = sorted({path for outcome in outcomes for path in made_from(repository, outcome.release)})
    # Git holds every path of a list against every file that it has: of a fleet, it tells everything sooner.
    return repository.dirty(folders if len(folders) <= MANY else ()) if folders else ()


def _stage(
    repository: Repository,
    transaction: Transaction,
    outcome: Outcome,
    include_sources: bool,
    uncommitted: Sequence[str],
) -> None:
    release, made = outcome.release, outcome.rendered
    assert made is not None and outcome.move is not None and outcome.changes is not None
    dirty = _own(repository, release, uncommitted) if uncommitted else []
    if dirty and not include_sources:
        hint = "commit it first, or use --include-sources to put it into this commit"
        if release.app.settings.source.argv is not None:
            hint += "; if the command does not read it, say what it reads: source.reads in rollstep.yaml"
        message = "is not committed, and the step would be made from it"
        raise RollstepError(Finding(name, 0, 0, "", message, hint) for name in dirty)
    for name in dirty:
        transaction.include(name)
    for path, text in edited_sources(release, outcome.move).items():
        if text is None:
            transaction.delete(path)
        else:
            transaction.write(path, text)
    outcome.changes.stage(transaction)
    transaction.write(release.folder / STATUS_FILE, made.status_text)


def _own(repository: Repository, release: Release, uncommitted: Sequence[str]) -> list[str]:
    """Return those of ``uncommitted`` that an app is made from; what rollstep writes is none."""
    sources = [repository.relative(path) for path in made_from(repository, release)]
    found = sorted({path for source in sources for path in _below(uncommitted, source)})
    return [path for path in found if not _is_made(repository.root / path, release)]


def _below(paths: Sequence[str], place: str) -> Sequence[str]:
    """Return those of ``paths``, which are sorted, that are the file ``place`` or in the folder ``place``."""
    if place == ".":
        return paths
    start, end = bisect_left(paths, f"{place}/"), bisect_left(paths, f"{place}0")  # 0 comes right after /
    at = bisect_left(paths, place)
    itself = [path for path in paths[at : at + 1] if path == place]
    return [*itself, *paths[start:end]]


def made_from(repository: Repository, release: Release) -> list[Path]:
    """Return the files and folders that an app is made from, sorted; what lies outside the repository git has not."""
    settings = release.app.settings
    templates = [] if settings.templates is None else [settings.templates]
    # What a command reads it alone knows: without a setting, that may be anything in the repository.
    reads = [release.root / path for path in settings.source.reads] if settings.source.argv is not None else []
    paths = [release.folder, release.root / SETTINGS_FILE, *release.app.files, *templates, *reads]
    normal = {Path(os.path.abspath(path)) for path in paths}
    return sorted(path for path in normal if path.is_relative_to(repository.root))


def _is_made(path: Path, release: Release) -> bool:
    """Tell whether rollstep wrote a file itself, for this app or for another one."""
    output = release.app.settings.output
    if path.name == STATUS_FILE:
        return path.parent == release.folder or os.path.lexists(path.parent / output / MARKER)
    parents = path.parents
    return release.output in parents or any(os.path.lexists(folder / MARKER) for folder in parents)


def _message(repository: Repository, outcomes: Sequence[Outcome], request: Request) -> str:
    changes = [outcome.change for outcome in outcomes if outcome.change is not None]
    settings = outcomes[0].release.app.settings
    message = compose_message(changes, user_templates=settings.templates, subject_text=settings.commit.message)
    if request.message:
        message = "\n".join([" ".join(request.message.split()), *message.split("\n")[1:]])
    if request.break_glass is not None:
        message += f"{BREAK_GLASS}: {one_line(request.break_glass)}\n"
    if settings.commit.signoff:
        message += sign_off(repository, identities(settings.commit)[0])
    return message


def outcome_of(
    release: Release, move: Move, rendered: Rendered, changes: Changes, verb: str, name: str, reason: Wait | None = None
) -> Outcome:
    """Return the outcome of ``move`` with what its commit says; ``verb`` is the command with its options."""
    change = step_change(move, release.app.ref.name, release.app.ref.environment, name)
    objects = (*change.objects, *other_changes(changes, change.objects))
    return Outcome(release, move, rendered, changes, replace(change, verb=verb, objects=objects), reason)


def other_changes(changes: Changes, told: Collection[ObjectChange]) -> tuple[ObjectChange, ...]:
    """Return what ``changes`` do to objects that are no ReplicaSets and not among those that are ``told`` already."""
    texts = {
        "created": changes.created,
        "changed": {name: new for name, (_, new) in changes.updated.items()},
        "removed": changes.deleted,
    }
    known = {(change.kind, change.name) for change in told}
    found = {
        (key.kind, key.name): word
        for word, files in texts.items()
        for name in files.keys() - {"kustomization.yaml"}
        for key in _keys(files[name], name)
        if key.kind != "ReplicaSet"
    }
    return tuple(ObjectChange(*key, found[key]) for key in sorted(found.keys() - known))


def _keys(text: str, name: str) -> Iterator[ObjectKey]:
    try:
        documents = load_documents(text, name)
    except RollstepError:
        # An old file that somebody has damaged: it is written anew.
        return
    for document in documents:
        if isinstance(document.value, dict):
            yield Manifest(document.value).key
