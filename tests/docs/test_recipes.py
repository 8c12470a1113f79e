"""Recipes for pipelines, and the action: the real linters pass them, their commands run on a real repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.settings import parse_settings
from tests.support.commands import NOON, PROJECT, TWO, Checkout

RECIPES = PROJECT / "docs" / "how-to" / "recipes"
WORKFLOWS = sorted((RECIPES / "github").glob("*.yml"))
INSTALL = 'python -m pip install "git+https://github.com/OWNER/rollstep@COMMIT"'
PINNED = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40}) # (v[\d.]+)$")
UPDATERS = RECIPES / "updaters"


def read(path: Path) -> Any:
    (document,) = load_documents(path.read_text(encoding="utf-8"), path.name)
    return document.value


def passes(*command: str | Path, cwd: Path = PROJECT) -> None:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def schema_check(schema: str, *arguments: str | Path) -> None:
    passes(Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *arguments)


@pytest.fixture(scope="module")
def actionlint() -> Path:
    found = PROJECT / ".tools" / "bin" / "actionlint"
    assert found.is_file(), "no actionlint: run `make setup`"
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_right(path: Path, actionlint: Path) -> None:
    passes(actionlint, "-no-color", path)
    schema_check("github-workflows", path)


def test_the_linter_finds_what_is_wrong(actionlint: Path, tmp_path: Path) -> None:
    text = (RECIPES / "github" / "release.yml").read_text(encoding="utf-8")
    (tmp_path / "wrong.yml").write_text(text.replace("github.token", "github.tokn"), encoding="utf-8")
    done = subprocess.run([actionlint, tmp_path / "wrong.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "tokn" in done.stdout


def test_the_action_is_right_and_takes_what_the_documentation_gives_it(actionlint: Path, tmp_path: Path) -> None:
    schema_check("github-actions", PROJECT / "action.yml")
    text = (PROJECT / "docs" / "how-to" / "github.md").read_text(encoding="utf-8")
    steps = (
        text.partition("## The action")[2]
        .partition("```yaml\n")[2]
        .partition("```")[0]
        .replace("OWNER/rollstep@COMMIT", "./")
    )
    workflow = "on: push\njobs:\n  it:\n    runs-on: ubuntu-latest\n    steps:\n"
    workflow += "".join(f"      {line}\n" for line in steps.splitlines())
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "it.yml").write_text(workflow, encoding="utf-8")
    shutil.copy(PROJECT / "action.yml", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    passes(actionlint, "-no-color", cwd=tmp_path)
    (folder / "it.yml").write_text(workflow.replace("command:", "comand:"), encoding="utf-8")
    with pytest.raises(AssertionError, match="comand"):
        passes(actionlint, "-no-color", cwd=tmp_path)


@pytest.mark.parametrize("name", ["gitlab-ci", "pages"])
def test_the_gitlab_pipeline_is_right(tmp_path: Path, name: str) -> None:
    path = RECIPES / "gitlab" / f"{name}.yml"
    schema_check("gitlab-ci", "--data-transform", "gitlab-ci", path)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(path.read_text(encoding="utf-8").replace("rules:", "rulez:"), encoding="utf-8")
    with pytest.raises(AssertionError, match="rulez"):
        schema_check("gitlab-ci", "--data-transform", "gitlab-ci", wrong)


COMMAND = """\
environments:
  prod:
    apps:
      batch: {source: {exec: [cat, sources/batch.yaml]}}
"""
BATCH = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: batch}
spec:
  selector: {matchLabels: {app: batch}}
  template:
    metadata: {labels: {app: batch}}
    spec: {containers: [{name: batch, image: registry.example.com/shop/batch:1.0.0}]}
  strategy: {canary: {}}
"""


def add_app_of_a_command(work: Checkout) -> None:
    """Add an app whose manifests a command prints."""
    (work.root / "sources").mkdir()
    (work.root / "sources/batch.yaml").write_text(BATCH, encoding="utf-8")
    settings = work.root / "rollstep.yaml"
    text = settings.read_text(encoding="utf-8").replace("environments:\n", COMMAND)
    settings.write_text(text, encoding="utf-8")
    work.commit("Add an app of a command")


