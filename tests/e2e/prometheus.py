"""A real Prometheus on loopback with a history, and the recording of its answers for the other tests.

``python -m tests.e2e.prometheus`` records again, after ``python -m tests.e2e.build prometheus``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from renderer.http import HttpError, Request, fetch
from renderer.metric_providers import prometheus
from renderer.metric_providers.access import Access, RunReference
from renderer.metric_providers.measure import measure
from renderer.metric_providers.port_forward import PortForwards
from renderer.metric_providers.question import Question
from renderer.rollouts.analysis.metrics import Metric, metric_of
from renderer.rollouts.analysis.run import Measurement, Task
from tests.e2e.build import BIN
from tests.e2e.processes import Process, wait_for

RECORDED = Path(__file__).parents[1] / "data" / "prometheus" / "recorded.json"
BEGIN = datetime(2026, 3, 1, 11, 0, tzinfo=UTC)
MINUTES = 90
BAD_SINCE = 60
"""The minute of the history from which on every fifth request fails."""

AT = datetime(2026, 3, 1, 11, 45, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 12, 15, tzinfo=UTC)
RATE = 'sum(rate(requests_total{code="200"}[5m])) / sum(rate(requests_total[5m]))'
RANGE = {"start": 'now() - duration("4m")', "end": "now()", "step": "2m"}

CASES: tuple[tuple[datetime, Mapping[str, Any], str], ...] = (
    (AT, {"query": RATE}, "result[0] >= 0.95"),
    (LATER, {"query": RATE}, "result[0] >= 0.95"),
    (AT, {"query": "scalar(count(requests_total))"}, "result == 2"),
    (AT, {"query": "requests_total"}, "len(result) == 2"),
    (AT, {"query": "requests_total", "rangeQuery": RANGE}, "len(result) == 6"),
    (AT, {"query": "no_such_metric"}, "result[0] >= 0.95"),
    (AT, {"query": "sum(rate(idle_total[5m])) / sum(rate(idle_total[5m]))"}, "result[0] >= 0.95"),
    (AT, {"query": "count(requests_total) / 0"}, "isInf(result[0])"),
    (AT, {"query": "quantile(2, requests_total)"}, "isInf(result[0])"),
    (AT, {"query": "1e21 * count(requests_total)"}, "result[0] > 1e21"),
    (AT, {"query": '"text"'}, "true"),
    (AT, {"query": "sum(rate(requests_total)"}, "true"),
    (AT, {"query": "requests_total", "rangeQuery": {**RANGE, "step": "1ms"}}, "true"),
    (AT, {"query": 'label_replace(requests_total, "a b", "x", "code", ".*") + "y"'}, "true"),
    (AT, {"query": 'label_replace(requests_total, "code", "x", "code", "(")'}, "true"),
)
"""Moments, queries and conditions."""


def history() -> str:
    """Return the samples of a service, a minute apart, as OpenMetrics."""
    begin, lines = int(BEGIN.timestamp()), ["# TYPE requests counter"]
    for code in ("200", "500"):
        total = 0
        for minute in range(MINUTES):
            is_bad = minute >= BAD_SINCE
            total += {"200": 48 if is_bad else 60, "500": 12 if is_bad else 0}[code]
            lines.append(f'requests_total{{code="{code}"}} {total} {begin + 60 * minute}')
    lines.append("# TYPE idle counter")
    lines += [f"idle_total 7 {begin + 60 * minute}" for minute in range(MINUTES)]
    return "\n".join((*lines, "# EOF", ""))


class Prometheus:
    """A Prometheus that has the history, and scrapes nothing; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Prometheus:
        (self.folder / "history.txt").write_text(history())
        (self.folder / "prometheus.yml").write_text("{}\n")
        tsdb = self.folder / "data"
        backfill = ["tsdb", "create-blocks-from", "openmetrics", "history.txt", str(tsdb)]
        subprocess.run([BIN / "promtool", *backfill], cwd=self.folder, check=True, capture_output=True)
        place = (f"--web.listen-address=127.0.0.1:{self.port}", f"--storage.tsdb.path={tsdb}")
        kept = "--storage.tsdb.retention.time=100y"
        self.process = Process(
            "prometheus", [BIN / "prometheus", "--config.file=prometheus.yml", *place, kept], self.folder
        )
        wait_for("Prometheus is ready", self._is_ready)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def _is_ready(self) -> bool:
        assert self.process.running, self.process.tail()
        try:
            return fetch(Request("GET", f"{self.url}/-/ready")).status == 200
        except HttpError:
            return False


def metric(url: str, fields: Mapping[str, Any], success: str) -> Metric:
    provider = {"prometheus": {"address": url, **fields}}
    return metric_of({"name": "m", "provider": provider, "successCondition": success})


def measured(url: str, at: datetime, fields: Mapping[str, Any], success: str) -> Measurement:
    (found,) = measure([Task(metric(url, fields, success))], at, Access())
    return found


async def _answer(url: str, at: datetime, fields: Mapping[str, Any], success: str) -> tuple[int, Any]:
    access = Access()
    asked = Question(metric(url, fields, success), at, access, RunReference(), PortForwards(access))
    answer = await prometheus.ask(asked)
    return answer.status, json.loads(answer.body)


def record(url: str) -> list[dict[str, Any]]:
    """Return every case with Prometheus' answer and its measurement."""
    found = []
    for at, fields, success in CASES:
        status, answer = asyncio.run(_answer(url, at, fields, success))
        taken = measured(url, at, fields, success)
        measurement: dict[str, Any] = {"phase": taken.phase, "value": taken.value, "message": taken.message}
        measurement["metadata"] = dict(taken.metadata)
        case = {"at": at.isoformat(), "fields": dict(fields), "success": success}
        found.append({**case, "status": status, "answer": answer, "measurement": measurement})
    return found


def main() -> None:
    """Record the answers."""
    with tempfile.TemporaryDirectory() as folder, Prometheus(Path(folder)) as server:
        lines = [json.dumps(case, sort_keys=True, ensure_ascii=False) for case in record(server.url)]
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
