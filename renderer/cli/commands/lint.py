"""``rollstep lint``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from renderer.cli import options

if TYPE_CHECKING:
    from renderer.errors import Finding


@click.command("lint")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(allow_dash=True))
@click.option("--select", multiple=True, metavar="RULES", help="The rules that count: RS410, RS4, ALL, or several.")
@click.option("--ignore", multiple=True, metavar="RULES", help="Rules that do not count, in the same way.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "sarif", "github", "gitlab", "junit"]),
    default="text",
    show_default=True,
    help="The form of the report.",
)
@click.option("--explain", metavar="RULE", help="Print what a rule is about, or with ALL the page of all rules.")
@options.allow_exec
@click.pass_obj
def command(
    directory: str | None,
    paths: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    output: str,
    explain: str | None,
) -> None:
    """Find what is wrong with Rollouts and the manifests around them, offline.

    PATH is a folder, a file, or - for standard input; without one, all that is here. An app of the repository is looked
    at as a whole, with its settings; of other manifests, each Rollout with all else that PATH names. Every finding has
    the code of its rule, and docs/rules says what each is about.

    Exit codes: 0 nothing found, 1 findings, 2 a fault in the command line or in rollstep.yaml.

    Example: helm template web ./chart | rollstep lint - --select RS2,RS4 --output sarif
    """
    if explain:
        click.echo(_explained(explain), nl=False)
        return
    from renderer.verbs.lint.files import lint_paths
    from renderer.verbs.lint.formats import FORMATS

    linted = lint_paths(directory or ".", paths or (".",), {"select": _codes(select), "ignore": _codes(ignore)})
    click.echo(FORMATS[output](linted), nl=False)
    click.echo(_summary(linted.findings, len(linted.files)), err=True)
    sys.exit(1 if linted.findings else 0)


def _codes(values: Sequence[str]) -> tuple[str, ...]:
    """Return the codes of an option that may be there several times, and may have several after commas."""
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
    """Return the last line, about what was found in how many files."""
    from collections import Counter

    from renderer.verbs.lint.rule import SEVERITIES
    from renderer.verbs.lint.rules import RULES

    looked_at = f"{files} file{'' if files == 1 else 's'}"
    if not findings:
        return f"No findings in {looked_at}."
    counts = Counter(RULES[finding.code].severity for finding in findings)
    parts = [f"{counts[one]} {one}{'' if counts[one] == 1 else 's'}" for one in SEVERITIES if counts[one]]
    total = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}"
    return f"{total} in {looked_at}: {', '.join(parts)}. `rollstep lint --explain {findings[0].code}` tells more."
