"""``rollstep remove``: takes apps away, with everything that is applied of them, in one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.git.commit import CommitResult
from renderer.git.objects import tree_files
from renderer.git.repository import Repository
from renderer.kubernetes.manifest import Manifest, ObjectKey
from renderer.kubernetes.sync_tools.tools import SYNC_TOOLS
from renderer.kubernetes.yaml.editor import drop
from renderer.kubernetes.yaml.reader import decode, load_documents
from renderer.pipeline.commit.atomic import commit_transaction
from renderer.pipeline.commit.part import Request
from renderer.pipeline.commit.planned_commit import identities, sign_off
from renderer.pipeline.commit.recovery import open_to_write
from renderer.pipeline.commit.trailers import PREFIX
from renderer.pipeline.load.discover import AppRef, Home, all_apps
from renderer.pipeline.load.files import read_own
from renderer.pipeline.load.marker import MARKER, read_marker
from renderer.pipeline.load.settings import SETTINGS_FILE, TO_PULL_REQUEST, Settings, parse_settings
from renderer.pipeline.load.sources import KUSTOMIZATION, OWN_FILES
from renderer.pipeline.load.workspace import Workspace
from renderer.pipeline.publish.environment_branches import (
    EnvironmentBranch,
    RenderedCommit,
    check_branches,
    environment_branches,
    update_branches,
)
from renderer.pipeline.publish.push import Pusher, make_on_top
from renderer.pipeline.render.files import describe
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.transaction import Transaction

SYNC_FOLDER = "sync"
"""The folder of the sync tool's objects, as ``init --sync`` writes them."""


class Removed(Struct, frozen=True):
    """The removed apps, the commit (None: HEAD has nothing of them), those on the ``branches``, and notes."""

    homes: tuple[Home, ...] = ()
    commit: CommitResult | None = None
    branches: tuple[EnvironmentBranch, ...] = ()
    rendered: tuple[RenderedCommit, ...] = ()
    notes: tuple[str, ...] = ()


def remove(
    request: Request, note: Callable[[str], object], *, everything: bool, sources: bool, shared: bool
) -> Removed:
    """Commit the removal of the named apps, or of all orphans with ``everything``.

    ``sources`` also removes an app's own manifests; ``shared`` allows objects that another app of the environment has.
    Raises UsageError for an unknown target, and RollstepError with every reason against the removal.
    """
    with open_to_write(request.directory, dry_run=request.dry_run, note=note) as (workspace, repository):
        forge = workspace.settings.forge
        pusher = Pusher(repository, forge, note) if request.push and not request.dry_run else None

        def make() -> Removed:
            # A push may have brought others' commits.
            opened = Workspace.open(request.directory)
            return _Removal(request, opened, repository, sources=sources, shared=shared).run(everything=everything)

        removed = make_on_top(pusher, lambda: None, make) if pusher else make()
        if request.dry_run or not removed.branches:
            return removed
        rendered = tuple(update_branches(repository, removed.branches, forge.remote))
        if rendered and pusher:
            pusher.push(sorted({commit.branch for commit in rendered}))
        return replace(removed, rendered=rendered)


