"""The images that a verdict puts in quarantine, in the commit that takes their release back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from renderer.pipeline.commit.part import Part
from renderer.pipeline.load.sources import STATUS_FILE
from renderer.pipeline.resolve.analyses import ANALYZE
from renderer.pipeline.write.moved_app import MovedApp
from renderer.verbs.policy.listed_image import QUARANTINE_FILE, ListedImage, Verdict, images_beyond_stable

if TYPE_CHECKING:
    from renderer.git.repository import Repository


def images_of_verdict(moved: MovedApp, open_repository: Callable[[], Repository]) -> Iterator[ListedImage]:
    """Yield the images of a release that a failed analysis, or one with errors, takes back; each with its verdict.

    An inconclusive analysis only pauses its release, and lists none.
    """
    if moved.move is None or moved.change is None or moved.change.verb != ANALYZE:
        return
    # Loads the engine of analyses, which other moves do not need.
    from renderer.pipeline.resolve.measured import verdicts_between
    from renderer.rollouts.analysis.evaluate import ERROR, FAILED

    before, after = moved.move.before, moved.move.after
    verdicts = verdicts_between(before.analysis_runs, after.analysis_runs)
    found = [(name, status) for name, status in verdicts if status.phase in (FAILED, ERROR)]
    if not found:
        return
    ref, (name, status) = moved.release.app.ref, found[0]
    repository = open_repository()
    steps = repository.log(repository.relative(ref.folder / STATUS_FILE), max_count=1)
    commit = steps[0].sha if steps else ""
    verdict = Verdict(name, status.phase, status.message, ref.environment)
    for image in images_beyond_stable(before):
        yield ListedImage(image, after.now, ref.name, verdict=verdict, commit=commit)


def with_quarantine(parts: Sequence[tuple[Part, Sequence[ListedImage]]], root: Path, *, together: bool) -> list[Part]:
    """Return the parts of commits, in their order, with the file of the images that each puts in quarantine.

    With ``together`` one commit has all of the parts.  Raises RollstepError as ``quarantined``.
    """
    if not any(listed for _, listed in parts):
        return [part for part, _ in parts]
    from renderer.verbs.policy.quarantine import quarantined, read_quarantine

    text, found, path = read_quarantine(root), list[Part](), str(root / QUARANTINE_FILE)
    for number, (part, listed) in enumerate(parts):
        text = quarantined(text, listed) if listed else text
        is_last = not any(more for _, more in parts[number + 1 :])
        if text is not None and ((listed and not together) or (together and listed and is_last)):
            part = replace(part, planned=(*part.planned, (path, text)))
        found.append(part)
    return found
