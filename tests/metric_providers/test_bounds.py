"""Bad answers end in the controller's phase with its message, within a time and a size."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from renderer.http import HttpError, Request, fetch, shown
from tests.metric_providers.conftest import Measured
from tests.support.metric_server import HEAD, MetricServer, Reply, drip, flood, hang, raw


def test_a_server_that_hangs_is_left(measured: Measured) -> None:
    with MetricServer() as server:
        server.replies.append(hang(lambda: server))
        found = measured("prometheus", {"address": server.url, "query": "up", "timeout": 1})
        assert (found.phase, found.message) == ("Error", f'Post "{server.url}/api/v1/query": context deadline exceeded')
        found = measured("web", {"url": server.url, "timeoutSeconds": 1})
    words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert (found.phase, found.message) == ("Error", f'Get "{server.url}": {words}')


@pytest.mark.parametrize("head", [HEAD + b"Content-Length: 4000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_slow_drip_ends_in_all_not_only_between_two_bytes(measured: Measured, head: bytes) -> None:
    with MetricServer(drip(b"1", head)) as server:
        begun = time.monotonic()
        found = measured("web", {"url": server.url, "timeoutSeconds": 1})
        assert time.monotonic() - begun < 20
    assert found.phase == "Error"
    assert "context deadline exceeded (Client.Timeout" in found.message


def test_an_answer_of_100_mb_is_left_out(measured: Measured) -> None:
    with MetricServer(flood(100 * 2**20)) as server:
        tracemalloc.start()
        found = measured("prometheus", {"address": server.url, "query": "up"})
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (found.phase, found.message) == ("Error", "the answer has more than 10 MiB, which is left out")
    assert peak < 60 * 2**20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "invalid byte in chunk length"),
        (HEAD + b"Content-Length: 100\r\n\r\n{", "unexpected EOF"),
        (b"\x00\xff\x00\xff\r\n\r\n", "malformed HTTP response"),
        (b"", ": EOF"),
    ],
)
def test_an_answer_that_is_no_http_is_an_error(measured: Measured, content: bytes, message: str) -> None:
    with MetricServer(raw(content)) as server:
        found = measured("prometheus", {"address": server.url, "query": "up"})
    assert found.phase == "Error"
    assert message in found.message


def test_a_closed_port_and_an_unknown_host(measured: Measured) -> None:
    with MetricServer(Reply()) as server:
        url, port = server.url, server.port
    found = measured("web", {"url": url})
    assert (found.phase, found.message) == (
        "Error",
        f'Get "{url}": dial tcp 127.0.0.1:{port}: connect: connection refused',
    )
    found = measured("web", {"url": "http://nowhere.invalid/"})
    assert found.message == 'Get "http://nowhere.invalid/": dial tcp: lookup nowhere.invalid: no such host'


def test_a_redirect_is_followed_to_the_same_host_only_with_credentials(measured: Measured) -> None:
    token = {"headers": [{"key": "Authorization", "value": "Bearer abc"}]}
    with MetricServer(Reply({"v": 1})) as other, MetricServer() as server:
        server.replies += [Reply(status=302, headers={"Location": "/there"}), Reply({"v": 2})]
        assert measured("web", {"url": server.url, "jsonPath": "{$.v}", **token}).value == "2"
        assert [request.path for request in server.received] == ["/", "/there"]
        assert server.last.headers["authorization"] == "Bearer abc"
        server.replies[:] = [Reply(status=307, headers={"Location": f"{other.url}/x"})]
        found = measured("web", {"url": server.url, **token})
        assert found.phase == "Error"
        assert f"redirected to 127.0.0.1:{other.port}: headers and a body are not sent to another host" in found.message
        assert other.received == []
        assert measured("web", {"url": server.url, "jsonPath": "{$.v}"}).value == "1"


def test_redirects_without_end_stop(measured: Measured) -> None:
    with MetricServer(Reply(status=302, headers={"Location": "/again"})) as server:
        found = measured("web", {"url": server.url})
        assert len(server.received) == 10
    assert found.message == 'Get "/again": stopped after 10 redirects'


def test_a_url_that_could_forge_a_header_is_refused() -> None:
    for url, words in (
        ("http://127.0.0.1/\r\nX: y", "invalid control character"),
        ("file:///etc/passwd", "unsupported"),
    ):
        with pytest.raises(HttpError, match=words):
            fetch(Request("GET", url))


def test_a_header_that_could_forge_another_is_refused(measured: Measured) -> None:
    with MetricServer(Reply({})) as server:
        for header, words in (
            ({"key": "X", "value": "a\r\nY: b"}, 'invalid header field value for "X"'),
            ({"key": "X y", "value": "a"}, 'invalid header field name "X Y"'),
        ):
            found = measured("web", {"url": server.url, "headers": [header]})
            assert (found.phase, found.message) == ("Error", f'Get "{server.url}": net/http: {words}')
        assert server.received == []


def test_a_password_in_a_url_is_not_shown(measured: Measured) -> None:
    assert shown("http://ann:secret@host/a@b") == "http://ann:***@host/a@b"
    assert shown("http://host/ann:secret@x") == "http://host/ann:secret@x"
    assert "secret" not in repr(Request("GET", "http://ann:secret@host/"))
    found = measured("web", {"url": "http://ann:secret@nowhere.invalid/"})
    assert "secret" not in found.message


def test_a_proxy_of_the_environment_is_used(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    with MetricServer(Reply({"v": 3})) as proxy:
        monkeypatch.setenv("http_proxy", f"http://ann:pass@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert measured("web", {"url": "http://metrics.example.com/x", "jsonPath": "{$.v}"}).value == "3"
        assert proxy.last.headers["host"] == "metrics.example.com"
        assert proxy.last.headers["proxy-authorization"].startswith("Basic ")
