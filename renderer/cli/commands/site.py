"""``rollstep site``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER, print_json, say


@click.command("site")
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Folder of the site.  [default: site; with --serve a temporary one]",
)
@click.option("--serve", is_flag=True, help="Serve the site to this machine alone, until interrupted.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, metavar="N", help="Port of --serve."
)
@options.output
@options.allow_exec
@click.pass_obj
def command(directory: str, out: str | None, serve: bool, port: int, output: str) -> None:
    """Make static pages of all releases, from the commit of HEAD alone.

    The pages show all environments and apps, each release with its commits, the DORA figures, and a search. Beside them
    are releases.json with its schema, and an Atom feed for each environment. Only what has changed is made again.
    Files that rollstep did not write are never touched.

    Exit code 1 if an app cannot be read: its page says why.

    Example: rollstep site --out public

    Example: rollstep site --serve
    """
    from renderer.cli.output_schema import file_schema
    from renderer.verbs.site.make import make_site

    with ExitStack() as stack:
        if out is None and serve:
            from tempfile import TemporaryDirectory

            folder = Path(stack.enter_context(TemporaryDirectory(prefix="rollstep-site-")))
        else:
            folder = Path(directory, out or "site").resolve()
        made = make_site(directory, folder, file_schema("releases.json"), REPORTER.note)
        for problem in made.problems:
            REPORTER.note(f"error: {problem.text()}")
        if output == "json":
            print_json([made.to_dict()])
        else:
            counts = f"{made.written:,} files written, {made.removed:,} removed, {made.unchanged:,} unchanged"
            say(f"{folder if out is None else out}/index.html: {counts}")
        if serve:
            from renderer.verbs.site.serve import serve_site

            serve_site(made.folder, port, lambda url: say(f"serving {url}", err=True))
    sys.exit(1 if made.problems else 0)
