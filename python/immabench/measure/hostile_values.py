"""Values that quantization trips over: ties and their neighbours, magnitudes of all sizes, and what is no number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.data_types import round_to
from immabench.operands import aligned
from immabench.quantizers import Array, round_stored

Generator = np.random.Generator

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-40, 2e-38, 3.4e38, -3.4e38, 65504, 6e-8)
"""No ordinary numbers, and the ends of the ranges of fp32 and f16."""


def hostile(generator: Generator, shape: tuple[int, ...], data_type: str, scale: Any = 0.1) -> Array:
    """Floats of a type, [rows, columns]: ties of `scale`, which broadcasts, with the numbers beside them, a spread of
    magnitudes, and `SPECIAL` in places."""
    steps = generator.integers(-200, 200, shape).astype(np.float32)
    ties = (steps + np.float32(0.5)) * np.asarray(scale, np.float32)
    nudged = np.nextafter(ties, generator.choice(np.array([-np.inf, np.inf], np.float32), shape))
    spread = (generator.normal(size=shape) * 10.0 ** generator.uniform(-8, 6, shape)).astype(np.float32)
    kinds = np.stack([ties, nudged, spread, generator.choice(np.array(SPECIAL, np.float32), shape)])
    chosen = generator.choice(len(kinds), (1, *shape), p=[0.3, 0.3, 0.3, 0.1])
    return aligned(round_stored(data_type, np.take_along_axis(kinds, chosen, axis=0)[0]))


def scales(generator: Generator, count: int) -> NDArray[np.float32]:
    """Positive numbers over many decades."""
    drawn: NDArray[np.float32] = aligned((10.0 ** generator.uniform(-6, 3, count)).astype(np.float32))
    return drawn


def zero_points(generator: Generator, count: int) -> NDArray[np.int32]:
    """Zero points over all of int8."""
    drawn: NDArray[np.int32] = aligned(generator.integers(-128, 128, count).astype(np.int32))
    return drawn


def normal(generator: Generator, shape: tuple[int, ...], data_type: str = "f32") -> Array:
    """Standard normal values of a type."""
    return aligned(round_to(data_type, generator.normal(size=shape).astype(np.float32)))


def rows_to_normalise(generator: Generator, shape: tuple[int, ...], data_type: str, tame: bool = False) -> Array:
    """Rows around 3; the last has no variance, and unless `tame` one of three or more is hostile."""
    x = generator.normal(3, 2, shape).astype(np.float32)
    x[-1] = x[-1, 0]
    if not tame and shape[0] > 2:
        x[1] = hostile(generator, (1, shape[1]), "f32")[0]
    return aligned(round_stored(data_type, x))
