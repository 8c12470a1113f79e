"""Which forge a repository is on, where its API is, and the token for it (shell)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from renderer.errors import Finding, RollstepError
from renderer.git.forges.settings import ForgeSettings
from renderer.git.remote import Address, parse_url, remote_url, without_password
from renderer.git.repository import Repository

_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket", "codeberg.org": "forgejo"}
_TITLES = {
    "github": "GitHub",
    "gitlab": "GitLab",
    "gitea": "Gitea",
    "forgejo": "Forgejo",
    "bitbucket": "Bitbucket",
}
_TYPES = tuple(_TITLES)
_TOKENS = {
    "github": ("GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("GITLAB_TOKEN",),
    "gitea": ("GITEA_TOKEN",),
    "forgejo": ("FORGEJO_TOKEN", "GITEA_TOKEN"),
    "bitbucket": ("BITBUCKET_TOKEN",),
}
_USERS = {"github": "x-access-token", "gitlab": "oauth2", "bitbucket": "x-token-auth"}
"""The user that goes with a token as password over HTTP, where the forge asks for one."""


# A dataclass, for it keeps the token out of what is shown of it.
@dataclass(frozen=True, slots=True)
class Site:
    """A repository on a forge: its kind, its own address, and the repository's path on it."""

    type: str
    url: str
    path: str
    token: str = field(default="", repr=False)

    @property
    def title(self) -> str:
        """The forge's name in words."""
        return _TITLES[self.type]

    @property
    def host(self) -> str:
        """The host, with its port where it has one."""
        return urlsplit(self.url).netloc

    @property
    def api(self) -> str:
        """Where the API is."""
        if self.type == "github":
            return "https://api.github.com" if self.host == "github.com" else f"{self.url}/api/v3"
        if self.type == "gitlab":
            return f"{self.url}/api/v4"
        if self.type == "bitbucket":
            return "https://api.bitbucket.org/2.0" if self.host == "bitbucket.org" else f"{self.url}/2.0"
        return f"{self.url}/api/v1"

    @property
    def token_names(self) -> tuple[str, ...]:
        """The variables that may have the token, the first one first."""
        return _TOKENS[self.type]

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request to the API says."""
        if self.type == "github":
            return {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "X-GitHub-Api-Version": "2022-11-28",
            }
        if self.type == "gitlab":
            return {"Accept": "application/json", "PRIVATE-TOKEN": self.token}
        scheme = "Bearer" if self.type == "bitbucket" else "token"
        return {"Accept": "application/json", "Authorization": f"{scheme} {self.token}"}


def find_site(repository: Repository, forge: ForgeSettings) -> Site:
    """Return the forge that the settings name, or that the URL of the remote tells.

    Raises RollstepError where neither does, or where there is no such remote.
    """
    url = remote_url(repository, forge.remote)
    if not url:
        hint = f"git remote add {forge.remote} URL, or name another one in rollstep.yaml: forge.remote"
        raise RollstepError(f"there is no remote {forge.remote}", hint=hint)
    address = parse_url(url)
    if address is None:
        message = f"the remote {forge.remote} is no address on a forge: {without_password(url)}"
        raise RollstepError([Finding("", 0, 0, "", message, "git remote set-url it to the forge's")])
    kind = forge.type or _kind(address)
    if kind is None:
        message = f"{address.host} does not tell which forge it is"
        hint = f"name it in rollstep.yaml: forge: {{type: {'|'.join(_TYPES)}}}"
        raise RollstepError([Finding("", 0, 0, "", message, hint)])
    base = (forge.url or _base(address)).rstrip("/")
    token = next((value for name in _TOKENS[kind] if (value := os.environ.get(name, "").strip())), "")
    # A forge below a path has it in the URL of the repository, too.
    prefix = urlsplit(base).path.strip("/")
    path = address.path.removeprefix(f"{prefix}/") if prefix and address.scheme.startswith("http") else address.path
    return Site(kind, base, path, token)


def git_environment(repository: Repository, forge: ForgeSettings) -> dict[str, str]:
    """Return the variables that let git log in at the forge over HTTP with the token of the environment.

    Git asks a helper that reads the variable: the token is in no argument and in no URL.  Whatever helper the user has
    configured is asked first.  Empty for any other remote, and where there is no token.
    """
    address = parse_url(remote_url(repository, forge.remote))
    kind = forge.type or (address and _kind(address))
    if address is None or kind is None or not address.scheme.startswith("http"):
        return {}
    base = forge.url or _base(address)
    name = next((name for name in _TOKENS[kind] if os.environ.get(name, "").strip()), None)
    if name is None or urlsplit(base).netloc.lower() != address.host:
        return {}
    user = _USERS.get(kind, "rollstep")
    helper = f'!f() {{ test "$1" = get && printf \'username={user}\\npassword=%s\\n\' "${name}"; }}; f'
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    return {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": f"credential.{address.scheme}://{address.host}.helper",
        f"GIT_CONFIG_VALUE_{count}": helper,
    }


def _kind(address: Address) -> str | None:
    host = address.host.partition(":")[0]
    labels = host.split(".")
    return _HOSTS.get(host) or next((kind for kind in _TYPES if kind in labels[:-1]), None)


def _base(address: Address) -> str:
    return f"{address.scheme if address.scheme == 'http' else 'https'}://{address.host}"
