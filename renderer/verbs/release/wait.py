"""``advance --wait``: makes the next commit when the cluster or a sync tool reports that the last one is live."""

from __future__ import annotations

import json
import subprocess
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
from renderer.verbs.apps.move import Measuring
from renderer.verbs.release.session import Session

TOOLS = ("kubernetes", *(name for name, tool in SYNC_TOOLS.items() if tool.liveness), "time")
REVISIONS = 200
"""The most commits of a branch among which a sync tool's revision is searched for."""
KUBECTL_SECONDS = 60
INTERVAL_SECONDS = 2.0


class Waiting(Struct, frozen=True):
    """The values of ``--wait TOOL[=WHICH]`` and ``--timeout``.

    ``which`` is the kubeconfig's context for ``kubernetes``, ``NAMESPACE/NAME`` of the Application or Kustomization for
    ``argocd`` and ``flux``, and the seconds since the commit for ``time``.  ``timeout`` is in seconds; None stands for
    the Rollout's ``progressDeadlineSeconds``.
    """

    tool: str
    which: str
    timeout: float | None = None

    @classmethod
    def parse(cls, text: str, timeout: str | None) -> Waiting:
        """Read ``TOOL`` or ``TOOL=WHICH``; raise UsageError for an unknown tool and an invalid duration."""
        seconds = None if timeout is None else seconds_of(timeout)
        tool, _, which = text.partition("=")
        if tool not in TOOLS:
            raise UsageError(f"--wait takes {', '.join(TOOLS)}, found {tool or 'nothing'}")
        if tool == "time":
            which = str(seconds_of(which or "30s"))
        return cls(tool, which, seconds)


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as ``90``, ``90s``, ``5m`` or ``1h``; raise UsageError for other texts."""
    seconds = parse_duration(text)
    if seconds < 0:
        raise UsageError(f"{text!r} is not a duration such as 90s, 5m or 1h")
    return float(seconds)


def advance_when_live(session: Session, ref: AppRef, waiting: Waiting, to_step: int | None = None) -> bool:
    """Commit all phases of an app's next step, or of the steps up to ``to_step``, each when the last one is live.

    Returns whether the step was reached and is live.  An app that somebody else moves is left to them.  If a commit is
    not live in time, a release with ``progressDeadlineAbort`` is aborted; any other raises RollstepError.
    """
    if session.uses_pull_requests(ref):
        place = ref.target
        raise UsageError(f"the commits of {place} go by pull request: --wait cannot go beyond the next one")
    branch = session.settings_of(ref).commit.environment_branch
    if branch is not None and branch not in session.branch_names:
        raise UsageError(f"the cluster follows {branch}, which this branch does not move: --wait would never end")

    while _wait(session, ref, waiting):
        session.unpushed.pop(ref, None)
        session.now = session.request.now or current_time()
        apps = session.run(lambda world: advance(world, to_step=to_step), "advance", [ref], measuring=Measuring())
        if session.request.dry_run:
            return True
        if not apps:
            return False
        (app,) = apps
        index = app.current_step_index or 0
        if app.part is None or not (app.is_between_phases or (to_step or 0) > index):
            return _wait(session, ref, waiting) and (to_step is None or index >= to_step)
    return False


def _wait(session: Session, ref: AppRef, waiting: Waiting) -> bool:
    """Wait until an app's last commit is live; return False if the release was aborted instead."""
    release = open_release(session.workspace, ref, session.now)
    if release.state is None:
        return True
    probe = _probe(session, release, waiting)
    limit = waiting.timeout if waiting.timeout is not None else release.world.rollout.progress_deadline_seconds
    if waiting.tool == "time" and waiting.timeout is None:
        limit = max(limit, float(waiting.which) + 1)
    last = _poll(probe, release.title, limit, session.reporter.note)
    if last.is_live:
        return True
    status = release.world.status
    message = f"the last commit is not live after {limit:g} s: {last.waits_for}"
    in_progress = status.stable_rs != status.current_pod_hash and not status.abort
    if release.world.rollout.progress_deadline_abort and in_progress and not session.request.dry_run:
        session.reporter.note(f"{release.title}: {message}: aborting because of spec.progressDeadlineAbort")
        session.now = session.request.now or current_time()
        session.run(acting(actions.abort), "abort", [ref])
        return False
    hint = "check its pods, wait longer with --timeout, or go back with `rollstep abort`"
    raise RollstepError([Finding(release.place, 0, 0, "", message, hint)])


def _poll(probe: Callable[[], Liveness], title: str, limit: float, note: Callable[[str], object]) -> Liveness:
    """Probe until live or for ``limit`` seconds, note every new reason to wait, and return the last answer."""
    start, noted = time.monotonic(), ""
    while True:
        liveness = probe()
        if liveness.is_live:
            if noted:
                note(f"{title}: live")
            return liveness
        if liveness.waits_for != noted:
            noted = liveness.waits_for
            note(f"{title}: waiting: {noted}")
        left = limit - (time.monotonic() - start)
        if left <= 0:
            return liveness
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
    assert judge is not None  # Waiting.parse accepts only such tools
    default = f"{tool.namespace}/{ref.name}-{ref.environment}"
    namespace, _, name = (waiting.which or default).rpartition("/")
    revisions = _revisions(session, release)

    def ask_tool() -> Liveness:
        found = _kubectl(["get", kind, name, "--namespace", namespace or tool.namespace])
        return judge(found, revisions) if found else Liveness(f"there is no {kind} {name}")

    return ask_tool


def _of_cluster(release: Release, context: str) -> Liveness:
    world = release.world
    wanted = {(key.kind, key.name) for key in rendered(world)}
    wanted |= {(AUTOSCALER[1], rs.name) for rs in world.replica_sets if is_autoscaled(world, rs)}
    manifests = read_last_render(release.output, str(release.output), release.state).manifests
    committed = {item.key: item.body for item in manifests if (item.kind, item.name) in wanted}
    arguments = ["get", "--filename", "-", "--ignore-not-found"]
    if context:
        arguments = ["--context", context, *arguments]
    if world.rollout.namespace:
        arguments += ["--namespace", world.rollout.namespace]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [committed[key] for key in sorted(committed)]})
    found = _kubectl(arguments, listed)
    return of_cluster(committed, [found] if found.get("kind") not in (None, "List") else found.get("items") or ())


def _revisions(session: Session, release: Release) -> list[str]:
    """Return the app's last commit and those after it: a sync tool at any of them has applied it.

    A sync tool follows the environment's branch, if there is one, so these are its commits.
    """
    repository, branch = session.repository, release.app.settings.commit.environment_branch
    ref, paths = "HEAD", [str(release.folder)]
    if branch is not None:
        session.update_environment_branches()
        name = release.app.ref.name
        ref, paths = f"refs/heads/{branch}", [f"{name}/{STATUS_FILE}", f"{name}/{release.app.settings.output}"]
    (last,) = repository.log(*paths, ref=ref, max_count=1)
    newest = [commit.sha for commit in repository.log(ref=ref, max_count=REVISIONS)]
    return newest[: newest.index(last.sha) + 1] if last.sha in newest else [last.sha]


def _kubectl(arguments: list[str], stdin: str | None = None) -> dict[str, Any]:
    """Return kubectl's JSON, empty for no output; raise RollstepError if kubectl fails or is missing."""
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
