"""Environment branches: one branch for each environment with its rendered manifests alone.

Each source (dry) commit that changes an environment's rendered manifests or ``status.yaml`` gives one commit on its
branch, with those files of the environment's folder.  The same sources give the same commits on any machine.  A run
after a killed one adds the missing commits.

The commits link to each other: the message (``Rollstep-Source``), the tree (``hydrator.metadata``) and a note in
``refs/notes/hydrator.metadata`` name the source commit, and a note of the source commit in ``refs/notes/rollstep``
names its rendered commits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.git.commit import Identity, environment_of
from renderer.git.objects import (
    REGULAR,
    TreeFile,
    add_note,
    is_ancestor,
    move_branch,
    read_file,
    store_blob,
    store_commit,
    store_tree,
    tip,
    tree_files,
)
from renderer.git.remote import public_url
from renderer.git.repository import Repository
from renderer.kubernetes.printing import to_json
from renderer.pipeline.commit import trailers
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.workspace import Workspace

METADATA_FILE = "hydrator.metadata"
"""The file of Argo CD's source hydrator (argo-cd v3, ``util/hydrator/hydrator.go``), which GitOps Promoter reads."""

METADATA_NOTES = "hydrator.metadata"
SOURCE_NOTES = "rollstep"

_RENDERED = ("--basic-regexp", f"--grep=^{trailers.SOURCE}: ")
"""Options of ``git rev-list`` that find rendered commits, by their trailer."""


class EnvironmentBranch(Struct, frozen=True):
    """A branch, its environment, the environment's folder, and the output folder of each app.

    ``source_branch`` is the branch that it is rendered from by the settings; None for the default.
    """

    branch: str
    environment: str
    folder: str
    outputs: Mapping[str, str]
    source_branch: str | None = None


class RenderedCommit(Struct, frozen=True):
    """A commit on an environment's branch, and its source commit."""

    branch: str
    environment: str
    sha: str
    source: str
    subject: str


class _Source(Struct, frozen=True):
    sha: str
    author_name: str
    author_email: str
    author_date: str
    committer_name: str
    committer_email: str
    committer_date: str
    message: str

    @classmethod
    def read(cls, repository: Repository, sha: str) -> _Source:
        fields = "%x00".join(("%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"))
        options = ("-s", "--no-color", "--encoding=UTF-8", f"--format={fields}")
        shown = repository.run("-c", "log.showSignature=false", "show", *options, sha)
        return cls(sha, *shown.stdout.decode(errors="replace").rstrip("\n").split("\0"))

    @property
    def subject(self) -> str:
        return " ".join(self.message.partition("\n\n")[0].split())

    @property
    def environment(self) -> dict[str, str]:
        """Git's variables for a commit by the same people at the same time, which has the same hash on any machine."""
        people = Identity(self.author_name, self.author_email), Identity(self.committer_name, self.committer_email)
        dates = {"GIT_AUTHOR_DATE": self.author_date, "GIT_COMMITTER_DATE": self.committer_date}
        return environment_of(*people) | dates


def environment_branches(workspace: Workspace, refs: Iterable[AppRef]) -> list[EnvironmentBranch]:
    """Return the branches of the environments of ``refs``, sorted; raise RollstepError if two of them share one.

    A branch also has the apps that have lost their manifests: only ``rollstep remove`` takes them away.
    """
    settings = workspace.settings
    wanted = {ref.environment for ref in refs if settings.for_app(ref.environment, ref.name).commit.environment_branch}
    found: dict[str, EnvironmentBranch] = {}
    findings = set()
    apps = workspace.apps(()) if wanted else ()
    for ref in (*apps, *(workspace.orphans((), apps) if wanted else ())):
        own = settings.for_app(ref.environment, ref.name)
        branch = own.commit.environment_branch
        if branch is None:
            continue
        folder = f"{settings.environments_path}/{ref.environment}"
        new = EnvironmentBranch(branch, ref.environment, folder, {}, own.commit.source_branch)
        entry = found.get(branch, new)
        if entry.environment != ref.environment:
            first, second = sorted((entry.environment, ref.environment))
            place = settings.source.position(("environments", second))
            message = f"{branch} is the branch of {first} and of {second}"
            hint = "put ${environment} into its name"
            findings.add(Finding(settings.source.file, *place, "commit.environmentBranch", message, hint))
        found[branch] = replace(entry, outputs={**entry.outputs, ref.name: own.output})
    if findings:
        raise RollstepError(sorted(findings))
    return [found[name] for name in sorted(found) if found[name].environment in wanted]


