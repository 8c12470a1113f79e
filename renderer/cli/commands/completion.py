"""``rollstep completion``."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    Example: source <(rollstep completion bash)
    """
    from click.shell_completion import get_completion_class

    from renderer.cli.main import cli

    completion_class = get_completion_class(shell)
    assert completion_class is not None
    click.echo(completion_class(cli, {}, "rollstep", "_ROLLSTEP_COMPLETE").source())
