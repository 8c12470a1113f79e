"""The fuzzer's corpus and findings: each input gets an answer, and none an exception."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import CORPUS, TARGETS
from tests.support.commands import Checkout

INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_input_of_the_corpus_gets_an_answer(path: Path):
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_a_corpus():
    assert {path.parent.name for path in INPUTS} == set(TARGETS)


def test_a_target_raises_unexpected_exceptions(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise KeyError("a fault of the reader's own")

    monkeypatch.setattr("tests.fuzz.targets.load_documents", broken)
    with pytest.raises(KeyError):
        TARGETS["yaml"](b"a: 1")


def test_a_target_raises_the_bug_of_a_verb(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise KeyError("a fault of the verb's own")

    monkeypatch.setattr("renderer.verbs.hash.read_stream", broken)
    with pytest.raises(AssertionError, match="fault"):
        TARGETS["hash"](b"a: 1")


@pytest.mark.parametrize("selector", ["true", "web", "[app, web]", "3"])
def test_a_selector_that_is_no_mapping_is_refused(tmp_path: Path, selector: str):
    checkout = Checkout(tmp_path / "repo")
    checkout.edit("environments/prod/web/services.yaml", "  selector:\n    app: web\n", f"  selector: {selector}\n")
    for verb in ("status", "plan", "render", "advance"):
        done = checkout.run(verb, "prod/web", code=1)
        assert "services.yaml:6:3: spec.selector: expected a mapping" in done.stdout + done.stderr, verb
