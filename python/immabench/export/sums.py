"""Integers that an engine adds to sums of products: biases as int32, and codes of a convolution before a residual.

docs/export.md derives by how much a result may differ for them.
"""

from __future__ import annotations

import numpy as np

from immabench.export.weights import IntegerWeights
from immabench.quantize.schemes import QuantizationParameters, TensorScheme, ValueRange

MOST_INT32 = 2**31 - 1

CODES_OF_SUMS = TensorScheme(bits=8, symmetric=False)


def bias_codes(
    bias: np.ndarray, scale: np.float32, integers: IntegerWeights, inputs: QuantizationParameters
) -> tuple[np.ndarray, np.ndarray] | None:
    """`bias` [N] as int32 in steps of the product, and the steps float32, [N] or a scalar: input scale * weight's.

    None where a sum with it might overflow int32, whatever the input, or where a step is no normal float32.
    """
    steps = scale * integers.scale
    if (steps < np.finfo(np.float32).tiny).any() or not np.isfinite(steps).all():
        return None
    codes = np.rint(bias.astype(np.float64) / steps)
    farthest = max(inputs.zero_point - inputs.qmin, inputs.qmax - inputs.zero_point, 1)
    magnitudes = np.abs(integers.codes.astype(np.int64)).reshape(len(bias), -1).sum(1)
    if (np.abs(codes) + magnitudes * farthest > MOST_INT32).any():
        return None
    return codes.astype(np.int32), np.asarray(steps, np.float32)


def sum_parameters(
    output: QuantizationParameters, residual: QuantizationParameters, rectified: bool
) -> QuantizationParameters:
    """Scale and zero point of what a residual is added to, without having seen it.

    With outputs of [low, high] and residuals of [least, most], a sum below `low - most` or above `high - least` gives
    the least or the greatest output whatever is added, so that codes of that range lose nothing but their rounding.
    """
    low, high = ends(output)
    least, most = ends(residual)
    low = max(low, 0.0) if rectified else low
    return CODES_OF_SUMS.parameters(ValueRange(low - most, high - least))


def ends(with_: QuantizationParameters) -> tuple[float, float]:
    """The least and the greatest value that codes stand for."""
    return (with_.qmin - with_.zero_point) * with_.scale, (with_.qmax - with_.zero_point) * with_.scale
