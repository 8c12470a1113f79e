"""The project speaks of itself alone: of no machine that it was made on, and of no place that it must not depend on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

# A letter or dot in brackets, so that no pattern matches itself here.
WORDS = {
    "the path of a machine": [r"/[w]ork/", r"/[t]mp/", r"/[r]oot/", r"/[h]ome/(?!me\b)[a-z]+/", r"/[o]pt/[a-z]"],
    "the host of a registry": [
        r"\bpypi[.]org",
        r"pythonhosted[.]org",
        r"(proxy|sum)[.]golang[.]org",
        r"registry[.]npmjs",
        r"\bcrates[.]io",
        r"\brepo1?[.]maven",
        r"debian[.]org",
        r"\b(docker|ghcr|gcr|quay|registry[.]k8s)[.]io\b",
    ],
    "how the project is made": [
        r"\b(this|that|each|a|next|last|previous|another|developer'?s?) [s]ession\b",
        r"\b[s]ub-?agents?\b",
        r"(?-i:\b[A]I) (agent|assistant|model|tool)",
        r"\b[L]LMs?\b",
        r"\b[c]laude\b",
        r"\b[c]hatgpt\b",
        r"\b[c]opilot\b",
        r"\b[i]ssue #?\d",
        r"\b[s]hared/(conformance|reference|real|hooks|style)",
    ],
}
OTHERS = ("tests/data/", "docs/sbom.cdx.json")
"""Files by others, which stay as they are: controller recordings, manifests of other projects, a tool's report."""


DEFAULT_REGISTRY = ": docker" + ".io"
GRAMMAR = ("renderer/kubernetes/images.py", "tests/kubernetes/test_images.py", "tests/support/image_corpus.py")
"""Files about the grammar of image references, whose default registry has a name; nothing is fetched from it."""


def found(text: str) -> list[str]:
    """Return what ``text`` must not say, each with its line."""
    return [
        f"{text.count(chr(10), 0, match.start()) + 1}: {what}: {match[0]}"
        for what, patterns in WORDS.items()
        for pattern in patterns
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]


def tracked(project: Path) -> list[str]:
    """Return the files that git keeps, or would keep."""
    command = ["git", "-C", str(project), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in listed.split("\0") if name and (project / name).is_file())


def test_no_file_says_where_or_how_it_was_made(project: Path) -> None:
    names = tracked(project)
    assert "pyproject.toml" in names
    assert len(names) > 50
    wrong = []
    for name in names:
        if not name.startswith(OTHERS):
            text = (project / name).read_bytes().decode("utf-8", errors="replace")
            lines = found(text) + found(name)
            wrong += [f"{name}:{line}" for line in lines if name not in GRAMMAR or not line.endswith(DEFAULT_REGISTRY)]
    assert wrong == []


@pytest.mark.parametrize(
    "words",
    [
        ("in /wo", "rk/main"),
        ("https://py", "pi.org/simple"),
        ("image: gh", "cr.io/a/b"),
        ("as that ses", "sion said"),
        ("see issu", "e 3"),
    ],
)
def test_what_must_not_be_said_is_found(words: tuple[str, ...]) -> None:
    (line,) = found("first\n" + "".join(words) + "\n")
    assert line.startswith("2: ")


@pytest.mark.parametrize(
    "text",
    ["sessionAffinity: ClientIP", "kubeconform/issues/53", "working/tree", "https://kubernetes.io/docs", "share/d"],
)
def test_other_words_are_free(text: str) -> None:
    assert found(text) == []
