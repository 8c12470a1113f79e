"""``rollstep freeze``: add a freeze to ``freezes.yaml`` or lift one, each in a commit of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from renderer.errors import Finding, RollstepError, UsageError, one_line
from renderer.git.commit import CommitResult
from renderer.kubernetes.times import format_time
from renderer.pipeline.commit.part import Request
from renderer.pipeline.commit.trailers import FREEZE
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze, new_name
from renderer.verbs.policy.freezes import dump_freezes, load_freezes
from renderer.verbs.policy_file import open_policy_file

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
    with open_policy_file(request, note, FREEZES_FILE) as file:

        def add() -> FreezeCommit:
            freezes = load_freezes(file.root)
            file.check_environments(environments)
            begin = start or file.now
            if until <= max(begin, file.now):
                raise UsageError(f"--until {format_time(until)} has to be later than now and than --from")
            if name in {freeze.name for freeze in freezes}:
                raise RollstepError(f"the freeze {name} exists already", hint="lift it first, or choose another --name")
            own_name = name or new_name(reason, freezes)
            freeze = Freeze(own_name, tuple(sorted(set(environments))), begin, until, reason)
            subject = f"Freeze {freeze.where} until {format_time(until)}: {reason}"
            return freeze, file.commit(dump_freezes((*freezes, freeze)), subject, [(FREEZE, freeze.name)])

        return file.run(add)


def lift_freeze(request: Request, note: Callable[[str], object], name: str, reason: str) -> FreezeCommit:
    """Commit the removal of a freeze from the file; raise UsageError for an unknown name."""
    with open_policy_file(request, note, FREEZES_FILE) as file:
        names_at_start = {freeze.name for freeze in load_freezes(file.root)}

        def lift() -> FreezeCommit:
            freezes = load_freezes(file.root)
            found = next((freeze for freeze in freezes if freeze.name == name), None)
            if found is None and name in names_at_start:
                message = f"somebody else has lifted the freeze {name} meanwhile"
                raise RollstepError(
                    [Finding(FREEZES_FILE, 0, 0, "", message, "rollstep freeze list prints the others")]
                )
            if found is None:
                known = ", ".join(freeze.name for freeze in freezes)
                raise UsageError(f"there is no freeze {name}" + (f" (there are {known})" if known else ""))
            why = one_line(reason)
            subject = f"Lift the freeze of {found.where}" + (f": {why}" if why else "")
            left = dump_freezes([freeze for freeze in freezes if freeze.name != name])
            return found, file.commit(left, subject, [(FREEZE, name)])

        return file.run(lift)
