"""Reports that CI systems show: GitHub's annotations, GitLab's code quality, JUnit's XML."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

from renderer.kubernetes.printing import workflow_command
from renderer.verbs.lint import LintResult
from renderer.verbs.lint.formats.locations import column_of, file_of, fingerprints, line_of, message_of
from renderer.verbs.lint.rules import RULES

GITHUB_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}
GITLAB_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}
NO_FILE = "rollstep.yaml"
"""The file of a finding without one: GitLab needs a path, and the settings name the command that printed it."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def github(result: LintResult) -> str:
    """Return one workflow command for each finding, escaped as by the ``@actions/core`` package."""
    lines = []
    for finding in result.findings:
        rule = RULES[finding.code]
        place: dict[str, str | int] = {"file": file_of(finding), "line": line_of(finding), "col": column_of(finding)}
        place["title"] = f"{finding.code} {rule.title}"
        lines.append(workflow_command(GITHUB_LEVELS[rule.severity], place, f"{message_of(finding)} ({rule.link})"))
    return "".join(lines)


def gitlab(result: LintResult) -> str:
    """Return a code quality report, in the part of Code Climate's format that GitLab reads."""
    rows = [
        {
            "description": f"{finding.code}: {message_of(finding)}",
            "check_name": finding.code,
            "content": {"body": f"{RULES[finding.code].why} See {RULES[finding.code].link}."},
            "fingerprint": fingerprint,
            "severity": GITLAB_SEVERITIES[RULES[finding.code].severity],
            "location": {"path": file_of(finding) or NO_FILE, "lines": {"begin": line_of(finding) or 1}},
        }
        for finding, fingerprint in fingerprints(result.findings)
    ]
    return json.dumps(rows, indent=2, ensure_ascii=True) + "\n"


def junit(result: LintResult) -> str:
    """Return a test suite: a failed case for each finding, and a passed one for each file without findings."""
    clean = sorted(set(result.files) - {finding.file for finding in result.findings})
    counts = {"tests": str(len(result.findings) + len(clean)), "failures": str(len(result.findings)), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "rollstep lint", **counts})
    for finding in result.findings:
        rule = RULES[finding.code]
        place = f"{finding.file}:{finding.line}:{finding.column}" if finding.line else finding.file
        names = {"classname": _xml(finding.file), "name": _xml(f"{finding.code} {place} {finding.field}".rstrip())}
        case = ElementTree.SubElement(suite, "testcase", names)
        failure = ElementTree.SubElement(case, "failure", {"type": rule.severity, "message": _xml(finding.message)})
        failure.text = _xml(f"{place}\n{message_of(finding)}\n{rule.title}: {rule.link}")
    for file in clean:
        ElementTree.SubElement(suite, "testcase", {"classname": _xml(file), "name": _xml(file)})
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _xml(text: str) -> str:
    """Return ``text`` with a replacement for characters that XML does not allow."""
    return _NOT_XML.sub("\ufffd", text)
