"""The linter never fails, whatever a manifest has."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from renderer.kubernetes.manifest import Manifest
from renderer.kubernetes.yaml.reader import load_documents
from renderer.verbs.lint import Context, Group, LintResult, lint
from renderer.verbs.lint.files import lint_paths
from renderer.verbs.lint.formats import FORMATS
from renderer.verbs.lint.rules import RULES
from renderer.verbs.lint.yaml_text import scan_text

CASES = Path(__file__).parent / "cases"
BODIES = [
    [document.value for document in load_documents((CASES / code / "good" / file).read_text(), code)]
    for codes, file in (
        (("RS234", "RS302", "RS307", "RS410", "RS420", "RS228", "RS313"), "web.yaml"),
        (("RS314", "RS315", "RS316", "RS317"), "environments/prod/web/web.yaml"),
    )
    for code in codes
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 200)
    | st.floats(0, 2)
    | st.sampled_from(["", "web", "25%", "9h", "x.y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "kind", "weight"]), inner),
    max_leaves=4,
)


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, inner in entries for below in paths_of(inner, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> list[Any]:
    """Return the manifests of a case with some values replaced."""
    bodies: list[Any] = copy.deepcopy(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([path for path in paths_of(bodies) if len(path) > 1]))
        parent: Any = bodies
        for part in path[:-1]:
            parent = parent[part]
        parent[path[-1]] = draw(JSON)
    return bodies


@hypothesis.settings(max_examples=100)
@hypothesis.given(damaged())
def test_a_value_of_any_type_is_found_or_left_alone_but_never_an_error(bodies: list[Any]):
    manifests = tuple(Manifest(body) for body in bodies if isinstance(body, dict))
    findings = lint(Context((Group(manifests), Group(manifests, "web", "prod"), Group(manifests, "api", "prod"))))
    assert {finding.code for finding in findings} <= set(RULES)
    for write in FORMATS.values():
        assert write(LintResult(tuple(findings), ())).encode()


@hypothesis.settings(max_examples=100)
@hypothesis.given(st.text(st.sampled_from("ab01:-#\"'|>&*!<[]{},. \n\t\r~y"), max_size=60))
def test_a_text_of_any_kind_is_looked_at(text: str):
    comments, findings = scan_text(text, "web.yaml")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for comment in comments:
        assert lines[comment.line - 1][comment.column - 1 :] == comment.text
        assert comment.line <= comment.applies_to <= len(lines)
    assert all(finding.code in ("RS010", "RS011") and finding.line for finding in findings)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (
            b"k0: &k0 [x, x, x]\n"
            + b"".join(b"k%d: &k%d [*k%d, *k%d, *k%d, *k%d]\n" % (n + 1, n + 1, n, n, n, n) for n in range(18)),
            ["RS004"],
        ),
        (b"a: &a [*a]\n", ["RS004"]),
        (b"[" * 5000, ["RS004"]),
        (b"? " * 5000 + b"a", ["RS004"]),
        (b"apiVersion: v1\nkind: \x00\n", ["RS001"]),
        (b"\xff\xfe\x00", ["RS001"]),
        (b"\xef\xbb\xbfapiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: web}\r\n", []),
        (b"", []),
        (b"null\n---\n", []),
        (b"- a\n", ["RS101"]),
        (b"apiVersion: 1\nkind: [a]\nmetadata: x\n", ["RS101", "RS101", "RS101"]),
        (b"\x1b]0;owned\x07: 1\n", ["RS002"]),
    ],
)
def test_hostile_files_are_findings(text: bytes, codes: list[str], tmp_path: Path):
    (tmp_path / "rollstep.yaml").touch()
    (tmp_path / "web.yaml").write_bytes(text)
    linted = lint_paths(str(tmp_path), ["web.yaml"], {})
    assert [finding.code for finding in linted.findings] == codes
    assert not any(ord(char) < 32 for char in FORMATS["text"](linted).replace("\n", ""))
