"""The operators on the CPU: bit for bit the oracle, traceable, and one line for wrong operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from immabench import ops  # noqa: E402
from immabench.errors import ImmabenchError  # noqa: E402
from immabench.numerics import gemm_reference  # noqa: E402
from immabench.operands import OPERAND_NAMES, make_operands, operand_type, typed_operands  # noqa: E402
from immabench.problems import Problem, conv_problem  # noqa: E402
from immabench.providers.torch_tensors import to_numpy, to_tensor  # noqa: E402

EPILOGUES: dict[str, dict[str, Any]] = {
    "sums": {},
    "zero point": {"a_zero": "tensor"},
    "scales": {"output_type": "f16", "row_scale": "tensor", "col_scale": "vector", "bias": True},
    "bf16 residual": {"output_type": "bf16", "residual": "bf16", "activation": "relu"},
    "int8": {
        "output_type": "s8",
        "col_scale": "vector",
        "bias": True,
        "a_zero": "tensor",
        "residual": "s8",
        "activation": "gelu",
        "out_scale": "vector",
        "out_zero": True,
    },
}
by_epilogue = pytest.mark.parametrize("epilogue", EPILOGUES.values(), ids=EPILOGUES)


def arguments(problem: Problem) -> tuple[dict[str, Any], np.ndarray]:
    """The tensors and names of a call of the problem's operator, and what it has to be."""
    operands = typed_operands(problem, make_operands(problem))
    tensors = {
        name: to_tensor(getattr(operands, name), "cpu", operand_type(problem, name))
        for name in OPERAND_NAMES
        if getattr(operands, name) is not None
    }
    named = {**tensors, "output_type": problem.output_type, "activation": problem.activation}
    return named, gemm_reference(problem, operands)


def multiply(problem: Problem, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    named, want = arguments(problem)
    return to_numpy(ops.gemm_s8(**{**named, **changes})), want


def convolve(problem: Problem, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    named, want = convolution_arguments(problem)
    return to_numpy(ops.conv2d_s8(**{**named, **changes})), want


def convolution_arguments(problem: Problem) -> tuple[dict[str, Any], np.ndarray]:
    geometry = problem.convolution
    assert geometry is not None
    named, want = arguments(problem)
    shape = (geometry.images, geometry.out_height, geometry.out_width, problem.n)
    named["image"] = named.pop("a")
    named["filters"] = named.pop("b").view(problem.n, *geometry.filter, geometry.channels)
    if "residual" in named:
        named["residual"] = named["residual"].view(shape)
    pairs = {name: list(getattr(geometry, name)) for name in ("stride", "padding", "dilation")}
    return {**named, **pairs}, want.reshape(shape)


@by_epilogue
@pytest.mark.parametrize("batch", [1, 3])
def test_products_are_the_oracles(epilogue: dict[str, Any], batch: int) -> None:
    got, want = multiply(Problem(33, 40, 72, batch=batch, **epilogue))
    assert np.array_equal(got, want)


@by_epilogue
def test_convolutions_are_the_oracles(epilogue: dict[str, Any]) -> None:
    got, want = convolve(conv_problem("2x7x6x8_f3x2_s2x1_p1x0", 24, **epilogue))
    assert np.array_equal(got, want)


@by_epilogue
def test_the_kernel_itself_gives_the_same_bits(epilogue: dict[str, Any]) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    got, want = multiply(Problem(17, 24, 64, **epilogue), kernel="emulated")
    assert np.array_equal(got, want)
    got, want = convolve(
        conv_problem("1x6x5x16_f3_p1", 16, **epilogue), kernel="imma_conv_s8s8s32_64x64x64_w2x2_s4_sm80"
    )
    assert np.array_equal(got, want)


def calls() -> list[tuple[Callable[..., Any], dict[str, Any]]]:
    return [
        (ops.gemm_s8, arguments(Problem(9, 16, 24, **EPILOGUES["int8"]))[0]),
        (ops.conv2d_s8, convolution_arguments(conv_problem("1x5x6x8_f3_p1", 8, **EPILOGUES["int8"]))[0]),
    ]


@pytest.mark.parametrize(("operator", "named"), calls(), ids=["gemm_s8", "conv2d_s8"])
def test_torch_finds_no_fault_in_the_operators(operator: Any, named: dict[str, Any]) -> None:
    torch.library.opcheck(operator, (), named)


class Layer(torch.nn.Module):
    """A call with everything but its activations held."""

    def __init__(self, operator: Any, named: dict[str, Any], free: str) -> None:
        super().__init__()
        self.operator, self.named, self.free = operator, named, free

    def forward(self, x: Any) -> Any:
        return self.operator(**{**self.named, self.free: x}) + 1


@pytest.mark.parametrize(("operator", "named"), calls(), ids=["gemm_s8", "conv2d_s8"])
def test_models_with_them_compile_and_export(operator: Any, named: dict[str, Any]) -> None:
    free = "a" if "a" in named else "image"
    layer, x = Layer(operator, named, free), named[free]
    want = layer(x)
    assert torch.equal(torch.compile(layer, backend="aot_eager", fullgraph=True)(x), want)
    exported = torch.export.export(layer, (x,))
    assert operator._opoverload in {node.target for node in exported.graph.nodes}
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


def test_an_int8_residual_has_zero_as_its_zero_point_unless_told() -> None:
    named, _ = arguments(Problem(5, 4, 8, output_type="f32", residual="s8"))
    zero = torch.zeros(1, dtype=torch.int32)
    told = ops.gemm_s8(**{**named, "residual_zero": zero})
    named.pop("residual_zero")
    assert torch.equal(ops.gemm_s8(**named), told)
