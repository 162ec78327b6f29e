"""Calls of the kernels around a GEMM: data, the memory that a launch fills, and what the oracles say must lie there.

Each function states one call of a family. Matrices are [rows, columns], images NHWC; floats have the types of
`quantizers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench import attention, data_types, numerics, pooling, quantizers
from immabench.convolution import Convolution
from immabench.data_types import as_float32, pack_codes
from immabench.kernels import geometry_sizes, native
from immabench.operands import aligned
from immabench.packing import FRAGMENT_LAYOUTS, WEIGHT_FORMATS
from immabench.quantizers import Array, float_type, spread

POISON = 0x5A
"""What every byte of an output holds before a launch."""

CODE_RANGES = {"s8": (-128, 127), "s4": (-8, 7)}
LAYOUTS = {layout.name: layout for layout in FRAGMENT_LAYOUTS.values()}


@dataclass(frozen=True, eq=False)
class CompanionCall:
    """Arguments of a family's launches by name, their outputs, and what each must hold afterwards, bit for bit."""

    family: str
    inputs: dict[str, Any]
    expected: dict[str, Array]
    options: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", {name: aligned(np.empty_like(v)) for name, v in self.expected.items()})

    def emulate(self, kernel_id: str, **machine: Any) -> dict[str, Any]:
        """The report of the emulated machine, whose options `machine` are; outputs are poisoned before."""
        self._poison()
        launch = getattr(native(), f"emulate_{self.family}")
        report: dict[str, Any] = launch(kernel_id, **self.inputs, **self.outputs, **self.options, **machine)
        return report

    def launch(self, kernel_id: str) -> None:
        """Launch on the current GPU, from copies, and wait for the outputs."""
        import torch

        from immabench.providers.torch_tensors import to_numpy

        self._poison()
        inputs, outputs = (
            {name: _on_gpu(values) for name, values in group.items()} for group in (self.inputs, self.outputs)
        )
        stream = int(torch.cuda.current_stream().cuda_stream)
        getattr(native(), f"launch_{self.family}")(kernel_id, **inputs, **outputs, **self.options, stream=stream)
        for name, tensor in outputs.items():
            np.copyto(self.outputs[name], to_numpy(tensor))

    def difference(self) -> str:
        """How the outputs are wrong, in one line; empty when every bit is right."""
        differences = (_difference(name, self.outputs[name], want) for name, want in self.expected.items())
        return "; ".join(filter(None, differences))

    def _poison(self) -> None:
        for values in self.outputs.values():
            values.view(np.uint8).fill(POISON)


def _on_gpu(values: Array) -> Any:
    from immabench.providers.torch_tensors import to_tensor

    return to_tensor(values, "cuda", "bf16" if values.dtype == np.uint16 else "")


def _difference(name: str, got: Array, want: Array) -> str:
    differs = got.view(f"u{got.itemsize}") != want.view(f"u{want.itemsize}")
    if not differs.any():
        return ""
    first = tuple(int(index) for index in np.argwhere(differs)[0])
    place = ",".join(map(str, first))
    what = f"{differs.sum()} of {want.size} elements differ"
    return f"{name}: {what}, first [{place}] is {got[first]}, expected {want[first]}"


def _given(**inputs: Any) -> dict[str, Any]:
    """The inputs that are there."""
    return {name: values for name, values in inputs.items() if values is not None}


def _stored(codes: NDArray[np.int8], code_type: str) -> Array:
    return aligned(codes if code_type == "s8" else pack_codes(codes, 4))


def quantize(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    codes: str = "s8",
    granularity: str = "tensor",
    code_range: tuple[int, int] | None = None,
) -> CompanionCall:
    """Codes of `x` with scales [1], [rows] or [columns] as `granularity` says, over all of their range or a given."""
    values, limits = as_float32(float_type(x), x), code_range or CODE_RANGES[codes]
    want = numerics.quantize(values, spread(scale, granularity), spread(zero_point, granularity), *limits)
    options = {"granularity": granularity, "qmin": limits[0], "qmax": limits[1]}
    inputs = _given(x=x, scale=scale, zero_point=zero_point)
    return CompanionCall("quantize", inputs, {"codes": _stored(want, codes)}, options)


