"""Runs rollstep at the time in ``PAGE_TIME``: the verbs that know ``--now`` get it."""

from __future__ import annotations

import os
import sys

import click

from renderer.cli.main import cli, main


def knows_now(words: list[str]) -> bool:
    """Say if the verb that ``words`` name has the option ``--now``."""
    command: click.Command = cli
    for word in words:
        if isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return False
            command = found
    return any(parameter.name == "now" for parameter in command.params)


if __name__ == "__main__":
    words = sys.argv[1:]
    if knows_now(words) and not {"--now", "--help", "-h"} & set(words):
        words += ["--now", os.environ["PAGE_TIME"]]
    main(words)
