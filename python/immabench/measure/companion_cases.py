"""Cases of the kernels around a GEMM: every combination of types and scales, on shapes around vectors and blocks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from immabench.convolution import Convolution
from immabench.errors import UsageError
from immabench.kernels import CompanionConfig, CompanionShape, companion_illegal_reason
from immabench.measure import attention_cases
from immabench.measure import companion_calls as calls
from immabench.measure.attention_cases import SOFTMAX_SCALES, Choice
from immabench.measure.companion_calls import CODE_RANGES, LAYOUTS, CompanionCall
from immabench.measure.companion_shapes import WINDOWS, MatrixShape, names_of, sizes_of, windows_of
from immabench.measure.hostile_values import Generator, hostile, normal, rows_to_normalise, scales, zero_points
from immabench.measure.kernel_case import KernelCase
from immabench.operands import aligned
from immabench.packing import WEIGHT_FORMATS
from immabench.problems import TYPE_BITS
from immabench.providers.base import Emulation
from immabench.providers.native_launch import EMULATED_BACKEND
from immabench.quantizers import Array
from immabench.shapes import ATTENTION_FORM, MATRIX_FORM, WINDOWS_FORM


@dataclass(frozen=True)
class Family:
    """How a family's calls are made: `axes` vary beside the types of matrices, `possible` says which choices exist,
    `shapes` replaces those that `edge_shapes` computes, `form` is how they are written."""

    make: Callable[[Generator, Any, Choice], CompanionCall]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    possible: Callable[[Choice], bool] = lambda _: True
    shapes: tuple[CompanionShape, ...] = ()
    form: str = MATRIX_FORM


class CompanionCase(KernelCase):
    """One configuration with a matrix of random and hostile values, or with images; `seed` is theirs."""

    backend = EMULATED_BACKEND

    def __init__(self, config: CompanionConfig, shape: CompanionShape, choice: Choice, seed: int) -> None:
        self.kernel_id, self.shape = config.id, sizes_of(shape)
        self._config, self._given, self._choice, self._seed = config, shape, choice, seed
        self.output_type = choice[config.output]
        self.types = " ".join([*windows_of(shape), *choice.values()])
        self.problem = "_".join([config.family, *names_of(shape), *choice.values()])

    def illegal_reason(self) -> str | None:
        """Why the kernel cannot take the matrix or the images, None when it can."""
        if self._has_pairs and self.shape[1] % 2:
            return f"int4 codes lie two a byte: {self.shape[1]} columns are odd"
        return companion_illegal_reason(self._config, self._given)

    def emulate(self, order: str, seed: int) -> Emulation:
        """As `KernelCase` says."""
        return Emulation.of(self.call.emulate(self.kernel_id, order=order, seed=seed))

    def launch_on_gpu(self) -> None:
        """As `KernelCase` says."""
        self.call.launch(self.kernel_id)

    def difference(self) -> str:
        """As `KernelCase` says."""
        return self.call.difference()

    @functools.cached_property
    def call(self) -> CompanionCall:
        """The call, made of random values when it is first asked for."""
        generator = np.random.default_rng((self._seed, *self.shape))
        return FAMILIES[self._config.family].make(generator, self._given, self._choice)

    @property
    def _has_pairs(self) -> bool:
        types = (self._choice.get(name, only) for name, only in self._config.operand_types.items())
        return "s4" in types and self._config.family != "reorder_weights"


def companion_cases(
    config: CompanionConfig, shapes: Sequence[CompanionShape] = (), output_types: Sequence[str] = (), seed: int = 0
) -> Iterator[CompanionCase]:
    """Every choice of a configuration's axes, on `shapes` or else its edges; of `output_types` alone where given."""
    for choice in choices(config):
        for shape in shapes or edge_shapes(config):
            case = CompanionCase(config, shape, choice, seed)
            if (
                not shapes
                and not isinstance(shape, Convolution)
                and len(shape) == 2
                and case.illegal_reason() is not None
            ):
                case = CompanionCase(config, (shape[0], shape[1] + shape[1] % 2), choice, seed)
            if not output_types or case.output_type in output_types:
                yield case


def choices(config: CompanionConfig) -> list[dict[str, str]]:
    """What calls of a configuration can be, the plainest first."""
    axes = _axes(config)
    chosen = (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))
    return [choice for choice in chosen if FAMILIES[config.family].possible(choice)]


