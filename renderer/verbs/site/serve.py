"""Serves a site on the loopback device, for a look at it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"


class _Handler(SimpleHTTPRequestHandler):
    """Answers only requests that name the loopback device, and shows no listing of a folder."""

    server: ThreadingHTTPServer
    extensions_map = {  # noqa: RUF012  # as the base class
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".xml": "application/atom+xml",
    }

    def send_head(self):  # type: ignore[no-untyped-def]  # as the base class
        # Another site's name that leads to this address would let that site read the pages.
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (HOST, "localhost"):
            self.send_error(HTTPStatus.FORBIDDEN, "only for this machine")
            return None
        return super().send_head()

    def list_directory(self, path):  # type: ignore[no-untyped-def]  # as the base class
        self.send_error(HTTPStatus.NOT_FOUND)
        return

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Print nothing."""


def serve_site(folder: Path, port: int, started: Callable[[str], object]) -> None:
    """Serve ``folder`` at a port of the loopback device until the process is interrupted; 0 is any free port.

    ``started`` gets the address.
    """
    with ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder))) as server:
        started(f"http://{HOST}:{server.server_address[1]}/")
        server.serve_forever()
