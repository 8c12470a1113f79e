"""Where a finding is, for tools that show it in a file (pure)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

from renderer.errors import Finding
from renderer.verbs.lint.rules import RULES

FILLED_IN = " (filled in)"


def file_of(finding: Finding) -> str:
    """Return the file of the repository that a finding is about; empty for a command or a stream."""
    name = finding.file.removesuffix(FILLED_IN)
    return "" if name.startswith(("`", "<")) else name


def line_of(finding: Finding) -> int:
    """Return the line in that file; 0 where it is not known, as in a template whose lines are not those of the file."""
    return 0 if finding.file.endswith(FILLED_IN) or not file_of(finding) else finding.line


def column_of(finding: Finding) -> int:
    """Return the column in that line; 0 where it is not known."""
    return finding.column if line_of(finding) else 0


def message_of(finding: Finding) -> str:
    """Return the finding's words: its field, what is wrong, what to do, and a line that the file does not have."""
    words = f"{finding.field}: {finding.message}" if finding.field else finding.message
    if finding.line and not line_of(finding):
        words += f" (line {finding.line} of {finding.file})"
    return f"{words}\n{finding.hint or RULES[finding.code].what_to_do}"


def fingerprints(findings: Sequence[Finding]) -> Iterator[tuple[Finding, str]]:
    """Yield each finding with a text that stays the same while lines above it come and go, and that no other has."""
    seen: Counter[str] = Counter()
    for finding in findings:
        identity = "\0".join((finding.code, finding.file, finding.field, finding.message))
        seen[identity] += 1
        # A file's name need not be UTF-8, and halves of surrogate pairs stand for such bytes.
        yield finding, hashlib.sha256(f"{identity}\0{seen[identity]}".encode(errors="surrogatepass")).hexdigest()