def chosen_case(
    config: CompanionConfig, shape: CompanionShape, options: Mapping[str, str], seed: int = 0
) -> CompanionCase:
    """The first case whose choice has `options`. Raises UsageError for an axis or a value that there is not."""
    axes = _axes(config)
    for name, value in options.items():
        if name not in axes:
            raise UsageError(f"{config.family} has no {name!r}", f"choose of {', '.join(axes)}")
        if value not in axes[name]:
            raise UsageError(f"{name}={value} is no choice of {config.family}", f"choose of {', '.join(axes[name])}")
    fitting = [choice for choice in choices(config) if options.items() <= choice.items()]
    if not fitting:
        asked = ", ".join(f"{name}={value}" for name, value in options.items())
        raise UsageError(f"{config.family} has no {asked} together", "leave one out")
    return CompanionCase(config, shape, fitting[0], seed)


def _axes(config: CompanionConfig) -> dict[str, tuple[str, ...]]:
    """What varies, with its values: types of matrices that have more than one or are the output, and the family's."""
    types = {name: config.types(name) for name in config.operand_types}
    varying = {name: types[name] for name in types if len(types[name]) > 1 or name == config.output}
    return {**varying, **FAMILIES[config.family].axes}


def companion_form(config: CompanionConfig) -> str:
    """How a shape that a configuration takes is written."""
    return FAMILIES[config.family].form


def edge_shapes(config: CompanionConfig) -> list[CompanionShape]:
    """Shapes around a vector, a warp's and a block's share, and what the threads of a row hold; around a tile."""
    own = FAMILIES[config.family].shapes
    if config.block_tile is not None:
        return list(attention_cases.edge_shapes(config.block_tile))
    if config.row_threads is None or config.resident_columns is None:
        block = 4 * config.threads  # vectors of a block, of 4 to 16 elements each
        return list(own) or [(1, 1), (3, 15), (5, 16), (2, 17), (19, block), (19, block - 3)]
    threads, most = config.row_threads, config.resident_columns
    rows = config.threads // threads + 1
    beyond = [(2, most + 1), (1, most + 8)] if config.streams else []
    return [(1, 1), (rows, 7), (rows, 4 * threads), (2, 8 * threads + 3), (3, most), *beyond]


def _quantize(generator: Generator, shape: MatrixShape, choice: Choice) -> CompanionCall:
    granularity = choice["granularity"]
    scale, zero = (draw(generator, _extent(granularity, shape)) for draw in (scales, zero_points))
    x = hostile(generator, shape, choice["x"], scale[:, None] if granularity == "row" else scale)
    return calls.quantize(x, scale, zero, codes=choice["codes"], granularity=granularity)


def _dequantize(generator: Generator, shape: MatrixShape, choice: Choice) -> CompanionCall:
    extent = _extent(choice["granularity"], shape)
    scale, zero = (draw(generator, extent) for draw in (scales, zero_points))
    return calls.dequantize(_codes(generator, shape, choice["codes"]), scale, zero, **choice)


def _requantize(generator: Generator, shape: MatrixShape, choice: Choice) -> CompanionCall:
    """Of sums that reach the ends of int32, or of codes with a zero point."""
    sums, terms = choice["x"] == "s32", choice["terms"]
    rows, columns = shape if terms == "vectors" else (1, 1)
    low, high = (-(2**31), 2**31) if sums else (-128, 128)
    x = aligned(generator.integers(low, high, shape).astype(np.int32 if sums else np.int8))
    x[0, 0], x[-1, -1] = low, high - 1
    return calls.requantize(
        x,
        scales(generator, 1),
        zero_points(generator, 1),
        x_zero_point=None if sums else zero_points(generator, 1),
        row_scale=None if terms == "none" else aligned(scales(generator, rows) * np.float32(1e-5 if sums else 1)),
        col_scale=None if terms == "none" else scales(generator, columns),
        bias=normal(generator, (columns,)) if terms == "vectors" else None,
    )


def _pack_s4(generator: Generator, shape: MatrixShape, _: Choice) -> CompanionCall:
    return calls.pack_s4(_codes(generator, shape, "s4"))


