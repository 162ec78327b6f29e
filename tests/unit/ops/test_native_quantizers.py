"""The CPU's native quantizers against the numpy oracles: every bit, of hostile values, on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_passes import FLOATS, columns, exactly, hostile_floats, integers, rows, same, scales, seeds, threads

from immabench import data_types, numerics, quantizers
from immabench.attention import softmax_codes
from immabench.data_types import NUMPY_TYPES
from immabench.kernels import native

pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
pytestmark = [
    pytest.mark.usefixtures("instructions"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of numpy, on hostile values
]


@st.composite
def scalings(draw: Any) -> tuple[str, bool]:
    return draw(st.sampled_from(("tensor", "row", "column"))), draw(st.booleans())


def scaling(rng: np.random.Generator, shape: tuple[int, int], granularity: str, zeros: bool) -> tuple[Any, Any]:
    extent = {"tensor": 1, "row": shape[0], "column": shape[1]}[granularity]
    return scales(rng, extent), integers(rng, -128, 127, extent) if zeros else None


@exactly
@given(rows, columns, st.sampled_from(FLOATS), scalings(), st.booleans(), threads, seeds)
def test_quantize_is_the_oracle(
    m: int, n: int, data_type: str, kind: tuple[str, bool], packed: bool, threads: int, seed: int
) -> None:
    rng, n = np.random.default_rng(seed), n + n % 2 if packed else n
    x, (scale, zero) = hostile_floats(rng, (m, n), data_type), scaling(rng, (m, n), *kind)
    qmin, qmax = sorted(rng.integers(-8 if packed else -128, 8 if packed else 128, 2).tolist())
    codes = np.empty((m, n // 2) if packed else (m, n), np.uint8 if packed else np.int8)
    options = {"granularity": kind[0], "qmin": qmin, "qmax": qmax, "threads": threads}
    native().compute_quantize(x, codes, scale, zero_point=zero, **options)
    by, less = quantizers.spread(scale, kind[0]), quantizers.spread(zero, kind[0])
    want = numerics.quantize(data_types.as_float32(data_type, x), by, less, qmin, qmax)
    assert np.array_equal(codes, data_types.pack_s4(want) if packed else want)


def test_every_tie_of_a_code_is_rounded_to_even() -> None:
    """With the floats on either side, at scales of every exponent."""
    exponents = np.exp2(np.arange(-126, 120, 7, dtype=np.float64)).astype(np.float32)
    for scale in exponents * np.float32(1.2345678):
        ties = ((np.arange(-140, 140) + 0.5) * np.float64(scale)).astype(np.float32)
        x = np.concatenate([np.nextafter(ties, np.float32(way)) for way in (-np.inf, np.inf)] + [ties])[None]
        codes = np.empty(x.shape, np.int8)
        native().compute_quantize(x, codes, np.array([scale], np.float32), zero_point=np.array([3], np.int32))
        assert np.array_equal(codes, numerics.quantize(x, scale, 3))


@exactly
@given(rows, columns, st.sampled_from(FLOATS), scalings(), st.booleans(), threads, seeds)
def test_dequantize_is_the_oracle(
    m: int, n: int, data_type: str, kind: tuple[str, bool], packed: bool, threads: int, seed: int
) -> None:
    rng, n = np.random.default_rng(seed), n + n % 2 if packed else n
    codes = integers(rng, -8 if packed else -128, 7 if packed else 127, m, n, dtype=np.int8)
    scale, zero = scaling(rng, (m, n), *kind)
    stored = data_types.pack_s4(codes) if packed else codes
    out = np.empty((m, n), NUMPY_TYPES[data_type])
    native().compute_dequantize(stored, out, scale, zero_point=zero, granularity=kind[0], threads=threads)
    by, less = quantizers.spread(scale, kind[0]), quantizers.spread(zero, kind[0])
    assert same(out, data_types.round_to(data_type, numerics.dequantize(codes, by, less)), data_type)


@exactly
@given(rows, columns, st.booleans(), st.integers(0, 15), st.integers(0, 1), threads, seeds)
def test_requantize_is_the_oracle(m: int, n: int, sums: bool, there: int, each: int, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = (-(2**31), 2**31 - 1) if sums else (-128, 127)
    x = integers(rng, low, high, m, n, dtype=np.int32 if sums else np.int8)
    operands: dict[str, Any] = {
        "row_scale": scales(rng, m if each else 1) if there & 1 else None,
        "col_scale": scales(rng, n if each else 1) if there & 2 else None,
        "bias": rng.normal(size=n).astype(np.float32) if there & 4 else None,
    }
    zeros = {name: integers(rng, -128, 127, 1) for name in ("zero_point", "x_zero_point") if there & 8}
    if sums:
        zeros.pop("x_zero_point", None)
    qmin, qmax = sorted(rng.integers(-128, 128, 2).tolist())
    scale, codes = scales(rng, 1), np.empty((m, n), np.int8)
    native().compute_requantize(x, codes, scale, **zeros, **operands, qmin=qmin, qmax=qmax, threads=threads)
    numbers = {name: int(values[0]) for name, values in zeros.items()}
    assert np.array_equal(codes, quantizers.requantize(x, scale[0], **numbers, **operands, qmin=qmin, qmax=qmax))


def row_outputs(m: int, n: int, asymmetric: bool) -> dict[str, np.ndarray]:
    named = {"codes": np.empty((m, n), np.int8), "scale": np.empty(m, np.float32), "row_sum": np.empty(m, np.int32)}
    return {**named, "zero_point": np.empty(m, np.int32)} if asymmetric else named


def hostile_rows(rng: np.random.Generator, m: int, n: int, data_type: str) -> np.ndarray:
    """Rows of hostile floats, of nothing finite, of zeros, of tiny numbers and of the largest ones."""
    x = hostile_floats(rng, (m, n))
    kinds = rng.integers(0, 6, m)
    x[kinds == 1] = np.float32(np.nan)
    x[kinds == 2] = np.float32(-0.0)
    x[kinds == 3] = np.float32(2.0**-149)
    x[kinds == 4] = np.where(np.arange(n) % 2, 1, -1) * np.finfo(np.float32).max
    with np.errstate(all="ignore"):
        return data_types.round_to(data_type, x)


@exactly
@given(rows, columns, st.sampled_from(FLOATS), st.booleans(), threads, seeds)
def test_quantize_dynamic_is_the_oracle(
    m: int, n: int, data_type: str, asymmetric: bool, threads: int, seed: int
) -> None:
    x, outputs = hostile_rows(np.random.default_rng(seed), m, n, data_type), row_outputs(m, n, asymmetric)
    native().compute_quantize_dynamic(x, **outputs, threads=threads)
    expect_rows(outputs, quantizers.quantize_dynamic(x, asymmetric=asymmetric))


def expect_rows(got: dict[str, np.ndarray], want: quantizers.RowCodes) -> None:
    for name, values in got.items():
        assert np.array_equal(values, getattr(want, name)), name


@exactly
@given(
    rows,
    st.one_of(columns, st.sampled_from((1023, 1024, 1025, 3000))),
    st.sampled_from(FLOATS),
    st.sampled_from(("ordinary", "hostile", "constant")),
    st.booleans(),
    st.sampled_from((None, False, True)),
    threads,
    seeds,
)
def test_layernorm_quantize_is_the_oracle(
    m: int, n: int, data_type: str, values: str, residual: bool, asymmetric: bool | None, threads: int, seed: int
) -> None:
    """`asymmetric` None is a given scale."""
    rng = np.random.default_rng(seed)
    draw = {
        "ordinary": lambda: data_types.round_to(data_type, rng.normal(1, 3, (m, n)).astype(np.float32)),
        "hostile": lambda: hostile_rows(rng, m, n, data_type),
        "constant": lambda: data_types.round_to(data_type, np.full((m, n), 0.3, np.float32)),
    }[values]
    x, added = draw(), draw() if residual else None
    gamma, beta = (rng.normal(size=n).astype(np.float32) for _ in range(2))
    eps = float(rng.choice([0.0, 1e-12, 1e-5]))
    y = quantizers.layer_norm(x, gamma, beta, eps, added)
    normalised, outputs = np.empty_like(x), row_outputs(m, n, bool(asymmetric))
    options: dict[str, Any] = {"eps": eps, "dynamic": asymmetric is not None, "residual": added, "threads": threads}
    if asymmetric is None:
        options |= {"scale": scales(rng, 1), "zero_point": integers(rng, -128, 127, 1), "qmin": -100, "qmax": 90}
        outputs.pop("scale")
    native().compute_layernorm_quantize(x, gamma, beta, normalised=normalised, **outputs, **options)
    bits = np.uint32 if data_type == "f32" else np.uint16
    assert np.array_equal(normalised.view(bits), y.view(bits))
    if asymmetric is None:
        wide = data_types.as_float32(data_type, y)
        want = numerics.quantize(wide, options["scale"], options["zero_point"], -100, 90)
        assert np.array_equal(outputs["codes"], want)
        assert np.array_equal(outputs["row_sum"], quantizers.row_sums(want))
    else:
        expect_rows(outputs, quantizers.quantize_dynamic(y, asymmetric=asymmetric))


@exactly
@given(rows, columns, st.sampled_from((1e-30, 2.0**-12, 0.01, 3e38 / 2)), st.booleans(), threads, seeds)
def test_softmax_codes_are_the_oracles(m: int, n: int, scale: float, masked: bool, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = integers(rng, -(2**31), 2**31 - 1, m, n) >> rng.integers(0, 31, (m, 1)).astype(np.int32)
    lengths = rng.integers(-1, n + 2, m).astype(np.int32) if masked else None
    codes, row_scale = np.empty((m, n), np.int8), np.empty(m, np.float32)
    native().compute_softmax_quantize(scores, codes, row_scale, scale=scale, lengths=lengths, threads=threads)
    want = softmax_codes(scores, scale, lengths)
    assert np.array_equal(codes, want.codes)
    assert np.array_equal(row_scale, want.row_scale)
