"""Writes the reference of the commands from click: ``python -m tests.docs.commands > docs/reference/commands.md``.

With ``--man DIR`` it writes a man page for each command instead, with click-man.
"""

from __future__ import annotations

import sys
from inspect import cleandoc
from pathlib import Path

import click

from renderer import __version__
from renderer.cli.main import ALIASES, GROUPS, VERBS, cli

HEAD = """\
# Commands

`make docs` writes this page from the program. `rollstep COMMAND --help` prints the same, and `make docs` also writes
man pages (`build/man`).

{table}

## Targets

The commands for apps take TARGETs: an app's folder, `ENV/APP`, an environment, or an app's name. Commands that only
show take nothing for all apps. Commands that change apps need a TARGET or `--all`. On a terminal they ask before more
than one production app changes, which is an app of an environment whose name begins with `prod`; `--yes` does not
ask.

What users of kubectl type works as well: `get rollout web`, `list rollouts`, `rollback web`, `scale web 10`. On a
terminal the output has colors, unless `NO_COLOR` is set.

## All or nothing

Nothing of an app is written unless all of it is valid. An app with an error stops only itself: the others go on, and
the exit code is 1. One commit for several apps (`advance --together`), and `render`, do all or nothing. Commands that
write have `--dry-run`, and most have `--output json` ([its schema](json.md)).

## Exit codes

| code | meaning |
|---|---|
| 0 | success |
| 1 | findings or a refusal |
| 2 | wrong usage |
| 3 | an internal error |
"""
PAGES = {
    "abort": "../how-to/incident.md",
    "approve": "../how-to/approvals.md",
    "freeze": "../how-to/freeze.md",
    "init": "../how-to/init.md",
    "lint": "rules/README.md",
    "migrate": "../how-to/migrate.md",
    "plan": "../how-to/pictures.md",
    "pr": "../how-to/pull-requests.md",
    "publish": "../how-to/branches.md",
    "quarantine": "../how-to/quarantine.md",
    "remove": "../how-to/apps.md",
    "replay": "../how-to/verify.md",
    "resolve": "../how-to/conflicts.md",
    "schema": "json.md",
    "simulate": "analysis.md",
    "site": "../how-to/site.md",
    "undo": "../how-to/incident.md",
    "verify": "../how-to/verify.md",
}
"""The page that says more about a verb."""


def cell(text: str) -> str:
    """Return ``text`` for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def table() -> str:
    """Return the tables of all verbs, by section."""
    lines = []
    for title, verbs in GROUPS.items():
        lines += [f"| {title} | |", "|---|---|"]
        for verb in verbs:
            more = f" [More]({PAGES[verb]})" if verb in PAGES else ""
            lines.append(f"| [`{verb}`](#{verb}) | {VERBS[verb]}{more} |")
        lines.append("")
    names = ", ".join(f"`{other}` for `{verb}`" for other, verb in ALIASES.items())
    return "\n".join([*lines, f"Other names: {names}."])


def prose(paragraph: str) -> str:
    """Return a paragraph of help as Markdown: examples as code, and what click leaves as it is in a block."""
    if paragraph.startswith("\b"):
        return f"```text\n{paragraph.removeprefix(chr(8)).strip()}\n```"
    begin, example, command = " ".join(paragraph.split()).partition("Example: ")
    text = f"{begin}{example}`{command}`" if example else begin
    return text.replace("<", "&lt;") if not example else text


def section(command: click.Command, context: click.Context, level: int) -> list[str]:
    """Return the lines about a command and its subcommands: usage, help, and a table of options."""
    name = context.command_path.removeprefix("rollstep ")
    lines = [f"{'#' * level} {name}", "", "```text", context.get_usage().removeprefix("Usage: "), "```", ""]
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        lines += [prose(paragraph), ""]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found
            lines += section(found, click.Context(found, info_name=child, parent=context), level + 1)
        return lines
    records = [record for parameter in command.params if (record := parameter.get_help_record(context)) and record[1]]
    if records:
        lines += [
            "| option | |",
            "|---|---|",
            *(f"| `{cell(option)}` | {cell(text)} |" for option, text in records),
            "",
        ]
    return lines


def page() -> str:
    """Return the whole page."""
    root = click.Context(cli, info_name="rollstep", terminal_width=100)
    lines = [HEAD.format(table=table())]
    for verb in VERBS:
        command = cli.get_command(root, verb)
        assert command
        lines += section(command, click.Context(command, info_name=verb, parent=root, terminal_width=100), 2)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Print the page, or write man pages into a folder."""
    if sys.argv[1:2] == ["--man"]:
        from click_man.core import write_man_pages

        folder = Path(sys.argv[2])
        folder.mkdir(parents=True, exist_ok=True)
        # click-man reads the commands of a group from its dictionary, which is empty until a verb is used.
        for verb in VERBS:
            command = cli.get_command(click.Context(cli), verb)
            assert command
            cli.add_command(command, verb)
        write_man_pages("rollstep", cli, version=__version__, target_dir=str(folder))
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()
