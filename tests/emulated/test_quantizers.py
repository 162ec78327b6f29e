"""The quantizers on the emulated machine: the oracle's bits on data that arithmetic trips over, ideal transactions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immabench import _native
from immabench.numerics import as_float32, dequantize, pack_s4, quantize, round_to, unpack_s4
from immabench.quantizers import layer_norm, quantize_dynamic, requantize, round_stored, row_sums

Array = np.ndarray
KERNELS = {kernel["id"]: kernel for kernel in _native.quantizers()}
ORDERS = ("forward", "reverse", "random")
STORED = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}
TYPES = tuple(STORED)
WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 64, 130)
"""Around the vectors of every type, one and two a row, and no multiple of any."""

by_type = pytest.mark.parametrize("data_type", TYPES)
by_granularity = pytest.mark.parametrize("granularity", ["tensor", "row", "column"])
by_codes = pytest.mark.parametrize("code_type", ["s8", "s4"])


def rows_of(family: str) -> list[str]:
    """The configurations of a family that reduces rows, fewest threads first."""
    return [name for name, kernel in KERNELS.items() if kernel["family"] == family]


def aligned(shape: tuple[int, ...], dtype: Any, shift: int = 0) -> Array:
    """Poisoned memory that starts `shift` elements past 256 bytes."""
    count = int(np.prod(shape))
    memory = np.full((count + shift) * np.dtype(dtype).itemsize + 256, 0x5A, np.uint8)
    start = -memory.ctypes.data % 256 + shift * np.dtype(dtype).itemsize
    return memory[start : start + count * np.dtype(dtype).itemsize].view(dtype).reshape(shape)


def place(values: Array, shift: int = 0) -> Array:
    """A copy that starts `shift` elements past 256 bytes."""
    copy = aligned(values.shape, values.dtype, shift)
    copy[...] = values
    return copy


def scales(seed: int, count: int) -> Array:
    """Positive numbers over many decades."""
    return place((10.0 ** np.random.default_rng(seed).uniform(-6, 3, count)).astype(np.float32))


def zero_points(seed: int, count: int) -> Array:
    return place(np.random.default_rng(seed).integers(-128, 128, count).astype(np.int32))


def adversarial(seed: int, shape: tuple[int, int], data_type: str, scale: Array | float = 0.1) -> Array:
    """Ties of `scale` and their neighbours, values of many magnitudes, and what is no ordinary number."""
    random = np.random.default_rng(seed)
    steps = random.integers(-200, 200, shape).astype(np.float32)
    ties = (steps + np.float32(0.5)) * np.asarray(scale, np.float32)
    nudged = np.nextafter(ties, random.choice(np.array([-np.inf, np.inf], np.float32), shape))
    spread = (random.normal(size=shape) * 10.0 ** random.uniform(-8, 6, shape)).astype(np.float32)
    special = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-40, 2e-38, 3.4e38, -3.4e38, 65504, 6e-8], np.float32
    )
    kinds = np.stack([ties, nudged, spread, random.choice(special, shape)])
    values = np.take_along_axis(kinds, random.choice(4, (1, *shape), p=[0.3, 0.3, 0.3, 0.1]), axis=0)[0]
    return round_stored(data_type, values)


def run(family: str, *operands: Any, kernel: str = "", **options: Any) -> dict[str, Any]:
    """Emulates a kernel, by default the only one of its family, and expects no hazard."""
    name = kernel or rows_of(family)[0]
    report: dict[str, Any] = getattr(_native, f"emulate_{family}")(name, *operands, **options)
    assert report["hazards"] == []
    return report


def same(got: Array, want: Array) -> bool:
    """Equal in every bit."""
    return got.dtype == want.dtype and got.tobytes() == want.tobytes()


def expect_ideal(report: dict[str, Any]) -> None:
    for side in ("global_load", "global_store"):
        assert report["counts"][side]["sectors"] == report["counts"][side]["ideal"], side
    for side in ("shared_load", "shared_store"):
        assert report["counts"][side]["wavefronts"] == report["counts"][side]["ideal"], side


def bytes_of(report: dict[str, Any]) -> tuple[int, int]:
    """Loaded and stored by lanes."""
    return report["counts"]["global_load"]["bytes"], report["counts"]["global_store"]["bytes"]


# ---------------------------------------------------------------- element by element


def extent(granularity: str, shape: tuple[int, int]) -> int:
    return {"tensor": 1, "row": shape[0], "column": shape[1]}[granularity]


def broadcast(values: Array, granularity: str) -> Array:
    return values[:, None] if granularity == "row" else values


def quantized(x: Array, data_type: str, scale: Array, zero: Array | int, qmin: int, qmax: int) -> Array:
    return quantize(as_float32(data_type, x), scale, zero, qmin, qmax)


def check_quantize(
    shape: tuple[int, int], data_type: str, code_type: str, granularity: str, shift: int = 0, **options: Any
) -> dict[str, Any]:
    scale, zero = (make(3, extent(granularity, shape)) for make in (scales, zero_points))
    x = place(adversarial(sum(shape), shape, data_type, broadcast(scale, granularity)), shift)
    qmin, qmax = (-8, 7) if code_type == "s4" else (-128, 127)
    want = quantized(x, data_type, broadcast(scale, granularity), broadcast(zero, granularity), qmin, qmax)
    codes = aligned((shape[0], shape[1] // 2), np.uint8) if code_type == "s4" else aligned(shape, np.int8, shift)
    report = run("quantize", x, codes, scale, zero_point=zero, granularity=granularity, **options)
    assert same(codes, pack_s4(want) if code_type == "s4" else want)
    return report


@by_type
@by_codes
@by_granularity
def test_quantize_is_exact_at_every_width(data_type: str, code_type: str, granularity: str) -> None:
    for columns in WIDTHS:
        if code_type == "s8" or columns % 2 == 0:
            check_quantize((5, columns), data_type, code_type, granularity)


@by_type
@by_granularity
def test_quantize_in_every_order_across_blocks(data_type: str, granularity: str) -> None:
    for order in ORDERS:
        check_quantize((19, 520), data_type, "s8", granularity, order=order)
        check_quantize((19, 521), data_type, "s8", granularity, order=order)


@by_type
def test_quantize_from_unaligned_addresses(data_type: str) -> None:
    check_quantize((3, 64), data_type, "s8", "tensor", shift=1)


@by_type
@by_codes
@by_granularity
def test_quantize_moves_each_byte_once_in_whole_sectors(data_type: str, code_type: str, granularity: str) -> None:
    shape = (16, 1024)
    report = check_quantize(shape, data_type, code_type, granularity)
    expect_ideal(report)
    loaded, stored = bytes_of(report)
    elements = shape[0] * shape[1]
    assert stored == elements // (2 if code_type == "s4" else 1)
    width = 4 if granularity == "column" or data_type == "f32" else 8
    pairs = elements if granularity == "column" else elements // width
    assert loaded == elements * np.dtype(STORED[data_type]).itemsize + pairs * 8


def test_ranges_and_absent_zero_points() -> None:
    x = place(np.linspace(-300, 300, 64, dtype=np.float32).reshape(4, 16))
    for qmin, qmax in [(-127, 127), (-8, 7), (0, 0), (5, 100)]:
        codes = aligned(x.shape, np.int8)
        run("quantize", x, codes, place(np.ones(1, np.float32)), qmin=qmin, qmax=qmax)
        assert same(codes, quantize(x, np.float32(1), 0, qmin, qmax))


def near_ties(scale: float) -> Array:
    """Every tie of an int8 code and the four floats around it."""
    ties = (np.arange(-260, 260) + np.float32(0.5)).astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        middle = ties * np.float32(scale)
        around = [middle]
        for direction in (-np.inf, np.inf):
            once = np.nextafter(middle, np.float32(direction))
            around += [once, np.nextafter(once, np.float32(direction))]
    return place(np.stack(around))


@settings(max_examples=60, deadline=None)
@given(st.floats(2.0**-149, 2.0**127, width=32), st.integers(-128, 127))
def test_ties_of_every_scale_round_as_the_quotient_does(scale: float, zero: int) -> None:
    x, at = near_ties(scale), place(np.array([zero], np.int32))
    divisor = place(np.array([scale], np.float32))
    for granularity in ("tensor", "row"):
        codes, extents = aligned(x.shape, np.int8), 1 if granularity == "tensor" else len(x)
        spread = {"scale": place(np.repeat(divisor, extents)), "zero_point": place(np.repeat(at, extents))}
        run("quantize", x, codes, granularity=granularity, **spread)
        assert same(codes, quantize(x, divisor, zero))


@by_type
@by_codes
@by_granularity
def test_dequantize_is_exact(data_type: str, code_type: str, granularity: str) -> None:
    for columns in (*WIDTHS, 1024):
        if code_type == "s4" and columns % 2:
            continue
        shape = (5, columns)
        low, high = (-8, 8) if code_type == "s4" else (-128, 128)
        codes = np.random.default_rng(columns).integers(low, high, shape).astype(np.int8)
        scale, zero = (make(4, extent(granularity, shape)) for make in (scales, zero_points))
        out = aligned(shape, STORED[data_type])
        given_codes = place(pack_s4(codes) if code_type == "s4" else codes)
        report = run("dequantize", given_codes, out, scale, zero_point=zero, granularity=granularity)
        want = dequantize(codes, broadcast(scale, granularity), broadcast(zero, granularity))
        assert same(out, round_to(data_type, want))
    expect_ideal(report)  # of 1024 columns


@pytest.mark.parametrize("columns", [1, 3, 4, 16, 17, 520])
@pytest.mark.parametrize("given_terms", ["all", "scalars", "none"])
def test_requantize_of_accumulators_is_exact(columns: int, given_terms: str) -> None:
    shape, random = (7, columns), np.random.default_rng(columns)
    x = place(random.integers(-(2**31), 2**31, shape).astype(np.int32))
    x[0, 0], x[-1, -1] = 2**31 - 1, -(2**31)
    terms: dict[str, Array] = {}
    if given_terms != "none":
        row, column = shape if given_terms == "all" else (1, 1)
        terms = {"row_scale": scales(1, row) * np.float32(1e-5), "col_scale": scales(2, column)}
    if given_terms == "all":
        terms["bias"] = random.normal(size=columns).astype(np.float32)
    terms = {name: place(values) for name, values in terms.items()}
    scale, zero = scales(5, 1), zero_points(5, 1)
    for order in ORDERS:
        codes = aligned(shape, np.int8)
        report = run("requantize", x, codes, scale, zero_point=zero, order=order, **terms)
        assert same(codes, requantize(x, scale[0], int(zero[0]), **terms))
    if columns % 4 == 0 and columns > 16:
        expect_ideal(report)


@pytest.mark.parametrize("columns", [1, 4, 15, 16, 17, 512])
@pytest.mark.parametrize("by_column", [False, True])
def test_requantize_of_codes_is_exact(columns: int, by_column: bool) -> None:
    x = place(np.random.default_rng(columns).integers(-128, 128, (33, columns)).astype(np.int8))
    x_zero, zero = place(np.array([-7], np.int32)), place(np.array([12], np.int32))
    terms = {"row_scale": scales(1, 1), **({"col_scale": scales(2, columns)} if by_column else {})}
    codes, scale = aligned(x.shape, np.int8), scales(6, 1)
    report = run("requantize", x, codes, scale, zero_point=zero, x_zero_point=x_zero, **terms)
    assert same(codes, requantize(x, scale[0], 12, x_zero_point=-7, **terms))
    if columns == 512:
        expect_ideal(report)


def test_requantize_is_the_epilogue_of_a_gemm_and_then_quantize() -> None:
    random = np.random.default_rng(8)
    a, b = (random.integers(-128, 128, (rows, 96)).astype(np.int8) for rows in (20, 24))
    terms = {name: random.uniform(0.5, 2, n).astype(np.float32) for name, n in (("row_scale", 20), ("col_scale", 24))}
    terms["bias"] = random.normal(size=24).astype(np.float32)
    sums, values = aligned((20, 24), np.int32), aligned((20, 24), np.float32)
    gemm = _native.kernels()[0]["id"]
    _native.emulate_gemm(gemm, a, b, sums, output_type="s32")
    _native.emulate_gemm(gemm, a, b, values, output_type="f32", **terms)
    scale, zero = place(np.array([np.abs(values).max() / 100], np.float32)), place(np.array([3], np.int32))
    one_step, two_steps = aligned(sums.shape, np.int8), aligned(sums.shape, np.int8)
    run("requantize", sums, one_step, scale, zero_point=zero, **terms)
    run("quantize", values, two_steps, scale, zero_point=zero)
    assert same(one_step, two_steps)
    assert len(np.unique(one_step)) > 50


@pytest.mark.parametrize("columns", [2, 6, 16, 18, 1024])
def test_packing_there_and_back(columns: int) -> None:
    codes = place(np.random.default_rng(columns).integers(-8, 8, (9, columns)).astype(np.int8))
    packed, back = aligned((9, columns // 2), np.uint8), aligned(codes.shape, np.int8)
    reports = [run("pack_s4", codes, packed), run("unpack_s4", packed, back)]
    assert same(packed, pack_s4(codes))
    assert same(back, codes)
    if columns == 1024:
        for report in reports:
            expect_ideal(report)


def test_every_byte_unpacks_as_the_oracle_says() -> None:
    packed = place(np.arange(256, dtype=np.uint8).reshape(8, 32))
    codes = aligned((8, 64), np.int8)
    run("unpack_s4", packed, codes)
    assert same(codes, unpack_s4(packed))


# ---------------------------------------------------------------- rows

DYNAMIC = rows_of("quantize_dynamic")
LAYERNORM = rows_of("layernorm_quantize")
by_dynamic = pytest.mark.parametrize("kernel", DYNAMIC)
by_layernorm = pytest.mark.parametrize("kernel", LAYERNORM)


def row_widths(kernel: str) -> list[int]:
    """Around vectors, warps of vectors, and what a row's threads hold; beyond that where longer rows are read again."""
    config = KERNELS[kernel]
    threads, most = config["row_threads"], config["resident_columns"]
    widths = [1, 3, 8, 9, 32, 100, 4 * threads, 8 * threads - 1, 8 * threads + 8, most - 1, most]
    return widths + ([most + 1, most + 8] if config["streams"] else [])


