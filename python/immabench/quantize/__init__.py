"""The quantization library: what ranges values have, the scales that follow, and models that compute with them.

Importing this imports torch.
"""

from immabench.quantize.calibrators import CALIBRATORS, calibrate
from immabench.quantize.histogram import Histogram
from immabench.quantize.observer import Observer
from immabench.quantize.schemes import QuantizationParameters, TensorScheme, ValueRange

__all__ = [
    "CALIBRATORS",
    "Histogram",
    "Observer",
    "QuantizationParameters",
    "TensorScheme",
    "ValueRange",
    "calibrate",
]
