"""The operators of what stands around a GEMM on the CPU: bit for bit the oracles, traceable, and one line for wrong
operands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="operators are torch's: pip install 'immabench[models]'")

from immabench import ops  # noqa: E402
from immabench.convolution import Convolution, parse_convolution  # noqa: E402
from immabench.errors import ImmabenchError  # noqa: E402
from immabench.kernels import CompanionConfig, CompanionShape, choose_companion  # noqa: E402
from immabench.measure.companion_calls import CompanionCall  # noqa: E402
from immabench.measure.companion_cases import CompanionCase, choices  # noqa: E402
from immabench.ops import companions  # noqa: E402
from immabench.providers.torch_tensors import to_numpy, to_tensor  # noqa: E402

Arguments = dict[str, Any]
OPERATORS = {
    "quantize": ops.quantize,
    "dequantize": ops.dequantize,
    "requantize": ops.requantize,
    "quantize_dynamic": ops.quantize_dynamic,
    "layernorm_quantize": ops.layernorm_quantize,
    "max_pool2d": ops.max_pool2d,
    "avg_pool2d": ops.avg_pool2d,
}
OUTPUTS = ("codes", "scale", "zero_point", "row_sum", "normalised")
"""Of the operators that have several, in order."""

MATRIX = (3, 20)
WINDOWS = parse_convolution("2x6x7x20_f3x2_s2x1_p1")

TYPES = {
    "quantize": {"x": "f32|f16|bf16", "codes": "s8|s4"},
    "dequantize": {"codes": "s8|s4", "out": "f32|f16|bf16"},
    "requantize": {"x": "s32|s8", "codes": "s8"},
    "quantize_dynamic": {"x": "f32|f16|bf16", "codes": "s8"},
    "layernorm_quantize": {"x": "f32|f16|bf16", "codes": "s8"},
    "max_pool2d": {"x": "s8", "out": "s8"},
    "avg_pool2d": {"x": "s8", "out": "s8|f32"},
}


def config_of(family: str) -> CompanionConfig:
    return CompanionConfig(f"{family}_sm80", family, "handwritten", ("sm_80",), TYPES[family], 256, 0)


def shape_of(family: str) -> CompanionShape:
    return WINDOWS if "pool" in family else MATRIX


def arguments(call: CompanionCall, choice: dict[str, str], shape: CompanionShape) -> Arguments:
    """The tensors and names of a call of its operator."""
    named = {
        name: to_tensor(values, "cpu", "bf16" if values.dtype == np.uint16 else "")
        for name, values in call.inputs.items()
    }
    options = dict(call.options)
    if isinstance(shape, Convolution):
        del options["geometry"]
        options |= {"window": list(shape.filter), "stride": list(shape.stride), "padding": list(shape.padding)}
        options |= {"output_type": choice["out"]} if call.family == "avg_pool2d" else {}
    if call.family == "quantize":
        options["code_type"] = choice["codes"]
    if call.family == "dequantize":
        options["output_type"] = choice["out"]
    if "range" in choice:
        options |= {"asymmetric": choice["range"] == "asymmetric", "row_sums": True}
        options.pop("dynamic", None)
    return {**named, **options}


def cases(family: str, shape: CompanionShape | None = None) -> Iterator[tuple[Arguments, CompanionCall]]:
    """Every choice that a family has, on hostile values."""
    config = config_of(family)
    shape = shape or shape_of(family)
    for choice in choices(config):
        call = CompanionCase(config, shape, choice, seed=2).call
        yield arguments(call, choice, shape), call


def found(family: str, result: Any) -> dict[str, np.ndarray]:
    """Outputs by name; those that are empty are absent."""
    if isinstance(result, torch.Tensor):
        name = "out" if family == "dequantize" or "pool" in family else "codes"
        return {name: to_numpy(result)}
    return {name: to_numpy(values) for name, values in zip(OUTPUTS, result, strict=False) if values.numel()}


def expect_bits(family: str, result: Any, call: CompanionCall) -> None:
    got = found(family, result)
    assert got.keys() == call.expected.keys()
    for name, want in call.expected.items():
        assert got[name].dtype == want.dtype
        assert got[name].tobytes() == want.tobytes(), name


@pytest.mark.parametrize("family", OPERATORS)
def test_every_choice_is_the_oracles(family: str) -> None:
    for named, call in cases(family):
        expect_bits(family, OPERATORS[family](**named), call)


@pytest.mark.parametrize("family", OPERATORS)
def test_the_kernel_itself_gives_the_same_bits(family: str) -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    for named, call in cases(family):
        expect_bits(family, OPERATORS[family](**named, kernel="emulated"), call)
    kernel = choose_companion(family, shape_of(family)).id
    named, call = next(cases(family))
    expect_bits(family, OPERATORS[family](**named, kernel=kernel), call)


def test_rows_of_any_dimensions() -> None:
    x = torch.randn(2, 3, 8)
    codes, scale, zero_point, row_sum = ops.quantize_dynamic(x, asymmetric=True, row_sums=True)
    assert (codes.shape, scale.shape, zero_point.shape, row_sum.shape) == ((2, 3, 8), (2, 3), (2, 3), (2, 3))
    assert torch.equal(row_sum, codes.sum(-1, dtype=torch.int32))
    assert torch.equal(ops.quantize(x, scale, zero_point, granularity="row"), codes)
    assert (ops.dequantize(codes, scale, zero_point, granularity="row") - x).abs().max() <= scale.max()
    assert ops.quantize(x[..., 0].T, torch.ones(1)).is_contiguous()
    packed = ops.quantize(x, torch.full((8,), 0.3), granularity="column", code_type="s4")
    assert packed.shape == (2, 3, 4)
    assert ops.dequantize(packed, torch.full((8,), 0.3), granularity="column").shape == x.shape
    sums = torch.randint(-1000, 1000, (2, 3, 8), dtype=torch.int32)
    assert ops.requantize(sums, torch.ones(1), row_scale=scale).shape == sums.shape


def test_what_is_not_asked_for_is_empty() -> None:
    x, one = torch.randn(4, 16), torch.ones(16)
    assert [out.numel() for out in ops.quantize_dynamic(x)] == [64, 4, 0, 0]
    assert [out.numel() for out in ops.layernorm_quantize(x, one, one, normalised=False)] == [64, 4, 0, 0, 0]
    static = ops.layernorm_quantize(x, one, one, scale=torch.full((1,), 0.01), row_sums=True, qmin=-3)
    assert [out.numel() for out in static] == [64, 0, 0, 4, 64]
    assert static[0].min() == -3
    assert all(out.dtype == torch.float32 for out in (static[1], static[4]))


def test_a_global_average_has_the_image_as_its_window() -> None:
    x = torch.randint(-128, 128, (2, 7, 7, 32), dtype=torch.int8)
    mean = ops.avg_pool2d(x, [7, 7], [1, 1], [0, 0], output_type="f32")
    assert torch.equal(mean, x.float().sum((1, 2), keepdim=True) / 49)


CALLS = [(family, named) for family in OPERATORS for named, _ in [*cases(family)][-1:]]
by_call = pytest.mark.parametrize(("family", "named"), CALLS, ids=[family for family, _ in CALLS])


@by_call
def test_torch_finds_no_fault_in_the_operators(family: str, named: Arguments) -> None:
    torch.library.opcheck(getattr(torch.ops.immabench, family).default, (), named)


class Layer(torch.nn.Module):
    """A call with everything but its activations held; of several outputs all."""

    def __init__(self, operator: Any, named: Arguments, free: str) -> None:
        super().__init__()
        self.operator, self.named, self.free = operator, named, free

    def forward(self, x: Any) -> Any:
        return self.operator(**{**self.named, self.free: x})


@by_call
def test_models_with_them_compile_and_export(family: str, named: Arguments) -> None:
    free = "codes" if family == "dequantize" else "x"
    layer, x = Layer(OPERATORS[family], named, free), named[free]
    want = layer(x)
    exported = torch.export.export(layer, (x,))
    assert getattr(torch.ops.immabench, family).default in {node.target for node in exported.graph.nodes}
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for got in (compiled(x), exported.module()(x)):
        assert found(family, got).keys() == found(family, want).keys()
        for name, values in found(family, want).items():
            assert found(family, got)[name].tobytes() == values.tobytes()


X, ONE, ZERO = torch.zeros(4, 6), torch.ones(1), torch.zeros(1, dtype=torch.int32)
SIX, IMAGE = torch.ones(6), torch.zeros(1, 4, 4, 8, dtype=torch.int8)
CODES, SUMS = torch.zeros(4, 6, dtype=torch.int8), torch.zeros(4, 6, dtype=torch.int32)
RIGHT: dict[str, Arguments] = {
    "quantize": {"x": X, "scale": ONE},
    "dequantize": {"codes": CODES, "scale": ONE},
    "requantize": {"x": SUMS, "scale": ONE},
    "quantize_dynamic": {"x": X},
    "layernorm_quantize": {"x": X, "gamma": SIX, "beta": SIX},
    "max_pool2d": {"x": IMAGE, "window": [2, 2], "stride": [2, 2], "padding": [0, 0]},
    "avg_pool2d": {"x": IMAGE, "window": [2, 2], "stride": [2, 2], "padding": [0, 0]},
}


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("quantize", {"x": CODES}, "x is torch.int8, expected torch.float32 or torch.float16 or torch.bfloat16"),
        ("quantize", {"x": X[:0]}, r"x has shape \[0, 6\]; pass \[.., columns\] with at least one element"),
        ("quantize", {"scale": ONE.double()}, "scale is torch.float64, expected torch.float32; convert it"),
        ("quantize", {"scale": SIX}, r"scale has shape \[6\], expected \[1\]; nothing is broadcast"),
        ("quantize", {"granularity": "row"}, r"scale has shape \[1\], expected \[4\]"),
        ("quantize", {"granularity": "channel"}, "unknown granularity 'channel'; choose one of tensor, row, column"),
        ("quantize", {"zero_point": ONE}, "zero_point is torch.float32, expected torch.int32"),
        ("quantize", {"zero_point": ZERO + 128}, "zero_point holds 128 to 128; zero points lie in -128..127"),
        ("quantize", {"scale": -ONE}, r"scale\[0\] is -1.0; scales are positive and finite"),
        ("quantize", {"code_type": "s2"}, "unknown code_type 's2'; choose one of s8, s4"),
        ("quantize", {"code_type": "s4", "x": X[:, :5]}, "x has 5 columns, and int4 codes lie two a byte; pad them"),
        (
            "quantize",
            {"code_type": "s4", "qmin": -9},
            r"\[-9, 7\] is not a range of codes; take qmin and qmax within -8",
        ),
        ("quantize", {"kernel": "dequantize_t256_sm80"}, "dequantize_t256_sm80 computes dequantize, not quantize"),
        ("quantize", {"kernel": "quantize_none"}, "quantize_none"),
        ("dequantize", {"output_type": "s8"}, "unknown output_type 's8'; choose one of f32, f16, bf16"),
        (
            "requantize",
            {"x_zero_point": ZERO},
            "x_zero_point is given for int32 sums, which have none; leave it out|leave",
        ),
        ("requantize", {"bias": ONE}, r"bias has shape \[1\], expected \[6\]"),
        ("requantize", {"row_scale": SIX}, r"row_scale has shape \[6\], expected \[4\]"),
        ("quantize_dynamic", {"x": torch.zeros(1, 1025), "kernel": "quantize_dynamic_t32_sm80"}, "1025 columns exceed"),
        ("layernorm_quantize", {"gamma": ONE}, r"gamma has shape \[1\], expected \[6\]"),
        ("layernorm_quantize", {"residual": X.half()}, "residual is torch.float16, expected torch.float32"),
        ("layernorm_quantize", {"eps": -1.0}, "eps is -1.0; pass one that is finite and not negative"),
        ("layernorm_quantize", {"qmin": 0}, "zero_point, qmin or qmax is given without a scale"),
        ("layernorm_quantize", {"scale": ONE, "asymmetric": True}, "asymmetric is said of given scales; pass a zero"),
        ("max_pool2d", {"x": IMAGE[0]}, r"x has shape \[4, 4, 8\]; pass an image \[images, height, width, channels\]"),
        ("max_pool2d", {"window": [2]}, r"window is \[2\]; pass \[height, width\]"),
        ("max_pool2d", {"padding": [2, 0]}, "padding is more than half of the window; take at most filter / 2"),
        ("max_pool2d", {"window": [9, 9]}, "the filter is larger than the padded image"),
        ("avg_pool2d", {"output_type": "s32"}, "unknown output_type 's32'; choose one of s8, f32"),
        ("avg_pool2d", {"scale": ONE}, "one scale of two is given; pass x_scale and scale, or neither"),
        ("avg_pool2d", {"output_type": "f32", "zero_point": ZERO}, "and the output is f32; leave them out"),
    ],
)
def test_wrong_operands_are_one_line(family: str, changes: Arguments, message: str) -> None:
    with pytest.raises(ImmabenchError, match=message) as error:
        OPERATORS[family](**{**RIGHT[family], **changes})
    assert "\n" not in str(error.value)


def test_on_a_gpu_tensors_go_to_the_kernel_as_they_are(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seam: what would be launched on which stream. `compute` comes here where its outputs are on a GPU."""
    launches: list[tuple[str, Arguments]] = []
    fake_native.has_companions = True
    fake_native.launch_quantize = lambda kernel_id, **named: launches.append((kernel_id, named))
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(cuda_stream=7))
    tensors = {"x": X, "scale": ONE, "codes": CODES}
    companions._launch("quantize", MATRIX, tensors, {"granularity": "tensor"}, "")
    ((kernel_id, named),) = launches
    assert kernel_id == "quantize_t256_sm80"
    assert named == {**tensors, "granularity": "tensor", "stream": 7}
    assert all(named[name] is tensor for name, tensor in tensors.items())


def test_choices_are_the_smallest_that_is_legal(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = config_of("quantize"), replace(config_of("quantize"), id="quantize_t512_sm80")
    monkeypatch.setattr("immabench.kernels.companion_configs", lambda: (small, large))
    assert choose_companion("quantize", MATRIX).id == small.id
    fake_native.illegal[small.id] = "too long"
    assert choose_companion("quantize", MATRIX).id == large.id
    fake_native.illegal[large.id] = "too long as well"
    with pytest.raises(ImmabenchError, match="quantize has no kernel for 3x20: too long as well; see"):
        choose_companion("quantize", MATRIX)


def test_large_windows_are_a_blocks() -> None:
    pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")
    assert choose_companion("avg_pool2d", parse_convolution("1x7x7x512_f7")).window_threads == 128
    assert choose_companion("avg_pool2d", parse_convolution("1x8x8x512_f3")).window_threads == 1
    assert choose_companion("max_pool2d", parse_convolution("1x7x7x512_f7")).window_threads == 1
    assert choose_companion("layernorm_quantize", (4, 1024)).row_threads == 32
    assert choose_companion("layernorm_quantize", (4, 1025)).row_threads == 128
    assert choose_companion("quantize_dynamic", (4, 20000)).streams
