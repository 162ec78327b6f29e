"""Checkpoints: tensors and nothing else, of this model, finite; everything else in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
pytest.importorskip("safetensors", reason="weights are safetensors: pip install 'immabench[models]'")

from safetensors.torch import save_file  # noqa: E402

from immabench.errors import UsageError  # noqa: E402
from immabench.models.checkpoints import load_weights, read_checkpoint  # noqa: E402


def network() -> Any:
    return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3)).train()


def state() -> dict[str, Any]:
    """A checkpoint for evaluation, which has counted no batches."""
    return {k: v.clone() for k, v in network().state_dict().items() if not k.endswith("num_batches_tracked")}


@pytest.fixture(params=["a.safetensors", "a.pth", "a.th", "a.bin", "a.pt"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return tmp_path / str(request.param)


def save(tensors: Any, path: Path) -> None:
    (save_file if path.suffix == ".safetensors" else torch.save)(tensors, path)


def test_weights_come_back_in_evaluation_mode(path: Path) -> None:
    weights = state()
    save(weights, path)
    model = load_weights(network(), path)
    assert not model.training
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in weights.items())


def test_half_precision_is_widened_and_the_prefix_of_parallel_training_left_out(path: Path) -> None:
    weights = {name: tensor.half() for name, tensor in state().items()}
    save({f"module.{name}": tensor for name, tensor in weights.items()}, path)
    found = load_weights(network(), path).state_dict()
    assert all(torch.equal(found[name], tensor.float()) for name, tensor in weights.items())
    assert found["0.weight"].dtype == torch.float32


def test_a_checkpoint_of_training_holds_its_weights_below_state_dict(tmp_path: Path) -> None:
    save({"state_dict": state(), "best_prec1": torch.tensor(91.7), "epoch": 3}, tmp_path / "a.th")
    assert set(read_checkpoint(tmp_path / "a.th")) == set(state())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(path: Path, value: float) -> None:
    weights = state()
    weights["1.running_var"][1] = value
    save(weights, path)
    with pytest.raises(UsageError, match=r"1.running_var has values that are not finite"):
        load_weights(network(), path)


def without(weights: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: tensor for name, tensor in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(w, "0.bias"), r"is of another model: no 0.bias; models: "),
        (lambda w: without(w, "0.bias", "1.bias"), r"no 0.bias, and 1 more differences; models: "),
        (lambda w: {**w, "fc.weight": torch.zeros(3)}, r"fc.weight is not of the model"),
        (lambda w: {**w, "0.bias": torch.zeros(4)}, r"0.bias is float32\[4\], not float32\[3\]"),
        (lambda w: {**w, "0.bias": torch.zeros(3, dtype=torch.int8)}, r"0.bias is int8\[3\], not float32\[3\]"),
    ],
)
def test_weights_of_another_model_are_refused(path: Path, change: Any, message: str) -> None:
    save(change(state()), path)
    with pytest.raises(UsageError, match=message) as caught:
        load_weights(network(), path)
    assert "resnet18-digits" in caught.value.remedy
    assert "\n" not in str(caught.value)


class Planted:
    """An object whose reading would write a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("content", [lambda mark: Planted(mark), lambda mark: {"a": Planted(mark)}])
def test_pickled_objects_are_refused_and_do_not_run(tmp_path: Path, content: Any) -> None:
    torch.save(content(tmp_path / "ran"), tmp_path / "a.pth")
    with pytest.raises(
        UsageError, match=r"a.pth is no checkpoint of tensors alone .*save model.state_dict\(\)"
    ) as caught:
        read_checkpoint(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.zeros(2), {"state_dict": {"a": "b"}}])
def test_other_contents_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UsageError, match=r"a.pth holds more than tensors by name"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("kept", [0, 5, 300])
def test_damaged_files_are_one_line(path: Path, kept: int) -> None:
    save(state(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UsageError, match=r"is no (whole safetensors file|checkpoint of tensors alone)") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent.pth is no file; give a checkpoint"):
        read_checkpoint(tmp_path / "absent.pth")
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match=r"a.onnx has the suffix of no checkpoint; known: .safetensors, .pth"):
        read_checkpoint(tmp_path / "a.onnx")