def check_dynamic(kernel: str, x: Array, data_type: str, asymmetric: bool, **options: Any) -> dict[str, Any]:
    rows = len(x)
    codes, scale = aligned(x.shape, np.int8), aligned((rows,), np.float32)
    zero, sums = aligned((rows,), np.int32), aligned((rows,), np.int32)
    found = {"zero_point": zero} if asymmetric else {}
    report = run("quantize_dynamic", x, codes, scale, kernel=kernel, row_sum=sums, **found, **options)
    want = quantize_dynamic(x, asymmetric=asymmetric)
    assert same(scale, want.scale)
    assert same(codes, want.codes)
    assert same(sums, want.row_sum)
    if asymmetric:
        assert want.zero_point is not None
        assert same(zero, want.zero_point)
    return report


@by_dynamic
@by_type
@pytest.mark.parametrize("asymmetric", [False, True])
def test_dynamic_codes_are_exact_at_every_width(kernel: str, data_type: str, asymmetric: bool) -> None:
    for columns in row_widths(kernel):
        x = place(adversarial(columns, (3, columns), data_type))
        x[0] = round_to(data_type, np.random.default_rng(columns).normal(size=columns).astype(np.float32))
        check_dynamic(kernel, x, data_type, asymmetric)


@by_dynamic
@by_type
def test_dynamic_codes_do_not_depend_on_the_order_of_warps(kernel: str, data_type: str) -> None:
    for order in ORDERS:
        for columns in (520, 521):
            check_dynamic(kernel, place(adversarial(1, (6, columns), data_type)), data_type, True, order=order)


