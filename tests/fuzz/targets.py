"""The fuzz targets: each takes bytes and may raise only the project's own errors.

Whatever else comes out of a target would reach a user as a crash.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, TemplateError

from renderer.cli.main import main
from renderer.errors import RollstepError
from renderer.git.object_reader import Object
from renderer.kubernetes.read_objects import SourceText
from renderer.kubernetes.times import parse_duration, parse_time
from renderer.kubernetes.yaml.reader import decode, load_documents, load_json_lines
from renderer.kubernetes.yaml.strict_json import load_json
from renderer.kubernetes.yaml.writer import dump
from renderer.pipeline.commit.trailers import releases
from renderer.pipeline.load.app import load_texts
from renderer.pipeline.load.marker import parse_marker
from renderer.pipeline.load.sandbox import sandboxed_environment
from renderer.pipeline.load.settings import Settings, parse_settings
from renderer.pipeline.load.status_file import dump_state, load_state
from renderer.pipeline.render.templates import check_user_templates, render_string, render_template
from renderer.rollouts.model.reader import SpecReader, read_strategy
from renderer.verbs.policy.freezes import dump_freezes, parse_freezes
from renderer.verbs.verify.object_cache import parse_tree
from tests.fuzz import repository

CORPUS = Path(__file__).parent / "corpus"


def refused(target: Callable[[str], None]) -> Callable[[bytes], None]:
    """Return ``target`` for bytes, with a refusal taken for an answer."""

    def run(content: bytes) -> None:
        try:
            target(decode(content, "fuzzed"))
        except RollstepError as error:
            if not error.findings:
                raise AssertionError("a refusal without a reason") from error

    return run


@cache
def _empty_repository() -> Path:
    """Return a folder without apps that stays for as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="rollstep-fuzz-")
    _KEPT.append(folder)
    Path(folder.name, "rollstep.yaml").touch()
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def command(*arguments: str) -> Callable[[bytes], None]:
    """Return a target that gives bytes to a verb as its standard input."""

    def run(content: bytes) -> None:
        out, err, stdin = io.StringIO(), io.StringIO(), sys.stdin
        code: object = 0
        sys.stdin = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main(["-C", str(_empty_repository()), *arguments])
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdin = stdin
        assert code in (0, 1, 2), err.getvalue()[-2000:]
        assert code == 0 or err.getvalue() or out.getvalue(), "a refusal without a reason"

    return run


def yaml(text: str) -> None:
    """Read a stream of YAML; what was read is written and read again as the same."""
    for document in load_documents(text, "fuzzed.yaml"):
        assert [one.value for one in load_documents(dump(document.value), "dumped.yaml")] == [document.value]
        for path in list(document.source.positions)[:50]:
            document.source.position(path)


def json_lines(text: str) -> None:
    """Read lines of JSON."""
    for document in load_json_lines(text, "fuzzed.jsonl"):
        document.source.position(())


def rollout(text: str) -> None:
    """Load an app's manifests as a verb does, and read the strategy of any mapping as a Rollout's."""
    for document in load_documents(text, "fuzzed.yaml"):
        if isinstance(document.value, dict):
            reader = SpecReader(document.value, document.source)
            try:
                read_strategy(reader)
                reader.raise_findings()
            except RollstepError:
                continue
    load_texts([SourceText("fuzzed.yaml", None, text)], Settings(Path("repository")).for_app("prod", "web"))


def settings(text: str) -> None:
    """Read ``rollstep.yaml`` and what it says of an app."""
    parsed = parse_settings(text, Path("repository"))
    assert parsed.forge is not None
    for environment in (*parsed.environments, "prod"):
        for app in (*parsed.apps, *parsed.apps_of(environment), "web"):
            parsed.for_app(environment, app)


def state(text: str) -> None:
    """Read ``status.yaml``; what was read is written and read again as the same."""
    read = load_state(text, "status.yaml")
    assert load_state(dump_state(read), "status.yaml") == read


VARIABLES: Mapping[str, Any] = {
    "manifest": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}},
    "app": "web",
    "step": 1,
    "rows": [["a", "b"], ["1", "2"]],
}


_SANDBOX = sandboxed_environment(DictLoader({}))


def template(text: str) -> None:
    """Fill in a user's template, as every verb does: in the child with its limits of time and memory.

    The one half of the texts is filled in alone, the other in place of one of rollstep's own.  They are parsed here
    first, since coverage is counted in this process alone; whatever that raises, the child has to make a finding of.
    """
    with suppress(TemplateError, RecursionError):
        _SANDBOX.parse(text)
    if len(text) % 2:
        render_string(text, "rollstep.yaml", VARIABLES)
        return
    folder = _empty_repository() / "templates"
    folder.mkdir(exist_ok=True)
    (folder / "service.yaml.j2").write_text(text, encoding="utf-8")
    check_user_templates(folder)
    render_template("service.yaml.j2", folder, VARIABLES)


def words(text: str) -> None:
    """Read times, durations, markers, freezes, trailers and strict JSON; freezes survive being written."""
    for read in (parse_time, parse_duration, load_json):
        with suppress(ValueError, RollstepError):
            read(text)
    with suppress(RollstepError):
        parse_marker(text.encode(), "marker")
    releases([(key, value) for key, _, value in (line.partition(": ") for line in text.split("\n"))])
    freezes = parse_freezes(text)
    assert parse_freezes(dump_freezes(freezes)) == freezes


def tree(content: bytes) -> None:
    """Read the entries of a tree in git's format."""
    with suppress(RollstepError):
        parse_tree(Object("0" * 40, "tree", content))


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "yaml": refused(yaml),
    "json": refused(json_lines),
    "rollout": refused(rollout),
    "settings": refused(settings),
    "state": refused(state),
    "template": refused(template),
    "words": refused(words),
    "tree": tree,
    "app": repository.app,
    "commit": repository.commit,
    "journal": repository.journal,
    "push": repository.push,
    "hash": command("hash", "-"),
    "lint": command("lint", "-"),
}
