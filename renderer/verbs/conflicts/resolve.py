"""Takes one side of each app: its status, its whole rendered folder and their entries in git's index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from renderer.errors import Finding, RollstepError, map_all
from renderer.git.conflicts import Operation, conflicts
from renderer.git.index import locked_index, stage
from renderer.git.objects import TreeFile, set_entries
from renderer.git.repository import Repository
from renderer.kubernetes.printing import to_json
from renderer.pipeline.commit.recovery import open_to_write
from renderer.pipeline.load.workspace import Workspace, current_time
from renderer.pipeline.resolve.release import open_release
from renderer.pipeline.resolve.verb_moves import acting
from renderer.pipeline.write.moved_app import render_app
from renderer.pipeline.write.new_files import NewFiles
from renderer.pipeline.write.rendered_app import RenderedApp
from renderer.pipeline.write.transaction import Transaction
from renderer.rollouts import actions
from renderer.verbs.apps.validate import validate_apps
from renderer.verbs.conflicts.quarantine import merged_quarantine
from renderer.verbs.conflicts.sides import ConflictedApp, Conflicts, Side, read_conflicts, select
from renderer.verbs.policy.listed_image import QUARANTINE_FILE
from renderer.verbs.render.compare import compare_app
from renderer.verbs.render.request import Mode, RenderRequest
from renderer.verbs.reporter import Reporter


class ResolveRequest(Struct, frozen=True):
    """The options of one run; ``side`` is ``ours``, ``theirs`` or empty."""

    directory: str
    targets: tuple[str, ...]
    side: str
    validate: bool
    dry_run: bool
    output: str = "text"


class _Choice(Struct, frozen=True):
    """An app with the side to take and the reason; ``repeats_abort`` where the abort is made again on top of ours."""

    app: ConflictedApp
    side: Side
    reason: str
    repeats_abort: bool = False

    def to_dict(self, *, dry_run: bool) -> dict[str, object]:
        """Return the choice as JSON-ready data."""
        return {
            "app": self.app.home.ref.name,
            "environment": self.app.home.ref.environment,
            "side": self.side.name,
            "commit": self.side.commit,
            "reason": self.reason,
            "repeatsAbort": self.repeats_abort,
            "sources": list(self.app.sources),
            "dryRun": dry_run,
        }

    def text(self) -> str:
        """Return the choice on one line."""
        made = "ours with the abort of theirs made again" if self.repeats_abort else self.side.text()
        return f"{self.app.home.title}: {made}: {self.reason}"


def resolve(request: ResolveRequest, reporter: Reporter) -> None:
    """Resolve the conflicts of the named apps, and print the side of each; nothing is written unless each has a side.

    Raises RollstepError if an app has no side that may be taken without a choice, and as ``open_to_write`` does.
    """
    with open_to_write(request.directory, dry_run=request.dry_run, note=reporter.note) as (workspace, repository):
        found = read_conflicts(workspace, repository)
        apps = select(found.apps, request.targets, workspace)
        listed = {} if request.targets else _quarantine_stages(workspace, repository)
        if not apps and not listed:
            reporter.note("no file that rollstep writes has a conflict")
        choices = map_all(apps, lambda app: _choice(found.operation, app, request.side))
        if request.output == "json":
            reporter.out(to_json([choice.to_dict(dry_run=request.dry_run) for choice in choices]))
        for choice in choices if request.output == "text" else ():
            reporter.out(f"{choice.text()}\n")
        resolver = _Resolver(request, workspace, repository, reporter, found.operation)
        if listed:
            resolver.merge_quarantine(listed)
        if not request.dry_run:
            for choice in choices:
                resolver.take(choice)
            _note_rest(read_conflicts(workspace, repository), choices, reporter, is_changed=bool(choices or listed))


def _quarantine_stages(workspace: Workspace, repository: Repository) -> Mapping[int, TreeFile]:
    """Return the stages of ``quarantine.yaml``; empty without a conflict."""
    return conflicts(repository).get(repository.relative(workspace.root / QUARANTINE_FILE), {})


def _choice(stopped: Operation, app: ConflictedApp, wanted: str) -> _Choice:
    """Return the choice for one app: the wanted side, else an abort, else the only side that moves the release."""
    path = app.home.path
    if wanted:
        if wanted not in app.sides:
            message = f"git has no commit of {wanted} ({getattr(stopped, wanted)})"
            raise RollstepError.at(path, message, "take the other side, and run the verb again")
        is_lost = not app.was_aborted and not app.sides[wanted].is_aborted and app.is_aborted
        reason = "as chosen, without the abort of the other side" if is_lost else "as chosen"
        return _taken(stopped, app, app.sides[wanted], reason)
    ours, theirs = (app.sides.get(name) for name in ("ours", "theirs"))
    if ours is None or theirs is None:
        hint = "name one: `rollstep resolve --ours` or --theirs"
        raise RollstepError.at(path, "git has no commit of one of the sides", hint)
    if ours.is_aborted != theirs.is_aborted and not app.was_aborted:
        return _taken(stopped, app, ours if ours.is_aborted else theirs, "it aborts the release")
    only = app.only_mover
    if only is not None:
        return _taken(stopped, app, only, "no other side moves the release")
    message = f"both sides move the release; {ours.text()}; {theirs.text()}"
    words = f"--ours, {stopped.ours}, or --theirs, {stopped.theirs}"
    hint = f"choose one: `rollstep resolve {app.home.ref.target}` with {words}"
    raise RollstepError([Finding(path, 0, 0, "", message, hint)])


def _taken(stopped: Operation, app: ConflictedApp, side: Side, reason: str) -> _Choice:
    ours = app.sides.get("ours")
    repeats = not stopped.is_merge and side.name == "theirs" and side.is_aborted and not app.sources
    return _Choice(app, side, reason, repeats and ours is not None and ours.status is not None and not ours.is_aborted)


class _Resolver:
    """Writes the chosen side of an app."""

    def __init__(
        self,
        request: ResolveRequest,
        workspace: Workspace,
        repository: Repository,
        reporter: Reporter,
        stopped: Operation,
    ) -> None:
        self._request = request
        self._workspace = workspace
        self._repository = repository
        self._reporter = reporter
        self._stopped = stopped

    def take(self, choice: _Choice) -> None:
        """Write the files of a side, and render what follows from the sources that git merged."""
        app = choice.app
        if choice.repeats_abort:
            self._write_side(app, app.sides["ours"])
            try:
                self._write_rendered(self._aborted(choice))
                return
            except RollstepError as error:
                self._reporter.note(f"{app.home.title}: the abort cannot be made again: {error.findings[0].text()}")
        self._write_side(app, choice.side)
        if choice.side.name == "theirs" and not self._stopped.is_merge and self._stopped.name != "revert":
            # Of a merge, verify knows both parents.
            text = f"{app.home.title}: the commit of a {self._stopped.name} stands on ours alone"
            self._reporter.note(f"{text}: if `rollstep verify` refuses it, take --ours and run the verb again")
        if app.sources or not choice.side.files:
            return
        if app.home.ref in self._workspace.orphans([]):
            hint = f"git checkout {choice.side.commit[:9]} -- {app.home.path}"
            self._reporter.note(f"{app.home.title}: the other side removes its manifests; restore them: {hint}")
            return
        try:
            # git has merged the sources: what is rendered of them may be on neither side.
            now = current_time()
            request = RenderRequest(self._request.directory, (), None, Mode.WRITE, self._request.validate, now)
            self._write_rendered(compare_app(self._workspace, request, None, app.home.ref).app)
        except RollstepError as error:
            target = app.home.ref.target
            self._reporter.note(f"{app.home.title}: cannot be rendered yet: {error.findings[0].text()}")
            self._reporter.note(f"correct it, then: rollstep render {target} && git add {app.home.path}")

    def merge_quarantine(self, stages: Mapping[int, TreeFile]) -> None:
        """Write ``quarantine.yaml`` with what both sides add and lift; a damaged side is left to the user."""
        try:
            text = merged_quarantine(self._repository, stages)
        except RollstepError as error:
            self._reporter.note(f"{QUARANTINE_FILE}: cannot be merged: {error.findings[0].text()}")
            return
        self._reporter.note(f"{QUARANTINE_FILE}: has the entries and the lifts of both sides")
        if not self._request.dry_run:
            with NewFiles(self._workspace.journal_root) as new_files:
                path = str(self._workspace.root / QUARANTINE_FILE)
                self._commit(Transaction(new_files).plan([(path, text)], frozenset()))

    def _aborted(self, choice: _Choice) -> RenderedApp:
        """Return ours with the abort of theirs, at the time of the later of the two."""
        release = open_release(self._workspace, choice.app.home.ref, _later(choice.app.sides))
        move = acting(actions.abort)(release.world)
        if move is None:
            raise RollstepError("there is nothing to abort")
        return render_app(release, move.after, keep_time=False)[1]

    def _write_side(self, app: ConflictedApp, side: Side) -> None:
        """Write the files of a side and their index entries; the index comes last, so that a killed run can repeat."""
        entries: Mapping[str, TreeFile | None] = dict.fromkeys(app.owned) | dict(side.files)
        with locked_index(self._repository) as lock:
            set_entries(lock.repository, entries)
            names = b"".join(path.encode(errors="surrogateescape") + b"\0" for path in side.files)
            lock.repository.run("checkout-index", "--force", "-z", "--stdin", stdin=names, writes=True)
            for path in app.owned - side.files.keys():
                (self._repository.root / path).unlink(missing_ok=True)
            lock.replace_index()

    def _write_rendered(self, rendered: RenderedApp) -> None:
        if rendered.is_up_to_date:
            return
        if self._request.validate:
            validate_apps([(rendered.home, rendered.files)], self._reporter.note, 1)
        with NewFiles(self._workspace.journal_root) as new_files:
            self._commit(Transaction(new_files).plan(rendered.planned, rendered.unchanged))

    def _commit(self, transaction: Transaction) -> None:
        """Write the files, and stage them."""
        transaction.commit()
        paths = [self._repository.relative(self._workspace.journal_root / path) for path in transaction.paths]
        with locked_index(self._repository) as lock:
            stage(lock.repository, paths)
            lock.replace_index()


def _later(sides: Mapping[str, Side]) -> datetime:
    return max(side.status.last_update_time for side in sides.values() if side.status is not None)


def _note_rest(left: Conflicts, choices: Sequence[_Choice], reporter: Reporter, *, is_changed: bool) -> None:
    """Note the conflicts that are the user's, and the command that ends the operation."""
    for path in left.others:
        reporter.note(f"{path}: is yours to resolve, then git add it")
    for choice in choices:
        if choice.app.sources:
            home = choice.app.home
            reporter.note(f"after that: rollstep render {home.ref.target} && git add {home.path}")
    if not left.others and not left.apps and is_changed:
        reporter.note(f"next: {left.operation.how}")
