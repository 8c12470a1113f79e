"""What a verb makes of a release, as the files that a commit would hold."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from renderer.pipeline.load.marker import MARKER, marker_text
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.transitions import Transition
from renderer.verbs.verify.app_state import AppState


class Made(Struct, frozen=True):
    """What a transition renders: the content of each file by name, the status under the empty name."""

    transition: Transition
    files: Mapping[str, bytes]

    def different(self, state: AppState, before: AppState) -> tuple[str, ...]:
        """Return the names of files of ours that ``state`` has otherwise, sorted."""
        ours = self.files.keys() | before.owned() | state.owned()
        return tuple(name for name in sorted(ours) if self.files.get(name) != state.contents.get(name))


def make(release: Release, transition: Transition) -> Made:
    """Return what a transition of ``release`` renders; raises RollstepError where a template fails."""
    rendered = render_release(release, transition.move.after, keep_time=transition.keep_time)
    files = {name: text.encode() for name, text in rendered.files.items()}
    files |= {MARKER: marker_text(rendered.files).encode(), "": rendered.status_text.encode()}
    return Made(transition, files)
