"""Who has approved something: signatures and reviews, counted by person (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct


class Approval(Struct, frozen=True):
    """One approval: all that is known of who gave it, and how (``commit``, ``tag`` or ``review``).

    ``identities`` are mail addresses and fingerprints of a key, or a forge's login with an ``@`` before it.
    """

    identities: tuple[str, ...]
    how: str


def people(approvals: Iterable[Approval], approvers: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the people who have approved, sorted, each once.

    With ``approvers`` these are the names there that one of the identities belongs to.  Without, signatures that share
    an address or a key are one person's; nobody can tell whose login is whose key, so that signatures and reviews are
    not added up: the longer list counts.
    """
    given = list(approvals)
    if approvers:
        known = {_folded(identity): name for name, identities in approvers.items() for identity in identities}
        found = {known.get(_folded(identity), "") for approval in given for identity in approval.identities}
        return tuple(sorted(found - {""}))
    reviewers = sorted({_folded(name) for item in given if item.how == "review" for name in item.identities})
    signers: list[set[str]] = []
    for approval in given:
        if approval.how != "review" and approval.identities:
            mine = {_folded(identity) for identity in approval.identities}
            same = [signer for signer in signers if signer & mine]
            signers = [signer for signer in signers if not signer & mine] + [mine.union(*same)]
    named = sorted(min(signer, key=lambda identity: ("@" not in identity, identity)) for signer in signers)
    return tuple(named if len(named) >= len(reviewers) else reviewers)


def _folded(identity: str) -> str:
    """Return an identity as it is compared: addresses, logins and hexadecimal fingerprints in any case."""
    return identity if identity.startswith("SHA256:") else identity.strip().lower()
