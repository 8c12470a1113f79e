"""Verification of one commit: for each app that it changes, the verb that makes the change, or findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.pipeline.commit.trailers import releases, trailers_of
from renderer.pipeline.load.settings import SETTINGS_FILE
from renderer.pipeline.load.sources import STATUS_FILE, may_execute
from renderer.pipeline.load.status_file import State
from renderer.pipeline.resolve.describe import step_change, wait_text
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.resolve.transitions import BEGINNINGS, Transition, goes_forward, status_goes_forward, transitions
from renderer.verbs.apps.status_history import StatusHistory, hold
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.policy.content import changes_content
from renderer.verbs.verify.app_state import RUNS, AppLocation, AppState, read_state
from renderer.verbs.verify.changed_apps import (
    changed_apps,
    converted_files,
    has_manifests,
    misplaced,
    obstacle,
    orphans,
)
from renderer.verbs.verify.clock import Clock, TimeCheck
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.expected import Expected, Replayed, render_expected, rendered_state
from renderer.verbs.verify.explain import explain, own_differences
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.names import look_alikes
from renderer.verbs.verify.partial import NOTE, check_files, known_trailers
from renderer.verbs.verify.policy import PolicyCheck
from renderer.verbs.verify.reverts import is_first_release, is_revert, last_change, moves_forward
from renderer.verbs.verify.rules import ServerRules
from renderer.verbs.verify.verdict import AppVerdict, CommitVerdict


class Verifier:
    """Verifies commits of source branches, one app at a time."""

    def __init__(
        self,
        loader: Loader,
        received: datetime | None = None,
        approvals: Approvals | None = None,
        rules: ServerRules | None = None,
        now: datetime | None = None,
        *,
        is_push: bool = False,
        branch: str | None = None,
    ) -> None:
        """``received`` is the time of a push to ``branch``; ``approvals`` defaults to signatures and tags.

        ``rules`` are those of git's configuration, and ``now`` is the time of the run: no release moves later.
        ``is_push`` says that the commits come to their branch together.
        """
        self._loader = loader
        rules = rules or ServerRules()
        clock = Clock(loader, received or now, branch)
        self._times = TimeCheck(loader, clock, rules, received or now, is_push=is_push or received is not None)
        self._policy = PolicyCheck(loader, received, approvals or Approvals(loader.repository), rules, clock)

    def verify(self, change: Change) -> CommitVerdict:
        """Return the verdict on a commit and on each app whose status or rendered files it changes."""
        try:
            findings = (
                *self._times.commit(change),
                *misplaced(self._loader, change),
                *look_alikes(self._loader, change),
                *converted_files(self._loader, change),
                *self._policy.check_policies(change),
                *orphans(self._loader, change),
            )
            locations = changed_apps(self._loader, change)
            findings += tuple(self._policy.check_quarantine(change, locations))
        except RollstepError as error:
            return CommitVerdict(change.commit, findings=error.findings)
        verdicts = []
        for location, old_location in locations:
            try:
                verdict = self._verify_app(change, location, old_location)
            except RollstepError as error:
                verdict = AppVerdict(location.environment, location.app, "", error.findings)
            if verdict is not None:
                verdicts.append(verdict)
        findings = (*_unmatched_trailers(change, verdicts), *findings)
        return CommitVerdict(change.commit, tuple(verdicts), findings)

    def _verify_app(self, change: Change, location: AppLocation, old_location: AppLocation) -> AppVerdict | None:
        loader, sha = self._loader, change.commit.sha
        after = read_state(loader.objects, sha, location)
        before = read_state(loader.objects, change.parent, old_location)
        moved = location.folder != old_location.folder and before.exists and after.exists
        if after.blobs == before.blobs and location.output.removeprefix(
            location.folder
        ) == old_location.output.removeprefix(old_location.folder):
            return self._verify_move(change, after, before) if moved else None
        if not after.exists:
            return self._verify_removal(change, before)
        state = after.state()
        if state is None:
            hint = f"git checkout {change.parent[:9] or 'COMMIT'} -- {location.status_file}"
            message = "is missing beside the rendered files"
            raise RollstepError([Finding(location.status_file, 0, 0, "", message, hint)])
        late = [*after.irregular(), *_brought(change, after), *self._times.late_move(change, after, state)]
        late += self._changed_source(change, location, old_location, before)
        if merged_parent(loader, change, after):
            return self._without_verb(change, after, before, "merge", late)
        if change.commit.subject.startswith("Revert ") and is_revert(loader, change, after, before):
            return self._without_verb(change, after, before, "revert", late)
        if loader.needs_exec(loader.settings(sha), location):
            return self._verify_in_part(change, after, before, state, late)
        return self._verify_verbs(change, after, before, state, late)

    def _verify_verbs(
        self, change: Change, after: AppState, before: AppState, state: State, late: list[Finding]
    ) -> AppVerdict:
        location, trailers = after.location, app_trailers(change, after.location)
        unloadable: tuple[Finding, ...] = ()
        release: Release | None = None
        expected: list[Expected] = []
        try:
            parent = change.parent if before.exists else ""
            release = self._loader.release(change.commit.sha, location, before, parent, state)
        except RollstepError as error:
            unloadable = error.findings
        else:
            measured = commit_measurements(release, after, before, state)
            late = [*late, *measured.findings]
            verb, step = trailers.get("Verb", ""), state.status.current_step_index
            for transition in transitions(release.world, verb, step, measured.world):
                expected.append(render_expected(release, transition))
                if not expected[-1].differences(after, before):
                    findings = [*late, *_wrong_trailers(transition, location, trailers)]
                    findings += self._times.early_move(change, after, before, state)
                    findings += self._times.pause(change, after, before, release, transition)
                    findings += self._taken_back(change, location, release, transition, trailers)
                    forward = goes_forward(transition.move.before, transition.move.after)
                    forward = forward or self._is_other_content(change, after, before)
                    return self._legal(change, after, before, _verb(transition, trailers), findings, forward)
        action = self._action_without_verb(change, after, before)
        if action:
            return self._without_verb(change, after, before, action, late)
        if unloadable:
            raise RollstepError(unloadable)
        assert release is not None
        findings = [*late, *explain(self._loader, change, release, after, before, expected)]
        return AppVerdict(location.environment, location.app, "", tuple(findings))

    def _taken_back(
        self,
        change: Change,
        location: AppLocation,
        release: Release,
        transition: Transition,
        trailers: Mapping[str, str],
    ) -> Iterator[Finding]:
        """Yield that an ``advance`` brings back what the branch has taken back, which only ``promote`` may."""
        if not trailers.get("Verb", "").startswith("advance") or not change.parent:
            return
        repository = self._loader.repository
        folder = repository.root / location.folder
        here = replace(release, app=replace(release.app, ref=replace(release.app.ref, folder=folder)))
        with closing(StatusHistory(lambda: repository, [folder], change.parent)) as history:
            held = hold(history, here, transition.move)
        if held is not None:
            message = wait_text(held, release.world, here.app.ref.target)
            yield Finding(location.status_file, 0, 0, "", message, "git revert the commit")

    def _without_verb(
        self, change: Change, after: AppState, before: AppState, action: str, findings: list[Finding]
    ) -> AppVerdict:
        """Return the verdict on a legal change that is no verb's."""
        forward = action in ("merge", "revert") and moves_forward(self._loader, change, after, before)
        forward = forward or (action == "merge" and self._is_other_content(change, after, before))
        return self._legal(change, after, before, action, findings, forward)

    def _is_other_content(self, change: Change, after: AppState, before: AppState) -> bool:
        """Return whether a guarded app is rendered otherwise while its release does not go forward."""
        places = (after.location, before.location)
        if not before.exists or not any(self._policy.is_guarded(change, place) for place in places):
            return False
        if before.blobs == after.blobs:
            return False
        moves = before.blobs.get("") != after.blobs.get("")
        if changes_content(before.files, after.files, moves=moves):
            return True
        # A move of the release may edit what its router is rendered to, so the sources of both are compared.
        last = last_change(self._loader, change.parent, before)
        try:
            old, new = (
                self._loader.content(sha, place)
                for sha, place in ((last or change.parent, before.location), (change.commit.sha, after.location))
            )
        except RollstepError:
            return True
        return old != new

    def _legal(
        self, change: Change, after: AppState, before: AppState, action: str, findings: list[Finding], forward: bool
    ) -> AppVerdict:
        location = after.location
        against, note = self._policy.check_step(change, after, before, action, forward=forward)
        return AppVerdict(location.environment, location.app, action, (*findings, *against), note)

    def _action_without_verb(self, change: Change, after: AppState, before: AppState) -> str:
        """Return ``revert``, ``merge`` or ``import`` (a root commit); empty for an illegal change."""
        if is_revert(self._loader, change, after, before):
            return "revert"
        merged = merged_render(self._loader, change, after, change.commit.sha, str)
        if merged is not None and not merged.differences(after, after):
            return "merge"
        is_import = not change.parents and own_differences(self._loader, change, after) == ()
        return "import" if is_import else ""

    def _verify_removal(self, change: Change, before: AppState) -> AppVerdict | None:
        if not before.exists:
            return None
        location, sha = before.location, change.commit.sha
        left = has_manifests(self._loader, sha, location)
        in_the_way = obstacle(self._loader, sha, location)
        if in_the_way is not None:
            return AppVerdict(location.environment, location.app, "", (in_the_way,))
        if read_state(self._loader.objects, sha, location).exists:
            message = f"is still applied, but {location.title} is no app any more"
            hint = "move the files with the settings, in one commit"
            findings = (Finding(location.output, 0, 0, "", message, hint),)
            return AppVerdict(location.environment, location.app, "", findings)
        if left and not is_first_release(self._loader, change.parent, before):
            message = "the status and the rendered files are missing, and the app's own manifests are not"
            hint = f"git checkout {change.parent[:9]} -- {location.status_file} {location.output}"
            findings = (Finding(location.folder, 0, 0, "", message, hint),)
            return AppVerdict(location.environment, location.app, "", findings)
        if left:
            return AppVerdict(location.environment, location.app, "revert")
        empty = AppState(location, {}, {})
        return self._legal(change, empty, before, "removal", [], True)

    def _verify_move(self, change: Change, after: AppState, before: AppState) -> AppVerdict:
        """Return the verdict on an app that only changes its folder: under another name, that is a step."""
        names = [(state.location.environment, state.location.app) for state in (after, before)]
        findings = list(after.irregular())
        return self._legal(change, after, before, "move", findings, names[0] != names[1])

    def _changed_source(
        self, change: Change, location: AppLocation, old_location: AppLocation, before: AppState
    ) -> Iterator[Finding]:
        """Yield that a commit changes the command that prints an app's manifests, and what is rendered of them.

        The app would be verified in part by what the commit itself says.
        """
        if not before.exists or not change.parent:
            return
        new = self._loader.settings(change.commit.sha).for_app(location.environment, location.app).source
        old = self._loader.settings(change.parent).for_app(old_location.environment, old_location.app).source
        if new.argv != old.argv and new.argv is not None and not may_execute():
            message = f"changes the command of {location.title}, and what is rendered of it"
            yield Finding(SETTINGS_FILE, 0, 0, "source", message, "commit the new source first, and then the step")

    def _verify_in_part(
        self, change: Change, after: AppState, before: AppState, state: State, late: list[Finding]
    ) -> AppVerdict:
        """Return the verdict by what follows without the manifests, for an app whose manifests a command prints."""
        location, old = after.location, before.state()
        trailers = app_trailers(change, location)
        verb = trailers.get("Verb", "unknown")
        forward = old is None or status_goes_forward(old.status, state.status)
        findings = [*late, *check_files(self._loader, change.commit.sha, after, state)]
        findings += self._times.early_move(change, after, before, state)
        findings += self._times.pause_in_part(after, before, state, verb)
        wrong = {key: value for key, value in known_trailers(state).items() if trailers.get(key, value) != value}
        findings += [_wrong_trailer(key, trailers[key], value) for key, value in wrong.items()]
        forward = forward or self._is_other_content(change, after, before)
        verdict = self._legal(change, after, before, verb, findings, forward)
        return replace(verdict, note="; ".join(filter(None, (verdict.note, NOTE))), is_partial=True)


