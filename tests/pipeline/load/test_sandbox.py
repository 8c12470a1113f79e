"""Hostile templates: each is stopped with a message that names it, and the next one runs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from renderer.errors import RollstepError
from renderer.pipeline.load import sandbox
from renderer.pipeline.load.files import Folder
from renderer.pipeline.load.settings import AppSettings
from renderer.pipeline.load.sources import read_sources
from renderer.pipeline.render import templates
from renderer.pipeline.render.templates import render_string, render_template

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
FILLING = {
    "repeated": "{{ 'a' * 10 ** 10 }}",
    "repeated in the end": "{% set n = 10 ** 10 %}{{ 'a' * n }}",
    "centred": "{{ 'a' | center(10 ** 9) }}",
    "formatted": "{{ '%1000000000d' % 1 }}",
    "formatted by a method": "{{ '{:>1000000000}'.format(1) }}",
    "a list": "{{ ([0] * 10 ** 9) | length }}",
    "joined": "{% set s = 'a' * 30000000 %}{{ s + s }}{{ s + s }}{{ s + s }}",
    "replaced": "{{ 'a' | replace('a', 'a' * 100000) | replace('a', 'a' * 100000) | length }}",
}
LONG = {
    "a macro that calls itself": "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "a range": "{% for x in range(10 ** 9) %}{% endfor %}",
    "an import": "{{ cycler.__init__.__globals__.os.popen('touch ran') }}",
    "an attribute": "{{ ().__class__.__base__.__subclasses__() }}",
    "an attribute by a filter": "{{ '' | attr('__class__') | attr('__mro__') }}",
    "a format that looks up attributes": "{{ '{0.__class__.__mro__}'.format(1) }}",
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the time limit to one second."""
    monkeypatch.setattr(sandbox, "SECONDS", 1)


