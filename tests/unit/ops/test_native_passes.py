"""The native passes of the CPU against the numpy oracles: every bit, at the edges of vectors, of hostile values, on any
number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immabench import numerics, pooling, quantizers
from immabench.attention import softmax_codes
from immabench.convolution import Convolution, patches
from immabench.kernels import geometry_sizes, native
from immabench.numerics import NUMPY_TYPES, epilogue_reference, of_columns, of_rows
from immabench.operands import Operands
from immabench.problems import Problem

pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numpy, on hostile values


@pytest.fixture(scope="module", autouse=True, params=["baseline", "avx2", "avx512"])
def instructions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything once with the code of each set of instructions."""
    native().limit_cpu_instructions(request.param)
    if native().cpu_instructions() != request.param:
        native().limit_cpu_instructions("avx512")
        pytest.skip(f"this CPU has no {request.param}")
    yield
    native().limit_cpu_instructions("avx512")


FLOATS = ("f32", "f16", "bf16")
ENDS = (1, 15, 16, 17, 31, 33, 64, 65)
"""Columns around the widths of vectors."""

columns = st.sampled_from((*ENDS, 511, 512, 513, 1030))
rows = st.sampled_from((1, 2, 5, 40, 200))
"""The most of them, of many columns, are enough work for several threads."""

threads = st.sampled_from((1, 2, 3, 8))
seeds = st.integers(0, 2**32 - 1)
exactly = settings(max_examples=60, deadline=None)

_HOSTILE_BITS = (
    *(0x7FC00000, 0xFFFFFFFF, 0x7F800000, 0xFF800000, 0x80000000, 0x00000001, 0x807FFFFF, 0x7F7FFFFF, 0x33000000),
    *(0x3F000000, 0x3FC00000, 0xC0200000, 0x477FF000, 0x477FEFFF, 0x38800000, 0x387FFFFF, 0x42FE8000, 0xC3008000),
)
HOSTILE = np.array(_HOSTILE_BITS, np.uint32).view(np.float32)
"""NaNs, infinities, -0, subnormals, the largest number, ties of codes, and where f16 begins, ends and loses bits."""


def hostile_floats(rng: np.random.Generator, shape: tuple[int, ...], data_type: str = "f32") -> np.ndarray:
    """Numbers of all sizes, some of them ties, some hostile, in a type."""
    values = (rng.normal(size=shape) * np.exp2(rng.integers(-20, 12, shape))).astype(np.float32)
    values = np.where(rng.random(shape) < 0.2, np.rint(values * 2) / 2, values)
    values = np.where(rng.random(shape) < 0.2, rng.choice(HOSTILE, shape), values).astype(np.float32)
    with np.errstate(all="ignore"):
        return numerics.round_to(data_type, values)