EXTREMES = {
    "zeros": [0.0, -0.0, 0.0, 0.0],
    "nan": [np.nan] * 4,
    "infinite": [np.inf, -np.inf, np.nan, np.inf],
    "infinite and one": [np.inf, -np.inf, np.nan, 1.0],
    "positive": [1.0, 2.0, 3.0, 4.0],
    "negative": [-1.0, -2.0, -3.0, -4.0],
    "one value": [-5.0, -5.0, -5.0, -5.0],
    "the scale underflows": [1e-45, -2e-45, 0.0, 8.8e-44],
    "the scale is subnormal": [2e-43, -2e-43, 1e-40, 0.0],
    "the range overflows": [3.4e38, -3.4e38, 1e38, 0.0],
    "all on one side": [3.4e38, 3e38, 1e38, 0.0],
}


@by_dynamic
@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("asymmetric", [False, True])
def test_dynamic_codes_of_extreme_rows(kernel: str, name: str, asymmetric: bool) -> None:
    for data_type in TYPES:
        row = round_stored(data_type, np.array([EXTREMES[name]], np.float32))
        check_dynamic(kernel, place(np.repeat(row, 2, axis=0)), data_type, asymmetric)


def test_a_row_without_a_range_has_scale_one() -> None:
    x = place(np.array([[0, -0.0, 0], [np.nan] * 3, [np.inf, np.nan, -np.inf]], np.float32))
    codes, scale, zero = aligned(x.shape, np.int8), aligned((3,), np.float32), aligned((3,), np.int32)
    run("quantize_dynamic", x, codes, scale)
    assert (scale == 1).all()
    assert codes.tolist() == [[0, 0, 0], [0, 0, 0], [127, 0, -127]]
    run("quantize_dynamic", x, codes, scale, zero_point=zero)
    assert (scale == 1).all()
    assert codes.tolist() == [[-128] * 3, [-128] * 3, [127, -128, -128]]


