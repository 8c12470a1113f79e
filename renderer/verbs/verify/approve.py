"""``rollstep approve``: a signed tag that names a commit, and who has approved one (shell)."""

from __future__ import annotations

import re

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.objects import has_ref
from renderer.git.repository import Commit, Repository
from renderer.verbs.policy.approval import Approval
from renderer.verbs.policy.approvals import TAGS
from renderer.verbs.verify import Approvals, verify_commits
from renderer.verbs.verify.policy import APPROVALS


class Approved(Struct, frozen=True):
    """A commit that was approved, and the tag that says so, as a full ref."""

    commit: Commit
    tag: str


def approve(repository: Repository, revision: str, *, again: bool = False) -> Approved:
    """Sign a tag that approves the commit of ``revision``; git's configuration says with which key.

    Raises RollstepError where the commit is no legal step, where the same person has approved it, and with git's words
    where it cannot sign.  ``again`` takes a tag that the same person has made already, whose push may have failed.
    """
    sha = repository.resolve(revision)
    (verdict,) = verify_commits(repository, ["--no-walk", sha])
    wrong = [finding for finding in verdict.all_findings if finding.field != APPROVALS]
    if wrong:
        raise RollstepError(wrong)
    who = repository.run("var", "GIT_COMMITTER_IDENT").stdout.decode(errors="replace")
    address = who.rpartition("<")[2].partition(">")[0]
    tag = f"{TAGS}{sha[:12]}/{re.sub(r'[^A-Za-z0-9]+', '-', address).strip('-').lower() or 'somebody'}"
    if again and has_ref(repository, tag):
        return Approved(verdict.commit, tag)
    if has_ref(repository, tag):
        raise RollstepError(f"{tag} is there already", hint=f"push it: git push origin {tag}")
    message = f"Approve {verdict.commit.subject}\n\nRollstep-Approves: {sha}\n"
    args = ("tag", "--sign", "--file=-", tag.removeprefix("refs/tags/"), sha)
    made = repository.run(*args, stdin=message.encode(), check=False, writes=True)
    # Git 2.39 makes a tag without a signature, and says that all is well, where the key of SSH is not there.
    unsigned = not made.status and b"\n-----BEGIN " not in repository.run("cat-file", "tag", tag).stdout
    if unsigned:
        repository.run("update-ref", "-d", tag, writes=True)
    if made.status or unsigned:
        hint = "git needs a key of yours: user.signingKey, and gpg.format=ssh for one of SSH"
        raise RollstepError([Finding("", 0, 0, "", f"git could not sign: {made.stderr}", hint)])
    return Approved(verdict.commit, tag)


def approvals_of(repository: Repository, revision: str) -> list[Approval]:
    """Return the approvals of the commit of ``revision``, as far as this repository knows them and their keys."""
    return list(Approvals(repository).of(repository.resolve(revision)))
