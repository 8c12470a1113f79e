"""What stands against a legal step: a freeze, or approvals that are missing; and the word that overrides both.

What the commit before says counts, so that no commit lifts what holds it up; and a commit that weakens what is asked
for has to be approved as a step is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from renderer.errors import Finding
from renderer.git.objects import object_names
from renderer.kubernetes.yaml.reader import decode
from renderer.pipeline.commit.trailers import BREAK_GLASS
from renderer.pipeline.load.settings import SETTINGS_FILE, AppSettings
from renderer.pipeline.load.status_file import reached
from renderer.pipeline.resolve.describe import lag_text
from renderer.verbs.policy.approval import people
from renderer.verbs.policy.approvals import Approvals
from renderer.verbs.policy.freeze import FREEZES_FILE, Freeze, holding
from renderer.verbs.policy.freezes import parse_freezes
from renderer.verbs.policy.lag import NOWHERE, Lag, Progress, lagging, progress_of
from renderer.verbs.verify.app_state import Place, read_state
from renderer.verbs.verify.commits import Change
from renderer.verbs.verify.loading import Loader

APPROVALS = "approvals"
"""The field of findings about approvals that are missing."""


class Policy:
    """Holds steps that go forward against what the commit before them says."""

    def __init__(self, loader: Loader, received: datetime | None, approvals: Approvals) -> None:
        """``received`` is when a server gets the commits; None takes the time at which each was made."""
        self._loader = loader
        self._received = received
        self._approvals = approvals
        self._freezes: dict[str, tuple[Freeze, ...]] = {}

    def step(self, change: Change, place: Place, what: str) -> tuple[tuple[Finding, ...], str]:
        """Return what stands against a step of ``place`` that goes forward, and a note where it was overridden.

        A merge brings steps that were approved one by one.  Raises RollstepError where ``freezes.yaml`` is damaged.
        """
        findings = (
            [] if what == "merge" else [*self._unapproved(change, place, place.title), *self._early(change, place)]
        )
        freeze = holding(self._freezes_at(change.parent), place.environment, self._now(change))
        if freeze is not None:
            findings.append(freeze.finding(place.title))
        reason = dict(change.commit.trailers).get(BREAK_GLASS, "")
        if findings and reason:
            return (), f"went forward in {change.commit.sha[:9]} with the glass broken: {reason}"
        return tuple(findings), ""

    def rules(self, change: Change) -> Iterator[Finding]:
        """Yield what stands against a commit that weakens the rules: fewer approvers are asked, a freeze is lifted."""
        if not change.parent or not {SETTINGS_FILE, FREEZES_FILE} & change.files.keys():
            return
        lifted = list(self._lifted(change))
        told: set[Finding] = set()
        for place, weakened in self._guarded(change):
            freed = any(freeze.holds(place.environment, max(freeze.start, self._now(change))) for freeze in lifted)
            if weakened or freed:
                what = SETTINGS_FILE if weakened else FREEZES_FILE
                told.update(self._unapproved(change, place, f"{what} for {place.environment}"))
        yield from sorted(told)

    def _now(self, change: Change) -> datetime:
        return self._received or change.commit.date

    def _guarded(self, change: Change) -> Iterator[tuple[Place, bool]]:
        """Yield where approvals are asked for, and whether the commit asks for others."""
        before, after = self._loader.settings(change.parent), self._loader.settings(change.commit.sha)
        for environment, app in self._loader.apps(change.parent, before):
            old, new = before.for_app(environment, app), after.for_app(environment, app)
            if old.approvals:
                yield Place.of(before, environment, app), _asked(old) != _asked(new)

    def _lifted(self, change: Change) -> Iterator[Freeze]:
        """Yield the freezes that would hold on, and don't after the commit."""
        kept = {freeze.name: freeze for freeze in self._freezes_at(change.commit.sha)}
        for freeze in self._freezes_at(change.parent):
            new = kept.get(freeze.name)
            is_kept = new is not None and new.environments in ((), freeze.environments)
            longer = new is not None and new.start <= max(freeze.start, self._now(change)) and freeze.until <= new.until
            if freeze.until > self._now(change) and not (is_kept and longer):
                yield freeze

    def _unapproved(self, change: Change, place: Place, title: str) -> Iterator[Finding]:
        settings = self._loader.settings(change.parent or change.commit.sha).for_app(place.environment, place.app)
        if not settings.approvals:
            return
        found = people(self._approvals.of(change.commit.sha), settings.approvers)
        if len(found) < settings.approvals:
            sha = change.commit.sha[:9]
            named = f": {', '.join(found)}" if found else ""
            message = f"{title}: {sha} has {len(found)} of {settings.approvals} approvals{named}"
            hint = f"somebody else runs `rollstep approve {sha}` and pushes the tag that it makes"
            yield Finding("", 0, 0, APPROVALS, message, hint)

    def _early(self, change: Change, place: Place) -> Iterator[Finding]:
        """Yield that a release has not stayed behind that of another environment as the commit before asks for it."""
        body = self._loader.settings(change.parent or change.commit.sha).for_app(place.environment, place.app).lag
        if not body or body["behind"] == place.environment:
            return
        lag = Lag.from_body(body)
        following, leading = self._progress(change.commit.sha, place), None
        if change.parent:
            leading = self._progress(
                change.parent, Place.of(self._loader.settings(change.parent), lag.behind, place.app)
            )
        if following is None:
            return
        reason = lagging(lag, leading or NOWHERE, following, self._now(change))
        if reason is not None:
            text = f"{place.title} had to stay {lag_text(reason)}"
            hint = "undo the commit, or make it with --break-glass REASON"
            yield Finding(place.status_file, 0, 0, "lag", text, hint)

    def _progress(self, sha: str, place: Place) -> Progress | None:
        """Return how far the release at ``place`` is in a commit; None where there is none."""
        found = read_state(self._loader.objects, sha, place)
        state = found.state()
        if state is None or self._loader.needs_exec(self._loader.settings(sha), place):
            return None
        return progress_of(self._loader.world(sha, found), *reached(state))

    def _freezes_at(self, sha: str) -> tuple[Freeze, ...]:
        """Return the freezes that a commit has."""
        if not sha:
            return ()
        if sha not in self._freezes:
            repository = self._loader.repository
            (blob,) = object_names(repository, [f"{sha}:{FREEZES_FILE}"])
            text = decode(self._loader.objects.contents([blob])[blob], FREEZES_FILE) if blob else ""
            self._freezes[sha] = parse_freezes(text)
        return self._freezes[sha]


def _asked(settings: AppSettings) -> tuple[object, ...]:
    """Return what of an app's settings others rely on: a command's manifests can't be held against their source."""
    return settings.approvals, settings.approvers, settings.source.argv