def app(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "environments/prod/web"
    folder.mkdir(parents=True)
    (folder / "web.yaml.j2").write_text(text, encoding="utf-8")
    return folder


def refused_manifest(tmp_path: Path, text: str) -> str:
    folder = app(tmp_path, text)
    with pytest.raises(RollstepError) as error:
        read_sources(folder, AppSettings(), Folder(tmp_path))
    (finding,) = error.value.findings
    assert finding.file == "environments/prod/web/web.yaml.j2"
    (folder / "web.yaml.j2").write_text("a: {{ 1 + 1 }}\n", encoding="utf-8")
    assert read_sources(folder, AppSettings(), Folder(tmp_path)).texts[0].text == "a: 2\n"
    return finding.message


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("text", [ENDLESS, "{{ 10 ** (10 ** 9) }}"])
def test_what_does_not_end_is_ended(tmp_path: Path, text: str) -> None:
    assert refused_manifest(tmp_path, text) == "takes longer than 1 s of processor time"


@pytest.mark.parametrize("text", FILLING.values(), ids=FILLING)
def test_what_fills_the_memory_is_ended(tmp_path: Path, text: str) -> None:
    message = refused_manifest(tmp_path, text)
    assert message.startswith(("takes more than 128 MB", "produces 180,000,000 characters", "OverflowError")), message


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_what_the_sandbox_does_not_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    message = refused_manifest(tmp_path, text)
    assert any(
        word in message
        for word in ("unsafe", "undefined", "StrictUndefined", "Range too big", "RecursionError", "time or memory")
    ), message
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("quick")
def test_layouts_and_subjects_have_the_same_limits(tmp_path: Path) -> None:
    (tmp_path / "object.yaml.j2").write_text(ENDLESS, encoding="utf-8")
    with pytest.raises(RollstepError, match=r"object\.yaml\.j2: takes longer than 1 s of processor time"):
        render_template("object.yaml.j2", tmp_path, {"object": {}})
    with pytest.raises(RollstepError, match=r"^rollstep\.yaml: commit\.message: takes longer than 1 s of processor"):
        render_string(ENDLESS, "rollstep.yaml: commit.message", {})
    assert render_string("{{ a }}", "here", {"a": 1}) == "1"


def test_time_without_the_processor_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other work gives the child no processor time for seconds."""
    assert render_string("a", "here", {}) == "a"
    process = sandbox._child._process
    assert process is not None
    monkeypatch.setattr(sandbox, "SECONDS", 1)
    process.send_signal(signal.SIGSTOP)
    going_on = threading.Timer(1.5, process.send_signal, [signal.SIGCONT])
    going_on.start()
    try:
        assert render_string("{{ 1 + 1 }}", "here", {}) == "2"
    finally:
        going_on.join()


def test_a_child_that_has_ended_is_reported_and_started_again() -> None:
    assert render_string("a", "here", {}) == "a"
    process = sandbox._child._process
    assert process is not None
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(RollstepError, match="here: takes more time or memory"):
        render_string("a", "here", {})
    assert render_string("a", "here", {}) == "a"


def test_templates_of_our_own_need_no_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(templates, "call_in_child")
    variables = {"object": {"metadata": {}}, "context": {"app": "a", "source": "b"}}
    assert "metadata: {}" in render_template("object.yaml.j2", tmp_path, variables)


@pytest.mark.parametrize(
    "text",
    [
        "{{ [1, 2] | random }}",
        "{{ lipsum() }}",
        "{{ self.x }}{% block x %}{% endblock %}",
        "{{ [1].count ~ '' }} at 0x7f00aa>",
    ],
)
def test_what_differs_in_each_run_is_refused(text: str) -> None:
    with pytest.raises(RollstepError):
        render_string(text, "rollstep.yaml", {})


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a'.upper }}", "{{ [1, 2] | map('string') }}", "{{ cycler(1) }}", "{{ joiner() }}", "{{ x.items }}",
        "{{ x.values ~ '' }}", "{{ [x.items] }}", "{{ (x.get | string) | length }}",
        "{% macro m() %}{% endmacro %}{{ m }}",
        "{{ '%s' % x.keys }}", "{{ x.items() | list }}", "{{ 'a-{}'.format(1) }}",
    ],
)  # fmt: skip
def test_no_text_has_an_address(text: str) -> None:
    found = {_in_process_of_its_own(text) for _ in range(2)}
    assert len(found) == 1
    assert "0x" not in found.pop()


def _in_process_of_its_own(text: str) -> str:
    from renderer.pipeline.load import sandbox

    sandbox._child.kill()
    return render_string(text, "rollstep.yaml", {"x": {"a": 1}})


def test_a_template_includes_tracked_files_alone(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    folder = tmp_path / "environments/prod/web"
    folder.mkdir(parents=True)
    (tmp_path / ".gitignore").write_text(".env\nsecrets/\n", encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    for path in (".env", "secrets/x", "plain"):
        (tmp_path / path).write_text("a: 1\n", encoding="utf-8")
    for name, target in (("to-git", ".git/config"), ("to-ignored", ".env"), ("to-plain", "plain")):
        (tmp_path / name).symlink_to(target)
    for name in (".git/config", ".GIT/config", ".env", "secrets/x", "to-git", "to-ignored", "environments/../.env"):
        text = f'{{% include "{name}" %}}\n'
        (folder / "web.yaml.j2").write_text(text, encoding="utf-8")
        with pytest.raises(RollstepError):
            read_sources(folder, AppSettings(), Folder(tmp_path))
    for name in ("plain", "to-plain"):
        (folder / "web.yaml.j2").write_text(f'{{% include "{name}" %}}', encoding="utf-8")
        assert read_sources(folder, AppSettings(), Folder(tmp_path)).texts[0].text == "a: 1\n"
    (folder / "web.yaml.j2").unlink()
    (folder / "link.yaml").symlink_to("../../../.env")
    with pytest.raises(RollstepError, match="git does not track"):
        read_sources(folder, AppSettings(), Folder(tmp_path))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/_x").symlink_to("../.git/config")
    (tmp_path / "templates/object.yaml.j2").write_text('{% include "_x" %}', encoding="utf-8")
    with pytest.raises(RollstepError, match="git does not track"):
        render_template("object.yaml.j2", tmp_path / "templates", {})
