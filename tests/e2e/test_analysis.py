"""A release that measures itself by a real Prometheus, with real requests: nobody promotes, and nobody aborts."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.build import BIN
from tests.e2e.cluster import Cluster
from tests.e2e.drive import Drive
from tests.e2e.load import Load
from tests.e2e.pods import BAD
from tests.e2e.processes import Process, wait_for
from tests.e2e.release import HOST, Repository, image, nginx_canary
from tests.e2e.router import ADMIN
from tests.e2e.sync import KubectlApply, git
from tests.e2e.table import Table

PROMETHEUS = 9090
REQUESTS = 'traefik_entrypoint_requests_total{entrypoint="web"%s}[5s]'
QUERY = f"sum(rate({REQUESTS % ',code!~%s5..%s' % (chr(34), chr(34))})) / sum(rate({REQUESTS % ''}))"
STEPS: list[dict[str, Any]] = [
    {"setWeight": 20},
    {"analysis": {"templates": [{"templateName": "success-rate"}]}},
    {"setWeight": 60},
]
CONFIG = f"""
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: traefik
  static_configs: [{{targets: ["127.0.0.1:{ADMIN}"]}}]
"""


def template() -> dict[str, Any]:
    provider = {"prometheus": {"address": f"http://127.0.0.1:{PROMETHEUS}", "query": QUERY}}
    condition = {"successCondition": "result[0] >= 0.95", "failureLimit": 2}
    metric = {"name": "success-rate", "interval": "2s", "count": 8, **condition, "provider": provider}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "success-rate"},
        "spec": {"metrics": [metric]},
    }


@pytest.fixture
def prometheus(cluster: Cluster) -> Iterator[Process]:
    """Run a Prometheus that scrapes the router."""
    (cluster.folder / "prometheus.yml").write_text(CONFIG)
    options = (f"--web.listen-address=127.0.0.1:{PROMETHEUS}", "--storage.tsdb.path=prometheus")
    process = Process("prometheus", [BIN / "prometheus", "--config.file=prometheus.yml", *options], cluster.folder)
    try:
        wait_for("Prometheus has samples of the router", _has_samples, 60)
        yield process
    finally:
        process.stop()


def _has_samples() -> bool:
    query = "/api/v1/query?query=count(traefik_config_reloads_total)"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PROMETHEUS}{query}", timeout=5) as response:
            return bool(json.load(response)["data"]["result"])
    except OSError:
        return False


@pytest.fixture
def drive(cluster: Cluster, prometheus: Process, tmp_path: Path) -> Iterator[Drive]:
    """Bring up the first release, with a sync tool and requests to it."""
    assert prometheus.running
    manifests = [*nginx_canary(STEPS), template()]
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    (definitions / "analysis-templates.yaml").write_text(json.dumps(_definition()), encoding="utf-8")
    cluster.define(definitions)
    repository = Repository(tmp_path / "repository", cluster, manifests, {"order": "phases"})
    sync = KubectlApply(cluster, repository.root, repository.path, tmp_path / "sync")
    with Load(HOST) as load:
        found = Drive(repository, sync, load, ("--wait", "kubernetes", "--timeout", "120s"))
        repository.rollstep("advance", "e2e/web")
        found.on()
        found.first_answers()
        try:
            yield found
        finally:
            sync.stop()


def _definition() -> dict[str, Any]:
    names = {"plural": "analysistemplates", "singular": "analysistemplate", "kind": "AnalysisTemplate"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "analysistemplates.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def schedule(drive: Drive, phase: str, seconds: float = 180) -> None:
    """Advance as a scheduled pipeline does, until the release has a phase."""
    end = time.monotonic() + seconds
    while True:
        found = json.loads(drive.repository.rollstep("status", "-o", "json", code=None).stdout)[0]
        if found["phase"] == phase:
            return
        assert time.monotonic() < end, found
        drive.advance()
        drive.live()
        time.sleep(3)


def test_a_bad_version_is_taken_back_by_a_commit(drive: Drive, table: Table) -> None:
    stable = drive.hash()
    drive.begin(image(2) + BAD)
    schedule(drive, "Degraded")
    message = git(drive.repository.root, "log", "-1", "--format=%B")
    assert "success-rate Failed" in message.splitlines()[0]
    assert f"http://127.0.0.1:{PROMETHEUS}/graph?g0.expr=" in message
    drive.live()
    time.sleep(2)
    begun = time.monotonic()
    time.sleep(3)
    assert drive.load.shares(begun, time.monotonic()).keys() == {stable}
    assert {sample.error for sample in drive.load.samples if sample.at > begun} == {""}
    drive.repository.rollstep("verify")
    listed = json.loads(drive.repository.rollstep("quarantine", "list", "-o", "json").stdout)
    assert [entry["image"] for entry in listed] == [image(2) + BAD]
    drive.record(table, "bad version, taken back by its analysis")


def test_a_good_version_goes_to_the_end(drive: Drive, table: Table) -> None:
    drive.begin(image(2))
    schedule(drive, "Committed")
    drive.live()
    time.sleep(2)
    drive.load.stop()
    assert drive.load.failed() == {}
    verbs = git(drive.repository.root, "log", "--format=%(trailers:key=Rollstep-Verb,valueonly,separator=)")
    assert set(verbs.split("\n")) <= {"", "advance", "analyze", "set image"}
    drive.repository.rollstep("verify")
    drive.record(table, "good version, measured to the end")
