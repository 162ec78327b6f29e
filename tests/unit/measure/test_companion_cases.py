"""Cases of the kernels around a GEMM: every combination there is, made of hostile values, and judged by every bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from immabench.errors import UsageError
from immabench.kernels import CompanionConfig, companion_configs
from immabench.measure import companion_calls as calls
from immabench.measure.companion_cases import CompanionCase, choices, chosen_case, companion_cases, edge_shapes
from immabench.measure.hostile_values import hostile
from immabench.measure.kernel_case import ORDERS
from immabench.measure.verify import shape_form, verify_kernel


@pytest.fixture
def config(fake_native: Any) -> CompanionConfig:
    fake_native.has_companions = True
    (only,) = companion_configs()
    return only


def by_rows(config: CompanionConfig, **changes: Any) -> CompanionConfig:
    types = {"x": "f32|f16|bf16", "codes": "s8"}
    values = {"family": "quantize_dynamic", "operand_types": types, "row_threads": 32, "resident_columns": 1024}
    return replace(config, **{**values, **changes})


def test_every_type_and_scale_is_a_choice(config: CompanionConfig) -> None:
    found = choices(config)
    assert found[0] == {"x": "f32", "codes": "s8", "granularity": "tensor"}
    assert len({tuple(choice.values()) for choice in found}) == len(found) == 3 * 2 * 3
    assert {choice["range"] for choice in choices(by_rows(config))} == {"symmetric", "asymmetric"}


def test_reordering_keeps_the_bits_of_codes(config: CompanionConfig) -> None:
    types = {"codes": "s4|u4|s8", "packed": "s4|u4|s8"}
    found = choices(replace(config, family="reorder_weights", operand_types=types))
    assert {"codes": "s4", "packed": "u4", "layout": "w4m16"} in found
    assert {(one["codes"], one["packed"]) for one in found if one["layout"][:2] == "w8"} == {("s8", "s8")}
    assert len(found) == 3 * 3 + 2


def test_edges_follow_vectors_blocks_and_what_a_row_holds(config: CompanionConfig) -> None:
    block = 4 * config.threads
    assert {(1, 1), (5, 16), (2, 17), (19, block)} <= set(edge_shapes(config))
    rows = by_rows(config, threads=128)
    assert {(5, 7), (5, 128), (2, 259), (3, 1024)} <= set(edge_shapes(rows))
    assert max(columns for _, columns in edge_shapes(rows)) == 1024
    assert {(2, 1025), (1, 1032)} <= set(edge_shapes(replace(rows, streams=True)))


def test_pairs_of_codes_go_up_to_even_columns_unless_a_shape_is_given(config: CompanionConfig) -> None:
    shapes = {case.shape for case in companion_cases(config, output_types=["s4"])}
    assert {(1, 2), (3, 16), (2, 18)} <= shapes
    assert all(columns % 2 == 0 for _, columns in shapes)
    (case, *_) = companion_cases(config, [(3, 5)], ["s4"])
    assert case.illegal_reason() == "int4 codes lie two a byte: 5 columns are odd"


def test_right_in_every_order(fake_native: Any, config: CompanionConfig) -> None:
    checks = list(verify_kernel(config, [(3, 10)], (), ORDERS, "emulated", 0))
    assert {check.status for check in checks} == {"ok"}
    assert {check.output_type for check in checks} == {"s8", "s4"}
    assert len({check.types for check in checks}) == len(checks) == 18
    assert fake_native.orders_seen == list(ORDERS) * 18


def test_wrong_codes_and_hazards_fail(fake_native: Any, config: CompanionConfig) -> None:
    fake_native.hazard_orders.add("random")
    (check, *_) = verify_kernel(config, [(3, 10)], (), ORDERS, "emulated", 0)
    assert check.status == "failed"
    assert check.detail.startswith("order random: 1 hazard, first: race at gemm.cuh:7")
    fake_native.corrupt.add(config.id)
    (check, *_) = verify_kernel(config, [(3, 10)], (), ORDERS, "emulated", 0)
    assert check.detail.startswith("order forward: codes: 1 of 30 elements differ, first [2,9] is ")


def test_an_illegal_shape_is_skipped_with_the_reason(fake_native: Any, config: CompanionConfig) -> None:
    fake_native.illegal[config.id] = "too long"
    checks = list(verify_kernel(config, [(3, 10)], (), ORDERS, "emulated", 0))
    assert {(check.status, check.detail) for check in checks} == {("skipped", "too long")}


def test_an_output_that_nobody_writes_is_wrong(
    fake_native: Any, config: CompanionConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CompanionCase(config, (3, 10), choices(config)[0], seed=0)
    assert case.emulate("forward", 0).hazard_total == 0
    assert case.difference() == ""
    silent = {"hazards": [], "hazard_total": 0, "counts": {}, "lines": [], "seconds": 0.0}
    monkeypatch.setattr(fake_native, "emulate_quantize", lambda *_, **__: silent)
    case.emulate("forward", 0)
    assert case.difference().startswith("codes: ")


def test_bits_count_where_values_are_equal() -> None:
    zeros = np.zeros((1, 2), np.float32)
    call = calls.CompanionCall("dequantize", {}, {"out": zeros})
    call.outputs["out"][...] = -zeros
    assert call.difference() == "out: 2 of 2 elements differ, first [0,0] is -0.0, expected 0.0"


def test_values_are_hostile_in_every_type() -> None:
    for data_type in ("f32", "f16"):
        x = hostile(np.random.default_rng(0), (40, 50), data_type).astype(np.float64)
        assert np.isnan(x).any()
        assert np.isposinf(x).any()
        assert np.isneginf(x).any()
        assert (np.signbit(x) & (x == 0)).any()
    ties = hostile(np.random.default_rng(0), (40, 50), "f32", scale=1.0)
    with np.errstate(invalid="ignore"):
        assert (np.abs(ties % 1) == 0.5).mean() > 0.2


def test_attention_has_shapes_choices_and_a_reason_of_its_own(fake_native: Any, config: CompanionConfig) -> None:
    types = {"q": "s8", "k": "s8", "v": "s8", "out": "f32|s8"}
    attention = replace(config, id="attention", family="attention_s8", operand_types=types, block_tile=(64, 32, 16))
    assert {(1, 1, 1, 1, 16), (2, 1, 64, 32, 16), (1, 1, 65, 33, 16)} <= set(edge_shapes(attention))
    assert shape_form(attention) == "BATCHxHEADSxQUERIESxKEYSxDEPTH"
    assert [choice["out"] for choice in choices(attention)] == ["f32"] * 4 + ["s8"] * 4
    case = chosen_case(attention, (2, 3, 5, 7, 16), {"tokens": "packed", "lengths": "some"})
    assert case.problem == "attention_s8_b2_h3_q5_k7_d16_f32_packed_some"
    call = case.call
    assert call.inputs["k"].shape == (2, 7, 3, 16)
    assert call.expected["out"].shape == (2, 5, 3, 16)
    assert not call.inputs["k"].flags["C_CONTIGUOUS"]
    fake_native.attention_illegal_reason = lambda kernel_id, *sizes: f"{kernel_id} of {sizes}"
    assert case.illegal_reason() == "attention of (2, 3, 5, 7, 16)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": "f16"}, "quantize has no 'y'; choose of x, codes, granularity"),
        ({"x": "s8"}, "x=s8 is no choice of quantize; choose of f32, f16, bf16"),
    ],
)
def test_choices_that_there_are_not(config: CompanionConfig, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        chosen_case(config, (3, 4), options)
    assert str(error.value) == message


def test_choices_that_do_not_go_together(config: CompanionConfig) -> None:
    types = {"codes": "s4|u4|s8", "packed": "s4|u4|s8"}
    reordering = replace(config, family="reorder_weights", operand_types=types)
    with pytest.raises(UsageError, match=r"^reorder_weights has no codes=s8, layout=w4m8 together; leave one out"):
        chosen_case(reordering, (3, 4), {"codes": "s8", "layout": "w4m8"})
    assert chosen_case(reordering, (3, 4), {"packed": "u4"}).types == "s4 u4 w4m8"
