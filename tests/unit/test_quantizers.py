"""The quantizers' oracles against scalar definitions, against ONNX, and on numbers whose results are known exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immabench.errors import UsageError
from immabench.quantizers import (
    float_type,
    layer_norm,
    quantize_dynamic,
    requantize,
    round_stored,
    row_sums,
    sum_rows,
)

Array = np.ndarray
ROWS = hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32))


def scalar_sum(row: Array) -> np.float32:
    """docs/numerics.md, one addition at a time."""
    partial = [np.float32(0)] * 256
    for i, value in enumerate(row):
        partial[i // 4 % 256] = partial[i // 4 % 256] + value
    half = 128
    while half:
        for i in range(half):
            partial[i] = partial[i] + partial[i + half]
        half //= 2
    return partial[0]


@pytest.mark.parametrize("columns", [1, 3, 4, 5, 1023, 1024, 1025, 3000])
def test_sums_are_in_the_order_of_the_specification(columns: int) -> None:
    random = np.random.default_rng(columns)
    rows = (random.normal(size=(3, columns)) * 10.0 ** random.uniform(-3, 3, (3, columns))).astype(np.float32)
    got = sum_rows(rows)
    assert [value.tobytes() for value in got] == [scalar_sum(row).tobytes() for row in rows]
    assert columns < 1000 or (got != rows.sum(axis=1)).any(), "numpy's order gives other bits, so the order is tested"


def test_layer_norm_of_numbers_it_gives_exactly() -> None:
    x = np.tile(np.array([[0, 4], [7, 3]], np.float32), 300)  # mean 2 and 5, variance 4
    gamma, beta = (np.arange(1, 601, dtype=np.float32) * sign for sign in (1, -1))
    sign = np.tile(np.array([[-1, 1], [1, -1]], np.float32), 300)
    assert (layer_norm(x, gamma, beta, 0.0) == sign * gamma + beta).all()
    assert (layer_norm(x - 1, gamma, beta, 0.0, np.ones_like(x)) == sign * gamma + beta).all()
    assert (layer_norm(x, gamma, beta, 12.0) == sign / 2 * gamma + beta).all()  # 1 / sqrt(4 + 12) = 1/4, times 2


def test_the_sum_with_a_residual_is_rounded_to_the_type() -> None:
    """2048 + 1 is 2048 in f16: the row has no variance, and its result is beta."""
    x, residual = np.full((1, 8), 2048, np.float16), np.array([[0, 1] * 4], np.float16)
    one, beta = np.ones(8, np.float32), np.full(8, 3, np.float32)
    assert (layer_norm(x, one, beta, 1e-5, residual) == 3).all()
    wide = layer_norm(x.astype(np.float32), one, beta, 1e-5, residual.astype(np.float32))
    assert (wide != 3).all()


def test_stored_nans_have_one_pattern() -> None:
    nans = np.array([0x7F800001, 0xFFC00000, 0x7FFFFFFF], np.uint32).view(np.float32)
    assert (round_stored("f32", nans).view(np.uint32) == 0x7FFFFFFF).all()
    assert (round_stored("f16", nans).view(np.uint16) == 0x7FFF).all()
    assert (round_stored("bf16", nans) == 0x7FFF).all()
    assert round_stored("f16", np.array([1.5, np.inf, -0.0], np.float32)).tolist() == [1.5, np.inf, -0.0]


def half_even(quotient: np.float32) -> int:
    """Python's `round` of the float32 quotient."""
    return 0 if np.isnan(quotient) else round(float(np.clip(quotient, -1e9, 1e9)))


@settings(max_examples=200)
@given(ROWS)
def test_symmetric_codes_by_their_definition(row: Array) -> None:
    found = quantize_dynamic(row[None])
    largest = max((abs(value) for value in row if np.isfinite(value)), default=np.float32(0))
    with np.errstate(all="ignore"):
        scale = np.float32(largest) / np.float32(127) or np.float32(1)
        codes = [min(max(half_even(value / scale), -127), 127) for value in row]
    assert (found.scale[0], found.zero_point) == (scale, None)
    assert found.codes[0].tolist() == codes
    assert found.row_sum.tolist() == [sum(codes)]