@by_dynamic
@by_type
def test_dynamic_codes_take_one_pass_in_whole_sectors(kernel: str, data_type: str) -> None:
    config = KERNELS[kernel]
    for columns in (512, config["resident_columns"]):
        x = place(adversarial(2, (8, columns), data_type))
        report = check_dynamic(kernel, x, data_type, True)
        expect_ideal(report)
        assert bytes_of(report) == (x.nbytes, x.size + 8 * 12)
    if config["streams"]:
        x = place(adversarial(2, (2, config["resident_columns"] + 32), data_type))
        report = check_dynamic(kernel, x, data_type, False)
        expect_ideal(report)
        assert bytes_of(report)[0] == 2 * x.nbytes  # the range, then the codes


def norm_operands(seed: int, shape: tuple[int, int], data_type: str, hostile: bool) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    x = random.normal(3, 2, shape).astype(np.float32)
    x[-1] = x[-1, 0]  # no variance
    if hostile and shape[0] > 2:
        x[1] = as_float32("f32", adversarial(seed, (1, shape[1]), "f32"))[0]
    gamma, beta = (random.normal(size=shape[1]).astype(np.float32) for _ in range(2))
    residual = round_to(data_type, random.normal(size=shape).astype(np.float32))
    operands = {"x": round_stored(data_type, x), "gamma": gamma, "beta": beta, "residual": residual}
    return {name: place(values) for name, values in operands.items()}


