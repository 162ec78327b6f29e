"""The file: what it says of itself, its dimensions, and what is wrong before it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="graphs are torch's: pip install 'immabench[models]'")
onnx = pytest.importorskip("onnx", reason="pip install 'immabench[models]'")
pytest.importorskip("onnxruntime", reason="pip install 'immabench[models]'")

from exported import W8A8, of, quantized, run, session  # noqa: E402
from small_models import Lambda, architecture, random, seeded, small_resnet, traced  # noqa: E402
from torch import nn  # noqa: E402

from immabench import __version__  # noqa: E402
from immabench.errors import NothingSelectedError, UsageError  # noqa: E402
from immabench.export import export_onnx, to_onnx  # noqa: E402
from immabench.quantize.quantized import QuantizedModel  # noqa: E402

IMAGES = random(4, 3, 8, 8)


@pytest.fixture(scope="module")
def resnet() -> QuantizedModel:
    return quantized(traced(small_resnet(), 2, 3, 8, 8), IMAGES, **W8A8)


def test_what_a_model_says_of_itself(resnet: QuantizedModel) -> None:
    made = to_onnx(resnet, model="small")
    assert (made.producer_name, made.producer_version) == ("immabench", __version__)
    assert {one.key: one.value for one in made.metadata_props} == {
        "model": "small",
        "recipe": "r",
        "recipe_digest": resnet.recipe.digest,
        "engine": "onnxruntime",
    }


def test_dimensions_have_their_names() -> None:
    known = architecture("distilbert")
    made = to_onnx(of(known), dimensions=known.dimensions)
    shapes = {
        one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in (*made.graph.input, *made.graph.output)
    }
    assert shapes == {"tokens": ["batch", "length"], "mask": ["batch", "length"], "output": ["batch", 2]}


def test_what_was_written(resnet: QuantizedModel, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    exported = export_onnx(resnet, path)
    assert (exported.path, exported.engine, exported.opset, exported.ir_version) == (path, "onnxruntime", 21, 10)
    assert exported.size_bytes == path.stat().st_size
    assert (exported.operators["Conv"], exported.operators["Add"]) == (6, 2)
    assert (exported.in_floats, exported.notes) == ({}, ())
    onnx.checker.check_model(str(path), full_check=True)


def test_zero_points_and_scales_are_constants(resnet: QuantizedModel) -> None:
    made = to_onnx(resnet)
    constants = {one.name for one in made.graph.initializer}
    for node in made.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert set(node.input[1:]) <= constants


def test_names_are_there_once(resnet: QuantizedModel) -> None:
    made = to_onnx(resnet)
    for names in (
        [node.name for node in made.graph.node],
        [one.name for one in made.graph.initializer] + [name for node in made.graph.node for name in node.output],
    ):
        assert len(names) == len(set(names))


def test_several_results_and_parameters_of_the_models_own() -> None:
    scale = nn.Parameter(torch.full((1, 3, 1, 1), 2.0))
    model = seeded(lambda: Lambda(lambda self, x: (self.a(x) * self.scale, x), a=nn.Conv2d(3, 3, 1), scale=scale))
    made = quantized(traced(model, 2, 3, 8, 8))
    got = run(session(to_onnx(made)), IMAGES)
    torch.testing.assert_close(torch.from_numpy(got["output_0"]), made(IMAGES)[0])
    torch.testing.assert_close(torch.from_numpy(got["output_1"]), IMAGES)


def test_bf16_takes_a_later_opset(resnet: QuantizedModel, tmp_path: Path) -> None:
    made = quantized(traced(small_resnet(), 2, 3, 8, 8), floats="bf16")
    exported = export_onnx(made, tmp_path / "m.onnx")
    assert exported.opset == 22
    assert "onnxruntime's CPU provider does not run bf16" in exported.notes[0]
    with pytest.raises(UsageError, match="opset 21 has no convolutions of bf16; choose --opset 22 or later"):
        to_onnx(made, opset=21)


@pytest.mark.parametrize("opset", [17, 24])
def test_opsets_that_are_not_exported(resnet: QuantizedModel, opset: int) -> None:
    with pytest.raises(UsageError, match=f"opset {opset} is not exported; choose 18 to 23"):
        to_onnx(resnet, opset=opset)


def test_an_unknown_engine(resnet: QuantizedModel) -> None:
    with pytest.raises(NothingSelectedError, match="no engine matches 'tensort'; nearest: tensorrt"):
        to_onnx(resnet, "tensort")


def test_a_path_that_cannot_be_written(resnet: QuantizedModel, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written \(Is a directory\); choose another --out"):
        export_onnx(resnet, tmp_path)
