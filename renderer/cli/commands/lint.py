"""``rollstep lint``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER, say

if TYPE_CHECKING:
    from renderer.errors import Finding


@click.command("lint")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(allow_dash=True))
@click.option("--select", multiple=True, metavar="RULES", help="Rules to check: RS410, RS4, ALL, or several.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Rules to ignore, in the same form.")
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "note", "never")),
    default="error",
    show_default=True,
    help="The least severe finding that makes the exit code 1.",
)
@options.output_format("text", "json", "sarif", "github", "gitlab", "junit")
@click.option("--explain", metavar="RULE", help="Print the explanation of RULE, or with ALL the page of all rules.")
@options.allow_exec
@click.pass_obj
def command(
    directory: str,
    paths: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    output: str,
    explain: str | None,
) -> None:
    """Check Rollouts and related manifests for mistakes, offline.

    PATH is a folder, a file, an app (ENV/APP), or - for standard input; the default is the current folder. An app of
    the repository is checked as a whole, with its settings. Any other Rollout is checked with everything else that PATH
    names. Every finding has the code of its rule, which --explain and docs/reference/rules describe.

    Exit codes: 0 no error among the findings, 1 an error, or what --fail-on says, 2 an error in the command line or in
    rollstep.yaml.

    Example: helm template web ./chart | rollstep lint - --select RS2,RS4 --output sarif
    """
    if explain:
        say(_explained(explain), nl=False)
        return
    from renderer.pipeline.load.workspace import Workspace
    from renderer.verbs.lint.files import lint_paths
    from renderer.verbs.lint.formats import FORMATS

    linted = lint_paths(directory, paths or (".",), {"select": _codes(select), "ignore": _codes(ignore)})
    Workspace.open(directory).note_unknown_names(REPORTER.note)
    say(FORMATS[output](linted), nl=False)
    say(_summary(linted.findings, len(linted.files)), err=True)
    sys.exit(1 if _fails(linted.findings, fail_on) else 0)


def _fails(findings: Sequence[Finding], fail_on: str) -> bool:
    """Return whether a finding is at least as severe as ``fail_on``."""
    from renderer.verbs.lint.rule import SEVERITIES
    from renderer.verbs.lint.rules import RULES

    severe = SEVERITIES[: SEVERITIES.index(fail_on) + 1] if fail_on in SEVERITIES else ()
    return any(RULES[finding.code].severity in severe for finding in findings)


def _codes(values: Sequence[str]) -> tuple[str, ...]:
    """Return the codes of a repeated option, whose values may be lists with commas."""
    return tuple(code for value in values for code in value.replace(",", " ").split())


def _explained(code: str) -> str:
    from renderer.verbs.lint.rules import RULES
    from renderer.verbs.lint.rules_page import explain, page

    if code == "ALL":
        return page()
    if code not in RULES:
        raise click.UsageError(f"there is no rule {code}; the rules are {next(iter(RULES))} to {list(RULES)[-1]}")
    return explain([code])


def _summary(findings: Sequence[Finding], files: int) -> str:
    from collections import Counter

    from renderer.verbs.lint.rule import SEVERITIES
    from renderer.verbs.lint.rules import RULES

    where = _count(files, "file")
    if not findings:
        return f"No findings in {where}."
    counts = Counter(RULES[finding.code].severity for finding in findings)
    parts = ", ".join(_count(counts[severity], severity) for severity in SEVERITIES if counts[severity])
    hint = f"Run `rollstep lint --explain {findings[0].code}` for details."
    return f"{_count(len(findings), 'finding')} in {where}: {parts}. {hint}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
