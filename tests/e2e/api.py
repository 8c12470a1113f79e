"""As much of a client of the Kubernetes API as the tests need: JSON over HTTPS with a token."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TOKEN = "only-this-machine"


@dataclass(frozen=True, slots=True)
class Api:
    """The address of the API server, and the certificate that it made for itself."""

    server: str
    certificate: Path

    def open(self, path: str, method: str = "GET", body: object = None, kind: str = "application/json") -> Any:
        """Send one request and return the open response.  Raises HTTPError."""
        request = Request(
            self.server + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"Bearer {TOKEN}", "Accept": "application/json", "Content-Type": kind},
        )
        return urlopen(request, context=ssl.create_default_context(cafile=str(self.certificate)), timeout=60)

    def get(self, path: str) -> Any:
        """Return what is at ``path``; None where there is nothing."""
        try:
            with self.open(path) as response:
                return json.load(response)
        except HTTPError as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str) -> list[Any]:
        found = self.get(path)
        return [] if found is None else list(found["items"])

    def watch(self, path: str, version: str) -> Iterator[Any]:
        """Yield the events of a watch until the server ends it."""
        with self.open(f"{path}?watch=1&allowWatchBookmarks=true&timeoutSeconds=50&resourceVersion={version}") as lines:
            for line in lines:
                yield json.loads(line)