class _Removal:
    """One removal in a work tree."""

    def __init__(
        self, request: Request, workspace: Workspace, repository: Repository, *, sources: bool, shared: bool
    ) -> None:
        self._request = request
        self._workspace = workspace
        self._repository = repository
        self._sources = sources
        self._shared = shared
        self._all = (*all_apps(workspace.root, workspace.settings), *workspace.orphans(()))
        self._left: Sequence[AppRef] = self._all
        self._settings_text: str | None = None
        self._notes: list[str] = []

    def run(self, *, everything: bool) -> Removed:
        """Check and commit the removal; raise RollstepError with every reason against it."""
        orphans = self._workspace.orphans(() if everything else self._request.targets)
        named = () if everything else self._with_manifests()
        homes = tuple(self._workspace.home(ref) for ref in (*named, *orphans))
        if not homes:
            return Removed(notes=("no app has lost its manifests",))
        self._left = [ref for ref in self._all if ref not in {home.ref for home in homes}]
        findings = [finding for home in homes for finding in self._against(home, is_orphan=home.ref in orphans)]
        if findings:
            raise RollstepError(sorted(set(findings)))
        self._plan_settings({home.ref for home in homes})
        branches = self._branches(homes)
        check_branches(self._repository, branches, self._workspace.settings.forge.remote)
        return Removed(homes, self._commit(homes), branches, notes=(*self._notes, *map(_removal_note, homes)))

    def _with_manifests(self) -> tuple[AppRef, ...]:
        """Return the apps with manifests that the targets name; a target that names an orphan names no other app."""
        targets = [target for target in self._request.targets if not self._workspace.orphans([target])]
        return self._workspace.apps(targets) if targets else ()

    def _against(self, home: Home, *, is_orphan: bool) -> Iterator[Finding]:
        """Yield the reasons against the removal of one app."""
        target = home.ref.target
        if not is_orphan and not self._sources:
            message = "has manifests: it is released, and the removal takes it out of the cluster"
            yield Finding(home.path, 0, 0, "", message, f"rollstep remove {target} --sources removes them as well")
        if home.settings.commit.to == TO_PULL_REQUEST:
            message = f"the commits of {target} go by pull request"
            hint = f"make it on a branch of its own: git switch --create remove-{home.ref.name}; git rm -r {home.path}"
            yield Finding(home.path, 0, 0, "", message, hint)
        dirty = self._repository.dirty([home.ref.folder, self._workspace.root / SETTINGS_FILE])
        lost = {path for path in dirty if self._exists(path)}
        settings_file = self._repository.relative(self._workspace.root / SETTINGS_FILE)
        for path in sorted(lost if self._sources else lost.intersection([*self._paths(home), settings_file])):
            hint = "commit it, or undo it with git restore"
            yield Finding(path, 0, 0, "", "is not committed, and the removal would lose it", hint)
        if not self._shared:
            yield from self._against_shared(home)

    def _against_shared(self, home: Home) -> Iterator[Finding]:
        """Yield the objects of an app that another app of its environment has, too."""
        own = _rendered_keys(home)
        for ref in self._left:
            if ref.environment != home.ref.environment:
                continue
            common = own & _rendered_keys(self._workspace.home(ref))
            if common:
                message = f"{ref.target} has {_names(common)}, too: a sync tool that prunes would delete them"
                hint = (
                    f"if {ref.target} is this app under another name, `git mv` its status and rendered files there; "
                    "--shared removes them all the same"
                )
                yield Finding(home.output_path, 0, 0, "", message, hint)

    def _plan_settings(self, removed: set[AppRef]) -> None:
        """Take settings that would name a missing app or environment out of ``rollstep.yaml``."""
        settings, root = self._workspace.settings, self._workspace.root
        paths = list(_settings_of(settings, removed, self._left))
        if not paths:
            return
        text = (root / SETTINGS_FILE).read_text(encoding="utf-8")
        for path in paths:
            text = drop(text, path)
        self._settings_text = text
        self._notes += [f"{settings.source.file}: without {'.'.join(path)}" for path in paths]
        self._workspace = replace(self._workspace, settings=parse_settings(text, root))

    def _commit(self, homes: Sequence[Home]) -> CommitResult | None:
        request, settings = self._request, homes[0].settings.commit
        author, committer = identities(settings)
        with NewFiles(self._repository.root, in_memory=request.dry_run) as new_files:
            transaction = Transaction(new_files)
            for path in dict.fromkeys(path for home in homes for path in (*self._paths(home), *self._sync_paths(home))):
                transaction.delete(path)
            if self._settings_text is not None:
                transaction.write(self._workspace.root / SETTINGS_FILE, self._settings_text)
            result = commit_transaction(
                self._repository,
                transaction,
                _message(homes, request) + (sign_off(self._repository, author) if settings.signoff else ""),
                author=author,
                committer=committer,
                when=request.now,
                allow_detached=request.allow_detached,
                dry_run=request.dry_run,
            )
        if not request.dry_run:
            self._remove_empty_folders(homes)
        return result

    @staticmethod
    def _remove_empty_folders(homes: Sequence[Home]) -> None:
        """Remove the folders that are empty now, as git does."""
        for home in homes:
            for folder in (home.output, home.ref.folder, home.ref.folder.parent):
                with suppress(OSError):
                    folder.rmdir()

    def _paths(self, home: Home) -> list[str]:
        """Return the paths to remove: rollstep's own, those that are gone already, and with ``sources`` all of HEAD."""
        folder = self._repository.relative(home.ref.folder)
        head = self._repository.head.sha
        listed = list(tree_files(self._repository, head, f"{folder}/")) if head else []
        others = listed if self._sources else [path for path in listed if not self._exists(path)]
        return sorted({*self._own_paths(home), *others})

    def _own_paths(self, home: Home) -> set[str]:
        output = self._repository.relative(home.output)
        names = (*read_marker(home.output), MARKER)
        own = {f"{output}/{name}" for name in names}
        own |= {self._repository.relative(home.ref.folder / name) for name in OWN_FILES}
        return {path for path in own if self._exists(path)}

    def _sync_paths(self, home: Home) -> Iterator[str]:
        """Yield the sync tool's own objects of the app, where ``init --sync`` wrote a file of each app."""
        ref = home.ref
        path = f"{SYNC_FOLDER}/{home.settings.sync}/{ref.environment}-{ref.name}.yaml"
        if (self._workspace.root / path).is_file():
            yield self._repository.relative(self._workspace.root / path)

    def _exists(self, path: str) -> bool:
        return (self._repository.root / path).exists()

    def _branches(self, homes: Sequence[Home]) -> tuple[EnvironmentBranch, ...]:
        """Return the branches of the environments of ``homes``, also of those that lose their last app."""
        found = {entry.branch: entry for entry in environment_branches(self._workspace, self._left)}
        for home in homes:
            branch = home.settings.commit.environment_branch
            if branch is not None and branch not in found:
                folder = f"{self._workspace.settings.environments_path}/{home.ref.environment}"
                found[branch] = EnvironmentBranch(branch, home.ref.environment, folder, {})
        wanted = {home.ref.environment for home in homes}
        return tuple(entry for entry in found.values() if entry.environment in wanted)


