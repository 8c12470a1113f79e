"""Who has approved a commit: its own signature, signed tags that name it, and reviews."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from renderer.git.objects import object_names
from renderer.git.repository import Repository
from renderer.git.signatures import signer
from renderer.verbs.policy.approval import Approval

TAGS = "refs/tags/approvals/"


class Reviews(Protocol):
    """Where pull requests are reviewed: a forge, or a file that a pipeline has written."""

    def approvers(self, sha: str) -> Sequence[str]:
        """Return the logins of those who have approved commit ``sha`` in the pull request that brought it."""


class ReviewList:
    """Reviews that were listed before: logins by the full hash of a commit."""

    def __init__(self, logins: Mapping[str, Sequence[str]]) -> None:
        """Take the lists."""
        self._logins = logins

    def approvers(self, sha: str) -> Sequence[str]:
        """Return the logins that are listed for the commit."""
        return self._logins.get(sha, ())


class Approvals:
    """The approvals of a repository's commits."""

    def __init__(self, repository: Repository, reviews: Reviews | None = None, pushed: Iterable[str] = ()) -> None:
        """``pushed`` are tags' objects that a push brings along, which no ref names yet."""
        self._repository = repository
        self._reviews = reviews
        self._pushed = tuple(pushed)
        self._by_content: dict[tuple[str, str], list[str]] | None = None

    def of(self, sha: str) -> Iterator[Approval]:
        """Yield every approval of commit ``sha``: its own signature, then tags, then reviews."""
        own = signer(self._repository, "commit", sha)
        if own:
            yield Approval(own, "commit")
        for tag in self._tags(sha):
            signers = signer(self._repository, "tag", tag)
            if signers:
                yield Approval(signers, "tag")
        if self._reviews is not None:
            yield from (Approval((f"@{login.lstrip('@')}",), "review") for login in self._reviews.approvers(sha))

    def _tags(self, sha: str) -> list[str]:
        """Return the objects of the tags that name the commit, or one that makes the same of the same."""
        if self._by_content is None:
            self._by_content = {}
            tags = self._approval_tags()
            for tag, content in zip(tags, self._contents(tags), strict=True):
                self._by_content.setdefault(content, []).append(tag)
        (content,) = self._contents([sha])
        return self._by_content.get(content, []) if content[0] else []

    def _approval_tags(self) -> list[str]:
        args = ("for-each-ref", "--format=%(objecttype) %(objectname)", TAGS)
        rows = [line.split() for line in self._repository.run(*args).stdout.decode().splitlines()]
        return sorted({name for kind, name in rows if kind == "tag"} | set(self._pushed))

    def _contents(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return the tree of each commit and that of its first parent.

        A squash or rebase of the same change on the same base is approved with it: what is applied is the same.
        """
        places = [place for name in names for place in (f"{name}^{{tree}}", f"{name}^{{commit}}~1^{{tree}}")]
        found = object_names(self._repository, places)
        return list(zip(found[::2], found[1::2], strict=True))