def check_layernorm(
    kernel: str,
    shape: tuple[int, int],
    data_type: str,
    *,
    residual: bool,
    mode: str,
    hostile: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """`mode`: "static", "symmetric" or "asymmetric"."""
    o, rows, dynamic = norm_operands(sum(shape), shape, data_type, hostile), shape[0], mode != "static"
    extra = {"residual": o["residual"]} if residual else {}
    codes, normalised = aligned(shape, np.int8), aligned(shape, STORED[data_type])
    scale = aligned((rows,), np.float32) if dynamic else place(np.array([0.02], np.float32))
    zero = None if mode == "symmetric" else aligned((rows,), np.int32) if dynamic else place(np.array([5], np.int32))
    sums = aligned((rows,), np.int32)
    report = run(
        "layernorm_quantize", o["x"], o["gamma"], o["beta"], codes, scale, kernel=kernel, eps=1e-5, dynamic=dynamic,
        zero_point=zero, normalised=normalised, row_sum=sums, **extra, **options,
    )  # fmt: skip
    want = layer_norm(o["x"], o["gamma"], o["beta"], 1e-5, extra.get("residual"))
    assert same(normalised, want)
    if dynamic:
        rows_codes = quantize_dynamic(want, asymmetric=mode == "asymmetric")
        assert same(codes, rows_codes.codes)
        assert same(scale, rows_codes.scale)
        assert zero is None or same(zero, rows_codes.zero_point)
    else:
        assert same(codes, quantized(want, data_type, scale, 5, -128, 127))
    assert same(sums, row_sums(codes))
    return report


@by_layernorm
@by_type
@pytest.mark.parametrize("residual", [False, True])
def test_layernorm_is_exact_at_every_width(kernel: str, data_type: str, residual: bool) -> None:
    for columns, mode in zip(row_widths(kernel), ("static", "symmetric", "asymmetric") * 5, strict=False):
        check_layernorm(kernel, (3, columns), data_type, residual=residual, mode=mode)


@by_layernorm
@by_type
@pytest.mark.parametrize("mode", ["static", "symmetric", "asymmetric"])
def test_layernorm_does_not_depend_on_the_order_of_warps(kernel: str, data_type: str, mode: str) -> None:
    for order in ORDERS:
        for columns in (768, 771):
            check_layernorm(kernel, (5, columns), data_type, residual=True, mode=mode, order=order)


@by_type
def test_every_configuration_gives_the_same_bits(data_type: str) -> None:
    """The order of summation is the specification's, not the launch's; an order that differed would show here."""
    o, results = norm_operands(1, (4, 1001), data_type, hostile=False), []
    for kernel in LAYERNORM:
        codes, scale, y = aligned((4, 1001), np.int8), aligned((4,), np.float32), aligned((4, 1001), STORED[data_type])
        operands = o["x"], o["gamma"], o["beta"], codes, scale
        run("layernorm_quantize", *operands, kernel=kernel, eps=1e-12, dynamic=True, normalised=y)
        results.append((codes.tobytes(), scale.tobytes(), y.tobytes()))
    assert len(results) == 3
    assert len(set(results)) == 1


@by_layernorm
@by_type
def test_layernorm_takes_one_pass_in_whole_sectors(kernel: str, data_type: str) -> None:
    config = KERNELS[kernel]
    for columns in (512, config["resident_columns"]):
        shape = (8, columns)
        report = check_layernorm(kernel, shape, data_type, residual=True, mode="asymmetric", hostile=False)
        expect_ideal(report)
        elements, size = 8 * columns, np.dtype(STORED[data_type]).itemsize
        assert bytes_of(report) == (elements * (2 * size + 8), elements * (1 + size) + 8 * 12)


def test_layernorm_of_huge_values_is_not_a_number_and_has_the_zero_point() -> None:
    x = place(np.array([[3e38, 3e38, 3e38, -1.0], [np.inf, 0, 0, 0]], np.float32))
    one, zero = place(np.ones(4, np.float32)), place(np.zeros(4, np.float32))
    codes, y = aligned(x.shape, np.int8), aligned(x.shape, np.float32)
    scale, zero_point = place(np.ones(1, np.float32)), place(np.array([9], np.int32))
    run("layernorm_quantize", x, one, zero, codes, scale, eps=0.0, zero_point=zero_point, normalised=y)
    assert (y.view(np.uint32) == 0x7FFFFFFF)[1].all()
    assert (codes[1] == 9).all()


# ---------------------------------------------------------------- legality and bad operands


def test_the_table_lists_every_family() -> None:
    families = {kernel["family"] for kernel in KERNELS.values()}
    assert families == {
        "quantize", "quantize_dynamic", "layernorm_quantize", "dequantize", "requantize", "pack_s4", "unpack_s4",
    }  # fmt: skip
    assert all(kernel["architectures"] == ["sm_80", "sm_86", "sm_89", "sm_90a"] for kernel in KERNELS.values())
    for family in ("quantize_dynamic", "layernorm_quantize"):
        assert [KERNELS[name]["row_threads"] for name in rows_of(family)] == [32, 128, 256]
        assert KERNELS[rows_of(family)[-1]]["resident_columns"] >= 16384
    assert "layernorm_quantize_t256_sm80" in KERNELS
    assert not {kernel["id"] for kernel in _native.kernels()} & set(KERNELS)


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
    ],
)
def test_what_is_illegal_has_a_reason(kernel: str, rows: int, columns: int, reason: str) -> None:
    found = _native.quantizer_illegal_reason(kernel, rows, columns)
    if reason:
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(found)
    else:
        assert found is None


