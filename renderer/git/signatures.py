"""Signatures of commits and tags, verified by git.

``gpg.ssh.allowedSignersFile`` lists the known SSH keys; GnuPG's keyring and ``gpg.minTrustLevel`` decide about GPG
keys: see ``git-verify-commit(1)`` and ``gpg.*`` in ``git-config(1)`` of git 2.39.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from tempfile import NamedTemporaryFile

from renderer.git.repository import Repository

_PROGRAMS = {"gpg.program": "gpg", "gpg.x509.program": "gpgsm", "gpg.ssh.program": "ssh-keygen"}
"""The settings of git's programs that verify signatures, and their defaults."""

_BEGIN = b"-----BEGIN SSH SIGNATURE-----"
_SSH = re.compile(r'^Good "git" signature for (.+) with \S+ key (SHA256:\S+)$', re.MULTILINE)
_GPG_KEY = re.compile(r"^\[GNUPG:\] VALIDSIG ([0-9A-F]+)(?: \S+){8}(?: ([0-9A-F]+))?$", re.MULTILINE)
_GPG_USER = re.compile(r"^\[GNUPG:\] GOODSIG \S+ .*?<([^<>\s]+)>$", re.MULTILINE)


def signer(repository: Repository, kind: str, name: str, at: datetime | None = None) -> tuple[str, ...]:
    """Return the signer's identities, which are addresses and fingerprints; empty for a signature that git refuses.

    ``kind`` is ``commit`` or ``tag``, ``name`` the hash of the object.  Git takes an SSH key that was valid at the time
    that the object itself says; with ``at`` it has to be valid at that time too.
    """
    programs = _programs(repository)
    verified = repository.run(*_options(programs), f"verify-{kind}", "--raw", name, check=False)
    if verified.status:
        return ()
    if at is not None and _SSH.search(verified.stderr) and not _is_valid(repository, programs, kind, name, at):
        return ()
    return tuple(dict.fromkeys(_identities(verified.stderr)))


def _is_valid(repository: Repository, programs: Mapping[str, str], kind: str, name: str, at: datetime) -> bool:
    """Return whether the key of an SSH signature is an allowed one at a time (``ssh-keygen(1)``, ALLOWED SIGNERS)."""
    content = repository.run("cat-file", kind, name).stdout
    if kind == "commit":
        found = re.search(rb"^gpgsig(?:-sha256)? (.*(?:\n .*)*)", content, re.MULTILINE)
        signature = found[1].replace(b"\n ", b"\n") if found else b""
    else:
        start = content.rfind(_BEGIN)
        signature = content[start:] if start >= 0 else b""
    signers = repository.run("config", "--type=path", "--get", "gpg.ssh.allowedSignersFile", check=False).stdout
    with NamedTemporaryFile(prefix="rollstep-signature-") as file:
        file.write(signature.rstrip(b"\n") + b"\n")
        file.flush()
        time = at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
        allowed = os.fsdecode(signers.strip())
        command = [programs["gpg.ssh.program"], "-Y", "find-principals", "-f", allowed, "-s", file.name]
        try:
            done = subprocess.run(
                [*command, f"-Overify-time={time}"], cwd=repository.root, capture_output=True, check=False
            )
        except OSError:
            return False
    return done.returncode == 0


@cache
def _programs(repository: Repository) -> dict[str, str]:
    # The repository's own configuration could name any program, and so decide who has signed.
    listed = repository.run("config", "-z", "--show-scope", "--get-regexp", r"^gpg\..*program$", check=False)
    parts = listed.stdout.decode(errors="surrogateescape").split("\0")
    programs = dict(_PROGRAMS)
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = entry.partition("\n")
        key = key.replace(".openpgp.", ".")
        if scope in ("system", "global", "command") and key in programs:
            programs[key] = value
    return programs


def _options(programs: Mapping[str, str]) -> list[str]:
    return [word for key, value in programs.items() for word in ("-c", f"{key}={value}")]


def _identities(output: str) -> Iterator[str]:
    for principal, fingerprint in _SSH.findall(output):
        yield from (fingerprint, *principal.split(","))
    for fingerprint, primary in _GPG_KEY.findall(output):
        yield from filter(None, (primary, fingerprint))
    yield from _GPG_USER.findall(output)
