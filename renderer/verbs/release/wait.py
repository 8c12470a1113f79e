"""``advance --wait``: the next commit when the last one is live, as a cluster or a sync tool tells it (shell)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from renderer.errors import Finding, RollstepError, UsageError
from renderer.kubernetes.kinds import AUTOSCALER
from renderer.kubernetes.sync_tools.liveness import Liveness, of_cluster
from renderer.kubernetes.sync_tools.tools import SYNC_TOOLS
from renderer.kubernetes.times import parse_duration
from renderer.pipeline.load.discover import AppRef
from renderer.pipeline.load.last_render import read_last_render
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.load.workspace import current_time
from renderer.pipeline.resolve.autoscaling import is_autoscaled
from renderer.pipeline.resolve.commit_content import rendered
from renderer.pipeline.resolve.moves import advance
from renderer.pipeline.resolve.release import Release, open_release
from renderer.pipeline.resolve.verb_moves import acting
from renderer.rollouts import actions
from renderer.verbs.release.session import Session

TOOLS = ("kubernetes", *(name for name, tool in SYNC_TOOLS.items() if tool.liveness), "time")
REVISIONS = 200
"""How many commits after an app's last one are looked for in a sync tool's status."""
KUBECTL_SECONDS = 60
INTERVAL_SECONDS = 2.0


class Waiting(Struct, frozen=True):
    """What ``--wait TOOL[=WHICH]`` and ``--timeout`` ask for.

    ``which`` is the kubeconfig's context for ``kubernetes``, ``NAMESPACE/NAME`` of the Application or Kustomization for
    ``argocd`` and ``flux``, and the seconds since the commit for ``time``; ``timeout`` is in seconds, without one
    it is the Rollout's ``progressDeadlineSeconds``.
    """

    tool: str
    which: str
    timeout: float | None = None

    @classmethod
    def parse(cls, text: str, timeout: float | None) -> Waiting:
        """Read ``TOOL`` or ``TOOL=WHICH``; raise UsageError for one that is not known."""
        tool, _, which = text.partition("=")
        if tool not in TOOLS:
            raise UsageError(f"--wait takes {', '.join(TOOLS)}, found {tool or 'nothing'}")
        if tool == "time":
            which = str(seconds_of(which or "30s"))
        return cls(tool, which, timeout)


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as ``90``, ``90s``, ``5m`` or ``1h``; raise UsageError for another text."""
    seconds = parse_duration(text)
    if seconds < 0:
        raise UsageError(f"{text!r} is not a duration such as 90s, 5m or 1h")
    return float(seconds)


def advance_when_live(session: Session, ref: AppRef, waiting: Waiting, to_step: int | None = None) -> bool:
    """Do an app's next step, all of its phases, each when the commit before it is live; with ``to_step`` go on to it.

    Return whether that was reached and is live; an app that somebody else moves is left to them.  A release whose
    Rollout says ``progressDeadlineAbort`` is aborted where a commit is not live in time; else that raises
    RollstepError.
    """
    if session.is_reviewed(ref):
        place = f"{ref.environment}/{ref.name}"
        raise UsageError(f"the commits of {place} go by pull request: --wait cannot go beyond the next one")

    while _wait(session, ref, waiting):
        session.now = session.request.now or current_time()
        outcomes = session.run(lambda world: advance(world, to_step=to_step), "advance", [ref])
        if session.request.dry_run:
            return True
        if not outcomes:
            return False
        (outcome,) = outcomes
        index = outcome.current_step_index or 0
        if outcome.part is None or not (outcome.is_between_phases or (to_step or 0) > index):
            return _wait(session, ref, waiting) and (to_step is None or index >= to_step)
    return False


def _wait(session: Session, ref: AppRef, waiting: Waiting) -> bool:
    """Wait until an app's last commit is live; return False where the release was aborted instead."""
    release = open_release(session.workspace, ref, session.now)
    if release.state is None:
        return True
    probe = _probe(session, release, waiting)
    limit = waiting.timeout if waiting.timeout is not None else release.world.rollout.progress_deadline_seconds
    if waiting.tool == "time" and waiting.timeout is None:
        limit = max(limit, float(waiting.which) + 1)
    last = _until_live(probe, release.title, limit, session.reporter.note)
    if last.is_live:
        return True
    status = release.world.status
    message = f"the last commit is not live after {limit:g} s: {last.waits_for}"
    under_way = status.stable_rs != status.current_pod_hash and not status.abort
    if release.world.rollout.progress_deadline_abort and under_way and not session.request.dry_run:
        session.reporter.note(f"{release.title}: {message}: aborting, as spec.progressDeadlineAbort says")
        session.now = session.request.now or current_time()
        session.run(acting(actions.abort), "abort", [ref])
        return False
    hint = "see to its pods, wait longer with --timeout, or go back with `rollstep abort`"
    raise RollstepError([Finding(release.place, 0, 0, "", message, hint)])


