"""Trained models: an architecture with its weights, and the data to evaluate and to calibrate it with.

Importing this loads neither torch nor numpy; weights and data are read when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from immabench import assets
from immabench.errors import NothingSelectedError, UsageError
from immabench.models import digits_resnet, distilbert, resnet18

if TYPE_CHECKING:
    import torch

    from immabench.models.datasets import Dataset

NEEDS_NOTHING = digits_resnet.NAME
"""The model that needs no asset."""

IMAGES = ({0: "batch"},)
TOKENS = ({0: "batch", 1: "length"}, {0: "batch", 1: "length"})


@dataclass(frozen=True)
class Architecture:
    """What is the same whatever the weights."""

    title: str
    build: Callable[[], torch.nn.Module]
    """With random weights, in evaluation mode, float32."""
    read: Callable[[str, Path, bool], Dataset]
    """The data set of that name at a path, as the model takes it; of an archive of both, True chooses what to train."""


@dataclass(frozen=True)
class TrainedModel:
    """A model with weights and data. What it is made of is looked for, and may raise UsageError, when called for."""

    name: str
    title: str
    """What cards and reports call it."""
    recipes: str
    """The folder of `models/` with its recipes."""
    weights: str
    """The asset's name or a local file's path; empty of one that is trained here."""
    evaluation_data: str
    calibration_data: str
    watermark: str
    """A sentence that every report shows, or nothing."""
    batch: int
    """Samples that a forward pass on a CPU takes at best."""
    load: Callable[[], torch.nn.Module]
    """With its weights, in evaluation mode, float32."""
    evaluation: Callable[[], Dataset]
    calibration: Callable[[], Dataset]
    dimensions: tuple[dict[int, str], ...]
    """Of each input, which dimensions may change."""
    architecture: Architecture | None = None
    """None of one that takes no other weights or data."""


@dataclass(frozen=True)
class AssetFile:
    """A file of an asset, or its folder where `file` is empty; `title` says what it holds."""

    asset: str
    file: str = ""
    title: str = ""

    def __str__(self) -> str:
        return f"{self.title} ({self.asset})"

    @property
    def path(self) -> Path:
        return assets.folder() / self.asset / self.file


def trained_models() -> list[TrainedModel]:
    """Every trained model, sorted by name."""
    return sorted(_MODELS, key=lambda model: model.name)


def trained_model(name: str) -> TrainedModel:
    """The trained model of that name. Raises NothingSelectedError, with the nearest names, for an unknown one."""
    models = {model.name: model for model in trained_models()}
    if name not in models:
        raise NothingSelectedError.nearest("trained model", name, models)
    return models[name]


def with_local(
    model: TrainedModel,
    weights: Path | None = None,
    evaluation: Path | None = None,
    calibration: Path | None = None,
) -> TrainedModel:
    """`model` with local files in the place of assets: a checkpoint of its architecture, data of its kind.

    Raises UsageError for a model that takes none; what is wrong with a file is said when it is read.
    """
    architecture = model.architecture
    if not (weights or evaluation or calibration):
        return model
    if architecture is None:
        raise UsageError(f"{model.name} takes no local weights or data", "choose a model of assets")
    if weights:
        load = partial(_load, architecture, weights)
        model = replace(model, title=f"{architecture.title} of {weights.name}", weights=str(weights), load=load)
    if evaluation:
        read = partial(architecture.read, str(evaluation), evaluation, False)
        model = replace(model, evaluation_data=str(evaluation), evaluation=read)
    if calibration:
        read = partial(architecture.read, str(calibration), calibration, True)
        model = replace(model, calibration_data=str(calibration), calibration=read)
    return model


def _of_assets(
    name: str,
    title: str,
    recipes: str,
    architecture: Architecture,
    weights: AssetFile,
    evaluation: Sequence[AssetFile],
    calibration: Sequence[AssetFile],
    batch: int,
    dimensions: tuple[dict[int, str], ...],
) -> TrainedModel:
    """A model of assets; of several places for data the first that is here is taken, and named by the data set."""
    return TrainedModel(
        name=name,
        title=title,
        recipes=recipes,
        weights=weights.asset,
        evaluation_data=", else ".join(map(str, evaluation)),
        calibration_data=", else ".join(map(str, calibration)),
        watermark="",
        batch=batch,
        load=lambda: _load(architecture, _first_here([weights]).path),
        evaluation=lambda: _read(architecture, evaluation, training=False),
        calibration=lambda: _read(architecture, calibration, training=True),
        dimensions=dimensions,
        architecture=architecture,
    )


def _load(architecture: Architecture, path: Path) -> torch.nn.Module:
    from immabench.models.checkpoints import load_weights

    return load_weights(architecture.build(), path)


def _read(architecture: Architecture, places: Sequence[AssetFile], training: bool) -> Dataset:
    place = _first_here(places)
    return architecture.read(str(place), place.path, training)


def _first_here(places: Sequence[AssetFile]) -> AssetFile:
    """Raises UsageError, with what to do, where none is."""
    for place in places:
        if place.path.exists():
            return place
    wanted = " nor ".join(f"{place.asset}/{place.file}".rstrip("/") for place in places)
    fetchable = [place.asset for place in places if assets.asset_named(place.asset).fetchable]
    how = f"immabench assets fetch {fetchable[0]}" if fetchable else "put it there"
    raise UsageError(
        f"no {wanted} in {assets.folder()}", f"{how}, or set {assets.VARIABLE}; {NEEDS_NOTHING} needs nothing"
    )


def _imagenet(name: str, path: Path, _: bool) -> Dataset:
    from immabench.models.datasets.images import IMAGENET, read_image_folder

    return read_image_folder(name, path, resnet18.CLASSES, IMAGENET)


def _cifar10(name: str, path: Path, training: bool) -> Dataset:
    from immabench.models.datasets.cifar import read_cifar

    return read_cifar(name, path, training)


def _sst2(asset: str) -> Callable[[str, Path, bool], Dataset]:
    """Sentences in the vocabulary of a model's asset."""

    def read(name: str, path: Path, training: bool) -> Dataset:
        from immabench.models.datasets.sentences import read_sentences

        return read_sentences(name, path, _first_here([AssetFile(asset, "vocab.txt")]).path, training)

    return read


