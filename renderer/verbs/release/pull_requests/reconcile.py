"""Brings the pull requests on the forge in line with the steps: a branch for each step, and its pull request.

The branch's name contains the app, the revision and the step, so a step has one pull request, which a second run finds.
Everything is rendered and validated before the first push, and everything is pushed before the first request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, map_valid
from renderer.git.commit import check_commit
from renderer.git.forges.forge import Forge, Proposal, PullRequest
from renderer.git.forges.settings import ForgeSettings
from renderer.git.forges.site import find_site, git_environment, open_forge
from renderer.git.objects import (
    REGULAR,
    TreeFile,
    is_ancestor,
    read_files,
    store_blob,
    store_commit,
    store_tree,
    tip,
    tree_files,
)
from renderer.git.remote import run_remote
from renderer.git.repository import Repository, literal
from renderer.pipeline.commit.part import Request, input_paths, part_of
from renderer.pipeline.commit.planned_commit import PlannedCommit
from renderer.pipeline.commit.uncommitted import Uncommitted, within
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.publish.push import push_refs
from renderer.pipeline.publish.unpushed import check_taken_back
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.write.moved_app import MovedApp
from renderer.pipeline.write.new_files import NewFiles
from renderer.verbs.analysis.taken_back import images_of_verdict, with_quarantine
from renderer.verbs.release.pull_requests.branches import (
    PREFIX,
    AppSteps,
    PullRequestResult,
    StepCommit,
    app_prefix,
    is_step,
    prefix_of,
    step_branches,
)
from renderer.verbs.release.pull_requests.text import body_of, title_of


class PullRequests:
    """The pull requests of one repository on its forge."""

    def __init__(self, repository: Repository, settings: ForgeSettings, request: Request) -> None:
        """Find the forge; raise RollstepError for an unknown forge and a detached HEAD.

        A dry run sends no requests.
        """
        self.repository = repository
        self.request = request
        self.remote = settings.remote
        self.environment: Mapping[str, str] = git_environment(repository, settings)
        self.site = find_site(repository, settings)
        if repository.head.branch is None:
            raise RollstepError("HEAD is detached: pull requests go into a branch", hint="git switch BRANCH")
        self.base = repository.head.branch
        self._forge: Forge | None = None

    @property
    def forge(self) -> Forge:
        """The forge; raises RollstepError for a missing token."""
        if self._forge is None:
            self._forge = open_forge(self.site)
        return self._forge

    def propose(
        self, apps: Sequence[AppSteps], now: datetime, check: Callable[[AppRef, Sequence[MovedApp]], None]
    ) -> tuple[list[PullRequestResult], tuple[Finding, ...]]:
        """Open or update a pull request for each step of ``apps``, and close obsolete ones.

        ``check`` receives the steps of an app before anything is pushed, and raises RollstepError for an invalid one.
        Returns the results, and the findings of the apps that are left out for an error.
        """

        def build(app: AppSteps) -> tuple[AppSteps, list[StepCommit]]:
            steps = self._steps(app, now)
            check(app.ref, [step.moved for step in steps])
            return app, steps

        if not self.request.dry_run:
            _ = self.forge
            self._fetch(self.base, f"{PREFIX}/*")
            self._check_base()
        built, findings = map_valid(apps, build)
        steps = [step for _, group in built for step in group]
        if self.request.dry_run:
            return [_result(step, "planned") for step in steps], findings
        self._push(steps)
        found = self.forge.find(f"{PREFIX}/")
        results = [self._propose(step, found) for step in steps]
        return results + self._close_obsolete([app for app, _ in built], steps, found), findings

    def close(self, refs: Sequence[AppRef], comment: str) -> list[PullRequestResult]:
        """Close every open pull request of ``refs`` with ``comment``, and delete their branches."""
        prefixes = {app_prefix(ref): ref for ref in refs}
        if self.request.dry_run:
            known = [(ref, head) for prefix, ref in prefixes.items() for head in self.branches(prefix)]
            return [PullRequestResult.of(ref, "planned", Proposal(head, self.base, "close", "")) for ref, head in known]
        found = [pr for pr in self.forge.find(f"{PREFIX}/") if prefix_of(pr.head) in prefixes]
        for current in found:
            self.forge.close(current, comment)
        self._fetch(f"{PREFIX}/*")
        self._delete([head for prefix in prefixes for head in self.branches(prefix)])
        return [PullRequestResult.of(prefixes[prefix_of(pr.head)], "closed", pr, pr) for pr in found]

    def branches(self, prefix: str) -> dict[str, str]:
        """Return our branches on the remote, as of the last fetch, with their commits."""
        place = f"refs/remotes/{self.remote}/"
        listed = self.repository.run("for-each-ref", "--format=%(objectname) %(refname)", f"{place}{prefix}")
        rows = (line.split(" ", 1) for line in listed.stdout.decode().splitlines())
        return {ref.removeprefix(place): sha for sha, ref in rows}

    def _fetch(self, *names: str) -> None:
        specs = [f"+refs/heads/{name}:refs/remotes/{self.remote}/{name}" for name in names]
        arguments = ("fetch", "--quiet", "--prune", self.remote, *specs)
        run_remote(self.repository, *arguments, environment=self.environment)

    def _check_base(self) -> None:
        """Raise RollstepError if HEAD is not the remote's tip of the base branch, or the remote took commits back."""
        check_taken_back(self.repository, [self.base], self.remote, self.base)
        there, here = tip(self.repository, f"refs/remotes/{self.remote}/{self.base}"), self.repository.head.sha
        if there != here:
            message = f"is not what {self.remote} has: a pull request would have other commits in it"
            hint = f"git pull --rebase {self.remote} {self.base}, and git push {self.remote} {self.base}"
            raise RollstepError([Finding(self.base, 0, 0, "", message, hint)])

    def _steps(self, app: AppSteps, now: datetime) -> list[StepCommit]:
        """Return the commits of an app's steps; those on the remote if no source has changed since."""
        here = self.repository.head.sha or ""
        steps = self._build(app, now, here)
        old = tip(self.repository, f"refs/remotes/{self.remote}/{steps[0].proposal.head}") if steps else None
        if old is None or steps[0].sha == old or self.request.now is not None or self.request.dry_run:
            return steps
        shown = self.repository.run("show", "-s", "--no-show-signature", "--format=%ct %P", old).stdout.decode().split()
        time, parents = datetime.fromtimestamp(int(shown[0]), UTC), shown[1:]
        if len(parents) != 1 or not self._same_sources(steps[0].moved.release, parents[0], here):
            return steps
        again = self._build(app, time, parents[0])
        return again if again and again[0].sha == old else steps

    def _same_sources(self, release: Release, older: str, newer: str) -> bool:
        """Return whether ``older`` is an ancestor of ``newer`` with the same sources of the app."""
        if not is_ancestor(self.repository, older, newer):
            return False
        paths = [literal(self.repository.relative(path)) for path in within(self.repository, input_paths(release))]
        return self.repository.run("diff", "--quiet", older, newer, "--", *paths, check=False).status == 0

    def _build(self, app: AppSteps, now: datetime, parent: str) -> list[StepCommit]:
        """Commit the steps of an app on ``parent``, each on top of the one before, beside the work tree."""
        remaining = list(app.steps(now))
        if not remaining:
            return []
        start = remaining[0].release.world
        heads = step_branches(app.ref, start, (moved.world for moved in remaining))
        if app.branch:
            heads = [app_prefix(app.ref) + app.branch]
        titles = [title_of(moved) for moved in remaining]
        base = self.base
        steps: list[StepCommit] = []
        before: dict[str, bytes | None] = {}
        for position, (moved, head, title) in enumerate(zip(remaining, heads, titles, strict=True), 1):
            listed = tuple(images_of_verdict(moved, lambda: self.repository))
            (part,) = with_quarantine([(part_of(moved), listed)], self.repository.root, together=False)
            with Uncommitted(self.repository) as uncommitted:
                dirty = uncommitted.of([part.inputs])
            # The work tree may hold another step, so each file is written.
            part, new_files = replace(part, unchanged=frozenset()), NewFiles(self.repository.root, in_memory=True)
            planned = PlannedCommit.of(self.repository, [part], replace(self.request, now=now), dirty, new_files)
            contents = dict.fromkeys(before) | dict(planned.transaction.contents)
            sha = "" if self.request.dry_run else self._commit(planned, contents, parent, now)
            wanted = moved.release.app.settings.pull_request
            body = body_of(moved, titles, position, self.site.type.markdown)
            steps.append(StepCommit(moved, Proposal(head, base, title, body, wanted.labels, wanted.reviewers), sha))
            base, parent, before = head, sha, contents
        return steps

    def _commit(self, planned: PlannedCommit, contents: Mapping[str, bytes | None], parent: str, now: datetime) -> str:
        """Store the commit of ``contents`` on ``parent``; the same content gives the same commit."""
        author, committer = planned.identities
        written = [path for path, content in contents.items() if content is not None]
        planned.transaction.check()
        checked = check_commit(self.repository, written, author=author, committer=committer, when=now)
        folder = planned.parts[0].home.path
        modes = {path: file.mode for path, file in tree_files(self.repository, parent, folder).items()}
        there = read_files(self.repository, parent, folder)
        files: dict[str, TreeFile | None] = {}
        for path, content in contents.items():
            if content is None:
                files[path] = None
            elif there.get(path) != content:
                files[path] = TreeFile(modes.get(path, REGULAR), store_blob(self.repository, content, path))
        tree = store_tree(self.repository, parent, files)
        return store_commit(self.repository, tree, [parent], planned.message, checked.environment)

    def _push(self, steps: Sequence[StepCommit]) -> None:
        there = self.branches(f"{PREFIX}/")
        wanted = {step.proposal.head: step.sha for step in steps}
        self._push_branches({head: sha for head, sha in wanted.items() if there.get(head) != sha}, there)

    def _delete(self, heads: Sequence[str]) -> None:
        there = self.branches(f"{PREFIX}/")
        self._push_branches({head: "" for head in heads if head in there}, there)

    def _push_branches(self, wanted: Mapping[str, str], there: Mapping[str, str]) -> None:
        """Push the commit of each branch, empty to delete it, if the branch is still where it is ``there``."""
        if wanted:
            leases = [f"--force-with-lease=refs/heads/{head}:{there.get(head, '')}" for head in wanted]
            specs = [f"{sha}:refs/heads/{head}" for head, sha in wanted.items()]
            push_refs(self.repository, self.remote, specs, self.environment, *leases)

    def _propose(self, step: StepCommit, found: Sequence[PullRequest]) -> PullRequestResult:
        proposal = step.proposal
        current = next((pr for pr in found if pr.head == proposal.head), None)
        if current is None:
            return _result(step, "opened", self.forge.create(proposal))
        old, new = (current.title, current.body, current.base), (proposal.title, proposal.body, proposal.base)
        self.forge.update(current, proposal)
        return _result(step, "unchanged" if old == new else "updated", current)

    def _close_obsolete(
        self, apps: Sequence[AppSteps], steps: Sequence[StepCommit], found: Sequence[PullRequest]
    ) -> list[PullRequestResult]:
        wanted = {step.proposal.head for step in steps}
        results = []
        for app in apps:
            if app.branches is None:
                continue
            prefix = app_prefix(app.ref)
            wanted.update(app.branches())
            for current in found:
                if prefix_of(current.head) == prefix and current.head not in wanted and is_step(current.head):
                    self.forge.close(current, "This step is no longer part of the release.")
                    results.append(PullRequestResult.of(app.ref, "closed", current, current))
        self._delete([result.head for result in results])
        return results


def _result(step: StepCommit, action: str, current: PullRequest | None = None) -> PullRequestResult:
    result = PullRequestResult.of(step.moved.release.app.ref, action, step.proposal, current)
    return replace(result, commit=step.sha)
