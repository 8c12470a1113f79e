"""Validates the rendered manifests of several apps, with progress on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from renderer.pipeline.load.discover import Home
from renderer.verbs import progress


def validate_apps(
    rendered: Sequence[tuple[Home, Mapping[str, str]]], note: Callable[[str], object], jobs: int = 0
) -> None:
    """Validate rendered files as ``check_files`` does; raise RollstepError with all findings."""
    from renderer.pipeline.validate.manifests import check_files

    with progress.stage(f"validating {sum(len(files) for _, files in rendered):,} manifests"):
        check_files(rendered, note, jobs)
