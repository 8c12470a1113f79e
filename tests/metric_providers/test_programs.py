"""Jobs and port-forwards through a kubectl that acts on files, programs, and the sources of secrets."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from renderer.errors import RollstepError
from renderer.metric_providers.access import Access, RunReference, address_from_here
from renderer.metric_providers.measure import measure, problems, read_secrets
from renderer.rollouts.analysis.metrics import metric_of
from renderer.rollouts.analysis.run import Measurement, MetricResult, RunStatus, Task
from tests.metric_providers.conftest import AT, Measured
from tests.support.metric_server import MetricServer, Reply

KUBECTL = """#!{python}
import json, pathlib, signal, socket, sys, threading
home, words = pathlib.Path({home!r}), sys.argv[1:]
with open(home / "calls", "a") as calls:
    calls.write(json.dumps(words) + "\\n")
def option(name):
    return words[words.index(name) + 1] if name in words else ""
if words[0] == "create":
    job = json.load(sys.stdin)
    path = home / (job["metadata"]["name"] + ".json")
    if path.exists():
        sys.exit("Error from server (AlreadyExists): jobs.batch already exists")
    job["spec"]["selector"] = {{"matchLabels": {{"controller-uid": "7"}}}}
    path.write_text(json.dumps(job))
    print(json.dumps(job))
elif words[:2] == ["get", "job"]:
    path = home / (words[2] + ".json")
    if not path.exists():
        sys.exit("Error from server (NotFound): jobs.batch not found")
    print(path.read_text())
elif words[:2] == ["get", "pods"]:
    pods = home / "pods.json"
    print(pods.read_text() if pods.exists() else '{{"items": []}}')
elif words[:2] == ["delete", "job"]:
    (home / (words[2] + ".json")).unlink(missing_ok=True)
elif words[:2] == ["get", "secret"]:
    print((home / "secret.json").read_text())
elif words[0] == "port-forward":
    if words[-2] != "service/prometheus":
        sys.exit("error: services not found")
    server = socket.create_server((option("--address"), 0))
    target = int((home / "port").read_text())
    print(f"Forwarding from 127.0.0.1:{{server.getsockname()[1]}} -> 9090", flush=True)
    def pipe(a, b):
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    while True:
        here, _ = server.accept()
        there = socket.create_connection(("127.0.0.1", target))
        for pair in ((here, there), (there, here)):
            threading.Thread(target=pipe, args=pair, daemon=True).start()
"""


class Cluster:
    """A folder with the state of the fake kubectl, which is on the PATH of ``access``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        executable(home / "bin" / "kubectl", KUBECTL.format(python=sys.executable, home=str(home)))
        self.environment = {"PATH": f"{home / 'bin'}:{os.environ['PATH']}"}

    def access(self, **more: Any) -> Access:
        return Access(namespace="shop", environment=self.environment, **more)

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.home / "calls").read_text().splitlines()]

    def change(self, name: str, status: Any) -> None:
        path = self.home / f"{name}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "status": status}))


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


RUN = RunReference("web-1", "uid-1", RunStatus(metric_results=(MetricResult("m", count=2, error=1),)))
JOB = {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {"containers": [{"name": "check"}]}}}}


def test_a_job_is_created_once_and_followed(measured: Measured, cluster: Cluster) -> None:
    begun = measured("job", JOB, access=cluster.access(), run=RUN)
    assert (begun.phase, begun.metadata) == ("Running", {"job-name": "uid-1.m.4", "job-namespace": "shop"})
    assert begun.resume_at == AT
    job = json.loads((cluster.home / "uid-1.m.4.json").read_text())
    assert job["metadata"]["labels"] == {"a": "b", "analysisrun.argoproj.io/uid": "uid-1"}
    assert job["metadata"]["annotations"]["analysisrun.argoproj.io/name"] == "web-1"
    assert job["spec"]["template"]["metadata"]["labels"] == {"analysisrun.argoproj.io/uid": "uid-1"}
    # A pipeline that was killed after it had created the Job finds it again.
    assert measured("job", JOB, access=cluster.access(), run=RUN) == begun
    other = RunReference("web-2", "uid-1", RUN.status)
    assert measured("job", JOB, access=cluster.access(), run=other).metadata == begun.metadata
    running = Measurement("Running", started_at=AT - timedelta(seconds=50), metadata=begun.metadata)
    found = measured("job", JOB, access=cluster.access(), run=RUN, incomplete=running)
    assert (found.phase, found.resume_at) == ("Running", AT + timedelta(seconds=10))
    assert ["get", "pods", "--selector", "controller-uid=7", "--namespace", "shop", "--output", "json"] in cluster.calls
    for condition, phase in (("Complete", "Successful"), ("Failed", "Failed")):
        cluster.change("uid-1.m.4", {"conditions": [{"type": condition, "status": "True"}]})
        found = measured("job", JOB, access=cluster.access(), run=RUN, incomplete=running)
        assert (found.phase, found.metadata) == (phase, begun.metadata)


