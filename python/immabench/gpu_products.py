"""Exact products for the oracle, in float64 on the GPU that a process launches on: milliseconds instead of seconds.

Every partial sum that the oracle asks for is a whole multiple of one unit below 2^53, so that float64 holds it and no
order of adding matters. What multiplies is the vendor's library in another type than any that is verified.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_MACS, LEAST_ELEMENTS = 1 << 30, 1 << 24
"""Of a product, or of one of its matrices: smaller ones are the CPU's, as are those of every kernel's edges."""


def product_on_gpu(a: NDArray[Any], b: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any] | None:
    """`a[M,K] @ b[N,K]^T` in `dtype`; None where it is small, or this process has launched on no GPU."""
    torch = sys.modules.get("torch")
    large = max(a.size, b.size) >= LEAST_ELEMENTS or a.size * b.shape[0] >= LEAST_MACS
    if torch is None or not large or not torch.cuda.is_initialized():
        return None
    left, right = (torch.from_numpy(np.ascontiguousarray(values)).cuda().double() for values in (a, b))
    total: NDArray[Any] = (left @ right.T).cpu().numpy()
    return total.astype(dtype, copy=False)
