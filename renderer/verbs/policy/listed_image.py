"""An image in quarantine: whom it guards, and which images a release begins with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from renderer.errors import Finding, one_line
from renderer.kubernetes.images import Images, image_version, is_same_image, pod_images
from renderer.kubernetes.manifest import is_equal_but
from renderer.kubernetes.times import format_time
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.rollouts.controller.workload import resolve_workload
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.rollouts.model.status import RolloutStatus
from renderer.rollouts.model.world import World

QUARANTINE_FILE = "quarantine.yaml"


class Verdict(Struct, frozen=True):
    """The verdict of an analysis: the run's name, its phase and message, and the environment that it measured."""

    run: str
    phase: str
    message: str = ""
    environment: str = ""

    def text(self) -> str:
        """Return the verdict on one line."""
        where = f" in {self.environment}" if self.environment else ""
        return one_line(
            f"the analysis {self.run}{where} is {self.phase}" + (f": {self.message}" if self.message else "")
        )


class ListedImage(Struct, frozen=True, eq=False):
    """An image that no release of ``app`` begins with, in ``environments``; no app or no environments mean all.

    ``image`` is a reference as pod templates have it.  ``commit`` is the commit of the step that was taken back, and
    ``since`` the time (UTC) of the verdict.  An image that a person has listed has a ``reason`` in place of a verdict.
    ``line`` is its line in ``quarantine.yaml``.
    """

    image: str
    since: datetime
    app: str = ""
    environments: tuple[str, ...] = ()
    verdict: Verdict | None = None
    reason: str = ""
    commit: str = ""
    line: int = 0

    def __eq__(self, other: object) -> bool:
        """Compare all fields but the line."""
        return is_equal_but(("line",), self, other)

    @property
    def content(self) -> tuple[object, ...]:
        """All fields but the line, for sets of entries."""
        verdict = self.verdict
        about = () if verdict is None else (verdict.run, verdict.phase, verdict.message, verdict.environment)
        return (self.image, self.since, self.app, self.environments, about, self.reason, self.commit)

    def guards(self, environment: str, app: str) -> bool:
        """Return whether the image may not begin in ``app`` of ``environment``."""
        return self.app in ("", app) and (not self.environments or environment in self.environments)

    def matches(self, image: str) -> bool:
        """Return whether the reference ``image`` names this image, as ``ImageReference.is_same`` does."""
        return is_same_image(self.image, image)

    @property
    def where(self) -> str:
        """The app and the environments as text."""
        environments = f" in {', '.join(self.environments)}" if self.environments else ""
        return (self.app or "all apps") + environments

    @property
    def why(self) -> str:
        """The verdict or the reason, and the commit that was taken back, on one line."""
        found = self.verdict.text() if self.verdict is not None else one_line(self.reason)
        taken_back = f"{self.commit[:9]} was taken back" if self.commit else ""
        return "; ".join(filter(None, (found, taken_back)))

    @property
    def text(self) -> str:
        """The state of the image on one line."""
        return f"in quarantine since {format_time(self.since)}" + (f": {self.why}" if self.why else "")

    @property
    def lift(self) -> str:
        """The command that lifts the quarantine."""
        app = f" --app {self.app}" if self.app else ""
        return f"rollstep quarantine lift {self.image}{app} --reason TEXT"

    def finding(self, title: str, image: str) -> Finding:
        """Return the refusal to begin a release with ``image`` of the app that messages call ``title``."""
        message = f"{title} would begin {image}, which is {self.text}"
        hint = f"release another version, `{self.lift}`, or go on with --break-glass REASON"
        return Finding(QUARANTINE_FILE, self.line, 0, "", message, hint)


class Released(Protocol):
    """The state of an app's releases: a ``World``, or an app's state in a commit."""

    @property
    def status(self) -> RolloutStatus:
        """The Rollout's status."""

    @property
    def replica_sets(self) -> Sequence[ReplicaSet]:
        """The ReplicaSets, old ones as well."""


def listed_images(
    listed: Iterable[ListedImage], environment: str, app: str, before: Released, after: Released
) -> Iterator[tuple[str, ListedImage]]:
    """Yield each listed image that the move from ``before`` to ``after`` begins with, and an entry of it."""
    guarding = [entry for entry in listed if entry.guards(environment, app)]
    if guarding:
        yield from _found(guarding, begun_images(before, after))


def begun_images(before: Released, after: Released) -> tuple[str, ...]:
    """Return the images with which a move begins a release, without those of the stable ReplicaSet.

    A release begins with a new ReplicaSet, with another revision of an old one, with another target, and with the retry
    of an aborted release.  The way back to the stable ReplicaSet begins with none.
    """
    known = {replica_set.pod_template_hash: replica_set.revision for replica_set in before.replica_sets}
    running = {*_targets(before.status), *_stable(before.status)}
    begun = {*_targets(after.status), *_stable(after.status)} - running
    begun |= {
        found.pod_template_hash
        for found in after.replica_sets
        if found.revision > known.get(found.pod_template_hash, -1)
    }
    if before.status.abort and not after.status.abort:
        begun |= _targets(after.status)
    templates = (found.template for found in after.replica_sets if found.pod_template_hash in begun)
    return _beyond(before, (image for template in templates for image in pod_images(template)))


def images_beyond_stable(released: Released) -> tuple[str, ...]:
    """Return the images of the release under way, or taken back, without those of the stable ReplicaSet."""
    targets = _targets(released.status)
    templates = [found.template for found in released.replica_sets if found.pod_template_hash in targets]
    return _beyond(released, (image for template in templates for image in pod_images(template)))


def waiting_image_text(listed: Iterable[ListedImage], ref: AppRef, world: World) -> str:
    """Return the quarantine of the version that waits in the sources, is aborted, or has yet to be released.

    The text is empty without such a version, and where its images may begin.
    """
    guarding = [entry for entry in listed if entry.guards(ref.environment, ref.name)]
    if not guarding or not (waiting_version(world) or world.status.abort or not world.replica_sets):
        return ""
    images = _beyond(world, pod_images(resolve_workload(world).rollout.template))
    found = _found(guarding, images)
    return "; ".join(f"{image_version(image)} is {entry.text} (`{entry.lift}`)" for image, entry in found)


def _found(listed: Sequence[ListedImage], images: Iterable[str]) -> Iterator[tuple[str, ListedImage]]:
    """Yield those of ``images`` that are listed, each with an entry."""
    entries = {entry.image: entry for entry in reversed(listed)}
    known = Images(entry.image for entry in listed)
    yield from ((image, entries[found]) for image in images if (found := known.find(image)))


def _beyond(released: Released, images: Iterable[str]) -> tuple[str, ...]:
    stable = [found.template for found in released.replica_sets if found.pod_template_hash == released.status.stable_rs]
    old = [image for template in stable for image in pod_images(template)]
    known, same = {*old}, Images(old)
    return tuple(image for image in dict.fromkeys(images) if image not in known and not same.find(image))


def _targets(status: RolloutStatus) -> set[str]:
    return {status.current_pod_hash} - {""}


def _stable(status: RolloutStatus) -> set[str]:
    return {status.stable_rs, status.blue_green.active_selector} - {""}
