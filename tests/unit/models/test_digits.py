"""resnet18-digits: its data, its training much shortened, and its cache. Trained wholly it is by hand alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models are torch's: pip install 'immabench[models]'")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn: pip install 'immabench[models]'")

from immabench import assets  # noqa: E402
from immabench.errors import ImmabenchError  # noqa: E402
from immabench.models import digits_resnet, resnet18  # noqa: E402
from immabench.models.datasets import balanced_subset  # noqa: E402


@pytest.fixture
def trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An empty cache, and in the place of training a model without; one number for each."""
    done: list[int] = []

    def train(dataset: Any, epochs: int, progress: Any) -> Any:
        done.append(len(dataset))
        progress(0, epochs)
        return resnet18.build(10)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(assets.VARIABLE, str(tmp_path / "read-only"))
    monkeypatch.setattr(digits_resnet, "train", train)
    return done


def test_images_to_evaluate_and_to_train_are_apart_and_all() -> None:
    held, trained = digits_resnet.evaluation(), digits_resnet.calibration()
    assert (len(held), len(trained)) == (500, 1297)
    assert np.bincount(held.labels).tolist() == [50] * 10
    together = {*held.identifiers, *trained.identifiers}
    assert sorted(map(int, together)) == list(range(1797))


def test_images_are_three_equal_channels_up_to_one() -> None:
    (images,) = digits_resnet.evaluation().inputs(range(40))
    assert (images.dtype, tuple(images.shape)) == (torch.float32, (40, 3, 32, 32))
    assert (float(images.min()), float(images.max())) == (0, 1)
    assert torch.equal(images[:, 0], images[:, 2])


def test_training_learns_reports_and_leaves_the_random_state_alone() -> None:
    """Two epochs of 320 images: the loss is below half of ln 10, that of one who knows nothing."""
    subset = balanced_subset(digits_resnet.calibration(), 320, seed=0)
    steps: list[tuple[int, int]] = []
    before = torch.random.get_rng_state()
    model = digits_resnet.train(subset, 2, lambda *step: steps.append(step))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert steps == [(0, 2), (1, 2), (2, 2)]
    assert not model.training
    model.train()  # with the statistics of the batch: those of few steps are still far from it
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(*subset.inputs(range(64))), torch.from_numpy(subset.labels[:64]))
    assert float(loss) < np.log(10) / 2


def test_it_is_trained_once_and_then_read(trainings: list[int], tmp_path: Path) -> None:
    first = digits_resnet.load(lambda *_: None).state_dict()
    second = digits_resnet.load(lambda *_: None).state_dict()
    assert trainings == [1297]
    assert all(torch.equal(first[name], second[name]) for name in first)
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [digits_resnet.cached().name]
    assert torch.__version__ in files[0]
    assert f"recipe{digits_resnet.RECIPE}" in files[0]


def test_a_damaged_cache_is_said_and_made_again(trainings: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    digits_resnet.load(lambda *_: None)
    whole = digits_resnet.cached().read_bytes()
    digits_resnet.cached().write_bytes(whole[: len(whole) // 2])
    digits_resnet.load(lambda *_: None)
    assert trainings == [1297, 1297]
    said = capsys.readouterr().err
    assert re.search(r"^.*is no whole safetensors file \(.*\); training resnet18-digits again\n$", said)
    assert digits_resnet.cached().stat().st_size == len(whole)


def test_an_interrupted_training_leaves_nothing(
    trainings: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(digits_resnet, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        digits_resnet.load()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_cache_that_cannot_be_written_is_said_before_training(trainings: list[int], tmp_path: Path) -> None:
    (tmp_path / "immabench").write_text("a file in the way")
    with pytest.raises(ImmabenchError, match=r"cannot be written .*point XDG_CACHE_HOME at a writable folder"):
        digits_resnet.load()
    assert trainings == []


def test_without_a_callback_progress_goes_to_standard_error(
    trainings: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    digits_resnet.load()
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"training resnet18-digits: epoch 0 of {digits_resnet.EPOCHS}\n")
