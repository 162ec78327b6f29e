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
    """Floats to int8 codes; those of 4 bits two a byte where `packed`, as int4 products read them; those of an `image`
    [n, c, h, w] with its channels last in memory, as convolutions do: floats are reordered faster than bytes."""

    def __init__(self, parameters: QuantizationParameters, packed: bool = False, image: bool = False) -> None:
        super().__init__(parameters)
        self.packed, self.image = packed, image

    def forward(self, x: Tensor) -> Tensor:
        """Codes of the shape of x, and of its order in memory; packed, [.., columns / 2]."""
        with_ = self.parameters_of_codes
        x = x.contiguous(memory_format=torch.channels_last) if self.image else x
        lying, back = (x.contiguous(), None) if self.packed else in_memory_order(x)
        codes = ops.quantize(
            lying,
            self.scale,
            self.zero_point,
            code_type="s4" if self.packed else "s8",
            qmin=with_.qmin,
            qmax=with_.qmax,
            kernel=self.kernel,
        )
        return codes if back is None else codes.permute(back)


class Dequantize(Static):
    """int8 codes to floats of a type."""

    def __init__(self, parameters: QuantizationParameters, dtype: torch.dtype) -> None:
        super().__init__(parameters)
        self.dtype = dtype

    def forward(self, codes: Tensor) -> Tensor:
        """What the codes stand for, of their shape and order in memory."""
        lying, back = in_memory_order(codes)
        return ops.dequantize(
            lying, self.scale, self.zero_point, output_type=TYPES[self.dtype], kernel=self.kernel
        ).permute(back)


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
        x, back = (x, None) if self.by_token else in_memory_order(x)
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
        codes = codes if back is None else codes.permute(back)
        return codes, scale, None if self.scheme.symmetric else zero_point

    def _scales(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[1], or one a token, x.shape[:-1]."""
        finite = x.nan_to_num(0, 0, 0)
        rows = finite if self.by_token else finite.reshape(1, -1)
        low, high = rows.amin(-1).clamp(max=0), rows.amax(-1).clamp(min=0)
        return scheme_parameters(self.scheme, low, high)


def in_memory_order(x: Tensor) -> tuple[Tensor, list[int]]:
    """x as it lies in memory, contiguous, and the permutation that leads back: images and heads of attention are other
    orders by name, and are not copied for what belongs to elements."""
    order = sorted(range(x.dim()), key=lambda dim: -x.stride(dim))
    back = sorted(range(x.dim()), key=order.__getitem__)
    return x.permute(order).contiguous(), back
