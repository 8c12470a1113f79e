"""A checkout whose production needs two approvals, and people who can sign with real SSH keys."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.commands import NOON, TWO, Checkout

ASK = "environments:\n  prod:\n    approvals: 2\n"


class Team(Checkout):
    """A checkout in which alice, bob and eve can sign; git knows the keys of the first two."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.keys = root.parent
        known = ""
        for name in ("alice", "bob", "eve"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.keys / name)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            if name != "eve":
                known += f"{name}@example.com {self.public(name)}\n"
        (self.keys / "allowed").write_text(known, encoding="utf-8")
        self.configure(self.root)
        self.edit("rollstep.yaml", "environments:\n", ASK)
        self.run("advance", "prod/web", "--include-sources", "--no-validate", "--now", "2026-03-01T08:00:00Z")

    def configure(self, place: Path) -> None:
        """Configure git in ``place`` to sign with SSH keys, and to know their owners."""
        for key, value in {
            "gpg.format": "ssh",
            "gpg.ssh.allowedSignersFile": str(self.keys / "allowed"),
        }.items():
            subprocess.run(["git", "-C", str(place), "config", key, value], check=True)

    def public(self, name: str) -> str:
        return (self.keys / f"{name}.pub").read_text(encoding="utf-8").strip()

    def become(self, name: str, *, sign: bool = False) -> None:
        """Act as a person, who signs commits or not."""
        self.git("config", "user.name", name)
        self.git("config", "user.email", f"{name}@example.com")
        self.git("config", "user.signingKey", str(self.keys / f"{name}.pub"))
        self.git("config", "commit.gpgSign", str(sign).lower())

    def release(self) -> None:
        """Begin a release of prod/web."""
        self.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON)

    def approve(self, name: str, commit: str = "HEAD") -> None:
        self.become(name)
        self.run("approve", commit)

    def copied(self, folder: Path) -> Team:
        """Return a copy of the checkout and of all keys in ``folder``, which need not exist."""
        shutil.copytree(self.keys, folder, symlinks=True)
        made = Team.__new__(Team)
        made.keys, made.root = folder, folder / self.root.name
        made.configure(made.root)
        return made
