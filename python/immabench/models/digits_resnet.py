"""ResNet-18 trained here on scikit-learn's digits: a model that needs no download.

Its weights are made on first use and kept in the user's cache. Importing this loads neither torch nor numpy.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from immabench import assets
from immabench.errors import ImmabenchError, UsageError
from immabench.models import resnet18
from immabench.models.torch_compat import require

if TYPE_CHECKING:
    import torch

    from immabench.models.datasets import Dataset

NAME = "resnet18-digits"
EVALUATION = "scikit-learn's digits, 500 held out"
CALIBRATION = "scikit-learn's digits, the 1297 it is trained on"
WATERMARK = "trained here on scikit-learn's 8x8 digits: shows that the tool works, says nothing of ImageNet"

RECIPE = 1
"""Version of the data and of the training below; the cache keeps each apart."""

CLASSES = 10
EPOCHS = 4
BATCH = 32
PEAK_RATE = 0.02
SEED = 0

Progress = Callable[[int, int], None]
"""Of training: epochs done, epochs in all."""


def load(progress: Progress | None = None) -> torch.nn.Module:
    """The model from the cache, else trained now, in about half a minute on two cores; in evaluation mode.

    `progress` is called before the first epoch and after each; without one, lines with an ETA go to standard error.
    Raises ImmabenchError for a cache that cannot be written.
    """
    from immabench.models.checkpoints import load_weights

    path = cached()
    if path.is_file():
        try:
            return load_weights(resnet18.build(CLASSES), path)
        except UsageError as error:
            print(f"{error.message}; training {NAME} again", file=sys.stderr)
    with _replacing(path) as unfinished:
        model = train(calibration(), EPOCHS, progress or _Lines())
        require("safetensors.torch").save_file(model.state_dict(), unfinished)
    return model


def evaluation() -> Dataset:
    """500 digits that it is not trained on."""
    from immabench.models.datasets.digits import held_out

    return held_out(EVALUATION)


def calibration() -> Dataset:
    """The digits that it is trained on."""
    from immabench.models.datasets.digits import trained_on

    return trained_on(CALIBRATION)


def cached() -> Path:
    """Where the weights are kept: by recipe, and by version of torch, whose arithmetic they come from."""
    version = require("torch").__version__
    return assets.cache_folder() / "models" / f"{NAME}-recipe{RECIPE}-torch{version}.safetensors"


def train(dataset: Dataset, epochs: int, progress: Progress) -> torch.nn.Module:
    """ResNet-18 trained on `dataset` by stochastic gradient descent with one cycle of the learning rate (Smith 2018,
    "A disciplined approach to neural network hyper-parameters"). torch's random state is left as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = resnet18.build(CLASSES).train()
        images = dataset.inputs(range(len(dataset)))[0]
        labels = torch.from_numpy(dataset.labels)
        optimizer = torch.optim.SGD(model.parameters(), PEAK_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
        steps = epochs * -(-len(dataset) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
        progress(0, epochs)
        for epoch in range(1, epochs + 1):
            for chosen in torch.randperm(len(dataset)).split(BATCH):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(images[chosen]), labels[chosen]).backward()
                optimizer.step()
                schedule.step()
            progress(epoch, epochs)
    return model.eval()


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place when all went well, so that nobody sees half of one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f"{path.stem}-", suffix=path.suffix) as file:
            pass
        unfinished = Path(file.name)
    except OSError as error:
        raise ImmabenchError(
            f"{path} cannot be written ({error.strerror})", "point XDG_CACHE_HOME at a writable folder"
        ) from None
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class _Lines:
    """Progress as lines on standard error."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        left = (time.monotonic() - self._start) / max(1, done) * (total - done)
        eta = f", {left:.0f} s left" if 0 < done < total else ""
        print(f"training {NAME}: epoch {done} of {total}{eta}", file=sys.stderr, flush=True)
