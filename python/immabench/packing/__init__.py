"""Low-precision weights [N, K]: formats of codes, schemes of scales, quantization."""

from __future__ import annotations

from immabench.packing.formats import WEIGHT_FORMATS, WeightFormat, codebook_format
from immabench.packing.quantizer import quantize_weights
from immabench.packing.schemes import WEIGHT_SCHEMES, WeightScheme, weight_scheme
from immabench.packing.weights import QuantizedWeights

__all__ = [
    "WEIGHT_FORMATS",
    "WEIGHT_SCHEMES",
    "QuantizedWeights",
    "WeightFormat",
    "WeightScheme",
    "codebook_format",
    "quantize_weights",
    "weight_scheme",
]
