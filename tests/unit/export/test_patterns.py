"""Where Q and DQ stand, of which types, and what ONNX Runtime makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import W8A8, Graph, graph_of, of, optimized_operators, quantized, run, session  # noqa: E402
from onnx import TensorProto  # noqa: E402
from small_models import Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.export import export_onnx, to_onnx  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402

IMAGES = random(6, 3, 8, 8, seed=5)


@pytest.fixture(scope="module")
def resnet() -> QuantizedModel:
    """A small ResNet, W8A8 with residuals."""
    return quantized(traced(small_resnet(), 2, 3, 8, 8), IMAGES, **W8A8)


@pytest.fixture(scope="module")
def graph(resnet: QuantizedModel) -> Graph:
    return graph_of(resnet)


def test_weights_are_int8_by_channel(resnet: QuantizedModel, graph: Graph) -> None:
    node = graph.nodes["same.conv1.weight/DequantizeLinear"]
    codes, scale, zero = node.input
    assert graph.attributes(node.name) == {"axis": 0}
    assert graph.constants[codes].data_type == TensorProto.INT8
    assert graph.array(codes).shape == (8, 8, 3, 3)
    weights = resnet.weights["same.conv1"]
    np.testing.assert_array_equal((graph.array(codes) * graph.array(scale)[:, None, None, None]), weights.values())
    assert not graph.array(zero).any()


def test_activations_are_uint8_128_higher(resnet: QuantizedModel, graph: Graph) -> None:
    parameters = resnet.parameters_of["same.conv2.input"]
    _, scale, zero = graph.nodes["same.conv2.input/QuantizeLinear"].input
    assert graph.array(scale) == np.float32(parameters.scale)
    assert graph.array(zero).dtype == np.uint8
    assert graph.array(zero) == parameters.zero_point + 128


def test_biases_are_int32_in_steps_of_the_product(resnet: QuantizedModel, graph: Graph) -> None:
    codes, scale, _ = (graph.array(name) for name in graph.nodes["same.conv1.bias/DequantizeLinear"].input)
    x_scale = np.float32(resnet.parameters_of["same.conv1.input"].scale)
    np.testing.assert_array_equal(scale, x_scale * resnet.weights["same.conv1"].scale[:, 0].numpy())
    assert codes.dtype == np.int32
    assert (np.abs(codes * scale.astype(float) - resnet.biases["same.conv1"].numpy()) <= scale / 2).all()


def test_a_relu_is_the_least_code(graph: Graph) -> None:
    """Zero points of what a ReLU gives are the least code: no Relu, no Clip."""
    assert not graph.of_type("Relu")
    assert not graph.of_type("Clip")
    assert graph.readers("same.conv1/Conv")[0].op_type == "QuantizeLinear"


def test_a_value_that_many_read_is_quantized_once(graph: Graph) -> None:
    """The pooled stem is read by a convolution and as a residual."""
    assert "same.conv1.input/QuantizeLinear" in graph.nodes
    assert "same.conv2.residual/QuantizeLinear" not in graph.nodes


def test_a_sum_is_codes_before_the_residual(graph: Graph) -> None:
    add = graph.nodes["same.conv2/Add"]
    assert [graph.source(name).op_type for name in add.input] == ["DequantizeLinear"] * 2
    assert graph.source(graph.nodes["same.conv2.sum/QuantizeLinear"].input[0]).name == "same.conv2/Conv"


def test_onnxruntime_computes_in_integers(resnet: QuantizedModel, tmp_path: Path) -> None:
    found = optimized_operators(to_onnx(resnet), tmp_path)
    assert {name: found[name] for name in ("QLinearConv", "QLinearAdd", "QLinearGlobalAveragePool", "QGemm")} == {
        "QLinearConv": 6,
        "QLinearAdd": 2,
        "QLinearGlobalAveragePool": 1,
        "QGemm": 1,
    }
    assert found["NhwcMaxPool"] + found["MaxPool"] == 1
    assert found["QuantizeLinear"] == 1, "the images"
    assert not found["DequantizeLinear"] + found["Conv"] + found["Add"] + found["Relu"]


def test_codes_are_clipped_where_the_type_has_more(tmp_path: Path) -> None:
    activations = {"calibrator": "minmax", "residuals": True, "symmetric": True, "bits": 7}
    made = quantized(traced(small_resnet(), 2, 3, 8, 8), IMAGES, weights={"bits": 7}, activations=activations)
    graph = graph_of(made)
    ends = [graph.array(name) for name in graph.nodes["stem.input/Clip"].input[1:]]
    assert [int(end) - 128 for end in ends] == [-64, 63]
    ends = [graph.array(name) for name in graph.nodes["same.conv2.input/Clip"].input[1:]]
    assert [int(end) - 128 for end in ends] == [0, 63], "a ReLU"
    assert optimized_operators(to_onnx(made), tmp_path)["QLinearConv"] == 6


def test_relu6_is_clipped_in_codes(tmp_path: Path) -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(), nn.Conv2d(4, 4, 1)))
    made = quantized(traced(model, 2, 3, 8, 8), 40 * IMAGES, **W8A8)
    made.parameters_of["2.input"] = made.parameters_of["0.input"]
    with_ = made.parameters_of["2.input"]
    assert with_.qmax * with_.scale > 6, "codes that go on above 6"
    graph = graph_of(made)
    ends = [int(graph.array(name)) - 128 for name in graph.nodes["2.input/Clip"].input[1:]]
    assert ends == [with_.zero_point, with_.zero_point + round(6 / with_.scale)]


def test_a_value_that_is_read_as_floats_too_stays_floats() -> None:
    def forward(self: Lambda, x: torch.Tensor) -> torch.Tensor:
        y = self.a(x).relu()
        return self.b(y) + y.tanh()

    model = seeded(lambda: Lambda(forward, a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 4, 1)))
    made = quantized(traced(model, 2, 3, 8, 8), IMAGES, **W8A8)
    graph = graph_of(made)
    assert graph.of_type("Relu") == ["a/Relu"]
    assert graph.source(graph.nodes["b.input/QuantizeLinear"].input[0]).op_type == "Relu"
    assert (
        graph.source(graph.nodes["model/Tanh" if "model/Tanh" in graph.nodes else "tanh/Tanh"].input[0]).op_type
        == "Relu"
    )


def test_floats_are_listed(tmp_path: Path) -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Conv2d(4, 4, 1)))
    made = quantized(traced(model, 2, 3, 8, 8), IMAGES, **W8A8)
    exported = export_onnx(made, tmp_path / "m.onnx")
    reason = "its sums go on as floats, or its result does, and integer convolutions give codes alone"
    assert exported.in_floats == {"0": reason, "2": reason}


def test_a_bias_beyond_int32_stays_floats(tmp_path: Path) -> None:
    model = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
        )
    )
    made = quantized(traced(model, 2, 3, 8, 8), IMAGES, **W8A8)
    made.biases["0"] = made.biases["0"] + 1e7
    exported = export_onnx(made, tmp_path / "m.onnx")
    assert exported.in_floats == {"0": "its bias is too large for int32 in steps of its product"}
    graph = graph_of(made)
    assert len(graph.nodes["0/Conv"].input) == 2
    assert "0/Add" in graph.nodes
    got = run(session(to_onnx(made)), IMAGES)["output"]
    assert np.isfinite(got).all()


def test_text_multiplies_codes_and_adds_floats(tmp_path: Path) -> None:
    known = architecture("distilbert")
    made = to_onnx(of(known, weights={"bits": 8}, activations={"calibrator": "minmax"}))
    found = optimized_operators(made, tmp_path)
    assert (found["MatMulIntegerToFloat"], found["QGemm"]) == (12, 2)
    graph = Graph(made)
    name = "encoder.distilbert.transformer.layer.0.attention.q_lin"
    assert graph.attributes(f"{name}.weight/DequantizeLinear") == {"axis": 1}
    assert graph.array(graph.nodes[f"{name}.weight/DequantizeLinear"].input[0]).shape == (32, 32)
    assert f"{name}.bias" in graph.constants, "a bias that is added to floats is not rounded"


def test_codes_follow_every_operand(resnet: QuantizedModel, graph: Graph) -> None:
    """Each operand that is read as codes is behind DequantizeLinear, whatever its role is called."""
    readers = {node.name: node for node in resnet.traced.graph.graph.nodes}
    for layer in resnet.traced.layers:
        for operand in layer.operands:
            assert operand.reader in readers
            written = {"pooling": "GlobalAveragePool", "linear": "Gemm"}.get(layer.kind, "Conv")
            name = f"{layer.name}/{'Add' if operand.role == 'residual' else written}"
            assert "DequantizeLinear" in {graph.source(one).op_type for one in graph.nodes[name].input[:2]}


@pytest.mark.parametrize("floats", ["fp16", "bf16"])
def test_integer_layers_stay_fp32_in_narrow_floats(floats: str) -> None:
    made = of(architecture("distilbert"), floats=floats, weights={"bits": 8}, activations={"calibrator": "minmax"})
    graph = graph_of(made)
    name = "encoder.distilbert.transformer.layer.0.attention.q_lin"
    bias = graph.constants[f"{name}.bias"].data_type
    norm = graph.constants["encoder.distilbert.transformer.layer.0.sa_layer_norm.weight"].data_type
    assert bias == TensorProto.FLOAT
    assert norm == {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}[floats]


def test_fp16_is_near_fp32() -> None:
    known = architecture("resnet20")
    want = of(known)(*known.inputs).numpy()
    got = run(session(to_onnx(of(known, floats="fp16"))), *known.inputs)["output"]
    assert got.dtype == np.float32
    assert 0 < np.abs(got - want).max() <= 20 * 2.0**-11 * np.abs(want).max()
