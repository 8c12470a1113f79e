"""Bad input: one clear message with file, line and field, the right exit code, and nothing written or committed."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout

APP = "environments/prod/web"
ROLLOUT = f"{APP}/rollout.yaml"
STATUS = f"{APP}/status.yaml"
RENDERED = f"{APP}/rendered"
READING = [["get"], ["status"], ["plan"], ["diff"], ["render", "--check"]]
WRITING = [["render"], ["advance"], ["promote"], ["abort"], ["scale", "--replicas", "3"]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Return a checkout with prod/web at its first pause, which no test changes."""
    checkout = Checkout(tmp_path_factory.mktemp("repo") / "repo")
    checkout.run("advance", "prod/web", "--now", NOON, "--no-validate")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    return checkout


@pytest.fixture
def releasing(shared: Checkout) -> Iterator[Checkout]:
    head = shared.head
    yield shared
    shared.git("reset", "--hard", "--quiet", head)
    shared.git("clean", "-fdq")


def refused(checkout: Checkout, *messages: str, verbs: list[list[str]] | None = None, code: int = 1) -> None:
    """Expect every verb to refuse with all of the messages, and to change nothing."""
    before = checkout.snapshot()
    for verb, *options in verbs or READING + WRITING:
        done = checkout.run(verb, "prod/web", *options, code=code)
        for message in messages:
            assert message in done.stderr, f"{verb}: {done.stderr}"
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        assert checkout.snapshot() == before, verb


def replica_set_file(checkout: Checkout, tag: str) -> str:
    """Return the path of the rendered ReplicaSet whose image has ``tag``."""
    for path in (checkout.root / RENDERED).glob("replicaset-*.yaml"):
        if f"web:{tag}" in path.read_text(encoding="utf-8"):
            return f"{RENDERED}/{path.name}"
    raise AssertionError(f"no ReplicaSet has {tag}")


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("spec:\n  replicas", "spec: [\n  replicas", [f"{ROLLOUT}:", "is not YAML"]),
        ("setWeight: 20", "setWieght: 20", [f"{ROLLOUT}:", "setWieght: unknown field (did you mean setWeight?)"]),
        ("canaryService:", "canryService:", [f"{ROLLOUT}:34:7: spec.strategy.canary.canryService: unknown field"]),
        ("setWeight: 20", "setWeight: 120", [f"{ROLLOUT}:", "setWeight"]),
        ("    matchLabels:\n      app: web", "    matchLabels:\n      app: shop", [f"{ROLLOUT}:15:9: spec.template"]),
        ("stableIngress: web", "stableIngress: www", [f"{ROLLOUT}:", 'Ingress "www" not found']),
        ("stableService: web-stable", "stableService: web", [f"{ROLLOUT}:", 'Service "web" not found']),
        ("replicas: 5", "replicas: many", [f"{ROLLOUT}:7:", "spec.replicas"]),
        ("pause: {}", "pause: {duration: soon}", [f"{ROLLOUT}:", "duration"]),
    ],
)
def test_an_invalid_rollout(releasing: Checkout, old: str, new: str, messages: list[str]) -> None:
    releasing.edit(ROLLOUT, old, new)
    releasing.commit()
    refused(releasing, *messages)


def test_several_rollouts(releasing: Checkout) -> None:
    text = (releasing.root / ROLLOUT).read_text(encoding="utf-8")
    (releasing.root / APP / "second.yaml").write_text(text.replace("name: web\n", "name: web2\n", 1), encoding="utf-8")
    releasing.commit()
    refused(releasing, f"{APP}/second.yaml:1:1", f"{ROLLOUT}:1:1")


@pytest.mark.parametrize(
    ("file", "messages"),
    [
        ("ingress.yaml", ['Ingress "web" not found']),
        ("services.yaml", ['Service "web-stable" not found', 'Service "web-canary" not found']),
    ],
)
def test_missing_references(releasing: Checkout, file: str, messages: list[str]) -> None:
    (releasing.root / APP / file).unlink()
    releasing.commit()
    refused(releasing, f"{ROLLOUT}:", *messages)


