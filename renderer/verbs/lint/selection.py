"""The selection of rules by ``--select`` and ``--ignore``: by code or by the beginning of codes, as in ruff."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from renderer.verbs.lint.rules import RULES

ALL = "ALL"


class Selection(Struct, frozen=True):
    """Prefixes of codes; ``ALL`` is every code.

    The longer prefix wins, and ``ignore`` wins over ``select`` of the same length.
    """

    select: tuple[str, ...] = (ALL,)
    ignore: tuple[str, ...] = ()

    def has(self, code: str) -> bool:
        """Return whether the rule of this code is selected."""
        return _longest(self.select, code) > _longest(self.ignore, code)


def _longest(prefixes: Sequence[str], code: str) -> int:
    """Return the length of the longest prefix of ``code``: 0 for ``ALL``, -1 without one."""
    lengths = [0 if prefix == ALL else len(prefix) for prefix in prefixes if prefix == ALL or code.startswith(prefix)]
    return max(lengths, default=-1)


def unknown_prefixes(prefixes: Sequence[str]) -> list[str]:
    """Return the ``prefixes`` that no rule begins with."""
    return [prefix for prefix in prefixes if prefix != ALL and not any(code.startswith(prefix) for code in RULES)]