def test_a_job_whose_pod_cannot_start_is_inconclusive(measured: Measured, cluster: Cluster) -> None:
    begun = measured("job", JOB, access=cluster.access(), run=RUN)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "check", "state": waiting}]}}
    (cluster.home / "pods.json").write_text(json.dumps({"items": [pod]}))
    found = measured("job", JOB, access=cluster.access(), run=RUN, incomplete=begun)
    message = "Pod p, container check has terminal error (ImagePullBackOff): no such image\n"
    assert (found.phase, found.message) == ("Inconclusive", message)


def test_a_job_of_a_terminated_run_is_deleted(measured: Measured, cluster: Cluster) -> None:
    begun = measured("job", JOB, access=cluster.access(), run=RUN)
    found = measured("job", JOB, access=cluster.access(), run=RUN, incomplete=begun, terminates=True)
    assert found.phase == "Inconclusive"
    assert not (cluster.home / "uid-1.m.4.json").exists()
    found = measured("job", JOB, access=cluster.access(), run=RUN, incomplete=begun)
    assert (found.phase, found.message) == ("Error", "Error from server (NotFound): jobs.batch not found")


def test_the_job_of_another_run_is_an_error(measured: Measured, cluster: Cluster) -> None:
    measured("job", JOB, access=cluster.access(), run=RUN)
    path = cluster.home / "uid-1.m.4.json"
    path.write_text(path.read_text().replace('"uid-1"', '"uid-2"'))
    found = measured("job", JOB, access=cluster.access(), run=RUN)
    assert (found.phase, found.message) == (
        "Error",
        "Error from server (AlreadyExists): jobs.batch already exists",
    )


def test_the_name_of_a_job_fits_a_label(cluster: Cluster) -> None:
    run = RunReference("web", "u" * 36)
    access = cluster.access()
    body = {"name": "metric-" * 10, "provider": {"job": JOB}}
    (found,) = measure([Task(metric_of(body))], AT, access, run)
    assert len(found.metadata["job-name"]) == 63


def test_without_kubectl_there_is_no_job(measured: Measured, tmp_path: Path) -> None:
    access = Access(environment={"PATH": str(tmp_path)})
    assert measured("job", JOB, access=access, run=RUN).message == "kubectl: program not found"
    metric = metric_of({"provider": {"job": JOB}})
    assert problems(metric, access) == ("a Job needs kubectl, which is not installed",)


def test_a_port_forward_runs_while_it_is_needed(cluster: Cluster) -> None:
    target = "kubectl://monitoring/service/prometheus:9090"
    access = cluster.access(addresses={"http://prometheus.monitoring.svc:9090": target, "http://x": "kubectl://a/b:1"})
    with MetricServer(Reply({"v": 4})) as server:
        (cluster.home / "port").write_text(str(server.port))
        url = "http://prometheus.monitoring.svc:9090/x"
        task = Task(metric_of({"name": "m", "provider": {"web": {"url": url, "jsonPath": "{$.v}"}}}))
        assert [found.value for found in measure([task] * 3, AT, access)] == ["4"] * 3
        assert server.last.path == "/x"
        words = ["--address", "127.0.0.1", "--namespace", "monitoring", "service/prometheus", ":9090"]
        assert cluster.calls == [["port-forward", *words]]
        host = server.last.headers["host"]
        assert host.startswith("127.0.0.1:")
    # Nothing listens any more.
    (found,) = measure([Task(metric_of({"name": "m", "provider": {"web": {"url": f"http://{host}"}}}))], AT, Access())
    assert found.message.endswith("connect: connection refused")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("kubectl://monitoring/service/other:9090", "does not forward kubectl://monitoring/service/other:9090: error:"),
        (
            "kubectl://monitoring/prometheus",
            "kubectl://monitoring/prometheus is no kubectl://NAMESPACE/service/NAME:PORT",
        ),
    ],
)
def test_a_port_forward_that_does_not_start_is_an_error(
    measured: Measured, cluster: Cluster, target: str, message: str
) -> None:
    access = cluster.access(addresses={"http://a": target})
    found = measured("web", {"url": "http://a"}, access=access)
    assert found.phase == "Error"
    assert message in found.message
    faults = problems(metric_of({"provider": {"web": {"url": "http://a"}}}), access)
    assert len(faults) == (0 if "service" in target else 1)


