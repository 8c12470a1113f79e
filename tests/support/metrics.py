"""A server with the query API of Prometheus, whose values are a function of the asked time, and an app that asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from renderer.kubernetes.yaml.reader import load_documents
from tests.support.commands import ONE, TWO, Checkout

Answer = Callable[[str, datetime], float | int | None]
"""From a query and a moment to a value, a status code of HTTP (an int), or None for no data."""


class Metrics:
    """The server's address and the queries that it was asked, each with its moment."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, datetime]] = []
        self.address = ""


@contextmanager
def metrics_server(answer: Answer) -> Iterator[Metrics]:
    """Serve ``/api/v1/query``, and any other path as a document ``{"value": …}`` of the query with that path."""
    metrics = Metrics(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            moment = datetime.fromtimestamp(float(form["time"][0]), UTC)
            self.reply(form["query"][0], moment, is_prometheus=True)

        def do_GET(self) -> None:
            self.reply(self.path.strip("/"), datetime.now(UTC), is_prometheus=False)

        def reply(self, query: str, moment: datetime, *, is_prometheus: bool) -> None:
            metrics.asked.append((query, moment))
            value = metrics.answer(query, moment)
            status = value if isinstance(value, int) else 200
            series = [] if value is None else [{"metric": {}, "value": [moment.timestamp(), str(value)]}]
            found: Any = {"status": "success", "data": {"resultType": "vector", "result": series}}
            body = json.dumps(found if is_prometheus else {"value": value}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    metrics.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield metrics
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata:
  name: {name}
spec:
  args:
  - name: service
    value: web
  metrics:
{metrics}
"""
PROMETHEUS = """\
  - name: {name}
    interval: {interval}
    count: {count}
    successCondition: result[0] >= 0.95
    failureLimit: {limit}
    provider:
      prometheus:
        address: {address}
        query: {name}
"""
WEB = """\
  - name: {name}
    interval: {interval}
    count: {count}
    successCondition: result >= 0.95
    failureLimit: {limit}
    provider:
      web: {{url: "{address}/{name}", jsonPath: "{{$.value}}"}}
"""
STEPS = """\
      steps:
        - setWeight: 20
        - analysis:
            templates: [{templateName: success-rate}]
        - setWeight: 60
"""


def analyzed(root: Path, address: str, *, metrics: str = "", canary: str = STEPS) -> Checkout:
    """Return a repository whose ``prod/web`` has an analysis with a metric, at the first release."""
    checkout = Checkout(root)
    folder = root / "environments" / "prod" / "web"
    text = (folder / "rollout.yaml").read_text(encoding="utf-8")
    before, _, _ = text.partition("      steps:\n")
    (folder / "rollout.yaml").write_text(before + canary, encoding="utf-8")
    metrics = metrics or PROMETHEUS.format(name="success-rate", interval="1m", count=3, limit=0, address=address)
    template = TEMPLATE.format(name="success-rate", metrics=metrics)
    (folder / "analysis.yaml").write_text(template, encoding="utf-8")
    checkout.commit("Measure the success rate")
    return checkout


def at(minute: int, second: int = 0) -> str:
    """Return a time after noon, for ``--now``."""
    return f"2026-03-01T{12 + minute // 60:02}:{minute % 60:02}:{second:02}Z"


def advance(checkout: Checkout, minute: int, second: int = 0, *options: str, code: int = 0) -> str:
    """Advance ``prod/web`` at a time after noon; return what was printed."""
    arguments = ("advance", "prod/web", "--no-validate", *options, "--now", at(minute, second))
    done = checkout.run(*arguments, code=code)
    return done.stdout + done.stderr


def release(checkout: Checkout) -> None:
    """Make the first release, and change the image."""
    advance(checkout, 0)
    checkout.edit("environments/prod/web/rollout.yaml", ONE, TWO)
    checkout.git("add", "--all")
    checkout.git("-c", "user.name=Dev", "-c", "user.email=dev@example.com", "commit", "-qm", "Release 2.0.0")


def measured_step(root: Path, address: str) -> Checkout:
    """Return a repository whose ``prod/web`` is at its analysis since 90 seconds before noon."""
    root.mkdir()
    checkout = analyzed(root, address)
    checkout.process("advance", "prod/web", "--now", "2026-03-01T11:50:00Z", "--no-validate")
    checkout.edit("environments/prod/web/rollout.yaml", ONE, TWO)
    checkout.commit("Release another image")
    checkout.process("advance", "prod/web", "--now", "2026-03-01T11:58:30Z", "--no-validate")
    return checkout


RUNS = "environments/prod/web/analysis-runs.yaml"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def good(_: str, __: datetime) -> float:
    return 0.99


def bad_after(minute: int) -> Any:
    """Return answers that are good before a minute after noon, and bad from there on."""
    return lambda _, moment: 0.99 if moment < NOON + timedelta(minutes=minute) else 0.42


def runs(checkout: Checkout) -> list[Any]:
    path = checkout.root / RUNS
    return [item.value for item in load_documents(path.read_text(), RUNS)] if path.exists() else []


def measurements(checkout: Checkout) -> set[tuple[str, str, str, str]]:
    """Return every measurement that any commit has, with its run, metric and moment."""
    found = set()
    for commit in checkout.git("log", "--format=%H", "--", RUNS).split():
        shown = checkout.git("ls-tree", commit, RUNS)
        for item in load_documents(checkout.git("show", f"{commit}:{RUNS}"), RUNS) if shown else ():
            for result in item.value["status"].get("metricResults", ()):
                for one in result["measurements"]:
                    key = item.value["metadata"]["name"], result["name"], one["startedAt"]
                    found.add((*key, one.get("value", one["phase"])))
    return found


BACKGROUND = """\
      analysis:
        templates: [{templateName: success-rate}]
        startingStep: 1
      steps:
        - setWeight: 20
        - setWeight: 60
"""
