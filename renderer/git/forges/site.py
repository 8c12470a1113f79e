"""The forge that hosts a repository, the address of its API, and its token."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from renderer.errors import Finding, RollstepError
from renderer.git.forges.bitbucket import BITBUCKET
from renderer.git.forges.forge import Forge, ForgeType
from renderer.git.forges.gitea import FORGEJO, GITEA
from renderer.git.forges.github import GITHUB
from renderer.git.forges.gitlab import GITLAB
from renderer.git.forges.http import Client
from renderer.git.forges.settings import ForgeSettings
from renderer.git.remote import Address, parse_url, remote_url, without_password
from renderer.git.repository import Repository

FORGES: Mapping[str, ForgeType] = {
    "github": GITHUB,
    "gitlab": GITLAB,
    "gitea": GITEA,
    "forgejo": FORGEJO,
    "bitbucket": BITBUCKET,
}
"""The forges by their name in ``forge.type`` of ``rollstep.yaml``."""


# A dataclass, whose repr leaves the token out.
@dataclass(frozen=True, slots=True)
class Site:
    """A repository on a forge: the type and URL of the forge, and the repository's path on it."""

    type: ForgeType
    url: str
    path: str
    token: str = field(default="", repr=False)

    @property
    def token_variables(self) -> tuple[str, ...]:
        """The environment variables that may have the token, the first one first."""
        return self.type.token_variables


def open_forge(site: Site) -> Forge:
    """Return the forge at ``site``; raise RollstepError without a token in the environment."""
    if not site.token:
        host = urlsplit(site.url).netloc
        hint = f"set {' or '.join(site.token_variables)}, with a token that may write pull requests and push"
        raise RollstepError([Finding("", 0, 0, "", f"there is no token for {site.type.title} at {host}", hint)])
    client = Client(site.type.api(site.url), site.type.headers(site.token), site.type.title, site.token)
    return site.type.open(client, site.path)


def find_site(repository: Repository, forge: ForgeSettings) -> Site:
    """Return the forge of the settings or of the remote's URL; raise RollstepError if unknown, or without a remote."""
    url = remote_url(repository, forge.remote)
    if not url:
        hint = f"git remote add {forge.remote} URL, or name another one in rollstep.yaml: forge.remote"
        raise RollstepError(f"there is no remote {forge.remote}", hint=hint)
    address = parse_url(url)
    if address is None:
        message = f"the remote {forge.remote} is no address on a forge: {without_password(url)}"
        raise RollstepError([Finding("", 0, 0, "", message, "git remote set-url it to the forge's")])
    found = _type(address, forge)
    if found is None:
        message = f"{address.host} does not tell which forge it is"
        hint = f"name it in rollstep.yaml: forge: {{type: {'|'.join(FORGES)}}}"
        raise RollstepError([Finding("", 0, 0, "", message, hint)])
    base = (forge.url or _base(address)).rstrip("/")
    variable = _token_variable(found)
    token = os.environ[variable].strip() if variable else ""
    # A forge below a path has that path in the repository's HTTP URL, too.
    prefix = urlsplit(base).path.strip("/")
    path = address.path.removeprefix(f"{prefix}/") if prefix and address.scheme.startswith("http") else address.path
    return Site(found, base, path, token)


def git_environment(repository: Repository, forge: ForgeSettings) -> dict[str, str]:
    """Return the variables with which git logs in at the forge over HTTP with the token of the environment.

    A credential helper reads the token's variable, so the token is in no argument and no URL.  Git asks the user's own
    helpers first.  Returns nothing for any other remote and without a token.
    """
    address = parse_url(remote_url(repository, forge.remote))
    found = _type(address, forge) if address else None
    if address is None or found is None or not address.scheme.startswith("http"):
        return {}
    variable = _token_variable(found)
    if variable is None or urlsplit(forge.url or _base(address)).netloc.lower() != address.host:
        return {}
    helper = f'!f() {{ test "$1" = get && printf \'username={found.git_user}\\npassword=%s\\n\' "${variable}"; }}; f'
    count = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    return {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": f"credential.{address.scheme}://{address.host}.helper",
        f"GIT_CONFIG_VALUE_{count}": helper,
    }


def _type(address: Address, forge: ForgeSettings) -> ForgeType | None:
    """Return the type of the settings, of a public host, or of a host with the type's name in it (git.gitea.local)."""
    if forge.type is not None:
        return FORGES[forge.type]
    host = address.host.partition(":")[0]
    labels = host.split(".")[:-1]
    by_host = (found for found in FORGES.values() if found.host == host)
    return next(by_host, None) or next((found for name, found in FORGES.items() if name in labels), None)


def _token_variable(found: ForgeType) -> str | None:
    return next((name for name in found.token_variables if os.environ.get(name, "").strip()), None)


def _base(address: Address) -> str:
    return f"{address.scheme if address.scheme == 'http' else 'https'}://{address.host}"
