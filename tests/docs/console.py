"""Runs the commands in the documentation's ``console`` blocks in throw-away repositories and compares their output.

``python -m tests.docs.console`` checks every page, and ``--write`` puts the output of the run into the pages.

Sybil's lexers find the blocks. A line with ``$`` begins a command, ``>`` continues it, and the lines below are its
output. ``…`` stands for any text, alone on a line for any lines. A block without output must only succeed, and ``?``
below a command asks ``--write`` for its output. The name of a commit may differ.

HTML comments before a block direct the run:

``<!-- repository: NAME -->``  begins a new repository, which a function of ``repositories.sh`` fills
``<!-- run: COMMAND -->``      runs a command that readers do not see
``<!-- clock: SECONDS -->``    moves the clock forward
``<!-- exit: CODE -->``        says with what the last command of the next block exits
``<!-- skip: REASON -->``      leaves the next block out, for what needs a service or a cluster

A block of another language with ``title="PATH"`` is written to that file.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sybil import Document, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer, RawFencedCodeBlockLexer

PROJECT = Path(__file__).resolve().parents[2]
MARK = "--- end of a command ---"
LEXERS = (
    FencedCodeBlockLexer("console"),
    RawFencedCodeBlockLexer(re.compile(r'\w+ title="(?P<title>[^"]+)"\n')),
    DirectiveInHTMLCommentLexer("repository|run|clock|exit|skip"),
)
COMMIT = re.compile(
    r"^(\[?(?:main )?)[0-9a-f]{7,12}\b|\b(?=[0-9a-f]*[013ae])(?=[0-9a-f]*\d)[0-9a-f]{7,12}\b", re.MULTILINE
)
"""The name of a commit. A pod-template-hash has none of ``013ae`` and begins no line."""
DIRECTIVES = "run", "clock", "repository"


@dataclass
class Command:
    """One command of a page, with the output that the page shows and that of the run."""

    line: int
    text: str
    shown: list[str] = field(default_factory=list)
    compared: bool = True
    exit_code: int = 0
    output: str = ""
    status: int = 0

    def problem(self) -> str:
        """Return how the run differs from the page; nothing where it does not."""
        if self.status != self.exit_code:
            return f"exited with {self.status}, expected {self.exit_code}:\n{self.output[-1000:]}"
        if self.compared and not shows("\n".join(self.shown), self.output):
            return "printed\n" + self.output
        return ""


@dataclass
class Page:
    """A page with the parts of its run: commands that readers see, and lines of shell that they do not."""

    path: Path
    text: str
    parts: list[Command | str] = field(default_factory=list)
    blocks: list[tuple[Region, list[Command]]] = field(default_factory=list)
    skipped: list[tuple[Command, str]] = field(default_factory=list)

    @property
    def commands(self) -> list[Command]:
        """The commands that readers see and that are run."""
        return [command for _, commands in self.blocks for command in commands]


def shows(shown: str, output: str) -> bool:
    """Compare what a page shows with ``output``."""
    lines = COMMIT.sub(r"\1COMMIT", shown).splitlines()
    pattern = "".join(
        "(?:.*\n)*" if line.strip() == "…" else ".*".join(map(re.escape, line.rstrip().split("…"))) + "\n"
        for line in lines
    )
    told = "".join(f"{line.rstrip()}\n" for line in COMMIT.sub(r"\1COMMIT", output).splitlines())
    return re.fullmatch(pattern, told) is not None


def read_block(source: str, line: int) -> list[Command]:
    """Read the commands of a block whose first line has the number ``line``."""
    commands: list[Command] = []
    for number, text in enumerate(source.splitlines(), start=line):
        if text.startswith("$ "):
            commands.append(Command(number, text[2:]))
        elif commands and text.startswith("> ") and not commands[-1].shown:
            commands[-1].text += f"\n{text[2:]}"
        elif commands:
            commands[-1].shown.append(text)
        elif text:
            raise ValueError(f"line {number}: a console block begins with `$ `")
    if not any(command.shown for command in commands):
        for command in commands:
            command.compared = False
    return commands


def read_page(path: Path) -> Page:
    """Read the blocks and directives of a page, in their order."""
    page = Page(path, path.read_text(encoding="utf-8"))
    document = Document(page.text, str(path))
    skip, exit_code = "", 0
    for region in sorted((region for lexer in LEXERS for region in lexer(document)), key=lambda found: found.start):
        name, value = region.lexemes.get("directive", ""), region.lexemes.get("arguments", "").strip()
        line = page.text.count("\n", 0, region.start) + 2
        if "title" in region.lexemes:
            target = region.lexemes["title"]
            end = f"{MARK} {target}"
            page.parts.append(
                f"mkdir -p $(dirname {target}); cat > {target} <<'{end}'\n{region.lexemes['source']}{end}"
            )
        elif name in DIRECTIVES:
            page.parts.append(value if name == "run" else f"{name} {value}")
        elif name == "skip":
            skip = value
        elif name == "exit":
            exit_code = int(value)
        else:
            commands = read_block(region.lexemes["source"], line)
            commands[-1].exit_code = exit_code
            if skip:
                page.skipped += [(command, skip) for command in commands]
            else:
                page.parts += commands
                page.blocks.append((region, commands))
            skip, exit_code = "", 0
    return page


def program(page: Page) -> str:
    """Return the shell program of a page, which prints a mark after each command."""
    lines = [f". '{PROJECT}/tests/docs/repositories.sh'", "repository empty"]
    for part in page.parts:
        text = part.text if isinstance(part, Command) else part
        lines += [text, f"printf '\\n{MARK} %s\\n' \"$?\""]
    return "\n".join(lines) + "\n"


def run(page: Page, folder: Path, installed: Path | None = None) -> None:
    """Run the commands of a page in ``folder`` and record their output; raise where a hidden command fails.

    rollstep is that of the checkout, or with ``installed`` that of another Python.
    """
    (folder / "page.sh").write_text(program(page), encoding="utf-8")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", str(folder / "page.sh")],
        cwd=folder,
        env=environment(folder, installed),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    text = done.stdout.decode("utf-8", errors="replace").replace(str(folder), "~")
    outputs = re.split(rf"\n?^{MARK} (\d+)\n", text, flags=re.MULTILINE)
    if len(outputs) != 2 * len(page.parts) + 1:
        raise RuntimeError(f"{page.path}: the shell ended early\n{text}")
    for part, output, status in zip(page.parts, outputs[::2], outputs[1::2], strict=False):
        if isinstance(part, Command):
            part.output, part.status = output.rstrip("\n"), int(status)
        elif status != "0":
            raise RuntimeError(f"{page.path}: {part}\n{output}")


def environment(folder: Path, installed: Path | None) -> dict[str, str]:
    """Return the variables of a run: a home, a clock and an author of its own, the same on every machine."""
    programs = [PROJECT / "tests/docs/bin", Path(sys.executable).parent, PROJECT / ".tools/bin"]
    source = {} if installed else {"PYTHONPATH": str(PROJECT)}
    return {
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "PYTHON": str(installed or sys.executable),
        **source,
        "PROJECT": str(PROJECT),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "COLUMNS": "100",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PAGER": "cat",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
    }


def with_outputs(page: Page) -> str:
    """Return the text of a page with the outputs of its run."""
    text = page.text
    for region, commands in reversed(page.blocks):
        if not any(command.compared for command in commands):
            continue
        block = text[region.start : region.end].splitlines()
        indent = re.match(r"\s*", block[0])
        lines = []
        for command in commands:
            lines += [f"$ {command.text}".replace("\n", "\n> ")]
            keep = shows("\n".join(command.shown), command.output) and "…" in "".join(command.shown)
            lines += command.shown if keep else [line.rstrip() for line in command.output.splitlines()]
        assert indent
        body = [f"{indent[0]}{line}".rstrip() for text_of in lines for line in text_of.split("\n")]
        text = text[: region.start] + "\n".join([block[0], *body, block[-1]]) + text[region.end :]
    return text


def check(path: Path, installed: Path | None = None) -> tuple[Page, list[str]]:
    """Run a page in a folder of its own, with the rollstep of ``installed``; return the page and its problems."""
    page = read_page(path)
    problems = []
    if page.blocks:
        with tempfile.TemporaryDirectory(prefix="rollstep-docs-") as folder:
            run(page, Path(folder), installed)
        name = path.relative_to(PROJECT)
        for command in page.commands:
            if problem := command.problem():
                problems.append(f"{name}:{command.line}: `{command.text}` {problem}")
    return page, problems


def pages() -> list[Path]:
    """Return all pages of the documentation."""
    root = [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*root, *sorted((PROJECT / "docs").rglob("*.md"))]


def main() -> int:
    """Check pages, or write the outputs of their run into them; print how many commands are run."""
    parser = argparse.ArgumentParser(description="Run the commands in the documentation.")
    parser.add_argument("pages", nargs="*", type=Path, help="pages; by default all")
    parser.add_argument("--write", action="store_true", help="write the output of the run into the pages")
    options = parser.parse_args()
    ran, problems, reasons = 0, [], Counter[str]()
    for path in [path.resolve() for path in options.pages] or pages():
        page, found = check(path)
        ran += len(page.commands)
        reasons.update(reason for _, reason in page.skipped)
        failed = any(command.status != command.exit_code for command in page.commands)
        if options.write and found and not failed:
            path.write_text(with_outputs(page), encoding="utf-8")
            print(f"wrote {path.relative_to(PROJECT)}")
        else:
            problems += found
    for text in problems:
        print(text)
    left_out = "".join(f"; {number} {reason}" for reason, number in sorted(reasons.items()))
    print(f"{ran} of {ran + reasons.total()} commands run{left_out}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
