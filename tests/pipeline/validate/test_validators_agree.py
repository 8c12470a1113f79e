"""kubeconform and the built-in validator agree on 1,000 manifests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from renderer.pipeline.validate.builtin import check
from renderer.pipeline.validate.kubeconform import run_kubeconform
from renderer.pipeline.validate.manifests import validate
from renderer.pipeline.validate.schemas import schema_folder
from tests.support.manifest_corpus import SIZE, manifests

VERSIONS = ("1.29", "1.34", "1.37")
"""Each version validates every third manifest."""

EXPLAINED = {
    "expected string": "kubeconform makes text of a number that stands for apiVersion or kind, and has no such schema",
    "cannot be ": "kubeconform looks for a schema of an apiVersion or kind that none can have, and skips the object",
}
"""Objects that kubeconform alone would skip: rollstep refuses them with either validator."""


@pytest.fixture(scope="module")
def corpus() -> dict[str, dict[str, str]]:
    """Return the manifests by the Kubernetes version that validates them."""
    files = list(manifests())
    return {version: dict(files[number :: len(VERSIONS)]) for number, version in enumerate(VERSIONS)}


def test_the_corpus_is_what_it_should_be(corpus: dict[str, dict[str, str]]):
    names = [name for files in corpus.values() for name in files]
    assert len(names) == len(set(names)) == SIZE == 1000
    kinds = Counter(part for name in names for part in name.removesuffix(".yaml").split("-")[1:])
    assert kinds.keys() == {
        *("right", "value", "type", "unknown", "missing", "list", "renamed", "head", "object"),
        *("duplicate", "indent", "tab", "documents", "crlf", "words", "cut"),
    }
    assert dict(manifests()) == {name: text for files in corpus.values() for name, text in files.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_both_say_the_same(corpus: dict[str, dict[str, str]], version: str, kubeconform: str, tmp_path: Path):
    files = corpus[version]
    folder = schema_folder(version, tmp_path)
    expected: dict[str, list[str]] = {name: [] for name in files}
    for verdict in run_kubeconform(kubeconform, files, folder):
        if verdict.kind or verdict.status != "valid":  # an empty document has no kind
            expected[verdict.file].append(verdict.status)
    found: dict[str, list[str]] = {name: [] for name in files}
    messages: dict[str, str] = {}
    for document in check(files, folder):
        found[document.verdict.file].append(document.verdict.status)
        messages[document.verdict.file] = document.verdict.message
    different = {name for name in files if sorted(found[name]) != sorted(expected[name])}
    unexplained = [
        (name, expected[name], found[name], messages.get(name))
        for name in sorted(different)
        if (expected[name], found[name]) != (["skipped"], ["invalid"])
        or not any(reason in messages[name] for reason in EXPLAINED)
    ]
    assert unexplained == []
    assert {"valid", "invalid", "skipped"} == {status for statuses in expected.values() for status in statuses}


@pytest.mark.parametrize("version", VERSIONS)
def test_rollstep_refuses_the_same_with_either(
    corpus: dict[str, dict[str, str]], version: str, kubeconform: str, tmp_path: Path
):
    both = [validate(corpus[version], version, kubeconform=each, cache=tmp_path) for each in (kubeconform, "built-in")]
    refused, also = ({finding.file for finding in validation.findings} for validation in both)
    assert refused == also
    skipped, left_out = ({finding.file for finding in validation.skipped} for validation in both)
    assert skipped == left_out