class Pipeline:
    """A clone as a pipeline has it, with a release of prod/web whose pause is over, and the commands in it.

    The manifests of another app come from a command.
    """

    def __init__(self, root: Path) -> None:
        self.remote, self.root, self.bin = root / "web.git", root / "clone", root / "bin"
        (root / "work").mkdir()
        work = Checkout(root / "work")
        add_app_of_a_command(work)
        work.process("advance", "--all", "--now", NOON, "--no-validate", "--allow-exec")
        subprocess.run(["git", "clone", "--quiet", "--bare", str(work.root), str(self.remote)], check=True)
        work.git("remote", "add", "origin", str(self.remote))
        work.git("fetch", "--quiet", "origin")
        work.git("switch", "--quiet", "--create", "new")
        work.run("set", "image", "prod/web", f"web={TWO}", "--now", NOON, "--no-validate")
        work.run("promote", "prod/web", "--now", NOON, "--no-validate")
        work.git("push", "--quiet", "origin", "new")
        subprocess.run(["git", "clone", "--quiet", str(self.remote), str(self.root)], check=True)
        self.bin.mkdir()
        for name, text in {
            "rollstep": f'exec "{sys.executable}" -m renderer "$@"',
            "gh": f'printf "%s\\n" "$@" > "{root}/gh"; cat "$7" > "{root}/comment"',
            "python": f'echo "$@" > "{root}/installed"',
        }.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (self.bin / name).chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "RUNNER_TEMP": str(root),
        }

    def sh(self, script: str, **environment: str) -> str:
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        variables = {**self.environment, **environment}
        done = subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.root), *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def tip(self, branch: str) -> str:
        command = ["git", "-C", str(self.remote), "rev-parse", branch]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def run_job(pipeline: Pipeline, job: Any, values: dict[str, str]) -> None:
    """Run the commands of a job's steps, with ``values`` for the expressions in their variables."""
    known = {"actions/checkout", "actions/setup-python", "actions/upload-artifact", "actions/download-artifact"}
    for step in job["steps"]:
        if "run" in step:
            variables = {**job.get("env", {}), **step.get("env", {})}
            told = {key: values.get(value, value) for key, value in variables.items()}
            pipeline.sh(step["run"], GITHUB_BASE_REF="main", **told)
        else:
            assert step["uses"].partition("@")[0] in known


def test_the_release_workflow_goes_on_with_a_release(pipeline: Pipeline) -> None:
    pipeline.git("switch", "--quiet", "new")
    before = pipeline.tip("new")
    (job,) = read(RECIPES / "github" / "release.yml")["jobs"].values()
    run_job(pipeline, job, {"${{ github.token }}": "a-token"})
    assert pipeline.tip("new") == pipeline.git("rev-parse", "HEAD") != before
    subjects = pipeline.git("log", "--format=%s|%an", f"{before}..").splitlines()
    assert {line.partition(" ")[0] for line in subjects} == {"web"}


