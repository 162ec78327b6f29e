"""The patterns of TensorRT: symmetric codes, a residual in codes, sums and biases in floats; what it does not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import Graph, of, quantized, run, session  # noqa: E402
from onnx import TensorProto  # noqa: E402
from small_models import architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.export import export_onnx, to_onnx  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402

IMAGES = random(6, 3, 8, 8, seed=5)
SYMMETRIC = {"calibrator": "minmax", "residuals": True, "symmetric": True}


@pytest.fixture(scope="module")
def resnet() -> QuantizedModel:
    return quantized(traced(small_resnet(), 2, 3, 8, 8), IMAGES, weights={"bits": 8}, activations=SYMMETRIC)


@pytest.fixture(scope="module")
def graph(resnet: QuantizedModel) -> Graph:
    return Graph(to_onnx(resnet, "tensorrt"))


def test_zero_points_are_zeros_of_int8(graph: Graph) -> None:
    for name in (*graph.of_type("QuantizeLinear"), *graph.of_type("DequantizeLinear")):
        zero = graph.constants[graph.nodes[name].input[2]]
        assert zero.data_type == TensorProto.INT8
        assert not graph.array(zero.name).any()


def test_a_residual_is_codes_and_the_sum_is_not(graph: Graph) -> None:
    add = graph.nodes["same.conv2/Add"]
    assert sorted(graph.source(name).op_type for name in add.input) == ["Conv", "DequantizeLinear"]
    assert graph.readers(add.output[0])[0].op_type == "Relu"


def test_biases_are_floats(graph: Graph) -> None:
    bias = graph.nodes["same.conv1/Conv"].input[2]
    assert graph.constants[bias].data_type == TensorProto.FLOAT


def test_linear_weights_have_a_scale_for_each_row(graph: Graph) -> None:
    assert graph.attributes("head.weight/DequantizeLinear") == {"axis": 0}
    assert graph.attributes("head/Gemm") == {"transB": 1}


def test_nothing_is_clipped(graph: Graph) -> None:
    assert not graph.of_type("Clip")


def test_the_values_are_the_simulations(resnet: QuantizedModel) -> None:
    """Floats around Q/DQ: sums in another order let codes fall on the other side of a tie, and that is all."""
    got, want = run(session(to_onnx(resnet, "tensorrt")), IMAGES)["output"], resnet(IMAGES).numpy()
    assert np.abs(got - want).max() <= 0.02 * np.abs(want).max()


def test_what_it_does_otherwise_is_said(resnet: QuantizedModel, tmp_path: Path) -> None:
    exported = export_onnx(resnet, tmp_path / "m.onnx", "tensorrt")
    assert exported.notes == ()
    assert exported.in_floats == {}


def test_int4_weights_in_blocks() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(128, 16)))
    weights = {"bits": 4, "granularity": "group", "group": 64}
    graph = Graph(to_onnx(quantized(traced(model, 2, 128), floats="fp16", weights=weights), "tensorrt"))
    node = graph.nodes["0.weight/DequantizeLinear"]
    assert graph.attributes(node.name) == {"axis": 0, "block_size": 64}
    assert [graph.constants[name].data_type for name in node.input] == [
        TensorProto.INT4,
        TensorProto.FLOAT16,
        TensorProto.INT4,
    ]


GROUPS = {"bits": 4, "granularity": "group", "group": 64}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"weights": {"bits": 8}, "activations": {"calibrator": "minmax"}}, "has zero points; choose w8a8-symmetric"),
        ({"weights": {"bits": 8}, "activations": {"scales": "tensor"}}, "has scales found when running"),
        (
            {"weights": {"bits": 4}, "activations": {"bits": 4, "symmetric": True, "calibrator": "minmax"}},
            "has activations of 4 bits",
        ),
        ({"weights": {"bits": 8}}, "has 8-bit weights alone that are not in groups of 64 or 128"),
        ({"weights": {"bits": 4}}, "has 4-bit weights alone that are not in groups"),
        ({"weights": {**GROUPS, "group": 32}}, "has 4-bit weights alone that are not in groups of 64 or 128"),
        ({"weights": {**GROUPS, "symmetric": False}}, "has zero points of weights"),
    ],
)
def test_recipes_it_does_not_take(tables: dict[str, Any], message: str) -> None:
    model = traced(seeded(lambda: nn.Sequential(nn.Linear(128, 16))), 2, 128)
    with pytest.raises(UsageError, match=f"recipe r is not for tensorrt: 0 {message}"):
        to_onnx(quantized(model, random(2, 128), **tables), "tensorrt")


def test_4_bit_convolutions_are_refused() -> None:
    model = traced(seeded(lambda: nn.Sequential(nn.Conv2d(64, 4, 1))), 2, 64, 4, 4)
    with pytest.raises(UsageError, match="has 4-bit weights of a convolution"):
        to_onnx(quantized(model, weights=GROUPS), "tensorrt")


def test_text_turns_its_weights() -> None:
    made = of(architecture("distilbert"), weights={"bits": 8}, activations={"calibrator": "minmax", "symmetric": True})
    graph = Graph(to_onnx(made, "tensorrt"))
    name = "encoder.distilbert.transformer.layer.0.attention.q_lin"
    assert graph.source(graph.nodes[f"{name}/MatMul"].input[1]).op_type == "Transpose"
    assert graph.attributes(f"{name}.weight/DequantizeLinear") == {"axis": 0}