def commit_measurements(release: Release, after: AppState, before: AppState, state: State) -> Replayed:
    """Return the measurements of a commit, made again; none for a commit that leaves the runs as they are."""
    if after.blobs.get(RUNS) == before.blobs.get(RUNS) or RUNS not in after.contents:
        return Replayed()
    # Loads the providers, which other commits do not need.
    from renderer.verbs.verify.measurements import replay_measurements

    return replay_measurements(release, after.runs(), state, after.location.runs_file)


def merged_parent(loader: Loader, change: Change, after: AppState) -> str:
    """Return the parent that a merge takes an app's whole state from; empty without one.

    That parent's history has to have moved the app since it parted from the first parent's.
    """
    return next((parent for parent, found in _moving_parents(loader, change, after) if found.blobs == after.blobs), "")


def _moving_parents(loader: Loader, change: Change, after: AppState) -> Iterator[tuple[str, AppState]]:
    """Yield the parents of a merge but the first that have moved an app since their base, with their states of it."""
    for parent in change.parents[1:]:
        found = state_in(loader, parent, after)
        bases = loader.repository.run("merge-base", change.parent, parent, check=False).stdout.decode().split()
        if bases and read_state(loader.objects, bases[0], found.location).blobs != found.blobs:
            yield parent, found


def state_in(loader: Loader, commit: str, after: AppState) -> AppState:
    """Return the app's state in another commit, where it is in another folder if that has the status of ``after``."""
    location = after.location
    state = read_state(loader.objects, commit, location)
    if state.exists or "" not in after.blobs:
        return state
    for path, file in loader.objects.files(commit).items():
        folder, _, name = path.rpartition("/")
        if name == STATUS_FILE and file == after.blobs[""]:
            output = f"{folder}/{location.output.removeprefix(f'{location.folder}/')}"
            return read_state(loader.objects, commit, AppLocation(location.environment, location.app, folder, output))
    return state


