"""A forge on the loopback address: git over HTTP, and the API of the forge's OpenAPI description.

The server checks every request and every answer of its own against the description.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jsonschema import Draft202012Validator

DESCRIPTIONS = Path(__file__).parents[1] / "data" / "openapi"
PREFIXES = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1", "bitbucket": "/2.0"}
TOKEN = "t0ken-that-nobody-may-see"


class Description:
    """The OpenAPI description of a forge, reduced to the used operations."""

    def __init__(self, forge: str) -> None:
        self.paths = json.loads((DESCRIPTIONS / f"{forge}.json").read_text(encoding="utf-8"))["paths"]

    def operation(self, method: str, path: str) -> tuple[dict[str, Any], dict[str, str]] | None:
        for template, methods in self.paths.items():
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
            match = re.fullmatch(pattern, path)
            if match and method.lower() in methods:
                return methods[method.lower()], {key: unquote(value) for key, value in match.groupdict().items()}
        return None

    @staticmethod
    def check(operation: dict[str, Any], query: dict[str, str], body: Any) -> list[str]:
        """Return the errors of a request by the description; unknown names are errors."""
        known = {item["name"]: item["schema"] for item in operation["parameters"] if item["in"] == "query"}
        wrong = [f"query {name} is unknown" for name in query if name not in known]
        for name, value in query.items():
            typed = int(value) if value.isdecimal() and known.get(name, {}).get("type") == "integer" else value
            wrong += [error.message for error in Draft202012Validator(known.get(name, {})).iter_errors(typed)]
        if "requestBody" not in operation:
            return wrong + ([] if body is None else ["a body where none is expected"])
        if body is None:
            return [*wrong, "no body"] if operation["requestBody"]["required"] else wrong
        schema = closed(operation["requestBody"]["content"]["application/json"]["schema"])
        return wrong + [error.message for error in Draft202012Validator(schema).iter_errors(body)]

    @staticmethod
    def check_answer(operation: dict[str, Any], status: int, data: Any) -> list[str]:
        schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        return [error.message for error in Draft202012Validator(nullable(schema)).iter_errors(data)]


def closed(schema: Any) -> Any:
    """Return ``schema`` without additional properties."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(result.get("properties"), dict) and "additionalProperties" not in result:
        result["additionalProperties"] = False
    return nullable(result)


