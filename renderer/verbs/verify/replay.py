"""``rollstep replay``: make commits again from their sources, each on the replayed parent."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.objects import REGULAR, TreeFile, has_ref, store_tree
from renderer.git.repository import Commit, Repository
from renderer.git.temporary_objects import Scratch
from renderer.pipeline.resolve.transitions import transition
from renderer.verbs.verify.app_state import AppState, read_state
from renderer.verbs.verify.changed_apps import changed_apps
from renderer.verbs.verify.commits import Change, list_changes
from renderer.verbs.verify.expected import render_expected
from renderer.verbs.verify.explain import differing_files
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.reverts import restored_commit
from renderer.verbs.verify.verdict import AppVerdict
from renderer.verbs.verify.verifier import (
    Verifier,
    app_trailers,
    commit_measurements,
    merged_parent,
    merged_render,
    state_in,
)

_WITHOUT_VERB = {"", "unknown", "import", "move", "merge", "revert", "removal"}
_HINT = "rollstep verify prints the commit's findings; another version of rollstep may render other bytes"


class Replayed(Struct, frozen=True):
    """A replayed commit: the replay's tree, its own tree, the new commit's hash (if any), and the differing lines."""

    commit: Commit
    tree: str
    wanted: str
    new_commit: str
    findings: tuple[Finding, ...] = ()

    @property
    def is_same(self) -> bool:
        """True if both trees are the same."""
        return self.tree == self.wanted


def replay(
    repository: Repository, revisions: Sequence[str], *, to_ref: str = "", dry_run: bool = False
) -> list[Replayed]:
    """Make the commits that ``revisions`` name again, oldest first.

    The user's files are those of each commit.  Rollstep's files are rendered by the verb in the commit's trailers, at
    the time in its status; a change of theirs that no verb makes is left out.  The repository is not written to, unless
    ``to_ref`` names a new ref: its commits differ from the old ones only in trees and parents.  A dry run only checks
    its name.  Raises RollstepError for an existing or invalid ref, and as ``list_changes``.
    """
    ref = _new_ref(repository, to_ref) if to_ref else ""
    ref = "" if dry_run else ref
    with Scratch(repository, keep=bool(ref)) as scratch, Loader(scratch.repository) as loader:
        replayer = _Replayer(scratch, loader)
        results = [replayer.replay(change) for change in list_changes(scratch.repository, loader.objects, revisions)]
    if ref and results:
        repository.run("update-ref", "--create-reflog", ref, results[-1].new_commit, "", writes=True)
    return results


def _new_ref(repository: Repository, name: str) -> str:
    ref = name if name.startswith("refs/") else f"refs/heads/{name}"
    if repository.run("check-ref-format", ref, check=False).status:
        raise RollstepError(f"{name} is not a valid name of a ref")
    if has_ref(repository, ref):
        raise RollstepError(f"{ref} exists already, and replay changes no ref", hint="choose another name")
    return ref


class _Replayer:
    def __init__(self, scratch: Scratch, loader: Loader) -> None:
        self._scratch = scratch
        self._loader = loader
        self._repository = scratch.repository
        self._verifier = Verifier(loader)
        self._trees: dict[str, str] = {}
        self._commits: dict[str, str] = {}

    def replay(self, change: Change) -> Replayed:
        """Make one commit again, on its replayed parents."""
        sha = change.commit.sha
        verdict = self._verifier.verify(change)
        findings = list(verdict.findings)
        verdicts = {(app.environment, app.app): app for app in verdict.apps}
        replayed_parent, objects = self._tree(change.parent), self._loader.objects
        states = [
            (read_state(objects, sha, location), read_state(objects, replayed_parent, old_location))
            for location, old_location in changed_apps(self._loader, change)
        ]
        owned = {state.path(name) for pair in states for name in _owned(*pair) for state in pair}
        users = {
            path: TreeFile(item.mode, item.after) if item.after else None
            for path, item in change.files.items()
            if path not in owned
        }
        base = tree = replayed_parent
        if users or not base:
            base = tree = store_tree(self._repository, base or None, users)
        for after, before in states:
            app = verdicts.get((after.location.environment, after.location.app))
            if app is not None:
                findings += app.findings
                tree = store_tree(self._repository, tree, self._outputs(change, app, base, after, before))
        wanted = self._tree(sha)
        self._trees[sha] = tree
        if self._scratch.keeps:
            parents = tuple(self._commits.get(parent, parent) for parent in change.parents)
            self._commits[sha] = self._scratch.commit(sha, tree, parents)
        if tree != wanted and not findings:
            findings += differing_files(objects, objects.files(tree), objects.files(sha), _HINT)
        return Replayed(change.commit, tree, wanted, self._commits.get(sha, ""), tuple(findings))

    def _tree(self, sha: str) -> str:
        """Return the tree of a replayed commit, or a commit's own tree before the range; empty for no commit."""
        if not sha or sha in self._trees:
            return self._trees.get(sha, "")
        return self._repository.run("rev-parse", f"{sha}^{{tree}}").stdout.decode().strip()

    def _outputs(
        self, change: Change, verdict: AppVerdict, base: str, after: AppState, before: AppState
    ) -> dict[str, TreeFile | None]:
        files = self._files(change, verdict, base, after, before)
        if files is None:
            return {}
        blobs = self._scratch.blobs(files)
        paths = [before.path(name) for name in _owned(before, before)]
        paths += [after.path(name) for name in _owned(after, before)]
        modes = {path: entry.mode for path, entry in self._loader.objects.files(change.commit.sha, *paths).items()}
        removed: dict[str, TreeFile | None] = dict.fromkeys(paths)
        return removed | {
            after.path(name): TreeFile(modes.get(after.path(name), REGULAR), blob) for name, blob in blobs.items()
        }

    def _files(
        self, change: Change, verdict: AppVerdict, base: str, after: AppState, before: AppState
    ) -> dict[str, bytes] | None:
        """Return rollstep's files, content by name as in an ``AppState``; None leaves them as they are."""
        action = verdict.action
        if action == "removal":
            return {}
        if action in ("import", "move"):
            source = before if action == "move" else after
            return {name: source.contents[name] for name in _owned(source, source)}
        if action in ("revert", "merge"):
            return self._restored(change, action, base, after)
        verb = app_trailers(change, after.location).get("Verb", "") if action in _WITHOUT_VERB else action
        state = after.state() if verb else None
        if state is None or self._loader.needs_exec(self._loader.settings(base), after.location):
            return None
        parent = self._tree(change.parent) if before.exists else ""
        release = self._loader.release(base, after.location, before, parent, state)
        measured = commit_measurements(release, after, before, state)
        step = transition(release.world, verb, measured.world)
        return dict(render_expected(release, step).files) if step is not None else None

    def _restored(self, change: Change, action: str, base: str, after: AppState) -> dict[str, bytes]:
        if action == "merge":
            sha = merged_parent(self._loader, change, after)
        else:
            before = read_state(self._loader.objects, change.parent, after.location)
            sha = restored_commit(self._loader, change, after, before)
        merged = merged_render(self._loader, change, after, base, self._tree) if not sha else None
        if merged is not None:
            return dict(merged.files)
        location = state_in(self._loader, sha, after).location
        source = read_state(self._loader.objects, self._tree(sha), location)
        return {name: source.contents[name] for name in _owned(source, source)}


def _owned(after: AppState, before: AppState) -> list[str]:
    """Return the names of rollstep's files in either state, the status included."""
    return sorted({name for state in (after, before) for name in state.contents if not name or name in state.owned()})