@settings(max_examples=200)
@given(ROWS)
def test_asymmetric_codes_by_their_definition(row: Array) -> None:
    found = quantize_dynamic(row[None], asymmetric=True)
    finite = [value for value in row if np.isfinite(value)]
    low, high = min([np.float32(0), *finite]), max([np.float32(0), *finite])
    with np.errstate(all="ignore"):
        scale = min(high - low, np.finfo(np.float32).max) / np.float32(255) or np.float32(1)
        zero = min(max(half_even(-low / scale), 0), 255) - 128
        codes = [min(max(half_even(value / scale) + zero, -128), 127) for value in row]
    assert found.zero_point is not None
    assert (found.scale[0], found.zero_point[0]) == (scale, zero)
    assert found.codes[0].tolist() == codes
    assert found.row_sum.tolist() == [sum(codes)]


@pytest.fixture(scope="module")
def onnx_quantize() -> Callable[[Array], tuple[Array, Array, Array]]:
    """ONNX's DynamicQuantizeLinear of one row, by ONNX Runtime: codes (uint8), scale, zero point."""
    onnx = pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")
    node = onnx.helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "scale", "zero"])
    make, types = onnx.helper.make_tensor_value_info, onnx.TensorProto
    outputs = [make("y", types.UINT8, [None]), make("scale", types.FLOAT, []), make("zero", types.UINT8, [])]
    graph = onnx.helper.make_graph([node], "dynamic", [make("x", types.FLOAT, [None])], outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=8)
    session: Any = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda row: tuple(session.run(None, {"x": row}))


def test_asymmetric_codes_are_those_of_onnx_less_128(
    onnx_quantize: Callable[[Array], tuple[Array, Array, Array]],
) -> None:
    random = np.random.default_rng(1)
    shifted = random.normal(size=(20, 1)) * 2
    x = ((random.normal(size=(20, 700)) + shifted) * 10.0 ** random.uniform(-3, 3, (20, 1))).astype(np.float32)
    x[0], x[1] = np.abs(x[0]), -np.abs(x[1])  # ranges that end at 0
    x[2] = 0
    found = quantize_dynamic(x, asymmetric=True)
    assert found.zero_point is not None
    for i, row in enumerate(x):
        codes, scale, zero = onnx_quantize(row)
        assert (found.scale[i], found.zero_point[i] + 128) == (scale, zero)
        assert (found.codes[i].astype(np.int16) + 128 == codes).all()


def test_requantize_by_hand() -> None:
    x = np.array([[10, -10, 2**24 + 1]], np.int32)
    two, half = np.array([2], np.float32), np.array([0.5, 1, 2.0**-24], np.float32)
    bias = np.array([0.5, 0, 0], np.float32)
    #  10*2*0.5 + 0.5 = 10.5,  -10*2 = -20,  2^24*2*2^-24 = 2 (2^24 + 1 rounds to 2^24)
    assert requantize(x, 1.0, row_scale=two, col_scale=half, bias=bias).tolist() == [[10, -20, 2]]
    assert requantize(x, 1.0, 5, row_scale=two, col_scale=half, bias=bias, qmin=-8, qmax=7).tolist() == [[7, -8, 7]]
    codes = np.array([[-128, 0, 127]], np.int8)
    assert requantize(codes, 2.0, 1, x_zero_point=-128, row_scale=two).tolist() == [[1, 127, 127]]


def test_bad_scales_and_types_are_said() -> None:
    x = np.ones((1, 2), np.int32)
    for name in ("row_scale", "col_scale"):
        with pytest.raises(UsageError, match=f"{name}\\[0\\] is -1.0; scales are positive and finite"):
            requantize(x, 1.0, **{name: np.array([-1], np.float32)})
    with pytest.raises(UsageError, match=r"scale\[0\] is 0.0"):
        requantize(x, 0.0)
    with pytest.raises(UsageError, match="float64 is no float type here; use float32, float16, or uint16"):
        float_type(np.ones(1))


def test_row_sums_do_not_overflow_int8() -> None:
    assert row_sums(np.full((2, 1000), -128, np.int8)).tolist() == [-128000, -128000]