@pytest.mark.parametrize(
    ("key", "target", "url", "expected"),
    [
        ("http://a.b.svc:9090", "https://x.example", "http://a.b.svc:9090/c?d=e", "https://x.example/c?d=e"),
        ("a.b.svc:9090", "https://x.example/p/", "http://a.b.svc:9090/c", "https://x.example/p/c"),
        ("a.b.svc", "x.example:1", "https://a.b.svc:9090/c", "https://x.example:1/c"),
        ("a.b.svc", "https://x", "http://a.b.svc.cluster.local", "https://x"),
        ("http://a.b.svc/p", "https://x", "http://a.b.svc/p/q", "https://x/q"),
        ("http://a.b.svc/p", "https://x", "http://a.b.svc/pq", "http://a.b.svc/pq"),
        ("https://a.b.svc", "https://x", "http://a.b.svc/", "http://a.b.svc/"),
        ("http://a.b.svc", "https://x", "http://a.b.svc:81/", "http://a.b.svc:81/"),
        ("http://a.b.svc:80", "https://x", "http://a.b.svc/", "https://x/"),
    ],
)
def test_an_address_is_mapped(key: str, target: str, url: str, expected: str) -> None:
    assert address_from_here(url, Access(addresses={key: target})) == expected


def test_the_longest_key_counts() -> None:
    access = Access(addresses={"http://a/p": "http://two", "http://a": "http://one", "http://a/p/q": "http://three"})
    assert address_from_here("http://a/p/x", access) == "http://two/x"


def plugin(*argv: str, **more: Any) -> dict[str, Any]:
    return {"rollstep/command": {"argv": [sys.executable, "-c", *argv], **more}}


def test_a_program_prints_the_result(measured: Measured) -> None:
    access = Access(allow_exec=True, environment={"PATH": os.environ["PATH"], "TOKEN": "t"})
    program = "import os, json; print(json.dumps({'at': os.environ['ROLLSTEP_AT'], 'token': os.environ['TOKEN']}))"
    found = measured("plugin", plugin(program), "result.token == 't'", access=access)
    assert (found.phase, found.value) == ("Successful", '{"at":"2026-03-01T12:00:00Z","token":"t"}')


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (plugin("import sys; sys.exit('bad')"), "the program failed with exit status 1: bad"),
        (plugin("print('x')"), "invalid character 'x' looking for beginning of value"),
        (plugin("import time; time.sleep(60)", timeout="200ms"), f"{sys.executable}: took longer than 0.2 s"),
        (plugin("print('1' * 11_000_000)"), "the program prints more than 10 MiB, which is left out"),
        ({"rollstep/command": {"argv": ["no-such-program"]}}, "no-such-program: program not found"),
        ({"rollstep/command": {"argv": "ls"}}, "rollstep/command needs argv, a list of texts"),
        ({"org/other": {}}, "unable to get metric plugin: org/other is unknown; rollstep/command runs a program"),
    ],
)
def test_a_program_that_fails_is_an_error(measured: Measured, fields: dict[str, Any], message: str) -> None:
    access = Access(allow_exec=True, environment={"PATH": os.environ["PATH"]})
    found = measured("plugin", fields, access=access)
    assert (found.phase, found.message) == ("Error", message)


