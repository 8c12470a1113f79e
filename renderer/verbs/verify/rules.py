"""Rules from outside of what is judged: the ``rollstep.*`` settings of the git that judges.

On a server that is the configuration of the bare repository (``git config`` there), which no push can change.  In a
pipeline it is that of the clone, or of the user.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

from renderer.errors import RollstepError
from renderer.git.forges.settings import ForgeSettings
from renderer.git.repository import Repository

_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
NOBODY = "nobody"
_MARGIN = 7
"""The days after which a branch with steps is rebased no more: a rebase keeps the times of the steps."""


class ServerRules(Struct, frozen=True):
    """The settings by their names in git's configuration.

    ``branches`` are patterns of the guarded branches, ``source_branches`` those that environments' branches are
    rendered from.  ``approvals`` is the least number for every app.  ``break_glass`` are the identities of those whose
    signature may break the glass; None for anyone, empty for nobody.  ``clock_margin`` is the time that a step may be
    older than the commit before it; ``has_clock_margin`` says that it is set, and that such a step's own time counts.
    ``source_commands`` says that an app may change to a command as its source, whose
    manifests are verified in part.  ``forge`` is the forge that is asked for reviews.
    """

    branches: tuple[str, ...] = ()
    source_branches: tuple[str, ...] = ()
    approvals: int = 0
    break_glass: tuple[str, ...] | None = None
    clock_margin: timedelta = timedelta(days=_MARGIN)
    has_clock_margin: bool = False
    source_commands: bool = False
    forge: ForgeSettings | None = None


def read_rules(repository: Repository) -> ServerRules:
    """Return the rules in git's configuration; raise RollstepError for an unknown or invalid one."""
    listed = repository.run("config", "-z", "--get-regexp", r"^rollstep\.", check=False).stdout.decode(errors="replace")
    values: dict[str, list[str]] = {}
    for entry in filter(None, listed.split("\0")):
        key, _, value = entry.partition("\n")
        values.setdefault(key.removeprefix("rollstep."), []).append(value)
    unknown = sorted(values.keys() - _KEYS)
    if unknown:
        raise RollstepError(
            f"git config rollstep.{unknown[0]} is unknown", hint=f"known are {', '.join(sorted(_KEYS))}"
        )
    last = {key: found[-1] for key, found in values.items()}
    glass = values.get("breakglass")
    return ServerRules(
        tuple(values.get("branch", ())),
        tuple(values.get("sourcebranch", ())),
        _number(last, "approvals", 0),
        None if glass is None else tuple(name for name in glass if name != NOBODY),
        timedelta(days=_number(last, "clockmargin", _MARGIN)),
        "clockmargin" in last,
        _flag(last, "sourcecommands"),
        ForgeSettings(last.get("forgetype"), last.get("forgeurl")) if {"forgetype", "forgeurl"} & last.keys() else None,
    )


_KEYS = {
    "approvals",
    "branch",
    "breakglass",
    "clockmargin",
    "forgetype",
    "forgeurl",
    "sourcebranch",
    "sourcecommands",
}


def _number(values: dict[str, str], key: str, default: int) -> int:
    text = values.get(key, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise RollstepError(f"git config rollstep.{key} is {text}, expected a number")
    return int(text)


def _flag(values: dict[str, str], key: str) -> bool:
    text = values.get(key, "false").lower()
    if text not in _FLAGS:
        raise RollstepError(f"git config rollstep.{key} is {text}, expected true or false")
    return _FLAGS[text]
