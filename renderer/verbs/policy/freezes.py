"""``freezes.yaml`` at the repository's root: read, written, and committed by ``rollstep freeze`` (shell)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError, UsageError, one_line
from renderer.git.commit import CommitResult
from renderer.kubernetes.manifest import field_path
from renderer.kubernetes.times import format_time, parse_time
from renderer.kubernetes.yaml.reader import load_documents, read_text
from renderer.kubernetes.yaml.shape import TEXT, TIME, Fields, Items, mismatches
from renderer.pipeline.commit.atomic import commit_transaction
from renderer.pipeline.commit.planned_commit import identities, sign_off
from renderer.pipeline.commit.recovery import open_to_write
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.publish.push import Pusher, make_on_top
from renderer.pipeline.write.transaction import Transaction
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze, name_of

HEADER = "# Written by rollstep freeze: while one of these holds, no release of its environments goes forward.\n"
_FREEZE = Fields(
    {"name": TEXT, "environments": Items(TEXT), "from": TIME, "until": TIME, "reason": TEXT},
    frozenset({"name", "from", "until", "reason"}),
)
_SHAPE = Fields({"freezes": Items(_FREEZE)}, frozenset({"freezes"}))


class FreezeRequest(Struct, frozen=True):
    """How a freeze is to be committed; the fields are the options' names."""

    directory: str
    now: datetime | None = None
    dry_run: bool = False
    allow_detached: bool = False
    push: bool = False


def load_freezes(root: Path) -> tuple[Freeze, ...]:
    """Return the freezes of the repository at ``root``, none where it has no file; raises RollstepError."""
    path = root / FREEZES_FILE
    return parse_freezes(read_text(path, FREEZES_FILE)) if path.is_file() else ()


def parse_freezes(text: str) -> tuple[Freeze, ...]:
    """Return the freezes that the text of the file tells; raise RollstepError with everything wrong in it."""
    documents = load_documents(text, FREEZES_FILE)
    if not documents:
        return ()
    value, source = documents[0].value, documents[0].source
    wrong = list(mismatches(value, _SHAPE))
    if len(documents) > 1:
        wrong.append(((), "has several documents, expected one"))
    findings = [
        Finding(FREEZES_FILE, *source.position(path), field_path(path), message, "rollstep freeze writes this file")
        for path, message in wrong
    ]
    if findings:
        raise RollstepError(sorted(findings))
    return tuple(
        Freeze(
            name=entry["name"],
            environments=tuple(entry.get("environments", ())),
            start=parse_time(entry["from"]),
            until=parse_time(entry["until"]),
            reason=entry["reason"],
            line=source.position(("freezes", at))[0],
        )
        for at, entry in enumerate(value["freezes"])
    )


def dump_freezes(freezes: Sequence[Freeze]) -> str:
    """Return the text of the file."""
    from renderer.kubernetes.yaml.yaml_dump import dump

    return HEADER + dump({"freezes": [to_dict(freeze) for freeze in freezes]})


def to_dict(freeze: Freeze) -> dict[str, Any]:
    """Return a freeze as the file has it."""
    environments = {"environments": list(freeze.environments)} if freeze.environments else {}
    times = {"from": format_time(freeze.start), "until": format_time(freeze.until)}
    return {"name": freeze.name, **environments, **times, "reason": freeze.reason}


def add_freeze(
    request: FreezeRequest,
    *,
    environments: Sequence[str],
    start: datetime | None,
    until: datetime,
    reason: str,
    name: str,
) -> tuple[Freeze, CommitResult | None]:
    """Commit a new freeze, which begins at ``start`` (None: now); return it with its commit.

    Raises RollstepError where it would end before it begins, and UsageError for an environment that is not there.
    """
    reason = one_line(reason)
    if not reason:
        raise UsageError("a freeze needs a reason")

    def added(desk: _Desk) -> Made:
        desk.check_environments(environments)
        begin = start or desk.now
        if until <= max(begin, desk.now):
            raise UsageError(f"--until {format_time(until)} is over when the freeze begins or is added")
        if name in {freeze.name for freeze in desk.freezes}:
            raise RollstepError(f"there is a freeze {name} already", hint="lift it first, or choose another --name")
        freeze = Freeze(name or name_of(reason, desk.freezes), tuple(sorted(set(environments))), begin, until, reason)
        subject = f"Freeze {freeze.where} until {format_time(until)}: {reason}"
        return freeze, desk.commit((*desk.freezes, freeze), subject, freeze.name)

    return _Desk(request).do(added)