def source_branch(repository: Repository, entry: EnvironmentBranch, remote: str) -> str | None:
    """Return the branch that alone moves an environment's branch; None if the first one that does decides.

    It is that of the settings, else the remote's default branch, else the branch that moved it last.
    """
    if entry.source_branch is not None:
        return entry.source_branch
    place = f"refs/remotes/{remote}/"
    default = repository.run("symbolic-ref", "--quiet", f"{place}HEAD", check=False).stdout.decode().strip()
    if default.startswith(place):
        return default.removeprefix(place)
    here, there = _tips(repository, entry.branch, remote)
    last = there or here
    return _trailer(repository, last, trailers.BRANCH) or None if last else None


def check_branches(
    repository: Repository, branches: Iterable[EnvironmentBranch], remote: str, *, new_source: bool = False
) -> None:
    """Raise RollstepError with every reason not to move the branches; change nothing.

    With ``new_source``, a branch may have been rendered from a commit that is not in HEAD's history.
    """
    branches = tuple(branches)
    if not branches:
        return
    worktrees = _checked_out(repository)
    findings = [
        Finding(entry.branch, 0, 0, "", message, hint)
        for entry in branches
        for message, hint in _refusals(repository, entry, remote, worktrees, new_source)
    ]
    if findings:
        raise RollstepError(findings)


