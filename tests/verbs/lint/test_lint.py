"""``rollstep lint`` as a process: its input, the selection of rules, and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from renderer.errors import UsageError
from renderer.verbs.lint.files import lint_paths
from renderer.verbs.lint.rules import RULES

CASES = Path(__file__).parent / "cases"
PROJECT = Path(__file__).parents[3]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "rollstep.yaml").touch()
    return tmp_path


@pytest.fixture
def run(place: Path) -> Run:
    """Return a function that runs ``rollstep lint`` with arguments and expects an exit code."""

    def call(*arguments: str, code: int, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "renderer", "lint", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        done = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, input=stdin, check=False
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return call


def text_of(code: str, kind: str = "bad") -> str:
    return (CASES / code / kind / "web.yaml").read_text(encoding="utf-8")


def codes(place: Path, *paths: str, **selection: list[str]) -> list[str]:
    return [finding.code for finding in lint_paths(str(place), paths or (".",), selection).findings]


def test_without_findings_it_ends_with_0(place: Path, run: Run):
    (place / "web.yaml").write_text(text_of("RS420", "good"), encoding="utf-8")
    done = run(code=0)
    assert (done.stdout, done.stderr) == ("", "No findings in 1 file.\n")


@pytest.mark.parametrize(("code", "fails_on"), [("RS231", 3), ("RS420", 2), ("RS423", 1)])
def test_a_finding_fails_by_its_severity(code: str, fails_on: int, place: Path, run: Run):
    (place / "web.yaml").write_text(text_of(code), encoding="utf-8")
    for number, severity in enumerate(("never", "error", "warning", "note")):
        run("web.yaml", "--fail-on", severity, code=1 if number > 3 - fails_on else 0)
    done = run("web.yaml", code=1 if code == "RS231" else 0)
    assert done.stdout == (CASES / code / "findings.txt").read_text(encoding="utf-8")
    told = f"1 finding in 1 file: 1 {RULES[code].severity}. Run `rollstep lint --explain {code}` for details.\n"
    assert done.stderr == told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such file, folder, app or environment"),
        (["--select", "RS998"], "--select: there is no rule 'RS998'"),
        (["--ignore", "RS4,XS"], "--ignore: there is no rule 'XS'"),
        (["--output", "xml"], "'xml'"),
        (["--explain", "RS998"], "there is no rule RS998"),
        (["--wrong"], "--wrong"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], message: str, run: Run):
    done = run(*arguments, code=2)
    assert message in done.stderr
    assert done.stdout == ""


def test_wrong_settings_end_with_2(place: Path, run: Run):
    (place / "rollstep.yaml").write_text("lint: {selct: [RS4], ignore: [rs4]}\n", encoding="utf-8")
    done = run(code=2)
    assert "rollstep.yaml:1:8: lint.selct: unknown key (did you mean select?)" in done.stderr
    assert 'rollstep.yaml:1:31: lint.ignore[0]: "rs4" is not allowed here' in done.stderr
    (place / "rollstep.yaml").write_text("lint: {ignore: [RS4, RS998]}\n", encoding="utf-8")
    assert "rollstep.yaml:1:22: lint.ignore[1]: there is no rule 'RS998'" in run(code=2).stderr


def test_standard_input_and_files_are_read_together(place: Path, run: Run):
    rollout, services = text_of("RS410").split("---\n", 1)
    (place / "services.yaml").write_text(services, encoding="utf-8")
    alone = json.loads(run("-", "--output", "json", stdin=rollout, code=1).stdout)
    assert [row["code"] for row in alone] == ["RS301", "RS410", "RS301"]
    assert {row["file"] for row in alone} == {"<stdin>"}
    together = json.loads(run("-", "services.yaml", "--output", "json", stdin=rollout, code=0).stdout)
    assert [row["code"] for row in together] == ["RS410"]


def test_explain_prints_a_rule(run: Run):
    assert run("--explain", "RS420", code=0).stdout.startswith("### RS420\n\n**A weight of less than one pod**")


def test_what_is_selected_and_ignored(place: Path):
    (place / "web.yaml").write_text(text_of("RS424"), encoding="utf-8")
    (place / "api.yaml").write_text(text_of("RS231").replace("name: web", "name: api", 1), encoding="utf-8")
    assert codes(place) == ["RS231", "RS424", "RS424"]
    assert codes(place, select=["RS2"]) == ["RS231"]
    assert codes(place, ignore=["RS4"]) == ["RS231"]
    (place / "rollstep.yaml").write_text("lint: {ignore: [RS2]}\n", encoding="utf-8")
    assert codes(place) == ["RS424", "RS424"]
    assert codes(place, ignore=["RS424"]) == ["RS231"]
    (place / "rollstep.yaml").write_text("lint: {select: [RS231]}\n", encoding="utf-8")
    assert codes(place) == ["RS231"]
    assert codes(place, select=["RS4"]) == ["RS424", "RS424"]


def test_the_same_findings_whatever_the_order_of_paths(place: Path):
    for code in ("RS231", "RS420", "RS302"):
        shutil.copytree(CASES / code / "bad", place / code)
    paths = ("RS420", "RS231", "RS302")
    first = lint_paths(str(place), paths, {})
    assert first == lint_paths(str(place), tuple(reversed(paths)), {})
    assert first == lint_paths(str(place), ("RS420", *paths, "RS420/web.yaml"), {})
    assert [finding.file for finding in first.findings] == ["RS231/web.yaml", "RS302/web.yaml", "RS420/web.yaml"]


def test_an_app_is_looked_at_as_a_whole_whichever_of_its_files_is_named(place: Path):
    app = place / "environments" / "prod" / "web"
    app.mkdir(parents=True)
    rollout, services = text_of("RS410").split("---\n", 1)
    (app / "rollout.yaml").write_text(rollout, encoding="utf-8")
    (app / "services.yaml").write_text(services, encoding="utf-8")
    for path in (".", "environments", "environments/prod/web", "environments/prod/web/rollout.yaml"):
        linted = lint_paths(str(place), [path], {})
        assert [finding.code for finding in linted.findings] == ["RS410"]
        assert linted.files == ("environments/prod/web/rollout.yaml", "environments/prod/web/services.yaml")
    assert lint_paths(str(app), ["services.yaml"], {}).findings == linted.findings


def test_one_file_of_an_app_that_cannot_be_read_does_not_hide_what_the_others_have(place: Path):
    app = place / "environments" / "prod" / "web"
    app.mkdir(parents=True)
    rollout, _ = text_of("RS410").split("---\n", 1)
    (app / "rollout.yaml").write_text(rollout, encoding="utf-8")
    (app / "services.yaml").write_bytes(b"kind: \xff\n")
    assert codes(place) == ["RS410", "RS001"]


def test_what_is_no_manifest_is_left_out_of_a_folder_and_not_of_the_files_that_are_named(place: Path):
    (place / "web.yaml").write_text(text_of("RS420", "good"), encoding="utf-8")
    (place / "mkdocs.yml").write_text("site: !!python/name:x\n", encoding="utf-8")
    (place / "kustomization.yaml").write_text("apiVersion: kustomize.config.k8s.io/v1beta1\n", encoding="utf-8")
    (place / "chart" / "templates").mkdir(parents=True)
    (place / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: web\n", encoding="utf-8")
    (place / "chart" / "templates" / "web.yaml").write_text(
        "{{- if .web }}\napiVersion: v1\n{{- end }}\n", encoding="utf-8"
    )
    (place / ".hidden").mkdir()
    (place / ".hidden" / "web.yaml").write_text("apiVersion: [\n", encoding="utf-8")
    (place / "out").mkdir()
    (place / "out" / ".rollstep").touch()
    (place / "out" / "web.yaml").write_text("apiVersion: [\n", encoding="utf-8")
    assert lint_paths(str(place), ["."], {}).files == ("web.yaml",)
    assert codes(place, "mkdocs.yml") == ["RS101", "RS101", "RS101", "RS011"]
    assert codes(place, "chart/templates/web.yaml") == ["RS002"]


def test_a_link_out_of_the_repository_is_not_followed(place: Path, tmp_path_factory: pytest.TempPathFactory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.yaml").write_text("apiVersion: [secret\n", encoding="utf-8")
    (place / "secret.yaml").symlink_to(outside / "secret.yaml")
    (place / "more").symlink_to(outside)
    assert lint_paths(str(place), ["."], {}).files == ()


def test_environments_in_folders_are_not_mixed_up(place: Path):
    for environment in ("prod", "staging"):
        shutil.copytree(CASES / "RS302" / "good", place / environment)
    assert codes(place) == []
    file = place / "prod" / "web.yaml"
    file.write_text(
        file.read_text(encoding="utf-8")
        .replace("class: nginx", "class: x")
        .replace("ClassName: nginx", "ClassName: x"),
        encoding="utf-8",
    )
    assert [(one.code, one.file) for one in lint_paths(str(place), ["."], {}).findings] == [("RS430", "prod/web.yaml")]


def test_a_document_that_cannot_be_read_is_not_missed_by_those_that_refer_to_it(place: Path):
    (place / "rollout.yaml").write_text(text_of("RS301", "good").split("---\n", 1)[0], encoding="utf-8")
    assert codes(place) == ["RS301", "RS301"]
    (place / "services.yaml").write_text("apiVersion: v1\nkind: Service\nkind: Service\n", encoding="utf-8")
    assert codes(place) == ["RS003"]


def test_a_path_that_is_not_there_is_a_fault_of_the_command_line(place: Path):
    with pytest.raises(UsageError):
        lint_paths(str(place), ["nowhere"], {})


def test_what_lies_in_environments_is_right():
    linted = lint_paths(str(PROJECT), ["environments"], {})
    assert linted.findings == ()
    assert len(linted.files) > 10


def test_after_many_findings_no_more_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("renderer.verbs.lint.MOST_FINDINGS", 10)
    rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a%d}\nspec: {}\n"
    (tmp_path / "many.yaml").write_text("---\n".join(rollout % number for number in range(50)), encoding="utf-8")
    linted = lint_paths(str(tmp_path), ["many.yaml"], {})
    (end,) = [finding for finding in linted.findings if finding.code == "RS004"]
    assert "more than 10 findings" in end.message
    assert max(finding.line for finding in linted.findings if finding.code != "RS310") == end.line
