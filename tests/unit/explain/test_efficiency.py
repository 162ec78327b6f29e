"""The roof by hand, and what a machine makes of it."""

from __future__ import annotations

import pytest

from immabench.explain.efficiency import Roof, measured_roof, predicted_roof
from immabench.measure.roof import Limit
from immabench.predict import Machine
from immabench.problems import Problem

ROOF = Roof(Limit(100.0, "an instruction"), Limit(1000.0, "copy"), 2000.0)
PROBLEM = Problem(100, 200, 300)


def test_the_floor_is_the_larger_of_both() -> None:
    assert ROOF.compute_us(PROBLEM) == pytest.approx(2 * 100 * 200 * 300 / 100e12 * 1e6)
    assert ROOF.memory_us(PROBLEM) == pytest.approx((100 * 300 + 200 * 300 + 4 * 100 * 200) / 1000e9 * 1e6)
    assert ROOF.floor_us(PROBLEM) == max(ROOF.compute_us(PROBLEM), ROOF.memory_us(PROBLEM))
    assert ROOF.ridge == 100.0


@pytest.mark.parametrize(("clock", "peak"), [(1000.0, 50.0), (2000.0, 100.0), (None, 100.0), (0.0, 100.0)])
def test_the_peak_follows_the_clock_where_it_is_known(clock: float | None, peak: float) -> None:
    assert ROOF.at_clock(clock).peak.rate == peak
    assert ROOF.at_clock(clock).memory == ROOF.memory
    assert Roof(ROOF.peak, ROOF.memory).at_clock(clock).peak.rate == 100.0


def test_ceilings_make_a_roof() -> None:
    entry = {
        "name": "x",
        "operand_type": "s8",
        "accumulator": "s32",
        "status": "native",
        "rate": 7.0,
        "clock_mhz": 900.0,
    }
    found = measured_roof({"instructions": [entry], "read_gbps": 20.0, "copy_gbps": 30.0}, PROBLEM)
    assert found == Roof(Limit(7.0, "x"), Limit(30.0, "copy"), 900.0)
    assert measured_roof({"instructions": [entry]}, PROBLEM) is None
    assert measured_roof({"copy_gbps": 30.0}, PROBLEM) is None


def test_a_machine_makes_a_roof(h200: Machine) -> None:
    found = predicted_roof(h200, PROBLEM)
    assert found.peak.rate == pytest.approx(8192 * 132 * 1830e6 / 1e12)
    assert predicted_roof(h200, Problem(8, 16, 32, "f16", "f16", "f16")).peak.rate == pytest.approx(989.4, rel=1e-3)
    assert predicted_roof(h200, Problem(8, 16, 32, "s4", "s4")).peak.rate == pytest.approx(2 * found.peak.rate)
    assert found.memory.rate == h200.dram_gbps
