"""ONNX Runtime's codes of each layer beside the integers of docs/numerics.md, within the bound of docs/export.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
onnx = pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import W8A8, Graph, exposing, quantized, run, session  # noqa: E402
from small_models import random, small_resnet, traced  # noqa: E402

from immabench import ops  # noqa: E402
from immabench.export import to_onnx  # noqa: E402
from immabench.export.sums import sum_parameters  # noqa: E402
from immabench.export.weights import IntegerWeights  # noqa: E402
from immabench.quantize.layers import Layer  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402
from immabench.quantize.schemes import QuantizationParameters  # noqa: E402

IMAGES = random(16, 3, 8, 8, seed=5)
ROUNDINGS = 16 * 2.0**-24
"""docs/export.md: of both ways together, relative to the magnitudes of all that is added."""


@dataclass
class Compared:
    """A layer's output codes by ONNX Runtime and by the specification, and the derived bound of each difference."""

    got: np.ndarray
    want: np.ndarray
    bound: np.ndarray

    @property
    def differences(self) -> np.ndarray:
        return np.abs(self.got.astype(int) - self.want)


class Layers:
    """A model whose codes are all outputs, run once."""

    def __init__(self, model: QuantizedModel, optimized: Path) -> None:
        made = to_onnx(model)
        self.model, self.graph = model, Graph(made)
        self.weights = {name: IntegerWeights.of(one) for name, one in model.weights.items()}
        names = [self.graph.nodes[name].input[0] for name in self.graph.of_type("DequantizeLinear")]
        names = [name for name in names if name not in self.graph.constants]
        self.values = run(session(exposing(made, names), optimized), IMAGES)
        self.parameters = {
            (operand.node if operand.node == operand.stored else operand.stored): model.parameters_of[operand.name]
            for layer in model.traced.layers
            for operand in layer.operands
        }

    def codes(self, name: str) -> torch.Tensor:
        """int8 NHWC of a value of Q or Clip, NCHW."""
        codes = torch.from_numpy(self.values[name].astype(np.int16) - 128).to(torch.int8)
        return codes.permute(0, 2, 3, 1).contiguous() if codes.dim() == 4 else codes

    def read_by(self, node: str, place: int | bool = 0) -> torch.Tensor:
        """The codes that a node reads through DequantizeLinear."""
        return self.codes(self.graph.source(self.graph.nodes[node].input[place]).input[0])

    def given_by(self, layer: Layer) -> torch.Tensor:
        """The codes that a layer's last operator gives."""
        name = self.graph.nodes[f"{layer.name}/{'Add' if layer.residual else 'Conv'}"].output[0]
        for operator in ("QuantizeLinear", "Clip"):
            following = [node for node in self.graph.readers(name) if node.op_type == operator]
            name = following[0].output[0] if following else name
        return self.codes(name)

    def compared(self, layer: Layer) -> Compared:
        x, y = self.model.parameters_of[layer.input.name], self.parameters[layer.output]
        weights, bias = self.weights[layer.name], self.model.biases[layer.name]
        image, options = self.read_by(f"{layer.name}/Conv"), _options(self.graph, layer)
        filters = torch.from_numpy(weights.codes).permute(0, 2, 3, 1).contiguous()
        scale = torch.from_numpy(weights.of_channels.copy())
        common = {**options, "row_scale": _one(x.scale), "col_scale": scale, "a_zero": _zero(x.zero_point)}
        residual, added, extra = {}, np.zeros(1), 0.0
        if layer.residual:
            r = self.model.parameters_of[layer.residual.name]
            inputs = list(self.graph.nodes[f"{layer.name}/Add"].input)
            codes = self.read_by(f"{layer.name}/Add", inputs[0].startswith(f"{layer.name}.sum"))
            residual = {"residual": codes, "residual_scale": _one(r.scale), "residual_zero": _zero(r.zero_point)}
            of_sum = sum_parameters(y, r, rectified=True)
            zeros = 255 * (of_sum.scale + r.scale + y.scale)
            added = np.abs((codes.numpy().astype(float) - r.zero_point) * r.scale) + zeros
            extra = of_sum.scale / 2
        activation = "relu" if "relu" in layer.fused else "none"
        want = ops.conv2d_s8(
            image,
            filters,
            **common,
            **residual,
            bias=bias,
            activation=activation,
            output_type="s8",
            out_scale=_one(y.scale),
            out_zero=_zero(y.zero_point),
        )
        sums = ops.conv2d_s8(image, filters, **common, output_type="f32").numpy().astype(float)
        magnitude = np.abs(sums) + np.abs(bias.numpy()) + added
        error = (x.scale * weights.of_channels / 2 + extra + ROUNDINGS * magnitude) / y.scale
        return Compared(self.given_by(layer).numpy(), _clamped(want.numpy(), y, activation), np.floor(error) + 1)


