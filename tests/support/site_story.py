"""A repository whose releases a site shows: complete, aborted, undone, merged, running; and hostile names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import TWO, Checkout
from tests.support.metrics import advance, analyzed, at, release

IMAGE = "registry.example.com/shop/web:{}"
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;"
"""A name that is no HTML and no end of an attribute anywhere."""
REASON = '</title><script>alert("x")</script> errors at 20%'
BAD = 62
"""The minute after noon from which on the metrics of ``measured_story`` are bad (``bad_after``)."""
FORGE = "git@github.com:example/shop.git"


def dated(checkout: Checkout, time: str, *arguments: str, author: str = "Ada <b>Lovelace</b>") -> None:
    """Run git with the time and the author of a commit."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
            patch.setenv(name, time)
        for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
            patch.setenv(name, author)
        checkout.git(*arguments)


def do(checkout: Checkout, time: str, *arguments: str) -> None:
    """Run a command that commits at a time."""
    checkout.run(*arguments, "--now", time, "--no-validate")


def story(root: Path) -> Checkout:
    """Return the repository at ``root``, which need not exist.

    In prod/web, revision 1 is the first release, 2 (1.1.0) is complete, 3 (1.2.0) waits in the sources, begins and is
    aborted, 4 undoes it, and 5 (1.3.0) is at its second pause, by a merge.  Production of api has a waiting version,
    dev is frozen, and an app in prod has a hostile name.
    """
    made = Checkout(root)
    made.git("remote", "add", "origin", FORGE)
    for path in ("environments/staging",):
        shutil.rmtree(root / path)
    shutil.copytree(root / "environments/prod/api", root / "environments/prod" / HOSTILE)
    dated(made, "2026-02-27T08:00:00Z", "add", "--all")
    dated(made, "2026-02-27T08:00:00Z", "commit", "--quiet", "--message=Keep prod and dev")
    do(made, "2026-02-28T08:00:00Z", "advance", "--all", "--together")
    do(made, "2026-03-01T09:00:00Z", "set", "image", "prod/web", f"web={IMAGE.format('1.1.0')}")
    do(made, "2026-03-01T09:40:00Z", "promote", "prod/web", "--full")
    made.edit("environments/prod/web/rollout.yaml", "web:1.1.0", "web:1.2.0")
    dated(made, "2026-03-02T07:30:00Z", "commit", "--quiet", "--all", "--message=Bump web")
    do(made, "2026-03-02T09:00:00Z", "advance", "prod/web")
    do(made, "2026-03-02T09:30:00Z", "abort", "prod/web", "--message", REASON)
    do(made, "2026-03-02T10:00:00Z", "undo", "prod/web")
    do(made, "2026-03-03T09:00:00Z", "set", "image", "prod/web", f"web={IMAGE.format('1.3.0')}")
    made.git("switch", "--quiet", "--create", "step")
    do(made, "2026-03-03T09:20:00Z", "promote", "prod/web")
    made.git("switch", "--quiet", "main")
    merge = "Merge pull request #12 from example/step\n\nweb: 40%"
    dated(made, "2026-03-03T11:00:00Z", "merge", "--quiet", "--no-ff", "--message", merge, "step", author="Grace")
    freeze = ("--until", "2026-04-01T00:00:00Z", "--reason", "Sale <b>", "--env", "dev", "--now")
    made.run("freeze", "add", *freeze, "2026-03-03T12:00:00Z")
    made.edit("environments/prod/api/rollout.yaml", "api:1.0.0", "api:2.1.0")
    dated(made, "2026-03-03T12:30:00Z", "commit", "--quiet", "--all", "--message=Bump api")
    return made


def measured_story(root: Path, address: str) -> Checkout:
    """Return a repository at ``root``, which a server at ``address`` has measured.

    In prod/web, 2.0.0 is complete after a success, and 3.0.0 is taken back by its verdict and in quarantine.
    """
    made = analyzed(root, address)
    release(made)
    for minute in (1, 2, 3):
        advance(made, minute)
    do(made, at(10), "promote", "prod/web", "--full")
    made.edit("environments/prod/web/rollout.yaml", TWO, IMAGE.format("3.0.0"))
    dated(made, at(50), "commit", "--quiet", "--all", "--message=Bump web")
    for minute in (60, 61, 65):
        advance(made, minute)
    return made
