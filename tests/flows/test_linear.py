"""Every reader takes time in proportion to its input: eight times the items never take the square of that."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.fuzz.targets import TARGETS

FEW, TIMES = 150, 8
"""The items of the smaller input, and the factor of the larger one."""
MOST = 24
"""The most times the processor's time of the smaller input: linear is some 8, quadratic is 64."""
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'web:1'}]}
  strategy: {canary: {steps: [{setWeight: 20}]}}
"""


def many(item: str, number: int, between: str = "") -> str:
    """Return ``item`` as often as ``number``, with the place of each for ``N``."""
    return between.join(item.replace("N", str(place)) for place in range(number))


def within(old: str, new: str) -> Callable[[int], str]:
    """Return the Rollout with many items in place of ``old``; ``@...@`` is the item."""
    before, item, after = new.split("@")
    return lambda number: ROLLOUT.replace(old, f"{before}{many(item, number, ',')}{after}")


def after(item: str) -> Callable[[int], str]:
    """Return the Rollout with many items behind it."""
    return lambda number: f"{ROLLOUT}{many(item, number)}"


INPUTS: dict[str, tuple[str, Callable[[int], str]]] = {
    "comments": ("lint", after("# x\n\n\n\n\n\n\n\n")),
    "ignored rules": ("lint", after("# rollstep: ignore RS450 -- x\n")),
    "unknown fields": ("lint", after("  replicaN: 1\n")),
    "unknown steps": ("lint", within("{setWeight: 20}", "@{setWeigthN: 20}@")),
    "steps": ("lint", within("{setWeight: 20}", "@{setWeight: 1}@")),
    "containers": ("lint", within("{name: web, image: 'web:1'}", "@{name: webN, image: web}@")),
    "documents": ("hash", after("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: webN}\n")),
    "duplicate keys": ("yaml", lambda number: "a: 1\n" * number),
    "anchors": ("yaml", lambda number: many("aN: &xN 1\nbN: *xN\n", number)),
    "lines of JSON": ("json", lambda number: many('{"a": N}\n', number)),
    "unknown settings": ("settings", lambda number: "defaults:\n" + many("  approvalN: 1\n", number)),
    "settings of apps": (
        "settings",
        lambda number: "environments:\n  prod:\n    apps:\n" + many("      wN: {}\n", number),
    ),
    "status": ("state", lambda number: "revision: 1\nsteps:\n" + many("- {step: N}\n", number)),
    "marker": ("words", lambda number: many(f"{'0' * 64}  aN\n", number)),
    "freezes": ("words", lambda number: "freezes:\n" + many("- {name: aN}\n", number)),
    "refs of a push": ("push", lambda number: many(f"{'0' * 40} <HEAD> refs/tags/N\n", number)),
}


@pytest.mark.parametrize("name", INPUTS)
def test_a_reader_takes_time_in_proportion_to_its_input(name: str) -> None:
    target, make = INPUTS[name]
    run = TARGETS[target]
    few, more = (make(number).encode() for number in (FEW, FEW * TIMES))
    run(few)
    # The least of several runs is that without other work of the machine.
    assert _least(run, more, 1) < MOST * _least(run, few, 3)


def _least(run: Callable[[bytes], None], content: bytes, runs: int) -> float:
    def taken() -> float:
        start = time.process_time()
        run(content)
        return time.process_time() - start

    return min(taken() for _ in range(runs))
