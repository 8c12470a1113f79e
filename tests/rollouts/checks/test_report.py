"""The report collects each finding once."""

from __future__ import annotations

from renderer.kubernetes.manifest import Manifest
from renderer.rollouts.checks.report import Report


class Counted(str):
    """A text that counts how often it is compared."""

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return str(self) == other

    def __hash__(self) -> int:
        return super().__hash__()


def test_each_finding_is_compared_with_few_others() -> None:
    report = Report(Manifest({"spec": {}}))
    for _ in range(2):
        for number in range(1000):
            report.add("RS101", ("spec", "selector", "matchLabels"), Counted(f"label {number}"))
    assert [finding.message for finding in report.findings] == [f"label {number}" for number in range(1000)]
    # Each with its equal, and some that share a place in the table of hashes.
    assert Counted.comparisons < 20_000
