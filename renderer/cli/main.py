"""The ``rollstep`` command: finds the verb, imports its module alone, and turns exceptions into exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from renderer import __version__
from renderer.errors import RollstepError, printable

ENVIRONMENT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE}
"""Errors of the operating system that are no fault of rollstep's."""

GC_THRESHOLD = 200_000

VERBS = {
    "abort": "Send all traffic back to the stable ReplicaSet.",
    "advance": "Do the next step: render, validate, commit.",
    "approve": "Approve a commit by a signed tag.",
    "completion": "Print the shell completion script.",
    "diff": "Show what the next step, or any other, changes in the rendered manifests.",
    "freeze": "Keep releases where they are for a time.",
    "get": "Show the tree of revisions and ReplicaSets.",
    "hash": "Print the pod-template-hash of the documents in files.",
    "history": "List the revisions with image, commit and date.",
    "init": "Scaffold environments from manifests that exist.",
    "migrate": "Move from one traffic router to another.",
    "lint": "Find what is wrong with Rollouts and the manifests around them.",
    "pause": "Set the Rollout's spec.paused.",
    "plan": "Show every step that is still to come.",
    "pr": "Open or update the pull request of the next step.",
    "promote": "End the pause, or skip steps.",
    "render": "Write the manifests of the current step.",
    "replay": "Make commits again from their sources, and compare the trees.",
    "restart": "Restart the pods, by a new revision.",
    "resume": "Clear the Rollout's spec.paused.",
    "retry": "Start an aborted release again.",
    "scale": "Set the Rollout's spec.replicas.",
    "schema": "Print the JSON schema of rollstep.yaml.",
    "set": "Change the Rollout (set image NAME=IMAGE).",
    "simulate": "Run a scenario through the engine with a simulated cluster.",
    "status": "Tell the phase of each release.",
    "undo": "Go back to an earlier revision.",
    "verify": "Check that every commit is a legal step of a release.",
}
"""Every verb with its line in ``--help``: kept here so that ``--help`` and completion import no verb's module."""


class Verbs(click.Group):
    """A group whose commands live in ``renderer.cli.commands`` and are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one verb; None where there is no such verb."""
        if cmd_name not in VERBS:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"renderer.cli.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; where there is none, name the nearest."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, n=1)
            ctx.fail(f"no such command: {args[0]}" + (f" (did you mean {near[0]}?)" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rollstep")
@click.option(
    "-C",
    "directory",
    metavar="DIR",
    default=".",
    type=click.Path(exists=True, file_okay=False),
    help="Run as if started in DIR, as git has it.",
)
@click.pass_context
def cli(ctx: click.Context, directory: str) -> None:
    """Render progressive delivery into git, a commit a step.

    rollstep does what the Argo Rollouts controller does, without a controller: from a Rollout and the current step it
    writes the versioned ReplicaSets, the stable and canary Services and the weighted Ingress, and a sync tool
    (Argo CD, Flux, kubectl apply -k) applies them.

    Example: rollstep plan environments/prod/web && rollstep advance environments/prod/web
    """
    ctx.obj = directory


def fail(error: RollstepError) -> NoReturn:
    """Print the findings of ``error`` to stderr, one a line, and leave with its exit code."""
    for finding in error.findings:
        # A name, a key or a program's words may hold what makes a terminal do something else than show it.
        click.echo("\n".join(printable(line) for line in f"error: {finding.text()}".split("\n")), err=True)
    sys.exit(error.exit_code)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 fine, 1 findings or refusal, 2 usage, 3 a fault of rollstep's own."""
    # Manifests are many objects without cycles: looking for cycles takes a fifth of a run, and as long at its end.
    gc.set_threshold(GC_THRESHOLD)
    atexit.register(gc.freeze)
    try:
        status: Any = cli.main(args=args, prog_name="rollstep", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except RollstepError as error:
        fail(error)
    except BrokenPipeError:
        # The reader has gone (`rollstep get | head`): without this the interpreter complains again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if not _is_environment(error):
            _crash(error)
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {place}{error.strerror or error}", err=True)
        sys.exit(1)
    except Exception as error:
        _crash(error)


def _is_environment(error: OSError) -> bool:
    """Tell whether an error is the machine's: a disk that is full, a folder that nobody may write."""
    # tempfile says so where no folder for temporary files can be written.
    return error.errno in ENVIRONMENT or "temporary directory" in str(error)


def _crash(error: Exception) -> NoReturn:
    import traceback

    traceback.print_exception(error)
    click.echo(f"rollstep {__version__} failed: {type(error).__name__}: {error}. This is a bug in rollstep.", err=True)
    sys.exit(3)