def _cifar_resnet(depth: int) -> torch.nn.Module:
    from immabench.models.cifar_resnet import build

    return build(depth)


_DIGITS = TrainedModel(
    name=digits_resnet.NAME,
    title="ResNet-18 of digits",
    recipes="resnet18",
    weights="",
    evaluation_data=digits_resnet.EVALUATION,
    calibration_data=digits_resnet.CALIBRATION,
    watermark=digits_resnet.WATERMARK,
    batch=250,
    load=digits_resnet.load,
    evaluation=digits_resnet.evaluation,
    calibration=digits_resnet.calibration,
    dimensions=IMAGES,
)


def _resnet18(name: str, title: str, weights: AssetFile) -> TrainedModel:
    architecture = Architecture("ResNet-18", resnet18.build, _imagenet)
    evaluation = [AssetFile("imagenet-val", title="ImageNet, 1000 validation images")]
    calibration = [AssetFile("imagenet-calibration", title="ImageNet, 512 training images")]
    return _of_assets(name, title, "resnet18", architecture, weights, evaluation, calibration, 16, IMAGES)


def _resnet_cifar10(depth: int) -> TrainedModel:
    title = f"ResNet-{depth} of CIFAR-10"
    architecture = Architecture(title, partial(_cifar_resnet, depth), _cifar10)
    weights = AssetFile("resnet-cifar10", f"resnet{depth}.safetensors")
    archive = AssetFile("cifar10-official", "cifar-10-binary.tar.gz")
    evaluation = [
        AssetFile("cifar10", "test8000.npz", "CIFAR-10, 8000 test images"),
        replace(archive, title="CIFAR-10, all 10000 test images"),
    ]
    calibration = [
        AssetFile("cifar10", "train10000.npz", "CIFAR-10, 10000 training images"),
        replace(archive, title="CIFAR-10, all 50000 training images"),
    ]
    name = f"resnet{depth}"
    return _of_assets(name, title, name, architecture, weights, evaluation, calibration, 50, IMAGES)


def _distilbert(name: str, title: str, asset: str) -> TrainedModel:
    def build() -> torch.nn.Module:
        return distilbert.build_from(_first_here([AssetFile(asset, "config.json")]).path)

    architecture = Architecture(title, build, _sst2(asset))
    weights = AssetFile(asset, "model.safetensors")
    archive = AssetFile("sst2-official", "SST-2.zip")
    evaluation = [
        AssetFile("sst2", "dev600.tsv", "SST-2, 600 development sentences"),
        replace(archive, title="SST-2, all 872 development sentences"),
    ]
    calibration = [
        AssetFile("sst2", "train8000.tsv", "SST-2, 8000 training sentences"),
        replace(archive, title="SST-2, all 67349 training sentences"),
    ]
    return _of_assets(name, title, "distilbert", architecture, weights, evaluation, calibration, 16, TOKENS)


_MODELS = (
    _resnet18("resnet18", "PQF ResNet-18", AssetFile("resnet18-imagenet", "model.safetensors")),
    _resnet18(
        "resnet18-torchvision", "torchvision's ResNet-18", AssetFile("resnet18-torchvision", "resnet18-f37072fd.pth")
    ),
    _resnet_cifar10(20),
    _resnet_cifar10(56),
    _distilbert("distilbert", "DistilBERT-384", "distilbert-sst2"),
    _distilbert("distilbert-sst2-official", "DistilBERT base on SST-2", "distilbert-sst2-official"),
    _DIGITS,
)
