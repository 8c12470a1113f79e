"""Commits on an environment's branch, which has nothing but what is rendered: held against the source they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from renderer.errors import Finding
from renderer.git.objects import is_ancestor, object_names
from renderer.pipeline.commit.trailers import SOURCE
from renderer.pipeline.publish.environment_branches import (
    METADATA_FILE,
    EnvironmentBranch,
    rendered_files,
    source_of,
)
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.explain import different_paths, differing_files
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.verdict import CommitVerdict, Verdict

_HINT = "the branch is made from its source: undo the commit, and rollstep renders it"


class RenderedBranches:
    """Judges commits of environments' branches."""

    def __init__(self, loader: Loader, trusted: Sequence[str] | None = None) -> None:
        """``trusted`` are commits that guarded branches are at, one of which has to have the source in its history.

        None asks for nothing.
        """
        self.loader = loader
        self._trusted = trusted
        self._known: dict[str, bool] = {}

    def is_rendered(self, change: Change) -> bool:
        """Tell whether a commit is on such a branch: its tree has the metadata at its root."""
        sha = change.commit.sha
        if METADATA_FILE not in change.files and change.parent in self._known:
            self._known[sha] = self._known[change.parent]
        else:
            (name,) = object_names(self.loader.repository, [f"{sha}:{METADATA_FILE}"])
            self._known[sha] = bool(name)
        return self._known[sha]

    def judge(self, change: Change) -> CommitVerdict:
        """Return what is wrong with a commit: its files have to be those of its source, and that has to follow."""
        repository, sha = self.loader.repository, change.commit.sha
        source = source_of(repository, sha) or ""
        told = dict(change.commit.trailers).get(SOURCE, "")
        if told != source:
            message = f"says {told or 'nothing'}, and {METADATA_FILE} says {source or 'nothing'}"
            return CommitVerdict(change.commit, findings=(Finding("", 0, 0, SOURCE, message, _HINT),))
        if not source or not all(object_names(repository, [f"{source}^{{commit}}"])):
            message = f"its source {source[:9]} is not in this repository"
            return CommitVerdict(change.commit, findings=(Finding("", 0, 0, SOURCE, message, "push it first"),))
        findings = list(self._strange_source(change, source))
        files = {
            path: file
            for path, file in self.loader.objects.files(sha).items()
            if path.rpartition("/")[2] != METADATA_FILE
        }
        entries = list(self._entries(source))
        wanted = [rendered_files(repository, entry, source) for entry in entries]
        nearest = min(wanted, key=lambda rendered: len(different_paths(rendered, files)), default={})
        findings += differing_files(self.loader.objects, nearest, files, _HINT)
        environment = next(
            (entry.environment for entry, one in zip(entries, wanted, strict=True) if one is nearest), ""
        )
        apps = sorted({path.partition("/")[0] for path in change.files if path.rpartition("/")[2] != METADATA_FILE})
        verdicts = tuple(Verdict(environment, app, "" if findings else "rendered") for app in apps)
        return CommitVerdict(change.commit, verdicts, tuple(findings))

    def _strange_source(self, change: Change, source: str) -> Iterator[Finding]:
        repository = self.loader.repository
        before = source_of(repository, change.parent) if change.parent else None
        if before is not None and not is_ancestor(repository, before, source):
            message = f"its source {source[:9]} does not follow {before[:9]}, the one before"
            yield Finding("", 0, 0, SOURCE, message, "take a step back with git revert on the source branch")
        if self._trusted is not None and not any(is_ancestor(repository, source, tip) for tip in self._trusted):
            message = f"its source {source[:9]} is on no guarded branch"
            yield Finding("", 0, 0, SOURCE, message, "push the branch of the sources first, or with it")

    def _entries(self, source: str) -> Iterator[EnvironmentBranch]:
        """Yield each environment that has a branch by the settings of ``source``, with its apps' output folders."""
        settings = self.loader.settings(source)
        found: dict[tuple[str, str], dict[str, str]] = {}
        for environment, app in self.loader.apps(source, settings):
            own = settings.for_app(environment, app)
            if own.commit.environment_branch:
                found.setdefault((environment, own.commit.environment_branch), {})[app] = own.output
        for (environment, branch), outputs in sorted(found.items()):
            yield EnvironmentBranch(branch, environment, f"{settings.environments_path}/{environment}", outputs)
