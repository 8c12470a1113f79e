"""Steps as pull requests: a branch for each step, made beside the work tree, and its pull request (shell).

The branch's name tells the app, the revision and the step, so that a step has one pull request and a second run finds
it.  Everything is rendered and validated before anything is pushed, and everything is pushed before the forge is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from renderer.errors import Finding, RollstepError, map_all
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
from renderer.pipeline.resolve.release import Release
from renderer.pipeline.write.new_files import NewFiles
from renderer.verbs.release.pull_requests.branches import (
    PREFIX,
    Candidate,
    Result,
    Step,
    app_prefix,
    closed,
    is_step,
    prefix_of,
    result_of,
    step_branch,
)
from renderer.verbs.release.pull_requests.text import body_of, title_of


class PullRequests:
    """The pull requests of one repository on its forge."""

    def __init__(self, repository: Repository, settings: ForgeSettings, request: Request) -> None:
        """Find the forge; raises RollstepError where there is none, or HEAD is on no branch.

        A dry run talks to nobody.
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
        """The forge; raises RollstepError where there is no token for it."""
        if self._forge is None:
            self._forge = open_forge(self.site)
        return self._forge

    def propose(self, candidates: Sequence[Candidate], now: datetime, check: Callable[..., None]) -> list[Result]:
        """Open or update a pull request for each step of ``candidates``, and close those that have been overtaken.

        ``check`` gets the steps before anything leaves this machine, and raises RollstepError where one is wrong.
        """
        if not self.request.dry_run:
            _ = self.forge
            self._fetch(self.base, f"{PREFIX}/*")
            self._check_base()
        made = map_all(candidates, lambda candidate: self._steps(candidate, now))
        steps = [step for group in made for step in group]
        check([step.moved for step in steps])
        if self.request.dry_run:
            return [result_of(step.moved, step.proposal, "planned", step.sha) for step in steps]
        self._push(steps)
        found = self.forge.find(f"{PREFIX}/")
        results = [self._propose(step, found) for step in steps]
        return results + self._close_overtaken(candidates, steps, found)

    def close(self, refs: Sequence[AppRef], comment: str) -> list[Result]:
        """Close every open pull request of ``refs`` with ``comment``, and delete their branches."""
        prefixes = {app_prefix(ref): ref for ref in refs}
        if self.request.dry_run:
            known = [(ref, head) for prefix, ref in prefixes.items() for head in self._branches(prefix)]
            return [Result(ref.name, ref.environment, "planned", head, self.base, "close", "") for ref, head in known]
        found = [pr for pr in self.forge.find(f"{PREFIX}/") if prefix_of(pr.head) in prefixes]
        for current in found:
            self.forge.close(current, comment)
        self._fetch(f"{PREFIX}/*")
        self._delete([head for prefix in prefixes for head in self._branches(prefix)])
        return [closed(prefixes[prefix_of(pr.head)], pr, "closed") for pr in found]

    def _fetch(self, *names: str) -> None:
        """Fetch branches as they are on the remote now."""
        specs = [f"+refs/heads/{name}:refs/remotes/{self.remote}/{name}" for name in names]
        arguments = ("fetch", "--quiet", "--prune", self.remote, *specs)
        run_remote(self.repository, *arguments, environment=self.environment)

    def _check_base(self) -> None:
        """Refuse where the base is not what is checked out."""
        there, here = tip(self.repository, f"refs/remotes/{self.remote}/{self.base}"), self.repository.head.sha
        if there != here:
            message = f"is not what {self.remote} has: a pull request would have other commits in it"
            hint = f"git pull --rebase {self.remote} {self.base}, and git push {self.remote} {self.base}"
            raise RollstepError([Finding(self.base, 0, 0, "", message, hint)])

    def _branches(self, prefix: str) -> dict[str, str]:
        """Return our branches on the remote, as fetched last, with their commits."""
        place = f"refs/remotes/{self.remote}/"
        listed = self.repository.run("for-each-ref", "--format=%(objectname) %(refname)", f"{place}{prefix}")
        rows = (line.split(" ", 1) for line in listed.stdout.decode().splitlines())
        return {ref.removeprefix(place): sha for sha, ref in rows}

    def _steps(self, candidate: Candidate, now: datetime) -> list[Step]:
        """Return the steps of an app; as they are on the remote where nothing that they are made from has changed."""
        here = self.repository.head.sha or ""
        steps = self._build(candidate, now, here)
        old = tip(self.repository, f"refs/remotes/{self.remote}/{steps[0].proposal.head}") if steps else None
        if old is None or steps[0].sha == old or self.request.now is not None or self.request.dry_run:
            return steps
        shown = self.repository.run("show", "-s", "--no-show-signature", "--format=%ct %P", old).stdout.decode().split()
        time, parents = datetime.fromtimestamp(int(shown[0]), UTC), shown[1:]
        if len(parents) != 1 or not self._same_sources(steps[0].moved.release, parents[0], here):
            return steps
        again = self._build(candidate, time, parents[0])
        return again if again and again[0].sha == old else steps

    def _same_sources(self, release: Release, older: str, newer: str) -> bool:
        """Tell whether ``older`` is in the history of ``newer`` and has what the app is made from as it has it."""
        if not is_ancestor(self.repository, older, newer):
            return False
        paths = [literal(self.repository.relative(path)) for path in within(self.repository, input_paths(release))]
        return self.repository.run("diff", "--quiet", older, newer, "--", *paths, check=False).status == 0

    def _build(self, candidate: Candidate, now: datetime, parent: str) -> list[Step]:
        coming = list(candidate.steps(now))
        base = self.base
        titles = [title_of(moved) for moved in coming]
        steps: list[Step] = []
        heads: list[str] = []
        before: dict[str, bytes | None] = {}
        for position, moved in enumerate(coming, 1):
            start = coming[0].release.world
            current = [step_branch(candidate.ref, start, ())] if start.status.stable_rs else []
            world = moved.world
            head = app_prefix(candidate.ref) + candidate.slug if candidate.slug else ""
            head = head or step_branch(candidate.ref, world, [*current, *heads])
            part = part_of(moved)
            with Uncommitted(self.repository) as uncommitted:
                dirty = uncommitted.of([part.inputs])
            # Another step may be in the work tree: no file there holds this one's text already.
            part, new_files = replace(part, unchanged=frozenset()), NewFiles(self.repository.root, in_memory=True)
            planned = PlannedCommit.of(self.repository, [part], replace(self.request, now=now), dirty, new_files)
            contents = dict.fromkeys(before) | dict(planned.transaction.contents)
            sha = "" if self.request.dry_run else self._commit(planned, contents, parent, now)
            proposal = Proposal(
                head,
                base,
                titles[position - 1],
                body_of(moved, start, titles, position),
                moved.release.app.settings.pull_request.labels,
                moved.release.app.settings.pull_request.reviewers,
            )
            steps.append(Step(moved, proposal, sha, parent))
            heads.append(head)
            base, parent, before = head, sha, contents
        return steps

    def _commit(self, planned: PlannedCommit, contents: Mapping[str, bytes | None], parent: str, now: datetime) -> str:
        """Return the commit of ``contents`` on ``parent``: the remote's where it has that already."""
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

    def _push(self, steps: Sequence[Step]) -> None:
        there = self._branches(f"{PREFIX}/")
        moved = [step for step in steps if there.get(step.proposal.head) != step.sha]
        if moved:
            leases = [
                f"--force-with-lease=refs/heads/{s.proposal.head}:{there.get(s.proposal.head, '')}" for s in moved
            ]
            specs = [f"{step.sha}:refs/heads/{step.proposal.head}" for step in moved]
            push_refs(self.repository, self.remote, specs, self.environment, *leases)

    def _propose(self, step: Step, found: Sequence[PullRequest]) -> Result:
        proposal = step.proposal
        current = next((pr for pr in found if pr.head == proposal.head), None)
        if current is None:
            current, action = self.forge.create(proposal), "opened"
        else:
            same = (current.title, current.body, current.base) == (
                proposal.title,
                proposal.body,
                proposal.base,
            )
            self.forge.update(current, proposal)
            action = "unchanged" if same else "updated"
        return result_of(step.moved, proposal, action, step.sha, current)

    def _close_overtaken(
        self, candidates: Sequence[Candidate], steps: Sequence[Step], found: Sequence[PullRequest]
    ) -> list[Result]:
        kept = {step.proposal.head for step in steps}
        results = []
        for candidate in candidates:
            prefix = app_prefix(candidate.ref)
            if candidate.names is None:
                continue
            kept |= candidate.names()
            for current in found:
                if prefix_of(current.head) == prefix and current.head not in kept and is_step(current.head):
                    self.forge.close(current, "The release has gone another way: this step is not to come any more.")
                    results.append(closed(candidate.ref, current, "closed"))
        self._delete([result.head for result in results])
        return results

    def _delete(self, heads: Sequence[str]) -> None:
        there = self._branches(f"{PREFIX}/")
        gone = [head for head in heads if head in there]
        if gone:
            leases = [f"--force-with-lease=refs/heads/{head}:{there[head]}" for head in gone]
            push_refs(self.repository, self.remote, [f":refs/heads/{head}" for head in gone], self.environment, *leases)


def close_left(
    repository: Repository,
    settings: ForgeSettings,
    request: Request,
    refs: Sequence[AppRef],
    note: Callable[[str], object],
) -> None:
    """Close what an abort leaves open; say so where it cannot be known whether there is something.

    Asks nobody where there is no forge, or no token for it and no sign of a pull request.
    """
    try:
        requests = PullRequests(repository, settings, request)
    except RollstepError:
        return
    left = [name for ref in refs for name in requests._branches(app_prefix(ref))]
    if not requests.site.token:
        if left:
            names = " or ".join(requests.site.token_variables)
            note(f"note: {', '.join(left)} may have open pull requests: rollstep pr --close, with {names}")
        return
    for result in requests.close(refs, "The release has been aborted."):
        note(result.text())
