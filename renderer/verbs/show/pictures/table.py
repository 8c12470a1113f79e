"""The table of a staircase: a row for each commit, with the weight and the pods of each version."""

from __future__ import annotations

from renderer.kubernetes.printing import markdown_table
from renderer.verbs.show.pictures.staircase import NOW, Staircase
from renderer.verbs.show.pictures.words import number_of, pods_text, wait_words


def table_rows(staircase: Staircase) -> list[list[str]]:
    """Return the rows of the table, the first of which is its header."""
    versions = staircase.versions
    has_steps = any(stair.step for stair in staircase.stairs)
    rows = [
        ["", *(["Step"] if has_steps else []), "Action", *(version.label for version in versions), "Most pods", "Then"]
    ]
    for index, stair in enumerate(staircase.stairs):
        shares = {share.version.name: share for share in stair.shares}
        cells = []
        for version in versions:
            share = shares.get(version.name)
            cells.append("" if share is None else f"{staircase.percent(share.weight)}, {pods_text(share)}")
        action = "the last commit" if stair.place == NOW else stair.action
        rows.append(
            [
                number_of(staircase, index),
                *([stair.step] if has_steps else []),
                action,
                *cells,
                str(stair.peak_pods),
                wait_words(stair),
            ]
        )
    return rows


def markdown(staircase: Staircase) -> str:
    """Return the table in Markdown."""
    return markdown_table(table_rows(staircase))
