"""Quantized weights [N, K]: packed codes with their scales, zero points and steps, and what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench.data_types import Array
from immabench.errors import OperandError, UsageError
from immabench.numerics import check_scale
from immabench.packing.schemes import WeightScheme

INT8_LEAST, INT8_GREATEST = -128, 127


@dataclass(frozen=True, eq=False)
class QuantizedWeights:
    """Weights of `shape` (N, K). Raises OperandError, naming the array, for one that does not fit the scheme.

    `packed` uint8 [N, ceil(K / codes_per_byte)]; `scale` float32, positive: [1], [N] or [N, K / group] by granularity,
    [N] with steps; `zero` int8 [N] or [N, K / group] where the scheme is asymmetric; `step` int8 [N, K / group],
    positive, where it is two-level. Then `(code - zero) * step` fits int8 for every code, whatever is packed.
    """

    scheme: WeightScheme
    shape: tuple[int, int]
    packed: NDArray[np.uint8]
    scale: NDArray[np.float32]
    zero: NDArray[np.int8] | None = None
    step: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        check_group(self.scheme, self.shape[1])
        rows, columns = self.shape
        covered = self._covered(self.scheme.granularity)
        scaled = self._covered("channel") if self.scheme.two_level else covered
        _check_array("packed", self.packed, np.uint8, (rows, self.scheme.format.row_bytes(columns)))
        _check_array("scale", self.scale, np.float32, scaled)
        check_scale("scale", self.scale)
        _check_array("zero", self.zero, np.int8, None if self.scheme.symmetric else covered)
        _check_array("step", self.step, np.int8, covered if self.scheme.two_level else None)
        self._check_integers()

    def codes(self) -> NDArray[np.int8]:
        """The codes, int8 [N, K], one a byte."""
        return self.scheme.format.unpack(self.packed, self.shape[1])

    def integers(self) -> NDArray[np.int8]:
        """int8 [N, K], so that a weight is its integer times its scale: `(code - zero) * step`, exact.

        Raises UsageError for a format whose values are no integers.
        """
        if not self.scheme.format.integer:
            raise UsageError(
                f"{self.scheme.format.name} stands for fractions", "take values(), or a codebook of integers (nf4_s8)"
            )
        return self._unscaled().astype(np.int8)

    def values(self) -> NDArray[np.float32]:
        """The weights, float32 [N, K]: the exact value before the scale, times the scale, rounded once."""
        with np.errstate(over="ignore", under="ignore"):
            values: NDArray[np.float32] = self._unscaled() * self._spread(self.scale)
        return values

    def _unscaled(self) -> NDArray[np.float32]:
        zero = 0 if self.zero is None else self._spread(self.zero)
        decoded = self.scheme.format.decode(self.codes(), zero)
        return decoded if self.step is None else decoded * self._spread(self.step).astype(np.float32)

    def _spread(self, array: NDArray[Any]) -> NDArray[Any]:
        """One number a tensor, channel or group, as it broadcasts over [N, K]."""
        return np.repeat(array, self.scheme.group, axis=1) if array.ndim == 2 else array[:, None]

    def _covered(self, granularity: str) -> tuple[int, ...]:
        """The shape of one number for each of what `granularity` covers."""
        if granularity == "group":
            return (self.shape[0], self.shape[1] // self.scheme.group)
        return (self.shape[0] if granularity == "channel" else 1,)

    def _check_integers(self) -> None:
        """Whatever the codes: they are not looked at."""
        zero = np.zeros(1, np.int32) if self.zero is None else self.zero.astype(np.int32)
        least, greatest = self.scheme.format.code_range
        if self.zero is not None and not (least <= zero.min() and zero.max() <= greatest):
            raise OperandError(
                f"zero goes from {zero.min()} to {zero.max()}", f"{self.scheme.format.name} has {least} to {greatest}"
            )
        if self.step is None:
            return
        step = self.step.astype(np.int32)
        fits = (step > 0) & ((least - zero) * step >= INT8_LEAST) & ((greatest - zero) * step <= INT8_GREATEST)
        if not fits.all():
            at = np.unravel_index(int(np.argmin(fits)), fits.shape)
            raise OperandError(
                f"step[{at[0]},{at[1]}] is {step[at]}: (code - zero) * step leaves int8 for some code",
                "steps are positive and small enough for every code",
            )


def check_group(scheme: WeightScheme, k: int) -> None:
    """Raise UsageError unless the groups of `scheme` divide `k`."""
    if scheme.group and k % scheme.group:
        raise UsageError(
            f"{scheme.name}: groups of {scheme.group} do not divide K={k}", "choose a group that divides K"
        )


def _check_array(name: str, array: Array | None, dtype: type[np.generic], shape: tuple[int, ...] | None) -> None:
    if shape is None or array is None:
        if (shape is None) != (array is None):
            raise OperandError(
                f"{name} is {'missing' if array is None else 'given'}", "the scheme says which arrays there are"
            )
        return
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise OperandError(
            f"{name} is {array.dtype}{list(array.shape)}", f"the scheme has {np.dtype(dtype)}{list(shape)}"
        )