def merged_render(
    loader: Loader, change: Change, after: AppState, sha: str, tree_of: Callable[[str], str]
) -> Expected | None:
    """Return what the state that a merge takes from a parent renders of the merged sources in ``sha``.

    ``tree_of`` returns the tree of a parent.  Returns None where no parent has the status of ``after``.  Raises
    RollstepError for an app that cannot be loaded.
    """
    for parent, found in _moving_parents(loader, change, after):
        if found.exists and found.blobs.get("") == after.blobs.get(""):
            source = read_state(loader.objects, tree_of(parent), found.location)
            return rendered_state(loader, sha, after.location, source, tree_of(parent))
    return None


def app_trailers(change: Change, location: AppLocation) -> dict[str, str]:
    """Return the commit's trailers about an app, without their prefix; none where they do not name it."""
    for trailers in releases(change.commit.trailers):
        if (trailers.get("App"), trailers.get("Env")) == (location.app, location.environment):
            return trailers
    return {}


def _verb(transition: Transition, trailers: Mapping[str, str]) -> str:
    verb = trailers.get("Verb", "")
    return verb if transition.verb == "edit" and verb in BEGINNINGS else transition.verb


def _brought(change: Change, after: AppState) -> Iterator[Finding]:
    """Yield the files of others that the commit brings into the output folder, which a sync tool reads."""
    for name in after.foreign():
        if after.path(name) in change.files:
            message = "is in the folder that the sync tool reads, and rollstep did not render it"
            yield Finding(after.path(name), 0, 0, "", message, "keep it elsewhere, or among the app's manifests")


