"""``rollstep approve``: sign a tag that approves a commit, and list a commit's approvals."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.objects import has_ref
from renderer.git.repository import Commit, Repository
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.verbs.policy.approvals import FIELD, TAGS, Approval, Approvals
from renderer.verbs.verify import verify_commits


class Approved(Struct, frozen=True):
    """An approved commit and the full ref of the tag."""

    commit: Commit
    tag: str


def approve(repository: Repository, revision: str, *, again: bool = False, dry_run: bool = False) -> Approved:
    """Sign a tag that approves the commit of ``revision``, with the key that git is configured for.

    A dry run checks the commit and signs nothing.  ``again`` returns the existing tag of the same person, whose push
    may have failed.  Raises RollstepError for an illegal commit, for a second approval by the same person, and with
    git's message where it cannot sign.
    """
    sha = repository.resolve(revision)
    (verdict,) = verify_commits(repository, ["--no-walk", sha])
    illegal = [finding for finding in verdict.all_findings if finding.field != FIELD]
    if illegal:
        raise RollstepError(illegal)
    committer = repository.run("var", "GIT_COMMITTER_IDENT").stdout.decode(errors="replace")
    address = committer.rpartition("<")[2].partition(">")[0]
    tag = f"{TAGS}{sha[:12]}/{re.sub(r'[^A-Za-z0-9]+', '-', address).strip('-').lower() or 'somebody'}"
    if has_ref(repository, tag):
        if again:
            return Approved(verdict.commit, tag)
        raise RollstepError(f"{tag} exists already", hint=f"push it: git push origin {tag}")
    if dry_run:
        return Approved(verdict.commit, tag)
    message = f"Approve {verdict.commit.subject}\n\nRollstep-Approves: {sha}\n"
    args = ("tag", "--sign", "--file=-", tag.removeprefix("refs/tags/"), sha)
    signed = repository.run(*args, stdin=message.encode(), check=False, writes=True)
    # Git 2.39 makes a tag without a signature, and exits with 0, where the SSH key is missing.
    unsigned = not signed.status and b"\n-----BEGIN " not in repository.run("cat-file", "tag", tag).stdout
    if unsigned:
        repository.run("update-ref", "-d", tag, writes=True)
    if signed.status or unsigned:
        hint = "set user.signingKey to your key, and gpg.format=ssh for an SSH key"
        raise RollstepError([Finding("", 0, 0, "", f"git could not sign: {signed.stderr}", hint)])
    return Approved(verdict.commit, tag)


def approvals_of(repository: Repository, revision: str) -> list[Approval]:
    """Return the approvals of the commit of ``revision`` by signatures and tags whose keys git knows."""
    return list(Approvals(repository).of(repository.resolve(revision)))


def missing_approvals(repository: Repository, folder: Path) -> tuple[Finding, ...]:
    """Return the missing approvals of the last commit that changed the status of the app in ``folder``.

    A commit that only moves the folder is none.
    """
    path, ref = repository.relative(folder / STATUS_FILE), "HEAD"
    while commits := repository.log(path, ref=ref, max_count=1):
        moved_from = repository.moved_from(commits[0].sha, path)
        if not moved_from:
            break
        path, ref = moved_from, f"{commits[0].sha}^1"
    else:
        return ()
    (verdict,) = verify_commits(repository, ["--no-walk", commits[0].sha])
    place = tuple(path.split("/")[-3:-1])
    return tuple(
        finding
        for found in verdict.apps
        for finding in found.findings
        if (found.environment, found.app) == place and finding.field == FIELD
    )
