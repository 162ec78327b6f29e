"""What the roof over a row is made of."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.measure.roof import (
    NOISE_ALLOWANCE,
    Limit,
    contradictions,
    memory_limit,
    peak,
    roof_tops,
    shared_ceilings,
)

OLD = {"int8_tops": 0.8, "fp32_tflops": 0.2, "bf16_tflops": None, "copy_gbps": 40.0}


def instruction(name: str, operand_type: str, rate: float | None, **other: Any) -> dict[str, Any]:
    known = {"accumulator": "s32" if operand_type == "s8" else "f32", "status": "native", "cores": 2}
    return {"name": name, "operand_type": operand_type, "rate": rate, **known, **other}


NEW = {
    **OLD,
    "read_gbps": 60.0,
    "instructions": [
        instruction("dot", "s8", 0.5, cores=1),
        instruction("dot", "s8", 1.0),
        instruction("routine", "s8", 9.0, status="emulated"),
        instruction("gone", "s8", None, status="absent"),
        instruction("narrow", "f16", 7.0, accumulator="f16"),
    ],
}


def test_the_roof_is_the_smaller_of_peak_and_bandwidth() -> None:
    assert roof_tops(NEW, "s8", 1000.0) == pytest.approx(1.0)
    assert roof_tops(NEW, "s8", 10.0) == pytest.approx(0.6)
    assert roof_tops(NEW, "f32", 3.0) == pytest.approx(0.18)


def test_the_peak_is_the_best_native_instruction_on_full_accumulators() -> None:
    assert peak(NEW, "s8") == Limit(1.0, "dot")
    assert peak(NEW, "f32") == Limit(0.2, "torch GEMM")
    assert peak(NEW, "f16") is None
    assert peak({**NEW, "fp16_tflops": 0.1}, "f16") == Limit(0.1, "torch GEMM")


def test_an_instruction_below_the_library_is_the_peak_all_the_same() -> None:
    slow = {**OLD, "instructions": [instruction("dot", "s8", 0.7)]}
    assert peak(slow, "s8") == Limit(0.7, "dot")


def test_the_bandwidth_is_the_better_of_reading_and_copying() -> None:
    assert memory_limit(NEW) == Limit(60.0, "read")
    assert memory_limit({**NEW, "read_gbps": 30.0}) == Limit(40.0, "copy")
    assert memory_limit({}) is None


def test_ceilings_of_older_runs_give_the_roof_they_gave() -> None:
    assert roof_tops(OLD, "s8", 1000.0) == pytest.approx(0.8)
    assert roof_tops(OLD, "s8", 10.0) == pytest.approx(0.4)
    assert roof_tops(OLD, "f32", 5.0) == pytest.approx(0.2)


@pytest.mark.parametrize("operand_type", ["bf16", "f16", "b1"])
def test_a_type_that_was_not_measured_has_no_roof(operand_type: str) -> None:
    assert roof_tops(OLD, operand_type, 10.0) is None


def test_s4_has_the_roof_of_s8_where_it_is_no_instruction() -> None:
    emulated = [*NEW["instructions"], instruction("routine", "s4", 0.1, status="emulated", accumulator="s32")]
    assert peak({**NEW, "instructions": emulated}, "s4") == Limit(1.0, "dot")
    native = [*NEW["instructions"], instruction("mma", "s4", 2.0, accumulator="s32")]
    assert peak({**NEW, "instructions": native}, "s4") == Limit(2.0, "mma")


def test_without_bandwidth_there_is_no_roof() -> None:
    assert roof_tops({"int8_tops": 0.8}, "s8", 10.0) is None
    assert roof_tops({}, "s8", 10.0) is None


def test_a_library_above_its_instructions_is_a_contradiction() -> None:
    within = {**NEW, "int8_tops": 1.0 + NOISE_ALLOWANCE - 1e-6}
    above = {**NEW, "int8_tops": 1.0 + NOISE_ALLOWANCE + 1e-6}
    assert contradictions(within) == []
    (line,) = contradictions(above)
    assert line.startswith("the s8 GEMM ran at 1.05e12 operations/s, above the 1e12 of dot")


def test_without_an_instruction_nothing_contradicts() -> None:
    assert contradictions({**OLD, "int8_tops": 99.0}) == []


def test_two_runs_are_compared_by_what_both_measured() -> None:
    old, new = shared_ceilings(OLD, NEW)
    assert roof_tops(old, "s8", 1000.0) == roof_tops(new, "s8", 1000.0) == pytest.approx(0.8)
    assert roof_tops(old, "s8", 10.0) == roof_tops(new, "s8", 10.0) == pytest.approx(0.4)
    again, other = shared_ceilings(NEW, {**NEW, "instructions": [instruction("dot", "s8", 0.6, cores=1)]})
    assert (peak(again, "s8"), peak(other, "s8")) == (Limit(0.5, "dot"), Limit(0.6, "dot"))
