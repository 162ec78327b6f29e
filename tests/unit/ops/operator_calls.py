"""Calls of the operators of products: their tensors by name, and what has to come out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from immabench import ops
from immabench.data_types import as_float32
from immabench.numerics import gemm_reference
from immabench.operands import OPERAND_NAMES, Operands, make_operands, operand_type, typed_operands
from immabench.problems import Problem
from immabench.providers.torch_tensors import to_tensor

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
PACKED: dict[str, dict[str, Any]] = {
    "w4a8": {"a_type": "s8", "b_type": "s4"},
    "w4a8 zero points": {"a_type": "s8", "b_type": "u4", "b_group": 32, **EPILOGUES["int8"]},
    "w4a8 steps": {"a_type": "s8", "b_type": "u4", "b_group": 32, "b_scale": "step", "a_zero": "vector"},
    "w4a8 signed steps": {"a_type": "s8", "b_type": "s4", "b_group": 32, "b_scale": "step"},
    "w4a8 float scales": {"a_type": "s8", "b_type": "u4", "b_group": 32, "b_scale": "float", **EPILOGUES["scales"]},
    "w4a8 signed float scales": {
        "a_type": "s8",
        "b_type": "s4",
        "b_group": 32,
        "b_scale": "float",
        **EPILOGUES["bf16 residual"],
    },
    "w4a16": {"a_type": "f16", "b_type": "s4", **EPILOGUES["scales"]},
    "w4a16 groups": {"a_type": "bf16", "b_type": "u4", "b_group": 32, "b_scale": "float", **EPILOGUES["bf16 residual"]},
    "w4a16 signed groups": {"a_type": "f16", "b_type": "s4", "b_group": 32, "b_scale": "float", "output_type": "f32"},
    "w8a16": {"a_type": "f16", "b_type": "s8", **EPILOGUES["scales"]},
    "w8a16 int8 out": {"a_type": "bf16", "b_type": "s8", "output_type": "s8", "out_scale": "tensor"},
}
"""Types and epilogues of products with packed weights: every kind of groups there is."""


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


def convolution_arguments(problem: Problem) -> tuple[dict[str, Any], np.ndarray]:
    geometry = problem.convolution
    assert geometry is not None
    named, want = arguments(problem)
    shape = (geometry.images, geometry.out_height, geometry.out_width, problem.n)
    named["image"] = named.pop("a")
    filters = named.pop("b")
    named["filters"] = filters if problem.b_type != "s8" else filters.view(problem.n, *geometry.filter, -1)
    if "residual" in named:
        named["residual"] = named["residual"].view(shape)
    pairs = {name: list(getattr(geometry, name)) for name in ("stride", "padding", "dilation")}
    return {**named, **pairs}, want.reshape(shape)


def packed_convolution_arguments(problem: Problem) -> tuple[dict[str, Any], np.ndarray]:
    """Those of a convolution with packed filters, and what has to come out."""
    named, want = convolution_arguments(problem)
    geometry = problem.convolution
    assert geometry is not None
    groups = {name: named.pop(name) for name in ("group_scale", "group_step", "group_zero") if name in named}
    named["filters"] = ops.pack_weights(named["filters"].view(problem.n, -1), **groups)
    named.pop("b_sum", None)
    return {**named, "size": list(geometry.filter)}, want


def packed_arguments(problem: Problem) -> tuple[dict[str, Any], Operands]:
    """Those of a product with packed weights, and the operands in s8, of which the oracle is made."""
    stated = make_operands(problem)
    operands = typed_operands(problem, stated)
    tensors = {
        name: to_tensor(getattr(operands, name), "cpu", operand_type(problem, name))
        for name in OPERAND_NAMES
        if getattr(operands, name) is not None
    }
    if problem.bias:
        tensors["bias"] = torch.from_numpy(as_float32(problem.bias_type, operands.bias))
    groups = {name: tensors.pop(name) for name in ("group_scale", "group_step", "group_zero") if name in tensors}
    weights = ops.pack_weights(tensors.pop("b"), tensors["a"].dtype, **groups)
    tensors.pop("b_sum", None)
    named = {**tensors, "weights": weights, "output_type": problem.output_type, "activation": problem.activation}
    return named, stated


def flat_arguments(named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same call as the registered operator is given it: its own operands, then options by name."""
    options = dict(named)
    weights = named.get("weights", named.get("filters"))
    if isinstance(weights, ops.PackedWeights) and "a_zero" in named:
        options["b_sum"] = weights.row_sums
    if "image" in named:
        image, filters = options.pop("image"), options.pop("filters")
        own = (filters,) if isinstance(filters, torch.Tensor) else (*filters.as_operands(), options.pop("size"))
        return (image, *own, *(options.pop(name) for name in ("stride", "padding", "dilation"))), options
    if "weights" not in named:
        return (options.pop("a"), options.pop("b")), options
    return (options.pop("a"), *options.pop("weights").as_operands()), options
