"""Quantization of each row by its own range, alone and after LayerNorm."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from immabench.errors import OperandError, UsageError
from immabench.ops.companions import (
    FLOATS,
    absent,
    code_range,
    compute,
    expect_scale,
    expect_zero_point,
    matrix_shape,
)
from immabench.ops.epilogue import expect

Tensors = dict[str, Tensor]


@torch.library.custom_op("immabench::quantize_dynamic", mutates_args=())
def quantize_dynamic(
    x: Tensor, asymmetric: bool = False, row_sums: bool = False, kernel: str = ""
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """int8 codes of float x [.., columns], each row by its own range: (codes, scale, zero_point, row_sum).

    `codes` have the shape of x; `scale`, float32, `zero_point` and `row_sum`, int32, x.shape[:-1]. `zero_point` is
    empty, [0], unless `asymmetric`, and `row_sum`, the sum of a row's codes, unless asked for by `row_sums`.
    docs/numerics.md specifies every bit. Raises OperandError and UsageError in one line.
    """
    outputs = _row_outputs(x, asymmetric, row_sums)
    matrix = matrix_shape("x", x)

    compute("quantize_dynamic", matrix, {"x": x.reshape(matrix)}, _by_rows(outputs, matrix), {}, kernel)
    return _four(x, outputs)


@quantize_dynamic.register_fake
def _(
    x: Tensor, asymmetric: bool = False, row_sums: bool = False, kernel: str = ""
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _four(x, _row_outputs(x, asymmetric, row_sums))


@torch.library.custom_op("immabench::layernorm_quantize", mutates_args=())
def layernorm_quantize(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
    residual: Tensor | None = None,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    asymmetric: bool = False,
    row_sums: bool = False,
    normalised: bool = True,
    qmin: int | None = None,
    qmax: int | None = None,
    kernel: str = "",
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """LayerNorm of x + `residual` over columns, and its int8 codes: (codes, scale, zero_point, row_sum, normalised).

    `gamma` and `beta` are float32 [columns], `residual` like x. Without `scale` each row is quantized by its own range,
    and outputs are those of `quantize_dynamic`; with one, float32 [1] and `zero_point` int32 [1], codes are within
    `qmin` to `qmax`, and the outputs `scale` and `zero_point` are empty, [0]. `normalised` is the float result, in the
    type and shape of x, empty unless asked for.
    """
    static = _check_layernorm(x, gamma, beta, eps, residual, scale, zero_point, asymmetric, qmin, qmax)
    outputs = _layernorm_outputs(x, static, asymmetric, row_sums, normalised)
    matrix = matrix_shape("x", x)

    rows = None if residual is None else residual.reshape(matrix)
    inputs = {"x": x.reshape(matrix), "gamma": gamma, "beta": beta, "residual": rows}
    inputs |= {"scale": scale, "zero_point": zero_point}
    options = {"eps": eps, "dynamic": not static, "qmin": qmin, "qmax": qmax}
    compute("layernorm_quantize", matrix, inputs, _by_rows(outputs, matrix), options, kernel)
    return _five(x, outputs)


@layernorm_quantize.register_fake
def _(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float = 1e-5,
    residual: Tensor | None = None,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    asymmetric: bool = False,
    row_sums: bool = False,
    normalised: bool = True,
    qmin: int | None = None,
    qmax: int | None = None,
    kernel: str = "",
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    static = _check_layernorm(x, gamma, beta, eps, residual, scale, zero_point, asymmetric, qmin, qmax)
    return _five(x, _layernorm_outputs(x, static, asymmetric, row_sums, normalised))


def _check_layernorm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
    residual: Tensor | None,
    scale: Tensor | None,
    zero_point: Tensor | None,
    asymmetric: bool,
    qmin: int | None,
    qmax: int | None,
) -> bool:
    """Whether a call that is right has a scale of its own."""
    expect("x", x, FLOATS)
    _, columns = matrix_shape("x", x)
    expect("residual", residual, (x.dtype,), [tuple(x.shape)])
    for name, vector in (("gamma", gamma), ("beta", beta)):
        expect(name, vector, (torch.float32,), [(columns,)])
    expect_scale("scale", scale)
    expect_zero_point("zero_point", zero_point)
    if not (eps >= 0 and math.isfinite(eps)):
        raise UsageError(f"eps is {eps}", "pass one that is finite and not negative")
    if scale is None and (zero_point is not None or qmin is not None or qmax is not None):
        raise OperandError("zero_point, qmin or qmax is given without a scale", "rows have ranges of their own")
    if scale is not None and asymmetric:
        raise OperandError("asymmetric is said of given scales", "pass a zero_point, or leave scale out")
    code_range(qmin, qmax)
    return scale is not None


def _row_outputs(x: Tensor, asymmetric: bool, row_sums: bool, static: bool = False) -> Tensors:
    """Memory for what is found of each row."""
    expect("x", x, FLOATS)
    matrix_shape("x", x)
    rows = x.shape[:-1]
    outputs = {"codes": torch.empty_like(x, dtype=torch.int8, memory_format=torch.contiguous_format)}
    if not static:
        outputs["scale"] = x.new_empty(rows, dtype=torch.float32)
    if asymmetric:
        outputs["zero_point"] = x.new_empty(rows, dtype=torch.int32)
    if row_sums:
        outputs["row_sum"] = x.new_empty(rows, dtype=torch.int32)
    return outputs


def _layernorm_outputs(x: Tensor, static: bool, asymmetric: bool, row_sums: bool, normalised: bool) -> Tensors:
    outputs = _row_outputs(x, asymmetric, row_sums, static)
    if normalised:
        outputs["normalised"] = torch.empty_like(x, memory_format=torch.contiguous_format)
    return outputs


def _by_rows(outputs: Tensors, matrix: tuple[int, int]) -> Tensors:
    """The same memory as launches take it: matrices, and vectors of rows."""
    return {
        name: tensor.view(matrix if name in ("codes", "normalised") else matrix[:1]) for name, tensor in outputs.items()
    }


def _four(x: Tensor, outputs: Tensors) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    def found(name: str, dtype: torch.dtype) -> Tensor:
        return outputs[name] if name in outputs else absent(x, dtype)

    sums = found("row_sum", torch.int32)
    return outputs["codes"], found("scale", torch.float32), found("zero_point", torch.int32), sums


def _five(x: Tensor, outputs: Tensors) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return *_four(x, outputs), outputs["normalised"] if "normalised" in outputs else absent(x, x.dtype)
