"""Convolutions and linear layers of a quantized model as modules: codes in, codes or floats out, by `immabench.ops`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from immabench import ops
from immabench.models.integer.packing import packed, packed_codes, scales_of_columns
from immabench.ops.weights import PackedWeights
from immabench.quantize.schemes import QuantizationParameters
from immabench.quantize.weights import LayerWeights

Codes = tuple[Tensor, Tensor, Tensor | None]
"""Codes with their scales and zero points, where these are found when running."""

TYPES = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}


@dataclass(frozen=True)
class Ending:
    """What follows a product's sums: `output` are the codes it is stored as, None for floats of `dtype`."""

    bias: Tensor | None
    input: QuantizationParameters | None
    residual: QuantizationParameters | None
    output: QuantizationParameters | None
    activation: str
    dtype: torch.dtype


class IntegerProduct(torch.nn.Module):
    """What all products have: an epilogue, in buffers, so that it moves with the module.

    An input has the scale of `Ending.input`, or brings its own as `Codes`, or is of floats. `sums` are those of the
    rows of weights, which zero points of the input are multiplied with.
    """

    def __init__(self, ending: Ending, col_scale: Tensor | None, sums: Tensor | None = None) -> None:
        super().__init__()
        self.ending, self.kernel = ending, ""
        given = dict(_given(ending, col_scale))
        self._given = tuple(given)
        self._known: dict[str, Any] | None = None
        for name, tensor in {**given, "sums": sums}.items():
            self.register_buffer(name, tensor)

    def epilogue(self, x: Tensor | Codes, residual: Tensor | None) -> Any:
        """`EpilogueOptions` of a call; scales found when running are those of rows, or one."""
        options = {**self._known_options(), "kernel": self.kernel}
        if isinstance(x, tuple):
            options["row_scale"] = x[1].reshape(-1)
            if x[2] is not None:
                options["a_zero"] = x[2].reshape(-1)
        if "a_zero" in options and self.sums is not None:
            options["b_sum"] = self.sums
        if residual is not None:
            options["residual"] = residual
        return options

    def _known_options(self) -> dict[str, Any]:
        """What all calls have, gathered once: a look-up of a buffer takes a microsecond, and there are many."""
        if self._known is None:
            activation = "relu" if self.ending.activation == "relu6" else self.ending.activation
            output_type = "s8" if self.ending.output else TYPES[self.ending.dtype]
            vectors = {name: getattr(self, name) for name in self._given}
            self._known = {**vectors, "output_type": output_type, "activation": activation}
            codes = None if self.kernel else self.int8_weights()
            if codes is not None:
                self._known["panels"] = ops.pack_panels(codes)
        return self._known

    def int8_weights(self) -> Tensor | None:
        """What the exact path multiplies with as it is: [N, ..]; None where that is something else."""
        return None

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """As torch moves a module: what was gathered is gathered anew."""
        self._known = None
        return super()._apply(fn, recurse)

    def ended(self, out: Tensor) -> Tensor:
        """`out` with what no epilogue does: ReLU6 ends at 6, whose code is that of all that is above."""
        if self.ending.activation != "relu6":
            return out
        to = self.ending.output
        return out.clamp_(max=6.0) if to is None else out.clamp_(max=int(to.codes(6.0)))


class PackedProduct(IntegerProduct):
    """Packed weights, in buffers. `integers` are what they stand for beside int8, [N, K], where sums are of integers:
    unpacked once, as the exact path on a CPU would do in every call."""

    def __init__(self, ending: Ending, weights: LayerWeights, activations: torch.dtype) -> None:
        made = packed(weights, activations)
        super().__init__(ending, scales_of_columns(weights), made.row_sums)
        self.register_buffer("integers", None if made.row_sums is None else made.values(), persistent=False)
        tensors = {name: value for name, value in vars(made).items() if isinstance(value, Tensor)}
        self._fields = {name: value for name, value in vars(made).items() if name not in tensors}
        self._packed = tuple(tensors)
        for name, tensor in tensors.items():
            self.register_buffer(f"packed_{name}", tensor)

    def int8_weights(self) -> Tensor | None:
        """What packed weights stand for."""
        integers: Tensor | None = self.integers
        return integers

    def exactly(self, x: Tensor) -> bool:
        """Whether `integers` are what a product with x is of."""
        return self.integers is not None and not self.kernel and not x.is_cuda

    @property
    def weights(self) -> PackedWeights:
        """As operators take them."""
        return PackedWeights(**self._fields, **{name: getattr(self, f"packed_{name}") for name in self._packed})


def convolve(module: IntegerProduct, multiply: Any, x: Tensor | Codes, residual: Tensor | None) -> Tensor:
    """A convolution of an image NCHW by name, and NHWC in memory, as its output is: nothing is copied."""
    image = x[0] if isinstance(x, tuple) else x
    options = module.epilogue(x, None if residual is None else residual.permute(0, 2, 3, 1))
    out: Tensor = multiply(image.permute(0, 2, 3, 1), options)
    return module.ended(out).permute(0, 3, 1, 2)