def dequantize(
    values: NDArray[np.int8],
    scale: Array,
    zero_point: Array | None = None,
    *,
    codes: str = "s8",
    out: str = "f32",
    granularity: str = "tensor",
) -> CompanionCall:
    """Floats of a type from codes `values` that are stored as `codes`."""
    want = numerics.dequantize(values, spread(scale, granularity), spread(zero_point, granularity))
    inputs = _given(codes=_stored(values, codes), scale=scale, zero_point=zero_point)
    expected = {"out": data_types.round_to(out, want)}
    return CompanionCall("dequantize", inputs, expected, {"granularity": granularity})


def requantize(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    x_zero_point: Array | None = None,
    row_scale: Array | None = None,
    col_scale: Array | None = None,
    bias: Array | None = None,
    code_range: tuple[int, int] = CODE_RANGES["s8"],
) -> CompanionCall:
    """int8 codes within a range from int32 sums, or from int8 codes of another scale."""
    from_zero, to_zero = (0 if values is None else int(values[0]) for values in (x_zero_point, zero_point))
    low, high = code_range
    want = quantizers.requantize(
        x,
        scale[0],
        to_zero,
        x_zero_point=from_zero,
        row_scale=row_scale,
        col_scale=col_scale,
        bias=bias,
        qmin=low,
        qmax=high,
    )
    terms = _given(row_scale=row_scale, col_scale=col_scale, bias=bias)
    inputs = _given(x=x, scale=scale, zero_point=zero_point, x_zero_point=x_zero_point, **terms)
    return CompanionCall("requantize", inputs, {"codes": want}, {"qmin": low, "qmax": high})


def pack_s4(codes: NDArray[np.int8]) -> CompanionCall:
    """int4 codes, one a byte, to two a byte."""
    return CompanionCall("pack_s4", {"codes": codes}, {"packed": pack_codes(codes, 4)})


def unpack_s4(packed: NDArray[np.uint8]) -> CompanionCall:
    """int4 codes, two a byte, to one a byte."""
    return CompanionCall("unpack_s4", {"packed": packed}, {"codes": data_types.unpack_s4(packed)})


def reorder_weights(codes: NDArray[np.int8], *, stored: str, packed: str, layout: str) -> CompanionCall:
    """Weights [N, K] in the blocks of a layout, of `stored` codes as `packed` ones: s4 as u4 has 8 added."""
    moved = codes + np.int8(8) if (stored, packed) == ("s4", "u4") else codes
    blocks = LAYOUTS[layout].reorder(WEIGHT_FORMATS[packed], moved)
    options = {"layout": layout, "to_unsigned": stored != packed, "columns": codes.shape[1]}
    expected = {"packed": blocks.reshape(*blocks.shape[:2], -1)}
    return CompanionCall("reorder_weights", {"codes": _stored(codes, stored)}, expected, options)


def quantize_dynamic(x: Array, *, asymmetric: bool = False) -> CompanionCall:
    """Codes of each row by its own range, with their scales, zero points and sums."""
    want = quantizers.quantize_dynamic(x, asymmetric=asymmetric)
    found = _given(codes=want.codes, scale=want.scale, zero_point=want.zero_point, row_sum=want.row_sum)
    return CompanionCall("quantize_dynamic", {"x": x}, found)