def test_the_check_workflow_passes_a_step_and_comments_the_plan(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.git("switch", "--quiet", "--detach", "origin/new")
    jobs = read(RECIPES / "github" / "check.yml")["jobs"]
    values = {"${{ github.token }}": "a-token", "${{ github.event.pull_request.number }}": "12"}
    run_job(pipeline, jobs["check"], values)
    run_job(pipeline, jobs["comment"], values)
    said = (tmp_path / "gh").read_text(encoding="utf-8").splitlines()
    assert said[:6] == ["pr", "comment", "12", "--edit-last", "--create-if-none", "--body-file"]
    assert "| Step |" in (tmp_path / "comment").read_text(encoding="utf-8")
    assert (tmp_path / "installed").read_text(encoding="utf-8").split()[-1] == INSTALL.split('"')[1]


def test_the_check_workflow_is_green_for_a_new_image_and_red_for_a_wrong_one(pipeline: Pipeline) -> None:
    pipeline.git("switch", "--quiet", "main")
    job = read(RECIPES / "github" / "check.yml")["jobs"]["check"]
    for app, old in (("environments/prod/web/rollout.yaml", "web:1.0.0"), ("sources/batch.yaml", "batch:1.0.0")):
        file = pipeline.root / app
        file.write_text(file.read_text(encoding="utf-8").replace(old, f"{old[:-5]}2.0.0"), encoding="utf-8")
    pipeline.git("commit", "--quiet", "--all", "--message=Update the images")
    run_job(pipeline, job, {})
    plan = (pipeline.root / "plan.md").read_text(encoding="utf-8")
    assert "### batch (prod)" in plan
    file = pipeline.root / "sources/batch.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("canary: {}", "canary: {steps: [{setWeight: 120}]}"))
    with pytest.raises(AssertionError, match="120 is not between 0 and 100"):
        run_job(pipeline, job, {})


def jobs_with_programs() -> dict[str, Any]:
    found = {
        f"{path.stem} {name}": job for path in WORKFLOWS for name, job in read(path)["jobs"].items() if "env" in job
    }
    assert {name for name, job in found.items() if job["env"].get("ROLLSTEP_ALLOW_EXEC")} == set(found)
    return found


def test_only_a_job_with_nothing_to_steal_runs_the_programs_of_a_pull_request() -> None:
    assert set(jobs_with_programs()) == {"check check", "pages site", "release advance"}
    check, release = (read(RECIPES / "github" / name) for name in ("check.yml", "release.yml"))
    # YAML 1.1 reads the key `on` as a boolean.
    assert check["true"] == "pull_request"
    assert check["permissions"] == {}
    job = check["jobs"]["check"]
    assert job["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets|token|cache", json.dumps(job["steps"]))
    (checkout,) = [step["with"] for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert checkout["persist-credentials"] is False
    comment = check["jobs"]["comment"]
    assert not any("rollstep" in step.get("run", "") or "checkout" in step.get("uses", "") for step in comment["steps"])
    assert set(release["true"]) == {"schedule", "workflow_dispatch"}


def test_the_pages_are_made_of_the_default_branch_by_a_job_that_writes_nothing() -> None:
    pages = read(RECIPES / "github" / "pages.yml")
    assert set(pages["true"]) == {"push", "workflow_dispatch"}
    assert pages["permissions"] == {}
    site, deploy = pages["jobs"]["site"], pages["jobs"]["deploy"]
    assert site["permissions"] == {"contents": "read"}
    assert "default_branch" in site["if"]
    assert not any("run" in step for step in deploy["steps"])
    (rule,) = read(RECIPES / "gitlab" / "pages.yml")["pages"]["rules"]
    assert "CI_DEFAULT_BRANCH" in rule["if"]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_the_pages_are_made(pipeline: Pipeline, forge: str) -> None:
    recipe = read(RECIPES / forge / "pages.yml")
    if forge == "github":
        job, folder = recipe["jobs"]["site"], "_site"
        scripts = [step["run"] for step in job["steps"] if "run" in step]
        (upload,) = [step["with"]["path"] for step in job["steps"] if "pages-artifact" in step.get("uses", "")]
        variables = job["env"]
    else:
        job, folder = recipe["pages"], "public"
        scripts, variables = [*job["before_script"], *job["script"]], job["variables"]
        (upload,) = job["artifacts"]["paths"]
    assert upload == folder
    pipeline.sh("\n".join(scripts), **variables)
    # The app of a command is there, too.
    assert "Committed" in (pipeline.root / folder / "releases.json").read_text(encoding="utf-8")
    assert (pipeline.root / folder / "apps/prod/batch/index.html").is_file()


def test_no_job_of_a_merge_request_has_the_token() -> None:
    recipe = read(RECIPES / "gitlab" / "gitlab-ci.yml")
    assert "merge_request_event" not in json.dumps(recipe["advance"])
    assert "CI_COMMIT_REF_PROTECTED" in json.dumps(recipe["advance"]["rules"])
    assert "ROLLSTEP_ALLOW_EXEC" not in recipe["variables"]
    assert not re.search(r"TOKEN|cache", json.dumps(recipe["check"]))


def test_every_action_is_pinned_and_has_one_version() -> None:
    pages = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *WORKFLOWS, PROJECT / "action.yml"]
    pages += (PROJECT / ".github/workflows").glob("*.yml")
    used: dict[str, set[str]] = {}
    for page in pages:
        for line in re.findall(r"^\s*(?:- )?uses: (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            if line.startswith("OWNER/rollstep"):
                assert line == "OWNER/rollstep@COMMIT"
                continue
            pinned = PINNED.fullmatch(line)
            assert pinned, f"{page.name}: {line}"
            used.setdefault(pinned[1], set()).add(f"{pinned[2]} {pinned[3]}")
    assert len(used) == 9
    assert {name: versions for name, versions in used.items() if len(versions) > 1} == {}


def test_no_page_installs_what_no_index_has() -> None:
    pages = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *RECIPES.rglob("*.*")]
    for page in pages:
        if page.name != "CHANGELOG.md":
            text = page.read_text(encoding="utf-8")
            assert not re.search(r"(pip|pipx|tool) (install|run)( --\S+)* '?rollstep(?!\[dask\] @)", text), page


@pytest.mark.parametrize(("schema", "name"), [("renovate", "renovate.json"), ("dependabot", "dependabot.yml")])
def test_the_configuration_of_an_updater_is_right(schema: str, name: str, tmp_path: Path) -> None:
    schema_check(schema, UPDATERS / name)
    wrong = tmp_path / name
    text = (UPDATERS / name).read_text(encoding="utf-8")
    wrong.write_text(text.replace('"ignorePaths": [', '"ignorePaths": [7, ').replace("interval:", "intervall:"))
    with pytest.raises(AssertionError, match=r"ignorePaths|interval"):
        schema_check(schema, wrong)


def matches(pattern: str, path: str) -> bool:
    """Return whether a pattern of minimatch, as Renovate and Dependabot use it, matches a path."""
    regex = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"/\*\*", "/.*").replace(r"\*", "[^/]*")
    return re.fullmatch(regex, path) is not None