def _refusals(
    repository: Repository, entry: EnvironmentBranch, remote: str, worktrees: set[str], new_source: bool
) -> Iterator[tuple[str, str]]:
    branch, head = entry.branch, repository.head
    if repository.run("check-ref-format", "--branch", branch, check=False).status:
        yield "is no name for a branch", "see git help check-ref-format"
        return
    if branch == head.branch or branch in worktrees:
        message = f"is checked out, and it is the branch of the manifests rendered for {entry.environment}"
        yield message, "switch to the branch that has the sources"
        return
    start = _start(repository, branch, remote)
    if start is None or head.sha is None:
        return
    yield from _lost_commits(repository, branch, start, remote)
    source = source_of(repository, start)
    if source is None:
        message = f"has commits, but no {METADATA_FILE}: it is no branch of rendered manifests"
        yield message, "choose another name in commit.environmentBranch"
        return
    yield from _foreign_changes(repository, branch, start)
    if not new_source and not is_ancestor(repository, source, head.sha):
        name = head.branch or "HEAD"
        shallow = repository.run("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        hint = f"pull, or render it from {name}: rollstep publish {entry.environment} --new-source"
        message = f"was rendered from {source[:9]}, which is not in the history of {name}"
        yield message, "git fetch --unshallow" if shallow else hint


def _lost_commits(repository: Repository, branch: str, start: str, remote: str) -> Iterator[tuple[str, str]]:
    """Yield that the local branch would lose commits of others, which nothing renders again."""
    here = tip(repository, f"refs/heads/{branch}")
    if here is None or is_ancestor(repository, here, start):
        return
    if shas := repository.run("rev-list", "--invert-grep", *_RENDERED, f"{start}..{here}").stdout.decode().split():
        message = f"has parted from {remote}/{branch}, and {', '.join(sha[:9] for sha in shas[:5])} is not rollstep's"
        yield message, f"keep it elsewhere, and run git branch --force {branch} {remote}/{branch}"


def _foreign_changes(repository: Repository, branch: str, start: str) -> Iterator[tuple[str, str]]:
    """Yield the rendered files that others have changed on the branch since its last rendered commit."""
    rendered = repository.run("rev-list", "-1", "--first-parent", *_RENDERED, start).stdout.decode().strip()
    if not rendered or rendered == start:
        return
    before, now = tree_files(repository, rendered), tree_files(repository, start)
    foreign = foreign_files(before).keys() | foreign_files(now).keys()
    changed = [path for path in sorted(before.keys() | now.keys()) if before.get(path) != now.get(path)]
    if ours := [path for path in changed if path not in foreign]:
        message = f"has changes of others to what is rendered, since {rendered[:9]}: {', '.join(ours[:5])}"
        yield message, f"take them back with git revert on {branch}, and change the sources instead"


def foreign_files(files: Mapping[str, TreeFile]) -> dict[str, TreeFile]:
    """Return the files of an environment's branch that are not rollstep's: those outside of the apps' folders."""
    apps = {folder for folder, _, rest in (path.partition("/") for path in files) if rest == METADATA_FILE}
    return {path: file for path, file in files.items() if path != METADATA_FILE and path.partition("/")[0] not in apps}


def update_branches(
    repository: Repository, branches: Iterable[EnvironmentBranch], remote: str, *, new_source: bool = False
) -> list[RenderedCommit]:
    """Bring every branch up to HEAD and return the new commits, oldest first.

    Raises RollstepError as ``check_branches`` does, and if somebody else moves a branch meanwhile.
    """
    head, wanted = repository.head.sha, list(branches)
    check_branches(repository, wanted, remote, new_source=new_source)
    return [commit for entry in wanted if head for commit in _update(repository, entry, head, remote)]


def _update(repository: Repository, entry: EnvironmentBranch, head: str, remote: str) -> list[RenderedCommit]:
    local = tip(repository, f"refs/heads/{entry.branch}")
    start = _start(repository, entry.branch, remote)
    commits: list[tuple[RenderedCommit, _Source]] = []
    parent = start
    for sha in _sources(repository, entry, start, head):
        source = _Source.read(repository, sha)
        tree = _tree(repository, entry, source, parent, remote)
        if tree is None:
            continue
        message = _message(source, entry.environment, repository.head.branch)
        parent = store_commit(repository, tree, [parent] if parent else [], message, source.environment)
        commits.append((RenderedCommit(entry.branch, entry.environment, parent, sha, source.subject), source))
    if parent is not None and parent != local:
        move_branch(repository, entry.branch, parent, local, f"render {entry.environment}")
    for commit, source in commits:
        _note(repository, commit.sha, source.sha, source.environment)
        _note_source(repository, commit, source.environment)
    if parent is not None and not commits:
        # HEAD changes no manifest of it: by GitOps Promoter's contract the note alone names the newer source.
        _note(repository, parent, head, _Source.read(repository, parent).environment)
    return [commit for commit, _ in commits]


def _sources(repository: Repository, entry: EnvironmentBranch, start: str | None, head: str) -> list[str]:
    """Return the source commits after that of ``start``, oldest first; HEAD alone for a new branch or history."""
    since = source_of(repository, start) if start else None
    if since is None or _is_new_history(repository, start, head):
        return [head]
    listed = repository.run("rev-list", "--first-parent", "--reverse", f"{since}..{head}", "--", entry.folder)
    return listed.stdout.decode().split()


def _is_new_history(repository: Repository, rendered: str | None, source: str) -> bool:
    """Return whether the commit ``source`` does not follow the source of a ``rendered`` commit."""
    before = source_of(repository, rendered) if rendered else None
    return before is not None and not is_ancestor(repository, before, source)


def _tree(
    repository: Repository, entry: EnvironmentBranch, source: _Source, parent: str | None, remote: str
) -> str | None:
    """Return the tree of the rendered files of ``source`` and of the foreign files.

    Returns None if ``parent`` has it, and its source is in the history of ``source``.
    """
    files = rendered_files(repository, entry, source.sha)
    old = tree_files(repository, parent) if parent else {}
    foreign = foreign_files(old)
    before = {
        path: file for path, file in old.items() if path not in foreign and path.rpartition("/")[2] != METADATA_FILE
    }
    if files == before and not _is_new_history(repository, parent, source.sha):
        return None
    url = public_url(repository, remote)
    wanted = {**foreign, **files, METADATA_FILE: _metadata(repository, _commit_metadata(source, url))}
    for app in sorted({path.partition("/")[0] for path in files}):
        metadata = old.get(f"{app}/{METADATA_FILE}")
        if metadata is None or _part(files, app) != _part(before, app):
            command = f"rollstep render {entry.environment}/{app}"
            metadata = _metadata(repository, {"repoURL": url, "drySha": source.sha, "commands": [command]})
        wanted[f"{app}/{METADATA_FILE}"] = metadata
    return store_tree(repository, None, wanted)


def rendered_files(repository: Repository, entry: EnvironmentBranch, ref: str) -> dict[str, TreeFile]:
    """Return the rendered files of ``ref`` for the environment, by path from the environment's folder."""
    found = {}
    for path, file in tree_files(repository, ref, f"{entry.folder}/").items():
        name = path.removeprefix(f"{entry.folder}/")
        app, _, rest = name.partition("/")
        if app in entry.outputs and (rest == STATUS_FILE or rest.startswith(f"{entry.outputs[app]}/")):
            found[name] = file
    return found


def _part(files: Mapping[str, TreeFile], app: str) -> dict[str, TreeFile]:
    return {path: file for path, file in files.items() if path.startswith(f"{app}/")}


def _commit_metadata(source: _Source, url: str) -> dict[str, Any]:
    """Return the root ``hydrator.metadata`` of a commit, in the order of Argo CD's ``HydratorCommitMetadata``."""
    return {
        "repoURL": url,
        "drySha": source.sha,
        "author": f"{source.author_name} <{source.author_email}>",
        "date": source.author_date.replace("+00:00", "Z"),
        "subject": source.subject,
        "body": source.message.partition("\n\n")[2],
    }


def _metadata(repository: Repository, values: Mapping[str, Any]) -> TreeFile:
    known = {key: value for key, value in values.items() if value}
    return TreeFile(REGULAR, store_blob(repository, to_json(known).encode()))


def _message(source: _Source, environment: str, branch: str | None) -> str:
    """Return the rendered commit's message: the source's subject and trailers, its branch and its hash.

    Only the trailers about ``environment`` are in it.
    """
    lines: list[str] = []
    group: list[str] = []
    for line in [*source.message.rpartition("\n\n")[2].split("\n"), f"{trailers.APP}: "]:
        if line.startswith(f"{trailers.APP}: "):
            lines += group if f"{trailers.PREFIX}Env: {environment}" in group else []
            group = []
        if line.startswith(trailers.PREFIX) and not line.startswith((trailers.BRANCH, trailers.SOURCE)):
            group.append(line)
    if branch is not None:
        lines.append(f"{trailers.BRANCH}: {branch}")
    return "\n".join([source.subject or "Render", "", *lines, f"{trailers.SOURCE}: {source.sha}", ""])


def _note(repository: Repository, commit: str, source: str, who: Mapping[str, str]) -> None:
    add_note(repository, METADATA_NOTES, commit, json.dumps({"drySha": source}, separators=(",", ":")) + "\n", who)


def _note_source(repository: Repository, commit: RenderedCommit, who: Mapping[str, str]) -> None:
    """Add the rendered commit to the note of its source, which may name commits of other branches."""
    old = repository.run("notes", f"--ref={SOURCE_NOTES}", "show", commit.source, check=False)
    lines = set(old.stdout.decode(errors="replace").splitlines()) if old.status == 0 else set()
    others = {line for line in lines if line and not line.startswith(f"{trailers.RENDERED}: {commit.branch} ")}
    text = "\n".join(sorted({*others, f"{trailers.RENDERED}: {commit.branch} {commit.sha}"})) + "\n"
    add_note(repository, SOURCE_NOTES, commit.source, text, who)


def _start(repository: Repository, branch: str, remote: str) -> str | None:
    """Return the commit to go on from: the newer tip of the local branch and of the remote's last fetched one.

    It is the remote's if the local one has diverged from it, or has commits whose sources HEAD has lost: they are
    rendered again.
    """
    here, there = _tips(repository, branch, remote)
    if here is None or there is None:
        return here or there
    if not is_ancestor(repository, there, here):
        return there
    sources = (source_of(repository, here), source_of(repository, there))
    lost, kept = (source is None or not is_ancestor(repository, source, "HEAD") for source in sources)
    return there if lost and not kept else here


def _tips(repository: Repository, branch: str, remote: str) -> tuple[str | None, str | None]:
    """Return the commits of the local branch and of the remote's last fetched one."""
    return tip(repository, f"refs/heads/{branch}"), tip(repository, f"refs/remotes/{remote}/{branch}")


def _trailer(repository: Repository, commit: str, key: str) -> str:
    format_ = f"--format=%(trailers:key={key},valueonly)"
    shown = repository.run("show", "-s", "--no-show-signature", format_, commit)
    return shown.stdout.decode(errors="replace").strip()


def source_of(repository: Repository, commit: str) -> str | None:
    """Return the source commit in ``hydrator.metadata`` of ``commit``; None for a missing or malformed one."""
    try:
        found = json.loads(read_file(repository, commit, METADATA_FILE) or b"")["drySha"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found.isalnum() else None


def _checked_out(repository: Repository) -> set[str]:
    listed = repository.run("worktree", "list", "--porcelain").stdout.decode(errors="replace")
    prefix = "branch refs/heads/"
    return {line.removeprefix(prefix) for line in listed.splitlines() if line.startswith(prefix)}
