"""What the operators of products have in common: the schema of what follows the sums, and how one is registered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from immabench.ops.dispatching import is_eager
from immabench.ops.epilogue import Epilogue, TensorKind, dtype_of
from immabench.ops.launching import Product, expect_one_device, launch
from immabench.problems import Problem

KEPT_CALLS = 1024
"""Kinds of calls of an operator whose checks are kept: more than a model has layers, at several batches."""

EPILOGUE_SCHEMA = (
    "Tensor? row_scale=None, Tensor? col_scale=None, Tensor? bias=None, Tensor? a_zero=None, Tensor? b_sum=None, "
    "Tensor? residual=None, Tensor? residual_scale=None, Tensor? residual_zero=None, Tensor? out_scale=None, "
    "Tensor? out_zero=None, str output_type='s32', str activation='none', str kernel='', "
    "Tensor? panels=None"
)
"""The fields of `Epilogue` in their order; torch hands them over in their places, but for defaults at the end."""


OwnOperands = tuple[Any, ...]
"""An operator's own operands in their places, without what follows the sums."""

State = Callable[..., Problem]
"""Of an operator's own operands, as tensors or their kinds, and the `Epilogue`: the problem. Raises OperandError and
UsageError."""

Matrices = Callable[[OwnOperands], Product]
"""The operands of the product among an operator's own."""


class Stated(NamedTuple):
    """What a call is, once it is known to be right."""

    problem: Problem
    out_shape: list[int]


def plain_matrices(own: OwnOperands) -> Product:
    """Two matrices, or an image and filters, in front."""
    return Product(own[0], own[1], {})


def register(
    name: str,
    operands: str,
    state: State,
    out_shape: Callable[..., list[int]],
    matrices: Matrices = plain_matrices,
) -> Callable[..., Tensor]:
    """Make `torch.ops.immabench.<name>`, whose schema is that of its `operands` and of an epilogue, and give the
    function to call it by: the operands in their places, the epilogue by name.

    `out_shape` of the operands is the output's shape; a fake kernel knows no more.
    """
    count = operands.count(",") + 1
    schema = f"({operands}, {EPILOGUE_SCHEMA}) -> Tensor"

    @functools.lru_cache(maxsize=KEPT_CALLS)
    def stated(*kinds: Any) -> Stated:
        own, epilogue = kinds[:count], Epilogue(*kinds[count:])
        problem, shape = state(*own, epilogue), out_shape(*own)
        epilogue.check(problem, shape)
        a, b, packed = matrices(own)
        expect_one_device({"a": a, "b": b, **epilogue.vectors(), "residual": epilogue.residual, **packed})
        return Stated(problem, shape)

    def compute(*arguments: Any) -> Tensor:
        call, epilogue = stated(*map(kind_of, arguments)), Epilogue(*arguments[count:])
        return launch(call.problem, matrices(arguments[:count]), epilogue, call.out_shape)

    def fake(*arguments: Any) -> Tensor:
        own, epilogue = arguments[:count], Epilogue(*arguments[count:])
        out: Tensor = own[0].new_empty(out_shape(*own), dtype=dtype_of(epilogue.output_type))
        return out

    operator = torch.library.custom_op(f"immabench::{name}", compute, mutates_args=(), schema=schema)
    operator.register_fake(fake)
    registered = getattr(torch.ops.immabench, name)

    def call(*own: Any, **epilogue: Any) -> Tensor:
        if is_eager(own[0]):
            return compute(*own, *Epilogue(**epilogue))
        out: Tensor = registered(*own, **epilogue)
        return out

    return call


def kind_of(argument: Any) -> Any:
    """What a call's checks are kept by: of tensors their kinds, of lists tuples, others as they are."""
    if argument is None or argument.__class__ is str:
        return argument  # most are, and the test of a tensor takes longer
    if isinstance(argument, Tensor):
        return TensorKind(argument.dtype, argument.shape, argument.device)
    return tuple(argument) if isinstance(argument, list) else argument
