from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.errors import RollstepError, one_line
from renderer.kubernetes.yaml.reader import load_documents
from renderer.pipeline.load.sandbox import to_yaml
from renderer.pipeline.render.templates import NAMES, built_in_folder, check_user_templates, first_keys, render_template


def user(tmp_path: Path, text: str, name: str = "object.yaml.j2") -> Path:
    folder = tmp_path / "templates"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_every_template_there_is_is_named() -> None:
    assert sorted(path.name for path in built_in_folder().iterdir() if path.is_file()) == sorted(NAMES)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a\n{{ object.name }\n", 2, "is not valid Jinja"),
        ("a\nb\n{% if x %}\n", 3, "is not valid Jinja"),
        ("a\n{{ missing }}\n", 2, "'missing' is undefined"),
        ("a\n\n{{ object.missing.name }}\n", 3, "no attribute 'missing'"),
        ("{{ 1 // 0 }}\n", 1, "ZeroDivisionError"),
        ("a\n{{ object.__class__.__mro__ }}\n", 2, "__class__"),
        ("a\n{{ object.update(x=1) }}\n", 2, "is not allowed in a template"),
        ("a\n{% for i in range(10000000) %}{% endfor %}\n", 2, "too big"),
        ("a\n{% include '_gone.j2' %}\n", 2, "there is no template _gone.j2"),
        ("a\n{% include '../secret' %}\n", 2, "there is no template"),
        ("a\n{{ object | nothing }}\n", 2, "No filter named 'nothing'"),
        ("{% include '_part.j2' %}", 2, "'inner' is undefined"),
    ],
)
def test_a_failed_template_is_reported_with_file_and_line(text: str, line: int, message: str, tmp_path: Path) -> None:
    folder = user(tmp_path, text)
    user(tmp_path, "first\n{{ inner }}\n", "_part.j2")
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(RollstepError) as caught:
        render_template("object.yaml.j2", folder, {"object": {"kind": "Service"}})
    (finding,) = caught.value.findings
    assert message in finding.message
    assert finding.line == line
    assert finding.file == str(folder / ("_part.j2" if "inner" in message else "object.yaml.j2"))


def test_a_relative_folder_is_named_as_the_user_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user(tmp_path, "{{ missing }}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RollstepError, match=r"^templates/object\.yaml\.j2:1: 'missing' is undefined"):
        render_template("object.yaml.j2", Path("templates"), {})


def test_values_are_never_taken_for_templates(tmp_path: Path) -> None:
    folder = user(tmp_path, "{{ object.text }}\n")
    text = "{{ x }} {% y %} {# z #}"
    assert render_template("object.yaml.j2", folder, {"object": {"text": text}}) == f"{text}\n"


def test_a_template_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    folder = user(tmp_path, "", "_macros.j2")
    user(tmp_path, "", "README.md")
    user(tmp_path, "", "nginx.conf.j2")
    check_user_templates(folder)
    user(tmp_path, "", "replicset.yaml.j2")
    user(tmp_path, "", "deployment.yaml.j2")
    user(tmp_path, "", "commit-message.j2")
    with pytest.raises(RollstepError) as caught:
        check_user_templates(folder)
    assert [Path(finding.file).name for finding in caught.value.findings] == [
        "commit-message.j2",
        "deployment.yaml.j2",
        "replicset.yaml.j2",
    ]
    with pytest.raises(RollstepError, match="is not a folder"):
        check_user_templates(tmp_path / "nowhere")


def test_a_changed_template_is_read_again(tmp_path: Path) -> None:
    folder = user(tmp_path, "one\n")
    assert render_template("object.yaml.j2", folder, {}) == "one\n"
    user(tmp_path, "two, which is longer\n")
    assert render_template("object.yaml.j2", folder, {}) == "two, which is longer\n"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), st.integers(0, 6))
def test_indented_yaml_is_the_same_value(value: dict[str, str], indent: int) -> None:
    text = f"outer:\n{to_yaml(value, indent + 1)}\n"
    assert load_documents(text, "")[0].value == {"outer": value}


@given(st.text())
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert line == line.strip()
    assert [character for character in line if character != " "] == [
        character for character in text if character.isprintable() and character != " "
    ]


def test_first_keys_keep_the_rest_in_order() -> None:
    assert list(first_keys({"d": 1, "a": 2, "c": 3, "b": 4}, "c", "x", "a")) == ["c", "a", "d", "b"]
