"""Recipes for pipelines, and the action: the real linters pass them, their commands run on a real repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from renderer.kubernetes.yaml.reader import load_documents
from tests.support.commands import NOON, PROJECT, TWO, Checkout

RECIPES = PROJECT / "docs" / "recipes"
WORKFLOWS = sorted((RECIPES / "github").glob("*.yml"))
INSTALL = "python -m pip install rollstep"


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
    text = (PROJECT / "docs" / "pipelines.md").read_text(encoding="utf-8")
    steps = text.partition("```yaml\n")[2].partition("```")[0].replace("OWNER/rollstep@main", "./")
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


def test_the_gitlab_pipeline_is_right(tmp_path: Path) -> None:
    path = RECIPES / "gitlab" / "gitlab-ci.yml"
    schema_check("gitlab-ci", "--data-transform", "gitlab-ci", path)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(path.read_text(encoding="utf-8").replace("rules:", "rulez:"), encoding="utf-8")
    with pytest.raises(AssertionError, match="rulez"):
        schema_check("gitlab-ci", "--data-transform", "gitlab-ci", wrong)


class Pipeline:
    """A clone as a pipeline has it, with a release of prod/web whose pause is over, and the commands in it."""

    def __init__(self, root: Path) -> None:
        self.remote, self.root, self.bin = root / "web.git", root / "clone", root / "bin"
        (root / "work").mkdir()
        work = Checkout(root / "work")
        work.run("advance", "--all", "--now", NOON, "--no-validate")
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


def run_steps(pipeline: Pipeline, steps: list[Any], values: dict[str, str]) -> list[str]:
    """Run the commands of a job's steps, with ``values`` for the expressions in their variables."""
    told = []
    for step in steps:
        if "run" in step:
            variables = {key: values[value] for key, value in step.get("env", {}).items()}
            told.append(pipeline.sh(step["run"], GITHUB_BASE_REF="main", **variables))
        else:
            assert step["uses"].startswith(("actions/checkout@v", "actions/setup-python@v"))
    return told


def test_the_release_workflow_goes_on_with_a_release(pipeline: Pipeline) -> None:
    pipeline.git("switch", "--quiet", "new")
    before = pipeline.tip("new")
    (job,) = read(RECIPES / "github" / "release.yml")["jobs"].values()
    run_steps(pipeline, job["steps"], {"${{ github.token }}": "a-token"})
    assert pipeline.tip("new") == pipeline.git("rev-parse", "HEAD") != before
    subjects = pipeline.git("log", "--format=%s|%an", f"{before}..").splitlines()
    assert {line.partition(" ")[0] for line in subjects} == {"web"}


def test_the_check_workflow_passes_a_step_and_comments_the_plan(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.git("switch", "--quiet", "--detach", "origin/new")
    (job,) = read(RECIPES / "github" / "check.yml")["jobs"].values()
    values = {"${{ github.token }}": "a-token", "${{ github.event.pull_request.number }}": "12"}
    run_steps(pipeline, job["steps"], values)
    said = (tmp_path / "gh").read_text(encoding="utf-8").splitlines()
    assert said[:6] == ["pr", "comment", "12", "--edit-last", "--create-if-none", "--body-file"]
    assert "| STEP |" in (tmp_path / "comment").read_text(encoding="utf-8")
    assert (tmp_path / "installed").read_text(encoding="utf-8").split()[-1] == "rollstep"


def test_the_check_workflow_refuses_what_was_edited_by_hand(pipeline: Pipeline) -> None:
    pipeline.git("switch", "--quiet", "new")
    file = next((pipeline.root / "environments/prod/web/rendered").glob("replicaset-*.yaml"))
    text = re.sub(r"replicas: \d+", "replicas: 77", file.read_text(encoding="utf-8"), count=1)
    file.write_text(text, encoding="utf-8")
    pipeline.git("commit", "--quiet", "--all", "--message=By hand")
    (job,) = read(RECIPES / "github" / "check.yml")["jobs"].values()
    (verify,) = [step["run"] for step in job["steps"] if "rollstep verify" in step.get("run", "")]
    with pytest.raises(AssertionError, match=file.name):
        pipeline.sh(verify, GITHUB_BASE_REF="main")


def test_the_gitlab_jobs_run(pipeline: Pipeline) -> None:
    recipe = read(RECIPES / "gitlab" / "gitlab-ci.yml")
    assert recipe["default"]["before_script"] == [INSTALL]
    pipeline.git("switch", "--quiet", "--detach", "origin/new")
    pipeline.sh("\n".join(recipe["check"]["script"]), CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main")
    json.loads((pipeline.root / "rollstep-lint.json").read_text(encoding="utf-8"))
    assert "| STEP |" in (pipeline.root / "plan.md").read_text(encoding="utf-8")
    before = pipeline.tip("new")
    variables = {
        "CI_PROJECT_URL": str(pipeline.remote).removesuffix(".git"),
        "CI_COMMIT_BRANCH": "new",
        "CI_COMMIT_SHA": before,
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