def _until_live(probe: Callable[[], Liveness], title: str, limit: float, note: Callable[[str], object]) -> Liveness:
    """Ask again and again, tell what is waited for where that changes, and return the last answer."""
    begun, told = time.monotonic(), ""
    while True:
        found = probe()
        if found.is_live:
            if told:
                note(f"{title}: live")
            return found
        if found.waits_for != told:
            told = found.waits_for
            note(f"{title}: waiting: {told}")
        left = limit - (time.monotonic() - begun)
        if left <= 0:
            return found
        sys.stderr.flush()
        time.sleep(min(INTERVAL_SECONDS, left))


def _probe(session: Session, release: Release, waiting: Waiting) -> Callable[[], Liveness]:
    ref = release.app.ref
    if waiting.tool == "time":
        assert release.state is not None
        since, seconds = release.state.last_update_time, float(waiting.which)

        def elapsed() -> Liveness:
            left = seconds - (current_time() - since).total_seconds()
            return Liveness("the time to pass" if left > 0 else "")

        return elapsed
    if waiting.tool == "kubernetes":
        return lambda: _of_cluster(release, waiting.which)
    tool = SYNC_TOOLS[waiting.tool]
    kind, judge = tool.resource, tool.liveness
    assert judge is not None  # Waiting.parse takes such tools only
    default = f"{tool.namespace}/{ref.name}-{ref.environment}"
    namespace, _, name = (waiting.which or default).rpartition("/")
    revisions = _revisions(session, release)

    def asked() -> Liveness:
        found = _kubectl(["get", kind, name, "--namespace", namespace or tool.namespace])
        return judge(found, revisions) if found else Liveness(f"there is no {kind} {name}")

    return asked


def _of_cluster(release: Release, context: str) -> Liveness:
    world = release.world
    mine = {(key.kind, key.name) for key in rendered(world)}
    mine |= {(AUTOSCALER[1], rs.name) for rs in world.replica_sets if is_autoscaled(world, rs)}
    found_files = read_last_render(release.output, str(release.output), release.state).manifests
    committed = {item.key: item.body for item in found_files if (item.kind, item.name) in mine}
    arguments = ["get", "--filename", "-", "--ignore-not-found"]
    if release.world.rollout.namespace:
        arguments += ["--namespace", release.world.rollout.namespace]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [committed[key] for key in sorted(committed)]})
    found = _kubectl([*(["--context", context] if context else []), *arguments], listed)
    return of_cluster(committed, [found] if found.get("kind") not in (None, "List") else found.get("items") or ())


def _revisions(session: Session, release: Release) -> list[str]:
    """Return the app's last commit and those after it: a sync tool at any of them has applied it.

    Where the environment has a branch of its own, that is what a sync tool follows, so these are its commits.
    """
    repository, branch = session.repository, release.app.settings.commit.environment_branch
    ref, paths = "HEAD", [str(release.folder)]
    if branch is not None:
        session.catch_up()
        name = release.app.ref.name
        ref, paths = f"refs/heads/{branch}", [f"{name}/{STATUS_FILE}", f"{name}/{release.app.settings.output}"]
    (last,) = repository.log(*paths, ref=ref, max_count=1)
    newest = [commit.sha for commit in repository.log(ref=ref, max_count=REVISIONS)]
    return newest[: newest.index(last.sha) + 1] if last.sha in newest else [last.sha]


def _kubectl(arguments: list[str], stdin: str | None = None) -> dict[str, Any]:
    """Return what kubectl prints as JSON, nothing for nothing; raise RollstepError where it fails or is not there."""
    command = ["kubectl", *arguments, "--output", "json"]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=KUBECTL_SECONDS
        )
    except FileNotFoundError as error:
        raise RollstepError("kubectl is not on PATH", hint="install it, or wait with --wait time") from error
    except subprocess.TimeoutExpired:
        return {}
    if done.returncode != 0:
        if "NotFound" in done.stderr:
            return {}
        raise RollstepError(f"kubectl failed: {done.stderr.strip()[:500]}")
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
    return found
