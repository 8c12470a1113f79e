"""``rollstep render``."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from renderer.cli import options
from renderer.cli.reporter import DIFF_REPORTER, REPORTER, product, say

if TYPE_CHECKING:
    from renderer.verbs.apps.shards import Shard


def _check_files(directory: str, files: list[str], targets: tuple[str, ...]) -> None:
    """Refuse a file that does not exist, and apps beside files."""
    for target in targets:
        is_named_like_a_file = target.endswith((".yaml", ".yml", ".json"))
        if target not in files and is_named_like_a_file and not Path(directory, target).exists():
            raise click.UsageError(f"there is no file {target}")
    if files and len(files) != len(targets):
        raise click.UsageError("name either apps or files, not both")


def _read_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    if value is None:
        return None
    from renderer.verbs.apps.shards import Shard

    try:
        return Shard.from_text(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command("render")
@options.targets
@click.option("--step", type=click.IntRange(min=0), metavar="N", help="Render step N instead of the current one.")
@click.option("--check", is_flag=True, help="Write nothing; print a diff and exit with 1 if the repository differs.")
@click.option("--stdout", is_flag=True, help="Print the manifests instead of writing them.")
@click.option("--stable", type=click.Path(path_type=Path), metavar="FILE", help="File of the stable Rollout.")
@click.option("--stable-ref", metavar="REF", help="Git ref that has the stable Rollout.")
@click.option("--env", "environment", metavar="ENV", default="", help="Environment whose settings apply to files.")
@click.option(
    "--allow",
    type=click.Choice(["ignored-routes", "plain-secrets"]),
    multiple=True,
    help="Allow ignored routes or plain Secrets in files, like the setting `allow`.",
)
@options.output_format("yaml", "json")
@click.option("--shard", callback=_read_shard, metavar="K/N", help="Render only the apps of the Kth of N shards.")
@options.jobs
@click.option("--executor", metavar="dask://HOST:PORT", default="", help="Render on the workers of a Dask scheduler.")
@click.option("--no-cache", is_flag=True, help="Render every app, and store nothing in the cache.")
@options.validate
@options.dry_run
@options.now
@options.allow_exec
@click.pass_obj
def command(
    directory: str,
    targets: tuple[str, ...],
    step: int | None,
    check: bool,
    stdout: bool,
    stable: Path | None,
    stable_ref: str | None,
    environment: str,
    allow: tuple[str, ...],
    output: str,
    shard: Shard | None,
    jobs: int,
    executor: str,
    no_cache: bool,
    validate: bool,
    dry_run: bool,
    now: datetime | None,
) -> None:
    """Render the manifests of the current step of each TARGET.

    TARGET is an app's folder, ENV/APP, an environment, or an app's name; the default is all apps. The step recorded in
    status.yaml stays. A new pod template waits: `rollstep advance` begins its release, and --check shows its plan. In a
    hook of `git commit` the status is that of the commit before.

    TARGET may also be manifest files, or - for standard input. Then the manifests are printed, and no other files are
    read or written. --stable, --stable-ref, --env and --allow are for such files: the first two name the version from
    which the release starts.

    Example: rollstep render --check

    Example: kustomize build overlays/prod | rollstep render - --env prod

    Example: rollstep render rollout.yaml services.yaml --step 2 --stable old-rollout.yaml
    """
    files = [target for target in targets if target == "-" or Path(directory, target).is_file()]
    _check_files(directory, files, targets)
    if not files and (stable or stable_ref or environment or allow):
        raise click.UsageError("--stable, --stable-ref, --env and --allow go with files of manifests")
    is_parallel = jobs > 1 or bool(executor)
    if files and (shard or is_parallel):
        raise click.UsageError("--shard, --jobs and --executor go with apps")
    if files:
        from renderer.verbs.render.stateless import StatelessRequest, render_stateless

        if check:
            raise click.UsageError("--check goes with apps, whose rendered manifests are in the repository")
        stateless = StatelessRequest(directory, files, step, stable, stable_ref, environment, validate, now, allow)
        product(render_stateless(stateless, output))
        return
    if is_parallel and stdout:
        raise click.UsageError("--jobs and --executor do not go with --stdout")
    if stdout:
        from renderer.cli.session import open_workspace
        from renderer.verbs.render.stream import apps_stream

        product(apps_stream(open_workspace(directory), targets, step, output, now, shard))
        return
    is_plain = check and step is None and now is None and shard is None and output == "yaml" and not no_cache
    from renderer.git.hook import is_in_commit

    if is_plain and not is_parallel and not is_in_commit():
        # Imports nothing else: a check of an unchanged fleet reads only the stamps of its files.
        from renderer.verbs.cache.checks import Check, up_to_date

        last = Check.of(directory, targets)
        apps = last.up_to_date() if last else None
        if apps is not None:
            say(up_to_date(apps), err=True)
            return
    from renderer.verbs.render.request import Mode, RenderRequest

    mode = Mode.CHECK if check else Mode.DIFF if dry_run else Mode.WRITE
    request = RenderRequest(directory, targets, step, mode, validate, now, output, shard, jobs, executor, not no_cache)
    if mode is not Mode.WRITE:
        from renderer.verbs.render.compare import compare_releases

        reporter = REPORTER if output == "json" else DIFF_REPORTER
        sys.exit(compare_releases(request, reporter))
    from renderer.verbs.render.write import write_releases

    sys.exit(write_releases(request, REPORTER))
