"""The operators on the CPU: bit for bit the oracle, traceable, and one line for wrong operands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from operator_calls import (  # noqa: E402
    EPILOGUES,
    PACKED,
    arguments,
    convolution_arguments,
    flat_arguments,
    packed_arguments,
    packed_convolution_arguments,
)

from immabench import ops  # noqa: E402
from immabench.errors import ImmabenchError  # noqa: E402
from immabench.float_oracle import compare_with_oracle  # noqa: E402
from immabench.kernels import all_configs, illegal_reason, kernel_configs  # noqa: E402
from immabench.ops.epilogue import DTYPES  # noqa: E402
from immabench.packing import WEIGHT_SCHEMES, quantize_weights, weight_scheme  # noqa: E402
from immabench.problems import Problem, conv_problem  # noqa: E402
from immabench.providers.torch_tensors import to_numpy  # noqa: E402

by_epilogue = pytest.mark.parametrize("epilogue", EPILOGUES.values(), ids=EPILOGUES)


def multiply(problem: Problem, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    named, want = arguments(problem)
    return to_numpy(ops.gemm_s8(**{**named, **changes})), want


def convolve(problem: Problem, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    named, want = convolution_arguments(problem)
    return to_numpy(ops.conv2d_s8(**{**named, **changes})), want


@by_epilogue
@pytest.mark.parametrize("batch", [1, 3])
def test_products_are_the_oracles(epilogue: dict[str, Any], batch: int) -> None:
    got, want = multiply(Problem(33, 40, 72, batch=batch, **epilogue))
    assert np.array_equal(got, want)


@by_epilogue
def test_int4_products_are_the_oracles(epilogue: dict[str, Any]) -> None:
    named, want = arguments(Problem(33, 40, 72, "s4", "s4", **epilogue))
    assert np.array_equal(to_numpy(ops.gemm_w4a4(**named)), want)


def product_of(problem: Problem) -> Any:
    return getattr(ops, problem.family)


def expect_right(problem: Problem, **changes: Any) -> None:
    """Bit for bit where bits are specified, else within the bound of the sums."""
    named, operands = packed_arguments(problem)
    got = to_numpy(product_of(problem)(**{**named, **changes}))
    comparison = compare_with_oracle(problem, got, operands)
    assert comparison.exact, comparison.describe()


@pytest.mark.parametrize("stated", PACKED.values(), ids=PACKED)
def test_products_with_packed_weights_are_the_oracles(stated: dict[str, Any]) -> None:
    """Sizes that fill no block of 16 rows, nor one along K."""
    expect_right(Problem(m=33, n=40, k=160, **stated))
    expect_right(Problem(m=1, n=17, k=96, **stated))


@pytest.mark.parametrize("stated", PACKED.values(), ids=PACKED)
def test_the_kernel_takes_the_same_packed_weights(stated: dict[str, Any]) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    expect_right(Problem(m=17, n=32, k=128, **stated), kernel="emulated")


@pytest.mark.parametrize("architecture", ["sm80", "sm90a"])
@pytest.mark.parametrize("stated", PACKED.values(), ids=PACKED)
def test_one_pack_serves_the_kernels_of_every_architecture(stated: dict[str, Any], architecture: str) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    problem = Problem(m=8, n=32, k=128, **stated)
    named, _ = packed_arguments(problem)
    packed = replace(problem, b_type=named["weights"].b_type)
    legal = [config.id for config in kernel_configs() if illegal_reason(config, packed) is None]
    expect_right(problem, kernel=next(config_id for config_id in legal if config_id.endswith(architecture)))


@by_epilogue
def test_convolutions_are_the_oracles(epilogue: dict[str, Any]) -> None:
    got, want = convolve(conv_problem("2x7x6x8_f3x2_s2x1_p1x0", 24, **epilogue))
    assert np.array_equal(got, want)


@by_epilogue
@pytest.mark.parametrize("weights", [{"b_type": "s4"}, {"b_type": "u4", "b_group": 32, "b_scale": "step"}])
def test_convolutions_with_packed_filters_are_the_oracles(epilogue: dict[str, Any], weights: dict[str, Any]) -> None:
    problem = conv_problem("2x7x6x16_f2x3_s2x1_p1x0", 24, **weights, **epilogue)
    named, want = packed_convolution_arguments(problem)
    assert np.array_equal(to_numpy(ops.conv2d_w4a8(**named)), want)
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    assert np.array_equal(to_numpy(ops.conv2d_w4a8(**named, kernel="emulated")), want)


@by_epilogue
def test_the_kernel_itself_gives_the_same_bits(epilogue: dict[str, Any]) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    got, want = multiply(Problem(17, 24, 64, **epilogue), kernel="emulated")
    assert np.array_equal(got, want)
    got, want = convolve(
        conv_problem("1x6x5x16_f3_p1", 16, **epilogue), kernel="imma_conv_s8s8s32_64x64x64_w2x2_s4_sm80"
    )
    assert np.array_equal(got, want)


CALLS: dict[str, dict[str, Any]] = {
    "gemm_s8": arguments(Problem(9, 16, 24, **EPILOGUES["int8"]))[0],
    "gemm_w4a4": arguments(Problem(9, 16, 32, "s4", "s4", **EPILOGUES["int8"]))[0],
    "conv2d_s8": convolution_arguments(conv_problem("1x5x6x8_f3_p1", 8, **EPILOGUES["int8"]))[0],
    "conv2d_w4a8": packed_convolution_arguments(
        conv_problem("1x5x6x8_f3_p1", 8, b_type="s4", output_type="f16", a_zero="tensor")
    )[0],
    "gemm_w4a8": packed_arguments(Problem(9, 16, 64, "s8", "u4", b_group=32, b_scale="step", **EPILOGUES["int8"]))[0],
    "gemm_w4a16": packed_arguments(Problem(9, 16, 64, "f16", "s4", b_group=32, b_scale="float", output_type="f16"))[0],
    "gemm_w8a16": packed_arguments(Problem(9, 16, 64, "bf16", "s8", output_type="bf16"))[0],
}
by_call = pytest.mark.parametrize(("name", "named"), CALLS.items(), ids=CALLS)


@by_call
def test_torch_finds_no_fault_in_the_operators(name: str, named: dict[str, Any]) -> None:
    own, options = flat_arguments(named)
    torch.library.opcheck(getattr(torch.ops.immabench, name).default, own, options)


class Layer(torch.nn.Module):
    """A call with everything but its activations held."""

    def __init__(self, operator: Any, named: dict[str, Any], free: str) -> None:
        super().__init__()
        self.operator, self.named, self.free = operator, named, free

    def forward(self, x: Any) -> Any:
        return self.operator(**{**self.named, self.free: x}) + 1


@by_call
def test_models_with_them_compile_and_export(name: str, named: dict[str, Any]) -> None:
    free = "a" if "a" in named else "image"
    layer, x = Layer(getattr(ops, name), named, free), named[free]
    want = layer(x)
    assert torch.equal(torch.compile(layer, backend="aot_eager", fullgraph=True)(x), want)
    exported = torch.export.export(layer, (x,))
    assert getattr(torch.ops.immabench, name).default in {node.target for node in exported.graph.nodes}
    assert torch.equal(exported.module()(x), want)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": torch.zeros(4, 8)}, "a is torch.float32, expected torch.int8; quantize it"),
        ({"a": torch.zeros(8, dtype=torch.int8)}, r"a has shape \[8\]; pass a matrix"),
        ({"b": torch.zeros(4, 9, dtype=torch.int8)}, r"a \[5, 8\] and b \[4, 9\] have no K in common"),
        ({"output_type": "s16"}, "unknown output_type 's16'; choose one of s32"),
        ({"output_type": "s8"}, "output_type=s8 with out_scale=none"),
        ({"kernel": "imma_none"}, "imma_none"),
        ({"kernel": "cutlass_s8s8s32_32x64x128_w2x2_s6_sm80"}, "it runs on a GPU alone"),
        ({"kernel": "imma_conv_s8s8s32_64x64x64_w2x2_s4_sm80"}, "computes conv2d_s8, not gemm_s8"),
    ],
)
def test_wrong_operands_are_one_line(changes: dict[str, Any], message: str) -> None:
    named = {"a": torch.zeros(5, 8, dtype=torch.int8), "b": torch.zeros(4, 8, dtype=torch.int8)}
    with pytest.raises(ImmabenchError, match=message):
        ops.gemm_s8(**{**named, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"col_scale": torch.ones(5)}, r"col_scale has shape \[5\], expected \[4\] or \[1\]; nothing is broadcast"),
        ({"row_scale": torch.ones(5, dtype=torch.float64)}, "row_scale is torch.float64, expected torch.float32"),
        ({"bias": torch.ones(1)}, r"bias has shape \[1\], expected \[4\]"),
        ({"residual": torch.zeros(4)}, r"residual has shape \[4\], expected \[5, 4\]"),
        ({"residual": torch.zeros(5, 4, dtype=torch.float64)}, "unknown residual 'torch.float64'"),
        ({"residual": torch.zeros(5, 4, dtype=torch.int8)}, "residual_scale belongs to an int8 residual"),
        ({"residual_zero": torch.zeros(1, dtype=torch.int32)}, "residual_zero is given, and nothing that it is of"),
        ({"b_sum": torch.zeros(4, dtype=torch.int32)}, "b_sum is given, and nothing that it is of"),
        ({"a_zero": torch.zeros(1)}, "a_zero is torch.float32, expected torch.int32"),
    ],
)
def test_what_follows_the_sums_is_never_broadcast_or_converted(changes: dict[str, Any], message: str) -> None:
    named = {"a": torch.zeros(5, 8, dtype=torch.int8), "b": torch.zeros(4, 8, dtype=torch.int8), "output_type": "f32"}
    with pytest.raises(ImmabenchError, match=message):
        ops.gemm_s8(**{**named, **changes})


@pytest.mark.parametrize("kernel", ["", "emulated"])
def test_operands_may_lie_in_any_order(kernel: str) -> None:
    """Transposed views of the same values: as a model's reshapes leave them."""
    problem = Problem(24, 32, 48, output_type="f32", residual="f32")
    named, want = arguments(problem)
    strided = {name: named[name].t().contiguous().t() for name in ("a", "b", "residual")}
    assert not strided["residual"].is_contiguous()
    assert np.array_equal(to_numpy(ops.gemm_s8(**{**named, **strided}, kernel=kernel)), want)


