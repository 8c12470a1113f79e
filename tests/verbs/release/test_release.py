"""The verbs on real repositories: their commits, and the files that they leave alone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.support.commands import NOON, ONE, TWO, Checkout

HALF_PAST = "2026-03-01T12:30:00Z"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"
ONE_O_CLOCK = "2026-03-01T13:00:00Z"
TWO_O_CLOCK = "2026-03-01T14:00:00Z"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "repo")


@pytest.fixture
def releasing(checkout: Checkout) -> Checkout:
    """Return a checkout with prod/web at its first pause."""
    checkout.advance_all("prod/web")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON)
    return checkout


def test_a_canary_commit_by_commit(releasing: Checkout) -> None:
    assert (releasing.replicas("prod/web"), releasing.weight("prod/web")) == ({"1.0.0": 5, "2.0.0": 1}, "20")
    releasing.run("promote", "prod/web", "--now", NOON)
    assert (releasing.replicas("prod/web"), releasing.weight("prod/web")) == ({"1.0.0": 5, "2.0.0": 2}, "40")
    releasing.run("advance", "prod/web", "--now", HALF_PAST)
    assert (releasing.replicas("prod/web"), releasing.weight("prod/web")) == ({"1.0.0": 5, "2.0.0": 3}, "60")
    releasing.run("advance", "prod/web", "--now", ONE_O_CLOCK)
    assert (releasing.replicas("prod/web"), releasing.weight("prod/web")) == ({"1.0.0": 5, "2.0.0": 5}, "0")
    releasing.run("advance", "prod/web", "--now", TWO_O_CLOCK)
    assert releasing.replicas("prod/web") == {"1.0.0": 0, "2.0.0": 5}
    assert len(releasing.subjects) == 7
    assert "step 3/6, 40% to" in releasing.subjects[3]
    assert releasing.git("status", "--porcelain") == ""
    assert (
        f"image: {TWO} # what a release changes" in (releasing.root / "environments/prod/web/rollout.yaml").read_text()
    )


def test_a_blue_green_release(checkout: Checkout) -> None:
    checkout.advance_all("prod/api")
    checkout.run("set", "image", "prod/api", "api=registry.example.com/shop/api:2.0.0", "--now", NOON)
    services = checkout.objects("prod/api", ["Service"])
    hashes = {name: body["spec"]["selector"]["rollouts-pod-template-hash"] for name, body in services.items()}
    assert hashes["Service/api"] != hashes["Service/api-preview"]
    checkout.run("promote", "prod/api", "--now", NOON)
    services = checkout.objects("prod/api", ["Service"])
    assert {body["spec"]["selector"]["rollouts-pod-template-hash"] for body in services.values()} == {
        hashes["Service/api-preview"]
    }
    assert checkout.replicas("prod/api") == {"1.0.0": 3, "2.0.0": 3}
    checkout.run("advance", "prod/api", "--now", HALF_PAST)
    assert checkout.replicas("prod/api") == {"1.0.0": 0, "2.0.0": 3}


def test_a_pause_holds_and_prints_the_reason(releasing: Checkout) -> None:
    before = releasing.snapshot()
    held = releasing.run("advance", "prod/web", "--now", TWO_O_CLOCK)
    assert "CanaryPauseStep" in held.stderr
    assert releasing.snapshot() == before
    releasing.run("promote", "prod/web", "--now", NOON)
    before = releasing.snapshot()
    held = releasing.run("advance", "prod/web", "--now", "2026-03-01T12:09:59Z")
    assert "until 2026-03-01T12:10:00Z" in held.stderr
    assert releasing.snapshot() == before
    releasing.run("advance", "prod/web", "--now", "2026-03-01T12:10:00Z")
    assert releasing.weight("prod/web") == "60"


def test_advance_to_a_step(releasing: Checkout) -> None:
    refused = releasing.run("advance", "prod/web", "--to", "4", "--now", NOON, code=1)
    assert "CanaryPauseStep" in refused.stderr
    releasing.run("promote", "prod/web", "--now", NOON)
    releasing.run("advance", "prod/web", "--to", "4", "--now", HALF_PAST)
    (row,) = releasing.json("status", "prod/web")
    assert (row["currentStepIndex"], row["steps"], row["weight"]) == (4, 6, 60)


def test_abort_and_retry(releasing: Checkout) -> None:
    releasing.run("abort", "prod/web", "--now", NOON)
    assert releasing.weight("prod/web") == "0"
    (row,) = releasing.json("status", "prod/web", code=1)
    assert row["phase"] == "Degraded"
    releasing.run("advance", "prod/web", "--now", HALF_PAST)
    assert releasing.replicas("prod/web") == {"1.0.0": 5, "2.0.0": 0}
    releasing.run("retry", "prod/web", "--now", HALF_PAST)
    assert (releasing.replicas("prod/web"), releasing.weight("prod/web")) == ({"1.0.0": 5, "2.0.0": 1}, "20")


def test_undo_puts_the_old_template_back(releasing: Checkout) -> None:
    source = releasing.root / "environments/prod/web/rollout.yaml"
    releasing.run("undo", "prod/web", "--now", NOON)
    assert "image: registry.example.com/shop/web:1.0.0 # what a release changes" in source.read_text()
    assert releasing.weight("prod/web") == "0"
    (row,) = releasing.json("status", "prod/web")
    assert (row["revision"], row["currentStepIndex"]) == (3, 6)
    refused = releasing.run("undo", "prod/web", "--to-revision", "9", code=1)
    assert "unable to find specified revision 9 in history" in refused.stderr


def test_scale_in_the_middle(releasing: Checkout) -> None:
    releasing.run("scale", "prod/web", "--replicas", "10", "--now", NOON)
    assert releasing.replicas("prod/web") == {"1.0.0": 10, "2.0.0": 2}
    assert "replicas: 10\n" in (releasing.root / "environments/prod/web/rollout.yaml").read_text()


def test_pause_and_resume(releasing: Checkout) -> None:
    releasing.run("pause", "prod/web", "--now", NOON)
    assert releasing.json("get", "prod/web")[0]["reason"] == "manually paused"
    assert "manually paused" in releasing.run("advance", "prod/web", "--now", TWO_O_CLOCK).stderr
    releasing.run("resume", "prod/web", "--now", NOON)
    assert releasing.json("get", "prod/web")[0]["reason"] == "CanaryPauseStep"


def test_promote_full_and_skip(releasing: Checkout) -> None:
    releasing.run("promote", "prod/web", "--skip-current-step", "--now", NOON)
    assert releasing.weight("prod/web") == "40"
    releasing.run("promote", "prod/web", "--full", "--now", NOON)
    assert releasing.replicas("prod/web") == {"1.0.0": 5, "2.0.0": 5}
    assert releasing.json("status", "prod/web")[0]["phase"] == "Committed"
    releasing.run("promote", "prod/web", "--full", "-c", code=2)


def test_a_third_version_replaces_the_second(releasing: Checkout) -> None:
    releasing.run("set", "image", "prod/web", "web=registry.example.com/shop/web:3.0.0", "--now", NOON)
    assert releasing.replicas("prod/web")["3.0.0"] == 1
    assert (releasing.weight("prod/web"), releasing.json("status", "prod/web")[0]["revision"]) == ("20", 3)


def test_a_commit_has_only_our_files(releasing: Checkout) -> None:
    (releasing.root / "notes.txt").write_text("mine")
    (releasing.root / "staged.txt").write_text("staged")
    releasing.git("add", "staged.txt")
    (releasing.root / "environments/staging/web/rollout.yaml").write_text("changed: true\n")
    releasing.run("promote", "prod/web", "--now", NOON)
    changed = releasing.git("show", "--name-only", "--format=", "HEAD").split()
    assert all(name.startswith("environments/prod/web/") for name in changed)
    status = releasing.git("status", "--porcelain").splitlines()
    assert sorted(status) == [" M environments/staging/web/rollout.yaml", "?? notes.txt", "A  staged.txt"]


def test_several_apps_start_as_many_git_processes_as_one(checkout: Checkout, tmp_path: Path) -> None:
    def started(name: str, *arguments: str) -> int:
        trace = tmp_path / name
        checkout.process("advance", *arguments, "--together", "--no-validate", "--now", NOON, GIT_TRACE=str(trace))
        return trace.read_text().count("trace: built-in: git ")

    assert started("one", "prod/web") == started("others", "prod/api", "staging/web") > 5
    assert checkout.subjects[0].startswith("2 apps: ")


@pytest.mark.parametrize("listed", [64, 0])
def test_uncommitted_files_are_found_in_each_app(
    checkout: Checkout, listed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("renderer.pipeline.commit.uncommitted.MANY", listed)
    monkeypatch.setattr("renderer.git.repository.MANY", listed)
    checkout.run("advance", "--all", "--together", "--now", NOON)
    assert checkout.git("status", "--porcelain") == ""
    (checkout.root / "environments/prod/api/extra.yaml").write_text(CONFIG_MAP.format(name="extra"))
    (checkout.root / "environments/prod/web-notes.txt").write_text("not of prod/web")
    (checkout.root / "environments/prod/web/notes.txt").write_text("mine")
    before = checkout.snapshot()
    refused = checkout.run("advance", "prod", "--together", "--now", HALF_PAST, code=1)
    assert "environments/prod/api/extra.yaml: is not committed" in refused.stderr
    assert "web-notes" not in refused.stderr
    assert checkout.snapshot() == before
    checkout.run("advance", "prod", "--together", "--include-sources", "--now", HALF_PAST)
    assert "environments/prod/api/extra.yaml" in checkout.git("show", "--name-only", "--format=", "HEAD")
    assert "?? environments/prod/web-notes.txt" in checkout.git("status", "--porcelain")


def test_trailers_record_the_step(releasing: Checkout) -> None:
    body = releasing.git("log", "-1", "--format=%(trailers:only,unfold)").splitlines()
    trailers = dict(line.split(": ", 1) for line in body if line)
    assert trailers["Rollstep-App"] == "web"
    assert trailers["Rollstep-Env"] == "prod"
    assert trailers["Rollstep-Step"] == "1/6"
    assert trailers["Rollstep-Revision"] == "2"
    assert trailers["Rollstep-Stable"] != trailers["Rollstep-Canary"]


def test_uncommitted_sources_are_refused_or_included(releasing: Checkout) -> None:
    source = releasing.root / "environments/prod/web/rollout.yaml"
    source.write_text(source.read_text().replace("web:2.0.0", "web:2.1.0"))
    before = releasing.snapshot()
    refused = releasing.run("advance", "prod/web", "--now", NOON, code=1)
    assert "environments/prod/web/rollout.yaml: is not committed" in refused.stderr
    assert releasing.snapshot() == before
    releasing.run("advance", "prod/web", "--include-sources", "--now", NOON)
    assert "environments/prod/web/rollout.yaml" in releasing.git("show", "--name-only", "--format=", "HEAD")
    assert releasing.replicas("prod/web")["2.1.0"] == 1


def test_dry_run_writes_nothing(releasing: Checkout) -> None:
    before = releasing.snapshot()
    told = releasing.run("promote", "prod/web", "--dry-run", "--now", NOON)
    assert "[dry run] web (prod): promote, step 3/6, 40% to" in told.stdout
    assert releasing.snapshot() == before


def test_several_apps_one_commit_each_or_together(checkout: Checkout) -> None:
    checkout.run("advance", "prod", "--now", NOON)
    assert len(checkout.subjects) == 3
    checkout.run("advance", "--all", "--together", "--now", NOON)
    assert checkout.subjects[0].startswith("3 apps: ")
    assert len(checkout.subjects) == 4


def test_an_app_that_cannot_be_committed_stops_only_itself(checkout: Checkout) -> None:
    checkout.advance_all("prod")
    for app in ("api", "web"):
        checkout.edit(f"environments/prod/{app}/rollout.yaml", ":1.0.0", ":2.0.0")
    checkout.git("add", "environments/prod/api")
    checkout.git("commit", "--quiet", "--message=Release api")
    before = checkout.snapshot()
    refused = checkout.run("advance", "prod", "--together", "--now", NOON, code=1)
    assert "environments/prod/web/rollout.yaml: is not committed" in refused.stderr
    assert checkout.snapshot() == before
    done = checkout.run("advance", "prod", "--now", NOON, code=1)
    assert "environments/prod/web/rollout.yaml: is not committed" in done.stderr
    assert checkout.subjects[0].startswith("api (prod)")
    assert checkout.git("status", "--porcelain").split() == ["M", "environments/prod/web/rollout.yaml"]


def test_commits_before_a_refused_one_are_reported(checkout: Checkout) -> None:
    hook = checkout.root / ".git/hooks/commit-msg"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n! grep --quiet 'web (prod)' \"$1\"\n")
    hook.chmod(0o755)
    done = checkout.run("advance", "prod", "--now", NOON, "--no-validate", code=1)
    assert "api (prod): first release" in done.stdout
    assert "refused the commit" in done.stderr
    assert checkout.subjects[0].startswith("api (prod)")
    assert checkout.git("status", "--porcelain") == ""


def test_uncommitted_settings_are_refused_or_included(releasing: Checkout) -> None:
    releasing.edit("rollstep.yaml", 'kubernetesVersion: "1.34"', 'kubernetesVersion: "1.33"')
    before = releasing.snapshot()
    refused = releasing.run("promote", "prod/web", "--now", NOON, code=1)
    assert "rollstep.yaml: is not committed" in refused.stderr
    assert releasing.snapshot() == before
    releasing.run("promote", "prod/web", "--include-sources", "--now", NOON, "--no-validate")
    assert releasing.git("status", "--porcelain") == ""


def test_advance_commits_changes_of_other_manifests(releasing: Checkout) -> None:
    releasing.edit("environments/prod/web/configmap.yaml", "LOG_LEVEL: info", "LOG_LEVEL: debug")
    releasing.edit("environments/prod/web/services.yaml", "port: 80\n", "port: 8080\n")
    releasing.commit()
    releasing.run("render", "--check", "prod/web", code=1)
    (entry,) = releasing.json("advance", "prod/web", "--now", TWO_O_CLOCK, "--no-validate")
    assert (entry["moved"], entry["reason"]) == (True, "CanaryPauseStep")
    assert "manifests updated" in releasing.subjects[0]
    body = releasing.git("log", "-1", "--format=%b")
    assert [line.split() for line in body.splitlines() if "changed" in line] == [
        ["ConfigMap", "web", "changed"],
        ["Service", "web-canary", "changed"],
        ["Service", "web-stable", "changed"],
    ]
    releasing.run("render", "--check", "prod/web")
    assert "nothing was" not in releasing.run("advance", "prod/web", "--now", TWO_O_CLOCK).stdout
    assert releasing.weight("prod/web") == "20"


def test_a_commit_lists_new_and_removed_objects(releasing: Checkout) -> None:
    extra = releasing.root / "environments/prod/web/extra.yaml"

    def told() -> list[list[str]]:
        releasing.commit()
        releasing.run("advance", "prod/web", "--now", TWO_O_CLOCK, "--no-validate")
        body = releasing.git("log", "-1", "--format=%b")
        return [line.split() for line in body.splitlines() if line.startswith(("ConfigMap", "Kustomization"))]

    extra.write_text(CONFIG_MAP.format(name="extra"))
    assert told() == [["ConfigMap", "extra", "created"]]
    extra.unlink()
    assert told() == [["ConfigMap", "extra", "removed"]]


BROKEN = {
    "a step that no release can do": ("setWeight: 20", "setWeight: 120"),
    "a manifest that no API server takes": ("web:1.0.0 #", "web:1.0.0\n          ports: [{containerPort: 99999}] #"),
}


@pytest.mark.parametrize("edit", BROKEN.values(), ids=BROKEN)
def test_a_broken_app_stops_only_itself(checkout: Checkout, edit: tuple[str, str]) -> None:
    checkout.edit("environments/prod/web/rollout.yaml", *edit)
    checkout.commit("Break it")
    before = checkout.snapshot()
    for arguments in (["prod/web"], ["--all", "--together"]):
        refused = checkout.run("advance", *arguments, "--now", NOON, code=1)
        assert "environments/prod/web/r" in refused.stderr
        assert refused.stdout == ""
        assert checkout.snapshot() == before
    done = checkout.run("advance", "--all", "--now", NOON, code=1)
    assert "error: environments/prod/web/r" in done.stderr
    assert len(done.stdout.splitlines()) == len(checkout.subjects) - 2 > 2
    assert not (checkout.root / "environments/prod/web/rendered").exists()
    assert checkout.git("status", "--porcelain") == ""
    assert checkout.run("advance", "prod/api", "--now", NOON).stdout == ""


def test_a_verb_names_its_apps(checkout: Checkout) -> None:
    before = checkout.snapshot()
    for verb in (["advance"], ["scale", "--replicas", "0"], ["set", "image", f"web={TWO}"], ["abort"], ["pr"]):
        refused = checkout.run(*verb, code=2)
        assert "name a TARGET" in refused.stderr
        words = " ".join(word for word in verb[:2] if word.isalpha())
        assert f"`rollstep {words} --all`" in refused.stderr
        assert "--all or TARGETs" in checkout.run(*verb, "prod", "--all", code=2).stderr
    assert checkout.snapshot() == before


def test_a_terminal_is_asked_before_production_apps_change(checkout: Checkout) -> None:
    checkout.advance_all()

    def scale(*arguments: str, answer: str, code: int = 0) -> str:
        with pytest.MonkeyPatch.context() as patch:
            terminal = io.StringIO(f"{answer}\n")
            patch.setattr(terminal, "isatty", lambda: True)
            patch.setattr("sys.stdin", terminal)
            return checkout.run("scale", *arguments, "--replicas", "7", "--no-validate", code=code).stderr

    before = checkout.snapshot()
    question = "2 production apps change: prod/api, prod/web. Go on?"
    assert question in scale("prod", "staging", answer="n", code=1)
    assert checkout.snapshot() == before
    assert question not in scale("prod", "--dry-run", answer="n")
    assert checkout.snapshot() == before
    assert question not in scale("prod/web", "staging", answer="n")
    assert question not in scale("prod", answer="n")  # only api changes
    checkout.git("reset", "--quiet", "--hard", before[0])
    assert question in scale("prod", answer="y")
    checkout.git("reset", "--quiet", "--hard", before[0])
    assert question not in scale("prod", "--yes", answer="n")
    assert checkout.head != before[0]


def test_a_rollout_from_a_template_is_not_edited(checkout: Checkout) -> None:
    checkout.advance_all("dev/web")
    before = checkout.snapshot()
    refused = checkout.run("set", "image", "dev/web", "web=other:1", code=1)
    assert "spec.template.spec.containers[0].image" in refused.stderr
    assert checkout.snapshot() == before
    settings = checkout.root / "rollstep.yaml"
    settings.write_text(settings.read_text().replace('tag: "1.0.0"', 'tag: "1.1.0"'))
    checkout.git("commit", "-qam", "Release dev")
    checkout.run("advance", "dev/web", "--now", NOON)
    assert checkout.replicas("dev/web") == {"1.0.0": 1, "1.1.0": 1}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["advance", "nowhere"], 2),
        (["set", "image", "prod/web"], 2),
        (["scale", "prod/web"], 2),
        (["scale", "prod/web", "--replicas", "-1"], 2),
        (["advance", "--all", "--now", "yesterday"], 2),
        (["set", "image", "prod/web", "nobody=x"], 1),
        (["frobnicate"], 2),
    ],
)
def test_mistakes_write_nothing(checkout: Checkout, arguments: list[str], code: int) -> None:
    before = checkout.snapshot()
    checkout.run(*arguments, code=code)
    assert checkout.snapshot() == before


def test_no_repository(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    import shutil

    shutil.rmtree(checkout.root / ".git")
    refused = checkout.run("advance", "prod/web", code=1)
    assert "git init" in refused.stderr
    assert not (checkout.root / "environments/prod/web/rendered").exists()


def test_a_detached_head_and_a_hook_that_refuses(releasing: Checkout) -> None:
    releasing.git("checkout", "--quiet", "--detach")
    before = releasing.snapshot()
    assert "detached" in releasing.run("promote", "prod/web", code=1).stderr
    assert releasing.snapshot() == before
    releasing.git("checkout", "--quiet", "main")
    hook = releasing.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    before = releasing.snapshot()
    assert "not today" in releasing.run("promote", "prod/web", code=1).stderr
    assert releasing.snapshot() == before


def test_revert_undoes_a_step(releasing: Checkout) -> None:
    tree = releasing.git("rev-parse", "HEAD^{tree}")
    releasing.run("promote", "prod/web", "--now", NOON)
    releasing.git("revert", "--no-edit", "HEAD")
    assert releasing.git("rev-parse", "HEAD^{tree}") == tree
    assert releasing.json("status", "prod/web")[0]["currentStepIndex"] == 1
    releasing.run("promote", "prod/web", "--now", NOON)
    assert releasing.weight("prod/web") == "40"


def test_retry_reaches_the_pause_like_a_new_image(releasing: Checkout) -> None:
    releasing.run("abort", "prod/web", "--now", NOON, "--no-validate")
    releasing.run("retry", "prod/web", "--now", NOON, "--no-validate")
    (row,) = releasing.json("status", "prod/web")
    assert (row["currentStepIndex"], row["phase"], row["weight"]) == (1, "Paused", 20)


@pytest.mark.parametrize(
    "verb", [["status"], ["get"], ["plan"], ["history"], ["diff"], ["advance", "--dry-run", "--no-validate"]]
)
def test_json_has_the_same_keys_in_every_state(checkout: Checkout, verb: list[str]) -> None:
    seen = [checkout.json(*verb, "prod") if verb != ["history"] else []]
    checkout.advance_all("prod")
    seen.append(checkout.json(*verb, "prod"))
    checkout.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
    seen.append(checkout.json(*verb, "prod"))
    assert len({tuple(entry) for entries in seen for entry in entries}) == 1


def test_history(releasing: Checkout) -> None:
    releasing.run("promote", "prod/web", "--now", NOON)
    newest, oldest = releasing.json("history", "prod/web")
    assert (newest["revision"], newest["images"], newest["roles"]) == (2, [TWO], ["canary"])
    assert (oldest["revision"], oldest["date"]) == (1, NOON)
    assert len(releasing.json("history", "prod/web", "--revision", "2")) == 2


def test_completion_and_help(checkout: Checkout) -> None:
    assert "_ROLLSTEP_COMPLETE=bash_complete" in checkout.run("completion", "bash").stdout
    from renderer.cli.main import VERBS

    for verb in VERBS:
        text = checkout.run(verb, "--help").stdout
        assert "xample" in text, verb
        assert "\\b" not in text, verb


def test_the_subject_of_commits_can_be_set(checkout: Checkout) -> None:
    settings = checkout.root / "rollstep.yaml"
    message = '    message: "deploy({{ changes[0].environment }}): {{ changes[0].app }} {{ changes[0].summary }}"\n'
    settings.write_text(settings.read_text().replace("  commit:\n", f"  commit:\n{message}"))
    checkout.commit()
    checkout.advance_all("prod/web")
    assert checkout.subjects[0].startswith("deploy(prod): web first release, 100% to ")
    assert "Rollstep-App: web" in checkout.git("log", "-1", "--format=%B")
    checkout.run("set", "image", "prod/web", f"web={TWO}", "-m", "Release 2.0.0", "--now", NOON)
    assert checkout.subjects[0] == "Release 2.0.0"
    settings.write_text(settings.read_text().replace("changes[0].app }}", "changes[0].nothing }}"))
    checkout.commit()
    before = checkout.snapshot()
    assert "commit.message" in checkout.run("promote", "prod/web", code=1).stderr
    assert checkout.snapshot() == before


def _replica_sets(checkout: Checkout, app: str) -> list[str]:
    return [body["metadata"]["name"] for body in checkout.objects(app, ["ReplicaSet"]).values()]


def _add_ref(checkout: Checkout, image: str) -> Path:
    """Add the app dev/ref, whose Rollout refers to a Deployment, and return its folder."""
    folder = checkout.root / "environments/dev/ref"
    folder.mkdir()
    (folder / "rollout.yaml").write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: ref}\nspec:\n  replicas: 4\n"
        "  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: ref}\n"
        "  strategy: {canary: {steps: [{setWeight: 25}, {pause: {}}]}}\n"
    )
    (folder / "deployment.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ref}\nspec:\n  replicas: 0\n"
        "  selector: {matchLabels: {app: ref}}\n  template:\n    metadata: {labels: {app: ref}}\n"
        f"    spec: {{containers: [{{name: main, image: {image}}}]}}\n"
    )
    checkout.git("add", ".")
    checkout.git("commit", "-qm", "Add ref")
    return folder


def test_a_workload_is_changed_in_its_own_file(checkout: Checkout) -> None:
    folder = _add_ref(checkout, "x:1")
    checkout.advance_all("dev/ref")
    deployment, base = folder / "deployment.yaml", checkout.head
    before = deployment.read_text()
    checkout.run("set", "image", "dev/ref", "main=x:2", "--now", NOON)
    assert deployment.read_text() == before.replace("x:1", "x:2")
    assert set(checkout.objects("dev/ref")) == {f"ReplicaSet/{name}" for name in _replica_sets(checkout, "dev/ref")}
    assert checkout.replicas("dev/ref") == {"1": 3, "2": 1}
    checkout.run("promote", "dev/ref", "--now", NOON)
    assert checkout.replicas("dev/ref") == {"1": 0, "2": 4}
    checkout.run("undo", "dev/ref", "--now", NOON)
    assert deployment.read_text() == before
    checkout.run("promote", "dev/ref", "--now", NOON)
    assert checkout.replicas("dev/ref") == {"1": 4, "2": 0}
    checkout.run("restart", "dev/ref", "--now", NOON)
    assert "kubectl.kubernetes.io/restartedAt" in deployment.read_text()
    checkout.run("render", "dev/ref", "--check")
    checkout.run("verify", f"{base}..")


def test_a_default_that_depends_on_the_image_stays_with_the_workload(checkout: Checkout) -> None:
    _add_ref(checkout, "x:latest")
    checkout.advance_all("dev/ref")
    checkout.run("set", "image", "dev/ref", "main=x:2", "--now", NOON, "--no-validate")
    text = (checkout.root / "environments/dev/ref/deployment.yaml").read_text()
    # The cluster has the policy of the old image, and would keep it.
    assert "image: x:2" in text
    assert "imagePullPolicy: Always" in text
    assert "waits" not in checkout.run("render", "dev/ref", "--check").stderr


def test_uncommitted_files_of_a_source_command_are_refused(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repo")
    app, base = checkout.root / "environments" / "prod" / "web", checkout.root / "base"
    base.mkdir()
    (base / "all.yaml").write_text("---\n".join(path.read_text() for path in sorted(app.glob("*.yaml"))))
    for path in app.glob("*.yaml"):
        path.unlink()
    (app / ".keep").write_text("")
    source = "source: {exec: [cat, base/all.yaml]%s}"
    settings = checkout.root / "rollstep.yaml"
    text = settings.read_text()
    settings.write_text(f"{text}  prod: {{apps: {{web: {{{source % ''}}}}}}}\n")
    checkout.commit("Let a command print the manifests")
    advance = ("advance", "prod/web", "--no-validate", "--allow-exec", "--now", NOON)
    checkout.run(*advance)
    checkout.edit("base/all.yaml", ONE, TWO)
    before = checkout.snapshot()
    refused = checkout.run(*advance, code=1)
    assert "base/all.yaml: is not committed, but the step would depend on it" in refused.stderr
    assert "source.reads" in refused.stderr
    assert checkout.snapshot() == before
    checkout.commit("Release another image")
    (checkout.root / "notes.txt").write_text("not read")
    checkout.run(*advance, code=1)
    settings.write_text(f"{text}  prod: {{apps: {{web: {{{source % ', reads: [base]'}}}}}}}\n")
    checkout.git("commit", "--quiet", "--message=Say what it reads", "rollstep.yaml")
    checkout.run(*advance)
    assert checkout.replicas("prod/web")["2.0.0"] == 1
