"""``rollstep verify``."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.cli import options
from renderer.cli.reporter import say

if TYPE_CHECKING:
    from renderer.git.repository import Repository
    from renderer.verbs.policy.approvals import Reviews
    from renderer.verbs.verify.verdict import CommitVerdict


@click.command("verify")
@options.revisions
@click.option("--pre-receive", is_flag=True, help="Run as git's pre-receive hook: read the refs of a push from stdin.")
@click.option(
    "--branch",
    "branches",
    multiple=True,
    metavar="PATTERN",
    help="With --pre-receive: branches to verify, such as env/*.  [default: HEAD's branch]",
)
@click.option(
    "--push",
    "is_push",
    is_flag=True,
    help="RANGE is one push or pull request: a pause that begins in it does not end in it by time.  [default: where"
    " RANGE leaves out a remote's branch, such as origin/main..HEAD]",
)
@options.allow_exec
@click.option(
    "--reviews",
    metavar="FILE",
    default="",
    help="Source of pull request approvals: `forge` for the remote's forge, or a JSON file (- for stdin) with a list of"
    " logins for each commit.",
)
@click.option(
    "--requery",
    is_flag=True,
    help="Ask the metric providers again for the moments that the commits have measured, and report what differs. Only"
    " for repositories that you trust: the commits say where to ask.",
)
@options.output_format("text", "json", "github")
@options.now
@click.pass_obj
def command(
    directory: str,
    revisions: tuple[str, ...],
    pre_receive: bool,
    branches: tuple[str, ...],
    is_push: bool,
    reviews: str,
    requery: bool,
    output: str,
    now: datetime | None,
) -> None:
    """Verify that every commit of RANGE is a legal step from its parent.

    RANGE is what `git log` takes, such as main..HEAD or HEAD~3..; the default is all of HEAD's history. A step is legal
    if a verb produces the same rendered files, status and trailers, byte for byte. Reverts, merges and a first import
    are also legal. Commits that change no app are skipped. Only git objects are read, so the repository may be bare.

    Exit codes: 0 all commits are legal, 1 findings.

    Example: rollstep verify origin/main..HEAD

    Example: rollstep verify --pre-receive --branch main --branch 'env/*'
    """
    if pre_receive and revisions:
        raise click.UsageError("--pre-receive takes its range from stdin")
    if pre_receive and is_push:
        raise click.UsageError("--pre-receive is always a push")
    if branches and not pre_receive:
        raise click.UsageError("--branch goes with --pre-receive")
    if requery and pre_receive:
        raise click.UsageError("--requery sends requests where a push says: not with --pre-receive")
    from renderer.git.repository import Repository
    from renderer.pipeline.load.workspace import current_time
    from renderer.verbs.policy.approvals import Approvals
    from renderer.verbs.verify import verify_commits
    from renderer.verbs.verify.commits import is_unpushed
    from renderer.verbs.verify.report import FORMATS, summary

    repository = Repository.open(Path(directory), allow_bare=True)
    if pre_receive:
        sys.exit(_receive(repository, branches, output, now))
    revisions = revisions or ("HEAD",)
    approvals = Approvals(repository, _reviews(repository, reviews, revisions)) if reviews else None
    now, together = now or current_time(), is_push or is_unpushed(repository, revisions)
    verdicts = verify_commits(repository, revisions, approvals=approvals, now=now, is_push=together, asks_again=requery)
    say(FORMATS[output](verdicts), nl=False)
    _print_summary(verdicts, summary(verdicts))
    sys.exit(1 if any(verdict.all_findings for verdict in verdicts) else 0)


def _reviews(repository: Repository, file: str, revisions: tuple[str, ...]) -> Reviews:
    """Return the reviews of the forge or of a file (``-``: standard input); refuse an invalid file.

    The forge's address comes from git's configuration, or from the commit that the first of ``revisions`` follows: the
    token must not go where a commit says that is judged.
    """
    from renderer.errors import RollstepError
    from renderer.kubernetes.yaml.reader import read_stream, read_text
    from renderer.kubernetes.yaml.strict_json import load_json
    from renderer.verbs.policy.approvals import ReviewList

    if file == "forge":
        from renderer.git.forges.site import find_site, open_forge
        from renderer.verbs.verify.trusted import trusted_forge

        return open_forge(find_site(repository, trusted_forge(repository, revisions)))

    try:
        listed = load_json(read_stream(sys.stdin.buffer, "-") if file == "-" else read_text(Path(file)))
    except RollstepError as error:
        raise click.UsageError(f"--reviews {file}: {error.findings[0].message}") from error
    except ValueError as error:
        raise click.UsageError(f"--reviews {file}: {error}") from error
    values = listed.values() if isinstance(listed, dict) else [None]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in values):
        raise click.UsageError(f"--reviews {file}: expected an object with a list of logins for each commit")
    return ReviewList(listed)


def _print_summary(verdicts: list[CommitVerdict], text: str) -> None:
    apps = (app for verdict in verdicts for app in verdict.apps if app.note)
    for note in dict.fromkeys(f"{app.app} ({app.environment}): {app.note}" for app in apps):
        say(f"note: {note}", err=True)
    say(text, err=True)


def _receive(repository: Repository, branches: tuple[str, ...], output: str, now: datetime | None) -> int:
    """Verify a push and return the exit code: git refuses the whole push if it is not 0."""
    from renderer.pipeline.load.workspace import current_time
    from renderer.verbs.policy.approvals import TAGS, Approvals
    from renderer.verbs.verify import verify_commits
    from renderer.verbs.verify.loading import Loader
    from renderer.verbs.verify.pre_receive import (
        Guard,
        guarded_updates,
        lost_history,
        new_revisions,
        pushed_tags,
        read_updates,
    )
    from renderer.verbs.verify.report import FORMATS, summary
    from renderer.verbs.verify.rules import read_rules

    now = now or current_time()
    rules = read_rules(repository)
    patterns = branches or rules.branches
    updates = read_updates(os.fsdecode(sys.stdin.buffer.read()).splitlines())
    approvals = Approvals(repository, pushed=pushed_tags(updates, TAGS), received=now)
    refused = False
    with Loader(repository) as loader:
        guard = Guard(loader, updates, patterns, rules)
    for update in guarded_updates(repository, updates, patterns):
        for found in filter(None, (lost_history(repository, update), guard.stray(update))):
            say(f"error: {found.text()}", err=True)
            refused = True
        if not update.new:
            continue
        commits = new_revisions(repository, update, patterns)
        verdicts = verify_commits(repository, commits, received=now, approvals=approvals, update=guard.update(update))
        say(FORMATS[output](verdicts), nl=False)
        _print_summary(verdicts, f"{update.ref}: {summary(verdicts)}")
        refused = refused or any(verdict.all_findings for verdict in verdicts)
    return 1 if refused else 0
