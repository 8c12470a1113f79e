"""The ``rollstep`` command: imports the module of one verb and turns exceptions into exit codes."""

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
from renderer.cli.reporter import REPORTER, say
from renderer.errors import RollstepError, printable

OS_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE}
"""Errors of the machine, which are not bugs of rollstep."""
GC_THRESHOLD = 200_000
"""Manifests are many objects without cycles, in which the garbage collector finds nothing."""

VERBS = {
    "abort": "Abort a release: send all traffic back to the stable ReplicaSet.",
    "advance": "Commit the next step of a release.",
    "analyze": "Measure the analyses of a release, and go on or take it back.",
    "approve": "Approve a commit with a signed tag.",
    "completion": "Print the completion script of a shell.",
    "diff": "Show the changes of rendered manifests between two steps.",
    "freeze": "Freeze releases for a period of time.",
    "get": "Show the tree of revisions and ReplicaSets.",
    "hash": "Print the pod-template-hash of manifests.",
    "help": "Show the help of a command.",
    "history": "List the revisions with image, commit and date.",
    "init": "Set up environments from existing manifests.",
    "lint": "Check Rollouts and related manifests for mistakes.",
    "migrate": "Migrate an app to another traffic router.",
    "pause": "Pause a Rollout (set spec.paused).",
    "plan": "Show the remaining steps of a release.",
    "pr": "Open or update the pull request of the next step.",
    "promote": "Promote a release: end the pause, or skip steps.",
    "publish": "Bring the branches of environments up to HEAD.",
    "quarantine": "Keep images from being released.",
    "remove": "Remove apps, with everything that is applied of them.",
    "render": "Render the manifests of the current step.",
    "replay": "Repeat commits from their sources and compare the trees.",
    "resolve": "Resolve the git conflicts of apps from one side.",
    "restart": "Restart the pods of a Rollout with a new revision.",
    "resume": "Resume a paused Rollout (clear spec.paused).",
    "retry": "Retry an aborted release.",
    "scale": "Scale a Rollout (set spec.replicas).",
    "schema": "Print the JSON schema of rollstep.yaml or of an output.",
    "set": "Update the Rollout (set image CONTAINER=IMAGE).",
    "simulate": "Run a scenario in a simulated cluster.",
    "site": "Make static pages of all releases.",
    "status": "Show the phase of each release.",
    "undo": "Roll back to an earlier revision.",
    "verify": "Verify that every commit is a legal step of a release.",
    "version": "Print the version.",
}
"""Every verb with its line in ``--help``, so that ``--help`` and completion import no verb's module."""
GROUPS = {
    "Look": ("status", "get", "plan", "diff", "history", "site"),
    "Move": ("advance", "analyze", "promote", "set", "undo", "restart", "scale", "pr", "approve", "publish"),
    "Stop": ("pause", "resume", "abort", "retry", "freeze", "quarantine", "resolve"),
    "Set up": ("init", "render", "migrate", "remove", "completion", "schema", "help", "version"),
    "Prove": ("lint", "verify", "replay", "hash", "simulate"),
}
"""The sections of ``--help``; verbs that no section has come last."""
ALIASES = {"list": "status", "rollback": "undo"}
"""Other names that users of kubectl type first."""
KINDS = ("rollout", "rollouts", "ro")
"""The word for the kind in ``kubectl argo rollouts get rollout web``, which rollstep does not need."""


class Verbs(click.Group):
    """The group of all verbs, whose modules in ``renderer.cli.commands`` are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, sorted."""
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb or of its other name; None for an unknown verb."""
        cmd_name = ALIASES.get(cmd_name, cmd_name)
        if cmd_name not in VERBS:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"renderer.cli.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of verbs without importing their modules."""
        rest = tuple(sorted(VERBS.keys() - {verb for verbs in GROUPS.values() for verb in verbs}))
        for title, verbs in (*GROUPS.items(), ("More", rest)):
            if verbs:
                with formatter.section(title):
                    formatter.write_dl([(verb, VERBS[verb]) for verb in verbs])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb and drop the kind after it; for an unknown verb, suggest the nearest."""
        if len(args) > 1 and args[0] in ("get", "list", "retry", "status") and args[1] in KINDS:
            args = [args[0], *args[2:]]
        if args and args[0] not in VERBS and args[0] not in ALIASES and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], (*VERBS, *ALIASES), n=1)
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
    help="Run as if started in DIR.",
)
@click.pass_context
def cli(ctx: click.Context, directory: str) -> None:
    """Progressive delivery in git, one commit per step.

    rollstep does in git what the Argo Rollouts controller does in a cluster. From a Rollout and its current step it
    writes the versioned ReplicaSets, the stable and canary Services and the weighted Ingress. A sync tool (Argo CD,
    Flux, kubectl apply -k) applies them.

    Example: rollstep plan environments/prod/web && rollstep advance environments/prod/web
    """
    ctx.obj = directory


def fail(error: RollstepError) -> NoReturn:
    """Print the findings of ``error`` on stderr, one per line, and exit with its exit code."""
    for finding in error.findings:
        # Names, keys and the output of programs may contain control characters.
        REPORTER.note("\n".join(printable(line) for line in f"error: {finding.text()}".split("\n")))
    sys.exit(error.exit_code)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 success, 1 findings or refusal, 2 usage error, 3 a bug in rollstep."""
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
        # The reader is gone (`rollstep get | head`): the interpreter must not write to it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if not _is_machine_error(error):
            _crash(error)
        place = f"{error.filename}: " if error.filename else ""
        say(f"error: {place}{error.strerror or error}", err=True)
        sys.exit(1)
    except Exception as error:
        _crash(error)


def _is_machine_error(error: OSError) -> bool:
    # tempfile raises FileNotFoundError without a file where no temporary folder is writable.
    return error.errno in OS_ERRORS or "temporary directory" in str(error)


def _crash(error: Exception) -> NoReturn:
    import traceback

    say("".join(traceback.format_exception(error)), nl=False, err=True)
    say(f"rollstep {__version__} failed: {type(error).__name__}: {error}. This is a bug in rollstep.", err=True)
    sys.exit(3)
