"""Policies on legal steps: quarantine, freezes, lag, approvals, and the trailer that breaks the glass.

The policies of the parent commit count, so that no commit lifts what forbids it.  A commit that weakens the policies
needs the approvals of a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import product

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.commit.trailers import BREAK_GLASS
from renderer.pipeline.load.settings import SETTINGS_FILE, AppSettings
from renderer.pipeline.load.sources import may_execute
from renderer.pipeline.load.status_file import step_times
from renderer.pipeline.resolve.describe import lag_text
from renderer.pipeline.resolve.transitions import status_goes_forward
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze, active_freeze
from renderer.verbs.policy.freezes import parse_freezes
from renderer.verbs.policy.lag import NO_RELEASE, Lag, Progress, lag_wait, progress_of
from renderer.verbs.policy.listed_image import QUARANTINE_FILE
from renderer.verbs.verify.app_state import AppLocation, AppState, read_state
from renderer.verbs.verify.changed_apps import Places
from renderer.verbs.verify.clock import Clock
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader
from renderer.verbs.verify.quarantine import QuarantineCheck
from renderer.verbs.verify.rules import ServerRules

_MOST_NAMES = 1_000_000
"""The most apps in environments whose rules are compared."""


class PolicyCheck:
    """Checks commits against the policies of their first parents."""

    def __init__(
        self, loader: Loader, received: datetime | None, approvals: Approvals, rules: ServerRules, clock: Clock
    ) -> None:
        """``received`` is the time of a push on its server; None takes the time of each commit by ``clock``."""
        self._loader = loader
        self._clock = clock
        self._received = received
        self._approvals = approvals
        self._rules = rules
        self._freezes: dict[str, tuple[Freeze, ...]] = {}
        self._quarantine = QuarantineCheck(loader)

    def is_guarded(self, change: Change, location: AppLocation) -> bool:
        """Return whether approvals or a freeze guard what an app's rendered folder will be."""
        if self._app_settings(change, location).approvals:
            return True
        return active_freeze(self._freezes_at(change.parent), location.environment, self._now(change)) is not None

    def check_step(
        self, change: Change, after: AppState, before: AppState, action: str, *, forward: bool
    ) -> tuple[tuple[Finding, ...], str]:
        """Return the findings about a step, and a note where it breaks the glass.

        Quarantine holds every step, the other policies one that goes ``forward``.

        The policies are those of both places, so that no move of the folder lifts them.  A merge brings steps that
        were approved one by one, under the rules of its first parent, or is approved itself.  Raises RollstepError for
        a damaged ``freezes.yaml`` or ``quarantine.yaml``.
        """
        location = after.location
        findings = list(self._quarantine.begun(change, after, before))
        for place in dict.fromkeys((before.location, location)) if forward else ():
            unapproved = self._unapproved(change, place, location.title)
            if action != "merge":
                findings += [*unapproved, *self._early(change, location, place)]
            elif unapproved:
                findings += self._unapproved_steps(change, place, unapproved)
            freeze = active_freeze(self._freezes_at(change.parent), place.environment, self._now(change))
            if freeze is not None:
                findings.append(freeze.finding(location.title))
        findings = list(dict.fromkeys(findings))
        reason = dict(change.commit.trailers).get(BREAK_GLASS, "")
        if not findings or not reason:
            return tuple(findings), ""
        if not self._may_break_glass(change):
            message = "the rules of this server do not let its author break the glass"
            return (*findings, Finding("", 0, 0, BREAK_GLASS, message, "git config rollstep.breakGlass there")), ""
        return (), f"went forward in {change.commit.sha[:9]} with the glass broken: {reason}"

    def check_policies(self, change: Change) -> Iterator[Finding]:
        """Yield the missing approvals of a commit that changes a rule, or lifts a freeze or a quarantine."""
        files = (SETTINGS_FILE, FREEZES_FILE, QUARANTINE_FILE)
        if not change.parent or not change.files.keys() & {*files}:
            return
        lifted, released = list(self._lifted(change)), self._quarantine.removed(change)
        findings: set[Finding] = set()
        for location, is_weakened in self._guarded(change):
            environment = location.environment
            is_freed = any(freeze.applies_to(environment, max(freeze.start, self._now(change))) for freeze in lifted)
            is_released = any(entry.guards(environment, location.app) for entry in released)
            changed = [file for file, is_so in zip(files, (is_weakened, is_freed, is_released), strict=True) if is_so]
            for file in changed:
                findings.update(self._unapproved(change, location, f"{file} for {environment or 'all environments'}"))
        yield from sorted(findings)
        if SETTINGS_FILE in change.files:
            yield from self._new_commands(change)

    def check_quarantine(self, change: Change, places: Sequence[Places]) -> Iterator[Finding]:
        """Yield the images that a commit takes out of quarantine without lifting it; ``places`` are its apps."""
        yield from self._quarantine.unlifted(change, places)

    def _new_commands(self, change: Change) -> Iterator[Finding]:
        """Yield the released apps whose source becomes a command that may not run here: they are verified in part."""
        if may_execute() or self._rules.source_commands:
            return
        before, after = self._loader.settings(change.parent), self._loader.settings(change.commit.sha)
        for environment, app in self._loader.apps(change.parent, before):
            old, new = before.for_app(environment, app), after.for_app(environment, app)
            is_new = new.source.argv is not None and new.source.argv != old.source.argv
            location = AppLocation.of(before, environment, app)
            if is_new and not old.approvals and read_state(self._loader.objects, change.parent, location).exists:
                message = f"a command would print the manifests of {location.title}, which cannot be verified then"
                hint = "where that is right: git config rollstep.sourceCommands true, on the machine that verifies"
                yield Finding(SETTINGS_FILE, 0, 0, "source", message, hint)

    def _may_break_glass(self, change: Change) -> bool:
        allowed = self._rules.break_glass
        if allowed is None:
            return True
        names = {identity.lower() for identity in allowed}
        given = self._approvals.of(change.commit.sha)
        return any(identity.lower() in names for approval in given for identity in approval.identities)

    def _now(self, change: Change) -> datetime:
        return self._received or self._clock.at(change.commit.sha)

    def _guarded(self, change: Change) -> Iterator[tuple[AppLocation, bool]]:
        """Yield what approvals guard, and whether the commit changes its rules: apps, and names in the settings.

        An app or an environment that is gone takes no rule with it, so the empty name stands for one to come.
        """
        before, after = self._loader.settings(change.parent), self._loader.settings(change.commit.sha)
        apps = set(self._loader.apps(change.parent, before))
        names = {"", *before.apps, *(app for _, app in apps)}
        names |= {app for environment in before.environments for app in before.apps_of(environment)}
        environments = {"", *before.environments, *(environment for environment, _ in apps)}
        moved = (before.environments_path, before.forge) != (after.environments_path, after.forge)
        if len(environments) * len(names) > _MOST_NAMES:
            raise RollstepError.at(SETTINGS_FILE, f"names more than {_MOST_NAMES:,} apps in environments")
        for environment, app in sorted(apps | set(product(environments, names))):
            old, new = before.for_app(environment, app), after.for_app(environment, app)
            if self._with_floor(old).approvals:
                is_weakened = moved or _guarded_settings(old) != _guarded_settings(new)
                yield AppLocation.of(before, environment, app), is_weakened

    def _lifted(self, change: Change) -> Iterator[Freeze]:
        """Yield the freezes that the commit removes or shortens before they end."""
        kept = {freeze.name: freeze for freeze in self._freezes_at(change.commit.sha)}
        for freeze in self._freezes_at(change.parent):
            new = kept.get(freeze.name)
            is_kept = (
                new is not None
                and new.environments in ((), freeze.environments)
                and new.start <= max(freeze.start, self._now(change))
                and freeze.until <= new.until
            )
            if freeze.until > self._now(change) and not is_kept:
                yield freeze

    def _unapproved(self, change: Change, location: AppLocation, title: str) -> list[Finding]:
        finding = self._approvals.missing(change.commit.sha, self._app_settings(change, location), title)
        return [] if finding is None else [finding]

    def _unapproved_steps(self, change: Change, location: AppLocation, unapproved: list[Finding]) -> list[Finding]:
        """Return the missing approvals of the steps that a merge brings, which itself is ``unapproved``."""
        args = ("rev-list", "--full-history", *change.parents[1:], f"^{change.parent}", "--")
        places = location.paths
        settings = self._app_settings(change, location)
        for sha in self._loader.repository.run(*args, *places).stdout.decode().split():
            parents = self._loader.repository.run("rev-parse", f"{sha}^@").stdout.decode().split()
            old, new = (read_state(self._loader.objects, name, location) for name in ((parents or [""])[0], sha))
            if not new.exists and old.exists:
                # Its steps under another name are not listed.
                return unapproved
            missing = self._approvals.missing(sha, settings, location.title)
            if missing is not None and len(parents) < 2 and _may_go_forward(old, new):
                return [missing]
        return []

    def _app_settings(self, change: Change, location: AppLocation) -> AppSettings:
        settings = self._loader.settings(change.parent or change.commit.sha)
        return self._with_floor(settings.for_app(location.environment, location.app))

    def _with_floor(self, settings: AppSettings) -> AppSettings:
        return replace(settings, approvals=max(settings.approvals, self._rules.approvals))

    def _early(self, change: Change, location: AppLocation, old_location: AppLocation) -> Iterator[Finding]:
        body = self._app_settings(change, old_location).lag
        if not body or body["behind"] == old_location.environment:
            return
        lag = Lag.from_body(body)
        follower, leader = self._progress(change.commit.sha, location), None
        if change.parent:
            behind = AppLocation.of(self._loader.settings(change.parent), lag.behind, old_location.app)
            leader = self._progress(change.parent, behind)
        wait = lag_wait(lag, leader or NO_RELEASE, follower, self._now(change)) if follower is not None else None
        if wait is not None:
            message = f"{location.title} had to stay {lag_text(wait)}"
            hint = "undo the commit, or make it with --break-glass REASON"
            yield Finding(location.status_file, 0, 0, "lag", message, hint)

    def _progress(self, sha: str, location: AppLocation) -> Progress | None:
        """Return the progress of a release in a commit; None without a release, and where its command may not run."""
        found = read_state(self._loader.objects, sha, location)
        state = found.state()
        if state is None or self._loader.needs_exec(self._loader.settings(sha), location):
            return None
        return progress_of(self._loader.world(sha, found), *step_times(state))

    def _freezes_at(self, sha: str) -> tuple[Freeze, ...]:
        if not sha:
            return ()
        if sha not in self._freezes:
            files = self._loader.files(sha)
            content = files.read_own(f"{files.root}/{FREEZES_FILE}", FREEZES_FILE)
            text = "" if content is None else decode(content, FREEZES_FILE)
            self._freezes[sha] = parse_freezes(text)
        return self._freezes[sha]


def _may_go_forward(old: AppState, new: AppState) -> bool:
    """Return whether the release goes forward between two commits, as far as its statuses and files show it."""
    before, after = old.state(), new.state()
    if after is None:
        return False
    if before is None or old.blobs.get("") == new.blobs.get(""):
        return old.blobs != new.blobs
    return status_goes_forward(before.status, after.status)


def _guarded_settings(settings: AppSettings) -> tuple[object, ...]:
    # A command's manifests cannot be compared with their source.
    commit = settings.commit
    rules = (settings.approvals, settings.approvers, settings.allow, settings.lag, settings.order)
    return *rules, settings.source.argv, settings.output, commit.environment_branch, commit.source_branch
