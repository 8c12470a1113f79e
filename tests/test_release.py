"""The workflows, forms and checks of a release; `make release-check` runs the release itself."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.release import ReleaseError, check_sbom, check_version

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-03-01\n\n### Added\n"
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def workflows(project: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as a boolean.
    return {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((project / ".github/workflows").glob("*.yml"))
    }


def lint(project: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    program = project / ".tools" / "bin" / "actionlint"
    return subprocess.run([program, "-no-color", *paths], capture_output=True, text=True, check=False)


def schema(name: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    command: list[str | Path] = [program, "--builtin-schema", f"vendor.{name}", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_workflows_are_right(project: Path, tmp_path: Path) -> None:
    paths = sorted((project / ".github/workflows").glob("*.yml"))
    for done in (lint(project, *paths), schema("github-workflows", *paths)):
        assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(paths[0].read_text(encoding="utf-8").replace("runs-on:", "runs_on:"), encoding="utf-8")
    assert lint(project, wrong).returncode == 1
    assert schema("github-workflows", wrong).returncode == 1


def test_the_bot_and_the_forms_are_right(project: Path, tmp_path: Path) -> None:
    bot = project / ".github" / "dependabot.yml"
    done = schema("dependabot", bot)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "dependabot.yml").write_text(bot.read_text(encoding="utf-8").replace("interval", "intervall"))
    assert schema("dependabot", tmp_path / "dependabot.yml").returncode == 1
    forms = sorted((project / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.name == "config.yml":
            assert form["blank_issues_enabled"] is False
            continue
        assert {"name", "description", "body"} <= form.keys()
        names = [part["id"] for part in form["body"] if part["type"] != "markdown"]
        assert len(names) == len(set(names))
        assert all(part["attributes"].get("label") for part in form["body"] if part["type"] != "markdown")
    assert [path.stem for path in forms] == ["bug", "config", "feature"]


def test_every_action_is_pinned_and_no_job_has_more_permissions_than_it_needs(project: Path) -> None:
    for name, workflow in workflows(project).items():
        assert workflow["permissions"] == {}, f"{name}: permissions are those of each job"
        for title, job in workflow["jobs"].items():
            assert "timeout-minutes" in job, f"{name}: {title}"
            uses = [step["uses"] for step in job["steps"] if "uses" in step]
            assert all(PINNED.fullmatch(action) for action in uses), f"{name}: {title}"
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False
                assert "${{" not in step.get("run", ""), f"{name}: {title}: an expression in a script"
            writes = {key for key, value in job["permissions"].items() if value == "write"}
            builds = any("make " in step.get("run", "") for step in job["steps"])
            assert not (writes and builds), f"{name}: {title} runs the repository's programs with a token that writes"
    publish = workflows(project)["release"]["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"]["name"] == "pypi"


def test_the_checks_run_on_every_supported_python(project: Path) -> None:
    checks = workflows(project)["checks"]["jobs"]["test"]
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    supported = re.findall(r"Python :: (3\.\d+)\"", text)
    assert checks["strategy"]["matrix"]["python"] == supported == ["3.11", "3.12", "3.13", "3.14"]


@pytest.mark.parametrize(
    ("tag", "version", "said"),
    [("", "1.2.0", "1.2.0 of 2026-03-01"), ("v1.2.0", "1.2.0", "2026-03-01"), ("", "1.3.0", "calls 1.3.0 Unreleased")],
)
def test_a_version_that_fits(tag: str, version: str, said: str) -> None:
    assert said in check_version(tag, version, CHANGELOG)


@pytest.mark.parametrize(("tag", "version"), [("v1.2.1", "1.2.0"), ("1.2.0", "1.2.0"), ("v1.3.0", "1.3.0")])
def test_a_version_that_does_not_fit_its_tag_or_the_changelog(tag: str, version: str) -> None:
    with pytest.raises(ReleaseError, match=r"tag|no section"):
        check_version(tag, version, CHANGELOG)
    with pytest.raises(ReleaseError, match="no section"):
        check_version("", "2.0.0", "# Changelog\n")


def test_a_wheel_without_its_sbom_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("x-1.dist-info/sboms/sbom.cdx.json", "{}")
    with pytest.raises(ReleaseError, match="SBOM"):
        check_sbom(tmp_path / "x.whl")


def test_the_changelog_keeps_its_form(project: Path) -> None:
    text = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds
    assert re.findall(r"^## (.*)$", text, re.MULTILINE)[0] == "[Unreleased]"