def edited_by_renovate(paths: list[str]) -> set[str]:
    config = json.loads((UPDATERS / "renovate.json").read_text(encoding="utf-8"))
    (pattern,) = config["kubernetes"]["managerFilePatterns"]
    found = {path for path in paths if re.search(pattern.strip("/"), path)}
    # What the two other managers find by default.
    found |= {path for path in paths if re.search(r"(^|/)(kustomization\.ya?ml|values\.ya?ml)$", path)}
    return {path for path in found if not any(matches(ignored, path) for ignored in config["ignorePaths"])}


def edited_by_dependabot(paths: list[str]) -> set[str]:
    (update,) = read(UPDATERS / "dependabot.yml")["updates"]
    (folder,) = update["directories"]
    found = {path for path in paths if matches(folder, "/" + path.rpartition("/")[0]) and path.endswith(".yaml")}
    return {path for path in found if not any(matches(excluded, path) for excluded in update["exclude-paths"])}


def edited_by_flux(paths: list[str]) -> set[str]:
    documents = load_documents((UPDATERS / "flux.yaml").read_text(encoding="utf-8"), "flux.yaml")
    (update,) = [one.value["spec"]["update"] for one in documents if one.value["kind"] == "ImageUpdateAutomation"]
    assert update["strategy"] == "Setters"
    return {path for path in paths if path.startswith(f"{update['path'].removeprefix('./')}/")}


@pytest.mark.parametrize("edited", [edited_by_renovate, edited_by_dependabot])
def test_an_updater_edits_sources_and_nothing_that_rollstep_writes(
    edited: Callable[[list[str]], set[str]], pipeline: Pipeline
) -> None:
    found = edited(pipeline.git("ls-files").splitlines())
    assert "environments/prod/web/rollout.yaml" in found
    assert not any("/rendered/" in path or path.endswith("status.yaml") for path in found)


def test_flux_finds_no_mark_in_what_rollstep_writes(pipeline: Pipeline) -> None:
    paths = edited_by_flux(pipeline.git("ls-files").splitlines())
    assert "environments/prod/web/rollout.yaml" in paths
    written = [path for path in paths if "/rendered/" in path or path.endswith("status.yaml")]
    assert written
    for path in written:
        comments = re.findall(r"(?:^| )#.*", (pipeline.root / path).read_text(encoding="utf-8"), re.MULTILINE)
        assert not any("$imagepolicy" in comment for comment in comments)


