"""Native products of int8 on the CPU, the torch path of CPUs without their instructions, and the threads of both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")
pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")

from operator_calls import EPILOGUES, arguments, convolution_arguments  # noqa: E402

from immabench import ops  # noqa: E402
from immabench.convolution import Convolution, patches  # noqa: E402
from immabench.errors import OperandError  # noqa: E402
from immabench.kernels import geometry_sizes, native  # noqa: E402
from immabench.numerics import accumulate, quantize  # noqa: E402
from immabench.ops import exact  # noqa: E402
from immabench.problems import Problem, conv_problem  # noqa: E402
from immabench.providers.torch_tensors import to_numpy  # noqa: E402

PRODUCTS = {"avx2": "avx2", "avx_vnni": "avx_vnni", "avx512": "avx512_vnni"}
"""Limits of instructions, and of products by the best within each, where the CPU has them."""


@pytest.fixture(scope="module", params=PRODUCTS)
def instructions(request: pytest.FixtureRequest) -> Iterator[str]:
    """Native products by each set of instructions that this CPU has."""
    native().limit_cpu_instructions(request.param)
    try:
        if native().product_instructions() != PRODUCTS[request.param]:
            pytest.skip(f"this CPU has no {PRODUCTS[request.param]}")
        yield PRODUCTS[request.param]
    finally:
        native().limit_cpu_instructions("avx512")


by_instructions = pytest.mark.usefixtures("instructions")
by_epilogue = pytest.mark.parametrize("epilogue", EPILOGUES.values(), ids=EPILOGUES)


def codes(seed: int, *shape: int) -> np.ndarray:
    """Over the whole range, with whole matrices of the lowest code now and then."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(-128, 127, shape, np.int8, endpoint=True)
    return np.full_like(drawn, -128) if seed % 7 == 0 else drawn


@by_instructions
@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 40) | st.sampled_from((95, 96, 97, 200)),
    st.sampled_from((1, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 130)),
    st.sampled_from((1, 2, 3, 4, 5, 7, 8, 60, 63, 64, 65, 127, 128, 1000)),
    st.sampled_from((1, 2, 3, 8)),
    st.integers(0, 2**32 - 1),
)
def test_sums_are_exact(m: int, n: int, k: int, threads: int, seed: int) -> None:
    """At the edges of tiles, of panels and of the quads that K goes by."""
    a, b, out = codes(seed, m, k), codes(seed + 1, n, k), np.full((m, n), 0x5A5A5A5A, np.int32)
    native().multiply_s8(a, b, out, threads=threads)
    assert np.array_equal(out, accumulate(a, b))


@by_instructions
@pytest.mark.parametrize(("m", "n", "k"), [(1, 5, 7), (3, 700, 1023), (15, 130, 64), (24, 130, 65), (200, 64, 64)])
def test_weights_in_panels_give_the_same(m: int, n: int, k: int) -> None:
    a, b = (torch.from_numpy(codes(seed, *shape)) for seed, shape in ((1, (m, k)), (2, (n, k))))
    panels = ops.pack_panels(b)
    assert torch.equal(ops.gemm_s8(a, b, panels=panels), ops.gemm_s8(a, b))
    assert torch.equal(torch.ops.immabench.gemm_s8(a, b, panels=panels), ops.gemm_s8(a, b))
    assert torch.equal(ops.gemm_s8(a, torch.zeros_like(b), panels=panels), ops.gemm_s8(a, b)), "B itself was read"


@by_instructions
def test_filters_in_panels_give_the_same() -> None:
    image, filters = torch.from_numpy(codes(3, 2, 6, 7, 5)), torch.from_numpy(codes(4, 9, 3, 3, 5))
    options = {"padding": (1, 1), "a_zero": torch.tensor([3], dtype=torch.int32)}
    want = ops.conv2d_s8(image, filters, **options)
    assert torch.equal(ops.conv2d_s8(image, filters, panels=ops.pack_panels(filters), **options), want)