def test_a_program_runs_only_where_it_may(measured: Measured, tmp_path: Path) -> None:
    program = plugin(f"open({str(tmp_path / 'ran')!r}, 'w')")
    found = measured("plugin", program)
    assert (found.phase, found.message) == ("Error", f"{sys.executable} may not run: allow programs with --allow-exec")
    assert not (tmp_path / "ran").exists()
    (problem,) = problems(metric_of({"provider": {"plugin": program}}), Access(environment=dict(os.environ)))
    assert problem == f"{sys.executable} may not run: allow programs with --allow-exec"


def test_a_daemon_of_a_program_does_not_hold_it_up(measured: Measured) -> None:
    child = "import os, time; os.setsid(); time.sleep(3)"
    program = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); print(5)"
    access = Access(allow_exec=True, environment={"PATH": os.environ["PATH"]})
    assert measured("plugin", plugin(program, timeout="20s"), access=access).value == "5"


def test_the_children_of_a_program_end_with_it(measured: Measured, tmp_path: Path) -> None:
    child = f"import time; time.sleep(1); open({str(tmp_path / 'late')!r}, 'w')"
    program = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    access = Access(allow_exec=True, environment={"PATH": os.environ["PATH"]})
    assert measured("plugin", plugin(program, timeout="500ms"), access=access).phase == "Error"
    time.sleep(1)
    assert not (tmp_path / "late").exists()


SECRET = {"kind": "Secret", "apiVersion": "v1", "data": {"limit": base64.b64encode(b"0.95").decode()}}


def test_secrets_come_from_their_sources(cluster: Cluster) -> None:
    home = cluster.home
    (home / "secret.json").write_text(json.dumps({**SECRET, "stringData": {"other": "o"}}))
    (home / "plain.yaml").write_text("limit: '1'\nnumber: 2\n")
    (home / "mounted").mkdir()
    (home / "mounted" / "limit").write_text("2")
    executable(home / "bin" / "sops", "#!/bin/sh\n[ $1 = decrypt ] && cat $2\n")
    sources: dict[str, dict[str, Any]] = {
        "manifest": {"file": str(home / "secret.json")},
        "plain": {"file": str(home / "plain.yaml")},
        "mounted": {"file": str(home / "mounted")},
        "variables": {"env": {"limit": "LIMIT"}},
        "live": {"kubectl": True},
        "encrypted": {"sops": str(home / "plain.yaml")},
    }
    access = Access(secrets=sources, namespace="shop", environment={**cluster.environment, "LIMIT": "3"})
    found = read_secrets([(name, "limit") for name in sources], access)
    assert {name: data["limit"] for name, data in found.items()} == {
        "manifest": "0.95",
        "plain": "1",
        "mounted": "2",
        "variables": "3",
        "live": "0.95",
        "encrypted": "1",
    }
    assert found["manifest"]["other"] == "o"
    assert cluster.calls == [["get", "secret", "live", "--namespace", "shop", "--output", "json"]]


def test_all_missing_secrets_are_named_with_a_way_to_provide_them(cluster: Cluster) -> None:
    (cluster.home / "bad.yaml").write_text("a: s3cret: x")
    sources: dict[str, dict[str, Any]] = {
        "variable": {"env": {"key": "NOT_SET"}},
        "file": {"file": str(cluster.home / "nothing")},
        "bad": {"file": str(cluster.home / "bad.yaml")},
        "live": {"kubectl": True},
        "short": {"env": {"other": "PATH"}},
    }
    names = ["none", *sources]
    with pytest.raises(RollstepError) as caught:
        read_secrets([(name, "key") for name in names], cluster.access(secrets=sources))
    text = str(caught.value)
    assert len(caught.value.findings) == len(names)
    assert "the Secret none is needed (name its source in analysis.secrets: {file: PATH}" in text
    assert "the Secret variable needs the environment variable NOT_SET" in text
    assert "analysis.secrets.short has no key key" in text
    assert "s3cret" not in text
    assert cluster.environment["PATH"] not in text


def test_the_environment_is_not_shown() -> None:
    assert "s3cret" not in repr(Access(environment={"TOKEN": "s3cret"}))


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys, renderer.metric_providers.measure; print('aiohttp' in sys.modules, 'botocore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
