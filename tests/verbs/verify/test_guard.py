"""The guard is judged from outside: no pushed commit chooses its rules, its place, its clock or its history."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import NOON, TWO, Checkout
from tests.support.team import Team
from tests.verbs.verify.test_pre_receive import CANARY, WEB, Pushing

LATER = "2026-03-01T13:00:00Z"
BRANCHES = ("--branch", "main", "--branch", "'env/*'")
ENV = """\
environments:
  prod: {commit: {environmentBranch: env/prod}}
  staging: {commit: {environmentBranch: env/staging}}
"""


class Guarded(Team):
    """A checkout whose commits the hook of a server judges, by ``receive``."""

    def receive(self, old: str, code: int = 0, new: str = "HEAD") -> str:
        """Judge the push of ``new`` over ``old`` to main; return the report."""
        line = f"{self.git('rev-parse', old).strip()} {self.git('rev-parse', new).strip()} refs/heads/main\n"
        done = self.run("verify", "--pre-receive", "--branch", "main", stdin=line, code=code)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("guarded") / "repo")


@pytest.fixture
def guarded(template: Guarded, tmp_path: Path) -> Guarded:
    """A checkout of which prod asks for two approvals, and has its first release."""
    copied = template.copy(tmp_path / "team/repo")
    copied.keys = tmp_path / "team"
    for name in ("alice", "bob", "eve", "alice.pub", "bob.pub", "eve.pub", "allowed"):
        (copied.keys / name).write_bytes((template.keys / name).read_bytes())
        (copied.keys / name).chmod(0o600)
    copied.configure(copied.root)
    copied.become("eve")
    return copied


def test_a_history_of_other_first_parents_does_not_replace_the_branch(guarded: Guarded) -> None:
    old = guarded.head
    guarded.git("switch", "--quiet", "--create", "x", "HEAD~1")
    (guarded.root / "README").write_text("x\n", encoding="utf-8")
    guarded.commit()
    guarded.git("merge", "--quiet", "--strategy=ours", "--no-edit", "main")
    assert "is merged into another history" in guarded.receive(old, code=1)


def test_a_second_root_brings_no_rules_of_its_own(guarded: Guarded) -> None:
    old, tree = guarded.head, guarded.git("rev-parse", "HEAD^{tree}").strip()
    root = guarded.git("commit-tree", "-m", "Other", tree).strip()
    merge = guarded.git("commit-tree", "-p", old, "-p", root, "-m", "Merge", tree).strip()
    assert "begins another history" in guarded.receive(old, code=1, new=merge)


def test_a_merge_is_judged_by_the_rules_of_its_first_parent(guarded: Guarded) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.git("commit", "--quiet", "--all", "--message=No approvals", "--no-verify")
    fork = guarded.head
    guarded.edit("rollstep.yaml", "    approvals: 0\n", "    approvals: 2\n")
    guarded.commit("Approvals")
    old = guarded.head
    guarded.git("switch", "--quiet", "--create", "x", fork)
    guarded.release()
    guarded.git("switch", "--quiet", "main")
    guarded.git("merge", "--quiet", "--no-edit", "x")
    assert "has 0 of 2 approvals" in guarded.receive(old, code=1)
    for name in ("alice", "bob"):
        guarded.become(name)
        guarded.git("tag", "--sign", "--message=ok", f"approvals/{name}", "HEAD^2")
    assert "all legal" in guarded.receive(old)


def test_moving_away_and_back_is_a_step_under_both_rules(guarded: Guarded) -> None:
    old = guarded.head
    guarded.edit("rollstep.yaml", "shop-${environment}", "shop")
    guarded.commit("One namespace")
    guarded.run("render", "prod/web", "--no-validate")
    guarded.commit("Render")
    told = guarded.receive(old, code=1)
    assert "has 0 of 2 approvals" in told, "what is rendered is guarded as well"
    old = guarded.head
    (guarded.root / "environments/attic").mkdir()
    guarded.git("mv", WEB, "environments/attic/web")
    guarded.run("render", "attic/web", "--no-validate")
    guarded.commit("Move")
    assert "web (attic): " in guarded.receive(old, code=1)


def test_a_removal_asks_the_policy_and_takes_no_rule_with_it(guarded: Guarded) -> None:
    old = guarded.head
    guarded.git("rm", "-r", "--quiet", "environments/prod/web", "environments/prod/api")
    guarded.git("commit", "--quiet", "--message=Remove")
    assert "web (prod): " in guarded.receive(old, code=1)
    removed = guarded.head
    guarded.edit("rollstep.yaml", "  prod:\n    approvals: 2\n", "  prod: {}\n")
    guarded.commit("Tidy the settings")
    assert "rollstep.yaml for prod: " in guarded.receive(removed, code=1), "no app of prod is left, and its rule is"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("defaults:\n", "defaults:\n  output: elsewhere\n"),
        ("defaults:\n", "forge: {type: github, url: 'https://evil.example.com'}\ndefaults:\n"),
        ("defaults:\n", "defaults:\n  allow: [plain-secrets]\n"),
        ("    approvals: 2\n", "    approvals: 2\n    commit: {environmentBranch: env/other}\n"),
        ("    approvals: 2\n", "    approvals: 2\n    apps: {web: {source: {exec: ['true']}}}\n"),
        ("    approvals: 2\n", "    approvals: 1\n"),
    ],
)
def test_a_change_of_a_rule_is_guarded_by_the_old_one(guarded: Guarded, old: str, new: str) -> None:
    before = guarded.head
    guarded.edit("rollstep.yaml", old, new)
    guarded.commit("Settings")
    assert "rollstep.yaml for " in guarded.receive(before, code=1)


def test_a_template_changes_no_running_pods_without_approvals(guarded: Guarded) -> None:
    old = guarded.head
    (guarded.root / "templates").mkdir()
    text = '{{ object | to_yaml | replace("web:1.0.0", "web:6.6.6") }}\n'
    (guarded.root / "templates/replicaset.yaml.j2").write_text(text, encoding="utf-8")
    guarded.commit("Labels")
    guarded.run("render", "prod/web", "--no-validate")
    guarded.commit("Render")
    assert "has 0 of 2 approvals" in guarded.receive(old, code=1)


def test_a_foreign_manifest_waits_for_a_freeze_as_a_step_does(guarded: Guarded) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.commit("No approvals")
    guarded.run("freeze", "add", "--until", "2026-03-02T00:00:00Z", "--reason", "Sale", "--env", "prod", "--now", NOON)
    old = guarded.head
    guarded.edit(f"{WEB}/configmap.yaml", "data:", "data:\n  COLOUR: blue")
    guarded.commit("A colour")
    told = guarded.run("advance", "prod/web", "--no-validate", "--now", LATER)
    assert "frozen" in told.stderr + told.stdout
    guarded.run("render", "prod/web", "--no-validate")
    guarded.commit("Render by hand")
    line = f"{old} {guarded.head} refs/heads/main\n"
    assert "is frozen until" in guarded.run("verify", "--pre-receive", "--now", LATER, stdin=line, code=1).stdout


def test_no_status_runs_backwards(guarded: Guarded) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.commit("No approvals")
    old = guarded.head
    guarded.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", "2020-01-01T00:00:00Z")
    told = guarded.receive(old, code=1)
    assert "2020-01-01T00:00:00Z is before 2026-03-01T08:00:00Z, the move before" in told


def test_a_commit_of_the_future_ends_no_pause_in_a_pipeline(guarded: Guarded) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.commit("No approvals")
    environment = {"GIT_COMMITTER_DATE": "2099-01-01T00:00:00Z"}
    verb = ("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", "2099-01-01T00:00:00Z")
    guarded.process(*verb, code=0, **environment)
    told = guarded.run("verify", "HEAD~1..", code=1).stdout
    assert "the commit is of 2099-01-01T00:00:00Z" in told
    assert "lastUpdateTime: 2099-01-01T00:00:00Z is later than" in told


@pytest.mark.parametrize("way", ["link", "submodule", "output"])
def test_what_cannot_be_seen_is_not_gone(guarded: Guarded, way: str) -> None:
    old = guarded.head
    if way == "link":
        (guarded.root / "other").mkdir()
        guarded.git("mv", "environments/prod", "other/prod")
        (guarded.root / "environments/prod").symlink_to("../other/prod")
        guarded.git("add", "--all")
    elif way == "submodule":
        guarded.git("rm", "-r", "--quiet", "environments/prod/web")
        guarded.git("update-index", "--add", "--cacheinfo", f"160000,{old},environments/prod/web")
    else:
        guarded.git("mv", f"{WEB}/rendered", f"{WEB}/there")
        (guarded.root / WEB / "rendered").symlink_to("there")
        guarded.git("add", "--all")
    guarded.git("commit", "--quiet", "--message=Move")
    told = guarded.receive(old, code=1)
    assert "a link" in told or "a submodule" in told or "a symbolic link" in told


def test_modes_count(guarded: Guarded) -> None:
    old = guarded.head
    guarded.git("update-index", "--chmod=+x", f"{WEB}/rendered/kustomization.yaml")
    guarded.git("commit", "--quiet", "--message=Run it")
    assert "kustomization.yaml: is executable" in guarded.receive(old, code=1)
    guarded.git("reset", "--quiet", "--hard", old)
    path = guarded.root / WEB / "rendered/kustomization.yaml"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    path.symlink_to(text)
    guarded.commit("The same bytes")
    assert "kustomization.yaml: is a symbolic link" in guarded.receive(old, code=1)


@pytest.mark.parametrize(
    "line", ["*.yaml working-tree-encoding=ISO-8859-1", "rendered/** ident", "**/service-*.yaml ident"]
)
@pytest.mark.parametrize("folder", [".", "environments/prod/web"])
def test_attributes_change_nothing_that_a_clone_gets(guarded: Guarded, line: str, folder: str) -> None:
    if folder == "." and line.startswith("rendered/"):
        line = f"{WEB}/{line}"
    old = guarded.head
    (guarded.root / folder / ".gitattributes").write_text(f"{line}\n", encoding="utf-8")
    guarded.commit("Attributes")
    told = guarded.receive(old, code=1)
    assert "a clone gets other bytes than those that are verified" in told
    assert f"{WEB}/rendered/" in told
    guarded.git("reset", "--quiet", "--hard", old)
    text = "*.md ident\n*.bin filter=lfs\n*.yaml text eol=lf\n"
    (guarded.root / folder / ".gitattributes").write_text(text, encoding="utf-8")
    guarded.commit("Other attributes")
    guarded.receive(old)


def test_a_source_is_no_place_to_hide_steps(guarded: Guarded) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.commit("No approvals")
    old = guarded.head
    guarded.release()
    guarded.run("promote", "prod/web", "--full", "--no-validate", "--now", LATER)
    guarded.git("reset", "--quiet", "--soft", old)
    guarded.edit("rollstep.yaml", "defaults:\n", "defaults:\n  source: {exec: ['true']}\n")
    guarded.commit("All at once")
    told = guarded.receive(old, code=1)
    assert "changes the command of web (prod), and what is rendered of it" in told
    assert "a command would print the manifests of web (prod)" in told
    guarded.git("reset", "--quiet", "--hard", old)
    guarded.edit("rollstep.yaml", "defaults:\n", "defaults:\n  source: {exec: ['true']}\n")
    guarded.commit("The source alone")
    assert "a command would print the manifests of web (prod)" in guarded.receive(old, code=1)
    guarded.git("config", "rollstep.sourceCommands", "true")
    guarded.receive(old)


def test_the_servers_rules(guarded: Guarded) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.commit("No approvals")
    old = guarded.head
    guarded.become("alice", sign=True)
    guarded.run("set", "image", "prod/web", f"web={TWO}", "--no-validate", "--now", NOON, "--break-glass", "Night")
    guarded.receive(old)
    guarded.git("config", "rollstep.approvals", "2")
    assert "with the glass broken: Night" in guarded.receive(old)
    guarded.git("config", "rollstep.breakGlass", "nobody")
    assert "has 1 of 2 approvals" in guarded.receive(old, code=1)
    guarded.git("config", "rollstep.breakGlass", "alice@example.com")
    guarded.receive(old)
    guarded.git("config", "rollstep.aprovals", "3")
    assert "rollstep.aprovals is unknown" in guarded.receive(old, code=1)


@pytest.mark.parametrize(("name", "legal"), [("approvals/1", False), ("approvals/x", True)])
def test_a_signed_tag_approves_only_by_its_own_name(guarded: Guarded, name: str, *, legal: bool) -> None:
    old = guarded.head
    guarded.release()
    for person in ("alice", "bob"):
        guarded.become(person)
        own = f"{name}-{person}" if legal else f"nightly-{person}"
        guarded.git("tag", "--sign", "--message=NOT reviewed", own)
        guarded.git("update-ref", f"refs/tags/{name}-{person}", f"refs/tags/{own}")
    guarded.receive(old, code=0 if legal else 1)


def test_an_expired_key_approves_nothing_by_an_old_date(guarded: Guarded) -> None:
    old = guarded.head
    lines = (guarded.keys / "allowed").read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace("bob@example.com", 'bob@example.com valid-before="20200101"')
    (guarded.keys / "allowed").write_text("\n".join(lines) + "\n", encoding="utf-8")
    guarded.release()
    guarded.approve("alice")
    guarded.become("bob")
    command = ["git", "tag", "--sign", "--message=ok", "approvals/bob"]
    environment = {**os.environ, "GIT_COMMITTER_DATE": "2019-06-01T00:00:00Z"}
    subprocess.run(command, cwd=guarded.root, env=environment, check=True)
    assert "1 of 2 approvals: alice@example.com" in guarded.receive(old, code=1)
    assert "1 of 2 approvals" in guarded.run("verify", f"{old}..", code=1).stdout


def test_an_approval_counts_once(guarded: Guarded) -> None:
    guarded.release()
    step, message = guarded.head, guarded.git("log", "-1", "--format=%B")
    for name in ("alice", "bob"):
        guarded.approve(name)
    guarded.receive(f"{step}~1")
    guarded.become("eve")
    guarded.git("revert", "--no-edit", "HEAD")
    old = guarded.head
    again = guarded.git("commit-tree", "-p", "HEAD", "-m", message, f"{step}^{{tree}}").strip()
    assert "has 0 of 2 approvals" in guarded.receive(old, code=1, new=again)


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> Pushing:
    pushing = Pushing(tmp_path_factory.mktemp("branches") / "repo", *BRANCHES)
    pushing.edit("rollstep.yaml", "environments:\n", ENV)
    pushing.step("advance", "prod/web", "staging/web", "--include-sources", "--together")
    pushing.push("main", "env/prod", "env/staging")
    return pushing


def test_an_environments_branch_stays_one(branches: Pushing) -> None:
    branches.git("switch", "--quiet", "env/prod")
    try:
        branches.edit(CANARY.removeprefix("environments/prod/"), 'canary-weight: "0"', 'canary-weight: "100"')
        branches.git("rm", "--quiet", "hydrator.metadata")
        branches.git("commit", "--quiet", "--all", "--message=Tidy")
        assert "is not in this repository" in branches.push("HEAD:env/prod", code=1)
    finally:
        branches.git("reset", "--quiet", "--hard", "origin/env/prod")
        branches.git("switch", "--quiet", "main")


def test_an_environments_branch_is_that_of_its_environment(branches: Pushing) -> None:
    message = branches.git("log", "-1", "--format=%B", "env/staging")
    other = branches.git("commit-tree", "-p", "env/prod", "-m", message, "env/staging^{tree}").strip()
    told = branches.push(f"{other}:env/prod", code=1)
    assert "was edited by hand" in told
    assert "was edited by hand" in branches.run("verify", f"env/prod..{other}", code=1).stdout


def test_the_source_of_an_environment_is_on_its_own_branch(branches: Pushing) -> None:
    """A feature branch that a pattern of the hook covers does not deploy."""
    message = branches.git("log", "-1", "--format=%B", "env/prod")
    branches.git("switch", "--quiet", "--create", "env/feature")
    try:
        branches.step("set", "image", "prod/web", f"web={TWO}")
        source, tree = branches.head, branches.git("rev-parse", "HEAD:environments/prod").strip()
        metadata = json.dumps({"drySha": source})
        blob = _blob(branches, metadata)
        entries = branches.git("ls-tree", tree) + f"100644 blob {blob}\thydrator.metadata\n"
        rendered = subprocess.run(
            ["git", "mktree"], cwd=branches.root, input=entries, capture_output=True, text=True, check=True
        ).stdout.strip()
        body = message.split("Rollstep-Source:")[0] + f"Rollstep-Source: {source}\n"
        commit = branches.git("commit-tree", "-p", "env/prod", "-m", body, rendered).strip()
        told = branches.push("env/feature", f"{commit}:env/prod", code=1)
        assert "is on no guarded branch" in told
    finally:
        branches.git("switch", "--quiet", "main")


def _blob(checkout: Checkout, text: str) -> str:
    command = ["git", "hash-object", "-w", "--stdin"]
    done = subprocess.run(command, cwd=checkout.root, input=text, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_pause_that_begins_in_a_push_does_not_end_in_it(guarded: Guarded) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.commit("No approvals")
    guarded.release()
    begins = guarded.head
    guarded.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T12:10:00Z")
    paused = guarded.head
    guarded.run("advance", "prod/web", "--no-validate", "--now", LATER)
    assert guarded.head != paused
    told = guarded.receive(begins, code=1)
    assert "goes on after a pause that began in this push" in told
    guarded.receive(begins, new=paused)
    guarded.receive(paused)


def test_a_verb_that_stays_hides_no_other_route(guarded: Guarded) -> None:
    """A pause moves the status, and a new backend of the Ingress comes with it."""
    old = guarded.head
    guarded.edit(f"{WEB}/ingress.yaml", "host: ", "host: evil.")
    guarded.commit("Another host")
    guarded.run("pause", "prod/web", "--no-validate", "--now", LATER)
    assert "has 0 of 2 approvals" in guarded.receive(old, code=1)
    guarded.git("reset", "--quiet", "--hard", old)
    guarded.run("pause", "prod/web", "--no-validate", "--now", LATER)
    guarded.receive(old)


@pytest.mark.parametrize(
    "path",
    [
        "Environments/prod/web/rendered/x.yaml",
        "environments/Prod/web/rendered/x.yaml",
        "environments/prod/WEB/rendered/x.yaml",
        f"{WEB}/Rendered/x.yaml",
        f"{WEB}/rendered\u200c/x.yaml",
        f"{WEB}/\u017ftatus.yaml",
        "Rollstep.yaml",
        "freezeſ.yaml",
    ],
)
def test_a_name_that_looks_like_anothers(guarded: Guarded, path: str) -> None:
    guarded.edit("rollstep.yaml", "    approvals: 2\n", "    approvals: 0\n")
    guarded.commit("No approvals")
    guarded.run("freeze", "add", "--until", "2026-03-02T00:00:00Z", "--reason", "Sale", "--env", "prod", "--now", NOON)
    old = guarded.head
    guarded.git("update-index", "--add", "--cacheinfo", f"100644,{_blob(guarded, 'x: 1')},{path}")
    guarded.git("commit", "--quiet", "--message=Look alike")
    assert "only in case, or in characters that a file system may ignore" in guarded.receive(old, code=1)
    guarded.git("reset", "--quiet", "--hard", old)
    (guarded.root / "Docs/x").mkdir(parents=True)
    (guarded.root / "docs").mkdir()
    (guarded.root / "Docs/x/y").touch()
    (guarded.root / "docs/y").touch()
    guarded.commit("Elsewhere")
    guarded.receive(old)
