"""Signatures of commits and tags, verified by git.

``gpg.ssh.allowedSignersFile`` lists the known SSH keys; GnuPG's keyring and ``gpg.minTrustLevel`` decide about GPG
keys: see ``git-verify-commit(1)`` and ``gpg.*`` in ``git-config(1)`` of git 2.39.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from renderer.git.repository import Repository

_PROGRAMS = {"gpg.program": "gpg", "gpg.x509.program": "gpgsm", "gpg.ssh.program": "ssh-keygen"}
"""The settings of git's programs that verify signatures, and their defaults."""

_SSH = re.compile(r'^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$', re.MULTILINE)
_GPG_KEY = re.compile(r"^\[GNUPG:\] VALIDSIG ([0-9A-F]+)(?: \S+){8}(?: ([0-9A-F]+))?$", re.MULTILINE)
_GPG_USER = re.compile(r"^\[GNUPG:\] GOODSIG \S+ .*?<([^<>\s]+)>$", re.MULTILINE)


def signer(repository: Repository, kind: str, name: str) -> tuple[str, ...]:
    """Return the signer's identities, which are addresses and fingerprints; empty for a signature that git refuses.

    ``kind`` is ``commit`` or ``tag``, ``name`` the hash of the object.
    """
    verified = repository.run(*_programs(repository), f"verify-{kind}", "--raw", name, check=False)
    return () if verified.status else tuple(dict.fromkeys(_identities(verified.stderr)))


@cache
def _programs(repository: Repository) -> list[str]:
    # The repository's own configuration could name any program, and so decide who has signed.
    listed = repository.run("config", "-z", "--show-scope", "--get-regexp", r"^gpg\..*program$", check=False)
    parts = listed.stdout.decode(errors="surrogateescape").split("\0")
    programs = dict(_PROGRAMS)
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = entry.partition("\n")
        key = key.replace(".openpgp.", ".")
        if scope in ("system", "global", "command") and key in programs:
            programs[key] = value
    return [word for key, value in programs.items() for word in ("-c", f"{key}={value}")]


def _identities(output: str) -> Iterator[str]:
    for principal, fingerprint in _SSH.findall(output):
        yield from (fingerprint, *principal.split(","))
    for fingerprint, primary in _GPG_KEY.findall(output):
        yield from filter(None, (primary, fingerprint))
    yield from _GPG_USER.findall(output)
