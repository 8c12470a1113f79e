"""The part of a commit that follows without the manifests of an app, which a command prints that may not run."""

from __future__ import annotations

from collections.abc import Iterator

from renderer.errors import Finding, RollstepError
from renderer.pipeline.load.last_render import read_last_render
from renderer.pipeline.load.marker import MARKER, marker_text
from renderer.pipeline.load.status_file import State
from renderer.pipeline.load.workspace import relative_findings
from renderer.rollouts.model.rollout import ReplicaSet
from renderer.verbs.verify.app_state import AppState
from renderer.verbs.verify.explain import status_shares
from renderer.verbs.verify.loading import Loader

NOTE = (
    "a command prints its manifests and needs --allow-exec: verified in part (checksums, pod templates, ReplicaSets"
    " with traffic, times, trailers), not the steps and the other manifests"
)
"""The note on an app that is verified in part."""


def check_files(loader: Loader, sha: str, after: AppState, state: State) -> Iterator[Finding]:
    """Yield the files that do not have their checksum, and the ReplicaSets that do not follow from the status."""
    texts = {name: content for name, content in after.files.items() if name in after.owned() - {MARKER}}
    wanted = marker_text({name: content.decode(errors="replace") for name, content in texts.items()}).encode()
    if after.contents.get(MARKER) != wanted:
        message = "does not list the rendered files with their checksums: one was edited by hand"
        yield Finding(after.path(MARKER), 0, 0, "", message, "rollstep render writes them again")
    output, root = after.location.output, loader.repository.root
    try:
        with relative_findings(root):
            rendered = read_last_render(root / output, output, state, loader.files(sha), is_whole=True).manifests
    except RollstepError as error:
        yield from error.findings
        return
    sets = [ReplicaSet.from_body(manifest.body) for manifest in rendered if manifest.kind == "ReplicaSet"]
    pods = {replica_set.pod_template_hash: replica_set.replicas for replica_set in sets}
    counts = {one.pod_template_hash: state.replicas.get(one.name, one.replicas) for one in sets}
    for pod_hash, share in sorted(status_shares(state.status).items()):
        if not counts.get(pod_hash):
            problem = "has no pods" if pod_hash in pods else "is missing"
            message = f"the ReplicaSet {pod_hash} gets {share}% of the traffic and {problem}"
            yield Finding(output, 0, 0, "", message, "git revert the commit")


def known_trailers(state: State) -> dict[str, str]:
    """Return the values of trailers that follow from a status."""
    return {"Revision": str(state.revision), "Stable": state.status.stable_rs}
