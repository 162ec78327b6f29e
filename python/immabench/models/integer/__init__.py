"""Quantized models that compute with integers, layer by layer through `immabench.ops`. Importing this imports torch."""

from immabench.models.integer.lowering import lower
from immabench.models.integer.model import IntegerModel, Step

__all__ = ["IntegerModel", "Step", "lower"]