def layernorm_quantize(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    eps: float = 1e-5,
    residual: Array | None = None,
    scale: Array | None = None,
    zero_point: Array | None = None,
    asymmetric: bool = False,
) -> CompanionCall:
    """Rows normalised, and their codes: with a scale [1] and zero point where given, else by each row's own range."""
    y = quantizers.layer_norm(x, gamma, beta, eps, residual)
    inputs = _given(x=x, gamma=gamma, beta=beta, residual=residual, scale=scale, zero_point=zero_point)
    if scale is None:
        rows = quantizers.quantize_dynamic(y, asymmetric=asymmetric)
        found = _given(codes=rows.codes, scale=rows.scale, zero_point=rows.zero_point, row_sum=rows.row_sum)
    else:
        codes = numerics.quantize(as_float32(float_type(y), y), scale, spread(zero_point, "tensor"))
        found = {"codes": codes, "row_sum": quantizers.row_sums(codes)}
    options = {"eps": eps, "dynamic": scale is None}
    return CompanionCall("layernorm_quantize", inputs, {**found, "normalised": y}, options)


def max_pool2d(x: NDArray[np.int8], geometry: Convolution) -> CompanionCall:
    """The largest codes of windows over an image."""
    expected = {"out": pooling.max_pool2d(x, geometry)}
    return CompanionCall("max_pool2d", {"x": x}, expected, {"geometry": geometry_sizes(geometry)})


def avg_pool2d(
    x: NDArray[np.int8],
    geometry: Convolution,
    *,
    out: str = "s8",
    x_scale: Array | None = None,
    scale: Array | None = None,
    x_zero_point: Array | None = None,
    zero_point: Array | None = None,
    count_include_pad: bool = False,
) -> CompanionCall:
    """Averages of windows over an image, as codes of another scale or of the same, or as floats; scales are [1]."""
    from_zero, to_zero = (0 if values is None else int(values[0]) for values in (x_zero_point, zero_point))
    from_scale, to_scale = (None if values is None else values[0] for values in (x_scale, scale))
    options: dict[str, Any] = {"x_zero_point": from_zero, "count_include_pad": count_include_pad}
    if out == "s8":
        want: Array = pooling.avg_pool2d(x, geometry, x_scale=from_scale, scale=to_scale, zero_point=to_zero, **options)
    else:
        want = pooling.avg_pool2d_f32(x, geometry, x_scale=1.0 if from_scale is None else from_scale, **options)
    given = _given(x=x, x_scale=x_scale, scale=scale, x_zero_point=x_zero_point, zero_point=zero_point)
    sizes = {"geometry": geometry_sizes(geometry), "count_include_pad": count_include_pad}
    return CompanionCall("avg_pool2d", given, {"out": want}, sizes)


def softmax_quantize(x: NDArray[np.int32], scale: float, lengths: NDArray[np.int32] | None = None) -> CompanionCall:
    """The softmax of int32 scores as codes with a scale of each row; `lengths` are of equally many rows each."""
    counted = None if lengths is None else np.repeat(lengths, x.shape[0] // lengths.size)
    rows = attention.softmax_codes(x, scale, counted)
    expected: dict[str, Array] = {"codes": rows.codes, "row_scale": rows.row_scale}
    return CompanionCall("softmax_quantize", _given(x=x, lengths=lengths), expected, {"scale": scale})


def attention_s8(
    q: NDArray[np.int8],
    k: NDArray[np.int8],
    v: NDArray[np.int8],
    *,
    scale: float,
    v_scale: float,
    lengths: NDArray[np.int32] | None = None,
    output_type: str = "f32",
    out_scale: float = 1.0,
    out_zero: int = 0,
) -> CompanionCall:
    """Attention of tokens [batch, tokens, heads, depth], whose heads alone need to lie side by side."""
    quantization = {"out_scale": out_scale, "out_zero": out_zero}
    options = {"scale": scale, "v_scale": v_scale, **quantization}
    want = attention.attention(q, k, v, lengths=lengths, output_type=output_type, **options)  # type: ignore[arg-type]
    return CompanionCall("attention_s8", _given(q=q, k=k, v=v, lengths=lengths), {"out": want}, options)
