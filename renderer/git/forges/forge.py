"""The interface of all forges, and the row that describes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from renderer.git.forges.http import Client


class Proposal(Struct, frozen=True):
    """The wanted pull request, from branch ``head`` into branch ``base``."""

    head: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


class PullRequest(Struct, frozen=True):
    """An open pull request on the forge; ``labels`` stays empty on a forge without labels."""

    number: int
    url: str
    head: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


class Forge(Protocol):
    """A repository on a forge; every method raises RollstepError with the forge's own message and a hint."""

    has_labels: bool

    def find(self, prefix: str) -> list[PullRequest]:
        """Return the open pull requests from branches of this repository whose names start with ``prefix``."""

    def create(self, proposal: Proposal) -> PullRequest:
        """Open a pull request, with labels and reviewers."""

    def update(self, current: PullRequest, proposal: Proposal) -> None:
        """Bring ``current`` to ``proposal``; labels and reviewers that a person added stay."""

    def close(self, current: PullRequest, comment: str) -> None:
        """Comment on ``current`` and close it without merging."""

    def approvers(self, sha: str) -> Sequence[str]:
        """Return the logins (Bitbucket: account ids) that approved the pull request of the commit ``sha``, sorted.

        An approval counts for the last commit of the pull request only: nobody has reviewed later pushes.
        """


class MarkdownDialect(Struct, frozen=True):
    """The Markdown of a forge: whether it draws ``mermaid`` and folds HTML's ``details``, and its most characters."""

    mermaid: bool
    details: bool
    most_characters: int


GITHUB_MARKDOWN = MarkdownDialect(mermaid=True, details=True, most_characters=65_536)
"""GitHub's; GitLab and Gitea allow more characters, and draw and fold the same."""


class ForgeType(Struct, frozen=True):
    """One row of the table of forges.

    ``host`` is the public instance, ``token_variables`` are the environment variables that may have the token, the
    first one first, and ``git_user`` is the user that git sends with the token over HTTP.  ``api`` returns the API's
    address for the forge's URL, ``headers`` the headers of a request for a token, and ``open`` the forge of a client
    and the repository's path.  ``markdown`` is what its pull requests may have in their bodies.
    """

    title: str
    host: str
    token_variables: tuple[str, ...]
    api: Callable[[str], str]
    headers: Callable[[str], Mapping[str, str]]
    open: Callable[[Client, str], Forge]
    git_user: str = "rollstep"
    markdown: MarkdownDialect = GITHUB_MARKDOWN


def plain_body(text: str | None) -> str:
    """Return a body as rollstep writes it: forges change line ends and strip spaces."""
    return (text or "").replace("\r\n", "\n").strip()


def missing(wanted: Sequence[str], present: Sequence[str]) -> list[str]:
    """Return the ``wanted`` that are not ``present``, in order; logins and labels compare without case."""
    known = {name.casefold() for name in present}
    return [name for name in wanted if name.casefold() not in known]
