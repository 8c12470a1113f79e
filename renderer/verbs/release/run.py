"""The result of one run of a verb, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from renderer.git.commit import CommitResult
from renderer.kubernetes.printing import to_json
from renderer.kubernetes.times import format_time
from renderer.pipeline.commit.part import Part, Request
from renderer.pipeline.publish.environment_branches import RenderedCommit
from renderer.verbs.apps.outcome import Outcome
from renderer.verbs.reporter import Reporter

if TYPE_CHECKING:
    from renderer.verbs.release.pull_requests.branches import Result


class Run(Struct):
    """The outcomes of a run, its commits, its commits on environment branches, and its pull requests."""

    outcomes: list[Outcome]
    commits: list[tuple[Sequence[Part], CommitResult | None]] = field(default_factory=list)
    rendered: list[RenderedCommit] = field(default_factory=list)
    results: Sequence[Result] = ()

    def report(self, request: Request, reporter: Reporter) -> None:
        """Print the commits on stdout and the reasons why nothing was done on stderr, or all of it as JSON."""
        made = {id(part): result for group, result in self.commits for part in group}
        if request.output == "json":
            entries = [_entry(outcome, made.get(id(outcome.part)), request, self.rendered) for outcome in self.outcomes]
            entries += (result.to_dict() for result in self.results)
            reporter.out(to_json(entries))
            return
        for result_of_review in self.results:
            reporter.out(f"{result_of_review.text()}\n")
        subjects: set[str] = set()
        for outcome in self.outcomes:
            result = made.get(id(outcome.part))
            if result is None:
                reporter.note(f"{outcome.home.title}: {outcome.waits}")
            elif result.subject not in subjects:
                subjects.add(result.subject)
                reporter.out(f"{result.text()}\n")
        for commit in self.rendered:
            reporter.out(f"[{commit.branch} {commit.sha[:9]}] {commit.subject}\n")


def _entry(
    outcome: Outcome, result: CommitResult | None, request: Request, rendered: Sequence[RenderedCommit]
) -> dict[str, Any]:
    ref = outcome.home.ref
    entry: dict[str, Any] = {
        "app": ref.name,
        "environment": ref.environment,
        "moved": result is not None,
        "phase": outcome.phase,
        "currentStepIndex": outcome.current_step_index,
        "steps": outcome.steps,
        "revision": outcome.revision,
        "dryRun": request.dry_run,
        "commit": None,
        "subject": None,
        "files": [],
        "waits": None,
        "environmentBranch": [
            {"branch": commit.branch, "commit": commit.sha, "source": commit.source}
            for commit in rendered
            if commit.environment == ref.environment
        ],
    }
    if result is not None:
        entry |= {"commit": result.sha, "subject": result.subject, "files": list(result.paths)}
    reason = outcome.reason
    if reason is not None:
        entry["waits"] = {"reason": reason.reason, "until": format_time(reason.until) if reason.until else None}
    return entry
