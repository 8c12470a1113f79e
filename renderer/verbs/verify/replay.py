"""A branch made again from its sources, each commit of ours by its verb and on what was made before it (shell)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from renderer.errors import Finding, RollstepError
from renderer.git.objects import REGULAR, TreeFile, has_ref, store_tree
from renderer.git.repository import Commit, Repository
from renderer.git.temporary_objects import Scratch
from renderer.pipeline.resolve.transitions import transition
from renderer.verbs.verify.app_state import AppState, Place, read_state
from renderer.verbs.verify.commits import Change, walk
from renderer.verbs.verify.expected import make
from renderer.verbs.verify.explain import differing_files
from renderer.verbs.verify.judge import Judge, merged_parent, told_of, touched
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.reverts import earlier_commit
from renderer.verbs.verify.verdict import Verdict

_NO_VERB = {"", "unknown", "import", "move", "merge", "revert", "removal"}
_HINT = "rollstep verify tells what is wrong with the commit; another version of rollstep may render other bytes"


class Replayed(Struct, frozen=True):
    """A commit made again: the tree that came of it, the commit's own, and the lines in which they differ.

    ``made`` is the new commit, where a ref is to be made; else it is empty.
    """

    commit: Commit
    tree: str
    wanted: str
    made: str
    findings: tuple[Finding, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether both trees are the same."""
        return self.tree == self.wanted


def replay(repository: Repository, revisions: Sequence[str], *, to_ref: str = "") -> list[Replayed]:
    """Make the commits that ``revisions`` name again, oldest first.

    The user's own files are those of each commit; what rollstep writes comes from the verb that the commit's trailers
    tell, at the time that its status tells.  A change of rollstep's files that no verb makes is left out.  Nothing is
    written into the repository, unless ``to_ref`` names a ref to make: its commits differ from the old ones only where
    their trees do.  Raises RollstepError where the ref is there already, and as ``walk``.
    """
    ref = _new_ref(repository, to_ref) if to_ref else ""
    with Scratch(repository, keep=bool(ref)) as scratch, Loader(scratch.repository) as loader:
        player = _Player(scratch, loader)
        results = [player.play(change) for change in walk(scratch.repository, revisions)]
    if ref and results:
        repository.run("update-ref", "--create-reflog", ref, results[-1].made, "", writes=True)
    return results


def _new_ref(repository: Repository, name: str) -> str:
    ref = name if name.startswith("refs/") else f"refs/heads/{name}"
    if repository.run("check-ref-format", ref, check=False).status:
        raise RollstepError(f"{name} is no name of a ref")
    if has_ref(repository, ref):
        raise RollstepError(f"{ref} is there already, and replay changes no ref", hint="choose another name")
    return ref


class _Player:
    """Makes commits again, one on the other."""

    def __init__(self, scratch: Scratch, loader: Loader) -> None:
        self._scratch = scratch
        self._loader = loader
        self._repository = scratch.repository
        self._judge = Judge(loader)
        self._trees: dict[str, str] = {}
        self._commits: dict[str, str] = {}

    def play(self, change: Change) -> Replayed:
        """Make one commit again, on what was made of its parents."""
        sha = change.commit.sha
        verdict = self._judge.judge(change)
        findings = list(verdict.findings)
        found = {(one.environment, one.app): one for one in verdict.apps}
        pairs = touched(self._loader, change)
        states = [self._states(change, *pair) for pair in pairs]
        mine = {now.path(name) for now, then in states for name in _ours(now, then)}
        mine |= {then.path(name) for now, then in states for name in _ours(now, then)}
        theirs = {
            path: TreeFile(item.mode, item.after) if item.after else None
            for path, item in change.files.items()
            if path not in mine
        }
        before = self._tree(change.parent)
        base = store_tree(self._repository, before or None, theirs) if theirs or not before else before
        tree = base
        for now, then in states:
            place = (now.place.environment, now.place.app)
            if place in found:
                findings += found[place].findings
                tree = store_tree(self._repository, tree, self._outputs(change, found[place], base, now, then))
        wanted = self._tree(sha)
        self._trees[sha] = tree
        if self._scratch.keeps:
            parents = tuple(self._commits.get(parent, parent) for parent in change.parents)
            self._commits[sha] = self._scratch.commit(sha, tree, parents)
        if tree != wanted and not findings:
            made, own = (self._loader.objects.files(name) for name in (tree, sha))
            findings += differing_files(self._loader.objects, made, own, _HINT)
        return Replayed(change.commit, tree, wanted, self._commits.get(sha, ""), tuple(findings))

    def _tree(self, sha: str) -> str:
        """Return the tree that was made of a commit, of one before the range its own; empty for no commit."""
        if not sha or sha in self._trees:
            return self._trees.get(sha, "")
        return self._repository.run("rev-parse", f"{sha}^{{tree}}").stdout.decode().strip()

    def _states(self, change: Change, place: Place, old_place: Place) -> tuple[AppState, AppState]:
        now = read_state(self._loader.objects, change.commit.sha, place)
        return now, read_state(self._loader.objects, self._tree(change.parent), old_place)

    def _outputs(
        self, change: Change, verdict: Verdict, base: str, now: AppState, then: AppState
    ) -> dict[str, TreeFile | None]:
        """Return what rollstep's files become; they stay as they are where the commit is no step."""
        files = self._files(change, verdict, base, now, then)
        if files is None:
            return {}
        blobs = self._scratch.blobs(files)
        paths = [then.path(name) for name in _ours(then, then)] + [now.path(name) for name in _ours(now, then)]
        modes = {path: entry.mode for path, entry in self._loader.objects.files(change.commit.sha, *paths).items()}
        made: dict[str, TreeFile | None] = dict.fromkeys(paths)
        return made | {
            now.path(name): TreeFile(modes.get(now.path(name), REGULAR), blob) for name, blob in blobs.items()
        }

    def _files(
        self, change: Change, verdict: Verdict, base: str, now: AppState, then: AppState
    ) -> dict[str, bytes] | None:
        """Return the content of rollstep's files by name, the status under the empty one; None: as they are."""
        what = verdict.what
        if what == "removal":
            return {}
        if what in ("import", "move"):
            return {name: now.contents[name] for name in _ours(now, now)}
        if what in ("revert", "merge"):
            return self._taken_over(change, what, now)
        verb = told_of(change, now.place).get("Verb", "") if what in _NO_VERB else what
        state = now.state() if verb else None
        if state is None or self._loader.needs_exec(self._loader.settings(base), now.place):
            return None
        parent = self._tree(change.parent) if then.is_there else ""
        release = self._loader.release(base, now.place, then, parent, state)
        step = transition(release.world, verb)
        return dict(make(release, step).files) if step is not None else None

    def _taken_over(self, change: Change, what: str, now: AppState) -> dict[str, bytes]:
        """Return the files as another commit had them when it was made again."""
        then = read_state(self._loader.objects, change.parent, now.place)
        if what == "merge":
            sha = merged_parent(self._loader, change, now, then)
        else:
            sha = earlier_commit(self._loader, change, now, then)
        source = read_state(self._loader.objects, self._tree(sha), now.place)
        return {name: source.contents[name] for name in _ours(source, source)}


def _ours(now: AppState, then: AppState) -> list[str]:
    """Return the names of rollstep's files in either of two states of an app, the empty one of the status included."""
    return sorted({name for state in (now, then) for name in state.contents if not name or name in state.owned()})
