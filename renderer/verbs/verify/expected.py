"""The files that a commit would have if a verb had made it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from renderer.errors import Finding
from renderer.pipeline.load.marker import MARKER, marker_text
from renderer.pipeline.render.files import render_release
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.transitions import Transition, transition
from renderer.rollouts.model.world import World
from renderer.verbs.verify.app_state import RUNS, AppLocation, AppState
from renderer.verbs.verify.loading import Loader


class Expected(Struct, frozen=True):
    """A transition and its files: content by name, as in an ``AppState``."""

    transition: Transition
    files: Mapping[str, bytes]

    def differences(self, after: AppState, before: AppState) -> tuple[str, ...]:
        """Return the names of rollstep's files in which ``after`` differs, sorted; ``before`` is the parent's state."""
        owned = self.files.keys() | before.owned() | after.owned()
        return tuple(name for name in sorted(owned) if self.files.get(name) != after.contents.get(name))


class Replayed(Struct, frozen=True):
    """The world with the measurements of a commit, None for a commit that has none, and the findings about them."""

    world: World | None = None
    findings: tuple[Finding, ...] = ()


def render_expected(release: Release, transition: Transition) -> Expected:
    """Return the files of a transition of ``release``; raises RollstepError for a template that fails."""
    rendered = render_release(release, transition.move.after, keep_time=transition.keep_time)
    files = {name: text.encode() for name, text in rendered.files.items()}
    files |= {MARKER: marker_text(rendered.files).encode(), "": rendered.status_text.encode()}
    if rendered.runs_text is not None:
        files[RUNS] = rendered.runs_text.encode()
    return Expected(transition, files)


def rendered_state(loader: Loader, sha: str, location: AppLocation, state: AppState, source: str) -> Expected:
    """Return the files that a ``state`` of the commit or tree ``source`` renders of the sources in ``sha``.

    Raises RollstepError for an app that cannot be loaded or rendered.
    """
    release = loader.release(sha, location, state, source, state.state())
    step = transition(release.world, "render")
    assert step is not None
    return render_expected(release, step)