def test_an_int8_residual_has_zero_as_its_zero_point_unless_told() -> None:
    named, _ = arguments(Problem(5, 4, 8, output_type="f32", residual="s8"))
    zero = torch.zeros(1, dtype=torch.int32)
    told = ops.gemm_s8(**{**named, "residual_zero": zero})
    named.pop("residual_zero")
    assert torch.equal(ops.gemm_s8(**named), told)


def packable() -> list[tuple[str, Any]]:
    """Schemes with activations: integers of 4 bits, steps beside int8 alone; int8 without groups beside floats."""
    integers = {name: scheme for name, scheme in WEIGHT_SCHEMES.items() if scheme.format.name in ("s4", "u4")}
    beside_floats = [name for name, scheme in integers.items() if not scheme.two_level]
    return [*((name, torch.int8) for name in integers), *((n, torch.float16) for n in (*beside_floats, "s8_channel"))]


@pytest.mark.parametrize(("name", "activations"), packable())
def test_every_scheme_of_integers_is_packed_with_what_it_stands_for(name: str, activations: Any) -> None:
    """Powers of two as scales, so that a group's is the same in 16 bits."""
    given = np.random.default_rng(1).normal(size=(24, 256)).astype(np.float32)
    quantized = quantize_weights(given, weight_scheme(name))
    quantized = replace(quantized, scale=np.exp2(np.rint(np.log2(quantized.scale))).astype(np.float32))
    packed, col_scale = ops.pack_quantized(quantized, activations)
    values = packed.values().double().numpy()
    if packed.group_scale is not None:
        values = values * np.repeat(packed.group_scale[:, :24].double().numpy().T, packed.b_group, axis=1)
    assert np.array_equal(values * col_scale.double().numpy()[:, None], quantized.values().astype(np.float64))


