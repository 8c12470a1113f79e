"""A release that waits to begin: what a check shows of it, and what would refuse it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from renderer.errors import Finding
from renderer.pipeline.load.discover import Home
from renderer.pipeline.render.coming import coming_files
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.describe import waiting_text
from renderer.pipeline.resolve.moves import advance
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.rollouts.model.world import World
from renderer.verbs.policy.listed_image import ListedImage, listed_images, waiting_image_text
from renderer.verbs.show.plan import make_plan
from renderer.verbs.show.plan_table import plan_text


class WaitingRelease(Struct, frozen=True):
    """The version that waits, and for a check the rendered files of its commits by name, and its plan as text.

    ``quarantine`` is its quarantine in words, empty without one.
    """

    version: str
    quarantine: str = ""
    files: Mapping[str, str] = {}
    plan: str = ""

    def text(self, home: Home) -> str:
        """Return the note about it: which command begins it, and its plan."""
        return f"{home.title}: {waiting_text(self.version, home.ref.target, self.quarantine)}\n{self.plan}".rstrip()


def waiting_release(
    release: Release, listed: Callable[[], Sequence[ListedImage]], *, for_check: bool
) -> WaitingRelease | None:
    """Return the release that waits in the sources; None without one.

    ``listed`` returns the images in quarantine.  Raises RollstepError ``for_check`` if it could not begin.
    """
    version = waiting_version(release.world)
    if not version:
        return None
    quarantine = waiting_image_text(listed(), release.app.ref, release.world)
    if quarantine or not for_check:
        return WaitingRelease(version, quarantine)
    move = advance(release.world)
    if move is None:
        # A release that is paused begins nothing.
        return WaitingRelease(version)
    rendered = render_release(release, move.after)
    files = {**rendered.files, **coming_files(release, move.after, rendered.objects)}
    return WaitingRelease(version, "", files, plan_text(make_plan(release.world)))


def begun_in_quarantine(release: Release, world: World, listed: Sequence[ListedImage]) -> list[Finding]:
    """Return the findings of the images in quarantine with which a render to ``world`` begins."""
    ref = release.app.ref
    begun = listed_images(listed, ref.environment, ref.name, release.world, world)
    return [entry.finding(release.title, image) for image, entry in begun]
