"""Commits on an environment's branch, which has rendered files only: they have to match the source that they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from renderer.errors import Finding
from renderer.git.objects import is_ancestor, object_names
from renderer.pipeline.commit.trailers import SOURCE
from renderer.pipeline.publish.environment_branches import (
    METADATA_FILE,
    EnvironmentBranch,
    foreign_files,
    rendered_files,
    source_of,
)
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.explain import different_paths, differing_files
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.pre_receive import GuardedUpdate, first_parents
from renderer.verbs.verify.verdict import AppVerdict, CommitVerdict

_HINT = "undo the commit: rollstep renders the branch from its source"


class EnvironmentBranchVerifier:
    """Verifies commits of environments' branches."""

    def __init__(self, loader: Loader, update: GuardedUpdate | None = None) -> None:
        """``update`` is that of a push, with the rules from outside of its commits."""
        self._loader = loader
        self._trusted = None if update is None else update.sources
        self._branch = None if update is None else update.branch
        self._is_named = update is not None and update.is_environment
        self._chains: dict[str, frozenset[str]] = {}

    def is_environment_branch(self, change: Change) -> bool:
        """Return whether a commit is on such a branch: the commit before it is, by the metadata file at its root.

        A commit that removes the file does not make it another branch.  Only the first one is asked itself.
        """
        if self._is_named:
            return True
        (name,) = self._loader.objects.names([f"{change.parent or change.commit.sha}:{METADATA_FILE}"])
        return bool(name)

    def verify(self, change: Change) -> CommitVerdict:
        """Return the verdict on a commit: its files have to be those rendered at its source."""
        repository, sha = self._loader.repository, change.commit.sha
        source = source_of(repository, sha) or ""
        trailer = dict(change.commit.trailers).get(SOURCE, "")
        if trailer != source:
            message = f"is {trailer or 'missing'}, and {METADATA_FILE} has {source or 'no source'}"
            return CommitVerdict(change.commit, findings=(Finding("", 0, 0, SOURCE, message, _HINT),))
        if not source or not all(object_names(repository, [f"{source}^{{commit}}"])):
            message = f"its source {source[:9]} is not in this repository"
            return CommitVerdict(change.commit, findings=(Finding("", 0, 0, SOURCE, message, "push it first"),))
        findings = list(self._check_source(change, source))
        found = self._loader.objects.files(sha)
        # Files of others outside of the apps are judged in the commit that brings them.
        kept = foreign_files(found).keys() - change.files.keys()
        files = {path: found[path] for path in _without_metadata(found) if path not in kept}
        rendered = [
            (branch.environment, rendered_files(repository, branch, source)) for branch in self._own(change, source)
        ]
        environment, nearest = min(rendered, key=lambda one: len(different_paths(one[1], files)), default=("", {}))
        findings += differing_files(self._loader.objects, nearest, files, _HINT)
        apps = sorted({path.partition("/")[0] for path in _without_metadata(change.files)})
        verdicts = tuple(AppVerdict(environment, app, "" if findings else "rendered") for app in apps)
        return CommitVerdict(change.commit, verdicts, tuple(findings))

    def _own(self, change: Change, source: str) -> list[EnvironmentBranch]:
        """Return the branches of environments at ``source`` that this one may be.

        It is that of its name; where that is unknown, one that its parent is.
        """
        found = list(self._branches(source))
        if self._branch is not None:
            return [branch for branch in found if branch.branch == self._branch]
        repository = self._loader.repository
        before = source_of(repository, change.parent) if change.parent else None
        if before is None or not self._loader.objects.exists(before):
            return found
        files = self._loader.objects.files(change.parent)
        own = {path: files[path] for path in _without_metadata(files) if path not in foreign_files(files)}
        kept = {
            branch.environment
            for branch in self._branches(before)
            if not different_paths(rendered_files(repository, branch, before), own)
        }
        return [branch for branch in found if branch.environment in kept] if kept else found

    def _check_source(self, change: Change, source: str) -> Iterator[Finding]:
        """Yield that the source is no descendant of the parent's source, or that no guarded branch has it.

        A guarded branch whose history was rewritten has lost the parent's source: any source follows that.
        """
        repository = self._loader.repository
        before = source_of(repository, change.parent) if change.parent else None
        if before is not None and not is_ancestor(repository, before, source) and self._is_trusted(before):
            message = f"its source {source[:9]} does not follow {before[:9]}, the source of the parent"
            yield Finding("", 0, 0, SOURCE, message, "take a step back with git revert on the source branch")
        if not self._is_trusted(source):
            message = f"its source {source[:9]} is on no guarded branch"
            yield Finding("", 0, 0, SOURCE, message, "push the branch of the sources first, or with it")

    def _is_trusted(self, source: str) -> bool:
        """Return whether a source is in the history of a guarded branch; True if any source will do."""
        return self._trusted is None or any(source in self._chain(tip) for tip in self._trusted)

    def _chain(self, tip: str) -> frozenset[str]:
        """Return the commits of a branch: its tip and the first parents."""
        if tip not in self._chains:
            self._chains[tip] = first_parents(self._loader.repository, tip)
        return self._chains[tip]

    def _branches(self, source: str) -> Iterator[EnvironmentBranch]:
        """Yield each environment branch by the settings of ``source``, with the output folders of its apps."""
        settings = self._loader.settings(source)
        found: dict[tuple[str, str], dict[str, str]] = {}
        for environment, app in self._loader.apps(source, settings):
            own = settings.for_app(environment, app)
            if own.commit.environment_branch:
                found.setdefault((environment, own.commit.environment_branch), {})[app] = own.output
        for (environment, branch), outputs in sorted(found.items()):
            yield EnvironmentBranch(branch, environment, f"{settings.environments_path}/{environment}", outputs)


def _without_metadata(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.rpartition("/")[2] != METADATA_FILE]
