"""A Gitea on a port of the loopback address, with everything of its in one folder, and its API for the tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.e2e.gitea.build import installed

_SETTINGS = """\
APP_NAME = e2e
RUN_MODE = prod
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
WORK_PATH = {data}

[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = false

[database]
DB_TYPE = sqlite3
PATH = {data}/gitea.db

[repository]
ROOT = {data}/repositories
DEFAULT_BRANCH = main

[security]
INSTALL_LOCK = true
SECRET_KEY = not-a-secret-of-anybody
PASSWORD_HASH_ALGO = pbkdf2_v2

[service]
DISABLE_REGISTRATION = true

[session]
PROVIDER = memory

[indexer]
ISSUE_INDEXER_TYPE = db

[log]
MODE = file
LEVEL = Warn
ROOT_PATH = {data}/log

[cron]
ENABLED = false

[packages]
ENABLED = false

[actions]
ENABLED = false
"""


class Gitea:
    """A running server; use it as a context manager."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.static = installed()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = data / "app.ini"
        text = _SETTINGS.format(data=data, port=self.port, static=self.static)
        self.config.write_text(text, encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None
        self.tokens: dict[str, str] = {}

    def __enter__(self) -> Gitea:
        environment = self._environment()
        command = [str(self.static / "gitea"), "web", "--config", str(self.config)]
        with (self.data / "output").open("wb") as output:
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        self._wait()
        for user in ("bot", "reviewer"):
            self.admin(
                *("user", "create", "--admin", "--username", user, "--password", f"{user}-has-a-password"),
                *("--email", f"{user}@example.com", "--must-change-password=false"),
            )
            words = ("user", "generate-access-token", "--username", user, "--token-name", "e2e", "--scopes", "all")
            self.tokens[user] = self.admin(*words, "--raw").split()[-1]
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=30)

    def admin(self, *arguments: str) -> str:
        command = [str(self.static / "gitea"), "--config", str(self.config), "admin", *arguments]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def api(self, method: str, path: str, body: Any = None, user: str = "bot") -> Any:
        """Do a request of the API as ``user`` and return its JSON."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"token {self.tokens[user]}"}
        request = Request(f"{self.url}/api/v1{path}", data=content, headers=headers, method=method)
        try:
            with urlopen(request, timeout=30) as response:
                text = response.read()
        except HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from None
        return json.loads(text) if text.strip() else None

    def markdown(self, text: str) -> str:
        """Return the HTML that a comment with ``text`` has."""
        headers = {"Content-Type": "application/json", "Authorization": f"token {self.tokens['bot']}"}
        content = json.dumps({"Text": text, "Mode": "comment"}).encode()
        with urlopen(Request(f"{self.url}/api/v1/markdown", data=content, headers=headers), timeout=30) as response:
            page: str = response.read().decode()
        return page

    def _environment(self) -> dict[str, str]:
        # Hooks of its repositories run git, which must not see the settings of whoever runs the tests.
        return {**os.environ, "HOME": str(self.data), "GITEA_WORK_DIR": str(self.data)}

    def _wait(self) -> None:
        assert self.process is not None
        for _ in range(600):
            assert self.process.poll() is None, (self.data / "output").read_text(errors="replace")[-3000:]
            try:
                with urlopen(f"{self.url}/api/healthz", timeout=5):
                    return
            except (URLError, OSError):
                time.sleep(0.1)
        raise AssertionError("Gitea does not answer")
