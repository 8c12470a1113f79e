"""`rollstep verify` accepts histories of legal commits, and refuses every other commit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from renderer.errors import Finding
from renderer.git.repository import Commit
from renderer.pipeline.load.marker import MARKER, marker_text
from renderer.verbs.verify.report import as_github, as_text
from renderer.verbs.verify.verdict import CommitVerdict
from tests.support.commands import STEP_ORDER, Checkout
from tests.support.ten_steps import STEPS, ten_steps

WEB = "environments/prod/web"
CANARY = f"{WEB}/rendered/ingress-web-web-canary.yaml"
AFTER = "2026-03-02T00:00:00Z"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return ten_steps(tmp_path_factory.mktemp("released") / "repo")


class Copy(Checkout):
    """A copy of a repository."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def does(self, *revisions: str) -> list[list[str | None]]:
        """Return the actions of legal commits on their apps, oldest first."""
        entries: list[dict[str, Any]] = self.json("verify", *revisions)
        return [[app["does"] for app in entry["apps"]] for entry in entries]

    def refused(self, *revisions: str) -> str:
        """Return the report on an illegal range; check that nothing was written."""
        before = self.snapshot()
        told = self.run("verify", *(revisions or ("HEAD~1..HEAD",)), code=1).stdout
        assert self.snapshot() == before
        return told


@pytest.fixture
def copy(released: Checkout, tmp_path: Path) -> Copy:
    shutil.copytree(released.root, tmp_path / "repo", symlinks=True)
    return Copy(tmp_path / "repo")


@pytest.fixture
def mid_release(copy: Copy) -> Copy:
    """A copy with prod/web at step 1/6, 20%."""
    copy.git("reset", "--quiet", "--hard", f"HEAD~{len(STEPS) - 1}")
    assert copy.weight("prod/web") == "20"
    return copy


def test_every_verb_makes_a_legal_commit(copy: Copy) -> None:
    verbs = [" ".join(step[:2]) if step[0] == "set" else step[0] for step in STEPS]
    assert copy.does() == [["advance", "advance"], *([verb] for verb in verbs)]
    assert "12 commits verified, 12 release steps: all legal" in copy.run("verify").stderr
    later: tuple[tuple[str, ...], ...] = (
        ("promote", "prod/web", "--skip-current-step"),
        ("pause", "prod/web"),
        ("resume", "prod/web"),
        ("promote", "prod/web", "--full"),
        ("undo", "prod/web"),
        ("restart", "prod/api"),
        ("advance", "prod/web", "--to", "1"),
    )
    last = copy.head
    for hour, verb in enumerate(later):
        copy.run(*verb, "--no-validate", "--now", f"2026-03-02T{10 + hour}:00:00Z")
    assert copy.does(f"{last}..") == [
        ["promote --skip-current-step"],
        ["pause"],
        ["resume"],
        ["promote full"],
        ["undo"],
        ["restart"],
    ]


def test_sources_are_the_users_and_what_is_rendered_of_them_follows(mid_release: Copy) -> None:
    mid_release.edit(f"{WEB}/configmap.yaml", "data:", "data:\n  COLOUR: blue")
    mid_release.commit("Add a colour")
    mid_release.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T09:10:00Z")
    mid_release.edit(f"{WEB}/configmap.yaml", "blue", "green")
    mid_release.run("render", "prod/web", "--no-validate")
    mid_release.commit("Render by hand")
    assert mid_release.does("HEAD~3..") == [["advance"], ["advance"]]


def test_reverts_are_legal_and_say_so(copy: Copy) -> None:
    last = copy.head
    for back in range(len(STEPS)):
        copy.git("revert", "--no-edit", f"{last}~{back}")
    copy.git("revert", "--no-edit", "HEAD")
    assert copy.does(f"{last}..") == [["revert"]] * 11
    copy.git("revert", "--no-edit", "HEAD")
    copy.git("revert", "--no-edit", f"{last}~10")
    assert copy.does("HEAD~1..") == [["revert", "revert"]]


