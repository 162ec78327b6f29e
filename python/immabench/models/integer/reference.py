"""The integer reference: a model's integer modules by the numpy oracles of docs/numerics.md, step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from immabench import data_types, numerics, pooling, quantizers
from immabench.attention import attention
from immabench.convolution import Convolution
from immabench.models.integer.activations import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    DynamicLayerNorm,
    IntegerAttention,
    LayerNormQuantize,
    MaxPool2d,
    StaticLayerNorm,
)
from immabench.models.integer.conversions import Dequantize, Quantize, Static
from immabench.models.integer.model import Recorder
from immabench.models.integer.products import IntegerConv2d, IntegerLinear, IntegerProduct, PackedConv2d, PackedLinear
from immabench.operands import Operands
from immabench.ops.epilogue import Epilogue
from immabench.problems import Problem, conv_problem

Array = np.ndarray[Any, Any]


class Reference(Recorder):
    """Runs every integer module by its oracle. What has no exact one, sums of floats, runs by its operator."""

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        oracle = _ORACLES.get(type(module))
        computed = None if oracle is None else oracle(module, *args)
        return super().call_module(target, args, kwargs) if computed is None else computed


def stated(module: IntegerProduct, x: Any, residual: Tensor | None = None) -> tuple[Problem, Operands] | None:
    """A product of `module` as a problem with its operands; None where its sums are floats."""
    weights = integer_weights(module)
    if weights is None:
        return None
    codes = (x[0] if isinstance(x, tuple) else x).numpy()
    epilogue = Epilogue(**module.epilogue(x, residual))
    fields, given = epilogue.options(), {**epilogue.vectors(), "residual": epilogue.residual}
    made = {name: _host(value) for name, value in given.items() if value is not None}
    if isinstance(module, IntegerConv2d | PackedConv2d):
        image = np.ascontiguousarray(codes.transpose(0, 2, 3, 1))
        problem = conv_problem(_geometry(module, image), len(weights), **fields)
        made = _as_rows(made, problem, lambda one: one.transpose(0, 2, 3, 1))
        return problem, Operands(image, weights, **_with_sums(made, weights))
    rows = codes.reshape(-1, codes.shape[-1])
    if isinstance(module, IntegerLinear) and module.matrix.dtype == torch.uint8:
        rows = data_types.unpack_s4(rows)
    problem = Problem(m=len(rows), n=len(weights), k=weights.shape[1], **fields)
    made = _as_rows(made, problem, lambda one: one)
    return problem, Operands(rows, weights, **_with_sums(made, weights))


def integer_weights(module: IntegerProduct) -> Array | None:
    """int8 [N, K]; None of weights beside floats, and of groups with float scales."""
    codes = module.int8_weights()
    if codes is not None:
        return np.ascontiguousarray(codes.flatten(1).numpy())
    return data_types.unpack_s4(module.matrix.numpy()) if isinstance(module, IntegerLinear) else None


def _product(module: IntegerProduct, x: Any, residual: Tensor | None = None) -> Tensor | None:
    call = stated(module, x, residual)
    if call is None:
        return None
    problem, operands = call
    out = torch.from_numpy(np.ascontiguousarray(numerics.gemm_reference(problem, operands)))
    if problem.output_type == "bf16":
        out = out.view(torch.bfloat16)
    codes = x[0] if isinstance(x, tuple) else x
    if problem.convolution is not None:
        c = problem.convolution
        return module.ended(out.view(c.images, c.out_height, c.out_width, -1).permute(0, 3, 1, 2))
    return module.ended(out).view(*codes.shape[:-1], -1)


def _as_rows(made: dict[str, Array], problem: Problem, order: Callable[[Array], Array]) -> dict[str, Array]:
    if "residual" not in made:
        return made
    return {**made, "residual": np.ascontiguousarray(order(made["residual"])).reshape(problem.m, problem.n)}


def _with_sums(made: dict[str, Array], weights: Array) -> dict[str, Array]:
    return {**made, "b_sum": weights.sum(1, dtype=np.int32)} if "a_zero" in made else made


def _geometry(module: IntegerConv2d | PackedConv2d, image: Array) -> Convolution:
    size = module.filters.shape[1:3] if isinstance(module, IntegerConv2d) else module.shape[2:]
    pairs = (module.geometry[name] for name in ("stride", "padding", "dilation"))
    images, height, width, channels = image.shape
    return Convolution(images, height, width, channels, (int(size[0]), int(size[1])), *pairs)


def _host(value: Tensor) -> Array:
    host: Array = value.view(torch.uint16).numpy() if value.dtype == torch.bfloat16 else value.numpy()
    return host


# ---- what stands around products


def _zero(module: Static) -> int:
    return module.parameters_of_codes.zero_point


def _quantize(module: Quantize, x: Tensor) -> Tensor:
    codes = module.parameters_of_codes.codes(x.float().numpy())
    return torch.from_numpy(data_types.pack_s4(codes) if module.packed else codes)


def _dequantize(module: Dequantize, codes: Tensor) -> Tensor:
    values = numerics.dequantize(codes.numpy(), module.scale.numpy(), _zero(module))
    return torch.from_numpy(values).to(module.dtype)


def _attention(module: IntegerAttention, q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None = None) -> Tensor:
    tokens = (np.ascontiguousarray(one.transpose(1, 2).numpy()) for one in (q, k, v))
    counted = None if lengths is None else lengths.numpy()
    out = attention(*tokens, lengths=counted, **module.options)
    return torch.from_numpy(np.ascontiguousarray(out)).transpose(1, 2)


def _norm(module: LayerNormQuantize, x: Tensor) -> Array:
    rows = x.reshape(-1, x.shape[-1]).numpy()
    y = quantizers.layer_norm(rows, module.gamma.numpy(), module.beta.numpy(), module.eps)
    return y.reshape(x.shape)


def _static_norm(module: StaticLayerNorm, x: Tensor) -> tuple[Tensor, Tensor] | None:
    if x.dtype != torch.float32:
        return None
    y = _norm(module, x)
    return torch.from_numpy(module.codes.parameters_of_codes.codes(y)), torch.from_numpy(y)


def _dynamic_norm(module: DynamicLayerNorm, x: Tensor) -> tuple[Any, Tensor] | None:
    if x.dtype != torch.float32:
        return None
    y = _norm(module, x)
    rows = quantizers.quantize_dynamic(y.reshape(-1, y.shape[-1]), asymmetric=not module.symmetric)
    zero = None if rows.zero_point is None else torch.from_numpy(rows.zero_point).view(y.shape[:-1])
    scale = torch.from_numpy(rows.scale).view(y.shape[:-1])
    return (torch.from_numpy(rows.codes).view(y.shape), scale, zero), torch.from_numpy(y)


def _max_pool(module: MaxPool2d, codes: Tensor) -> Tensor:
    image = np.ascontiguousarray(codes.permute(0, 2, 3, 1).numpy())
    window, stride, padding = ((one[0], one[1]) for one in module.sizes)
    out = pooling.max_pool2d(image, pooling.windows_of(image.shape, window, stride, padding))
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _avg_pool(module: AvgPool2d, codes: Tensor) -> Tensor:
    image = np.ascontiguousarray(codes.permute(0, 2, 3, 1).numpy())
    window, stride, padding = ((one[0], one[1]) for one in module.windows(codes))
    geometry = pooling.windows_of(image.shape, window, stride, padding)
    given: dict[str, Any] = {"x_scale": np.float32(module.codes.scale.item()), "x_zero_point": _zero(module.codes)}
    given["count_include_pad"] = module.count_include_pad
    if module.output is None:
        out: Array = pooling.avg_pool2d_f32(image, geometry, **given)
    else:
        to: dict[str, Any] = {"scale": np.float32(module.output.scale.item()), "zero_point": _zero(module.output)}
        out = pooling.avg_pool2d(image, geometry, **given, **to)
    return torch.from_numpy(out).permute(0, 3, 1, 2)


_ORACLES: dict[type, Callable[..., Any]] = {
    IntegerConv2d: _product,
    PackedConv2d: _product,
    IntegerLinear: _product,
    PackedLinear: _product,
    Quantize: _quantize,
    Dequantize: _dequantize,
    IntegerAttention: _attention,
    StaticLayerNorm: _static_norm,
    DynamicLayerNorm: _dynamic_norm,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    AdaptiveAvgPool2d: _avg_pool,
}
