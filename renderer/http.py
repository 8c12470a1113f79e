"""Requests over HTTP, bounded in time and size.

A request ends within its timeout in all, whatever the server does, and an answer has a largest size.  Credentials go
to no other host: a redirect there is followed only by a request without headers and body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import unquote, urljoin, urlsplit

from msgspec import Struct, field

LARGEST_ANSWER = 10 * 2**20
"""The most bytes of an answer, unless the caller allows more."""
MOST_REDIRECTS = 10
"""The most redirects that are followed, as in Go's ``net/http``."""

_MOVED = (301, 302, 303, 307, 308)
_CHUNK = 2**16
_MARKS = "!#$%&'*+-.^_`|~"
"""The characters of a header's name besides letters and digits."""
_BAD_CHUNK = "invalid byte in chunk length"


class HttpError(Exception):
    """A request without a whole answer; the message is that of Go's ``net/http`` where it has one.

    ``in_body`` tells an answer that broke off or took too long after its headers.
    """

    def __init__(self, message: str, *, in_body: bool = False) -> None:
        self.in_body = in_body
        super().__init__(message)


class Request(Struct, frozen=True):
    """A request; ``timeout`` is in seconds for all of it, redirects included.

    ``has_context`` picks Go's words for a timeout: those of a context instead of those of a client.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = 30
    is_verified: bool = True
    follows_redirects: bool = True
    largest_answer: int = LARGEST_ANSWER
    has_context: bool = False

    def __repr__(self) -> str:
        """Return the request without what may be secret."""
        return f"Request({self.method} {shown(self.url)})"


class Answer(Struct, frozen=True):
    """An answer of any status; the names of its headers are lower-case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, with U+FFFD for what is not UTF-8."""
        return self.body.decode(errors="replace")


def shown(url: str) -> str:
    """Return a URL without its password, as Go's errors have it."""
    head, at, rest = url.partition("@")
    scheme, slashes, user = head.partition("://")
    if not at or not slashes or "/" in user or ":" not in user:
        return url
    return f"{scheme}://{user.partition(':')[0]}:***@{rest}"


def fetch(request: Request) -> Answer:
    """Return the answer to a request; raise ``HttpError`` for one without a whole answer."""
    return asyncio.run(send(request))


async def send(request: Request) -> Answer:
    """Return the answer to a request; raise ``HttpError`` for one without a whole answer."""
    if not all(character.isprintable() for character in request.url):
        raise HttpError(f"parse {request.url!r}: net/url: invalid control character in URL")
    scheme = urlsplit(request.url).scheme
    if scheme not in ("http", "https"):
        raise HttpError(f'{request.method.capitalize()} "{shown(request.url)}": unsupported protocol scheme "{scheme}"')
    progress = _Progress(request.url)
    try:
        async with asyncio.timeout(request.timeout):
            return await _follow(request, progress)
    except HttpError as error:
        raise error if error.in_body else HttpError(progress.place(request.method) + str(error)) from None
    except TimeoutError:
        place, words = progress.place(request.method), "context deadline exceeded"
        if request.has_context:
            raise HttpError(words if progress.has_headers else place + words, in_body=progress.has_headers) from None
        if progress.has_headers:
            words += " (Client.Timeout or context cancellation while reading body)"
            raise HttpError(words, in_body=True) from None
        raise HttpError(f"{place}{words} (Client.Timeout exceeded while awaiting headers)") from None


class _Progress:
    """The URL that is asked now, as it was given, and whether its answer's headers are there."""

    def __init__(self, url: str) -> None:
        self.url, self.has_headers = url, False

    def place(self, method: str) -> str:
        return f'{method.capitalize()} "{shown(self.url)}": '


async def _follow(request: Request, progress: _Progress) -> Answer:
    for _ in range(MOST_REDIRECTS):
        answer = await _once(request, progress)
        target = answer.headers.get("location")
        if not request.follows_redirects or answer.status not in _MOVED or target is None:
            return answer
        progress.url, progress.has_headers = target, False
        request = _redirected(request, answer.status, urljoin(request.url, target))
    raise HttpError(f"stopped after {MOST_REDIRECTS} redirects")