def test_several_steps_can_be_taken_back_at_once_where_that_sends_less_traffic(copy: Copy) -> None:
    last = copy.head
    copy.git("revert", "--no-edit", "--no-commit", "HEAD~3..HEAD")
    copy.git("commit", "--quiet", "--message=Back to the abort")
    assert copy.does("HEAD~1..") == [["revert"]]
    copy.git("checkout", "--quiet", f"{last}~8", "--", WEB)
    copy.git("commit", "--quiet", "--message=On to where it once was")
    assert "jumps from 0 to 40" in copy.refused()


def test_a_hand_edit_of_a_rendered_file_is_found_with_file_and_line(mid_release: Copy) -> None:
    text = (mid_release.root / CANARY).read_text(encoding="utf-8")
    line = 1 + text[: text.index('canary-weight: "20"')].count("\n")
    mid_release.edit(CANARY, 'canary-weight: "20"', 'canary-weight: "90"')
    mid_release.commit("Hotfix")
    told = mid_release.refused()
    assert f"{CANARY}:{line}: was edited by hand: found " in told
    assert 'canary-weight: "90"`, expected `' in told
    annotation = mid_release.run("verify", "HEAD~1..", "-o", "github", code=1).stdout
    assert annotation.startswith(f"::error file={CANARY},line={line},title={mid_release.head[:9]} is not a step")


def test_a_hand_edit_with_its_sum_is_found_as_well(mid_release: Copy) -> None:
    from renderer.pipeline.load.marker import digest

    file = mid_release.root / CANARY
    old = digest(file.read_bytes())
    mid_release.edit(CANARY, 'canary-weight: "20"', 'canary-weight: "90"')
    mid_release.edit(f"{WEB}/rendered/.rollstep", old, digest(file.read_bytes()))
    mid_release.commit("Hotfix")
    assert f"{CANARY}:" in mid_release.refused()


@pytest.mark.parametrize("name", ["OWNERS", ".argocd-source.yaml", "kustomization.yml", "more/configmap.yaml"])
def test_a_file_of_somebody_else_in_the_folder_is_refused(mid_release: Copy, name: str) -> None:
    path = mid_release.root / WEB / "rendered" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("us\n", encoding="utf-8")
    mid_release.commit("Own it")
    message = "is in the folder that the sync tool reads, and rollstep did not render it"
    assert f"{WEB}/rendered/{name}: {message}" in mid_release.refused()
    assert message in mid_release.run("render", "--check", "prod/web", code=1).stderr
    mid_release.git("revert", "--no-edit", "HEAD")
    mid_release.run("verify", "HEAD~1..")


def test_a_replica_set_that_gets_traffic_must_not_vanish_or_shrink(mid_release: Copy) -> None:
    (stable,) = [name for name in mid_release.objects("prod/web", ["ReplicaSet"]) if "cd4ff96b7" in name]
    file = f"{WEB}/rendered/replicaset-{stable.partition('/')[2]}.yaml"
    mid_release.edit(file, "replicas: 5", "replicas: 0")
    mid_release.commit("Save pods")
    told = mid_release.refused()
    assert f"{file}: spec.replicas: web-cd4ff96b7 gets 80% of the traffic and has 0 of 5 pods" in told
    mid_release.git("reset", "--quiet", "--hard", "HEAD~1")
    (mid_release.root / file).unlink()
    mid_release.commit("Save more")
    assert "web-cd4ff96b7 gets 80% of the traffic and is missing" in mid_release.refused()


def test_a_weight_does_not_jump(mid_release: Copy) -> None:
    mid_release.run("render", "prod/web", "--step", "4", "--no-validate")
    mid_release.commit("Faster")
    told = mid_release.refused()
    assert "jumps from 20 to 60, expected " in told
    assert "step 4 does not follow from the commit before" in told


