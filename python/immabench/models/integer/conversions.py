"""Between floats and codes, where a product's epilogue does not: modules by `immabench.ops`."""

from __future__ import annotations

import torch
from torch import Tensor

from immabench import ops
from immabench.models.integer.products import TYPES, Codes
from immabench.quantize.schemes import QuantizationParameters, TensorScheme
from immabench.quantize.weights import scheme_parameters


class Static(torch.nn.Module):
    """Holds a scale and a zero point."""

    def __init__(self, parameters: QuantizationParameters) -> None:
        super().__init__()
        self.parameters_of_codes, self.kernel = parameters, ""
        self.register_buffer("scale", torch.tensor([parameters.scale], dtype=torch.float32))
        zero = torch.tensor([parameters.zero_point], dtype=torch.int32) if parameters.zero_point else None
        self.register_buffer("zero_point", zero)


class Quantize(Static):
    """Floats to int8 codes; those of 4 bits two a byte where `packed`, as int4 products read them."""

    def __init__(self, parameters: QuantizationParameters, packed: bool = False) -> None:
        super().__init__(parameters)
        self.packed = packed

    def forward(self, x: Tensor) -> Tensor:
        """Codes of the shape and the order in memory of an image's channels last."""
        last = channels_last(x)
        with_ = self.parameters_of_codes
        codes = ops.quantize(
            last,
            self.scale,
            self.zero_point,
            code_type="s4" if self.packed else "s8",
            qmin=with_.qmin,
            qmax=with_.qmax,
            kernel=self.kernel,
        )
        return channels_first(codes)


class Dequantize(Static):
    """int8 codes to floats of a type."""

    def __init__(self, parameters: QuantizationParameters, dtype: torch.dtype) -> None:
        super().__init__(parameters)
        self.dtype = dtype

    def forward(self, codes: Tensor) -> Tensor:
        """What the codes stand for, of their shape."""
        last = channels_last(codes)
        values = ops.dequantize(last, self.scale, self.zero_point, output_type=TYPES[self.dtype], kernel=self.kernel)
        return channels_first(values)


class DynamicQuantize(torch.nn.Module):
    """Floats to codes with scales of their own: of each token in 8 bits by one kernel, else scales by torch first."""

    def __init__(self, scheme: TensorScheme, by_token: bool, packed: bool = False) -> None:
        super().__init__()
        self.scheme, self.by_token, self.packed, self.kernel = scheme, by_token, packed, ""

    def forward(self, x: Tensor) -> Codes:
        """Codes of the shape of x, or with half the columns where packed; scales, and zero points if there are any."""
        if self.by_token and self.scheme.bits == 8:
            codes, scale, zero_point, _ = ops.quantize_dynamic(x, not self.scheme.symmetric, kernel=self.kernel)
            return codes, scale, None if self.scheme.symmetric else zero_point
        x = channels_last(x)
        scale, zero_point = self._scales(x.float())
        qmin, qmax = self.scheme.codes
        codes = ops.quantize(
            x,
            scale,
            None if self.scheme.symmetric else zero_point,
            granularity="row" if self.by_token else "tensor",
            code_type="s4" if self.packed else "s8",
            qmin=qmin,
            qmax=qmax,
            kernel=self.kernel,
        )
        return channels_first(codes), scale, None if self.scheme.symmetric else zero_point

    def _scales(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[1], or one a token, x.shape[:-1]."""
        finite = x.nan_to_num(0, 0, 0)
        rows = finite if self.by_token else finite.reshape(1, -1)
        low, high = rows.amin(-1).clamp(max=0), rows.amax(-1).clamp(min=0)
        return scheme_parameters(self.scheme, low, high)


def channels_last(x: Tensor) -> Tensor:
    """An image [n, c, h, w] as [n, h, w, c], contiguous; anything else as it is."""
    return x.permute(0, 2, 3, 1).contiguous() if x.dim() == 4 else x


def channels_first(x: Tensor) -> Tensor:
    """The inverse by name, without a copy."""
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x
