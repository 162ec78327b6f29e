"""The table of operators: which writer each operator of ATen has. One line adds one."""

from __future__ import annotations

import operator
from typing import Any

import torch

from immabench.export import elementwise, products, reductions, shapes
from immabench.export.writer import OperatorWriter

_aten = torch.ops.aten
INFINITY = float("inf")

WRITERS: dict[Any, OperatorWriter] = {
    _aten.conv1d.default: products.convolution,
    _aten.conv1d.padding: products.convolution,
    _aten.conv2d.default: products.convolution,
    _aten.conv2d.padding: products.convolution,
    _aten.conv3d.default: products.convolution,
    _aten.linear.default: products.linear,
    _aten.matmul.default: reductions.matmul,
    _aten.bmm.default: reductions.matmul,
    _aten.mm.default: reductions.matmul,
    _aten.scaled_dot_product_attention.default: reductions.attention,
    _aten.softmax.int: reductions.softmax("Softmax"),
    _aten.log_softmax.int: reductions.softmax("LogSoftmax"),
    _aten.layer_norm.default: reductions.layer_norm,
    _aten.batch_norm.default: reductions.batch_norm,
    _aten.embedding.default: reductions.embedding,
    _aten.mean.dim: reductions.reduced("ReduceMean"),
    _aten.sum.dim_IntList: reductions.reduced("ReduceSum"),
    _aten.amax.default: reductions.reduced("ReduceMax"),
    _aten.amin.default: reductions.reduced("ReduceMin"),
    _aten.cumsum.default: reductions.cumulated,
    _aten.max_pool2d.default: reductions.max_pool,
    _aten.avg_pool2d.default: reductions.avg_pool,
    _aten.adaptive_avg_pool2d.default: reductions.adaptive_avg_pool,
    _aten.adaptive_max_pool2d.default: reductions.adaptive_max_pool,
    _aten.relu.default: elementwise.clamped(0.0, INFINITY),
    _aten.relu6.default: elementwise.clamped(0.0, 6.0),
    _aten.hardtanh.default: elementwise.clamp,
    _aten.clamp.default: elementwise.clamp,
    _aten.gelu.default: elementwise.gelu,
    _aten.silu.default: elementwise.silu,
    _aten.hardsigmoid.default: elementwise.hardsigmoid,
    _aten.hardswish.default: elementwise.unary("HardSwish"),
    _aten.leaky_relu.default: elementwise.leaky_relu,
    _aten.rsqrt.default: elementwise.reciprocal_root,
    _aten.where.self: elementwise.chosen,
    _aten.masked_fill.Scalar: elementwise.masked,
    _aten.masked_fill.Tensor: elementwise.masked,
    _aten.logical_not.default: elementwise.logical("Not"),
    _aten.bitwise_not.default: elementwise.logical("Not"),
    _aten.__and__.Tensor: elementwise.logical("And"),
    _aten.bitwise_and.Tensor: elementwise.logical("And"),
    _aten.logical_and.default: elementwise.logical("And"),
    _aten.__or__.Tensor: elementwise.logical("Or"),
    _aten.bitwise_or.Tensor: elementwise.logical("Or"),
    _aten.logical_or.default: elementwise.logical("Or"),
    _aten.permute.default: shapes.permuted,
    _aten.transpose.int: shapes.permuted,
    _aten.t.default: shapes.permuted,
    _aten.unsqueeze.default: shapes.unsqueezed,
    _aten.slice.Tensor: shapes.sliced,
    _aten.select.int: shapes.selected,
    _aten.expand.default: shapes.expanded,
    _aten.pad.default: shapes.padded,
    _aten.constant_pad_nd.default: shapes.padded,
    _aten.cat.default: shapes.concatenated,
    _aten.gather.default: shapes.gathered,
    _aten.index.Tensor: shapes.indexed,
    _aten.sym_size.int: shapes.size_of,
    operator.getitem: shapes.item,
}

for _operators, _writer in (
    ((_aten.contiguous.default, _aten.clone.default, _aten.detach.default, _aten.alias.default), shapes.same),
    ((_aten.dropout.default,), shapes.same),
    ((_aten.view.default, _aten.reshape.default, _aten.flatten.using_ints), shapes.reshaped),
    ((_aten.squeeze.default, _aten.squeeze.dim, _aten.squeeze.dims), shapes.squeezed),
    ((_aten.split.Tensor, _aten.split_with_sizes.default, _aten.chunk.default), shapes.chunks),
    ((_aten.arange.default, _aten.arange.start, _aten.arange.start_step), shapes.counted),
    ((_aten.full.default, _aten.ones.default, _aten.zeros.default), shapes.filled),
    ((_aten.full_like.default, _aten.ones_like.default, _aten.zeros_like.default), shapes.filled),
    ((_aten.new_full.default, _aten.new_ones.default, _aten.new_zeros.default), shapes.filled),
    ((_aten.to.dtype, _aten.to.dtype_layout, _aten.to.device, _aten.type_as.default), elementwise.converted),
):
    WRITERS.update(dict.fromkeys(_operators, _writer))

for _name in ("Tanh", "Sigmoid", "Exp", "Log", "Sqrt", "Neg", "Abs", "Erf", "Sin", "Cos"):
    WRITERS[getattr(_aten, _name.lower()).default] = elementwise.unary(_name)

for _name in ("Add", "Sub", "Mul", "Div"):
    for _overload in ("Tensor", "Scalar"):
        WRITERS[getattr(getattr(_aten, _name.lower()), _overload)] = elementwise.binary(_name)

WRITERS[_aten.rsub.Scalar] = elementwise.binary("Sub", turned=True)
WRITERS[_aten.pow.Tensor_Scalar] = elementwise.binary("Pow")
WRITERS[_aten.maximum.default] = elementwise.binary("Max")
WRITERS[_aten.minimum.default] = elementwise.binary("Min")

for _aten_name, _name in (("eq", "Equal"), ("lt", "Less"), ("le", "LessOrEqual"), ("gt", "Greater")):
    for _overload in ("Tensor", "Scalar"):
        WRITERS[getattr(getattr(_aten, _aten_name), _overload)] = elementwise.comparison(_name)
WRITERS[_aten.ge.Tensor] = WRITERS[_aten.ge.Scalar] = elementwise.comparison("GreaterOrEqual")

for _target, (_name, _function) in shapes.SIZES.items():
    WRITERS[_target] = shapes.of_sizes(_name, _function)
