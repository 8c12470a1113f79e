"""The revisions of a release, from git's history alone (shell)."""

from __future__ import annotations

from typing import Any

from renderer.git.objects import read_files
from renderer.git.repository import Commit, Repository
from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.printing import text_table
from renderer.kubernetes.times import format_time
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.commit.trailers import releases
from renderer.pipeline.resolve.release import Release
from renderer.rollouts.info import roles
from renderer.rollouts.model.rollout import ReplicaSet

Entry = dict[str, Any]


def revisions_of(release: Release) -> list[Entry]:
    """Return an entry for each revision, newest first: images, role now, the commit that began it, and its date."""
    repository = Repository.open(release.root)
    begun: dict[int, Commit] = {}
    for commit, revision in _commits(repository, release):
        begun[revision] = commit
    by_revision = {rs.revision: rs for rs in release.world.replica_sets}
    entries = []
    for revision in sorted(begun.keys() | by_revision.keys(), reverse=True):
        found = begun.get(revision)
        replica_set = by_revision.get(revision)
        entry: Entry = {"environment": release.app.ref.environment, "app": release.app.ref.name, "revision": revision}
        shown = replica_set or (_replica_set(repository, release, found, revision) if found else None)
        entry["images"] = _images(shown) if shown else []
        entry["roles"] = list(roles(release.world, replica_set)) if replica_set else []
        entry |= dict.fromkeys(("commit", "date", "subject"))
        if found:
            entry |= {"commit": found.sha, "date": format_time(found.date), "subject": found.subject}
        entries.append(entry)
    return entries


def commits_of(release: Release, revision: int) -> list[Entry]:
    """Return an entry for each commit of one revision, newest first."""
    repository = Repository.open(release.root)
    return [
        {
            "environment": release.app.ref.environment,
            "app": release.app.ref.name,
            "revision": revision,
            "commit": commit.sha,
            "date": format_time(commit.date),
            "subject": commit.subject,
        }
        for commit, number in _commits(repository, release)
        if number == revision
    ]


def _commits(repository: Repository, release: Release) -> list[tuple[Commit, int]]:
    """Return the commits about this app with their revision, newest first."""
    ref = release.app.ref
    found = []
    for commit in repository.log(ref.folder):
        for trailers in releases(commit.trailers):
            mine = (trailers.get("App"), trailers.get("Env")) == (ref.name, ref.environment)
            if mine and trailers.get("Revision", "").isdecimal():
                found.append((commit, int(trailers["Revision"])))
    return found


def _replica_set(repository: Repository, release: Release, commit: Commit, revision: int) -> ReplicaSet | None:
    """Return the revision's ReplicaSet as the commit that began it had it."""
    for path, content in read_files(repository, commit.sha, release.output).items():
        if not path.rpartition("/")[2].startswith("replicaset-"):
            continue
        for document in load_documents(decode(content, path), path):
            if Manifest(document.value).kind == "ReplicaSet":
                replica_set = ReplicaSet.from_body(document.value)
                if replica_set.revision == revision:
                    return replica_set
    return None


def _images(replica_set: ReplicaSet) -> list[str]:
    containers = (replica_set.template.get("spec") or {}).get("containers") or []
    return [container.get("image", "") for container in containers]


def revisions_text(entries: list[Entry]) -> str:
    """Return the revisions as a table."""
    rows = [["ENV", "APP", "REVISION", "IMAGES", "ROLE", "COMMIT", "DATE"]]
    for entry in entries:
        place = [entry["environment"], entry["app"], str(entry["revision"])]
        what = [", ".join(entry["images"]), ", ".join(entry["roles"]) or "-"]
        rows.append([*place, *what, (entry["commit"] or "-")[:9], entry["date"] or "-"])
    return text_table(rows)


def commits_text(entries: list[Entry]) -> str:
    """Return the commits of a revision as a table."""
    rows = [["ENV", "APP", "REVISION", "COMMIT", "DATE", "SUBJECT"]]
    rows += [
        [
            entry["environment"],
            entry["app"],
            str(entry["revision"]),
            entry["commit"][:9],
            entry["date"],
            entry["subject"],
        ]
        for entry in entries
    ]
    return text_table(rows)
