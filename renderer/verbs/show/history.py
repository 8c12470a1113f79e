"""The revisions of a release, from git's history alone."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from renderer.git.objects import read_files
from renderer.git.repository import Commit, Repository
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.printing import text_table
from renderer.kubernetes.times import format_time
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.commit.trailers import releases
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.waiting import waiting_version
from renderer.rollouts.controller.workload import resolve_workload
from renderer.rollouts.info import roles
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.verbs.show.tree import images

Entry = dict[str, Any]
NO_COMMIT: Entry = dict.fromkeys(("commit", "date", "subject"))


class _Made(Struct, frozen=True):
    """A commit of a revision, and the app's output folder in it."""

    commit: Commit
    revision: int
    output: str


def revisions_of(release: Release) -> list[Entry]:
    """Return an entry for each revision, newest first: its images, its role now, and its first commit.

    The first entry is a version that waits in the sources, which has no revision and no commit.
    """
    repository = Repository.open(release.root)
    # The commits are newest first: the oldest of a revision stays.
    begun = {made.revision: made for made in _commits(repository, release)}
    by_revision = {rs.revision: rs for rs in release.world.replica_sets}
    entries = [_waiting_entry(release)] if waiting_version(release.world) else []
    for revision in sorted(begun.keys() | by_revision.keys(), reverse=True):
        made = begun.get(revision)
        replica_set = by_revision.get(revision)
        shown = replica_set or (_replica_set(repository, made) if made else None)
        entry = {
            **_place(release, revision),
            "images": list(images(shown.template)) if shown else [],
            "roles": list(roles(release.world, replica_set)) if replica_set else [],
            **(_commit_fields(made.commit) if made else NO_COMMIT),
        }
        entries.append(entry)
    return entries


def commits_of(release: Release, revision: int) -> list[Entry]:
    """Return an entry for each commit of one revision, newest first."""
    commits = _commits(Repository.open(release.root), release)
    return [
        {**_place(release, revision), **_commit_fields(made.commit)} for made in commits if made.revision == revision
    ]


def revisions_text(entries: list[Entry]) -> str:
    """Return the revisions as a table."""
    rows = [["ENV", "APP", "REVISION", "IMAGES", "ROLE", "COMMIT", "DATE"]]
    for entry in entries:
        place = [entry["environment"], entry["app"], str(entry["revision"] or "-")]
        what = [", ".join(entry["images"]), ", ".join(entry["roles"]) or "-"]
        rows.append([*place, *what, (entry["commit"] or "-")[:9], entry["date"] or "-"])
    return text_table(rows)


def commits_text(entries: list[Entry]) -> str:
    """Return the commits of a revision as a table."""
    rows = [["ENV", "APP", "REVISION", "COMMIT", "DATE", "SUBJECT"]]
    for entry in entries:
        place = [entry["environment"], entry["app"], str(entry["revision"])]
        rows.append([*place, entry["commit"][:9], entry["date"], entry["subject"]])
    return text_table(rows)


def _waiting_entry(release: Release) -> Entry:
    template = resolve_workload(release.world).rollout.template
    return {**_place(release, None), "images": list(images(template)), "roles": ["waiting"], **NO_COMMIT}


def _place(release: Release, revision: int | None) -> Entry:
    ref = release.app.ref
    return {"environment": ref.environment, "app": ref.name, "revision": revision}


def _commit_fields(commit: Commit) -> Entry:
    return {"commit": commit.sha, "date": format_time(commit.date), "subject": commit.subject}


def _commits(repository: Repository, release: Release) -> list[_Made]:
    """Return the commits of this app, newest first, also those before a move of its folder."""
    found: list[_Made] = []
    folder, ref = repository.relative(release.folder), "HEAD"
    own = (release.app.ref.name, release.app.ref.environment)
    while folder:
        commits = repository.log(folder, ref=ref)
        for commit in commits:
            for trailers in releases(commit.trailers):
                is_own = (trailers.get("App"), trailers.get("Env")) == own
                if is_own and trailers.get("Revision", "").isdecimal():
                    output = f"{folder}/{release.app.settings.output}"
                    found.append(_Made(commit, int(trailers["Revision"]), output))
        moved_from = repository.moved_from(commits[-1].sha, f"{folder}/{STATUS_FILE}") if commits else ""
        folder = moved_from.rpartition("/")[0]
        if folder:
            ref, own = f"{commits[-1].sha}^1", (folder.split("/")[-1], folder.split("/")[-2])
    return found


def _replica_set(repository: Repository, made: _Made) -> ReplicaSet | None:
    """Return the revision's ReplicaSet in the commit; None if missing."""
    for path, content in read_files(repository, made.commit.sha, made.output).items():
        if not path.rpartition("/")[2].startswith("replicaset-"):
            continue
        for document in load_documents(decode(content, path), path):
            if Manifest(document.value).kind == "ReplicaSet":
                replica_set = ReplicaSet.from_body(document.value)
                if replica_set.revision == made.revision:
                    return replica_set
    return None
