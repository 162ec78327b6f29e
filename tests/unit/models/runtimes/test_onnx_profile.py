"""Profiles of ONNX Runtime, planted: who owns a node, which runs count, what is computing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")

from immabench.models.runtimes import onnx_profile
from immabench.models.runtimes.onnx_profile import owner, read_profile


def node(name: str, op: str, start: int, duration: int, type_: str = "float") -> dict[str, Any]:
    arguments = {"op_name": op, "provider": "CPUExecutionProvider", "input_type_shape": [{type_: [1]}]}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": duration, "args": arguments}


def run(start: int) -> dict[str, Any]:
    return {"cat": "Session", "name": "model_run", "ts": start, "dur": 99}


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(onnx_profile, "_writers", lambda _: {"relu_out": "conv1/Relu"})

    def read(events: list[dict[str, Any]], runs: int) -> Any:
        (tmp_path / "profile.json").write_text(json.dumps(events))
        return read_profile(tmp_path / "profile.json", tmp_path / "model.onnx", runs)

    return read


def test_reorders_belong_to_what_they_reorder_for(read: Any) -> None:
    events = [
        run(0),
        node("ReorderInput", "ReorderInput", 1, 5),
        node("relu_out_nchwc", "Conv", 10, 20),
        node("ReorderOutput", "ReorderOutput", 40, 3),
        node("fc/Gemm", "Gemm", 50, 7),
        node("Cast_1", "Cast", 60, 2),
    ]
    conv, fc = read(events, 1)
    assert (conv.name, conv.kernel, conv.time_us, conv.reformat_us) == ("conv1", "Conv NCHWc (CPU)", 20.0, 8.0)
    assert (fc.name, fc.time_us, fc.reformat_us) == ("fc", 7.0, 2.0), "the last cast brings its result back"


def test_only_the_last_runs_count(read: Any) -> None:
    events = [
        event for start in (0, 100, 200, 300) for event in (run(start), node("fc/Gemm", "Gemm", start + 1, start))
    ]
    assert read(events, 3)[0].time_us == 200.0
    assert read(events, 1)[0].time_us == 300.0


def test_the_longest_kernel_names_a_layer(read: Any) -> None:
    events = [
        run(0),
        node("conv2.input/QuantizeLinear", "QuantizeLinear", 1, 50),
        node("conv2/Conv", "QLinearConv", 55, 9, "uint8"),
        node("conv2/Add", "QLinearAdd", 66, 4, "uint8"),
    ]
    (conv,) = read(events, 1)
    assert (conv.op, conv.precision, conv.time_us, conv.reformat_us) == ("QLinearConv", "W8A8", 13.0, 50.0)


@pytest.mark.parametrize(
    ("op", "type_", "precision"),
    [
        ("QLinearConv", "uint8", "W8A8"),
        ("QLinearAdd", "int8", "A8"),
        ("MatMulNBits", "float", "W4A16"),
        ("DynamicQuantizeMatMul", "float", "W8A8"),
        ("Conv", "float16", "fp16"),
    ],
)
def test_precision_is_what_a_node_reads(read: Any, op: str, type_: str, precision: str) -> None:
    assert read([run(0), node("l/X", op, 1, 1, type_)], 1)[0].precision == precision


@pytest.mark.parametrize(
    ("name", "op", "layer"),
    [
        ("layer1.0.conv1/Conv", "FusedConv", "layer1.0.conv1"),
        ("layer1.0.conv1.input/QuantizeLinear", "QuantizeLinear", "layer1.0.conv1"),
        ("conv1.input/DequantizeLinear/duplicated", "DequantizeLinear", "conv1"),
        ("flatten/Transpose", "Transpose", "flatten"),
        ("Gather_token_3", "Gather", ""),
    ],
)
def test_owner(name: str, op: str, layer: str) -> None:
    assert owner(name, op) == layer