def test_the_argocd_image_updater_writes_to_the_overlay_that_its_comment_makes_a_source() -> None:
    path = UPDATERS / "argocd-image-updater.yaml"
    target = read(path)["spec"]["writeBackConfig"]["gitConfig"]["writeBackTarget"]
    kind, _, overlay = target.partition(":/")
    assert kind == "kustomization"
    (comment,) = re.findall(r"^#   (environments: .*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    settings = parse_settings(f"{comment}\n", PROJECT)
    assert settings.for_app("prod", "web").source.argv == ("kustomize", "build", overlay)


def test_the_check_workflow_refuses_what_was_edited_by_hand(pipeline: Pipeline) -> None:
    pipeline.git("switch", "--quiet", "new")
    file = next((pipeline.root / "environments/prod/web/rendered").glob("replicaset-*.yaml"))
    text = re.sub(r"replicas: \d+", "replicas: 77", file.read_text(encoding="utf-8"), count=1)
    file.write_text(text, encoding="utf-8")
    pipeline.git("commit", "--quiet", "--all", "--message=By hand")
    job = read(RECIPES / "github" / "check.yml")["jobs"]["check"]
    (verify,) = [step["run"] for step in job["steps"] if "rollstep verify" in step.get("run", "")]
    with pytest.raises(AssertionError, match=file.name):
        pipeline.sh(verify, GITHUB_BASE_REF="main")


def test_the_gitlab_jobs_run(pipeline: Pipeline) -> None:
    recipe = read(RECIPES / "gitlab" / "gitlab-ci.yml")
    assert recipe["default"]["before_script"] == [INSTALL]
    pipeline.git("switch", "--quiet", "--detach", "origin/new")
    variables = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", **recipe["check"]["variables"]}
    pipeline.sh("\n".join(recipe["check"]["script"]), **variables)
    json.loads((pipeline.root / "rollstep-lint.json").read_text(encoding="utf-8"))
    assert "| Step |" in (pipeline.root / "plan.md").read_text(encoding="utf-8")
    before = pipeline.tip("new")
    variables = {
        "CI_PROJECT_URL": str(pipeline.remote).removesuffix(".git"),
        "CI_COMMIT_BRANCH": "new",
        "CI_COMMIT_SHA": before,
        **recipe["advance"]["variables"],
    }
    pipeline.sh("\n".join(recipe["advance"]["script"]), **variables)
    assert pipeline.tip("new") == pipeline.git("rev-parse", "HEAD") != before


def test_the_action_runs_the_words_of_its_input_and_nothing_else(pipeline: Pipeline, tmp_path: Path) -> None:
    steps = [step for step in read(PROJECT / "action.yml")["runs"]["steps"] if "run" in step]
    output = tmp_path / "output"
    variables = {"GITHUB_ACTION_PATH": str(PROJECT), "GITHUB_OUTPUT": str(output), "GITHUB_TOKEN": "a-token"}
    told = [pipeline.sh(step["run"], COMMAND="status prod/web -o json", **variables) for step in steps]
    assert json.loads(told[-1])[0]["app"] == "web"
    report = Path(output.read_text(encoding="utf-8").strip().partition("=")[2])
    assert report.read_text(encoding="utf-8") == told[-1]
    assert (tmp_path / "installed").read_text(encoding="utf-8").split()[-1] == str(PROJECT)
    with pytest.raises(AssertionError):
        pipeline.sh(steps[-1]["run"], COMMAND=f"status $(touch {tmp_path}/run)", **variables)
    assert not (tmp_path / "run").exists()


def test_all_is_every_app_and_goes_with_no_other(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    every = checkout.json("advance", "--all", "--dry-run", "--no-validate", "--now", NOON)
    assert len(every) == len(checkout.json("status")) > 2
    assert "use either --all or TARGETs" in checkout.run("advance", "prod/web", "--all", code=2).stderr