def _wrong_trailers(transition: Transition, location: AppLocation, trailers: Mapping[str, str]) -> Iterator[Finding]:
    if not trailers:
        return
    verb = _verb(transition, trailers)
    change = step_change(transition.move, location.app, location.environment, verb)
    wanted = {key.partition("-")[2]: value for key, value in trailers_of(change)} | {"Verb": verb}
    for key in ("Verb", "Step", "Revision", "Stable", "Canary", "Analysis"):
        if key in trailers and trailers[key] != wanted.get(key, ""):
            yield _wrong_trailer(key, trailers[key], wanted.get(key, ""))


def _wrong_trailer(key: str, found: str, wanted: str) -> Finding:
    message = f"the trailer says {found}, expected {wanted or 'no value'}"
    return Finding("", 0, 0, f"Rollstep-{key}", message, "undo the commit and let rollstep make it")


def _unmatched_trailers(change: Change, verdicts: list[AppVerdict]) -> Iterator[Finding]:
    """Yield the apps that the trailers name and the commit does not change, and the other way round."""
    named = {(item.get("Env", ""), item.get("App", "")) for item in releases(change.commit.trailers)}
    changed = {(verdict.environment, verdict.app) for verdict in verdicts}
    if not named or change.is_merge:
        return
    for environment, app in sorted(named - changed):
        yield Finding("", 0, 0, "Rollstep-App", f"names {app} ({environment}), which the commit does not change")
    for environment, app in sorted(changed - named):
        yield Finding("", 0, 0, "Rollstep-App", f"does not name {app} ({environment}), which the commit changes")
