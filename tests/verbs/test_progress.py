from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.verbs import progress
from tests.support.commands import PROJECT, Checkout

SLOW = """
import sys, time
from renderer.verbs import progress
progress.DELAY = float(sys.argv[1])
progress.INTERVAL = 0.01
for item in progress.over(["a", "b", "c"], "rendering app"):
    time.sleep(0.2)
with progress.stage("committing"):
    time.sleep(0.2)
print("done", file=sys.stderr)
"""


def on_a_terminal(command: list[str], cwd: Path = PROJECT, **variables: str) -> str:
    """Run a command with stderr on a terminal and return the terminal's input."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **variables}
    try:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
    finally:
        os.close(theirs)
    told = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # Linux raises EIO once the other end is closed.
            break
        if not read:
            break
        told += read
    os.close(ours)
    assert process.wait() == 0, told
    return told.decode()


def test_a_long_run_shows_progress_and_clears_it() -> None:
    told = on_a_terminal([sys.executable, "-c", SLOW, "0.1"])
    lines = re.findall(r"\r\x1b\[K([^\r]*)\r", told)
    assert lines[0].startswith("rendering app ")
    assert [line for line in lines if line.startswith("rendering app")][-1] == "rendering app 3 of 3"
    assert "committing" in lines
    assert lines[-1] == ""
    assert told.endswith("\r\x1b[K\rdone\r\n")


def test_a_short_run_shows_nothing() -> None:
    assert on_a_terminal([sys.executable, "-c", SLOW, "60"]) == "done\r\n"


def test_a_dumb_terminal_shows_nothing() -> None:
    assert on_a_terminal([sys.executable, "-c", SLOW, "0.1"], TERM="dumb") == "done\r\n"


def test_a_pipe_gets_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", SLOW, "0"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "done\n")


def test_the_items_are_the_same_with_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_is_terminal", lambda: True)
    monkeypatch.setattr(progress, "DELAY", 60)
    assert list(progress.over([3, 1, 2], "reading app")) == [3, 1, 2]
    assert list(progress.over([], "reading app")) == []


AT_ONCE = """
from renderer.verbs import progress
progress.DELAY = 600
def show(line, text):
    line._text = text
    line._show()
progress._Line.text = progress._Line.text.setter(show)
from renderer.cli.main import main
main()
"""
"""rollstep with every line of progress, however short the work."""


def test_the_verbs_show_progress(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "repository")
    for arguments, expected in (
        (("advance", "--all"), ("rendering app", "validating", "making commit")),
        (("verify",), ("verifying commit",)),
        (("lint",), ("reading app", "linting")),
        (("render", "--no-validate"), ("rendering app", "writing")),
    ):
        if arguments[0] == "render":
            (checkout.root / "environments/prod/web/rendered/kustomization.yaml").unlink()
        told = on_a_terminal([sys.executable, "-c", AT_ONCE, *arguments], checkout.root)
        assert [words for words in expected if words not in told] == [], told
        assert re.findall(r"\r\x1b\[K([^\r]*)\r", told)[-1] == ""