def test_unknown_settings(releasing: Checkout) -> None:
    releasing.edit("rollstep.yaml", "defaults:", "defalts:")
    releasing.commit()
    refused(releasing, "rollstep.yaml:2:1: defalts: unknown key (did you mean defaults?)")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("currentStepIndex: 1", "currentStepIndex: 60", "60 is out of range: the Rollout has 6 steps"),
        ("currentStepIndex: 1", "currentStepIndex: -1", "status.currentStepIndex: expected a number from 0 on"),
        ("currentStepIndex: 1", 'currentStepIndex: "1"', "status.currentStepIndex: expected a number from 0 on"),
        ("stableRS: ", "stableRS: x", "status.stableRS: no ReplicaSet among the rendered manifests has the hash x"),
        ("currentPodHash: ", "currentPodHash: x", "status.currentPodHash: no ReplicaSet among"),
        ("rollout: web", "rollout: shop", "rollout: names the Rollout shop"),
        ("rollout: web", "<<<<<<< HEAD\nrollout: web\n=======\n", "is not YAML"),
    ],
)
def test_a_damaged_status(releasing: Checkout, old: str, new: str, message: str) -> None:
    releasing.edit(STATUS, old, new)
    releasing.commit()
    refused(releasing, f"error: {STATUS}:", message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("web:1.0.0", "web:6.6.6", "spec.template: was edited by hand: it is not the pod template of"),
        ("kind: ReplicaSet", "kind: [", "is not YAML"),
        ("  template:\n", "  template: []\n  pods:\n", "spec.template: expected a mapping, found a list"),
        ("replicas: 5\n", "replicas: many\n", "spec.replicas: expected a number from 0 on, found 'many'"),
    ],
)
def test_a_replica_set_that_was_edited(releasing: Checkout, old: str, new: str, message: str) -> None:
    file = replica_set_file(releasing, "1.0.0")
    releasing.edit(file, old, new)
    releasing.commit()
    refused(releasing, f"error: {file}:", message)


def test_a_replica_set_that_is_a_list_now(releasing: Checkout) -> None:
    file = replica_set_file(releasing, "1.0.0")
    (releasing.root / file).write_text("- a\n", encoding="utf-8")
    releasing.commit()
    refused(releasing, f"error: {file}:1:1: expected a mapping, found a list (restore it: git checkout")


def test_other_edits_of_rendered_files_are_undone(releasing: Checkout) -> None:
    file = replica_set_file(releasing, "1.0.0")
    releasing.edit(file, "replicas: 5\n", "replicas: 50\n")
    releasing.edit(file, "apiVersion: apps/v1\n", "apiVersion: 'apps/v1' # formatted\n")
    releasing.commit()
    assert "-  replicas: 50" in releasing.run("render", "--check", "prod/web", code=1).stdout
    assert "edited by hand" in releasing.run("render", "prod/web", "--no-validate").stderr
    releasing.run("render", "--check", "prod/web")
    assert releasing.replicas("prod/web")["1.0.0"] == 5


def remove(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (remove(STATUS), [f"{STATUS}: is missing, but {RENDERED} has ReplicaSets"]),
        (remove(f"{RENDERED}/.rollstep"), [f"{RENDERED}/.rollstep: is missing or empty"]),
        (lambda root: shutil.rmtree(root / RENDERED), [f"{RENDERED}/.rollstep: is missing or empty"]),
        (
            lambda root: (root / RENDERED / ".rollstep").write_text("<<<<<<< HEAD\n"),
            [f"error: {RENDERED}/.rollstep:1: git left the markers of a conflict here"],
        ),
    ],
)
def test_missing_or_damaged_files_of_ours(
    releasing: Checkout, change: Callable[[Path], object], messages: list[str]
) -> None:
    change(releasing.root)
    releasing.commit()
    refused(releasing, *messages)


def test_a_missing_replica_set(releasing: Checkout) -> None:
    file = replica_set_file(releasing, "1.0.0")
    (releasing.root / file).unlink()
    releasing.commit()
    refused(releasing, f"error: {file}: is missing")


def test_another_namespace(releasing: Checkout) -> None:
    releasing.edit("rollstep.yaml", "namespace: shop-", "namespace: store-")
    releasing.commit()
    releasing.run("advance", "prod/web", "--now", NOON, "--no-validate")
    releasing.run("render", "--check", "prod/web")
    bodies = releasing.objects("prod/web").values()
    assert {body["metadata"]["namespace"] for body in bodies} == {"store-prod"}
    assert releasing.replicas("prod/web") == {"1.0.0": 5, "2.0.0": 1}


