"""``site --serve`` answers this machine alone."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.commands import PROJECT, Checkout


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Return the port of the server, a real process."""
    folder = tmp_path_factory.mktemp("served")
    checkout = Checkout(folder / "repository")
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "renderer", "site", "--serve", "--port", "0"]
    with subprocess.Popen(command, cwd=checkout.root, env=variables, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        assert line.startswith("serving http://127.0.0.1:"), line
        yield int(line.rpartition(":")[2].strip("/\n"))
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 130
    # The temporary site is gone, and nothing was written to the repository.
    assert [path for path in folder.iterdir() if path.name.startswith("rollstep-site-")] == []
    assert checkout.git("status", "--porcelain", "--ignored") == ""


def get(port: int, path: str, host: str = "") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
        response = connection.getresponse()
        return response.status, response.headers.get_content_type(), response.read()
    finally:
        connection.close()


def test_pages_and_feeds_have_their_types(port: int) -> None:
    assert get(port, "/")[:2] == (200, "text/html")
    assert get(port, "/environments/prod/feed.xml")[:2] == (200, "application/atom+xml")
    assert get(port, "/site.js", "localhost:8000")[:2] == (200, "text/javascript")


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:80", "127.0.0.1.example.com:80"])
def test_another_name_for_this_machine_is_refused(port: int, host: str) -> None:
    assert get(port, "/", host)[0] == 403


@pytest.mark.parametrize("path", ["/apps/", "/../../rollstep.yaml", "/%2e%2e/%2e%2e/rollstep.yaml", "/gone.html"])
def test_nothing_but_pages_is_served(port: int, path: str) -> None:
    assert get(port, path)[0] == 404


def test_no_other_address_is_open(port: int) -> None:
    with socket.socket() as probe:
        probe.settimeout(10)
        assert probe.connect_ex(("127.0.0.2", port)) != 0
