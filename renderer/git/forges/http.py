"""Requests to the API of a forge."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from renderer import http
from renderer.errors import Finding, RollstepError
from renderer.git.process import plain

TIMEOUT_SECONDS = 30
TRIES = 4
LONGEST_WAIT_SECONDS = 60
"""The longest wait for a rate limit; a longer one is an error, which a person sees."""

_AGAIN = {429, 502, 503, 504}
_HINTS = {
    401: "the token is not valid here, or has expired",
    403: "the token may not do this: it needs to write pull requests",
    404: "see that the remote's URL is right, and that the token may see the repository",
}


class _RefusedError(Exception):
    """An answer whose status is not of success; no redirect is followed, which would take the token along."""

    def __init__(self, answer: http.Answer) -> None:
        self.answer = answer
        super().__init__(answer.status)


class Answer(Struct, frozen=True):
    """The JSON of an answer, and the address of the next page, if any."""

    data: Any
    next_page: str | None


class NotFoundError(RollstepError):
    """The forge has nothing at that path, or nothing that this token may see."""


# A dataclass, whose repr leaves the token out.
@dataclass(frozen=True)
class Client:
    """The API at ``base``; ``headers`` have the token, which every error message replaces with asterisks."""

    base: str
    headers: Mapping[str, str] = field(repr=False)
    title: str
    token: str = field(repr=False)

    def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON of a GET."""
        return self._request("GET", self._url(path, query), None).data

    def pages(self, path: str, **query: str | int) -> Iterator[Any]:
        """Yield the JSON of every page of a list."""
        url: str | None = self._url(path, query)
        while url is not None:
            answer = self._request("GET", url, None)
            yield answer.data
            url = answer.next_page
            if url is not None and not url.startswith(f"{self.base}/"):
                raise self._error(f"names a next page somewhere else: {url}", "see whether forge.url is right")

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a POST, PUT, PATCH or DELETE with ``body`` as JSON, and return the JSON of the answer."""
        return self._request(method, self._url(path, {}), body).data

    def _url(self, path: str, query: Mapping[str, str | int]) -> str:
        return f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")

    def _request(self, method: str, url: str, body: Any) -> Answer:
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                return self._once(method, url, body)
            except _RefusedError as error:
                answer = error.answer
                wait = self._wait(answer, attempt)
                # A rate limit refuses before it acts; after a 5xx only a GET is sure to have changed nothing.
                if last or wait is None or (method != "GET" and answer.status not in (403, 429)):
                    raise self._refusal(method, url, answer) from None
            except http.HttpError as error:
                if last or method != "GET":
                    hint = "see that the network and the remote's URL are right"
                    raise self._error(f"cannot be reached: {error}", hint) from None
                wait = 0.5 * 2**attempt
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, url: str, body: Any) -> Answer:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = dict(self.headers)
        if content is not None:
            headers["Content-Type"] = "application/json"
        answer = http.fetch(http.Request(method, url, headers, content, TIMEOUT_SECONDS, follows_redirects=False))
        if not 200 <= answer.status < 300:
            raise _RefusedError(answer)
        text = answer.body
        try:
            data = json.loads(text) if text.strip() else None
        except ValueError:
            hint = "see whether forge.url is the address of the forge itself"
            raise self._error(f"answered {method} {urlsplit(url).path} with something that is no JSON", hint) from None
        return Answer(data, _next(answer.headers.get("link", ""), data))

    @staticmethod
    def _wait(answer: http.Answer, attempt: int) -> float | None:
        """Return the seconds until the next try; None where another try is pointless."""
        headers, status = answer.headers, answer.status
        retry_after = headers.get("retry-after", "")
        spent = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
        if status == 403 and not (retry_after or spent):
            return None
        if status != 403 and status not in _AGAIN:
            return None
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
        if retry_after.isdecimal():
            wait = float(retry_after)
        elif spent and reset.isdecimal():
            wait = max(float(reset) - time.time(), 0) + 1
        else:
            wait = 0.5 * 2**attempt
        return wait if wait <= LONGEST_WAIT_SECONDS else None

    def _refusal(self, method: str, url: str, answer: http.Answer) -> RollstepError:
        status = answer.status
        if 300 <= status < 400:
            place = urlsplit(answer.headers.get("location", "")).netloc or "somewhere else"
            return self._error(f"has moved to {place}", "set forge.url in rollstep.yaml, and the remote's URL")
        message = _message(answer.body)
        hint = _HINTS.get(status, "")
        if status == 429 or (status == 403 and answer.headers.get("retry-after")):
            hint = "its rate limit is used up: try again later"
        elif status >= 500:
            hint = "the forge has trouble of its own: try again later"
        said = f"answered {method} {urlsplit(url).path} with {status}"
        refusal = self._error(said + (f": {message}" if message else ""), hint)
        return NotFoundError(refusal.findings) if status == 404 else refusal

    def _error(self, message: str, hint: str) -> RollstepError:
        place = f"{self.title} at {urlsplit(self.base).netloc}"
        text = plain(f"{place} {message}").replace("\n", " / ").replace(self.token, "***")
        return RollstepError([Finding("", 0, 0, "", text, hint)])


def _next(link: str, data: Any) -> str | None:
    """Return the next page, from a Link header (RFC 8288) or from Bitbucket's ``next`` in the answer."""
    for part in link.split(","):
        place, _, rest = part.partition(";")
        if 'rel="next"' in rest:
            return place.strip().removeprefix("<").removesuffix(">")
    found = data.get("next") if isinstance(data, dict) else None
    return found if isinstance(found, str) else None


def _message(content: bytes) -> str:
    """Return the message in an error's body, in any of the forges' formats."""
    text = content.decode(errors="replace")
    try:
        data = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    messages = [data.get("message"), data.get("error"), *(data.get("errors") or [])]
    return "; ".join(_flat(item) for item in messages if item)[:500]


def _flat(item: Any) -> str:
    if isinstance(item, dict):
        return str(item.get("message") or json.dumps(item, ensure_ascii=False))
    return ", ".join(map(_flat, item)) if isinstance(item, list) else str(item)