def lift_freeze(request: FreezeRequest, name: str, reason: str) -> tuple[Freeze, CommitResult | None]:
    """Take a freeze out of the file and commit that; raise UsageError where there is none of that name."""

    def lifted(desk: _Desk) -> Made:
        found = next((freeze for freeze in desk.freezes if freeze.name == name), None)
        if found is None and desk.seen(name):
            message = f"somebody else has lifted the freeze {name} meanwhile"
            raise RollstepError([Finding(FREEZES_FILE, 0, 0, "", message, "rollstep freeze list tells what is left")])
        if found is None:
            known = ", ".join(freeze.name for freeze in desk.freezes)
            raise UsageError(f"there is no freeze {name}" + (f" (there are {known})" if known else ""))
        why = one_line(reason)
        subject = f"Lift the freeze of {found.where}" + (f": {why}" if why else "")
        return found, desk.commit([freeze for freeze in desk.freezes if freeze.name != name], subject, name)

    return _Desk(request).do(lifted)


Made = tuple[Freeze, CommitResult | None]
"""A freeze and the commit that adds or lifts it."""


class _Desk:
    """The file in a repository's work tree, and how it is committed."""

    def __init__(self, request: FreezeRequest) -> None:
        self._request = request
        self.now = request.now or current_time()
        self._workspace, self._repository = open_to_write(request.directory, dry_run=request.dry_run)
        self.freezes = load_freezes(self._workspace.root)
        self._begun_with = {freeze.name for freeze in self.freezes}
        self._pusher = Pusher(self._repository, self._workspace.settings.forge) if request.push else None

    def do(self, change: Callable[[_Desk], Made]) -> Made:
        """Make ``change`` and push it where that is asked for: on top of what others pushed first, as verbs do it."""
        if self._pusher is None or self._request.dry_run:
            return change(self)
        return make_on_top(self._pusher, self._read, lambda: change(self))

    def _read(self) -> None:
        """Read what the repository has now."""
        self._workspace = Workspace.open(self._request.directory)
        self.freezes = load_freezes(self._workspace.root)

    def seen(self, name: str) -> bool:
        """Tell whether there was a freeze of that name before what others have pushed was taken over."""
        return name in self._begun_with

    def check_environments(self, environments: Sequence[str]) -> None:
        known = {ref.environment for ref in self._workspace.apps(())}
        unknown = sorted(set(environments) - known)
        if unknown:
            raise UsageError(f"there is no environment {', '.join(unknown)} (there are {', '.join(sorted(known))})")

    def commit(self, freezes: Sequence[Freeze], subject: str, name: str) -> CommitResult | None:
        dirty = self._repository.dirty([FREEZES_FILE])
        if dirty:
            raise RollstepError([Finding(FREEZES_FILE, 0, 0, "", "is not committed", "commit it, or take it back")])
        transaction = Transaction(self._repository.root)
        transaction.write(FREEZES_FILE, dump_freezes(freezes))
        settings = self._workspace.settings.for_app("", "").commit
        author, committer = identities(settings)
        trailers = f"Rollstep-Freeze: {name}\n"
        if settings.signoff:
            trailers += sign_off(self._repository, author)
        return commit_transaction(
            self._repository,
            transaction,
            f"{subject}\n\n{trailers}",
            author=author,
            committer=committer,
            when=self._request.now,
            allow_detached=self._request.allow_detached,
            dry_run=self._request.dry_run,
        )