def test_steps_that_were_squashed_into_one_commit_are_a_jump(mid_release: Copy) -> None:
    last = mid_release.head
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:00:00Z")
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:20:00Z")
    mid_release.git("reset", "--quiet", "--soft", last)
    mid_release.git("commit", "--quiet", "--message=Two steps")
    assert "jumps from 20 to 60" in mid_release.refused()


def test_trailers_have_to_agree(mid_release: Copy) -> None:
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:00:00Z")
    message = mid_release.git("log", "-1", "--format=%B")
    changes = {
        "Rollstep-Step: 3/6": ("Rollstep-Step: 5/6", "Rollstep-Step: the trailer says 5/6, expected 3/6"),
        "Rollstep-Verb: promote": ("Rollstep-Verb: abort", "the trailer says abort, expected promote"),
        "Rollstep-App: web": ("Rollstep-App: api", "names api (prod), which the commit does not change"),
    }
    for old, (new, finding) in changes.items():
        mid_release.git("commit", "--quiet", "--amend", "--message", message.replace(old, new))
        assert finding in mid_release.refused()


def test_a_pause_does_not_end_before_its_time(mid_release: Copy) -> None:
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:00:00Z")
    mid_release.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T10:20:00Z")
    environment = {"GIT_COMMITTER_DATE": "2026-03-01T10:05:00Z"}
    command = ["git", "commit", "--quiet", "--amend", "--no-edit"]
    subprocess.run(command, cwd=mid_release.root, check=True, env={**os.environ, **environment})
    assert "2026-03-01T10:20:00Z is later than the commit, 2026-03-01T10:05:00Z" in mid_release.refused()


def test_a_merge_takes_a_branch_of_steps_over(mid_release: Copy) -> None:
    mid_release.git("switch", "--quiet", "--create", "step")
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:00:00Z")
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:20:00Z")
    mid_release.git("switch", "--quiet", "main")
    mid_release.run("advance", "dev/web", "--no-validate", "--now", "2026-03-01T10:05:00Z")
    base = mid_release.head
    mid_release.git("merge", "--quiet", "--no-ff", "--message=Merge", "step")
    assert sorted(mid_release.does(f"{base}..")) == [["merge"], ["promote"], ["promote"]]
    mid_release.edit(CANARY, 'canary-weight: "60"', 'canary-weight: "90"')
    mid_release.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    assert f"{CANARY}:" in mid_release.refused(f"{base}..")


def test_a_merge_of_two_histories_of_one_release_is_no_step(mid_release: Copy) -> None:
    mid_release.git("switch", "--quiet", "--create", "other")
    mid_release.run("abort", "prod/web", "--no-validate", "--now", "2026-03-01T10:00:00Z")
    mid_release.git("switch", "--quiet", "main")
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:00:00Z")
    mid_release.run("promote", "prod/web", "--no-validate", "--now", "2026-03-01T10:20:00Z")
    base = mid_release.head
    mid_release.git("merge", "--quiet", "--no-ff", "--strategy=ours", "--message=Ours", "other")
    mid_release.run("verify", f"{base}..")
    mid_release.git("checkout", "--quiet", f"{base}~1", "--", WEB)
    mid_release.git("commit", "--quiet", "--amend", "--message=Mixed")
    mid_release.run("verify", f"{base}..")
    mid_release.edit(f"{WEB}/status.yaml", "currentStepIndex: 3", "currentStepIndex: 5")
    mid_release.git("commit", "--quiet", "--all", "--amend", "--message=Mixed")
    assert f"{WEB}/status.yaml:" in mid_release.refused(f"{base}..")


