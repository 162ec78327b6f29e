"""The project's epilogue in steps of torch, for competitors that stop at the int32 sums: the same bits."""

from __future__ import annotations

from typing import Any

from immabench.providers.buffers import Buffers
from immabench.providers.torch_tensors import shared_tensor


class TorchEpilogue:
    """Scales, bias and rounding as separate fp32 operations (docs/numerics.md), from `total` into the buffers' output.

    `total` is int32 [M,N] for the competitor to fill: the output itself where that is int32, and nothing is left to do.
    """

    def __init__(self, buffers: Buffers) -> None:
        import torch

        problem = buffers.problem
        self._out = shared_tensor(buffers.out, problem.output_type)
        self._row = _column(shared_tensor(buffers.row_scale))
        self._col, self._bias = shared_tensor(buffers.col_scale), shared_tensor(buffers.bias)
        self._mul = torch.mul
        shape, device = (problem.m, problem.n), self._out.device
        bare = problem.output_type == "s32"
        self.total = self._out if bare else torch.empty(shape, dtype=torch.int32, device=device)
        self._value = None if bare else torch.empty(shape, dtype=torch.float32, device=device)

    def launch(self) -> None:
        """Queue the steps on the current stream."""
        if self._value is None:
            return
        if self._row is None:
            self._value.copy_(self.total)
        else:
            self._mul(self.total, self._row, out=self._value)
        if self._col is not None:
            self._value.mul_(self._col)
        if self._bias is not None:
            self._value.add_(self._bias)
        self._out.copy_(self._value)


def _column(scale: Any) -> Any:
    """[M] as [M,1]; [1] and None as they are."""
    return scale if scale is None else scale.reshape(-1, 1)
