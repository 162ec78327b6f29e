"""Products on the CPU by torch, the bits of the kernels: `torch._int_mm` of whatever integers the weights stand for.

Only sums that kernels add up in floats, of weights beside f16 and bf16, have no specified bits (docs/numerics.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from immabench.ops.packed_codes import float_weights, integer_weights, unpack_s4
from immabench.providers.torch_conv import IntegerConvolution
from immabench.providers.torch_epilogue import TorchEpilogue
from immabench.providers.torch_matmul import IntegerLaunch

if TYPE_CHECKING:
    from immabench.ops.launching import TensorBuffers


def compute_exactly(buffers: TensorBuffers, packed: dict[str, Tensor]) -> None:
    """Fill the output of `buffers`, whose weights may be `packed` as kernels take them."""
    problem = buffers.problem
    if not problem.is_integer:
        _multiply_floats(buffers, float_weights(problem, packed) if packed else buffers.b)
    elif not problem.has_integer_sum:
        _multiply_groups(buffers, packed)
    else:
        if packed:
            buffers.b = integer_weights(problem, packed)
        elif problem.a_type == "s4":
            buffers.a, buffers.b = (unpack_s4(matrix) for matrix in (buffers.a, buffers.b))
        (IntegerConvolution if problem.conv else IntegerLaunch)(buffers).launch()  # type: ignore[arg-type]


def _multiply_floats(buffers: TensorBuffers, weights: Tensor) -> None:
    epilogue = TorchEpilogue(buffers)  # type: ignore[arg-type]
    torch.matmul(buffers.a.float(), weights.float().transpose(-1, -2), out=epilogue.total)
    epilogue.launch()


def _multiply_groups(buffers: TensorBuffers, packed: dict[str, Tensor]) -> None:
    """Sums of groups are exact; each is scaled and added in the order of K, product and sum rounded once each."""
    problem, epilogue = buffers.problem, TorchEpilogue(buffers)  # type: ignore[arg-type]
    weights, group = integer_weights(problem, packed), problem.b_group
    epilogue.total.zero_()
    for index, scale in enumerate(packed["group_scale"][:, : problem.n]):
        columns = slice(index * group, (index + 1) * group)
        part = torch._int_mm(buffers.a[:, columns].contiguous(), weights[:, columns].contiguous().t())
        epilogue.total.add_(part.float().mul_(scale))
    epilogue.launch()
