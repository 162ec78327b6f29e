"""ONNX Runtime on small files: the same logits, its own names joined to layers, one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
pytest.importorskip("onnx", reason="files are ONNX's: pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from immabench.errors import ImmabenchError, UsageError
from immabench.models.runtimes import onnx_runtime
from immabench.models.runtimes.base import Artifacts
from immabench.models.runtimes.onnx_runtime import OnnxRuntime, OnnxSession
from immabench.quantize.recipe_files import BUILT_IN, load_recipe

CPU = OnnxRuntime("onnxruntime", "CPUExecutionProvider", "cpu")
WEIGHT = np.random.default_rng(0).standard_normal((16, 16, 3, 3)).astype(np.float32)
CLASSES = np.random.default_rng(1).standard_normal((16, 5)).astype(np.float32)
INPUTS = (torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0)),)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    pass


def write(path: Path, quantized: bool) -> Path:
    """Convolution, ReLU, average, classes, named as exported models are; `quantized`: its input goes through codes."""
    nodes = []
    if quantized:
        scales = ["scale", "zero"]
        nodes += [
            helper.make_node("QuantizeLinear", ["x", *scales], ["q"], "conv1.input/QuantizeLinear"),
            helper.make_node("DequantizeLinear", ["q", *scales], ["dq"], "conv1.input/DequantizeLinear"),
        ]
    nodes += [
        helper.make_node("Conv", ["dq" if quantized else "x", "w"], ["c"], "conv1/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "conv1/Relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "avgpool/GlobalAveragePool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten/Flatten"),
        helper.make_node("MatMul", ["f", "k"], ["y"], "fc/MatMul"),
    ]
    constants = {"w": WEIGHT, "k": CLASSES, "scale": np.float32(0.05), "zero": np.int8(0)}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def session(path: Path) -> OnnxSession:
    artifacts = Artifacts(BUILT_IN["fp32"], lambda: pytest.fail("no module"), lambda: pytest.fail("no codes"), path)
    return CPU.prepare(artifacts, "cpu")


def test_logits_are_the_models(tmp_path: Path) -> None:
    images, weight, classes = INPUTS[0].double(), torch.from_numpy(WEIGHT).double(), torch.from_numpy(CLASSES).double()
    hidden = torch.nn.functional.conv2d(images, weight, padding=1).relu()
    want = (hidden.mean((2, 3)) @ classes).numpy()
    made = session(write(tmp_path / "m.onnx", False))
    # 144 products, 64 pixels and 16 channels are added in fp32: (144 + 64 + 16) * 2^-24 of magnitudes below 1000.
    np.testing.assert_allclose(made.run(INPUTS), want, rtol=0, atol=224 * 2.0**-24 * 1000)
    assert made.run(INPUTS).dtype == np.float32
    assert made.backend.endswith("CPUExecutionProvider, 1 threads")
    assert made.size_bytes == (tmp_path / "m.onnx").stat().st_size


def test_blocked_convolutions_find_their_layers(tmp_path: Path) -> None:
    """ONNX Runtime calls them after tensors; what it reorders has no name of a layer at all."""
    found = session(write(tmp_path / "m.onnx", False)).inspect(INPUTS)
    assert {"conv1", "avgpool", "flatten", "fc"} == {one.name for one in found}
    conv1 = next(one for one in found if one.name == "conv1")
    assert (conv1.op, conv1.precision) in {("Conv", "fp32"), ("FusedConv", "fp32")}
    assert conv1.kernel.endswith("(CPU)")
    assert all(one.time_us > 0 for one in found)


def test_quantizing_is_no_computing(tmp_path: Path) -> None:
    found = {one.name: one for one in session(write(tmp_path / "m.onnx", True)).inspect(INPUTS)}
    assert found["conv1"].reformat_us > 0
    assert "Quantize" not in found["conv1"].kernel


def test_other_inputs_are_one_line(tmp_path: Path) -> None:
    made = session(write(tmp_path / "m.onnx", False))
    with pytest.raises(UsageError, match=r"does not take \[1, 3, 8, 8\] \(Got invalid dimensions") as caught:
        made.run((torch.zeros(1, 3, 8, 8),))
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="has 1 inputs, the model 2"):
        made.run((torch.zeros(1, 16, 8, 8),) * 2)


@pytest.mark.parametrize("content", [b"", b"no model", "half"])
def test_a_damaged_or_foreign_file_is_one_line(tmp_path: Path, content: bytes | str) -> None:
    path = write(tmp_path / "m.onnx", False)
    path.write_bytes(path.read_bytes()[:200] if content == "half" else content)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"m\.onnx is no model for ONNX Runtime \(.*; export it again") as caught:
        session(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no ONNX file at .*none\.onnx; write one: immabench export"):
        session(tmp_path / "none.onnx")


def test_nothing_is_left_out_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose libraries do not load is dropped by ONNX Runtime, with a warning in its log."""
    made = session(write(tmp_path / "m.onnx", False))
    monkeypatch.setattr(made, "_provider", "AzureExecutionProvider")
    monkeypatch.setattr(onnx_runtime._module().InferenceSession, "get_providers", lambda _: ["CPUExecutionProvider"])
    with pytest.raises(ImmabenchError, match="left out AzureExecutionProvider, and would run on CPUExecutionProvider"):
        made._load(onnx_runtime._options())


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = OnnxRuntime("onnxruntime-cuda", "CUDAExecutionProvider", "cuda")
    monkeypatch.setattr(onnx_runtime, "_has_gpu", lambda: False)
    assert (cuda.availability().ok, cuda.availability().hardware) == (False, True)
    monkeypatch.setattr(onnx_runtime, "_has_gpu", lambda: True)
    found = cuda.availability()
    if not found.ok:
        assert "has no CUDAExecutionProvider, only " in found.detail
        assert (found.hardware, found.remedy) == (False, "install onnxruntime-gpu in the place of onnxruntime")
    monkeypatch.setattr(onnx_runtime.util, "find_spec", lambda name: None)
    assert CPU.availability().detail == "onnxruntime is not installed"


def test_recipes() -> None:
    assert "no kernels of bf16" in CPU.unsupported(BUILT_IN["bf16"])
    assert CPU.unsupported(load_recipe("resnet18", "w8a8")) == ""
    assert OnnxRuntime("t", "TensorrtExecutionProvider", "cuda").needs == "tensorrt"
