"""Weights alone: types, blocks and scales of their DequantizeLinear; what they stand for is what the simulation has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
onnx = pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import Graph, graph_of, optimized_operators, quantized, run, session  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from onnx import TensorProto  # noqa: E402
from small_models import random, seeded, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.export import to_onnx  # noqa: E402
from immabench.export.nodes import tensor  # noqa: E402
from immabench.export.weights import IntegerWeights  # noqa: E402
from immabench.quantize.recipes import WeightRecipe  # noqa: E402
from immabench.quantize.weights import quantize_weight  # noqa: E402

GROUP = {"granularity": "group", "group": 32}
SCHEMES: dict[str, dict[str, Any]] = {
    "8 by channel": {"bits": 8},
    "8 by tensor": {"bits": 8, "granularity": "tensor"},
    "8 with zero points": {"bits": 8, "symmetric": False},
    "6 by channel": {"bits": 6},
    "4 by channel": {"bits": 4},
    "3 with zero points": {"bits": 3, "symmetric": False},
    "4 in groups": {"bits": 4, **GROUP},
    "4 in groups with zero points": {"bits": 4, "symmetric": False, **GROUP},
    "4 in groups with steps": {"bits": 4, "steps": True, **GROUP},
    "4 in groups with steps and zero points": {"bits": 4, "steps": True, "symmetric": False, **GROUP},
    "8 in groups": {"bits": 8, **GROUP},
}
TYPES = {3: TensorProto.INT4, 4: TensorProto.INT4, 6: TensorProto.INT8, 8: TensorProto.INT8}
EXACT = {"qdq_matmulnbits_accuracy_level": "1"}
"""Products of activations as they are, in fp32: ONNX Runtime would round them to int8."""


def layers() -> nn.Module:
    """Images [n, 32, 4, 4] through filters of 3x3 in groups that are no whole taps, to classes."""
    return seeded(lambda: nn.Sequential(nn.Conv2d(32, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 6)))


@pytest.mark.parametrize("name", SCHEMES)
def test_values_are_those_of_the_simulation(name: str) -> None:
    made = quantized(traced(layers(), 2, 32, 4, 4), weights=SCHEMES[name])
    images = random(3, 32, 4, 4)
    got, want = run(session(to_onnx(made), **EXACT), images)["output"], made(images).numpy()
    # Two layers of at most 288 products in another order, and weights of steps rounded once more: 400 of 2^-24.
    assert np.abs(got - want).max() <= 400 * 2.0**-24 * np.abs(want).max() * 4


@pytest.mark.parametrize("name", SCHEMES)
def test_types_and_blocks(name: str) -> None:
    scheme = SCHEMES[name]
    graph = graph_of(quantized(traced(layers(), 2, 32, 4, 4), weights=scheme))
    unsigned = scheme.get("steps") and not scheme.get("symmetric", True)
    for layer, shape, blocks in (("0", (8, 288), (8, 9)), ("3", (32, 6), (1, 6))):
        node = graph.nodes[f"{layer}.weight/DequantizeLinear"]
        codes, scale, zero = (graph.constants[one] for one in node.input)
        assert codes.data_type == zero.data_type == (TensorProto.UINT4 if unsigned else TYPES[scheme["bits"]])
        if "group" in scheme:
            assert graph.attributes(node.name) == {"axis": int(layer == "0"), "block_size": 32}
            assert (tuple(codes.dims), tuple(scale.dims), tuple(zero.dims)) == (shape, blocks, blocks)
        else:
            channels = () if scheme.get("granularity") == "tensor" else ({"0": 8, "3": 6}[layer],)
            assert tuple(scale.dims) == tuple(zero.dims) == channels


def test_onnxruntime_multiplies_packed_codes(tmp_path: Path) -> None:
    model = traced(seeded(lambda: nn.Sequential(nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 16))), 2, 64)
    for bits in (4, 8):
        made = to_onnx(quantized(model, weights={"bits": bits}))
        assert optimized_operators(made, tmp_path)["MatMulNBits"] == 2
    grouped = traced(seeded(lambda: nn.Sequential(nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 16))), 2, 64)
    for floats in ("fp32", "fp16"):
        weights = {"bits": 4, "symmetric": False, **GROUP}
        made = to_onnx(quantized(grouped, floats=floats, weights=weights))
        assert optimized_operators(made, tmp_path)["MatMulNBits"] == 2


@given(codes=st.lists(st.integers(-8, 7), min_size=1, max_size=33), signed=st.booleans())
def test_four_bits_lie_low_nibble_first(codes: list[int], signed: bool) -> None:
    array = np.array(codes, np.int64) + (0 if signed else 8)
    made = tensor(array, "x", TensorProto.INT4 if signed else TensorProto.UINT4)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(made).astype(int), array)
    assert len(made.raw_data) == -(-len(codes) // 2)
    assert made.raw_data[0] & 15 == array[0] & 15


@given(seed=st.integers(0, 1000), symmetric=st.booleans())
def test_integers_of_steps_stand_for_the_weights(seed: int, symmetric: bool) -> None:
    weights = quantize_weight(
        random(3, 32, 2, 2, seed=seed), WeightRecipe(bits=4, steps=True, symmetric=symmetric, **GROUP)
    )
    integers = IntegerWeights.of(weights)
    assert integers.codes.dtype == np.int8
    np.testing.assert_array_equal(integers.codes * integers.scale[:, None, None, None], weights.values().numpy())


def test_integers_of_steps_are_what_is_multiplied() -> None:
    weights = {"bits": 4, "steps": True, **GROUP}
    made = quantized(
        traced(layers(), 2, 32, 4, 4), random(3, 32, 4, 4), weights=weights, activations={"calibrator": "minmax"}
    )
    graph = graph_of(made)
    codes, scale, _ = graph.nodes["0.weight/DequantizeLinear"].input
    assert graph.constants[codes].data_type == TensorProto.INT8
    assert graph.array(scale).shape == (8,)


def test_scales_that_fp16_does_not_have_are_fp32() -> None:
    model = layers()
    model[3].weight.data *= 2.0**-20  # type: ignore[operator]
    graph = Graph(to_onnx(quantized(traced(model, 2, 32, 4, 4), floats="fp16", weights={"bits": 4})))
    types = [graph.constants[graph.nodes[f"{name}.weight/DequantizeLinear"].input[1]].data_type for name in "03"]
    assert types == [TensorProto.FLOAT16, TensorProto.FLOAT]
    assert graph.readers("3.weight/DequantizeLinear")[0].op_type == "Cast"


@pytest.mark.parametrize("weights", [{"bits": 4}, {"bits": 8, **GROUP}])
def test_an_opset_without_them_is_refused(weights: dict[str, Any]) -> None:
    made = quantized(traced(layers(), 2, 32, 4, 4), weights=weights)
    with pytest.raises(
        UsageError, match=r"opset 20 has neither 4-bit integers nor blocks, .*; choose --opset 21 or later"
    ):
        to_onnx(made, opset=20)
    assert to_onnx(made, opset=21).opset_import[0].version == 21