def test_packed_weights_move_as_one() -> None:
    named, _ = packed_arguments(Problem(4, 16, 64, "s8", "u4", b_group=32, b_scale="step"))
    moved = named["weights"].to("meta")
    assert {t.device.type for t in (moved.codes, moved.group_affine, moved.row_sums)} == {"meta"}
    assert (moved.n, moved.k, moved.group_scale) == (16, 64, None)


@pytest.mark.parametrize(
    ("codes", "changes", "message"),
    [
        (torch.zeros(4, 8), {}, "codes are torch.float32"),
        (torch.zeros(4, 8, dtype=torch.int8), {}, "no kernel takes packed weights of gemm_s8_m1_n4_k8"),
        (torch.zeros(4, 8, dtype=torch.uint8), {"group_scale": torch.ones(4, 3)}, r"group_scale has shape \[4, 3\]"),
        (torch.zeros(4, 8, dtype=torch.uint8), {"group_scale": torch.ones(4, 2).half()}, "is torch.float16, expected"),
        (
            torch.zeros(4, 8, dtype=torch.uint8),
            {"group_scale": torch.ones(4, 2), "group_zero": torch.ones(4, 1, dtype=torch.uint8)},
            "group_scale and group_zero have different shapes",
        ),
    ],
)
def test_weights_that_cannot_be_packed_are_one_line(codes: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ImmabenchError, match=message):
        ops.pack_weights(codes, **changes)


