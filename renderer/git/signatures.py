"""Signatures of commits and tags, judged by git as it is configured (shell).

``gpg.ssh.allowedSignersFile`` says whose SSH keys are known, GnuPG's keyring (and ``gpg.minTrustLevel``) whose GPG keys
are: see ``git-verify-commit(1)`` and ``gpg.*`` in ``git-config(1)`` of git 2.39.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from renderer.git.repository import Repository

_PROGRAMS = {"gpg.program": "gpg", "gpg.x509.program": "gpgsm", "gpg.ssh.program": "ssh-keygen"}
"""The programs that git has judge signatures, and which they are by default."""
_SSH = re.compile(r'^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$', re.MULTILINE)
_GPG_KEY = re.compile(r"^\[GNUPG:\] VALIDSIG ([0-9A-F]+)(?: \S+){8}(?: ([0-9A-F]+))?$", re.MULTILINE)
_GPG_USER = re.compile(r"^\[GNUPG:\] GOODSIG \S+ .*?<([^<>\s]+)>$", re.MULTILINE)


def signer(repository: Repository, kind: str, name: str) -> tuple[str, ...]:
    """Return the signer's identities: addresses and fingerprints; none where git does not take the signature.

    ``kind`` is ``commit`` or ``tag``, ``name`` its hash.
    """
    told = repository.run(*_programs(repository), f"verify-{kind}", "--raw", name, check=False)
    return () if told.status else tuple(dict.fromkeys(_identities(told.stderr)))


@cache
def _programs(repository: Repository) -> list[str]:
    """Return options of git that take the programs which judge signatures from the user's configuration alone.

    The repository's own would say who has signed, and could be any program.
    """
    told = repository.run("config", "-z", "--show-scope", "--get-regexp", r"^gpg\..*program$", check=False)
    parts = told.stdout.decode(errors="surrogateescape").split("\0")
    programs = dict(_PROGRAMS)
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = entry.partition("\n")
        key = key.replace(".openpgp.", ".")
        if scope in ("system", "global", "command") and key in programs:
            programs[key] = value
    return [word for key, value in programs.items() for word in ("-c", f"{key}={value}")]


def _identities(told: str) -> Iterator[str]:
    for principal, fingerprint in _SSH.findall(told):
        yield from (fingerprint, *principal.split(","))
    for fingerprint, primary in _GPG_KEY.findall(told):
        yield from filter(None, (primary, fingerprint))
    yield from _GPG_USER.findall(told)
