"""``rollstep freeze``: add a freeze to ``freezes.yaml`` or lift one, each in a commit of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from renderer.errors import Finding, RollstepError, UsageError, one_line
from renderer.git.commit import CommitResult
from renderer.git.repository import Repository
from renderer.kubernetes.times import format_time
from renderer.pipeline.commit.atomic import commit_transaction
from renderer.pipeline.commit.part import Request
from renderer.pipeline.commit.planned_commit import identities, sign_off
from renderer.pipeline.commit.recovery import open_to_write
from renderer.pipeline.commit.trailers import FREEZE
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.publish.push import Pusher, make_on_top
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze, new_name
from renderer.verbs.policy.freezes import dump_freezes, load_freezes

FreezeCommit = tuple[Freeze, CommitResult | None]
"""A freeze and the commit that adds or lifts it; None for a dry run."""


def add_freeze(
    request: Request,
    note: Callable[[str], object],
    *,
    environments: Sequence[str],
    start: datetime | None,
    until: datetime,
    reason: str,
    name: str,
) -> FreezeCommit:
    """Commit a new freeze from ``start`` (None: now) to ``until``; an empty ``name`` is derived from the reason.

    Raises UsageError for a missing reason, an unknown environment and an end in the past, and RollstepError for a name
    in use.
    """
    reason = one_line(reason)
    if not reason:
        raise UsageError("a freeze needs a reason")

    def add(editor: _FreezesEditor) -> FreezeCommit:
        editor.check_environments(environments)
        begin = start or editor.now
        if until <= max(begin, editor.now):
            raise UsageError(f"--until {format_time(until)} has to be later than now and than --from")
        if name in {freeze.name for freeze in editor.freezes}:
            raise RollstepError(f"the freeze {name} exists already", hint="lift it first, or choose another --name")
        own_name = name or new_name(reason, editor.freezes)
        freeze = Freeze(own_name, tuple(sorted(set(environments))), begin, until, reason)
        subject = f"Freeze {freeze.where} until {format_time(until)}: {reason}"
        return freeze, editor.commit((*editor.freezes, freeze), subject, freeze.name)

    return _edit(request, note, add)


def lift_freeze(request: Request, note: Callable[[str], object], name: str, reason: str) -> FreezeCommit:
    """Commit the removal of a freeze from the file; raise UsageError for an unknown name."""

    def lift(editor: _FreezesEditor) -> FreezeCommit:
        found = next((freeze for freeze in editor.freezes if freeze.name == name), None)
        if found is None and name in editor.names_at_start:
            message = f"somebody else has lifted the freeze {name} meanwhile"
            raise RollstepError([Finding(FREEZES_FILE, 0, 0, "", message, "rollstep freeze list prints the others")])
        if found is None:
            known = ", ".join(freeze.name for freeze in editor.freezes)
            raise UsageError(f"there is no freeze {name}" + (f" (there are {known})" if known else ""))
        why = one_line(reason)
        subject = f"Lift the freeze of {found.where}" + (f": {why}" if why else "")
        return found, editor.commit([freeze for freeze in editor.freezes if freeze.name != name], subject, name)

    return _edit(request, note, lift)


def _edit(
    request: Request, note: Callable[[str], object], edit: Callable[[_FreezesEditor], FreezeCommit]
) -> FreezeCommit:
    with open_to_write(request.directory, dry_run=request.dry_run, note=note) as opened:
        return _FreezesEditor(request, opened, note).run(edit)


class _FreezesEditor:
    """Edits and commits ``freezes.yaml`` in a work tree.

    ``names_at_start`` are the freezes before a push merged those of others.
    """

    def __init__(self, request: Request, opened: tuple[Workspace, Repository], note: Callable[[str], object]) -> None:
        self._request = request
        self.now = request.now or current_time()
        self._workspace, self._repository = opened
        self.freezes = load_freezes(self._workspace.root)
        self.names_at_start = {freeze.name for freeze in self.freezes}
        forge = self._workspace.settings.forge
        self._pusher = Pusher(self._repository, forge, note) if request.push else None

    def run(self, edit: Callable[[_FreezesEditor], FreezeCommit]) -> FreezeCommit:
        """Run ``edit``; with ``--push``, on top of the remote branch, and push the commit."""
        if self._pusher is None or self._request.dry_run:
            return edit(self)
        return make_on_top(self._pusher, self._reload, lambda: edit(self))

    def _reload(self) -> None:
        self._workspace = Workspace.open(self._request.directory)
        self.freezes = load_freezes(self._workspace.root)

    def check_environments(self, environments: Sequence[str]) -> None:
        known = {ref.environment for ref in self._workspace.apps(())}
        unknown = sorted(set(environments) - known)
        if unknown:
            raise UsageError(f"there is no environment {', '.join(unknown)} (there are {', '.join(sorted(known))})")

    def commit(self, freezes: Sequence[Freeze], subject: str, name: str) -> CommitResult | None:
        if self._repository.dirty([FREEZES_FILE]):
            message, hint = "has uncommitted changes", "commit them, or undo them with git restore"
            raise RollstepError([Finding(FREEZES_FILE, 0, 0, "", message, hint)])
        settings = self._workspace.settings.for_app("", "").commit
        author, committer = identities(settings)
        trailers = f"{FREEZE}: {name}\n"
        if settings.signoff:
            trailers += sign_off(self._repository, author)
        with NewFiles(self._repository.root, in_memory=self._request.dry_run) as new_files:
            return commit_transaction(
                self._repository,
                Transaction(new_files).write(FREEZES_FILE, dump_freezes(freezes)),
                f"{subject}\n\n{trailers}",
                author=author,
                committer=committer,
                when=self._request.now,
                allow_detached=self._request.allow_detached,
                dry_run=self._request.dry_run,
            )
