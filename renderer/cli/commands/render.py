"""``rollstep render``."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from renderer.cli import options
from renderer.cli.reporter import REPORTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from renderer.verbs.apps.shards import Shard


def read_shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    """Return the shard that ``K/N`` names; refuse what is none."""
    if value is None:
        return None
    from renderer.verbs.apps.shards import Shard

    try:
        return Shard.from_text(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command("render")
@options.targets
@click.option("--step", type=click.IntRange(min=0), metavar="N", help="Render currentStepIndex N, not the current one.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 with a diff where the repository differs.")
@click.option("--stdout", is_flag=True, help="Print the manifests instead of writing them.")
@click.option("--stable", type=click.Path(path_type=Path), metavar="FILE", help="The stable Rollout (stateless use).")
@click.option("--stable-ref", metavar="REF", help="Take the stable Rollout from FILE as it is in this git ref.")
@click.option("--env", "environment", metavar="ENV", default="", help="Environment whose settings a stateless run has.")
@click.option(
    "--allow",
    type=click.Choice(["ignored-routes", "plain-secrets"]),
    multiple=True,
    help="What a stateless run does not refuse, as the setting of that name.",
)
@click.option(
    "-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help="Form on stdout."
)
@click.option("--shard", callback=read_shard, metavar="K/N", help="Only the apps of the Kth of N shards.")
@options.jobs
@click.option("--executor", metavar="dask://HOST:PORT", default="", help="Let the workers of a Dask scheduler render.")
@click.option("--no-cache", is_flag=True, help="Render everything anew, and keep nothing of it for the next run.")
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

    TARGET is an app's folder, ENV/APP, an environment, or an app's name; without one, all apps. The step that
    status.yaml records is kept; a new pod template begins its release at step 0.

    TARGET may also be files of manifests, or - for standard input: then nothing is read or written beside them, and
    the manifests are printed. --stable or --stable-ref give the version that the release starts from.

    Example: rollstep render --check

    Example: kustomize build overlays/prod | rollstep render - --env prod

    Example: rollstep render rollout.yaml services.yaml --step 2 --stable old-rollout.yaml
    """
    files = [target for target in targets if target == "-" or Path(directory, target).is_file()]
    if files and len(files) != len(targets):
        raise click.UsageError("name either apps or files, not both")
    if not files and (stable or stable_ref or environment or allow):
        raise click.UsageError("--stable, --stable-ref, --env and --allow go with files of manifests")
    is_parallel = jobs > 1 or bool(executor)
    if files and (shard or is_parallel):
        raise click.UsageError("--shard, --jobs and --executor go with apps")
    if files:
        from renderer.verbs.render.stateless import StatelessRequest, render_stateless

        if check:
            raise click.UsageError("--check goes with apps, whose rendered manifests are in the repository")
        alone = StatelessRequest(directory, files, step, stable, stable_ref, environment, validate, now, allow)
        click.echo(render_stateless(alone, output), nl=False)
        return
    if is_parallel and stdout:
        raise click.UsageError("--jobs and --executor do not go with --stdout")
    if stdout:
        from renderer.verbs.render.print import print_releases

        click.echo(print_releases(directory, targets, step, output, now, shard), nl=False)
        return
    is_plain = check and step is None and now is None and shard is None and output == "yaml" and not no_cache
    if is_plain and not is_parallel:
        # Loads nothing else: a check of an unchanged fleet costs a look at the stamps of its files.
        from renderer.verbs.cache.checks import Check, up_to_date

        last = Check.of(directory, targets)
        apps = last.up_to_date() if last else None
        if apps is not None:
            click.echo(up_to_date(apps), err=True)
            return
    from renderer.verbs.render.request import Mode, RenderRequest

    mode = Mode.CHECK if check else Mode.DIFF if dry_run else Mode.WRITE
    request = RenderRequest(directory, targets, step, mode, validate, now, output, shard, jobs, executor, not no_cache)
    if mode is not Mode.WRITE:
        from renderer.verbs.render.compare import compare_releases

        sys.exit(compare_releases(request, REPORTER))
    from renderer.verbs.render.write import write_releases

    sys.exit(write_releases(request, REPORTER))
