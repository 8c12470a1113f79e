"""``python -m tests.support.controller_table``: the errors of the controller's validation and their rules."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from renderer.errors import Finding
from renderer.kubernetes.manifest import Manifest
from renderer.rollouts.checks import check
from renderer.verbs.lint.rules import RULES
from tests.support.rollout_corpus import corpus, references

GOLDEN = Path(__file__).parents[1] / "data" / "validation" / "golden.jsonl.gz"

Errors = list[tuple[str, str]]
"""Field and message of each error."""

HEAD = """\
# What the controller says, and the rule that finds it

`rollstep lint` refuses what the validation of Argo Rollouts v1.9.1 refuses, with the same field path:
`pkg/apis/rollouts/validation`, and below it that of Kubernetes v1.34.1 for the pod template and for selectors.
`tests/rollouts/checks/test_controller_validation.py` compares {rollouts:,} Rollouts with what that validation printed:
it refuses {refused:,} of them. Each row is a message, with `_` for what varies, and the rules that find it; `make
golden` prints the page again.

A [list of what is refused beyond that](README.md) has the other rules.
"""


@cache
def golden() -> tuple[list[str], dict[str, Errors | None]]:
    """Return the named messages, and the errors of the controller's validation by the name of the Rollout."""
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
        messages = json.loads(next(lines))
        return messages, {name: _errors(found) for name, found in map(json.loads, lines)}


def _errors(found: list[list[str]] | None) -> Errors | None:
    if found is None:
        return None
    # An error without a field begins with the path.
    return [(field or text.partition(": ")[0], text) for field, text in found]


def judged() -> Iterator[tuple[str, list[Finding]]]:
    """Yield the name of each Rollout with rollstep's findings."""
    for name, rollout, objects in _all():
        yield name, check(Manifest(rollout), [Manifest(body) for body in objects])


def _all() -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    for name, rollout in corpus():
        yield name, rollout, []
    yield from references()


def message_of(text: str) -> str:
    """Return the message of an error with ``_`` for the parts that vary."""
    text = re.sub(r"^spec[\w.]*: ", "", text)
    text = re.sub(r"^(Invalid value|Unsupported value|Duplicate value|Not found|Internal error)(: )?", "", text)
    text = re.sub(r'^(\{.*\}|\[.*\]|"(\\.|[^"])*"|null|-?\d+|true|false|v1alpha1\.\S+)(: |$)', "", text)
    text = re.sub(r"^(Required value|Forbidden): ?", "", text)
    text = re.sub(r'"(\\.|[^"])*"|(?<![\w.])-?\d+(?!\d*[./\w])', "_", text)
    text = re.sub(r"(not supported: ).*", r"\1_", text)
    text = re.sub(r"('|`)[^'`]*('|`)(?= (is not found|not found|has no))|(?<=metric )\S+|(?<=backend )\S+", "_", text)
    text = re.sub(r",? \(e\.g\. .*", "", text)
    return text or "(required, not found or there twice)"


def table() -> str:
    """Return the page."""
    _, said = golden()
    rules: dict[str, set[str]] = {}
    for name, findings in judged():
        for field, text in said[name] or ():
            codes = {finding.code for finding in findings if finding.field == field}
            rules.setdefault(message_of(text), set()).update(code for code in codes if code in RULES)
    rows = [f"| {_cell(message)} | {_links(codes)} |" for message, codes in sorted(rules.items())]
    refused = sum(bool(errors) for errors in said.values())
    head = HEAD.format(rollouts=len(said), refused=refused)
    return "\n".join([head, "| message | rules |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    # Without the backslash, a pattern such as `[a-z](...)` is a link.
    return text.replace("|", "\\|").replace("](", "]\\(")


def _links(codes: set[str]) -> str:
    return ", ".join(f"[{code}](README.md#{code.lower()})" for code in sorted(codes)) or "*with another*"


if __name__ == "__main__":
    print(table(), end="")