def _settings_of(settings: Settings, removed: set[AppRef], left: Sequence[AppRef]) -> Iterator[tuple[str, ...]]:
    environments, names = ({getattr(ref, key) for ref in left} for key in ("environment", "name"))
    for environment in settings.environments:
        if environment in {ref.environment for ref in removed} - environments:
            yield ("environments", environment)
            continue
        for app in settings.apps_of(environment):
            if (environment, app) in {(ref.environment, ref.name) for ref in removed}:
                yield ("environments", environment, "apps", app)
    for app in settings.apps:
        if app in {ref.name for ref in removed} - names:
            yield ("apps", app)


def _rendered_keys(home: Home) -> set[ObjectKey]:
    """Return the keys of an app's rendered objects, without files that cannot be read."""
    found = set()
    for name in read_marker(home.output):
        content = read_own(f"{home.output}/{name}")
        if content is None or name == KUSTOMIZATION:
            continue
        for document in load_documents(decode(content, name), f"{home.output_path}/{name}"):
            if isinstance(document.value, dict):
                found.add(Manifest(document.value).key)
    return found


def _names(keys: set[ObjectKey]) -> str:
    first, *others = sorted(keys)
    return describe(first) + (f" and {len(others)} more objects" if others else "")


def _message(homes: Sequence[Home], request: Request) -> str:
    names = "; ".join(f"{home.title}: remove" for home in homes)
    subject = names if len(homes) == 1 else f"{len(homes)} apps: {names}"
    if request.message:
        subject = " ".join(request.message.split())
    lines = [
        line for home in homes for line in (f"App: {home.ref.name}", f"Env: {home.ref.environment}", "Verb: remove")
    ]
    return f"{subject}\n\n" + "".join(f"{PREFIX}{line}\n" for line in lines)


def _removal_note(home: Home) -> str:
    return f"{home.title}: {SYNC_TOOLS[home.settings.sync].removal}"