def nullable(schema: Any) -> Any:
    """Return ``schema`` with OpenAPI 3.0's ``nullable`` as JSON Schema."""
    if isinstance(schema, list):
        return [nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: nullable(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [result, {"type": "null"}]} if schema.get("nullable") is True else result


class ForgeServer:
    """A forge with one repository, ``shop/web``; use it as a context manager."""

    def __init__(self, forge: str, folder: Path) -> None:
        self.forge, self.folder = forge, folder
        self.description = Description(forge)
        self.requests: list[tuple[str, str, Any]] = []
        self.violations: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.pulls: dict[int, dict[str, Any]] = {}
        self.comments: list[tuple[int, str]] = []
        self.labels: dict[int, str] = {}
        self.users = {"ann": 7, "ben": 8}
        self.failures: list[tuple[int, dict[str, str]]] = []
        """Statuses and headers of the next answers of the API."""
        self.page_size = 100
        bare = str(folder / "shop/web.git")
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
        subprocess.run(["git", "-C", bare, "config", "http.receivepack", "true"], check=True)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    @property
    def remote(self) -> str:
        return f"{self.url}/shop/web.git"

    def __enter__(self) -> ForgeServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder / "shop/web.git"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def count(self, method: str, end: str = "") -> int:
        """Return the number of API requests with the method and the end of the path."""
        return sum(1 for done, path, _ in self.requests if done == method and path.partition("?")[0].endswith(end))

    @property
    def open_ones(self) -> list[dict[str, Any]]:
        return [pull for pull in self.pulls.values() if pull["state"] == "open"]

    def may(self, headers: Any) -> bool:
        if self.forge == "gitlab":
            return bool(headers.get("PRIVATE-TOKEN") == TOKEN)
        scheme = "token" if self.forge == "gitea" else "Bearer"
        return bool(headers.get("Authorization") == f"{scheme} {TOKEN}")

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Return status and JSON of a request of the API."""
        found = self.description.operation(method, path)
        if found is None:
            self.violations.append(f"{method} {path} is not described")
            return 404, {"message": "Not Found"}
        operation, places = found
        wrong = self.description.check(operation, query, body)
        if wrong:
            self.violations += [f"{method} {path}: {message}" for message in wrong]
            return 422, {"message": "; ".join(wrong)}
        status = next(int(code) for code in operation["responses"])
        data = getattr(self, f"_{self.forge}")(method, path, places, query, body)
        self.violations += [
            f"the answer to {method} {path}: {message}"
            for message in self.description.check_answer(operation, status, data)
        ]
        return status, data

    def _add(self, head: str, base: str, title: str, body: str) -> dict[str, Any]:
        self.git("rev-parse", "--verify", f"refs/heads/{head}")
        assert head not in [pull["head"] for pull in self.open_ones], "a forge would refuse a second one"
        number = len(self.pulls) + 1
        self.pulls[number] = {
            "number": number,
            "head": head,
            "base": base,
            "title": title,
            "body": body,
            "state": "open",
            "labels": [],
            "reviewers": [],
        }
        return self.pulls[number]

    def _page(self, items: list[Any], query: dict[str, str]) -> list[Any]:
        page = int(query.get("page", 1))
        return items[(page - 1) * self.page_size : page * self.page_size]

    def _github(self, method: str, path: str, places: dict[str, str], query: dict[str, str], body: Any) -> Any:
        number = int(places.get("pull_number") or places.get("issue_number") or places.get("index") or 0)
        if path.endswith("/pulls"):
            if method == "GET":
                return [self._like_github(pull) for pull in self._page(self.open_ones, query)]
            return self._like_github(self._add(body["head"], body["base"], body["title"], body["body"]))
        pull = self.pulls[number]
        if path.endswith("/labels"):
            pull["labels"] += [self.labels.get(label, label) for label in body["labels"]]
            return [{"name": name} for name in pull["labels"]]
        if path.endswith("/requested_reviewers"):
            pull["reviewers"] += body.get("reviewers", [])
            return {"number": number} if self.forge == "github" else [{"id": number}]
        if path.endswith("/comments"):
            self.comments.append((number, body["body"]))
            return {"body": body["body"]}
        pull |= {key: body[key] for key in ("title", "body", "base", "state") if key in body}
        return self._like_github(pull)

    def _gitea(self, method: str, path: str, places: dict[str, str], query: dict[str, str], body: Any) -> Any:
        if path == "/repos/shop/web/labels":
            if method == "GET":
                return [{"id": number, "name": name} for number, name in self.labels.items()]
            self.labels[len(self.labels) + 40] = body["name"]
            return {"id": len(self.labels) + 39, "name": body["name"]}
        return self._github(method, path, places, query, body)

    def _like_github(self, pull: dict[str, Any]) -> dict[str, Any]:
        repository = {"full_name": "shop/web"}
        teams = "requested_teams" if self.forge == "github" else "requested_reviewers_teams"
        return {
            "number": pull["number"],
            "html_url": f"{self.url}/shop/web/pulls/{pull['number']}",
            "title": pull["title"],
            "body": pull["body"],
            "head": {"ref": pull["head"], "repo": repository},
            "base": {"ref": pull["base"], "repo": repository},
            "labels": [{"name": name} for name in pull["labels"]],
            "requested_reviewers": [{"login": name} for name in pull["reviewers"]],
            teams: [],
        }

    def _gitlab(self, method: str, path: str, places: dict[str, str], query: dict[str, str], body: Any) -> Any:
        assert places.get("id", "shop/web") == "shop/web"
        if path == "/users":
            return [{"id": self.users[name], "username": name} for name in self.users if name == query["username"]]
        if path.endswith("/merge_requests"):
            if method == "GET":
                return [self._like_gitlab(pull) for pull in self._page(self.open_ones, query)]
            pull = self._add(body["source_branch"], body["target_branch"], body["title"], body["description"])
        else:
            pull = self.pulls[int(places["merge_request_iid"])]
        if path.endswith("/notes"):
            self.comments.append((pull["number"], body["body"]))
            return {"id": 1, "body": body["body"]}
        names = {"title": "title", "description": "body", "target_branch": "base"}
        pull |= {ours: body[theirs] for theirs, ours in names.items() if theirs in body}
        pull["labels"] += [label for key in ("labels", "add_labels") if key in body for label in body[key]]
        if "reviewer_ids" in body:
            pull["reviewers"] = [name for name, number in self.users.items() if number in body["reviewer_ids"]]
        if body.get("state_event") == "close":
            pull["state"] = "closed"
        return self._like_gitlab(pull)

    def _like_gitlab(self, pull: dict[str, Any]) -> dict[str, Any]:
        return {
            "iid": pull["number"],
            "web_url": f"{self.url}/shop/web/-/merge_requests/{pull['number']}",
            "title": pull["title"],
            "description": pull["body"],
            "source_branch": pull["head"],
            "target_branch": pull["base"],
            "source_project_id": 1,
            "target_project_id": 1,
            "labels": pull["labels"],
            "reviewers": [{"id": self.users[name], "username": name} for name in pull["reviewers"]],
        }

    def _bitbucket(self, method: str, path: str, places: dict[str, str], query: dict[str, str], body: Any) -> Any:
        if path.endswith("/pullrequests") and method == "GET":
            values = [self._like_bitbucket(pull) for pull in self._page(self.open_ones, query)]
            for value in values:
                del value["reviewers"]
            page = int(query.get("page", 1))
            more = {"next": f"{self.url}/2.0{path}?state=OPEN&page={page + 1}"} if len(values) == self.page_size else {}
            return {"values": values, **more}
        if path.endswith("/pullrequests"):
            head, base = (body[key]["branch"]["name"] for key in ("source", "destination"))
            pull = self._add(head, base, body["title"], body["description"])
        else:
            pull = self.pulls[int(places["pull_request_id"])]
        if path.endswith("/comments"):
            self.comments.append((pull["number"], body["content"]["raw"]))
            return {"type": "pullrequest_comment"}
        if path.endswith("/decline"):
            pull["state"] = "closed"
        elif body is not None:
            pull |= {"title": body["title"], "body": body["description"]}
            pull["base"] = body["destination"]["branch"]["name"]
            pull["reviewers"] = [user.get("uuid") or user["account_id"] for user in body["reviewers"]]
        return self._like_bitbucket(pull)

    def _like_bitbucket(self, pull: dict[str, Any]) -> dict[str, Any]:
        repository = {"type": "repository", "full_name": "shop/web"}
        link = f"{self.url}/shop/web/pull-requests/{pull['number']}"
        return {
            "type": "pullrequest",
            "id": pull["number"],
            "links": {"html": {"href": link}},
            "title": pull["title"],
            "description": pull["body"],
            "source": {"branch": {"name": pull["head"]}, "repository": repository},
            "destination": {"branch": {"name": pull["base"]}, "repository": repository},
            "reviewers": [
                {"type": "account", "uuid": name if name.startswith("{") else f"{{{name}}}", "account_id": name}
                for name in pull["reviewers"]
            ],
        }


def _handler(forge: ForgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Print nothing: the tests read ``requests``."""

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._any
            raise AttributeError(name)

        def _any(self) -> None:
            if self.path.startswith("/shop/web.git"):
                self._git()
                return
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            path = parts.path.removeprefix(PREFIXES[forge.forge])
            forge.requests.append((self.command, path + (f"?{parts.query}" if parts.query else ""), body))
            forge.headers.append(dict(self.headers))
            extra: dict[str, str] = {}
            if forge.failures:
                status, extra = forge.failures.pop(0)
                data: Any = {"message": f"refused, and {TOKEN} is what you sent"}
            elif not forge.may(self.headers):
                status, data = 401, {"message": "Bad credentials"}
            else:
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                status, data = forge.answer(self.command, path, query, body)
                if isinstance(data, list) and len(data) == forge.page_size:
                    query["page"] = str(int(query.get("page", 1)) + 1)
                    words = "&".join(f"{key}={value}" for key, value in query.items())
                    extra["Link"] = f'<{forge.url}{parts.path}?{words}>; rel="next"'
            content = json.dumps(data).encode()
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _git(self) -> None:
            scheme, _, words = (self.headers.get("Authorization") or "").partition(" ")
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            if self.headers.get("Transfer-Encoding") == "chunked":
                content = self._chunks()
            if scheme != "Basic" or base64.b64decode(words).decode().partition(":")[2] != TOKEN:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="forge"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            parts = urlsplit(self.path)
            environment = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(forge.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                "REMOTE_USER": "bot",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            }
            done = subprocess.run(
                ["git", "http-backend"], input=content, env=environment, capture_output=True, check=True
            )
            head, _, answer = done.stdout.partition(b"\r\n\r\n")
            rows = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(rows.pop("Status", "200 OK").split()[0]))
            for name, value in {**rows, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def _chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

    return Handler
