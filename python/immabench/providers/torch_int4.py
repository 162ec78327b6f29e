"""torch's int4 matmul (W4A16): int4 weights with group scales, packed once, multiplied by bf16 activations.

The kernels dequantize to `code * scale + zero`, sum in fp32 and round to bf16 once; a bias is added and rounded after
that. Their result is a new tensor, copied into the output. Scales here have no zeros beside them: the problem is
symmetric, and torch reads zeros.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from immabench.errors import ImmabenchError
from immabench.problems import WITHOUT_QUANTIZATION, Problem
from immabench.providers.base import Emulation
from immabench.providers.buffers import Buffers
from immabench.providers.torch_tensors import shared_tensor

GROUPS = (128, 64, 32)
"""Group sizes tried, the largest that divides K being taken; torch knows 256 too."""

K_TILE = 16
"""Elements of K in one tile of the packed format on CUDA, which holds 2, 4 or 8 of them together: a group's worth."""

N_MULTIPLE = {"cpu": 16, "cuda": 8}
"""What N must be a multiple of: the packing step on the CPU refuses others; on CUDA the packed tile is 8 wide."""

OPERATIONS = {
    "cpu": ("_convert_weight_to_int4pack_for_cpu", "_weight_int4pack_mm_for_cpu"),
    "cuda": ("_convert_weight_to_int4pack", "_weight_int4pack_mm"),
}
"""torch's operations that pack and multiply, by device."""


def illegal_reason(problem: Problem, device: str) -> str | None:
    """Why torch's int4 kernels do not take a shape, None when they do."""
    if problem.conv:
        return "torch's int4 weights multiply matrices, not images"
    if problem.batch > 1:
        return "torch multiplies by int4 weights one product at a time"
    if _group(problem.k) is None:
        return f"torch's int4 groups are {', '.join(map(str, GROUPS))} or 256 elements of K, and none divides K"
    if problem.n % N_MULTIPLE[device]:
        return f"torch packs int4 weights on {device} with N in multiples of {N_MULTIPLE[device]}"
    return None


def int4_problem(problem: Problem) -> Problem:
    """`problem` as torch's int4 kernels compute it: bf16 activations and output, s4 weights with group scales."""
    group = _group(problem.k)
    groups = {"b_group": group, "b_scale": "float"} if group else {}
    return replace(
        problem,
        a_type="bf16",
        b_type="s4",
        output_type="bf16",
        **{**WITHOUT_QUANTIZATION, **groups},
    )


def _group(k: int) -> int | None:
    return next((group for group in GROUPS if k % group == 0), None)


class Int4Product:
    """The weights in torch's packed format, and the product with them; both halves launch from the buffers."""

    def __init__(self, buffers: Buffers) -> None:
        import torch

        self._torch, self._group, self._on_cuda = torch, buffers.problem.b_group, buffers.device_kind == "cuda"
        self._a = shared_tensor(buffers.a, "bf16")
        self._b, self._group_scale = shared_tensor(buffers.b), shared_tensor(buffers.group_scale, "bf16")
        self._bias, self._out = shared_tensor(buffers.bias, "bf16"), shared_tensor(buffers.out, "bf16")
        self._convert, self._mm = (_operation(name) for name in OPERATIONS[buffers.device_kind])
        self._packed: Any = None
        self._scale_and_zero: Any = None

    def pack(self) -> None:
        """Rearrange weights and scales as they are now."""
        codes = self._torch_codes()
        self._packed = self._convert(codes, self._group // K_TILE)
        scale = self._group_scale.t()
        self._scale_and_zero = self._torch.stack((scale, self._torch.zeros_like(scale)), dim=-1)

    def multiply(self) -> None:
        """The product of the activations as they are now with what was packed, and the bias, into the output."""
        result = self._mm(self._a, self._packed, self._group, self._scale_and_zero)
        if self._bias is None:
            self._out.copy_(result)
        else:
            self._torch.add(result, self._bias, out=self._out)

    def _torch_codes(self) -> Any:
        """Our codes plus 8, as torch takes them: two a byte, high nibble first, on CUDA; on the CPU int32 [N, K]."""
        if self._on_cuda:
            return ((self._b << 4) | (self._b >> 4)) ^ 0x88
        nibbles = self._torch.stack((self._b & 0xF, self._b >> 4), dim=-1)
        return (nibbles ^ 0x8).reshape(self._b.shape[0], -1).to(self._torch.int32)


def _operation(name: str) -> Any:
    """An operation of torch. Raises ImmabenchError where this torch has none of that name."""
    import torch

    try:
        return getattr(torch.ops.aten, name)
    except AttributeError as error:
        raise ImmabenchError(f"torch {torch.__version__} has no {name}", "pip install 'torch>=2.6'") from error


class Int4Launch:
    """The product from weights packed when it was prepared."""

    timed = True
    emulation: Emulation | None = None

    def __init__(self, buffers: Buffers) -> None:
        self.backend = f"torch-{buffers.device_kind}:{OPERATIONS[buffers.device_kind][1]}"
        self._product = Int4Product(buffers)
        self._product.pack()

    def launch(self) -> None:
        self._product.multiply()


class Int4Packing:
    """The packing as a step of its own: from two codes a byte and [N, K / group] scales to torch's formats."""

    timed = True
    emulation: Emulation | None = None
    packs_also = ("group_scale",)

    def __init__(self, buffers: Buffers) -> None:
        self.backend = f"torch-{buffers.device_kind}:{OPERATIONS[buffers.device_kind][0]}"
        self._product = Int4Product(buffers)

    def launch(self) -> None:
        self._product.pack()

    def multiply(self) -> None:
        self._product.multiply()
