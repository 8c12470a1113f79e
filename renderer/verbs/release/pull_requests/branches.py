"""The branches and the pull requests of steps, as values."""

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
from renderer.pipeline.write.moved_app import MovedApp
from renderer.rollouts.model.world import World

PREFIX = "rollstep"
"""The first part of the names of all our branches."""


class AppSteps(Struct, frozen=True):
    """The steps of one app that get pull requests.

    ``steps`` returns them for a time, each on top of the one before; empty if there is nothing to do.  Open pull
    requests of steps outside ``branches`` are closed; None keeps them all.  ``branch`` ends the branch name of a verb
    that is not a step.
    """

    ref: AppRef
    steps: Callable[[datetime], Sequence[MovedApp]]
    branches: Callable[[], Iterable[str]] | None = None
    branch: str = ""


class StepCommit(Struct, frozen=True):
    """The commit of a step on a branch of its own, and the wanted pull request."""

    moved: MovedApp
    proposal: Proposal
    sha: str


class PullRequestResult(Struct, frozen=True):
    """A pull request that was ``opened``, ``updated``, ``unchanged`` or ``closed``; in a dry run ``planned``."""

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

    @classmethod
    def of(
        cls, ref: AppRef, action: str, proposal: Proposal | PullRequest, current: PullRequest | None = None
    ) -> PullRequestResult:
        """Return the result of ``action`` on ``proposal``; ``current`` is the pull request on the forge."""
        result = cls(ref.name, ref.environment, action, proposal.head, proposal.base, proposal.title, proposal.body)
        return result if current is None else replace(result, number=current.number, url=current.url)

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


def step_branches(ref: AppRef, start: World, worlds: Iterable[World]) -> list[str]:
    """Return the branches of the steps that end in ``worlds``, in order; ``start`` is the world before them."""
    names = [_step_branch(ref, start, ())] if start.status.stable_rs else []
    before = len(names)
    for world in worlds:
        names.append(_step_branch(ref, world, names))
    return names[before:]


def _step_branch(ref: AppRef, world: World, taken: Iterable[str]) -> str:
    index = world.status.current_step_index if steps_of(world) else None
    name = f"{app_prefix(ref)}r{world.rollout.revision}" + ("" if index is None else f"-step-{index}")
    number = sum(re.fullmatch(rf"{re.escape(name)}(--\d+)?", other) is not None for other in taken)
    return f"{name}--{number + 1}" if number else name


def app_prefix(ref: AppRef) -> str:
    """Return the prefix of an app's branches."""
    return f"{PREFIX}/{_safe(ref.environment)}/{_safe(ref.name)}/"


def _safe(name: str) -> str:
    """Return a folder's name without the characters that git does not allow in a branch's name."""
    return re.sub(r"[^A-Za-z0-9_.-]|\.(?=\.)|\.lock$|\.$|^-", "-", name)


def prefix_of(head: str) -> str:
    """Return the prefix of the branches of the same app."""
    return head.rpartition("/")[0] + "/"


def is_step(head: str) -> bool:
    """Return whether a branch is a step's, not that of an abort or another verb."""
    return re.fullmatch(r"r\d+(-step-\d+)?(--\d+)?", head.rpartition("/")[2]) is not None
