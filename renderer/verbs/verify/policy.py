"""Policies on legal steps: freezes, lag, approvals, and the trailer that breaks the glass.

The policies of the parent commit count, so that no commit lifts what forbids it.  A commit that weakens the policies
needs the approvals of a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from renderer.errors import Finding
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.commit.trailers import BREAK_GLASS
from renderer.pipeline.load.settings import SETTINGS_FILE, AppSettings
from renderer.pipeline.load.status_file import step_times
from renderer.pipeline.resolve.describe import lag_text
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze, active_freeze
from renderer.verbs.policy.freezes import parse_freezes
from renderer.verbs.policy.lag import NO_RELEASE, Lag, Progress, lag_wait, progress_of
from renderer.verbs.verify.app_state import AppLocation, read_state
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader


class PolicyCheck:
    """Checks commits against the policies of their parents."""

    def __init__(self, loader: Loader, received: datetime | None, approvals: Approvals) -> None:
        """``received`` is the time of a push on its server; None takes the time of each commit."""
        self._loader = loader
        self._received = received
        self._approvals = approvals
        self._freezes: dict[str, tuple[Freeze, ...]] = {}

    def check_step(
        self, change: Change, location: AppLocation, old_location: AppLocation, action: str
    ) -> tuple[tuple[Finding, ...], str]:
        """Return the findings about a step that goes forward, and a note where it breaks the glass.

        The policies are those of ``old_location``, so that no move of the folder lifts them.  A merge brings steps that
        were approved one by one.  Raises RollstepError for a damaged ``freezes.yaml``.
        """
        findings: list[Finding] = []
        if action != "merge":
            findings += self._unapproved(change, old_location, location.title)
            findings += self._early(change, location, old_location)
        freeze = active_freeze(self._freezes_at(change.parent), old_location.environment, self._now(change))
        if freeze is not None:
            findings.append(freeze.finding(location.title))
        reason = dict(change.commit.trailers).get(BREAK_GLASS, "")
        if findings and reason:
            return (), f"went forward in {change.commit.sha[:9]} with the glass broken: {reason}"
        return tuple(findings), ""

    def check_policies(self, change: Change) -> Iterator[Finding]:
        """Yield the missing approvals of a commit that changes who has to approve, or lifts a freeze."""
        if not change.parent or not {SETTINGS_FILE, FREEZES_FILE} & change.files.keys():
            return
        lifted = list(self._lifted(change))
        findings: set[Finding] = set()
        for location, is_weakened in self._guarded(change):
            environment = location.environment
            is_freed = any(freeze.applies_to(environment, max(freeze.start, self._now(change))) for freeze in lifted)
            if is_weakened or is_freed:
                file = SETTINGS_FILE if is_weakened else FREEZES_FILE
                findings.update(self._unapproved(change, location, f"{file} for {environment}"))
        yield from sorted(findings)

    def _now(self, change: Change) -> datetime:
        return self._received or change.commit.date

    def _guarded(self, change: Change) -> Iterator[tuple[AppLocation, bool]]:
        before, after = self._loader.settings(change.parent), self._loader.settings(change.commit.sha)
        for environment, app in self._loader.apps(change.parent, before):
            old, new = before.for_app(environment, app), after.for_app(environment, app)
            if old.approvals:
                yield AppLocation.of(before, environment, app), _guarded_settings(old) != _guarded_settings(new)

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

    def _app_settings(self, change: Change, location: AppLocation) -> AppSettings:
        settings = self._loader.settings(change.parent or change.commit.sha)
        return settings.for_app(location.environment, location.app)

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


def _guarded_settings(settings: AppSettings) -> tuple[object, ...]:
    # A command's manifests cannot be compared with their source.
    return settings.approvals, settings.approvers, settings.source.argv
