"""What the operators of products have in common: the schema of what follows the sums, and how one is registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from immabench.ops.epilogue import Epilogue, dtype_of
from immabench.ops.launching import Product, launch

EPILOGUE_SCHEMA = (
    "Tensor? row_scale=None, Tensor? col_scale=None, Tensor? bias=None, Tensor? a_zero=None, Tensor? b_sum=None, "
    "Tensor? residual=None, Tensor? residual_scale=None, Tensor? residual_zero=None, Tensor? out_scale=None, "
    "Tensor? out_zero=None, str output_type='s32', str activation='none', str kernel=''"
)
"""The fields of `Epilogue` in their order; torch hands them over in their places, but for defaults at the end."""


State = Callable[..., Product]
"""Of an operator's own operands and the `Epilogue`: the call. Raises OperandError and UsageError."""


def register(name: str, operands: str, state: State, out_shape: Callable[..., list[int]]) -> None:
    """Make `torch.ops.immabench.<name>`, whose schema is that of its `operands` and of an epilogue.

    `out_shape` of the operands is the output's shape; a fake kernel knows no more.
    """
    count = operands.count(",") + 1
    schema = f"({operands}, {EPILOGUE_SCHEMA}) -> Tensor"

    def compute(*arguments: Any) -> Tensor:
        own, epilogue = arguments[:count], Epilogue(*arguments[count:])
        return launch(state(*own, epilogue), epilogue, out_shape(*own))

    def fake(*arguments: Any) -> Tensor:
        own, epilogue = arguments[:count], Epilogue(*arguments[count:])
        out: Tensor = own[0].new_empty(out_shape(*own), dtype=dtype_of(epilogue.output_type))
        return out

    operator = torch.library.custom_op(f"immabench::{name}", compute, mutates_args=(), schema=schema)
    operator.register_fake(fake)
