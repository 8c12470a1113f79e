"""What rules look at: manifests, in groups that are applied together (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from renderer.check.report import Path, Report
from renderer.errors import Finding, RollstepError
from renderer.manifest import Manifest, ObjectKey, field_path
from renderer.model import Rollout
from renderer.pod_template import default_rollout

Kind = tuple[str, str]
"""API group and kind."""

ROLLOUT: Kind = ("argoproj.io", "Rollout")


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Manifests that are applied together: those of an app, or all that lie in a folder or were given as files.

    ``app`` and ``environment`` are empty where it is none of rollstep's apps.  ``complete`` is false where something
    could not be read, which others may refer to; ``allow`` is the setting of that name.
    """

    manifests: tuple[Manifest, ...]
    app: str = ""
    environment: str = ""
    controller_version: str = "1.9"
    complete: bool = True
    allow: tuple[str, ...] = ()
    _nearest: dict[tuple[str, Kind], list[Manifest]] = field(default_factory=dict, repr=False)

    @property
    def rollouts(self) -> tuple[Manifest, ...]:
        """The Rollouts, in the order of the manifests."""
        return tuple(manifest for manifest in self.manifests if kind_of(manifest) == ROLLOUT)

    def near(self, rollout: Manifest, kind: Kind) -> list[Manifest]:
        """Return the objects of a kind, of those with the same identity the one that lies nearest to a Rollout.

        Nearest is what shares most of the path, the same file before the same folder.  A folder that is linted as a
        whole may hold one set of manifests for each environment.
        """
        # It depends on the Rollout's file alone, and a file may have many.
        wanted = (rollout.source.file, kind)
        if wanted not in self._nearest:
            self._nearest[wanted] = self._find_nearest(*wanted)
        return self._nearest[wanted]

    def _find_nearest(self, file: str, kind: Kind) -> list[Manifest]:
        parts = file.split("/")
        nearest: dict[ObjectKey, tuple[int, Manifest]] = {}
        for manifest in self.manifests:
            if kind_of(manifest) != kind:
                continue
            shared = _shared(parts, manifest.source.file.split("/"))
            before = nearest.get(manifest.key)
            if before is None or shared > before[0]:
                nearest[manifest.key] = (shared, manifest)
        return [manifest for _, manifest in nearest.values()]


class Subject(Report):
    """A Rollout in its group; its reading is that of :class:`Report`."""

    def __init__(self, rollout: Manifest, group: Group) -> None:
        super().__init__(rollout)
        self.group = group

    def objects(self, group: str, kind: str) -> list[Manifest]:
        """Return the objects of a kind that are in the Rollout's namespace, the nearest of each name."""
        return [
            manifest for manifest in self.group.near(self.rollout, (group, kind)) if is_beside(manifest, self.rollout)
        ]

    def finding(self, path: Path, message: str, hint: str = "") -> Finding:
        """Return a finding at a field of the Rollout."""
        return finding_at(self.rollout, path, message, hint)


@dataclass(frozen=True, slots=True)
class Context:
    """All that is linted together."""

    groups: tuple[Group, ...]

    def subjects(self) -> Iterator[Subject]:
        """Yield every Rollout, in order."""
        for group in self.groups:
            for rollout in group.rollouts:
                yield Subject(rollout, group)


def kind_of(manifest: Manifest) -> Kind:
    """Return an object's API group and kind."""
    return manifest.key.group, manifest.kind


def folder_of(manifest: Manifest) -> str:
    """Return the folder of the file that an object was read from."""
    return manifest.source.file.rpartition("/")[0]


def is_beside(manifest: Manifest, rollout: Manifest) -> bool:
    """Tell whether an object is in the Rollout's namespace; one that names none is."""
    return not manifest.namespace or manifest.namespace == rollout.namespace


def _shared(left: list[str], right: list[str]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def finding_at(manifest: Manifest, path: Path, message: str, hint: str = "") -> Finding:
    """Return a finding at a field of an object, or at the nearest parent of it that is there."""
    line, column = manifest.source.position(path)
    return Finding(manifest.source.file, line, column, field_path(path), message, hint)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def typed(subject: Subject) -> Rollout | None:
    """Return the Rollout as the engine reads it; None where its types are wrong, which other rules tell."""
    version, source = subject.group.controller_version, subject.rollout.source
    try:
        return Rollout.from_body(default_rollout(subject.rollout.body, source, version), source)
    except RollstepError:
        return None