def test_apps_come_move_and_go(mid_release: Copy) -> None:
    mid_release.git("rm", "-r", "--quiet", "environments/prod/api")
    mid_release.git("commit", "--quiet", "--message=Retire the api")
    assert mid_release.does("HEAD~1..") == [["removal"]]
    mid_release.git("mv", WEB, "environments/prod/shop")
    mid_release.commit("Call it shop")
    assert mid_release.does("HEAD~1..") == [["move"]]
    mid_release.git("rm", "-r", "--quiet", "environments/prod/shop/status.yaml", "environments/prod/shop/rendered")
    mid_release.git("commit", "--quiet", "--message=Forget")
    assert "are missing, and the app's own manifests are not" in mid_release.refused()


def test_the_root_commit_may_bring_a_release_that_is_under_way(mid_release: Copy) -> None:
    tree = mid_release.git("rev-parse", "HEAD^{tree}").strip()
    root = mid_release.git("commit-tree", "-m", "Import", tree).strip()
    assert mid_release.does(root) == [["advance", "import"]]
    mid_release.git("switch", "--quiet", "--detach", root)
    mid_release.edit(CANARY, 'canary-weight: "20"', 'canary-weight: "90"')
    mid_release.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    assert CANARY in mid_release.refused("HEAD")


def test_what_a_secret_holds_is_not_told(checkout_with_secret: Copy) -> None:
    checkout_with_secret.edit(f"{WEB}/rendered/secret-web.yaml", "c2VjcmV0", "b3RoZXI=")
    checkout_with_secret.commit("Rotate by hand")
    told = checkout_with_secret.refused()
    assert f"{WEB}/rendered/secret-web.yaml:" in told
    assert "c2VjcmV0" not in told
    assert "b3RoZXI=" not in told


@pytest.fixture
def checkout_with_secret(mid_release: Copy) -> Copy:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\ndata: {token: c2VjcmV0}\n"
    (mid_release.root / WEB / "secret.yaml").write_text(secret, encoding="utf-8")
    mid_release.edit("rollstep.yaml", "defaults:\n", "defaults:\n  allow: [plain-secrets]\n")
    mid_release.commit("Add a secret")
    mid_release.run("advance", "prod/web", "--no-validate", "--now", "2026-03-01T09:10:00Z")
    return mid_release


