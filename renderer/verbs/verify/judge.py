"""One app in one commit: which verb makes it of the commit before, or why none does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.times import format_time
from renderer.pipeline.commit.trailers import releases, trailers_of
from renderer.pipeline.load.marker import MARKER, marker_text
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.status_file import State
from renderer.pipeline.resolve.describe import step_change
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.transitions import EDITS, Transition, goes_forward, status_goes_forward, transitions
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.verify.app_state import AppState, Place, in_folder, read_state
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.expected import Made, make
from renderer.verbs.verify.explain import explain
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.policy import Policy
from renderer.verbs.verify.reverts import began, comes_back, leads_forward
from renderer.verbs.verify.verdict import CommitVerdict, Verdict

SKEW = timedelta(minutes=5)
"""How far the clock of whoever made a commit may be ahead."""


class Judge:
    """Judges commits, one app at a time."""

    def __init__(self, loader: Loader, received: datetime | None = None, approvals: Approvals | None = None) -> None:
        """Take what loads apps from commits, when a server got them where one judges, and who has approved what."""
        self._loader = loader
        self._received = received
        self._policy = Policy(loader, received, approvals or Approvals(loader.repository))
        self._repository = loader.repository

    def judge(self, change: Change) -> CommitVerdict:
        """Return what a commit does to each app whose status or rendered files it changes."""
        try:
            rules = tuple(self._policy.rules(change))
            places = touched(self._loader, change)
        except RollstepError as error:
            return CommitVerdict(change.commit, findings=error.findings)
        verdicts = []
        for now, then in places:
            try:
                verdict = self._app(change, now, then)
            except RollstepError as error:
                verdict = Verdict(now.environment, now.app, "", error.findings)
            if verdict is not None:
                verdicts.append(verdict)
        findings = (*_strange_trailers(change, verdicts), *rules)
        return CommitVerdict(change.commit, tuple(verdicts), findings)

    def _app(self, change: Change, place: Place, old_place: Place) -> Verdict | None:
        loader = self._loader
        now = read_state(loader.objects, change.commit.sha, place)
        then = read_state(loader.objects, change.parent, old_place)
        if now.blobs == then.blobs:
            return None
        if not now.is_there:
            return self._without(change, then)
        told = told_of(change, place)
        state = now.state()
        if state is None:
            hint = f"git checkout {change.parent[:9] or 'COMMIT'} -- {place.status_file}"
            raise RollstepError(
                [Finding(place.status_file, 0, 0, "", "is gone, and the rendered files are there", hint)]
            )
        late = list(_late(change, now, state, self._received))
        if merged_parent(self._loader, change, now, then):
            return self._legal(change, now, then, "merge", late)
        if self._loader.needs_exec(self._loader.settings(change.commit.sha), place):
            return self._unrendered(change, now, then, state, late)
        if change.commit.subject.startswith("Revert ") and comes_back(self._loader, change, now, then):
            return self._legal(change, now, then, "revert", late)
        release, made, broken = self._candidates(change, now, then, state, told)
        for one in made:
            if not one.different(now, then):
                findings = [*late, *_disagreeing(one.transition, place, told)]
                forward = goes_forward(one.transition.move.before, one.transition.move.after)
                return self._held(change, place, _name(one.transition, told), findings, forward)
        legal = self._elsewhere(change, now, then)
        if legal:
            return self._legal(change, now, then, legal, late)
        if broken:
            raise RollstepError(broken)
        assert release is not None
        reasons = explain(self._loader, change, release, now, then, made)
        return Verdict(place.environment, place.app, "", (*late, *reasons))

    def _legal(self, change: Change, now: AppState, then: AppState, what: str, findings: list[Finding]) -> Verdict:
        """Return the verdict about what no verb has made."""
        forward = what in ("merge", "revert") and leads_forward(self._loader, change, now, then)
        return self._held(change, now.place, what, findings, forward)

    def _held(self, change: Change, place: Place, what: str, findings: list[Finding], forward: bool) -> Verdict:
        """Return the verdict with what stands against a step that goes forward."""
        against, note = self._policy.step(change, place, what) if forward else ((), "")
        return Verdict(place.environment, place.app, what, (*findings, *against), note)

    def _candidates(
        self, change: Change, now: AppState, then: AppState, state: State, told: Mapping[str, str]
    ) -> tuple[Release | None, list[Made], tuple[Finding, ...]]:
        """Return what every verb makes of the commit before; the right one is last, as nothing is looked at after."""
        sha, place = change.commit.sha, now.place
        try:
            release = self._loader.release(sha, place, then, change.parent if then.is_there else "", state)
        except RollstepError as error:
            return None, [], error.findings
        made: list[Made] = []
        for transition in transitions(release.world, told.get("Verb", ""), state.status.current_step_index):
            made.append(make(release, transition))
            if not made[-1].different(now, then):
                break
        return release, made, ()

    def _elsewhere(self, change: Change, now: AppState, then: AppState) -> str:
        """Tell what else than a verb has made this: a revert, a move of the folder, a first commit; or nothing."""
        if comes_back(self._loader, change, now, then):
            return "revert"
        if then.is_there:
            return ""
        gone = {item.before for path, item in change.files.items() if path.endswith(STATUS_FILE) and not item.after}
        moved = now.blobs[""] in gone
        if change.parents and not moved:
            return ""
        try:
            release = self._loader.release(change.commit.sha, now.place, now, change.commit.sha, now.state())
        except RollstepError:
            return ""
        whole = any(not make(release, one).different(now, now) for one in transitions(release.world, "render", None))
        return ("move" if moved else "import") if whole else ""

    def _without(self, change: Change, then: AppState) -> Verdict | None:
        if not then.is_there:
            return None
        place = then.place
        left = self._repository.run("ls-tree", "-z", change.commit.sha, "--", f"{place.folder}/").stdout
        if left and not began(self._loader, change.parent, then):
            message = "the status and the rendered manifests are gone, and the app's own are still there"
            hint = f"git checkout {change.parent[:9]} -- {place.status_file} {place.output}"
            return Verdict(place.environment, place.app, "", (Finding(place.folder, 0, 0, "", message, hint),))
        return Verdict(place.environment, place.app, "revert" if left else "removal")

    def _unrendered(self, change: Change, now: AppState, then: AppState, state: State, late: list[Finding]) -> Verdict:
        """Check what can be checked without the app's manifests, which a command prints."""
        place = now.place
        texts = {name: content for name, content in now.files.items() if name in now.owned() - {MARKER}}
        wanted = marker_text({name: content.decode(errors="replace") for name, content in texts.items()}).encode()
        findings = list(late)
        if now.contents.get(MARKER) != wanted:
            message = "does not list the rendered files with their sums: one was edited by hand"
            findings.append(Finding(now.path(MARKER), 0, 0, "", message, "rollstep render writes them anew"))
        told = told_of(change, place)
        known = {"Revision": str(state.revision), "Stable": state.status.stable_rs}
        findings += [_disagrees(key, told[key], value) for key, value in known.items() if told.get(key, value) != value]
        note = "its manifests come from a command, which --allow-exec lets run: only sums and trailers were checked"
        before = then.state()
        forward = before is None or status_goes_forward(before.status, state.status)
        verdict = self._held(change, place, told.get("Verb", "unknown"), findings, forward)
        return replace(verdict, note="; ".join(filter(None, (verdict.note, note))))