class IntegerConv2d(IntegerProduct):
    """A convolution of int8."""

    def __init__(self, ending: Ending, weights: LayerWeights, geometry: dict[str, Any]) -> None:
        super().__init__(ending, scales_of_columns(weights), _row_sums(weights))
        rows, channels, height, width = weights.shape
        self.geometry = geometry
        self.register_buffer("filters", weights.codes.reshape(rows, height, width, channels).contiguous())

    def int8_weights(self) -> Tensor | None:
        """The filters."""
        filters: Tensor = self.filters
        return filters

    def forward(self, x: Tensor | Codes, residual: Tensor | None = None) -> Tensor:
        """Of an image [n, c, h, w] the layer's output, NCHW by name."""
        return convolve(self, self._multiply, x, residual)

    def _multiply(self, image: Tensor, options: Any) -> Tensor:
        return ops.conv2d_s8(image, self.filters, **self.geometry, **options)


class PackedConv2d(PackedProduct):
    """A convolution of int8 with filters of 4 bits."""

    def __init__(self, ending: Ending, weights: LayerWeights, geometry: dict[str, Any]) -> None:
        super().__init__(ending, weights, torch.int8)
        self.shape, self.geometry = weights.shape, geometry

    def forward(self, x: Tensor | Codes, residual: Tensor | None = None) -> Tensor:
        """Of an image [n, c, h, w] the layer's output, NCHW by name."""
        return convolve(self, self._multiply, x, residual)

    def _multiply(self, image: Tensor, options: Any) -> Tensor:
        rows, channels, height, width = self.shape
        if self.exactly(image):
            filters = self.integers.view(rows, height, width, channels)
            return ops.conv2d_s8(image, filters, **self.geometry, **options)
        return ops.conv2d_w4a8(image, self.weights, (height, width), **self.geometry, **options)


def multiply_rows(module: IntegerProduct, multiply: Any, x: Tensor | Codes, residual: Tensor | None) -> Tensor:
    """A linear layer of x [.., K], whose rows are those of one matrix."""
    rows = x[0] if isinstance(x, tuple) else x
    options = module.epilogue(x, None if residual is None else residual.reshape(-1, residual.shape[-1]))
    out: Tensor = multiply(rows.reshape(-1, rows.shape[-1]), options)
    return module.ended(out).reshape(*rows.shape[:-1], out.shape[-1])


class IntegerLinear(IntegerProduct):
    """A linear layer of int8; or of int4, both operands two codes a byte."""

    def __init__(self, operator: str, ending: Ending, weights: LayerWeights) -> None:
        super().__init__(ending, scales_of_columns(weights), _row_sums(weights))
        self._operator = getattr(ops, operator)
        self.register_buffer("matrix", packed_codes(weights.codes) if operator == "gemm_w4a4" else weights.codes)

    def int8_weights(self) -> Tensor | None:
        """The matrix, but of int4."""
        matrix: Tensor = self.matrix
        return matrix if matrix.dtype == torch.int8 else None

    def forward(self, x: Tensor | Codes, residual: Tensor | None = None) -> Tensor:
        """[.., K], or [.., K/2] of int4, to [.., N]."""
        return multiply_rows(self, self._multiply, x, residual)

    def _multiply(self, rows: Tensor, options: Any) -> Tensor:
        out: Tensor = self._operator(rows, self.matrix, **options)
        return out


class PackedLinear(PackedProduct):
    """A linear layer of packed weights beside int8, fp16 or bf16."""

    def __init__(self, operator: str, ending: Ending, weights: LayerWeights, activations: torch.dtype) -> None:
        super().__init__(ending, weights, activations)
        self._operator = getattr(ops, operator)

    def forward(self, x: Tensor | Codes, residual: Tensor | None = None) -> Tensor:
        """[.., K] to [.., N]."""
        return multiply_rows(self, self._multiply, x, residual)

    def _multiply(self, rows: Tensor, options: Any) -> Tensor:
        if self.exactly(rows):
            return ops.gemm_s8(rows, self.integers, **options)
        out: Tensor = self._operator(rows, self.weights, **options)
        return out


def _row_sums(weights: LayerWeights) -> Tensor:
    return weights.codes.sum(1, dtype=torch.int32)


def _given(ending: Ending, col_scale: Tensor | None) -> Any:
    """The vectors of an epilogue that are there, by name."""
    if ending.input:
        yield "row_scale", _one(ending.input.scale)
        if ending.input.zero_point:
            yield "a_zero", _whole(ending.input.zero_point)
    if col_scale is not None:
        yield "col_scale", col_scale
    if ending.bias is not None:
        yield "bias", ending.bias.float()
    if ending.residual:
        yield "residual_scale", _one(ending.residual.scale)
        yield "residual_zero", _whole(ending.residual.zero_point)
    if ending.output:
        yield "out_scale", _one(ending.output.scale)
        if ending.output.zero_point:
            yield "out_zero", _whole(ending.output.zero_point)


def _one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float32)


def _whole(value: int) -> Tensor:
    return torch.tensor([value], dtype=torch.int32)
