"""The commands of the tutorials and of the README run here; `make docs` runs those of all pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.console import PROJECT, check, pages, read_page, shows, with_outputs

PAGE = """\
```console
$ echo {said}
{shown}
```
"""


@pytest.mark.parametrize("name", ["README.md", "docs/tutorials/first-release.md"])
def test_the_commands_of_a_page_print_what_it_shows(name: str) -> None:
    page, problems = check(PROJECT / name)
    assert problems == []
    assert page.commands


def test_every_page_can_be_read_and_what_it_leaves_out_has_a_reason() -> None:
    read = [read_page(path) for path in pages()]
    assert sum(len(page.commands) for page in read) > 80
    assert {reason.partition(" ")[0] for page in read for _, reason in page.skipped} == {"needs"}


def page_of(text: str, name: str = "page.md") -> Path:
    path = PROJECT / "build" / "tests" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_an_output_that_differs_is_found_and_written() -> None:
    path = page_of(PAGE.format(said="right", shown="wrong"))
    page, problems = check(path)
    assert problems == ["build/tests/page.md:2: `echo right` printed\nright"]
    assert with_outputs(page) == PAGE.format(said="right", shown="right")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```console\n$ false\n```\n", "exited with 1, expected 0"),
        ("<!-- exit: 1 -->\n```console\n$ true\n```\n", "exited with 0, expected 1"),
    ],
)
def test_an_exit_code_that_differs_is_found(text: str, problem: str) -> None:
    _, (found,) = check(page_of(text, "exits.md"))
    assert problem in found


def test_a_hidden_command_that_fails_and_a_shell_that_ends_are_errors() -> None:
    with pytest.raises(RuntimeError, match="page"):
        check(page_of("<!-- run: false -->\n```console\n$ true\n```\n", "page-hidden.md"))
    with pytest.raises(RuntimeError, match="ended early"):
        check(page_of("```console\n$ exit 0\n$ true\n```\n", "page-ends.md"))


def test_a_page_has_files_a_clock_and_a_state_of_its_own() -> None:
    text = '```yaml title="a/b.yaml"\nx: 1\n```\n<!-- clock: 60 -->\n```console\n$ cat a/b.yaml\nx: 1\n$ cd a\n'
    text += "$ ls\nb.yaml\n$ rollstep --version\nrollstep, version …\n```\n<!-- skip: needs a cluster -->\n"
    page, problems = check(page_of(text + "```console\n$ kubectl get pods\n```\n", "state.md"))
    assert problems == []
    assert [(command.text, why) for command, why in page.skipped] == [("kubectl get pods", "needs a cluster")]


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a", "a\n", True),
        ("a…", "abc", True),
        ("…\nz", "x\ny\nz", True),
        ("…", "", True),
        ("a", "b", False),
        ("…\nz", "x\ny", False),
        ("[1234567ab] x", "[7654321ba] x", True),
        ("[main c7788bb] x", "[main cd4ff96] x", True),
        ("held: 1234567ab", "held: 7654321ba", True),
        ("to c7788bb8b", "to cd4ff96b7", False),
    ],
)
def test_dots_stand_for_any_text_and_names_of_commits_may_differ(shown: str, output: str, same: bool) -> None:
    assert shows(shown, output) is same
