"""Which matrices the quantizers take, and what is said of operands they do not take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from quantizing import configs_of, shifted

from immabench import _native
from immabench.kernels import companion_configs
from immabench.operands import aligned

KERNELS = {config.id: config for config in companion_configs()}


def test_the_table_lists_every_family() -> None:
    assert {config.family for config in KERNELS.values()} == {
        "quantize", "quantize_dynamic", "layernorm_quantize", "dequantize", "requantize", "pack_s4", "unpack_s4",
        "reorder_weights", "softmax_quantize", "attention_s8", "max_pool2d", "avg_pool2d",
    }  # fmt: skip
    assert all(config.architectures == ("sm_80", "sm_86", "sm_89", "sm_90a") for config in KERNELS.values())
    for family in ("quantize_dynamic", "layernorm_quantize", "softmax_quantize"):
        configs = configs_of(family)
        assert [config.row_threads for config in configs] == [32, 128, 256]
        assert (configs[-1].resident_columns or 0) >= 16384
    assert "layernorm_quantize_t256_sm80" in KERNELS
    assert not {kernel["id"] for kernel in _native.kernels()} & set(KERNELS)


def test_types_are_of_matrices_and_the_output_is_the_last() -> None:
    types = {config.family: config.operand_types for config in KERNELS.values()}
    assert types["quantize"] == {"x": "f32|f16|bf16", "codes": "s8|s4"}
    assert [list(matrices)[-1] for matrices in types.values()] == [
        "codes", "codes", "codes", "out", "codes", "packed", "codes", "packed", "codes", "out", "out", "out",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kernel", "rows", "columns", "reason"),
    [
        ("quantize_dynamic_t32_sm80", 1, 1024, ""),
        ("quantize_dynamic_t32_sm80", 1, 1025, "1025 columns exceed the 1024 that 32 threads hold; take a"),
        ("layernorm_quantize_t128_sm80", 4, 8193, "8193 columns exceed the 8192 that 128 threads hold"),
        ("layernorm_quantize_t256_sm80", 4, 2**24, ""),
        ("layernorm_quantize_t256_sm80", 4, 2**24 + 1, "16777217 columns exceed 16777216"),
        ("quantize_t256_sm80", 2**16, 2**17 - 4, ""),
        ("quantize_t256_sm80", 2**16, 2**17, "2147483648 vectors of 4 exceed 2\\^31-1; split the rows"),
        ("pack_s4_t256_sm80", 0, 1, "at least 1"),
        ("softmax_quantize_t256_sm80", 1, 65793, ""),
        (
            "softmax_quantize_t256_sm80",
            1,
            65794,
            "65794 columns exceed 65793, the most whose products",
        ),
        ("softmax_quantize_t32_sm80", 1, 1025, "1025 columns exceed the 1024 that 32 threads hold"),
    ],
)
def test_what_is_illegal_has_a_reason(kernel: str, rows: int, columns: int, reason: str) -> None:
    found = _native.companion_illegal_reason(kernel, rows, columns)
    if reason:
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(found)
    else:
        assert found is None


X = np.ones((4, 6), np.float32)
CODES = np.zeros((4, 6), np.int8)
ONE = np.ones(1, np.float32)
SIX = np.ones(6, np.float32)
BLOCKS = np.zeros((1, 1, 512), np.uint8)


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("quantize", {"x": X.astype(np.float64)}, "operand 'x' holds an unsupported type where float32 is needed"),
        ("quantize", {"x": X[0]}, "operand 'x' has shape \\[6\\]; pass a matrix"),
        ("quantize", {"x": X[:0]}, "rows and columns run from 1"),
        ("quantize", {"x": X[:, ::2]}, "operand 'x' is not contiguous"),
        ("quantize", {"codes": CODES[:3]}, "operand 'codes' has shape \\[3, 6\\] where \\[4, 6\\] is needed; a code"),
        ("quantize", {"codes": CODES.astype(np.int16)}, "operand 'codes' holds an unsupported type where int8"),
        ("quantize", {"codes": CODES.view(np.uint8)}, "\\[4, 6\\] where \\[4, 3\\] is needed; a byte for two columns"),
        (
            "quantize",
            {"x": X[:, :5].copy(), "codes": np.zeros((4, 3), np.uint8)},
            "'codes' holds two codes a byte of 5 columns; pad them to an even number",
        ),
        ("quantize", {"scale": -ONE}, "operand 'scale' holds -1.0+ at index 0; scales are positive and finite"),
        ("quantize", {"scale": ONE * np.inf}, "scales are positive and finite"),
        ("quantize", {"scale": SIX}, "operand 'scale' has shape \\[6\\] where \\[1\\] is needed; pass one value"),
        ("quantize", {"granularity": "row"}, "operand 'scale' has shape \\[1\\] where \\[4\\] is needed"),
        ("quantize", {"granularity": "channel"}, "granularity 'channel' is unknown; take tensor, row or column"),
        (
            "quantize",
            {"zero_point": np.array([128], np.int32)},
            "operand 'zero_point' holds 128 at index 0; zero points",
        ),
        ("quantize", {"zero_point": np.zeros(1, np.int64)}, "operand 'zero_point' holds int64 where int32 is needed"),
        ("quantize", {"qmin": -129}, "\\[-129, 127\\] is not a range of int8"),
        ("quantize", {"qmin": 3, "qmax": 2}, "\\[3, 2\\] is not a range"),
        ("quantize", {"codes": np.zeros((4, 3), np.uint8), "qmax": 8}, "\\[-8, 8\\] is not a range of int4"),
        ("quantize", {"order": "sideways"}, "order 'sideways' is unknown"),
        ("quantize_dynamic", {"scale": ONE}, "operand 'scale' has shape \\[1\\] where \\[4\\] is needed"),
        ("quantize_dynamic", {"row_sum": np.zeros(4, np.int64)}, "operand 'row_sum' holds int64 where int32"),
        ("layernorm_quantize", {"gamma": SIX[:5]}, "operand 'gamma' has shape \\[5\\] where \\[6\\]"),
        ("layernorm_quantize", {"beta": SIX * np.nan}, "operand 'beta' holds -?nan at index 0; its values are finite"),
        ("layernorm_quantize", {"residual": X.astype(np.float16)}, "operand 'residual' holds float16 where float32"),
        ("layernorm_quantize", {"normalised": X[:2]}, "operand 'normalised' has shape \\[2, 6\\]"),
        ("layernorm_quantize", {"eps": -1e-5}, "eps=-0.00001.*: not negative"),
        ("layernorm_quantize", {"dynamic": True, "qmin": 0, "scale": np.ones(4, np.float32)}, "ranges of its own"),
        ("dequantize", {"out": X[:2]}, "operand 'out' has shape \\[2, 6\\] where \\[4, 6\\]"),
        ("requantize", {"x_zero_point": np.zeros(1, np.int32)}, "'x_zero_point' is given for int32 accumulators"),
        ("requantize", {"row_scale": SIX}, "operand 'row_scale' has shape \\[6\\] where \\[4\\]"),
        ("requantize", {"bias": SIX * np.inf}, "operand 'bias' holds inf at index 0"),
        ("softmax_quantize", {"x": X}, "operand 'x' holds float32 where int32 is needed; pass the int32 sums of a"),
        ("softmax_quantize", {"row_scale": ONE}, "operand 'row_scale' has shape \\[1\\] where \\[4\\] is needed"),
        ("softmax_quantize", {"scale": 0.0}, "scale=0.0+: scores have a scale that is positive and finite"),
        ("softmax_quantize", {"scale": 3e38}, "scores have a scale that is positive and finite"),
        (
            "softmax_quantize",
            {"lengths": np.ones(3, np.int32)},
            "operand 'lengths' has shape \\[3\\] for 4 rows",
        ),
        ("softmax_quantize", {"lengths": np.ones(4, np.int64)}, "operand 'lengths' holds int64 where int32 is needed"),
        ("pack_s4", {"packed": np.zeros((4, 3), np.int8)}, "operand 'packed' holds int8 where uint8"),
        (
            "reorder_weights",
            {"codes": CODES},
            "operand 'codes' holds int8 where uint8 is needed; pass two codes a byte",
        ),
        ("reorder_weights", {"layout": "w8m8"}, "operand 'codes' holds uint8 where int8 is needed; pass one code a"),
        ("reorder_weights", {"layout": "w2m8"}, "layout 'w2m8' is unknown; take w4m8, w8m8, w4m4, w4m16 or w8m16"),
        (
            "reorder_weights",
            {"codes": CODES, "layout": "w8m8", "to_unsigned": True},
            "to_unsigned is given for codes of 8",
        ),
        ("reorder_weights", {"columns": 4}, "operand 'codes' has rows of 6 codes; columns=4 is another number"),
        (
            "reorder_weights",
            {"packed": BLOCKS[:, :, :8].copy()},
            "'packed' has shape \\[1, 1, 8\\] where \\[1, 1, 512\\]",
        ),
        ("reorder_weights", {"packed": shifted(BLOCKS)}, "operand 'packed' does not start on 16 bytes"),
    ],
)
def test_bad_operands_are_named_in_one_line(family: str, change: dict[str, Any], message: str) -> None:
    calls: dict[str, dict[str, Any]] = {
        "quantize": {"x": X, "codes": CODES.copy(), "scale": ONE},
        "quantize_dynamic": {"x": X, "codes": CODES.copy(), "scale": np.ones(4, np.float32)},
        "layernorm_quantize": {"x": X, "gamma": SIX, "beta": SIX, "codes": CODES.copy(), "scale": ONE, "eps": 1e-5},
        "softmax_quantize": {"x": X.astype(np.int32), "codes": CODES.copy(), "row_scale": SIX[:4], "scale": 0.1},
        "dequantize": {"codes": CODES, "out": X.copy(), "scale": ONE},
        "requantize": {"x": X.astype(np.int32), "codes": CODES.copy(), "scale": ONE},
        "pack_s4": {"codes": CODES, "packed": np.zeros((4, 3), np.uint8)},
        "reorder_weights": {"codes": np.zeros((4, 3), np.uint8), "packed": aligned(BLOCKS)},
    }
    with pytest.raises(ValueError, match=message) as error:
        getattr(_native, f"emulate_{family}")(configs_of(family)[0].id, **{**calls[family], **change})
    assert "\n" not in str(error.value)


def test_unknown_kernels_and_missing_gpus_are_said() -> None:
    with pytest.raises(KeyError, match="no kernel 'quantize'"):
        _native.emulate_quantize("quantize", X, CODES, ONE)
    with pytest.raises(KeyError, match="no kernel 'dequantize_t256_sm80' of this family"):
        _native.emulate_quantize("dequantize_t256_sm80", X, CODES, ONE)
    with pytest.raises(KeyError, match="no kernel 'quantize'"):
        _native.companion_illegal_reason("quantize", 1, 1)
    with pytest.raises(ValueError, match="operand 'x' is on the CPU; move it to a CUDA device; emulate_quantize"):
        _native.launch_quantize("quantize_t256_sm80", X, CODES, ONE)
