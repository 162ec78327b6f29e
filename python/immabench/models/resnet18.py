"""ResNet-18 as torchvision builds it (He et al. 2015, "Deep Residual Learning for Image Recognition", table 1)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immabench.models.spec import Model
from immabench.models.torch_compat import import_torchvision

if TYPE_CHECKING:
    import torch

IMAGE_SIZE = 224
CLASSES = 1000
BATCHES = (1, 8, 32)


def build(classes: int = CLASSES) -> torch.nn.Module:
    """ResNet-18 with random weights, in evaluation mode: images [n, 3, h, w] to logits [n, classes]."""
    import_torchvision()
    from torchvision.models import resnet18

    model: torch.nn.Module = resnet18(weights=None, num_classes=classes)
    return model.eval()


def images(shape: tuple[int, ...]) -> torch.Tensor:
    """float32 images [batch, 3, height, width]."""
    import torch

    return torch.zeros(shape)


MODEL = Model(
    name="resnet18",
    description="ResNet-18 at 224x224, batch 1, 8 and 32: convolutions as implicit GEMMs, and the classifier",
    source="traced: torchvision resnet18",
    libraries=("torchvision",),
    build=build,
    example=images,
    variants={f"b{batch}": (batch, 3, IMAGE_SIZE, IMAGE_SIZE) for batch in BATCHES},
    options={"output_type": "f16", "row_scale": "tensor", "col_scale": "vector", "bias": True},
    folds_batch_norm=True,
    notes=(
        "A convolution is its implicit GEMM: m = batch * output positions, n = output channels, k = input channels *",
        "taps. Batch normalisation is folded into the weights, so each layer has a bias; activations have one scale,",
        "weights one a channel. Names: b8/ is batch 8, and conv{1,2} stands for conv1 and conv2.",
    ),
)

CONVOLUTIONS = replace(
    MODEL,
    name="resnet18-conv",
    description="ResNet-18 at 224x224, batch 1, 8 and 32: convolutions as such, images NHWC, and the classifier",
    keeps_convolutions=True,
    notes=(
        "m, n and k are those of the convolution's implicit GEMM; conv is images x height x width x channels, then the",
        "filter, stride and padding (immabench.convolution). Epilogues and names are those of the suite resnet18.",
    ),
)