def _redirected(request: Request, status: int, url: str) -> Request:
    """Return the request after a redirect; a POST becomes a GET as in Go."""
    from msgspec.structs import replace

    old, new = urlsplit(request.url), urlsplit(url)
    if new.scheme not in ("http", "https"):
        raise HttpError(f'unsupported protocol scheme "{new.scheme}"')
    is_upgrade = (old.scheme, new.scheme) == ("http", "https") and old.netloc == new.netloc and old.port is None
    is_same = is_upgrade or (new.scheme, new.netloc) == (old.scheme, old.netloc)
    if not is_same and (request.headers or request.body or old.username):
        raise HttpError(f"redirected to {new.netloc or url}: headers and a body are not sent to another host")
    if status not in (307, 308) and request.method not in ("GET", "HEAD"):
        return replace(request, method="GET", url=url, body=None)
    return replace(request, url=url)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not name or not all(
            character.isascii() and (character.isalnum() or character in _MARKS) for character in name
        ):
            raise HttpError(f'net/http: invalid header field name "{name}"')
        if any(character in "\r\n\0" for character in value):
            raise HttpError(f'net/http: invalid header field value for "{name}"')


async def _once(request: Request, progress: _Progress) -> Answer:
    import aiohttp

    _check_headers(request.headers)
    address = urlsplit(request.url)
    proxy, proxy_headers = _proxy(address.scheme, address.netloc.rpartition("@")[2])
    # The answer is read as it comes: one that is small on the wire could be large afterwards.
    headers = {"Accept-Encoding": "identity", "User-Agent": _user_agent(), **request.headers}
    if address.scheme == "http":
        headers |= proxy_headers
    try:
        async with (
            aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.request(
                request.method,
                request.url,
                headers=headers,
                data=request.body,
                allow_redirects=False,
                ssl=request.is_verified,
                proxy=proxy,
                proxy_headers=proxy_headers or None,
            ) as response,
        ):
            progress.has_headers = True
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > request.largest_answer:
                    size = request.largest_answer // 2**20
                    raise HttpError(f"the answer has more than {size} MiB, which is left out", in_body=True)
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, response.reason or "", names, bytes(body))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        words = _words(error, address.hostname or "")
        raise HttpError(words, in_body=progress.has_headers or words == _BAD_CHUNK) from None


def _user_agent() -> str:
    from renderer import __version__

    return f"rollstep/{__version__}"


def _proxy(scheme: str, place: str) -> tuple[str | None, dict[str, str]]:
    """Return the proxy that the environment names for a host, and the header with its credentials.

    The library's own search reads ``~/.netrc`` as well, whose credentials nobody asked to send.
    """
    from urllib.request import getproxies, proxy_bypass

    from aiohttp import encode_basic_auth

    named = getproxies().get(scheme)
    if not named or proxy_bypass(place):
        return None, {}
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    headers = {}
    if proxy.username:
        headers["Proxy-Authorization"] = encode_basic_auth(unquote(proxy.username), unquote(proxy.password or ""))
    return f"{proxy.scheme}://{proxy.netloc.rpartition('@')[2]}", headers


def _words(error: Exception, host: str) -> str:
    """Return Go's words for a failed request."""
    import os

    import aiohttp

    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"tls: failed to verify certificate: {getattr(error.certificate_error, 'verify_message', error)}"
        case aiohttp.ClientConnectorDNSError():
            return f"dial tcp: lookup {host}: no such host"
        case aiohttp.ClientConnectorError() if error.errno:
            return f"dial tcp {error.host}:{error.port}: connect: {os.strerror(error.errno).lower()}"
        case aiohttp.ServerDisconnectedError():
            return "EOF"
        case aiohttp.ClientPayloadError():
            return "unexpected EOF"
        case aiohttp.ClientResponseError() if "chunk" in error.message:
            return _BAD_CHUNK
        case aiohttp.ClientResponseError():
            return "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
        case OSError() if error.errno:
            return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
