"""SARIF 2.1.0, for code scanning services."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from renderer import __version__
from renderer.errors import Finding
from renderer.verbs.lint import LintResult
from renderer.verbs.lint.formats.locations import column_of, file_of, fingerprints, line_of, message_of
from renderer.verbs.lint.rule import GROUPS, Rule
from renderer.verbs.lint.rules import RULES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(result: LintResult) -> str:
    """Return a log with one run: the findings and their rules.

    Paths are relative to ``%SRCROOT%``, the repository's root; columns count characters.
    """
    codes = sorted({finding.code for finding in result.findings})
    driver = {"name": "rollstep", "semanticVersion": __version__, "rules": [_rule(RULES[code]) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(finding, mark, codes) for finding, mark in fingerprints(result.findings)],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=True) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {
            "text": f"{rule.why} {rule.what_to_do} See {rule.link}.",
            "markdown": f"{rule.why}\n\n**What to do**: {rule.what_to_do}\n\nSee `{rule.link}`.",
        },
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": [GROUPS[rule.code[:3]]]},
    }


def _result(finding: Finding, fingerprint: str, codes: Sequence[str]) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if file_of(finding):
        location["physicalLocation"] = {"artifactLocation": _artifact(file_of(finding))}
        region = {"startLine": line_of(finding), "startColumn": column_of(finding)}
        if line_of(finding):
            location["physicalLocation"]["region"] = {key: value for key, value in region.items() if value}
    if finding.field:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.field}]
    return {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": RULES[finding.code].severity,
        "message": {"text": message_of(finding)},
        "locations": [location] if location else [],
        "partialFingerprints": {"rollstepFinding/v1": fingerprint},
    }


def _artifact(path: str) -> dict[str, str]:
    uri = quote(path, errors="surrogatepass")
    return {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": "%SRCROOT%"}