@pytest.mark.parametrize(("packed_for", "given"), [("f16", "bf16"), ("f16", "s8"), ("s8", "f16")])
def test_weights_packed_for_other_activations_are_refused(packed_for: str, given: str) -> None:
    """The words of their groups and the order of their codes would be read as others."""
    weights = ops.pack_weights(torch.zeros(16, 32, dtype=torch.uint8), DTYPES[packed_for])
    a = torch.zeros(3, 64, dtype=DTYPES[given])
    multiply_by = ops.gemm_w4a8 if given == "s8" else ops.gemm_w4a16
    message = f"a is {DTYPES[given]}, and the weights are packed for {packed_for}; pack them for it"
    with pytest.raises(ImmabenchError, match=message):
        multiply_by(a, weights, output_type="f32")


def test_other_families_are_named() -> None:
    weights = ops.pack_weights(torch.zeros(16, 32, dtype=torch.uint8), torch.float16)
    with pytest.raises(ImmabenchError, match=r"gemm_w4a8 is given .* and weights of s4; call gemm_w4a16"):
        ops.gemm_w4a8(torch.zeros(3, 64, dtype=torch.float16), weights, output_type="f32")


def test_filters_packed_for_floats_are_refused() -> None:
    filters = ops.pack_weights(torch.zeros(16, 32, dtype=torch.uint8), torch.float16)
    with pytest.raises(ImmabenchError, match="and the weights are packed for f16; pack them for"):
        ops.conv2d_w4a8(torch.zeros(1, 4, 4, 16, dtype=torch.int8), filters, (2, 2))


@pytest.mark.parametrize(
    ("a", "message"),
    [
        (torch.zeros(2, 3, 64, dtype=torch.int8), "pass a matrix: packed weights have no batches"),
        (torch.zeros(3, 32, dtype=torch.int8), r"a \[3, 32\] and weights of K=64 have no K in common"),
        (
            torch.zeros(3, 64, dtype=torch.float16),
            "a is torch.float16, and the weights are packed for s8; pack them for it",
        ),
    ],
)
def test_activations_that_do_not_fit_packed_weights(a: Any, message: str) -> None:
    weights = ops.pack_weights(torch.zeros(8, 32, dtype=torch.uint8))
    with pytest.raises(ImmabenchError, match=message):
        ops.gemm_w4a8(a, weights, output_type="f32")


def test_families_of_kernels_are_the_names_of_operators() -> None:
    """But for what prepares operands, stands between two operators, or multiplies bits."""
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    families = {config.family for config in all_configs()}
    without = {"gemm_b1", "pack_s4", "unpack_s4", "reorder_weights", "softmax_quantize"}
    assert families - set(ops.__all__) == without
    assert set(ops.__all__) - families == {"PackedWeights", "pack_panels", "pack_quantized", "pack_weights"}