@by_instructions
def test_panels_of_other_weights_are_refused() -> None:
    a, b = torch.from_numpy(codes(1, 24, 65)), torch.from_numpy(codes(2, 130, 65))
    with pytest.raises(ValueError, match=r"'panels' has shape .* pass panel_bytes\(n, k\) bytes"):
        ops.gemm_s8(a, b, panels=ops.pack_panels(b[:64]))
    batch = torch.from_numpy(codes(2, 2, 130, 65))
    with pytest.raises(OperandError, match="panels are of int8 weights without a batch; leave panels out"):
        ops.gemm_s8(a.expand(2, -1, -1), batch, panels=ops.pack_panels(b))


@by_instructions
def test_the_largest_sums_fit() -> None:
    """K of nothing but -128 times -128: between them sums go beyond int32 and come back."""
    k = 131071
    a, out = np.full((17, k), -128, np.int8), np.empty((17, 3), np.int32)
    native().multiply_s8(a, a[:3], out, threads=2)
    assert (out == k * 2**14).all()


@by_instructions
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("zero", [None, -128, 5])
@pytest.mark.parametrize(
    "geometry",
    [
        Convolution(2, 9, 11, 64, (3, 3), (1, 1), (1, 1)),
        Convolution(1, 43, 30, 3, (7, 7), (2, 2), (3, 3)),
        Convolution(3, 8, 7, 5, (3, 2), (2, 1), (1, 0), (2, 3)),
        Convolution(2, 6, 6, 130, (1, 1), (2, 2)),
        Convolution(2, 6, 7, 24, (1, 1)),
        Convolution(1, 5, 5, 7, (3, 3), (2, 2), (1, 1)),
    ],
    ids=str,
)
def test_convolutions_are_products_of_patches(geometry: Convolution, zero: int | None, threads: int) -> None:
    image, filters = codes(1, *geometry.image_shape), codes(2, 33, geometry.k)
    want, given = accumulate(patches(geometry, image, zero or 0), filters), {}
    if zero is not None:
        sums = filters.sum(axis=1, dtype=np.int32)
        want, given = want - zero * sums, {"a_zero": np.array([zero], np.int32), "b_sum": sums}
    out = np.empty((geometry.m, 33), np.int32)
    native().multiply_s8(image, filters, out, geometry=geometry_sizes(geometry), threads=threads, **given)
    assert np.array_equal(out, want)


