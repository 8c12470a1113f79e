"""A server on loopback that answers as a metric provider does, or as badly as one can.

Requests to a described API are held to its description in ``tests/data/openapi``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator
from msgspec import Struct, field

from tests.support.forge_server import DESCRIPTIONS, closed


class Received(Struct):
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


class Reply(Struct):
    """An answer: status, headers and body; ``raw`` writes the bytes of the whole answer itself."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: Callable[[Any], None] | None = None

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class MetricServer:
    """A server with the next answers in ``replies``, of which the last repeats; use it as a context manager."""

    def __init__(self, *replies: Reply, description: str = "") -> None:
        self.replies, self.received, self.violations = list(replies), list[Received](), list[str]()
        self._paths: dict[str, Any] = {}
        if description:
            text = (DESCRIPTIONS / f"{description}.json").read_text(encoding="utf-8")
            self._paths = json.loads(text)["paths"]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.ended = threading.Event()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Received:
        return self.received[-1]

    def __enter__(self) -> MetricServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        assert self.violations == []

    def next_reply(self, request: Received) -> Reply:
        self.received.append(request)
        if self._paths:
            self.violations += self._check(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def _check(self, request: Received) -> list[str]:
        operation = self._paths.get(request.path, {}).get(request.method.lower())
        if operation is None:
            return [f"{request.method} {request.path} is not described"]
        known = {item["name"]: item for item in operation["parameters"]}
        wrong = [f"query {name} is unknown" for name in request.query if name not in known]
        wrong += [
            f"query {name} is missing" for name, item in known.items() if item["required"] and name not in request.query
        ]
        for name, value in request.query.items():
            typed = int(value) if known.get(name, {}).get("schema", {}).get("type") == "integer" else value
            wrong += _errors(known.get(name, {}).get("schema", {}), typed)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            wrong += _errors(closed(content["schema"]), request.form if "form" in kind else request.json)
        return wrong


def _errors(schema: Any, value: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(schema).iter_errors(value)]


def _handler(server: MetricServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
            reply = server.next_reply(request)
            self.close_connection = True
            try:
                if reply.raw is not None:
                    reply.raw(self)
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client had enough

        do_GET = do_POST = do_PUT = _answer  # noqa: N815

    return Handler


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def hang(server: Callable[[], MetricServer]) -> Reply:
    """Return an answer that never comes."""

    def write(_: Any) -> None:
        server().ended.wait(30)

    return Reply(raw=write)


def drip(part: bytes, head: bytes) -> Reply:
    """Return an answer whose bytes come one by one, without end."""

    def write(handler: Any) -> None:
        handler.wfile.write(head)
        for byte in part * 1000:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.05)

    return Reply(raw=write)


def flood(size: int) -> Reply:
    """Return an answer of so many bytes."""

    def write(handler: Any) -> None:
        handler.wfile.write(HEAD + f"Content-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 2**20):
            handler.wfile.write(b"1" * 2**20)

    return Reply(raw=write)


def raw(content: bytes) -> Reply:
    """Return an answer of these very bytes."""
    return Reply(raw=lambda handler: handler.wfile.write(content))
