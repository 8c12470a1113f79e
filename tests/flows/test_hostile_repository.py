"""A hostile repository: verbs that only read run no planted program, and no list leads to files elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from renderer.git.repository import Repository
from renderer.git.signatures import signer
from tests.support.commands import NOON, Checkout

READING = [["render", "--check", "prod/web"], ["plan", "prod/web"], ["status", "prod/web"], ["lint", "environments"]]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "repo")
    made.run("advance", "prod/web", "--now", NOON, "--no-validate")
    return made


def test_reading_runs_no_planted_fsmonitor(checkout: Checkout, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "planted"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
    program.chmod(0o755)
    checkout.git("config", "core.fsmonitor", str(program))
    checkout.git("status")
    assert ran.exists(), "git itself runs it"
    ran.unlink()
    for verb in READING:
        checkout.process(*verb)
        assert not ran.exists(), verb


@pytest.mark.parametrize("up", ["../../../../victim", "../rollout.yaml"])
def test_a_marker_that_names_a_file_elsewhere(checkout: Checkout, tmp_path: Path, up: str) -> None:
    (tmp_path / "victim").write_text("mine\n", encoding="utf-8")
    rendered = checkout.root / "environments/prod/web/rendered"
    target = (rendered / up).resolve()
    before = target.read_bytes() if target.exists() else b""
    with (rendered / ".rollstep").open("a", encoding="utf-8") as marker:
        marker.write(f"{hashlib.sha256(before).hexdigest()}  {up}\n")
    checkout.commit()
    done = checkout.run("render", "prod/web", "--no-validate", code=1)
    assert ".rollstep:" in done.stderr
    assert (target.read_bytes() if target.exists() else b"") == before
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "mine\n"


PROGRAMS = (
    "alias.log",
    "core.alternateRefsCommand",
    "core.askPass",
    "core.editor",
    "core.fsmonitor",
    "core.pager",
    "core.sshCommand",
    "credential.helper",
    "diff.external",
    "diff.x.command",
    "diff.x.textconv",
    "filter.x.clean",
    "filter.x.process",
    "filter.x.smudge",
    "gpg.openpgp.program",
    "gpg.program",
    "gpg.ssh.defaultKeyCommand",
    "gpg.ssh.program",
    "gpg.x509.program",
    "merge.x.driver",
    "pager.log",
    "sequence.editor",
    "uploadpack.packObjectsHook",
)
HOOKS = ("commit-msg", "post-checkout", "post-commit", "post-index-change", "pre-commit", "reference-transaction")


def sign(checkout: Checkout) -> None:
    """Give HEAD an invalid signature."""
    head, _, message = checkout.git("cat-file", "commit", "HEAD").partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----"
    (checkout.root / "signed").write_text(f"{head}\n{signature}\n\n{message}", encoding="utf-8")
    sha = checkout.git("hash-object", "-t", "commit", "-w", "signed")
    (checkout.root / "signed").unlink()
    checkout.git("reset", "--quiet", sha.strip())


@pytest.mark.parametrize("hooks", ["core.hooksPath", ".git/hooks"])
def test_reading_runs_nothing_of_a_planted_configuration(checkout: Checkout, tmp_path: Path, hooks: str) -> None:
    """This covers filters, textconv, pagers, signing programs and hooks; verbs that read change no index."""
    sign(checkout)
    ran = tmp_path / "ran"

    def plant(path: Path) -> str:
        path.write_text(f"#!/bin/sh\necho {path.name} >> {ran}\ncat\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    for key in PROGRAMS:
        checkout.git("config", key, plant(tmp_path / f"program-{key}"))
    folder = checkout.root / ".git/hooks"
    if hooks == "core.hooksPath":
        folder = tmp_path / "hooks"
        checkout.git("config", "core.hooksPath", str(folder))
    folder.mkdir(exist_ok=True)
    for name in HOOKS:
        plant(folder / name)
    checkout.git("config", "log.showSignature", "true")
    (checkout.root / ".git/info").mkdir(exist_ok=True)
    (checkout.root / ".git/info/attributes").write_text("* filter=x diff=x merge=x\n", encoding="utf-8")
    checkout.git("log", "-1")
    checkout.git("update-index", "--refresh")
    assert {"program-gpg.program", "program-core.fsmonitor"} <= set(ran.read_text().split()), "git runs them"
    ran.unlink()
    for verb in READING:
        checkout.process(*verb)
        assert not ran.exists(), (verb, ran.read_text(encoding="utf-8"))
    for judging in (["verify", "HEAD"], ["replay", "HEAD~1.."], ["history", "prod/web"], ["get", "prod/web"]):
        checkout.run(*judging)
        assert not ran.exists(), (judging, ran.read_text(encoding="utf-8"))
    assert signer(Repository.open(checkout.root), "commit", "HEAD") == ()
    assert not ran.exists(), ran.read_text(encoding="utf-8")


def test_the_users_own_program_judges_signatures(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(checkout)
    program = tmp_path / "mine"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "config").write_text(f"[gpg]\nprogram = {program}\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert signer(Repository.open(checkout.root), "commit", "HEAD") == ()
    assert (tmp_path / "asked").exists()


@pytest.mark.parametrize("how", ["include.path", "includeIf.gitdir:**.path", "config.worktree"])
def test_reading_runs_nothing_of_what_a_configuration_includes(checkout: Checkout, tmp_path: Path, how: str) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "planted"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
    program.chmod(0o755)
    planted = f'[core]\n\tfsmonitor = {program}\n\thooksPath = {tmp_path}\n[filter "x"]\n\tclean = {program}\n'
    if how == "config.worktree":
        checkout.git("config", "extensions.worktreeConfig", "true")
        (checkout.root / ".git/config.worktree").write_text(planted, encoding="utf-8")
    else:
        (checkout.root / ".git/more").write_text(planted, encoding="utf-8")
        checkout.git("config", how, str(checkout.root / ".git/more"))
    (checkout.root / ".git/info").mkdir(exist_ok=True)
    (checkout.root / ".git/info/attributes").write_text("* filter=x\n", encoding="utf-8")
    checkout.git("status")
    assert ran.exists(), "git itself runs it"
    ran.unlink()
    for verb in READING:
        checkout.process(*verb)
        assert not ran.exists(), verb


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else")
@pytest.mark.parametrize("verb", [["advance", "prod/web"], ["undo", "prod/web"], ["abort", "prod/web"]])
def test_a_repository_of_somebody_else_is_gits_to_judge(checkout: Checkout, verb: list[str]) -> None:
    checkout.edit("environments/prod/web/rollout.yaml", "1.0.0", "2.0.0")
    before = files(checkout.root)
    for path in (checkout.root, checkout.root / ".git"):
        os.chown(path, 12345, 12345)
    done = checkout.process(*verb, "--now", NOON, code=1)
    assert "dubious ownership" in done.stderr
    assert "safe.directory" in done.stderr
    assert files(checkout.root) == before


def files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_objects_of_another_repository_are_read_and_never_written(checkout: Checkout, tmp_path: Path) -> None:
    """``.git/objects/info/alternates`` may name any folder, which git only reads."""
    other = Checkout(tmp_path / "other")
    objects = other.root / ".git/objects"
    before = sorted(objects.rglob("*"))
    (checkout.root / ".git/objects/info/alternates").write_text(f"{objects}\n", encoding="utf-8")
    checkout.edit("environments/prod/web/rollout.yaml", "1.0.0", "2.0.0")
    checkout.commit("Release another image")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    assert sorted(objects.rglob("*")) == before
    checkout.git("fsck", "--strict")


@pytest.mark.parametrize(
    ("path", "folders", "more"),
    [
        ("../outside", [], {}),
        ("/../outside", [], {}),
        (".git/hooks/post-commit", [], {}),
        ("environments/.GIT/config", [], {}),
        ("link/outside", [], {}),
        (".rollstep-journal/lock", [], {}),
        ("environments/new", ["../made"], {}),
        ("environments/new", [], {"file": "../../outside"}),
        ("environments/new", [], {"other": "../../outside"}),
        (7, [], {}),
    ],
)
def test_a_journal_that_came_with_the_repository_leads_nowhere(
    checkout: Checkout, path: str | int, folders: list[str], more: dict[str, str]
) -> None:
    outside = checkout.root.parent / "elsewhere"
    outside.mkdir()
    (checkout.root / "link").symlink_to(outside)
    (checkout.root.parent / "outside").write_text("theirs\n", encoding="utf-8")
    journal = checkout.root / ".rollstep-journal"
    journal.mkdir()
    (journal / "old-0").write_bytes(b"planted\n")
    entry = {"path": path, "old": hashlib.sha256(b"planted\n").hexdigest(), "new": None, **more}
    index = {"memo": {}, "folders": folders, "entries": [entry]}
    (journal / "journal.json").write_text(json.dumps(index), encoding="utf-8")
    before = files(checkout.root.parent)
    done = checkout.process("advance", "prod/web", "--now", NOON, code=1)
    assert "the journal of an interrupted run cannot be read" in done.stderr
    after = files(checkout.root.parent)
    assert {name for name in after if after[name] != before.get(name)} <= {journal / "lock"}
    assert before.keys() <= after.keys()
    assert not (checkout.root.parent / "made").exists()


@pytest.mark.parametrize("verb", [["advance", "prod/web"], ["render", "prod/web", "--no-validate"]])
def test_a_journal_that_is_a_link_is_not_followed(checkout: Checkout, verb: list[str]) -> None:
    outside = checkout.root.parent / "elsewhere"
    outside.mkdir()
    (outside / "theirs").write_text("theirs\n", encoding="utf-8")
    (checkout.root / ".rollstep-journal").symlink_to(outside)
    # Without anything to write, no journal is needed.
    (checkout.root / "environments/prod/web/rendered/kustomization.yaml").unlink(missing_ok=True)
    done = checkout.process(*verb, "--now", NOON, code=1)
    assert ".rollstep-journal: is a link" in done.stderr
    assert files(outside) == {outside / "theirs": b"theirs\n"}


def test_a_lock_that_came_with_the_repository(checkout: Checkout) -> None:
    folder = checkout.root / ".rollstep-journal"
    folder.mkdir()
    (folder / "lock").symlink_to("/nowhere/at/all")
    checkout.git("add", "--all", "--force")
    checkout.commit()
    done = checkout.run("set", "image", "prod/web", "web=web:2", "--no-validate", code=1)
    assert ".rollstep-journal/lock: cannot be written" in done.stderr


@pytest.mark.parametrize("kind", ["secret", "endless", "pipe"])
@pytest.mark.parametrize("name", ["rendered/kustomization.yaml", "rendered/.rollstep", "status.yaml"])
def test_own_files_are_regular_files(checkout: Checkout, tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "secret").write_text("password: hunter2\n", encoding="utf-8")
    path = checkout.root / "environments/prod/web" / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "secret" if kind == "secret" else "/dev/zero")
    for verb in (["render", "--check", "prod/web"], ["plan", "prod/web"], ["status", "prod/web"]):
        done = checkout.run(*verb, code=1)
        assert "hunter2" not in done.stdout + done.stderr
        assert f"environments/prod/web/{name}" in done.stderr


def test_an_output_that_is_another_file(checkout: Checkout) -> None:
    checkout.edit("rollstep.yaml", "defaults:\n", "defaults:\n  output: status.yaml\n")
    checkout.commit()
    before = checkout.snapshot()
    checkout.run("advance", "staging/web", "--no-validate", "--now", NOON, code=1)
    assert checkout.snapshot() == before
    checkout.git("revert", "--no-edit", "HEAD")
    checkout.run("advance", "staging/web", "--no-validate", "--now", NOON)


def test_a_pod_template_edited_with_its_digest(checkout: Checkout) -> None:
    folder = checkout.root / "environments/prod/web/rendered"
    (path,) = folder.glob("replicaset-*.yaml")
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    checkout.edit(path.relative_to(checkout.root).as_posix(), "web:1.0.0", "web:6.6.6")
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    checkout.edit("environments/prod/web/rendered/.rollstep", old, new)
    checkout.commit()
    for verb in (["render", "--check", "prod/web"], ["render", "prod/web"], ["render", "--check", "prod/web"]):
        assert "spec.template: was edited by hand" in checkout.run(*verb, "--no-validate", code=1).stderr


@pytest.mark.parametrize("date", ["253402300800 +0000", "99999999999999999 +0000", "1 +9999", "-1 +0000"])
@pytest.mark.parametrize("encoding", ["", "UTF-16BE", "IBM037", "UTF-7", "none"])
def test_commits_with_odd_dates_and_encodings(checkout: Checkout, date: str, encoding: str) -> None:
    raw = checkout.git("cat-file", "commit", "HEAD")
    line = next(line for line in raw.splitlines() if line.startswith("committer "))
    new = f"committer a <a@b> {date}" + (f"\nencoding {encoding}" if encoding else "")
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"]
    content = raw.replace(line, new).replace("web (prod)", "+AAA-web (prod)")
    done = subprocess.run(command, cwd=checkout.root, input=content, capture_output=True, text=True, check=True)
    sha = done.stdout.strip()
    checkout.git("update-ref", "refs/heads/main", sha)
    for verb in (["verify", f"{sha}^..{sha}"], ["history", "prod/web"], ["replay", f"{sha}^..{sha}"]):
        done = checkout.process(*verb, code=-1)
        assert done.returncode in (0, 1), done.stderr


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\x9b31m", "\u202e", "\u2028", "\r", "\x7f"])
def test_a_diff_obeys_nobody(checkout: Checkout, text: str) -> None:
    path = checkout.root / "environments/prod/web/rendered/kustomization.yaml"
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(f"# x{text}y\n")
    for verb in (["render", "--check", "prod/web"], ["render", "prod/web", "--dry-run", "--no-validate"]):
        for output in ([], ["-o", "json"]):
            done = checkout.process(*verb, *output, code=-1)
            assert (done.stdout + done.stderr).replace("\n", "").isprintable(), (verb, output)
            assert "# x" in done.stdout


@pytest.mark.parametrize("flag", ["--skip-worktree", "--assume-unchanged"])
@pytest.mark.parametrize("name", ["status.yaml", "rendered/kustomization.yaml", "rollout.yaml"])
def test_an_entry_that_git_does_not_compare_is_not_removed(checkout: Checkout, flag: str, name: str) -> None:
    checkout.git("update-index", flag, f"environments/prod/web/{name}")
    checkout.run("set", "image", "prod/web", "web=web:2", "--no-validate", "--now", NOON)
    checkout.git("cat-file", "-e", f"HEAD:environments/prod/web/{name}")
    checkout.run("verify", "HEAD~1..")


def test_a_step_writes_its_own_files_only(checkout: Checkout) -> None:
    def files() -> dict[str, int]:
        top = checkout.root.parent
        found = (path for path in top.rglob("*") if path.is_file() and ".git" not in path.relative_to(top).parts)
        return {
            path.relative_to(top).as_posix().removeprefix(f"{checkout.root.name}/"): path.stat().st_mtime_ns
            for path in found
        }

    before = files()
    for verb in (["advance", "prod/web", "--no-validate"], ["render", "prod/web", "--no-validate"]):
        checkout.run(*verb, "--now", NOON)
    checkout.run("set", "image", "prod/web", "web=web:2", "--no-validate", "--now", NOON)
    after = files()
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    app = "environments/prod/web"
    own = (f"{app}/rendered/", f"{app}/status.yaml", f"{app}/rollout.yaml")
    assert changed
    assert [path for path in sorted(changed) if not path.startswith(own)] == []