X = np.ones((4, 6), np.float32)
CODES = np.zeros((4, 6), np.int8)
ONE = np.ones(1, np.float32)
SIX = np.ones(6, np.float32)


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
        ("pack_s4", {"packed": np.zeros((4, 3), np.int8)}, "operand 'packed' holds int8 where uint8"),
    ],
)
def test_bad_operands_are_named_in_one_line(family: str, change: dict[str, Any], message: str) -> None:
    calls: dict[str, dict[str, Any]] = {
        "quantize": {"x": X, "codes": CODES.copy(), "scale": ONE},
        "quantize_dynamic": {"x": X, "codes": CODES.copy(), "scale": np.ones(4, np.float32)},
        "layernorm_quantize": {"x": X, "gamma": SIX, "beta": SIX, "codes": CODES.copy(), "scale": ONE, "eps": 1e-5},
        "dequantize": {"codes": CODES, "out": X.copy(), "scale": ONE},
        "requantize": {"x": X.astype(np.int32), "codes": CODES.copy(), "scale": ONE},
        "pack_s4": {"codes": CODES, "packed": np.zeros((4, 3), np.uint8)},
    }
    with pytest.raises(ValueError, match=message) as error:
        getattr(_native, f"emulate_{family}")(rows_of(family)[0], **{**calls[family], **change})
    assert "\n" not in str(error.value)


