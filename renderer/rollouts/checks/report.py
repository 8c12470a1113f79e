"""Access to an unchecked Rollout, and the findings about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from renderer.errors import Finding
from renderer.kubernetes.manifest import Manifest, field_path

Path = tuple[str | int, ...]


class Report:
    """A Rollout of unchecked types, and the findings about it."""

    def __init__(self, rollout: Manifest, allow: Collection[str] = (), *, is_app: bool = True) -> None:
        """``allow`` is the setting of that name; ``is_app`` is false for a Rollout that the controller runs."""
        self.rollout = rollout
        self.allow = allow
        self.is_app = is_app
        self.findings: list[Finding] = []
        self._known: set[Finding] = set()

    def at(self, *path: str | int) -> Any:
        """Return the value at ``path``; None if missing."""
        return part_of(self.rollout.body, path)

    def mapping(self, *path: str | int) -> Mapping[str, Any]:
        """Return the mapping at ``path``; empty if missing or of another type."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, dict) else {}

    def items(self, *path: str | int) -> list[Any]:
        """Return the list at ``path``; empty if missing or of another type."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, list) else []

    def text(self, *path: str | int) -> str:
        """Return the text at ``path``; empty if missing or of another type."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, str) else ""

    def integer(self, *path: str | int) -> int | None:
        """Return the integer at ``path``; None if missing or of another type."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def mappings(self, *path: str | int) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Yield path and value of each mapping in the list at ``path``."""
        for index, item in enumerate(self.items(*path)):
            if isinstance(item, dict):
                yield (*path, index), item

    def add(
        self,
        code: str,
        path: Iterable[str | int],
        message: str,
        hint: str = "",
        *,
        field: str = "",
        manifest: Manifest | None = None,
    ) -> None:
        """Add a finding at ``path`` of the Rollout or of ``manifest``, by the rule ``code``.

        ``field`` is the controller's name of the field if it differs from ``path``.
        """
        path, source = tuple(path), (manifest or self.rollout).source
        finding = Finding(source.file, *source.position(path), field or field_path(path), message, hint, code)
        if finding not in self._known:
            self._known.add(finding)
            self.findings.append(finding)

    def expect_one(self, code: str, path: Path, fields: Iterable[str], *, field: str = "") -> None:
        """Report other than exactly one of ``fields`` at ``path``."""
        given = [name for name in fields if self.at(*path, name) is not None]
        if len(given) != 1:
            self.add(code, path, expected_one(fields, given), field=field)


def expected_one(fields: Iterable[str], found: Iterable[str]) -> str:
    """Return the message for other than one of several fields."""
    return f"expected one of {', '.join(fields)}, found {' and '.join(found) or 'none'}"


def part_of(value: Any, path: Iterable[str | int]) -> Any:
    """Return the value at ``path`` below ``value``; None if missing."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