def scales(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return np.exp2(rng.uniform(-24, 8, shape)).astype(np.float32)


def integers(rng: np.random.Generator, low: int, high: int, *shape: int, dtype: Any = np.int32) -> np.ndarray:
    """Over the whole range, the ends of it included."""
    drawn = rng.integers(low, high, shape, endpoint=True, dtype=np.int64)
    return np.where(rng.random(shape) < 0.1, rng.choice([low, high], shape), drawn).astype(dtype)


def same(got: np.ndarray, want: np.ndarray, data_type: str) -> bool:
    """Bit for bit; of NaNs that they are: which one comes of another is not specified."""
    if data_type not in FLOATS:
        return np.array_equal(got, want)
    nan = np.isnan(numerics.as_float32(data_type, want))
    bits = np.uint32 if data_type == "f32" else np.uint16
    equal = got.view(bits) == want.view(bits)
    return bool(np.where(nan, np.isnan(numerics.as_float32(data_type, got)), equal).all())


@st.composite
def epilogues(draw: Any) -> dict[str, Any]:
    """Fields of a problem, of any kind that there is."""
    kinds = st.sampled_from(("none", "tensor", "vector"))
    output = draw(st.sampled_from(("s8", *FLOATS)))
    return {
        "output_type": output,
        "row_scale": draw(kinds),
        "col_scale": draw(kinds),
        "a_zero": draw(kinds),
        "bias": draw(st.booleans()),
        "residual": draw(st.sampled_from(("none", "s8", *FLOATS))),
        "activation": draw(st.sampled_from(("none", "relu", "gelu"))),
        "out_scale": draw(st.sampled_from(("tensor", "vector"))) if output == "s8" else "none",
        "out_zero": output == "s8" and draw(st.booleans()),
    }


def epilogue_operands(problem: Problem, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What a problem's epilogue reads, hostile where values may be anything."""
    sizes = {"tensor": (1,), "row": problem.of_batch(problem.m), "column": problem.of_batch(problem.n)}

    def vector(kind: str, extent: str) -> tuple[int, ...]:
        return sizes["tensor" if kind == "tensor" else extent]

    made: dict[str, np.ndarray] = {}
    if problem.row_scale != "none":
        made["row_scale"] = scales(rng, *vector(problem.row_scale, "row"))
    if problem.col_scale != "none":
        made["col_scale"] = scales(rng, *vector(problem.col_scale, "column"))
    if problem.bias:
        made["bias"] = rng.normal(size=sizes["column"]).astype(np.float32)
    if problem.a_zero != "none":
        made["a_zero"] = integers(rng, -128, 127, *vector(problem.a_zero, "row"))
        made["b_sum"] = integers(rng, -(2**20), 2**20, *sizes["column"])
    made |= residual_operands(problem, rng)
    if problem.output_type == "s8":
        made["out_scale"] = scales(rng, *vector(problem.out_scale, "column"))
    if problem.out_zero:
        made["out_zero"] = integers(rng, -128, 127, *vector(problem.out_scale, "column"))
    return made


def residual_operands(problem: Problem, rng: np.random.Generator) -> dict[str, np.ndarray]:
    shape = problem.of_batch(problem.m, problem.n)
    if problem.residual == "none":
        return {}
    if problem.residual != "s8":
        return {"residual": hostile_floats(rng, shape, problem.residual)}
    codes, zero = integers(rng, -128, 127, *shape, dtype=np.int8), integers(rng, -128, 127, 1)
    return {"residual": codes, "residual_scale": scales(rng, 1), "residual_zero": zero}


def sums_of(problem: Problem, rng: np.random.Generator, *, floats: bool) -> np.ndarray:
    shape = problem.of_batch(problem.m, problem.n)
    if floats:
        return hostile_floats(rng, shape)
    wide = integers(rng, -(2**31), 2**31 - 1, *shape)
    return np.where(rng.random(shape) < 0.7, wide >> rng.integers(0, 28, shape), wide).astype(np.int32)


def finished(problem: Problem, sums: np.ndarray, operands: dict[str, np.ndarray], threads: int) -> np.ndarray:
    out = np.full(sums.shape, 0x5A, NUMPY_TYPES[problem.output_type])
    native().finish_sums(sums, out, activation=problem.activation, threads=threads, **operands)
    return out


@exactly
@given(epilogues(), rows, columns, st.sampled_from((1, 3)), threads, seeds, st.booleans())
def test_epilogues_are_the_oracles(
    epilogue: dict[str, Any], m: int, n: int, batch: int, threads: int, seed: int, floats: bool
) -> None:
    rng = np.random.default_rng(seed)
    if floats:
        epilogue = {**epilogue, "a_zero": "none"}
    problem = Problem(m, n, 8, batch=batch, **epilogue)
    operands, sums = epilogue_operands(problem, rng), sums_of(problem, rng, floats=floats)
    total = sums
    if "a_zero" in operands:
        with np.errstate(over="ignore"):
            total = sums - of_rows(operands["a_zero"]) * of_columns(operands["b_sum"])
    want = epilogue_reference(problem, total, Operands(np.empty(0), np.empty(0), **operands))
    assert same(finished(problem, sums, operands, threads), want, problem.output_type)


@exactly
@given(rows, columns, st.sampled_from((1, 3)), st.sampled_from(("tensor", "vector")), threads, seeds)
def test_sums_lose_what_the_zero_point_added(m: int, n: int, batch: int, kind: str, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = Problem(m, n, 8, batch=batch, a_zero=kind)
    operands, sums = epilogue_operands(problem, rng), sums_of(problem, rng, floats=False)
    want = sums - of_rows(operands["a_zero"]) * of_columns(operands["b_sum"])
    assert np.array_equal(finished(problem, sums, operands, threads), want)
    in_place = sums.copy()
    native().finish_sums(in_place, in_place, threads=threads, **operands)
    assert np.array_equal(in_place, want)


def test_every_half_is_widened_and_rounded_as_numpy_does() -> None:
    """All 16-bit patterns as residuals, and every float with one of their halves, or between two of them, as sums."""
    every = np.arange(2**16, dtype=np.uint16)
    for data_type in ("f16", "bf16"):
        residual = every.view(NUMPY_TYPES[data_type]).reshape(1, -1)
        problem = Problem(1, 2**16, 8, output_type="f32", residual=data_type)
        sums = np.full(residual.shape, -0.0, np.float32)
        want = numerics.as_float32(data_type, residual) + sums
        assert same(finished(problem, sums, {"residual": residual}, 2), want, "f32")
        near = numerics.as_float32(data_type, residual).view(np.uint32)
        for step in (0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001):
            sums = (near + np.uint32(step)).view(np.float32)
            problem = Problem(1, 2**16, 8, output_type=data_type)
            with np.errstate(all="ignore"):
                want = numerics.round_to(data_type, sums)
            got = finished(problem, sums, {}, 2)
            assert same(got, want, data_type)
            assert (got.view(np.uint16)[np.isnan(sums)] == 0x7FFF).all()


GEOMETRIES = (
    Convolution(2, 9, 11, 64, (3, 3), (1, 1), (1, 1)),
    Convolution(1, 23, 30, 3, (7, 7), (2, 2), (3, 3)),
    Convolution(3, 8, 7, 5, (3, 2), (2, 1), (1, 0), (2, 3)),
    Convolution(1, 6, 6, 130, (1, 1), (2, 2)),
    Convolution(2, 4, 5, 33, (4, 5), (1, 1), (2, 2)),
    Convolution(1, 5, 6, 1, (3, 6), (1, 1), (3, 6)),
    Convolution(1, 64, 60, 16, (3, 3), (1, 1), (1, 1)),
)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("zero", [None, -128, 127])
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("padding", [0, 1, 64])
def test_patches_are_what_filters_meet(geometry: Convolution, zero: int | None, threads: int, padding: int) -> None:
    image = integers(np.random.default_rng(1), -128, 127, *geometry.image_shape, dtype=np.int8)
    got = np.full((geometry.m, geometry.k + padding), 0x5A, np.int8)
    given = None if zero is None else np.array([zero], np.int32)
    native().gather_patches(image, got, geometry=geometry_sizes(geometry), zero=given, threads=threads)
    assert np.array_equal(got[:, : geometry.k], patches(geometry, image, zero or 0))


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
    want = numerics.quantize(numerics.as_float32(data_type, x), by, less, qmin, qmax)
    assert np.array_equal(codes, numerics.pack_s4(want) if packed else want)


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
    stored = numerics.pack_s4(codes) if packed else codes
    out = np.empty((m, n), NUMPY_TYPES[data_type])
    native().compute_dequantize(stored, out, scale, zero_point=zero, granularity=kind[0], threads=threads)
    by, less = quantizers.spread(scale, kind[0]), quantizers.spread(zero, kind[0])
    assert same(out, numerics.round_to(data_type, numerics.dequantize(codes, by, less)), data_type)


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
        return numerics.round_to(data_type, x)


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
        "ordinary": lambda: numerics.round_to(data_type, rng.normal(1, 3, (m, n)).astype(np.float32)),
        "hostile": lambda: hostile_rows(rng, m, n, data_type),
        "constant": lambda: numerics.round_to(data_type, np.full((m, n), 0.3, np.float32)),
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
        wide = numerics.as_float32(data_type, y)
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


WINDOWS = (
    Convolution(2, 13, 12, 64, (3, 3), (2, 2), (1, 1)),
    Convolution(1, 7, 7, 512, (7, 7), (7, 7)),
    Convolution(3, 5, 9, 17, (2, 4), (1, 3), (1, 2)),
    Convolution(1, 4, 4, 600, (2, 2), (2, 2)),
    Convolution(1, 40, 40, 1, (1, 5), (1, 1), (0, 2)),
)


@pytest.mark.parametrize("geometry", WINDOWS, ids=str)
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_max_pooling_is_the_oracle(geometry: Convolution, threads: int) -> None:
    x = integers(np.random.default_rng(2), -128, 127, *geometry.image_shape, dtype=np.int8)
    out = np.empty((geometry.images, geometry.out_height, geometry.out_width, geometry.channels), np.int8)
    native().compute_max_pool2d(x, out, geometry=geometry_sizes(geometry), threads=threads)
    assert np.array_equal(out, pooling.max_pool2d(x, geometry))


@exactly
@given(st.sampled_from(WINDOWS), st.booleans(), st.integers(0, 3), st.booleans(), threads, seeds)
def test_average_pooling_is_the_oracle(
    geometry: Convolution, to_codes: bool, there: int, include_pad: bool, threads: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = integers(rng, -128, 127, *geometry.image_shape, dtype=np.int8)
    shape = (geometry.images, geometry.out_height, geometry.out_width, geometry.channels)
    names = ["x_scale", "scale"] if to_codes else ["x_scale"]
    extreme = rng.choice([1e-38, 1.0, 3e38], 2).astype(np.float32)
    operands = {name: extreme[i : i + 1] for i, name in enumerate(names)} if there & 1 else {}
    zeros = ("x_zero_point", "zero_point") if to_codes else ("x_zero_point",)
    operands |= {name: integers(rng, -128, 127, 1) for name in zeros} if there & 2 else {}
    out = np.empty(shape, np.int8 if to_codes else np.float32)
    options = {"geometry": geometry_sizes(geometry), "count_include_pad": include_pad, "threads": threads}
    native().compute_avg_pool2d(x, out, **operands, **options)
    numbers = {name: values[0] for name, values in operands.items()}
    oracle = pooling.avg_pool2d if to_codes else pooling.avg_pool2d_f32
    want = oracle(x, geometry, **numbers, count_include_pad=include_pad)
    assert same(out, want, "s8" if to_codes else "f32")
