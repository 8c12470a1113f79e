"""What the checks of a Rollout read from and report to (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from renderer.errors import Finding
from renderer.kubernetes.manifest import Manifest, field_path

Path = tuple[str | int, ...]


class Report:
    """A Rollout, read without regard to its types, and the findings about it so far."""

    def __init__(self, rollout: Manifest, allow: Collection[str] = (), *, is_app: bool = True) -> None:
        """``allow`` is what the user has allowed of what is refused otherwise.

        ``is_app`` is false for a Rollout that the controller runs, and rollstep does not render.
        """
        self.rollout = rollout
        self.allow = allow
        self.is_app = is_app
        self.findings: list[Finding] = []

    def at(self, *path: str | int) -> Any:
        """Return what stands at ``path``; None where there is nothing, or something that has no such part."""
        return part_of(self.rollout.body, path)

    def mapping(self, *path: str | int) -> Mapping[str, Any]:
        """Return the mapping at ``path``, empty where there is none."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, dict) else {}

    def items(self, *path: str | int) -> list[Any]:
        """Return the list at ``path``, empty where there is none."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, list) else []

    def text(self, *path: str | int) -> str:
        """Return the text at ``path``, empty where there is none."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, str) else ""

    def integer(self, *path: str | int) -> int | None:
        """Return the integer at ``path``; None where there is none."""
        value = part_of(self.rollout.body, path)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def add(self, code: str, path: Iterable[str | int], message: str, hint: str = "", *, field: str = "") -> None:
        """Report what is wrong at ``path``, by the rule ``code``.

        ``field`` is its name where the controller calls it otherwise.
        """
        path = tuple(path)
        line, column = self.rollout.source.position(path)
        finding = Finding(self.rollout.source.file, line, column, field or field_path(path), message, hint, code)
        if finding not in self.findings:
            self.findings.append(finding)

    def add_at(self, code: str, manifest: Manifest, path: Path, message: str, hint: str = "") -> None:
        """Report what is wrong at ``path`` of another object, by the rule ``code``."""
        line, column = manifest.source.position(path)
        finding = Finding(manifest.source.file, line, column, field_path(path), message, hint, code)
        if finding not in self.findings:
            self.findings.append(finding)


def part_of(value: Any, path: Iterable[str | int]) -> Any:
    """Return what stands at ``path`` below ``value``; None where there is nothing."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
