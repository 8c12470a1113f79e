"""What becomes a pull request: steps on branches of their own, and what their names tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.git.forges.forge import Proposal, PullRequest
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.resolve.moves import steps_of
from renderer.pipeline.write.rendered_app import MovedApp
from renderer.rollouts.model.world import World

PREFIX = "rollstep"
"""What the names of all our branches start with."""

Steps = Callable[[datetime], Sequence[MovedApp]]
"""Returns the steps of one app, each on top of the other, as they are at a time; none where there is nothing to do."""


class Candidate(Struct, frozen=True):
    """What an app could have pull requests for.

    ``names`` are the branches of all steps to come: an open pull request of another step has been overtaken.  None
    where the pull request is no step of a release (an abort, a new image), which overtakes nothing.
    """

    ref: AppRef
    steps: Steps
    names: Callable[[], set[str]] | None = None
    slug: str = ""


class Step(Struct, frozen=True):
    """A commit on a branch of its own, and the pull request that it is to have."""

    moved: MovedApp
    proposal: Proposal
    sha: str
    parent: str


class Result(Struct, frozen=True):
    """What became of a pull request: ``opened``, ``updated``, ``unchanged`` or ``closed``; in a dry run ``planned``."""

    app: str
    environment: str
    action: str
    head: str
    base: str
    title: str
    body: str
    commit: str = ""
    number: int | None = None
    url: str = ""

    def text(self) -> str:
        """Return the result on one line."""
        number = "" if self.number is None else f" #{self.number}"
        place = f" {self.url}" if self.url else ""
        return f"[{self.action}{number}] {self.title} ({self.head} -> {self.base}){place}"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready data."""
        return {
            "app": self.app,
            "environment": self.environment,
            "moved": False,
            "pullRequest": {
                "action": self.action,
                "number": self.number,
                "url": self.url or None,
                "head": self.head,
                "base": self.base,
                "title": self.title,
                "body": self.body,
                "commit": self.commit or None,
            },
        }


def step_branch(ref: AppRef, world: World, occupied: Iterable[str]) -> str:
    """Return the branch of the step that ends in ``world``; ``occupied`` are those of the steps before it."""
    index = world.status.current_step_index if steps_of(world) else None
    name = f"{app_prefix(ref)}r{world.rollout.revision}" + ("" if index is None else f"-step-{index}")
    number = sum(re.fullmatch(rf"{re.escape(name)}(--\d+)?", other) is not None for other in occupied)
    return f"{name}--{number + 1}" if number else name


def app_prefix(ref: AppRef) -> str:
    """Return what the names of an app's branches start with."""
    return f"{PREFIX}/{_safe(ref.environment)}/{_safe(ref.name)}/"


def _safe(name: str) -> str:
    """Return a folder's name as a part of a branch's, which may not have what git gives a meaning to."""
    return re.sub(r"[^A-Za-z0-9_.-]|\.(?=\.)|\.lock$|\.$|^-", "-", name)


def prefix_of(head: str) -> str:
    """Return what the branches of the same app start with."""
    return head.rpartition("/")[0] + "/"


def is_step(head: str) -> bool:
    """Tell whether a branch is a step's, and not that of an abort or another verb."""
    return re.fullmatch(r"r\d+(-step-\d+)?(--\d+)?", head.rpartition("/")[2]) is not None


def result_of(moved: MovedApp, proposal: Proposal, action: str, sha: str, current: PullRequest | None = None) -> Result:
    """Return what became of the pull request of ``moved``."""
    made = _result(moved.release.app.ref, proposal, action)
    return replace(made, commit=sha, number=current.number if current else None, url=current.url if current else "")


def closed(ref: AppRef, current: PullRequest, action: str) -> Result:
    """Return that an open pull request was closed, or would be."""
    return replace(_result(ref, current, action), number=current.number, url=current.url)


def _result(ref: AppRef, about: Proposal | PullRequest, action: str) -> Result:
    return Result(ref.name, ref.environment, action, about.head, about.base, about.title, about.body)
