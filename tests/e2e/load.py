"""Requests through the router, all the while that a release goes on."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from tests.e2e.router import PORT


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was sent, and the hash of the version that answered, or what went wrong."""

    at: float
    hash: str
    error: str = ""


class Load:
    """``workers`` threads that each send a request every ``workers / rate`` seconds until the load is stopped."""

    def __init__(self, host: str, *, rate: float = 60, workers: int = 4) -> None:
        self.host = host
        self.samples: list[Sample] = []
        self._pause = workers / rate
        self._over = threading.Event()
        self._paused = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def pause(self) -> None:
        """Send nothing until ``go_on``: there is no cluster to send it to."""
        self._paused.set()

    def go_on(self) -> None:
        self._paused.clear()

    def _send(self) -> None:
        while not self._over.is_set():
            begun = time.monotonic()
            if not self._paused.is_set():
                self.samples.append(self._request(begun))
            self._over.wait(max(0.0, self._pause - (time.monotonic() - begun)))

    def _request(self, begun: float) -> Sample:
        connection = HTTPConnection("127.0.0.1", PORT, timeout=10)
        try:
            connection.request("GET", "/", headers={"Host": self.host})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                return Sample(begun, "", f"status {response.status}")
            return Sample(begun, json.loads(body)["hash"])
        except (OSError, HTTPException, ValueError) as error:
            return Sample(begun, "", f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def failed(self) -> Counter[str]:
        """Return how often each error came."""
        return Counter(sample.error for sample in self.samples if sample.error)

    def shares(self, since: float, until: float) -> Counter[str]:
        """Return how many requests each version answered that were sent in a span of time."""
        return Counter(sample.hash for sample in self.samples if since <= sample.at < until and not sample.error)
