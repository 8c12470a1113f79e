"""The input of rules: manifests, in groups that are applied together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path as Folder

from msgspec import Struct, field

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.manifest import Manifest, ObjectKey, finding
from renderer.pipeline.load.settings import AnalysisSettings
from renderer.rollouts.checks.references import Kind, Objects
from renderer.rollouts.checks.report import Path, Report
from renderer.rollouts.model.rollout import Rollout
from renderer.rollouts.model.versions import DEFAULT_VERSION
from renderer.rollouts.pod_template import default_rollout

ROLLOUT: Kind = ("argoproj.io", "Rollout")


class Group(Struct, frozen=True, eq=False):
    """Manifests that are applied together: those of an app, of a folder, or of all given files.

    ``app`` and ``environment`` are empty outside of rollstep's apps.  ``complete`` is false where a file could not be
    read.  ``allow`` and ``analysis`` are the settings of these names, ``analysis`` None outside of apps; ``root`` is
    the repository's.
    """

    manifests: tuple[Manifest, ...]
    app: str = ""
    environment: str = ""
    controller_version: str = DEFAULT_VERSION
    complete: bool = True
    allow: tuple[str, ...] = ()
    analysis: AnalysisSettings | None = None
    root: Folder = Folder()
    _near: dict[str, Objects] = field(default_factory=dict)

    @property
    def rollouts(self) -> tuple[Manifest, ...]:
        """The Rollouts, in the order of the manifests."""
        return tuple(manifest for manifest in self.manifests if kind_of(manifest) == ROLLOUT)

    def near(self, rollout: Manifest) -> Objects:
        """Return the objects around a Rollout: of those with the same identity, the nearest one.

        The nearest shares most of the path, since a linted folder may have one set of manifests for each environment.
        """
        # Cached by file, since a file may have many Rollouts.
        file = rollout.source.file
        if file not in self._near:
            self._near[file] = Objects(self._nearest(file))
        return self._near[file]

    def _nearest(self, file: str) -> list[Manifest]:
        parts = file.split("/")
        nearest: dict[ObjectKey, tuple[int, Manifest]] = {}
        for manifest in self.manifests:
            pairs = zip(parts, manifest.source.file.split("/"), strict=False)
            shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
            before = nearest.get(manifest.key)
            if before is None or shared > before[0]:
                nearest[manifest.key] = (shared, manifest)
        return [manifest for _, manifest in nearest.values()]


class Subject(Report):
    """A Rollout with its group, and the accessors of a ``Report``."""

    def __init__(self, rollout: Manifest, group: Group) -> None:
        super().__init__(rollout)
        self.group = group

    def named(self, kind: Kind, name: str) -> Manifest | None:
        """Return the object of that kind and name in the Rollout's namespace; None without one."""
        for manifest in self.group.near(self.rollout).named(kind, name):
            if is_beside(manifest, self.rollout):
                return manifest
        return None

    def finding(self, path: Path, message: str, hint: str = "") -> Finding:
        """Return a finding at a field of the Rollout."""
        return finding(self.rollout, path, message, hint)


class Context(Struct, frozen=True):
    """All groups of a run."""

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
    """Return the folder of an object's file."""
    return manifest.source.file.rpartition("/")[0]


def is_beside(manifest: Manifest, rollout: Manifest) -> bool:
    """Return whether an object is in the Rollout's namespace; an object without a namespace is."""
    return not manifest.namespace or manifest.namespace == rollout.namespace


def parse_rollout(subject: Subject) -> Rollout | None:
    """Return the Rollout as the engine reads it; None where its types are wrong, which other rules find."""
    version, source = subject.group.controller_version, subject.rollout.source
    try:
        return Rollout.from_body(default_rollout(subject.rollout.body, source, version), source)
    except RollstepError:
        return None


def sort_key(found: Finding) -> tuple[str, int, int, str, str, str, str]:
    """Return the sort key of a finding: a tuple compares faster than the findings themselves."""
    return found.file, found.line, found.column, found.code, found.field, found.message, found.hint