def test_a_shallow_clone_is_told_to_fetch_more(copy: Copy, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    copy.git("clone", "--quiet", "--depth=2", f"file://{copy.root}", str(clone))
    assert "the clone is shallow" in Copy(clone).run("verify", code=1).stderr
    Copy(clone).run("verify", "HEAD~1..HEAD")


def test_a_bare_repository_has_all_that_is_needed(copy: Copy, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    copy.git("clone", "--quiet", "--bare", ".", str(bare))
    before = sorted(path.relative_to(bare).as_posix() for path in bare.rglob("*"))
    assert len(json.loads(Copy(bare).run("verify", "-o", "json").stdout)) == 1 + len(STEPS)
    assert sorted(path.relative_to(bare).as_posix() for path in bare.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--", "--all"), "takes no options"),
        (("--branch", "main"), "--branch goes with --pre-receive"),
        (("--pre-receive", "HEAD"), "takes its range from stdin"),
    ],
)
def test_what_makes_no_sense_is_refused(copy: Copy, arguments: tuple[str, ...], message: str) -> None:
    assert message in copy.run("verify", *arguments, code=2).stderr


def test_a_range_that_is_none_is_refused_in_gits_words(copy: Copy) -> None:
    assert "git rev-list failed" in copy.run("verify", "nowhere..HEAD", code=1).stderr


Source = Callable[[Copy], None]


def by_template(copy: Copy) -> None:
    """Include a file of another folder in a template."""
    folder = copy.root / "base"
    folder.mkdir()
    (copy.root / WEB / "services.yaml").rename(folder / "services.yaml")
    text = '{% include "base/services.yaml" %}\n'
    (copy.root / WEB / "services.yaml.j2").write_text(text, encoding="utf-8")


def by_link(copy: Copy) -> None:
    """Replace a manifest by a link to a file of another folder."""
    (copy.root / "base").mkdir()
    (copy.root / WEB / "services.yaml").rename(copy.root / "base/services.yaml")
    (copy.root / WEB / "services.yaml").symlink_to("../../../base/services.yaml")


@pytest.mark.parametrize("source", [by_template, by_link])
def test_sources_that_lie_elsewhere_are_found(copy: Copy, source: Source) -> None:
    source(copy)
    copy.commit("Share the services")
    copy.edit("base/services.yaml", "port: 80", "port: 81")
    copy.commit("Another port")
    copy.run("advance", "prod/web", "--no-validate", "--now", AFTER)
    assert copy.does("HEAD~3..") == [["advance"]]


def test_a_link_out_of_the_repository_leads_nowhere(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "private.yaml").write_text("kind: Private\n", encoding="utf-8")
    (copy.root / WEB / "private.yaml").symlink_to(tmp_path / "private.yaml")
    copy.edit(CANARY, "canary-weight", "canary-weights")
    copy.commit("Look elsewhere")
    told = copy.refused()
    assert "private.yaml: is a link out of the repository" in told
    assert "Private" not in told


def print_manifests(copy: Copy) -> None:
    """Let a command print the manifests of prod/web, and commit that."""
    script = '#!/bin/sh\ntouch ran-here\nexec cat "$1"/manifests/*.yaml\n'
    (copy.root / "print").write_text(script, encoding="utf-8")
    (copy.root / "print").chmod(0o755)
    (copy.root / WEB / "manifests").mkdir()
    for name in ("rollout", "services", "ingress", "configmap"):
        path = copy.root / WEB / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        path.unlink()
        (copy.root / WEB / f"manifests/{name}.yaml").write_text(f"---\n{text}", encoding="utf-8")
    copy.edit(
        "rollstep.yaml",
        "environments:\n",
        "environments:\n  prod:\n    apps:\n      web:\n"
        '        source: {exec: [./print, "${folder}"], reads: [environments]}\n',
    )
    copy.commit("Print the manifests")


def test_a_command_is_run_only_where_that_is_allowed(copy: Copy) -> None:
    print_manifests(copy)
    copy.edit(f"{WEB}/manifests/rollout.yaml", "2.0.0 #", "3.0.0 #")
    copy.commit("Another version")
    copy.run("advance", "prod/web", "--no-validate", "--now", AFTER, code=1)
    assert not (copy.root / "ran-here").exists()
    copy.run("advance", "prod/web", "--no-validate", "--now", AFTER, "--allow-exec")
    (copy.root / "ran-here").unlink()
    told = copy.run("verify", "HEAD~1..")
    assert "web (prod): a command prints its manifests and needs --allow-exec" in told.stderr
    told = copy.run("verify", "HEAD~1..", "--allow-exec")
    assert "note" not in told.stderr
    assert not (copy.root / "ran-here").exists()
    copy.edit(CANARY, "nginx", "apache")
    copy.commit("Hotfix")
    assert f"{WEB}/rendered/.rollstep: does not list the rendered files with their checksums" in copy.refused()
    assert f"{CANARY}:" in copy.run("verify", "HEAD~1..", "--allow-exec", code=1).stdout


def test_what_follows_without_the_manifests_is_verified(copy: Copy) -> None:
    print_manifests(copy)
    told = copy.run("advance", "prod/web", "--no-validate", "--now", AFTER, "--allow-exec").stderr
    assert "step" in told
    summary = copy.run("verify", "HEAD~1..").stderr
    assert summary.endswith("1 commit verified, 1 release step: no findings, and 1 verified in part\n")
    assert "not the steps and the other manifests" in summary
    copy.git("revert", "--no-edit", "HEAD")
    assert "all legal" in copy.run("verify", "HEAD~1..").stderr
    copy.git("reset", "--quiet", "--hard", "HEAD~1")
    output = copy.root / WEB / "rendered"
    (edited, *_) = sorted(output.glob("replicaset-*.yaml"))
    for old, new, told in (
        ("image: ", "image: evil-", "it is not the pod template of"),
        ("  replicas: ", "  replicas: 0 # ", "of the traffic and has no pods"),
    ):
        text = edited.read_text(encoding="utf-8")
        assert old in text
        edited.write_text(text.replace(old, new, 1), encoding="utf-8")
        files = {path.name: path.read_text(encoding="utf-8") for path in output.iterdir() if path.name != MARKER}
        (output / MARKER).write_text(marker_text(files), encoding="utf-8")
        copy.commit("Hotfix with its checksum")
        assert told in copy.refused()
        copy.git("reset", "--quiet", "--hard", "HEAD~1")


def test_a_commit_that_touches_no_app_costs_no_rendering(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy.root / "README.md").write_text("Read me.\n", encoding="utf-8")
    copy.edit(f"{WEB}/configmap.yaml", "data:", "data:\n  COLOUR: blue")
    copy.commit("Nothing rendered")

    def never(*_: object) -> None:
        raise AssertionError("an app was loaded")

    monkeypatch.setattr("renderer.verbs.verify.loading.load_app", never)
    assert copy.does("HEAD~1..") == []


@pytest.mark.parametrize("app", ["prod/web", "prod/api"])
def test_a_release_in_phases_is_legal_phase_by_phase(tmp_path: Path, app: str) -> None:
    Checkout(tmp_path / "repo")
    copy = Copy(tmp_path / "repo")
    copy.edit("rollstep.yaml", STEP_ORDER, "  order: phases\n")
    copy.run("advance", app, "--include-sources", "--no-validate", "--now", "2026-03-01T08:00:00Z")
    name = app.partition("/")[2]
    copy.run("set", "image", app, f"{name}={name}:2", "--no-validate", "--now", "2026-03-01T09:00:00Z")
    for hour in range(10, 16):
        copy.run("advance", app, "--no-validate", "--now", f"2026-03-01T{hour}:00:00Z")
        copy.run("promote", app, "--no-validate", "--now", f"2026-03-01T{hour}:30:00Z")
    assert len(copy.subjects) > 5
    copy.run("verify")
    copy.run("replay")


@hypothesis.settings(max_examples=8, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(st.data())
def test_no_line_of_ours_can_be_changed(mid_release: Copy, data: st.DataObject) -> None:
    legal = mid_release.head
    ours = [
        path
        for path in mid_release.git("ls-files", f"{WEB}/rendered", f"{WEB}/status.yaml").split()
        if not path.endswith("OWNERS")
    ]
    file = mid_release.root / data.draw(st.sampled_from(ours), label="file")
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1), label="line")
    edit = data.draw(st.sampled_from(["drop", "double", "change", "comment"]), label="edit")
    line = lines[at]
    lines[at] = {"drop": "", "double": line * 2, "change": line[:-2] + "x\n", "comment": f"{line[:-1]} #\n"}[edit]
    file.write_text("".join(lines), encoding="utf-8")
    try:
        mid_release.git("commit", "--quiet", "--all", "--message=Hotfix")
        told = mid_release.run("verify", "HEAD~1..", code=1).stdout
        assert file.relative_to(mid_release.root).as_posix() in told
    finally:
        mid_release.git("reset", "--quiet", "--hard", legal)


def test_a_path_forges_no_line_of_the_report() -> None:
    commit = Commit("a" * 40, "Eve", "eve@example.com", datetime(2026, 3, 1, tzinfo=UTC), "x\x1b[2J", ())
    finding = Finding("a\nremote: fine\x1b[2J::error::", 1, 0, "", "was edited")
    verdict = CommitVerdict(commit, findings=(finding,))
    assert as_text([verdict]).count("\n") == 2
    assert "\x1b" not in as_text([verdict]) + as_github([verdict])
    assert as_github([verdict]).count("\n") == 1
