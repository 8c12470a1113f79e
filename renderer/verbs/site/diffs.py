"""The differences of an app's rendered files between any two commits of a release, those to come included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

from msgspec import Struct

from renderer.pipeline.write.output_folder import file_diff

MOST_VERSIONS = 40
"""The most versions of one file whose differences a page has; of more, only those of neighbours."""


class Diffs(Struct, frozen=True):
    """The versions of each file in each step, and the unified diffs between them.

    ``steps`` has for each step the number of each file's version by path, from 1; a missing file has none.  ``diffs``
    has the diff of two versions by path and ``OLD-NEW``, where 0 is the missing file.
    """

    steps: tuple[Mapping[str, int], ...]
    diffs: Mapping[str, Mapping[str, str]]

    def between(self, old: int, new: int) -> list[tuple[str, str]]:
        """Return the path and the diff of each file that differs between two steps, by their numbers from 0."""
        before, after = self.steps[old], self.steps[new]
        pairs = {path: f"{before.get(path, 0)}-{after.get(path, 0)}" for path in sorted(before.keys() | after.keys())}
        return [(path, self.diffs[path][pair]) for path, pair in pairs.items() if pair in self.diffs.get(path, {})]


def diffs_of(steps: Sequence[Mapping[str, str]]) -> Diffs:
    """Return the differences between ``steps``, each the text of every file by path."""
    versions: dict[str, dict[str, int]] = {}
    numbers: list[dict[str, int]] = []
    for texts in steps:
        numbers.append({})
        for path, text in texts.items():
            known = versions.setdefault(path, {})
            numbers[-1][path] = known.setdefault(text, len(known) + 1)
    diffs = {path: _of_file(path, tuple(known), numbers) for path, known in sorted(versions.items())}
    return Diffs(tuple(numbers), {path: found for path, found in diffs.items() if found})


def _of_file(path: str, texts: Sequence[str], numbers: Sequence[Mapping[str, int]]) -> dict[str, str]:
    """Return the diff of each pair of versions of a file, in both directions."""
    own = [step.get(path, 0) for step in numbers]
    pairs = set(combinations(sorted(set(own)), 2) if len(texts) <= MOST_VERSIONS else pairwise(own))
    both = {pair for old, new in pairs if old != new for pair in ((old, new), (new, old))}
    known: list[str | None] = [None, *texts]
    return {f"{old}-{new}": "".join(file_diff(path, known[old], known[new])) for old, new in sorted(both)}
