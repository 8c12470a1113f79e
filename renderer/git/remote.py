"""The remote: its URL, without the passwords in it, and gits that talk to it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from renderer.errors import RollstepError
from renderer.git.process import Output, command, plain
from renderer.git.repository import Repository

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:@]+):(?P<path>(?!//).+)")
_TRANSPORT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*::")
_PLAIN_USER = re.compile(r"[\w.-]+")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:@]*)(:\d+)?")
_USER = re.compile(r"(?<=:)//[^/@\s]+@")


class Address(NamedTuple):
    """The parts of a remote's URL; ``host`` has the port, if the URL names one."""

    scheme: str
    host: str
    path: str


def remote_url(repository: Repository, remote: str) -> str:
    """Return the URL that git pushes to, after ``insteadOf``; empty for a missing remote."""
    found = repository.run("remote", "get-url", "--push", "--", remote, check=False)
    return "" if found.status else found.stdout.decode(errors="replace").strip()


def public_url(repository: Repository, remote: str) -> str:
    """Return the remote's URL without user and password; empty for a missing remote."""
    return without_password(remote_url(repository, remote))


def without_password(url: str) -> str:
    """Return ``url`` without all that can be a secret: user and password, query and fragment, a transport's command.

    A user alone stays where it is no secret, as in ``git@host:path`` and ``ssh://git@host/path``.
    """
    if _TRANSPORT.match(url):
        return f"{url.partition('::')[0]}::…"
    scheme, mark, rest = url.partition("://")
    if not mark:
        user, at, place = url.rpartition("@")
        return url if not at or "/" in user or _PLAIN_USER.fullmatch(user) else place
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    user, at, host = host.rpartition("@")
    if not at and not _HOST.fullmatch(host) and "@" in path:
        # A password with a slash in it, which no URL may have.
        host, slash, path = path.rpartition("@")[2].partition("/")
        user = ""
    is_plain = scheme in ("ssh", "git+ssh", "ssh+git") and _PLAIN_USER.fullmatch(user)
    return f"{scheme}://{f'{user}@' if is_plain else ''}{host}{slash}{path}"


def redacted(text: str, urls: Iterable[str]) -> str:
    """Return a program's ``text`` without the secrets in ``urls``, and in any other URL."""
    for url in sorted(set(urls), key=len, reverse=True):
        if url:
            text = text.replace(url, without_password(url))
            for part in _secrets(url):
                text = text.replace(part, "…")
    return _USER.sub("//", text)


def _secrets(url: str) -> Iterator[str]:
    """Yield the parts of a URL that may be secrets, the longest first; short words are none."""
    shown = without_password(url)
    if shown == url:
        return
    parts = {part for part in re.split(r"[/:@?#&=\s]+", url) if part not in re.split(r"[/:@\s]+", shown)}
    yield from sorted((part for part in parts if len(part) > 3), key=len, reverse=True)


def parse_url(url: str) -> Address | None:
    """Return the parts of a remote's URL in any of git's forms; None for a path on this machine."""
    url = without_password(url)
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ssh", "git", "git+ssh", "ssh+git") and parts.hostname:
        # The forge's API does not listen on the port of its ssh server.
        host = parts.netloc.rpartition("@")[2] if parts.scheme.startswith("http") else parts.hostname
        return Address(parts.scheme, host.lower(), _path(parts.path))
    if parts.scheme == "" or "://" not in url:
        found = _SCP.fullmatch(url)
        if found and not url.startswith(("/", ".")):
            return Address("ssh", found["host"].lower(), _path(found["path"]))
    return None


def _path(path: str) -> str:
    return path.strip("/").removesuffix(".git").strip("/")


def run_remote(
    repository: Repository, *args: str, environment: Mapping[str, str] | None = None, check: bool = True
) -> Output:
    """Run a ``git`` that talks to a remote, and return its status and output, with no passwords in the messages.

    Without a terminal git asks nobody for a password, and after a minute it gives up a transfer that stands still.
    ``environment`` is added to git's variables.  Raises RollstepError if git fails and ``check`` is set.
    """
    # GitPython takes long to import, and only a transfer uses it.
    from git import Git

    patience = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": "60"}
    quiet = {} if sys.stdin is not None and sys.stdin.isatty() else {"GIT_TERMINAL_PROMPT": "0"}
    status, stdout, stderr = Git(repository.root).execute(
        command(args, writes=True),
        with_extended_output=True,
        with_exceptions=False,
        stdout_as_string=False,
        strip_newline_in_stdout=False,
        env=repository.variables({**patience, **quiet, **(environment or {})}),
    )
    known = repository.run("config", "-z", "--get-regexp", r"^(remote\..*url|url\..*)$", check=False).stdout
    urls = [entry.partition("\n")[2] for entry in known.decode(errors="replace").split("\0")]
    output = Output(status, stdout, redacted(plain(stderr), [*urls, *args]) if stderr else "")
    if check and output.status:
        hint = "see that the remote can be reached, and that you may read and write there"
        raise RollstepError(f"git {args[0]} failed: {output.stderr or f'exit status {output.status}'}", hint=hint)
    return output
