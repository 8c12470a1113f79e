"""Where pull requests are opened: GitHub, GitLab, Gitea and Forgejo, and Bitbucket, behind one interface (shell).

A forge is found from the URL of the remote, or named in ``rollstep.yaml``.  Its token comes from the environment and
goes nowhere but into a header of a request to that forge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.forges.http import Client
from renderer.git.forges.site import Site

__all__ = ["Forge", "Proposal", "PullRequest", "Site", "open_forge"]


class Proposal(Struct, frozen=True):
    """What a pull request is to be: from branch ``head`` into branch ``base``."""

    head: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


class PullRequest(Struct, frozen=True):
    """An open pull request as the forge tells it; ``labels`` are none where the forge has no labels."""

    number: int
    url: str
    head: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


class Forge(Protocol):
    """What every forge can do; each raises RollstepError with what the forge said and what to do about it."""

    has_labels: bool

    def find(self, prefix: str) -> list[PullRequest]:
        """Return the open pull requests from branches of this repository whose names start with ``prefix``."""

    def create(self, proposal: Proposal) -> PullRequest:
        """Open a pull request, with labels and reviewers."""

    def update(self, current: PullRequest, proposal: Proposal) -> None:
        """Bring ``current`` to ``proposal``; labels and reviewers that a person gave it stay."""

    def close(self, current: PullRequest, comment: str) -> None:
        """Say ``comment`` in ``current`` and close it without merging."""


def open_forge(site: Site) -> Forge:
    """Return the forge at ``site``; raise RollstepError where there is no token for it in the environment."""
    client = client_of(site)
    if site.type == "github":
        from renderer.git.forges.github import GitHub

        return GitHub(client, site.path)
    if site.type == "gitlab":
        from renderer.git.forges.gitlab import GitLab

        return GitLab(client, site.path)
    if site.type == "bitbucket":
        from renderer.git.forges.bitbucket import Bitbucket

        return Bitbucket(client, site.path)
    from renderer.git.forges.gitea import Gitea

    return Gitea(client, site.path)


def client_of(site: Site) -> Client:
    """Return the way to the API of ``site``; raise RollstepError where there is no token in the environment."""
    if not site.token:
        names = " or ".join(site.token_names)
        hint = f"set {names}, with a token that may write pull requests and push"
        raise RollstepError([Finding("", 0, 0, "", f"there is no token for {site.title} at {site.host}", hint)])
    return Client(site.api, site.headers, site.title, site.token)


def plain_body(text: str | None) -> str:
    """Return a body as we write it: forges turn line ends around and cut spaces off."""
    return (text or "").replace("\r\n", "\n").strip()


def missing(wanted: Sequence[str], present: Sequence[str]) -> list[str]:
    """Return what of ``wanted`` is not ``present``, in its order; logins and labels count without case."""
    known = {name.casefold() for name in present}
    return [name for name in wanted if name.casefold() not in known]
