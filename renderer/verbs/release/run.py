"""The result of one run of a verb, and its report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from renderer.git.commit import CommitResult
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.pipeline.commit.part import Part, Request
from renderer.pipeline.publish.environment_branches import RenderedCommit
from renderer.pipeline.resolve.analyses import ANALYZE
from renderer.pipeline.resolve.describe import QUARANTINED, waiting_text
from renderer.verbs.apps.move import AppResult
from renderer.verbs.reporter import Reporter

if TYPE_CHECKING:
    from renderer.verbs.release.pull_requests.branches import PullRequestResult


class Run(Struct):
    """The results of the apps, the commits, the commits on environment branches, and the pull requests."""

    apps: list[AppResult] = field(default_factory=list)
    commits: list[tuple[Sequence[Part], CommitResult | None]] = field(default_factory=list)
    rendered: list[RenderedCommit] = field(default_factory=list)
    pull_requests: Sequence[PullRequestResult] = ()

    def committed(self, apps: Iterable[AppResult]) -> list[AppResult]:
        """Return ``apps`` without those whose part none of the commits holds."""
        done = {id(part) for group, _ in self.commits for part in group}
        return [app for app in apps if app.part is None or id(app.part) in done]

    def report(self, request: Request, reporter: Reporter) -> None:
        """Print the commits on stdout and the reasons for no commit on stderr, or all of it as JSON."""
        commits = {id(part): commit for parts, commit in self.commits for part in parts}
        if request.output == "json":
            entries = [_entry(app, commits.get(id(app.part)), request, self.rendered) for app in self.apps]
            entries += (pull_request.to_dict() for pull_request in self.pull_requests)
            reporter.out(to_json(entries))
            return
        for pull_request in self.pull_requests:
            reporter.out(f"{pull_request.text()}\n")
        for note in dict.fromkeys(note for app in self.apps for note in app.notes):
            reporter.note(f"note: {note}")
        subjects: set[str] = set()
        for app in self.apps:
            commit = commits.get(id(app.part))
            if commit is None:
                reporter.note(f"{app.home.title}: {app.message}")
            elif commit.subject not in subjects:
                subjects.add(commit.subject)
                reporter.out(f"{commit.text()}\n")
            if commit is not None and app.part is not None and app.part.change.verb == ANALYZE:
                reporter.note(f"{app.home.title}: {app.message}")
            for line in app.edited:
                reporter.note(f"note: {line}")
            waiting = app.quarantine
            if app.waiting_version:
                waiting = waiting_text(app.waiting_version, app.home.ref.target, app.quarantine)
            if waiting and app.reason != QUARANTINED:
                reporter.note(f"{app.home.title}: {waiting}")
        for rendered in self.rendered:
            reporter.out(f"{rendered_text(rendered)}\n")


def rendered_text(commit: RenderedCommit) -> str:
    """Return a commit on an environment branch on one line."""
    return f"[{commit.branch} {commit.sha[:9]}] {commit.subject}"


def _entry(
    app: AppResult, commit: CommitResult | None, request: Request, rendered: Sequence[RenderedCommit]
) -> dict[str, Any]:
    ref = app.home.ref
    return {
        "app": ref.name,
        "environment": ref.environment,
        "phase": app.phase,
        "currentStepIndex": app.current_step_index,
        "steps": app.steps,
        "revision": app.revision,
        "reason": app.reason or None,
        "message": app.message,
        "until": None if app.until is None else format_time(app.until),
        "waitingVersion": app.waiting_version or None,
        "quarantine": app.quarantine or None,
        "moved": commit is not None,
        "dryRun": request.dry_run,
        "commit": (commit.sha or None) if commit else None,
        "subject": commit.subject if commit else None,
        "files": list(commit.paths) if commit else [],
        "notes": list(app.notes),
        "edited": list(app.edited),
        "environmentBranch": [
            {"branch": entry.branch, "commit": entry.sha, "source": entry.source}
            for entry in rendered
            if entry.environment == ref.environment
        ],
    }
