"""Between numpy operands and torch tensors, bit for bit. torch is imported when a tensor is made."""

from __future__ import annotations

from typing import Any

import numpy as np

from immabench.data_types import Array
from immabench.errors import ImmabenchError, MissingHardwareError

TORCH_TYPES = {
    "s8": "int8",
    "s32": "int32",
    "e4m3": "float8_e4m3fn",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
}
"""The attribute of torch that names each data type."""


def require_torch() -> Any:
    """The module torch. Raises ImmabenchError, with the remedy, where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ImmabenchError(f"torch cannot be imported ({error})", "pip install 'immabench[models]'") from error
    return torch


def torch_device(kind: str) -> Any:
    """torch's device of a kind. Raises MissingHardwareError where torch itself has no CUDA device."""
    torch = require_torch()
    if kind == "cuda" and not torch.cuda.is_available():
        raise MissingHardwareError(
            "torch has no CUDA device", "install a CUDA build of torch, or run with --device cpu"
        )
    return torch.device(kind)


def to_tensor(values: Array | None, device: Any, data_type: str = "") -> Any:
    """The same bits on `device`, None for None. `data_type` "bf16" and "e4m3" read bits as such numbers."""
    import torch

    if values is None:
        return None
    if data_type == "bf16":
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16).to(device)
    if data_type == "e4m3":
        return torch.from_numpy(values).view(torch.float8_e4m3fn).to(device)
    return torch.from_numpy(values).to(device)


def to_numpy(tensor: Any) -> Array:
    """The same bits as a numpy array; bfloat16 as uint16."""
    import torch

    values = tensor.detach().cpu()
    bits: Array = values.view(torch.int16).numpy().view(np.uint16) if values.dtype == torch.bfloat16 else values.numpy()
    return bits


def shared_tensor(values: Any, data_type: str = "") -> Any:
    """A buffer as a torch tensor over the same memory: numpy arrays are wrapped, tensors are what they are."""
    return to_tensor(values, "cpu", data_type) if isinstance(values, np.ndarray) else values
