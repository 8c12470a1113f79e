"""`freeze`, `quarantine` and `approve` with ``--push`` to a real server, while others push first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout
from tests.support.git_server import GitServer

UNTIL = "2026-03-01T20:00:00Z"
ADD = ("freeze", "add", "--until", UNTIL, "--now", NOON, "--push", "--reason")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """Yield a server with a repository of the example's apps, one of them released."""
    source = tmp_path / "source"
    source.mkdir()
    checkout = Checkout(source)
    checkout.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T08:00:00Z")
    folder = tmp_path / "served"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(source), str(folder / "origin.git")], check=True)
    subprocess.run(["git", "-C", str(folder / "origin.git"), "config", "http.receivepack", "true"], check=True)
    made = GitServer(folder)
    yield made
    made.close()


def clone(server: GitServer, folder: Path) -> Checkout:
    subprocess.run(["git", "clone", "--quiet", f"{server.url}/origin.git", str(folder)], check=True)
    made = Checkout.__new__(Checkout)
    made.root = folder
    return made


def there(folder: Path, *arguments: str) -> str:
    """Run git in the repository on the server and return its output."""
    command = ["git", "-C", str(folder / "served" / "origin.git"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def before_push(checkout: Checkout, *command: str) -> None:
    """Run ``command`` once, just before the next push of ``checkout``."""
    hook = checkout.root / ".git" / "hooks" / "pre-push"
    words = " ".join(f"'{word}'" for word in command)
    clean = "env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE -u GIT_PREFIX"
    hook.write_text(f'#!/bin/sh\nrm -- "$0"\n{clean} {words} >&2\n', encoding="utf-8")
    hook.chmod(0o755)


def rollstep(checkout: Checkout, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "renderer", "-C", str(checkout.root), *arguments]


def test_a_freeze_is_pushed_and_lifted_on_top_of_what_others_pushed(server: GitServer, tmp_path: Path) -> None:
    one, two = clone(server, tmp_path / "one"), clone(server, tmp_path / "two")
    told = one.run(*ADD, "Sale").stderr
    assert "pushed main to origin" in told
    assert there(tmp_path, "rev-parse", "main") == one.head
    told = two.run("freeze", "lift", "sale", "--push", "--now", NOON).stderr
    assert "the remote has gone on" in told
    assert two.subjects[:2] == ["Lift the freeze of all environments", f"Freeze all environments until {UNTIL}: Sale"]
    assert there(tmp_path, "rev-parse", "main") == two.head


def test_two_freezes_at_the_same_time_are_both_kept(server: GitServer, tmp_path: Path) -> None:
    one, two = clone(server, tmp_path / "one"), clone(server, tmp_path / "two")
    # A second later: two commits with the same time and people have the same hash.
    before_push(one, *rollstep(two, *ADD, "Sale", "--now", "2026-03-01T12:00:01Z"))
    told = one.run(*ADD, "Sale").stderr
    assert "the remote has gone on" in told
    # Nothing is merged as text: the name of the second freeze depends on the first.
    listed = one.json("freeze", "list", "--now", NOON)
    assert [freeze["name"] for freeze in listed] == ["sale", "sale-2"]
    assert there(tmp_path, "rev-parse", "main") == one.head
    assert there(tmp_path, "rev-list", "--count", "main") == "4"
    assert one.git("status", "--porcelain") == ""


def test_a_freeze_that_another_lifts_first_is_lifted_once(server: GitServer, tmp_path: Path) -> None:
    one, two = clone(server, tmp_path / "one"), clone(server, tmp_path / "two")
    one.run(*ADD, "Sale")
    two.git("pull", "--quiet")
    lift = ("freeze", "lift", "sale", "--push", "--now", "2026-03-01T12:00:01Z")
    before_push(one, *rollstep(two, *lift))
    told = one.run("freeze", "lift", "sale", "--push", "--now", NOON, code=1).stderr
    assert "somebody else has lifted the freeze sale meanwhile" in told
    assert one.head == two.head == there(tmp_path, "rev-parse", "main")
    assert one.git("status", "--porcelain") == ""


def test_a_release_that_goes_on_first_stays(server: GitServer, tmp_path: Path) -> None:
    one, two = clone(server, tmp_path / "one"), clone(server, tmp_path / "two")
    before_push(one, *rollstep(two, "advance", "prod/api", "--push", "--no-validate", "--now", NOON))
    one.run(*ADD, "Sale")
    assert [subject.split(":")[0].split(" until")[0] for subject in one.subjects[:2]] == [
        "Freeze all environments",
        "api (prod)",
    ]
    one.run("verify")
    told = two.run("advance", "prod/web", "--push", "--no-validate", "--now", "2026-03-01T12:00:02Z").stderr
    assert "the remote has gone on" in told


def test_a_freeze_that_the_server_refuses_is_not_committed(server: GitServer, tmp_path: Path) -> None:
    one = clone(server, tmp_path / "one")
    hook = tmp_path / "served/origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho main is protected >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    before = there(tmp_path, "rev-parse", "main")
    told = one.run(*ADD, "Sale", code=1).stderr
    assert "main is protected" in told
    assert "use a pull request" in told
    assert there(tmp_path, "rev-parse", "main") == before


def test_a_dry_run_pushes_and_writes_nothing(server: GitServer, tmp_path: Path) -> None:
    one = clone(server, tmp_path / "one")
    before, main = one.snapshot(), there(tmp_path, "rev-parse", "main")
    one.run(*ADD, "Sale", "--dry-run")
    assert one.snapshot() == before
    assert there(tmp_path, "rev-parse", "main") == main


def signing(checkout: Checkout, keys: Path) -> None:
    keys.mkdir(exist_ok=True)
    key = keys / checkout.root.name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice", "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    (keys / "allowed").write_text(f"alice@example.com {key.with_suffix('.pub').read_text()}", encoding="utf-8")
    settings = {"gpg.format": "ssh", "user.name": "alice", "user.email": "alice@example.com"}
    settings |= {"user.signingKey": f"{key}.pub", "gpg.ssh.allowedSignersFile": str(keys / "allowed")}
    for name, value in settings.items():
        checkout.git("config", name, value)


def test_an_approval_is_pushed_and_pushed_again_after_a_failure(server: GitServer, tmp_path: Path) -> None:
    one = clone(server, tmp_path / "one")
    signing(one, tmp_path / "keys")
    one.git("config", "remote.origin.pushurl", f"{server.url}/gone.git")
    told = one.run("approve", "--push", code=1).stderr
    assert "git push failed" in told
    assert there(tmp_path, "tag") == ""
    one.git("config", "--unset", "remote.origin.pushurl")
    tag = f"approvals/{one.head[:12]}/alice-example-com"
    assert f"pushed refs/tags/{tag} to origin" in one.run("approve", "--push").stderr
    assert there(tmp_path, "tag") == tag
    # An existing tag is not pushed again.
    one.run("approve", "--push")
    assert f"{tag} exists already" in one.run("approve", code=1).stderr


def test_an_approval_does_not_replace_another_of_the_same_name(server: GitServer, tmp_path: Path) -> None:
    one, two = clone(server, tmp_path / "one"), clone(server, tmp_path / "two")
    for checkout in (one, two):
        signing(checkout, tmp_path / "keys")
    one.run("approve", "--push")
    tag = f"refs/tags/approvals/{one.head[:12]}/alice-example-com"
    before = there(tmp_path, "rev-parse", tag)
    told = two.run("approve", "--push", code=1).stderr
    assert "origin has another tag of that name" in told
    assert there(tmp_path, "rev-parse", tag) == before


def test_list_and_push_do_not_go_together(server: GitServer, tmp_path: Path) -> None:
    one = clone(server, tmp_path / "one")
    assert "use either --list or --push" in one.run("approve", "--list", "--push", code=2).stderr


def test_images_in_quarantine_at_the_same_time_are_both_kept(server: GitServer, tmp_path: Path) -> None:
    one, two = clone(server, tmp_path / "one"), clone(server, tmp_path / "two")
    add = ("quarantine", "add", "--app", "web", "--reason", "Slow", "--push", "--now")
    before_push(one, *rollstep(two, *add, "2026-03-01T12:00:01Z", "shop/web:3"))
    assert "the remote has gone on" in one.run(*add, NOON, "shop/web:2").stderr
    assert [entry["image"] for entry in one.json("quarantine", "list")] == ["shop/web:2", "shop/web:3"]
    assert there(tmp_path, "rev-parse", "main") == one.head
    two.git("pull", "--quiet")
    lift = ("quarantine", "lift", "shop/web:2", "--reason", "Fast", "--push", "--now")
    before_push(one, *rollstep(two, *lift, "2026-03-01T12:00:03Z"))
    told = one.run(*lift, "2026-03-01T12:00:02Z", code=1).stderr
    assert "somebody else has lifted shop/web:2 meanwhile" in told
    assert one.head == two.head == there(tmp_path, "rev-parse", "main")
    one.run("verify")


def test_a_release_that_races_with_its_quarantine_is_not_pushed(server: GitServer, tmp_path: Path) -> None:
    one, two = clone(server, tmp_path / "one"), clone(server, tmp_path / "two")
    before_push(one, *rollstep(two, "quarantine", "add", TWO, "--reason", "Slow", "--push", "--now", NOON))
    release = ("set", "image", "prod/web", f"web={TWO}", "--push", "--no-validate", "--now", NOON)
    assert "is in quarantine" in one.run(*release, code=1).stderr
    assert there(tmp_path, "rev-parse", "main") == two.head
    assert one.git("status", "--porcelain") == ""