def test_another_output_folder(releasing: Checkout) -> None:
    releasing.edit("rollstep.yaml", "defaults:\n", "defaults:\n  output: manifests\n")
    releasing.commit()
    refused(releasing, f"git mv the old one to {APP}/manifests")
    releasing.git("mv", RENDERED, f"{APP}/manifests")
    releasing.commit()
    releasing.run("render", "--check", "prod/web")


GIT_STATES = {
    "HEAD is detached": lambda root: (root / ".git/HEAD").write_text((root / ".git/refs/heads/main").read_text()),
    "a rebase is in progress": lambda root: (root / ".git/rebase-merge").mkdir(),
    "a merge is in progress": lambda root: shutil.copy(root / ".git/refs/heads/main", root / ".git/MERGE_HEAD"),
    "another git is at work": lambda root: (root / ".git/index.lock").touch(),
}


@pytest.mark.parametrize("message", GIT_STATES)
def test_states_of_git_in_which_a_commit_is_refused(shared: Checkout, tmp_path: Path, message: str) -> None:
    checkout = Checkout.__new__(Checkout)
    checkout.root = tmp_path / "repo"
    shutil.copytree(shared.root, checkout.root)
    GIT_STATES[message](checkout.root)
    head = (checkout.root / ".git/HEAD").read_text()
    assert message in checkout.run("promote", "prod/web", "--no-validate", code=1).stderr
    assert (checkout.root / ".git/HEAD").read_text() == head
    assert checkout.replicas("prod/web") == shared.replicas("prod/web")
    if message == "HEAD is detached":
        checkout.run("promote", "prod/web", "--allow-detached", "--no-validate", "--now", NOON)
        assert checkout.weight("prod/web") == "40"


def test_a_missing_identity(releasing: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    releasing.edit("rollstep.yaml", "author: {name: rollstep, email: rollstep@example.com}", "signoff: false")
    releasing.commit()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    refused(releasing, "git config user.name", verbs=[["promote"], ["scale", "--replicas", "3"]])


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        (STATUS, ["promote"]),
        (f"{RENDERED}/service-web-stable.yaml", ["render", "--step", "6"]),
        (ROLLOUT, ["scale", "--replicas", "3"]),
    ],
)
def test_a_read_only_file(releasing: Checkout, path: str, verb: list[str]) -> None:
    file = releasing.root / path
    file.chmod(0o444)
    try:
        if path.startswith(RENDERED):
            releasing.edit(f"{APP}/services.yaml", "port: 80\n", "port: 81\n")
        refused(releasing, f"{path}: is read-only (chmod u+w {path})", verbs=[[*verb, "--no-validate"]])
    finally:
        file.chmod(0o644)


def test_a_hook_that_refuses(releasing: Checkout) -> None:
    hook = releasing.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    try:
        refused(releasing, "a hook (pre-commit) refused the commit: not today", verbs=[["promote", "--no-validate"]])
    finally:
        hook.unlink()


@pytest.mark.parametrize("limit", [0, 100, 1000, 3000])
def test_a_full_disk(releasing: Checkout, limit: int) -> None:
    before = releasing.snapshot()

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "renderer", "promote", "prod/web", "--no-validate", "--now", NOON]
    done = subprocess.run(command, cwd=releasing.root, capture_output=True, text=True, check=False, preexec_fn=fill)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert releasing.snapshot() == before
    releasing.run("promote", "prod/web", "--no-validate", "--now", NOON)


def test_two_at_once(releasing: Checkout) -> None:
    command = [sys.executable, "-m", "renderer", "promote", "prod/web", "--no-validate", "--now", NOON]
    both = [
        subprocess.Popen(command, cwd=releasing.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [(process.communicate(), process.returncode) for process in both]
    codes = sorted(code for _, code in told)
    assert codes in ([0, 0], [0, 1]), told
    assert releasing.git("status", "--porcelain") == ""
    releasing.run("render", "--check", "prod/web")


def test_verbs_that_read_work_beside_an_interrupted_run(releasing: Checkout) -> None:
    journal = releasing.root / ".rollstep-journal"
    journal.mkdir()
    (journal / ".gitignore").write_text("*\n")
    (journal / "journal.json").write_text('{"entries": [], "folders": [], "memo": {}}')
    try:
        for verb in READING:
            assert "note: .rollstep-journal" in releasing.run(*verb, "prod/web").stderr, verb
        assert journal.is_dir()
        releasing.run("render", "prod/web", "--no-validate")
        assert not journal.exists()
    finally:
        shutil.rmtree(journal, ignore_errors=True)
