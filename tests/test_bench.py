"""The arithmetic of the bench; no time is measured here."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import peers
from tests.bench.measure import FIGURES, ROWS, Figure, Row, exponent, table, turns
from tests.bench.memory import peak_megabytes
from tests.bench.run import PARTS
from tests.support.commands import PROJECT

HOLD = """
import subprocess, sys, time
held = bytearray(b"x") * (int(sys.argv[1]) << 20)
if len(sys.argv) > 2:
    subprocess.run([sys.executable, "-c", sys.argv[2], sys.argv[1]], check=True)
else:
    time.sleep(0.5)
"""


@pytest.mark.parametrize("power", [0.5, 1, 1.05, 2])
def test_the_power_that_values_grow_with_is_found(power: float) -> None:
    sizes = [1000, 3000, 10000, 30000]
    assert exponent(sizes, [7 * size**power for size in sizes]) == pytest.approx(power)


def test_the_power_is_that_of_least_squares() -> None:
    # With four sizes at equal distances the slope is (3(d - a) + (c - b)) / 10.
    a, b, c, d = values = [1.0, 3.0, 5.0, 11.0]
    found = exponent([math.exp(each) for each in range(4)], [math.exp(each) for each in values])
    assert found == pytest.approx((3 * (d - a) + (c - b)) / 10)


def test_a_ratio_is_that_of_each_turn() -> None:
    # The machine is ten times as slow in the last turn, for both.
    row = Row("x", "y", 2, [1, 1, 10], [2, 1.5, 20])
    assert row.ratios == [1.5, 2, 2]
    assert row.is_met
    assert not Row("x", "y", 1.99, [1, 1, 10], [2, 1.5, 20]).is_met
    assert "2.00 (1.50 to 2.00, 3 turns)" in table(ROWS, [row])


def test_a_figure_has_a_bound_above_or_below() -> None:
    assert [Figure("x", 5, 5, "").is_met, Figure("x", 6, 5, "").is_met] == [True, False]
    assert [Figure("x", 5, 5, "", at_least=True).is_met, Figure("x", 4, 5, "", at_least=True).is_met] == [True, False]
    assert "**no**" in table(FIGURES, [Figure("x", 6, 5, "6")])


def test_steps_take_turns_and_what_makes_them_ready_goes_before() -> None:
    done: list[str] = []
    found = turns(2, (None, lambda: done.append("peer")), (lambda: done.append("ready"), lambda: done.append("own")))
    assert done == ["peer", "ready", "own"] * 2
    assert [len(each) for each in found] == [2, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_that_of_all_processes(tmp_path: Path) -> None:
    # The kernel counts what a process was before it became another program, and a test's process is large.
    program = """
import sys
from pathlib import Path
from tests.bench import peers
from tests.bench.memory import peak_megabytes
print(peak_megabytes([sys.executable, "-c", *sys.argv[2:]], Path(sys.argv[1]), peers.settings()))
"""

    def peak(*command: str) -> float:
        words = [sys.executable, "-c", program, str(tmp_path), *command]
        return float(subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True).stdout)

    assert 60 < peak(HOLD, "60") < 110
    assert 120 < peak(HOLD, "60", HOLD) < 200


def test_a_command_that_fails_has_no_peak(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        peak_megabytes([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, peers.settings())


def test_all_that_is_measured_has_a_name_to_ask_for() -> None:
    assert len(PARTS) == len(set(PARTS.values())) > 7