def _unpack_s4(generator: Generator, shape: MatrixShape, _: Choice) -> CompanionCall:
    return calls.unpack_s4(aligned(generator.integers(0, 256, (shape[0], shape[1] // 2)).astype(np.uint8)))


def _reorder_weights(generator: Generator, shape: MatrixShape, choice: Choice) -> CompanionCall:
    least, greatest = WEIGHT_FORMATS[choice["codes"]].code_range
    codes = generator.integers(least, greatest + 1, shape).astype(np.int8)
    return calls.reorder_weights(codes, stored=choice["codes"], packed=choice["packed"], layout=choice["layout"])


def _is_reordering(choice: Choice) -> bool:
    """Codes keep their bits and their type, but for s4, which u4 may stand for."""
    stored, packed = choice["codes"], choice["packed"]
    fits = {TYPE_BITS[stored], TYPE_BITS[packed]} == {LAYOUTS[choice["layout"]].weight_bits}
    return fits and (stored, packed) != ("u4", "s4")


def _quantize_dynamic(generator: Generator, shape: MatrixShape, choice: Choice) -> CompanionCall:
    x = hostile(generator, shape, choice["x"])
    x[0] = normal(generator, (shape[1],), choice["x"])
    return calls.quantize_dynamic(x, asymmetric=choice["range"] == "asymmetric")


def _layernorm_quantize(generator: Generator, shape: MatrixShape, choice: Choice) -> CompanionCall:
    static = choice["range"] == "static"
    return calls.layernorm_quantize(
        rows_to_normalise(generator, shape, choice["x"]),
        gamma=normal(generator, (shape[1],)),
        beta=normal(generator, (shape[1],)),
        residual=normal(generator, shape, choice["x"]) if choice["residual"] == "residual" else None,
        scale=aligned(np.array([0.02], np.float32)) if static else None,
        zero_point=aligned(np.array([5], np.int32)) if static else None,
        asymmetric=choice["range"] == "asymmetric",
    )


def _max_pool2d(generator: Generator, geometry: Convolution, _: Choice) -> CompanionCall:
    return calls.max_pool2d(_codes(generator, geometry.image_shape, "s8"), geometry)


def _avg_pool2d(generator: Generator, geometry: Convolution, choice: Choice) -> CompanionCall:
    """Of codes whose averages fill the range of the others, and with equal scales, where many are ties."""
    codes, terms = choice["out"] == "s8", choice["terms"]
    x_scale = scales(generator, 1) if terms == "scales" else None
    ratio = np.float32(generator.uniform(0.2, 5))
    return calls.avg_pool2d(
        _codes(generator, geometry.image_shape, "s8"),
        geometry,
        out=choice["out"],
        x_scale=x_scale,
        scale=aligned(x_scale * ratio) if codes and x_scale is not None else None,
        x_zero_point=None if terms == "none" else zero_points(generator, 1),
        zero_point=zero_points(generator, 1) if codes and terms != "none" else None,
        count_include_pad=choice["divisor"] == "window",
    )


def _codes(generator: Generator, shape: tuple[int, ...], code_type: str) -> Array:
    low, high = CODE_RANGES[code_type]
    return aligned(generator.integers(low, high + 1, shape).astype(np.int8))


def _extent(granularity: str, shape: MatrixShape) -> int:
    """How many scales a matrix has."""
    return {"tensor": 1, "row": shape[0], "column": shape[1]}[granularity]


GRANULARITIES = ("tensor", "row", "column")
RANGES = ("symmetric", "asymmetric")

FAMILIES = {
    "quantize": Family(_quantize, {"granularity": GRANULARITIES}),
    "dequantize": Family(_dequantize, {"granularity": GRANULARITIES}),
    "requantize": Family(_requantize, {"terms": ("vectors", "scalars", "none")}),
    "pack_s4": Family(_pack_s4),
    "unpack_s4": Family(_unpack_s4),
    "reorder_weights": Family(
        _reorder_weights,
        {"layout": tuple(LAYOUTS)},
        _is_reordering,
        # Around 16 rows, a block of 32 bytes, 4 such of a warp, and 8 warps.
        ((1, 1), (15, 63), (16, 64), (17, 66), (16, 256), (33, 1312)),
    ),
    "quantize_dynamic": Family(_quantize_dynamic, {"range": RANGES}),
    "layernorm_quantize": Family(_layernorm_quantize, {"range": ("static", *RANGES), "residual": ("none", "residual")}),
    "max_pool2d": Family(_max_pool2d, shapes=WINDOWS, form=WINDOWS_FORM),
    "avg_pool2d": Family(
        _avg_pool2d,
        {"terms": ("scales", "zero_points", "none"), "divisor": ("pixels", "window")},
        shapes=WINDOWS,
        form=WINDOWS_FORM,
    ),
    "softmax_quantize": Family(
        attention_cases.softmax_quantize, {"scale": tuple(SOFTMAX_SCALES), "lengths": ("none", "row", "all")}
    ),
    "attention_s8": Family(
        attention_cases.attention_s8,
        {"tokens": ("apart", "packed"), "lengths": ("none", "some")},
        form=ATTENTION_FORM,
    ),
}
"""How the calls of each family of `_native.companions()` are made."""
