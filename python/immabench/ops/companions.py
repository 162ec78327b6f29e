"""What the operators of the kernels around a GEMM share: checks of tensors, and from tensors to a launch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from immabench.data_types import Array
from immabench.errors import OperandError, UsageError
from immabench.kernels import (
    CompanionConfig,
    CompanionShape,
    any_config,
    choose_companion,
    companion_illegal_reason,
    native,
)
from immabench.numerics import check_scale
from immabench.ops.epilogue import DTYPES, NAMES, expect
from immabench.ops.launching import EMULATED, expect_one_device
from immabench.ops.watching import tell
from immabench.providers.torch_tensors import to_numpy

FLOATS = tuple(DTYPES[name] for name in ("f32", "f16", "bf16"))
"""dtypes that are quantized, and that codes become again."""


def compute(
    family: str,
    shape: CompanionShape,
    inputs: Mapping[str, Tensor | None],
    outputs: Mapping[str, Tensor],
    options: Mapping[str, Any],
    kernel: str,
) -> None:
    """Fill `outputs`: on a GPU by the family's kernel on the current stream, on the CPU natively, or emulated where
    `kernel` says so.

    Names are those of the native module's calls. Raises OperandError for values that a CPU can look at, UsageError for
    a kernel that cannot compute this.
    """
    given = {name: tensor.contiguous() for name, tensor in inputs.items() if tensor is not None}
    expect_one_device({**given, **outputs})
    if next(iter(outputs.values())).is_cuda:
        _launch(family, shape, {**given, **outputs}, options, kernel)
    elif kernel:
        _emulate(family, shape, given, outputs, options, kernel)
    else:
        _compute(family, {**given, **outputs}, options)


def _compute(family: str, tensors: Mapping[str, Tensor], options: Mapping[str, Any]) -> None:
    """By the native pass, which looks at the values itself: what is wrong with them is said as everywhere."""
    tell(f"cpu:{family}")
    run = getattr(native(), f"compute_{family}")
    try:
        run(**{name: tensor.detach() for name, tensor in tensors.items()}, **options, threads=torch.get_num_threads())
    except ValueError:
        _check_values({name: to_numpy(tensor) for name, tensor in tensors.items()})
        raise


def _emulate(
    family: str,
    shape: CompanionShape,
    inputs: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    options: Mapping[str, Any],
    kernel: str,
) -> None:
    arrays = {name: to_numpy(tensor) for name, tensor in inputs.items()}
    _check_values(arrays)
    filled = {name: to_numpy(tensor) for name, tensor in outputs.items()}
    emulate = getattr(native(), f"emulate_{family}")
    emulate(_told(_config(family, shape, kernel)), **arrays, **filled, **options)


def _launch(
    family: str, shape: CompanionShape, tensors: Mapping[str, Tensor], options: Mapping[str, Any], kernel: str
) -> None:
    with torch.cuda.device(next(iter(tensors.values())).device):
        stream = int(torch.cuda.current_stream().cuda_stream)
        launch = getattr(native(), f"launch_{family}")
        launch(_told(_config(family, shape, kernel)), **tensors, **options, stream=stream)


def _config(family: str, shape: CompanionShape, kernel: str) -> CompanionConfig:
    """The configuration that is named, or that is chosen. Raises UsageError for one that cannot compute this."""
    if kernel in ("", EMULATED):
        return choose_companion(family, shape)
    config = any_config(kernel)
    if not isinstance(config, CompanionConfig) or config.family != family:
        raise UsageError(f"{kernel} computes {config.family}, not {family}", "leave kernel out")
    reason = companion_illegal_reason(config, shape)
    if reason:
        raise UsageError(f"{kernel} cannot compute this: {reason}", "leave kernel out")
    return config


def _told(config: CompanionConfig) -> str:
    tell(config.id)
    return config.id


def _check_values(arrays: Mapping[str, Array]) -> None:
    """Raise UsageError for a scale that is not positive and finite, or a zero point that is no code."""
    for name, values in arrays.items():
        if name.endswith("scale"):
            check_scale(name, values)
        if name.endswith("zero_point") and (values.min() < -128 or values.max() > 127):
            raise UsageError(f"{name} holds {values.min()} to {values.max()}", "zero points lie in -128..127")


def matrix_shape(name: str, tensor: Tensor, codes_a_byte: int = 1) -> tuple[int, int]:
    """(rows, columns) of a tensor whose last dimension is that of columns. Raises OperandError for one without."""
    if tensor.ndim < 1 or tensor.numel() == 0:
        raise OperandError(f"{name} has shape {list(tensor.shape)}", "pass [.., columns] with at least one element")
    return tensor.numel() // tensor.shape[-1], tensor.shape[-1] * codes_a_byte


def expect_scale(name: str, scale: Tensor | None, shape: tuple[int, ...] = (1,)) -> None:
    """Raise OperandError unless `scale` is float32 of `shape`, or absent."""
    expect(name, scale, (torch.float32,), [shape])


def expect_zero_point(name: str, zero_point: Tensor | None, shape: tuple[int, ...] = (1,)) -> None:
    """Raise OperandError unless `zero_point` is int32 of `shape`, or absent."""
    expect(name, zero_point, (torch.int32,), [shape])


def code_range(qmin: int | None, qmax: int | None, whole: tuple[int, int] = (-128, 127)) -> tuple[int, int]:
    """The range asked for, or the whole of the codes. Raises UsageError for one that is none."""
    low, high = whole[0] if qmin is None else qmin, whole[1] if qmax is None else qmax
    if not whole[0] <= low <= high <= whole[1]:
        raise UsageError(
            f"[{low}, {high}] is not a range of codes", f"take qmin and qmax within {whole[0]}..{whole[1]}"
        )
    return low, high


def float_name(tensor: Tensor) -> str:
    """The name of a float tensor's type: f32, f16 or bf16."""
    return NAMES[tensor.dtype]


def absent(like: Tensor, dtype: torch.dtype) -> Tensor:
    """What stands for an output that was not asked for: an operator returns tensors alone."""
    return like.new_empty(0, dtype=dtype)
