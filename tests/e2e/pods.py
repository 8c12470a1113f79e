"""``python -m tests.e2e.pods``: one HTTP server that answers for every pod, as the pod's own address is asked.

KWOK gives pods a life and an address, and no process.  The network namespace takes all addresses of pods as its own,
and this server, bound to all of them, looks up whose address was asked: it says which pod and which version that is,
and breaks the connection where the pod is not ready or not there any more.  A pod that is being deleted answers until
it is gone, as one does that ends gracefully.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests.e2e.api import Api

PORT = 8080
HASH = "rollouts-pod-template-hash"
BAD = "-bad"
"""The end of an image whose pods answer every request with an error of their own."""


class Pods:
    """The pods of the cluster by address, kept up to date by a watch in a thread of its own."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._by_name: dict[str, Any] = {}
        self.by_address: dict[str, Any] = {}
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                listed = self._api.get("/api/v1/pods")
                self._by_name = {pod["metadata"]["uid"]: pod for pod in listed["items"]}
                self._index()
                for event in self._api.watch("/api/v1/pods", listed["metadata"]["resourceVersion"]):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] == "BOOKMARK":
                        continue
                    pod = event["object"]
                    if event["type"] == "DELETED":
                        self._by_name.pop(pod["metadata"]["uid"], None)
                    else:
                        self._by_name[pod["metadata"]["uid"]] = pod
                    self._index()
            except (OSError, HTTPException, ValueError):
                # The API server is starting or gone; the pods that run do so all the same.
                time.sleep(0.2)

    def _index(self) -> None:
        self.by_address = {pod["status"]["podIP"]: pod for pod in self._by_name.values() if pod["status"].get("podIP")}

    def answer(self, address: str) -> dict[str, str] | None:
        """Return what the pod at ``address`` says of itself; None where it is not ready."""
        pod = self.by_address.get(address)
        if pod is None:
            return None
        conditions = pod["status"].get("conditions", ())
        if not any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
            return None
        image = pod["spec"]["containers"][0]["image"]
        status = "500 Internal Server Error" if image.endswith(BAD) else "200 OK"
        return {"pod": pod["metadata"]["name"], "hash": pod["metadata"]["labels"].get(HASH, ""), "status": status}


async def serve(pods: Pods) -> None:
    """Answer HTTP/1.1 requests for ever."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                answer = pods.answer(address)
                if answer is None:
                    break
                body = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {answer['status']}\r\nContent-Type: application/json\r\n".encode())
                writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.transport.abort()

    server = await asyncio.start_server(connection, "0.0.0.0", PORT, backlog=1000)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Pods(Api(sys.argv[1], Path(sys.argv[2])))))
