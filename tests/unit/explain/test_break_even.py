"""Where a precision stops being faster than fp16: by hand, from rows, by the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from explained_rows import make_row
from hypothesis import given
from hypothesis import strategies as st

from immabench.explain.break_even import (
    BreakEven,
    break_evens,
    float16_us,
    measured_break_evens,
    predicted_break_even,
)
from immabench.predict import Machine, select
from immabench.problems import Problem, float_problem

SCALED: dict[str, Any] = {"output_type": "f16", "row_scale": "vector", "col_scale": "vector"}


def even(gains: tuple[float, ...]) -> BreakEven:
    rows = tuple(2**n for n in range(len(gains)))
    return BreakEven("measured", "a GPU", 64, 128, "s8", rows, gains)


def test_ranges_and_crossings() -> None:
    found = even((2.0, 2.0, 0.5, 0.5, 4.0, 4.0))
    assert found.faster == ((1, 2), (16, 32))
    # Even halfway between 2 and 4, and a third of the way from 8 to 16, in logarithms.
    assert found.crossings == pytest.approx((2 * 2**0.5, 8 * 2 ** (1 / 3)))
    assert found.in_words() == (
        "s8, N = 64, K = 128, a GPU: faster than fp16 for M = 1 to 2 and M = 16 to 32; even at M of about 3 and 10; "
        "4.00 times as fast at best [measured]"
    )
    assert "for no M looked at" in even((0.5, 0.9)).in_words()
    assert even((1.0, 1.0)).faster == ()


@given(st.lists(st.floats(0.1, 10).filter(lambda gain: gain != 1), min_size=1, max_size=12))
def test_a_crossing_lies_between_its_neighbours(gains: list[float]) -> None:
    found = even(tuple(gains))
    changes = [n for n in range(1, len(gains)) if (gains[n] > 1) != (gains[n - 1] > 1)]
    assert len(found.crossings) == len(changes)
    for n, crossing in zip(changes, found.crossings, strict=True):
        assert found.looked_at[n - 1] * (1 - 1e-9) <= crossing <= found.looked_at[n] * (1 + 1e-9)
    inside = {m for first, last in found.faster for m in found.looked_at if first <= m <= last}
    assert inside == {m for m, gain in zip(found.looked_at, gains, strict=True) if gain > 1}


def test_rows_give_the_fastest_of_each() -> None:
    rows = []
    for m, quantized, half in ((1, 5.0, 10.0), (64, 6.0, 9.0), (256, 20.0, 10.0)):
        problem = Problem(m, 64, 128, "bf16", "s4", "bf16", b_group=128, b_scale="float")
        rows += [make_row(problem, "slow", 2 * quantized), make_row(problem, "fast", quantized)]
        rows.append(make_row(float_problem(problem, "f16"), "library", half))
    rows.append(make_row(Problem(512, 64, 128, "bf16", "s4", "bf16", b_group=128, b_scale="float"), "alone", 1.0))
    rows.append(make_row(Problem(1, 64, 128, **SCALED), "once", 1.0))
    (found,) = measured_break_evens(rows)
    assert (found.precision, found.n, found.k, found.kind) == ("bf16_s4", 64, 128, "measured")
    assert (found.looked_at, found.gains) == ((1, 64, 256), (2.0, 1.5, 0.5))


def test_failed_and_packing_rows_are_no_times() -> None:
    problem = Problem(1, 64, 128, **SCALED)
    rows = [make_row(replace(problem, m=m), "ours", 1.0, status="incorrect") for m in (1, 2)]
    rows += [make_row(float_problem(replace(problem, m=m), "f16"), "library", 2.0) for m in (1, 2)]
    assert measured_break_evens(rows) == []


def test_prediction_is_the_models_on_both_sides(h200: Machine) -> None:
    problem = Problem(16, 4096, 4096, **SCALED)
    found = predicted_break_even(problem, h200, (16, 8192))
    assert found is not None
    times = [
        float16_us(replace(problem, m=m), h200) / select(replace(problem, m=m), h200).prediction.time_us
        for m in (16, 8192)
    ]
    assert found.gains == tuple(times)
    # Twice the bytes and half the rate: never more than twice as fast, and faster where memory or tensor cores bound.
    assert all(1 < gain < 2 for gain in found.gains)


def test_packed_weights_win_while_memory_is_the_limit(h200: Machine) -> None:
    problem = Problem(1, 8192, 8192, "bf16", "s4", "bf16", b_group=128, b_scale="float")
    found = predicted_break_even(problem, h200)
    assert found is not None
    (first, last), *_ = found.faster
    assert first == 1
    assert 64 <= last < 16384
    assert found.gains[0] > 2


def test_the_largest_weights_come_first_where_not_all_are_asked_for(h200: Machine) -> None:
    rows = [make_row(Problem(64, n, 256, **SCALED), "ours", None, device_kind="emulated") for n in (64, 256, 128)]
    meta = {"run_id": "x", "machine": {"gpus": []}}
    assert [one.n for one in break_evens(rows, meta, h200, most=2)] == [256, 128]
    assert {one.n for one in break_evens(rows, meta, h200)} == {64, 128, 256}


def test_a_run_without_gpu_predicts_for_the_one_named(h200: Machine) -> None:
    rows = [make_row(Problem(64, 128, 256, **SCALED), "ours", None, device_kind="emulated")]
    meta = {"run_id": "x", "machine": {"gpus": []}}
    assert break_evens(rows, meta) == []
    (found,) = break_evens(rows, meta, h200)
    assert (found.kind, found.device, found.n, found.k) == ("predicted", h200.name, 128, 256)