@pytest.mark.parametrize("native_products", [True, False])
@pytest.mark.parametrize("precision", ["highest", "medium"])
@pytest.mark.parametrize("k", [1, 1023, 1024, 1025, 2048, 3000])
@pytest.mark.parametrize("lowest", [False, True])
def test_products_of_codes_by_torch_are_exact(
    native_products: bool, precision: str, k: int, lowest: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of nothing but -128, whose sums of 1024 elements of K are the largest that fp32 has every integer up to."""
    monkeypatch.setattr(exact, "natively", lambda: native_products)
    a, b = (np.full((n, k), -128, np.int8) if lowest else codes(8 * n + 1, n, k) for n in (37, 24))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        out = torch.full((37, 24), 0x5A5A5A5A, dtype=torch.int32)
        made = exact.multiply_codes(torch.from_numpy(a), torch.from_numpy(b), out)
    finally:
        torch.set_float32_matmul_precision(before)
    assert made is out
    assert np.array_equal(out.numpy(), accumulate(a, b))


@pytest.fixture(params=["native", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to an exact product; that of torch in pieces of few rows."""
    if request.param == "torch":
        monkeypatch.setattr(exact, "natively", lambda: False)
        monkeypatch.setattr(exact, "PIECE_BYTES", 2**12)
    elif not native().product_instructions():
        pytest.skip("this CPU has no AVX2")
    return str(request.param)


@by_epilogue
@pytest.mark.parametrize("rows", ["tensor", "vector"])
@pytest.mark.parametrize("batch", [1, 5])
def test_both_paths_of_products_are_the_oracle(path: str, epilogue: dict[str, Any], rows: str, batch: int) -> None:
    stated = {**epilogue, "row_scale": rows} if epilogue.get("output_type", "s32") != "s32" else epilogue
    stated = {**stated, "a_zero": rows} if "a_zero" in stated else stated
    named, want = arguments(Problem(133, 40, 70, batch=batch, **stated))
    assert np.array_equal(to_numpy(ops.gemm_s8(**named)), want)


@by_epilogue
@pytest.mark.parametrize("geometry", ["5x7x6x8_f3x2_s2x1_p1x0", "3x8x9x8_f1", "2x30x31x3_f7_s2_p3"])
def test_both_paths_of_convolutions_are_the_oracle(path: str, epilogue: dict[str, Any], geometry: str) -> None:
    named, want = convolution_arguments(conv_problem(geometry, 24, **epilogue))
    assert np.array_equal(to_numpy(ops.conv2d_s8(**named)), want)


def test_pieces_are_all_of_it_in_order() -> None:
    for count, bytes_each in ((1, 1), (1, 2**30), (7, 2**21), (1000, 12345)):
        pieces = list(exact._pieces(count, bytes_each))
        assert [index for piece in pieces for index in range(piece.start, piece.stop)] == list(range(count))
        assert all((piece.stop - piece.start - 1) * bytes_each <= exact.PIECE_BYTES for piece in pieces)


def big_quantize(seed: int) -> bool:
    """Whether work for several threads comes out right."""
    x = np.random.default_rng(seed).normal(size=(512, 1024)).astype(np.float32)
    out = np.empty(x.shape, np.int8)
    native().compute_quantize(x, out, np.array([0.02], np.float32), threads=4)
    return np.array_equal(out, quantize(x, 0.02))


def test_calls_from_several_threads_at_once_do_not_meet() -> None:
    with ThreadPoolExecutor(4) as callers:
        assert all(callers.map(big_quantize, range(40)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_process_has_threads_of_its_own() -> None:
    """fork() copies none of the threads that wait for work."""
    assert big_quantize(1)
    child = os.fork()
    if child == 0:
        os._exit(0 if big_quantize(2) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"b": np.zeros((2, 4, 8), np.int8)}, r"operand 'b' has shape \[2, 4, 8\]; pass as many matrices as A has"),
        ({"b": np.zeros((4, 9), np.int8)}, "operand 'b' has rows of 9; those of A have 8"),
        ({"a": np.zeros((5, 8), np.float32)}, "operand 'a' holds float32 where int8 is needed; quantize it"),
        ({"out": np.zeros((4, 5), np.int32)}, r"operand 'out' has shape \[4, 5\] where \[5, 4\] is needed"),
        ({"out": np.zeros((5, 4), np.int8)}, "operand 'out_scale' is missing"),
        ({"a_zero": np.zeros(1, np.int32)}, "operand 'b_sum' is missing"),
        (
            {"col_scale": np.ones(3, np.float32)},
            "operand 'col_scale' has 3 values where 4 are needed",
        ),
        ({"bias": np.ones(1, np.float32)}, "operand 'bias' has 1 values where 4 are needed; pass one each"),
        ({"activation": "tanh"}, "activation 'tanh' is unknown; take none, relu or gelu"),
    ],
)
@by_instructions
def test_wrong_operands_are_one_line(changes: dict[str, Any], message: str) -> None:
    given = {"a": np.zeros((5, 8), np.int8), "b": np.zeros((4, 8), np.int8), "out": np.zeros((5, 4), np.float32)}
    with pytest.raises(ValueError, match=message) as error:
        native().multiply_s8(**{**given, **changes})
    assert "\n" not in str(error.value)
