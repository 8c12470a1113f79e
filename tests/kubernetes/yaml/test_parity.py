"""rollstep reads 10,000 texts as Kubernetes' own parser does, or refuses them."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from renderer.errors import RollstepError
from renderer.kubernetes.yaml.reader import load_documents
from tests.support.yaml_corpus import SIZE, texts

DATA = Path(__file__).parents[2] / "data" / "yaml"

ON_PURPOSE = {
    r"the key .* stands twice": "the API server's strict decoder refuses it; kubectl takes the last one",
    r"the key .* stands before <<": "go-yaml takes the merged value, every other reader the one that is written out",
    r"a key must not be null": "only in a value that a key which stands twice replaces",
    r"\.(inf|nan) is not a number": "only in a value that a key which stands twice replaces",
    r"is not YAML: did not find expected <document start>": "kubectl drops what follows the end of a document (...)",
    r"!!binary does not hold text": "JSON has no bytes: Kubernetes puts U+FFFD in place of each",
    r"a byte order mark within the text": "becomes a part of a key or value, where nobody sees it",
    r"kubectl does not see this ---": "kubectl takes the documents for one, of which it keeps the first",
    r"is not YAML: found unexpected ':'": "go-yaml alone takes a value that ends with a colon within brackets",
    r"is not YAML: ": "behind `...`, a mark or a broken tag, which go-yaml does not look at",
}
"""Refusals of texts that Kubernetes accepts, with the reason; the first match counts."""


def golden() -> list[tuple[str, list[Any] | None]]:
    with gzip.open(DATA / "golden.jsonl.gz", "rt", encoding="utf-8", newline="\n") as lines:
        return [tuple(json.loads(line)) for line in lines]


def read(text: str) -> tuple[list[Any] | None, list[str]]:
    """Return the values of a text, None if it is refused, and the messages of the refusal."""
    try:
        return [document.value for document in load_documents(text, "f.yaml")], []
    except RollstepError as error:
        return None, [finding.message for finding in error.findings]


def exact(values: Any) -> str:
    """Return a text that distinguishes 1, 1.0 and true."""
    return json.dumps(values, sort_keys=True)


def test_the_corpus_is_that_of_the_golden_data():
    assert [text for text, _ in golden()] == list(texts())
    assert len(golden()) == SIZE == 10_000


def test_texts_mean_what_they_mean_to_kubernetes():
    different = []
    refused: Counter[str] = Counter()
    for text, wanted in golden():
        found, messages = read(text)
        if found is None and wanted is not None:
            reason = next((reason for reason in ON_PURPOSE if any(re.match(reason, one) for one in messages)), None)
            refused[reason or messages[0]] += 1
        elif exact(found) != exact(wanted):
            different.append((text, wanted, found))
    assert different == []
    assert refused.keys() <= ON_PURPOSE.keys()
    # Most are keys that stand twice, which the generator puts into every seventh mapping.
    assert sum(count for reason, count in refused.items() if "stands" not in reason) < SIZE / 100


def test_most_of_the_corpus_is_taken():
    taken = [text for text, documents in golden() if documents is not None]
    assert len(taken) > SIZE / 2
