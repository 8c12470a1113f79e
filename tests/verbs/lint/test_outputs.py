"""The formats of the report: each against a golden file and its specification."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import Finding
from renderer.verbs.lint import LintResult
from renderer.verbs.lint.files import lint_paths
from renderer.verbs.lint.formats import FORMATS
from renderer.verbs.lint.formats.locations import fingerprints
from renderer.verbs.lint.rules import RULES

HERE = Path(__file__).parent
SEVERAL = ("RS105", "RS302", "RS410", "RS420", "RS423")
GITHUB = re.compile(r"::(error|warning|notice) ((?:\w+=[^,:\r\n]*,?)+)::([^\r\n]*)")


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> LintResult:
    """Lint the cases of several rules together, and one without findings."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "rollstep.yaml").touch()
    for code in SEVERAL:
        shutil.copytree(HERE / "cases" / code / "bad", folder / code)
    shutil.copytree(HERE / "cases" / "RS420" / "good", folder / "good")
    return lint_paths(str(folder), ["."], {})


@pytest.mark.parametrize("form", FORMATS)
def test_the_report_is_the_golden_one(form: str, linted: LintResult):
    assert FORMATS[form](linted) == (HERE / "outputs" / f"several.{form}").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_without_findings_can_be_read(form: str):
    report = FORMATS[form](LintResult((), ("web.yaml",)))
    match form:
        case "text" | "github":
            assert report == ""
        case "json" | "gitlab":
            assert json.loads(report) == []
        case "sarif":
            assert json.loads(report)["runs"][0]["results"] == []
        case _:
            suite = ElementTree.fromstring(report.encode())
            assert [case.get("name") for case in suite.iter("testcase")] == ["web.yaml"]
            assert suite.get("failures") == "0"


NASTY = "a,b:c%\r\n\x1b[2J\u202e\ud800\x00<&>\"']]>é"
HOSTILE = Finding(NASTY, 3, 2, f"spec[{NASTY}]", NASTY, NASTY, "RS420")
TEXTS = st.text(st.characters() | st.sampled_from(NASTY), max_size=20)
FINDINGS = st.builds(
    Finding, TEXTS, st.integers(0, 9), st.integers(0, 9), TEXTS, TEXTS, TEXTS, st.sampled_from(list(RULES))
)


@given(st.lists(FINDINGS, max_size=4) | st.just([HOSTILE]))
def test_any_text_is_escaped_as_the_form_has_it(findings: list[Finding]):
    linted = LintResult(tuple(sorted(findings)), tuple(sorted({finding.file for finding in findings})))
    reports = {form: write(linted) for form, write in FORMATS.items()}
    for report in reports.values():
        report.encode()
    lines = reports["text"].splitlines()
    assert len(lines) == 3 * len(findings)
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for line in lines for char in line)
    assert [row["message"] for row in json.loads(reports["json"])] == [one.message for one in linted.findings]
    commands = reports["github"].split("\n")[:-1]
    assert len(commands) == len(findings)
    for command, finding in zip(commands, linted.findings, strict=True):
        match = GITHUB.fullmatch(command)
        assert match, command
        data = match[3].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        assert all(word in data for word in re.findall(r"[ -~]+", finding.message))
        assert not re.search("[\x00-\x09\x0b-\x0c\x0e-\x1f\x7f]", command)
    suite = ElementTree.fromstring(reports["junit"].encode())
    assert len(list(suite.iter("failure"))) == len(findings)
    check_gitlab(json.loads(reports["gitlab"]), len(findings))
    check_sarif(json.loads(reports["sarif"]), linted)


def check_gitlab(rows: list[dict[str, Any]], count: int) -> None:
    """Check a report by GitLab's documentation of code quality reports."""
    assert len(rows) == count
    assert len({row["fingerprint"] for row in rows}) == count
    for row in rows:
        assert {"description", "check_name", "fingerprint", "severity", "location"} <= set(row)
        assert row["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert row["location"]["path"]
        assert not row["location"]["path"].startswith("./")
        assert row["location"]["lines"]["begin"] >= 1


def check_sarif(log: dict[str, Any], linted: LintResult) -> None:
    """Check a log by SARIF 2.1.0: required fields and references."""
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "rollstep"
    rules = driver["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
    assert run["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    assert len(run["results"]) == len(linted.findings)
    for result, finding in zip(run["results"], linted.findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.code
        assert result["message"]["text"]
        assert all(isinstance(mark, str) for mark in result["partialFingerprints"].values())
        for location in result["locations"]:
            assert location
            physical = location.get("physicalLocation")
            if physical is not None:
                uri = physical["artifactLocation"]["uri"]
                assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+|file://.*", uri)
                assert unquote(uri.removeprefix("file://"), errors="surrogatepass") in finding.file
                assert all(value >= 1 for value in physical.get("region", {"startLine": 1}).values())


def test_what_is_made_by_a_template_or_a_command_is_shown_where_it_can_be():
    filled = Finding("web.yaml.j2 (filled in)", 7, 3, "spec", "wrong", "", "RS420")
    command = Finding("`helm template web`", 9, 1, "spec", "wrong", "", "RS420")
    linted = LintResult((command, filled), ())
    first, second = json.loads(FORMATS["sarif"](linted))["runs"][0]["results"]
    assert "physicalLocation" not in first["locations"][0]
    assert "(line 9 of `helm template web`)" in first["message"]["text"]
    assert "(line 7 of web.yaml.j2 (filled in))" in second["message"]["text"]
    assert second["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "web.yaml.j2", "uriBaseId": "%SRCROOT%"}
    }
    places = [row["location"] for row in json.loads(FORMATS["gitlab"](linted))]
    assert places == [{"path": path, "lines": {"begin": 1}} for path in ("rollstep.yaml", "web.yaml.j2")]
    assert FORMATS["github"](linted).splitlines()[1].startswith("::warning file=web.yaml.j2,title=")


def test_a_fingerprint_stays_where_lines_move_and_is_nobody_elses():
    one, moved = (Finding("web.yaml", line, 1, "spec", "wrong", "", "RS420") for line in (3, 8))
    ((_, mark),) = fingerprints([one])
    assert [found for _, found in fingerprints([moved])] == [mark]
    assert len({found for _, found in fingerprints([one, moved])}) == 2
