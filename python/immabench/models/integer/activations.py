"""Layers without weights as modules: attention, normalization, poolings, by `immabench.ops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from immabench import ops
from immabench.errors import UsageError
from immabench.models.integer.conversions import Static
from immabench.models.integer.products import TYPES, Codes
from immabench.quantize.schemes import QuantizationParameters, TensorScheme

Windows = tuple[list[int], list[int], list[int]]
"""Size, stride and padding, each [height, width]."""


class IntegerAttention(torch.nn.Module):
    """softmax(q k^T * score_scale) v of codes [batch, heads, tokens, depth] without zero points: `tokens` has the
    scales of q, k and v."""

    def __init__(
        self,
        tokens: Sequence[QuantizationParameters],
        score_scale: float,
        output: QuantizationParameters | None,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.kernel = ""
        query, key, value = (one.scale for one in tokens)
        self.options: dict[str, Any] = {"scale": query * key * score_scale, "v_scale": value}
        self.options["output_type"] = "s8" if output else TYPES[dtype]
        if output:
            self.options |= {"out_scale": output.scale, "out_zero": output.zero_point}

    def forward(self, q: Tensor, k: Tensor, v: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The shape of q by name, tokens before heads in memory. `lengths` int32 [batch] are the keys that count."""
        tokens = (one.transpose(1, 2) for one in (q, k, v))
        out = ops.attention_s8(*tokens, lengths=lengths, **self.options, kernel=self.kernel)
        return out.transpose(1, 2)


class KeyLengths(torch.nn.Module):
    """How many keys a mask of attention leaves, int32 [batch]: those at the start, the same for all queries."""

    def forward(self, mask: Tensor) -> Tensor:
        """Of booleans [batch, 1, queries, keys]. Raises UsageError for a mask with holes, or one for each query, but
        while a CUDA graph is captured, when nothing can be looked at."""
        keys = mask[:, 0, 0]
        lengths = keys.sum(-1, dtype=torch.int32)
        if not (mask.is_cuda and torch.cuda.is_current_stream_capturing()):
            self._check(mask, lengths)
        return lengths

    def _check(self, mask: Tensor, lengths: Tensor) -> None:
        first = torch.arange(mask.shape[-1], device=mask.device) < lengths[:, None]
        if not torch.equal(mask, first[:, None, None].expand_as(mask)):
            raise UsageError(
                "a mask of attention has holes, or differs by query", "pad at the end, or leave attention in floats"
            )


class LayerNormQuantize(torch.nn.Module):
    """LayerNorm over the last dimension with the codes of its result, and the result where `normalised`."""

    def __init__(self, gamma: Tensor, beta: Tensor, eps: float, normalised: bool) -> None:
        super().__init__()
        self.kernel, self.eps, self._normalised = "", eps, normalised
        self.register_buffer("gamma", gamma.float())
        self.register_buffer("beta", beta.float())

    def _of(self, x: Tensor, **codes: object) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = ops.layernorm_quantize(
            x, self.gamma, self.beta, self.eps, normalised=self._normalised, kernel=self.kernel, **codes
        )
        return found


class StaticLayerNorm(LayerNormQuantize):
    """With a scale that is known: (codes, result)."""

    def __init__(
        self, gamma: Tensor, beta: Tensor, eps: float, normalised: bool, parameters: QuantizationParameters
    ) -> None:
        super().__init__(gamma, beta, eps, normalised)
        self.codes = Static(parameters)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of x [.., columns]."""
        with_ = self.codes.parameters_of_codes
        zero_point = self.codes.zero_point
        found = self._of(x, scale=self.codes.scale, zero_point=zero_point, qmin=with_.qmin, qmax=with_.qmax)
        return found[0], found[4]


class DynamicLayerNorm(LayerNormQuantize):
    """With a scale for each token, of 8 bits: (codes with scales, result)."""

    def __init__(self, gamma: Tensor, beta: Tensor, eps: float, normalised: bool, scheme: TensorScheme) -> None:
        super().__init__(gamma, beta, eps, normalised)
        self.symmetric = scheme.symmetric

    def forward(self, x: Tensor) -> tuple[Codes, Tensor]:
        """Of x [.., columns]."""
        codes, scale, zero_point, _, normalised = self._of(x, asymmetric=not self.symmetric)
        return (codes, scale, None if self.symmetric else zero_point), normalised


class MaxPool2d(torch.nn.Module):
    """Of codes [n, c, h, w]."""

    def __init__(self, window: list[int], stride: list[int], padding: list[int]) -> None:
        super().__init__()
        self.kernel, self.sizes = "", (window, stride, padding)

    def forward(self, codes: Tensor) -> Tensor:
        """NCHW by name, NHWC in memory."""
        return ops.max_pool2d(codes.permute(0, 2, 3, 1), *self.sizes, kernel=self.kernel).permute(0, 3, 1, 2)


class AvgPool2d(torch.nn.Module):
    """Of codes [n, c, h, w] to codes of another scale, or to float32; `windows` are size, stride and padding."""

    def __init__(
        self,
        codes: QuantizationParameters,
        output: QuantizationParameters | None,
        windows: Windows = ([], [], []),
        count_include_pad: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self._windows, self.count_include_pad = "", windows, count_include_pad
        self.codes, self.output = Static(codes), None if output is None else Static(output)

    def windows(self, codes: Tensor) -> Windows:
        """Over an image."""
        return self._windows

    def forward(self, codes: Tensor) -> Tensor:
        """NCHW by name, NHWC in memory."""
        to = self.output
        out = ops.avg_pool2d(
            codes.permute(0, 2, 3, 1),
            *self.windows(codes),
            "f32" if to is None else "s8",
            self.codes.scale,
            None if to is None else to.scale,
            self.codes.zero_point,
            None if to is None else to.zero_point,
            self.count_include_pad,
            self.kernel,
        )
        return out.permute(0, 3, 1, 2)


class AdaptiveAvgPool2d(AvgPool2d):
    """The same to an image of `size`, which divides what there is: [1, 1] averages all pixels."""

    def __init__(self, codes: QuantizationParameters, output: QuantizationParameters | None, size: list[int]) -> None:
        super().__init__(codes, output)
        self._size = size

    def windows(self, codes: Tensor) -> Windows:
        """Side by side. Raises UsageError for an image that is not divided."""
        image = list(codes.shape[2:])
        if any(have % want for have, want in zip(image, self._size, strict=True)):
            raise UsageError(
                f"windows of {image} to {self._size} are of different sizes", "give images of another size"
            )
        window = [have // want for have, want in zip(image, self._size, strict=True)]
        return window, window, [0, 0]
