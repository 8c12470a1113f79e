"""The conflict of ``quarantine.yaml``: both sides add and lift entries, and the result has what both want."""

from __future__ import annotations

from collections.abc import Mapping

from renderer.git.conflicts import BASE, OURS, THEIRS
from renderer.git.objects import TreeFile, read_blobs
from renderer.git.repository import Repository
from renderer.kubernetes.yaml.reader import decode
from renderer.verbs.policy.listed_image import QUARANTINE_FILE
from renderer.verbs.policy.quarantine import lifted, parse_quarantine, quarantined


def merged_quarantine(repository: Repository, stages: Mapping[int, TreeFile]) -> str:
    """Return ours with the entries that theirs adds to the base, and without those that theirs takes from it.

    Comments are those of ours.  Raises RollstepError for a damaged side.
    """
    blobs = read_blobs(repository, {file.sha for file in stages.values()})
    texts = {stage: decode(blobs[file.sha], QUARANTINE_FILE) for stage, file in stages.items()}
    base, theirs = (parse_quarantine(texts.get(stage, "")) for stage in (BASE, THEIRS))
    text = texts.get(OURS, "")
    gone = [entry for entry in base if entry not in theirs]
    if any(entry in gone for entry in parse_quarantine(text)):
        text = lifted(text, lambda entry: entry in gone)
    return quarantined(text or None, [entry for entry in theirs if entry not in base])
