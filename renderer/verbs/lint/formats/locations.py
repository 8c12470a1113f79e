"""The location and message of a finding, for tools that show it in a file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

from renderer.errors import Finding
from renderer.verbs.lint.rules import RULES

FILLED_IN = " (filled in)"


def file_of(finding: Finding) -> str:
    """Return a finding's file in the repository; empty for a command or a stream."""
    name = finding.file.removesuffix(FILLED_IN)
    return "" if name.startswith(("`", "<")) else name


def line_of(finding: Finding) -> int:
    """Return the line in that file; 0 for an unknown line, as in a template that was filled in."""
    return 0 if finding.file.endswith(FILLED_IN) or not file_of(finding) else finding.line


def column_of(finding: Finding) -> int:
    """Return the column in that line; 0 for an unknown one."""
    return finding.column if line_of(finding) else 0


def message_of(finding: Finding) -> str:
    """Return a finding's field, message and hint, with the line that its file does not have."""
    message = f"{finding.field}: {finding.message}" if finding.field else finding.message
    if finding.line and not line_of(finding):
        message += f" (line {finding.line} of {finding.file})"
    return f"{message}\n{finding.hint or RULES[finding.code].what_to_do}"


def fingerprints(findings: Sequence[Finding]) -> Iterator[tuple[Finding, str]]:
    """Yield each finding with a unique fingerprint, which does not depend on its line."""
    seen: Counter[str] = Counter()
    for finding in findings:
        identity = "\0".join((finding.code, finding.file, finding.field, finding.message))
        seen[identity] += 1
        # Surrogates stand for the bytes of a file name that is not UTF-8.
        yield finding, hashlib.sha256(f"{identity}\0{seen[identity]}".encode(errors="surrogatepass")).hexdigest()