def touched(loader: Loader, change: Change) -> list[tuple[Place, Place]]:
    """Return where the apps lie, in a commit and in the one before, whose status or rendered files change.

    Raises RollstepError where the ``rollstep.yaml`` of one of them is wrong.
    """
    if not any(path.count("/") > 1 for path in change.files):
        return []
    now, then = loader.settings(change.commit.sha), loader.settings(change.parent)
    names = {found[:2] for path in change.files for settings in (now, then) if (found := in_folder(path, settings))}
    places = [(Place.of(now, *name), Place.of(then, *name)) for name in sorted(names)]
    return [pair for pair in places if any(_is_output(path, pair) for path in change.files)]


def merged_parent(loader: Loader, change: Change, now: AppState, then: AppState) -> str:
    """Return the parent that a merge takes an app over from, whole; empty where it is none of that kind.

    That parent's history has to go on from where the first parent stands.
    """
    for parent in change.parents[1:]:
        if read_state(loader.objects, parent, now.place).blobs != now.blobs:
            continue
        bases = loader.repository.run("merge-base", change.parent, parent, check=False).stdout.decode().split()
        if bases and read_state(loader.objects, bases[0], then.place).blobs == then.blobs:
            return parent
    return ""


def _is_output(path: str, places: tuple[Place, Place]) -> bool:
    return any(path == place.status_file or path.startswith(f"{place.output}/") for place in places)


def told_of(change: Change, place: Place) -> dict[str, str]:
    """Return what the trailers of a commit say of an app; nothing where they do not name it."""
    for told in releases(change.commit.trailers):
        if (told.get("App"), told.get("Env")) == (place.app, place.environment):
            return told
    return {}


def _name(transition: Transition, told: Mapping[str, str]) -> str:
    verb = told.get("Verb", "")
    return verb if transition.verb == "edit" and verb in EDITS else transition.verb


def _late(change: Change, now: AppState, state: State, received: datetime | None) -> Iterator[Finding]:
    """Yield that a release has moved at a time that is still to come: a pause would be over early."""
    latest = min(change.commit.date, received or change.commit.date)
    if state.last_update_time > latest + SKEW:
        line, column = state.source.position(("lastUpdateTime",))
        message = (
            f"{format_time(state.last_update_time)} is still to come at {format_time(latest)}, when it was committed"
        )
        hint = "the clock of whoever made it was wrong, or --now was: undo the commit"
        yield Finding(now.place.status_file, line, column, "lastUpdateTime", message, hint)


def _disagreeing(transition: Transition, place: Place, told: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the trailers that say something else than the commit does."""
    if not told:
        return
    name = _name(transition, told)
    change = step_change(transition.move, place.app, place.environment, name)
    wanted = {key.partition("-")[2]: value for key, value in trailers_of(change)} | {"Verb": name}
    for key in ("Verb", "Step", "Revision", "Stable", "Canary"):
        if key in told and told[key] != wanted.get(key, ""):
            yield _disagrees(key, told[key], wanted.get(key, ""))


def _disagrees(key: str, told: str, value: str) -> Finding:
    message = f"the trailer says {told}, and the commit does {value or 'nothing of the kind'}"
    return Finding("", 0, 0, f"Rollstep-{key}", message, "undo the commit and let rollstep make it")


def _strange_trailers(change: Change, verdicts: list[Verdict]) -> Iterator[Finding]:
    """Yield where the trailers of a commit tell of an app that it does not change, or not of one that it does."""
    told = {(item.get("Env", ""), item.get("App", "")) for item in releases(change.commit.trailers)}
    changed = {(verdict.environment, verdict.app) for verdict in verdicts}
    if not told or change.is_merge:
        return
    for environment, app in sorted(told - changed):
        yield Finding("", 0, 0, "Rollstep-App", f"the trailers tell of {app} ({environment}), which does not change")
    for environment, app in sorted(changed - told):
        yield Finding("", 0, 0, "Rollstep-App", f"{app} ({environment}) changes, and the trailers do not tell of it")
