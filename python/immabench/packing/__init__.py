"""Low-precision weights [N, K]: formats of codes, schemes of scales, quantization, checkpoints, orders for kernels."""

from __future__ import annotations

from immabench.packing.checkpoints import from_awq, from_gptq
from immabench.packing.formats import WEIGHT_FORMATS, WeightFormat, codebook_format
from immabench.packing.fragments import FRAGMENT_LAYOUTS, FragmentMajor
from immabench.packing.groups import float_group_affine, group_affine, group_rows
from immabench.packing.quantizer import quantize_weights
from immabench.packing.schemes import WEIGHT_SCHEMES, WeightScheme, weight_scheme
from immabench.packing.weights import QuantizedWeights

__all__ = [
    "FRAGMENT_LAYOUTS",
    "WEIGHT_FORMATS",
    "WEIGHT_SCHEMES",
    "FragmentMajor",
    "QuantizedWeights",
    "WeightFormat",
    "WeightScheme",
    "codebook_format",
    "float_group_affine",
    "from_awq",
    "from_gptq",
    "group_affine",
    "group_rows",
    "quantize_weights",
    "weight_scheme",
]