def _clamped(codes: np.ndarray, with_: QuantizationParameters, activation: str) -> np.ndarray:
    """Codes of fewer bits, or of a symmetric scheme, which the specification's int8 goes beyond."""
    least = max(with_.qmin, with_.zero_point) if activation == "relu" else with_.qmin
    return np.clip(codes.astype(int), least, with_.qmax)


def _one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float32)


def _zero(value: int) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.int32)


def _options(graph: Graph, layer: Layer) -> dict[str, Any]:
    attributes = graph.attributes(f"{layer.name}/Conv")
    return {"stride": tuple(attributes["strides"]), "padding": tuple(attributes["pads"][:2])}


ACTIVATIONS = {
    "asymmetric": {},
    "symmetric": {"symmetric": True},
    "4 bits": {"bits": 4},
    "6 symmetric bits": {"bits": 6, "symmetric": True},
    "narrow": {"calibrator": "percentile"},
}


@pytest.fixture(scope="module", params=ACTIVATIONS)
def layers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Layers:
    activations = {"calibrator": "minmax", "residuals": True, **ACTIVATIONS[request.param]}
    weights = {"bits": min(8, activations.get("bits", 8))}
    made = quantized(traced(small_resnet(), 2, 3, 8, 8), IMAGES, weights=weights, activations=activations)
    return Layers(made, tmp_path_factory.mktemp("optimized") / "model.onnx")


NAMES = ("stem", "same.conv1", "same.conv2", "wider.conv1", "wider.downsample", "wider.conv2")


@pytest.mark.parametrize("name", NAMES)
def test_codes_are_within_the_bound(layers: Layers, name: str) -> None:
    layer = next(one for one in layers.model.traced.layers if one.name == name)
    compared = layers.compared(layer)
    assert len(np.unique(compared.want)) > 4, "saturated codes show nothing"
    assert (compared.differences <= compared.bound).all(), (compared.differences - compared.bound).max()
    assert layer.residual or (compared.bound == 1).all()


def test_what_is_compared_was_computed_by_integers(tmp_path: Path) -> None:
    path = tmp_path / "optimized.onnx"
    Layers(quantized(traced(small_resnet(), 2, 3, 8, 8), IMAGES, **W8A8), path)
    run_as = {node.name.split("/")[0]: node.op_type for node in onnx.load(path).graph.node if "/Conv" in node.name}
    assert run_as == dict.fromkeys(NAMES, "QLinearConv")


def test_a_wrong_bias_is_found(layers: Layers) -> None:
    """The bound is no tautology: two steps of a bias are beyond it."""
    layer = next(one for one in layers.model.traced.layers if one.name == "same.conv1")
    scale = layers.parameters[layer.output].scale
    layers.model.biases[layer.name] = layers.model.biases[layer.name] + 2.5 * scale
    try:
        compared = layers.compared(layer)
    finally:
        layers.model.biases[layer.name] = layers.model.biases[layer.name] - 2.5 * scale
    assert (compared.differences > compared.bound).any()


def test_the_head_gives_floats_within_half_a_step(layers: Layers) -> None:
    x, weights, bias = layers.model.parameters_of["head.input"], layers.weights["head"], layers.model.biases["head"]
    codes, scale = layers.read_by("head/Gemm"), torch.from_numpy(weights.of_channels.copy())
    common = {"row_scale": _one(x.scale), "col_scale": scale, "a_zero": _zero(x.zero_point), "output_type": "f32"}
    filters = torch.from_numpy(weights.codes)
    want = ops.gemm_s8(codes, filters, **common, bias=bias).numpy()
    magnitude = np.abs(ops.gemm_s8(codes, filters, **common).numpy()) + np.abs(bias.numpy())
    bound = x.scale * weights.of_channels / 2 + ROUNDINGS * magnitude
    assert (np.abs(layers.values["output"] - want) <= bound).all()
