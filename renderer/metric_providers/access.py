"""The way from here to the providers: addresses, secrets and the environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from renderer.rollouts.analysis.run import RunStatus

PORT_FORWARD = "kubectl://"
"""The scheme of an address that ``kubectl port-forward`` reaches: ``kubectl://NAMESPACE/service/NAME:PORT``."""

_PORTS = {"http": 80, "https": 443}


# A dataclass, whose repr leaves the environment out.
@dataclass(frozen=True)
class Access:
    """The access of a run to its providers.

    ``addresses`` maps an address within the cluster (``scheme://host[:port][/prefix]`` or ``host[:port]``) to one that
    is reachable from here, or to ``kubectl://NAMESPACE/service/NAME:PORT``.  ``secrets`` names the source of a Secret's
    data: ``{file: PATH}``, ``{env: {KEY: VARIABLE}}``, ``{kubectl: true}`` (or a namespace) or ``{sops: PATH}``.
    ``namespace`` is the app's.  ``environment`` has the variables of tokens and of the programs that run.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    namespace: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_exec: bool = False
    in_cluster: bool = False


@dataclass(frozen=True)
class RunReference:
    """The run that is measured: Kayenta needs its start, and a Job its name and the number of measurements."""

    name: str = ""
    uid: str = ""
    status: RunStatus = field(default_factory=RunStatus)


def address_from_here(url: str, access: Access) -> str:
    """Return a URL with the address that reaches it from here; the longest key of ``addresses`` counts."""
    found = _mapping(url, access.addresses)
    if found is None:
        return url
    key, target = found
    _, prefix = _split(key)
    parts = urlsplit(url)
    rest = parts.path[len(prefix.path.rstrip("/")) :]
    base = target if "://" in target else f"{parts.scheme}://{target}"
    query = f"?{parts.query}" if parts.query else ""
    return base.rstrip("/") + rest + query


def mapped_target(url: str, access: Access) -> str | None:
    """Return the value of ``addresses`` for a URL; None for one that is not mapped."""
    found = _mapping(url, access.addresses)
    return found[1] if found is not None else None


def unreachable(url: str, access: Access) -> str:
    """Return the reason for which an address cannot be reached from here; empty if nothing speaks against it."""
    if access.in_cluster or "{{" in url or mapped_target(url, access) is not None:
        return ""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    if not _is_in_cluster(host):
        return ""
    return (
        f"{host} is a name within the cluster: map it in analysis.addresses, to an address that is reachable from here"
        " or to kubectl://NAMESPACE/service/NAME:PORT"
    )


def missing_token(secret: str, default: str, variables: Sequence[str], access: Access) -> Iterator[str]:
    """Yield that a token is missing: the Secret ``secret``, or without that the ``default`` one or the variables."""
    if secret and secret not in access.secrets:
        yield f"the Secret {secret} has no source in analysis.secrets"
    missing = [variable for variable in variables if not access.environment.get(variable)]
    if missing and not secret and default not in access.secrets:
        listed = (", " if len(variables) > 2 else " and ").join(missing)
        yield f"the token is missing: set {listed}, or name analysis.secrets.{default}"


def _is_in_cluster(host: str) -> bool:
    if host in ("", "localhost"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".svc", ".svc.cluster.local"))
    return False


def _mapping(url: str, addresses: Mapping[str, str]) -> tuple[str, str] | None:
    try:
        asked = urlsplit(url)
        found = [(key, value) for key, value in addresses.items() if _covers(key, asked)]
    except ValueError:
        return None
    return max(found, key=lambda item: len(item[0])) if found else None


def _covers(key: str, asked: SplitResult) -> bool:
    has_scheme, wanted = _split(key)
    if has_scheme and wanted.scheme != asked.scheme:
        return False
    if _name(wanted) != _name(asked):
        return False
    port = _PORTS.get(asked.scheme) if asked.port is None else asked.port
    wanted_port = wanted.port or (_PORTS.get(wanted.scheme) if has_scheme else None)
    if wanted_port is not None and wanted_port != port:
        return False
    prefix = wanted.path.rstrip("/")
    return asked.path == prefix or asked.path.startswith(f"{prefix}/")


def _split(key: str) -> tuple[bool, SplitResult]:
    return "://" in key, urlsplit(key if "://" in key else f"//{key}")


def _name(parts: SplitResult) -> str:
    return (parts.hostname or "").removesuffix(".").removesuffix(".cluster.local")