def test_unknown_kernels_and_missing_gpus_are_said() -> None:
    with pytest.raises(KeyError, match="no kernel 'quantize'"):
        _native.emulate_quantize("quantize", X, CODES, ONE)
    with pytest.raises(KeyError, match="no kernel 'dequantize_t256_sm80' of this family"):
        _native.emulate_quantize("dequantize_t256_sm80", X, CODES, ONE)
    with pytest.raises(KeyError, match="no kernel 'quantize'"):
        _native.quantizer_illegal_reason("quantize", 1, 1)
    with pytest.raises(ValueError, match="operand 'x' is on the CPU; move it to a CUDA device; emulate_quantize"):
        _native.launch_quantize("quantize_t256_sm80", X, CODES, ONE)


def test_an_output_in_the_memory_of_an_input_is_a_hazard() -> None:
    x = aligned((4, 16), np.float32)
    x[...] = 1
    report = _native.emulate_quantize("quantize_t256_sm80", x, x.view(np.int8)[:, :16].copy()[:4], ONE)
    assert report["hazard_total"] == 0
    report = _native.emulate_quantize("quantize_t256_sm80", x, x.reshape(-1)[:16].view(np.int8).reshape(4, 16), ONE)
    assert report["hazards"][0]["kind"] == "global-out-of-bounds"
