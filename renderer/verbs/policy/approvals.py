"""Approvals of a commit: its own signature, signed tags that name it, and reviews, counted by person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from renderer.errors import Finding
from renderer.git.objects import object_names
from renderer.git.repository import Repository
from renderer.git.signatures import signer
from renderer.pipeline.load.settings import AppSettings

_REFS = "refs/tags/"
TAGS = f"{_REFS}approvals/"
_SKEW_SECONDS = 300
"""The time that the clocks of two people may differ."""
FIELD = "approvals"
"""The field of findings about missing approvals."""


class Approval(Struct, frozen=True):
    """One approval: every identity of the person who gave it, and how (``commit``, ``tag`` or ``review``).

    Identities are mail addresses and key fingerprints, or a forge's login with an ``@`` before it.
    """

    identities: tuple[str, ...]
    how: str


class Reviews(Protocol):
    """The reviews of pull requests: of a forge, or from a file that a pipeline has written."""

    def approvers(self, sha: str) -> Sequence[str]:
        """Return the logins of those who approved the pull request that brought commit ``sha``."""


class ReviewList:
    """Reviews by the full hash of a commit, each a list of logins."""

    def __init__(self, logins: Mapping[str, Sequence[str]]) -> None:
        self._logins = logins

    def approvers(self, sha: str) -> Sequence[str]:
        """Return the listed logins of a commit."""
        return self._logins.get(sha, ())


class Approvals:
    """The approvals of a repository's commits."""

    def __init__(
        self,
        repository: Repository,
        reviews: Reviews | None = None,
        pushed: Mapping[str, str] | None = None,
        received: datetime | None = None,
    ) -> None:
        """``pushed`` are the tag objects of a push by their refs, which do not name them yet.

        ``received`` is the time of the push: keys have to be valid then.
        """
        self._repository = repository
        self._reviews = reviews
        self._pushed = pushed or {}
        self._received = received
        self._tags_by_trees: dict[tuple[str, str], list[str]] | None = None

    def of(self, sha: str) -> Iterator[Approval]:
        """Yield every approval of commit ``sha``: its own signature, then tags, then reviews."""
        own = signer(self._repository, "commit", sha, self._received)
        if own:
            yield Approval(own, "commit")
        for tag in self._tags(sha):
            signers = signer(self._repository, "tag", tag, self._received)
            if signers:
                yield Approval(signers, "tag")
        if self._reviews is not None:
            yield from (Approval((f"@{login.lstrip('@')}",), "review") for login in self._reviews.approvers(sha))

    def missing(self, sha: str, settings: AppSettings, title: str) -> Finding | None:
        """Return the finding that ``sha`` lacks approvals; None if it has enough.  ``title`` names what needs them."""
        if not settings.approvals:
            return None
        found = distinct_people(self.of(sha), settings.approvers)
        if len(found) >= settings.approvals:
            return None
        names = f": {', '.join(found)}" if found else ""
        message = f"{title}: {sha[:9]} has {len(found)} of {settings.approvals} approvals{names}"
        hint = f"another person runs `rollstep approve {sha[:9]}` and pushes the tag"
        return Finding("", 0, 0, FIELD, message, hint)

    def _tags(self, sha: str) -> list[str]:
        """Return the tag objects that approve the commit: that name it, or another commit with the same trees.

        A tag is no older than what it approves.  An approval counts once: the tag of another commit does not count
        again where the same step has been on the branch before.
        """
        if self._tags_by_trees is None:
            self._tags_by_trees = {}
            tags = self._approval_tags()
            for tag, trees in zip(tags, self._trees(tags), strict=True):
                self._tags_by_trees.setdefault(trees, []).append(tag)
        (trees,) = self._trees([sha])
        tags = self._tags_by_trees.get(trees, []) if trees[0] else []
        if not tags:
            return []
        fresh = [tag for tag in tags if self._is_after(tag)]
        named = [tag for tag in fresh if self._header(tag, b"object") == sha.encode()]
        return fresh if len(named) < len(fresh) and not self._was_there(sha, trees) else named

    def _is_after(self, tag: str) -> bool:
        """Return whether a tag is no older than the commit that it names."""
        made = self._header(f"{tag}^{{commit}}", b"committer")
        return _time(self._header(tag, b"tagger")) >= _time(made) - _SKEW_SECONDS

    def _was_there(self, sha: str, trees: tuple[str, str]) -> bool:
        """Return whether the branch before ``sha`` has a commit with the same trees."""
        args = ("log", "--first-parent", "--format=%T", sha)
        found = self._repository.run(*args).stdout.decode().split()[1:]
        return trees in zip(found, [*found[1:], ""], strict=True)

    def _header(self, name: str, field: bytes) -> bytes:
        """Return a field of the header of a commit or tag; empty for a missing one."""
        head = self._repository.run("cat-file", "-p", name, check=False).stdout.partition(b"\n\n")[0]
        lines = (line for line in head.split(b"\n") if line.startswith(field + b" "))
        return next(lines, b"").removeprefix(field + b" ")

    def _approval_tags(self) -> list[str]:
        """Return the tags below ``approvals/`` whose own name, which is signed, is that of their ref."""
        args = ("for-each-ref", "--format=%(objecttype) %(objectname) %(refname) %(tag)", TAGS)
        listed = self._repository.run(*args).stdout.decode(errors="replace").splitlines()
        rows = [(*line.split(" ", 3), "")[:4] for line in listed]
        found = {name for kind, name, ref, tag in rows if kind == "tag" and ref == f"{_REFS}{tag}"}
        pushed = ((ref.removeprefix(_REFS).encode(), name) for ref, name in self._pushed.items() if self._is_tag(name))
        return sorted(found | {name for ref, name in pushed if self._header(name, b"tag") == ref})

    def _is_tag(self, name: str) -> bool:
        return self._repository.run("cat-file", "-t", name).stdout.strip() == b"tag"

    def _trees(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return the trees of each commit and its first parent; an approval covers each commit with the same trees."""
        wanted = [place for name in names for place in (f"{name}^{{tree}}", f"{name}^{{commit}}~1^{{tree}}")]
        found = object_names(self._repository, wanted)
        return list(zip(found[::2], found[1::2], strict=True))


def distinct_people(approvals: Iterable[Approval], approvers: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the people who approved, sorted, each once.

    ``approvers`` maps a person's name to identities; where it has entries, only these people count.  Without it,
    signatures with a common address or key belong to one person.  Nothing links logins to keys, so signatures and
    reviews are not added: the longer list counts.
    """
    given = list(approvals)
    if approvers:
        known = {_folded(identity): name for name, identities in approvers.items() for identity in identities}
        return tuple(sorted({_person(known, approval) for approval in given} - {""}))
    reviewers = sorted({_folded(name) for item in given if item.how == "review" for name in item.identities})
    signers: list[set[str]] = []
    for approval in given:
        if approval.how != "review" and approval.identities:
            own = {_folded(identity) for identity in approval.identities}
            same = [signer for signer in signers if signer & own]
            signers = [signer for signer in signers if not signer & own] + [own.union(*same)]
    named = sorted(min(signer, key=lambda identity: ("@" not in identity, identity)) for signer in signers)
    return tuple(named if len(named) >= len(reviewers) else reviewers)


def _person(known: Mapping[str, str], approval: Approval) -> str:
    """Return the one person that an approval is of; empty for somebody unknown.

    A key is the safest: its owner is who counts, whatever addresses it has.
    """
    identities = sorted(map(_folded, approval.identities), key=lambda name: ("@" in name, name))
    return next((known[name] for name in identities if name in known), "")


def _time(ident: bytes) -> int:
    """Return the seconds in a committer or tagger; 0 for a malformed one."""
    seconds = ident.rpartition(b"> ")[2].split(b" ")[0]
    return int(seconds) if seconds.isdigit() and len(seconds) < 12 else 0


def _folded(identity: str) -> str:
    """Return an identity for comparison: addresses, logins and hexadecimal fingerprints ignore case."""
    return identity if identity.startswith("SHA256:") else identity.strip().lower()
