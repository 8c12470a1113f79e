"""Pictures of plans: the staircase as values, and its drawings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from renderer.kubernetes.printing import markdown_text
from renderer.verbs.show.pictures.html import html
from renderer.verbs.show.pictures.mermaid import mermaid
from renderer.verbs.show.pictures.staircase import Staircase
from renderer.verbs.show.pictures.svg import svg
from renderer.verbs.show.pictures.table import markdown


def fenced_mermaid(staircase: Staircase) -> str:
    """Return the chart as a block of Markdown."""
    return f"```mermaid\n{mermaid(staircase)}```\n"


def markdown_page(staircases: Sequence[Staircase], draw: Callable[[Staircase], str]) -> str:
    """Return Markdown with a heading, words and what ``draw`` returns for each staircase."""
    return "\n".join(
        "\n\n".join([f"### {markdown_text(one.title)}", *map(markdown_text, one.words), draw(one)])
        for one in staircases
    )


DRAWINGS: dict[str, Callable[[Sequence[Staircase]], str]] = {
    "svg": svg,
    "html": html,
    "mermaid": lambda staircases: markdown_page(staircases, fenced_mermaid),
    "markdown": lambda staircases: markdown_page(staircases, markdown),
}
"""The function that draws staircases, by the value of ``--output``."""
