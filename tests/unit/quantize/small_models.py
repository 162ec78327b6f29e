"""Models of random weights for tests of the quantized graph: small ones of one idea each, and known architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from immabench.models import cifar_resnet
from immabench.models.torch_compat import import_torchvision, import_transformers
from immabench.quantize.traced import TracedModel

torch.set_num_threads(1)  # small products: threads would cost more than they save


def as_trained(model: nn.Module, seed: int = 0) -> nn.Module:
    """`model` in evaluation mode with batch normalizations that do something: a fresh one divides by 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low, high in ((module.running_mean, -0.3, 0.3), (module.running_var, 0.5, 2.0)):
                tensor.uniform_(low, high, generator=generator)
            if module.affine:
                module.weight.data.uniform_(0.5, 1.5, generator=generator)
                module.bias.data.uniform_(-0.3, 0.3, generator=generator)
    return model.eval()


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normally distributed numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def traced(model: nn.Module, *shape: int, dynamic: bool = True, seed: int = 0) -> TracedModel:
    """`model` traced with random numbers of a shape, the first dimension free."""
    return TracedModel.of(model, (random(*shape, seed=seed),), ({0: "batch"},) if dynamic else ())


class Block(nn.Module):
    """A residual block as ResNets have it: with a convolution of 1x1 where what it adds changes its shape."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class SmallResNet(nn.Module):
    """Images [n, 3, 8, 8] to logits [n, 5]; every kind of layer of a ResNet once."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.same = Block(8, 8)
        self.wider = Block(8, 16)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.wider(self.same(self.pool(self.stem(x).relu())))
        return self.head(self.dropout(torch.flatten(self.average(out), 1)))


def small_resnet(seed: int = 0) -> nn.Module:
    """A `SmallResNet` of random weights."""
    return seeded(SmallResNet, seed)


def seeded(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """What `build` makes with a fixed random state, `as_trained`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return as_trained(build(), seed)


class Lambda(nn.Module):
    """Modules by name, and a function of them and of an input."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self, x)


@dataclass(frozen=True)
class Architecture:
    """A model with an example of its inputs, what of them is free, and inputs of other sizes."""

    model: nn.Module
    inputs: tuple[torch.Tensor, ...]
    dimensions: Sequence[Mapping[int, str]]
    others: tuple[torch.Tensor, ...]
    traced: TracedModel


VISION = ("resnet18", "resnet34", "resnet50", "mobilenet_v2")
CIFAR = ("resnet20", "resnet56")
TEXT = ("bert", "distilbert")


@cache
def architecture(name: str) -> Architecture:
    """A known architecture, traced: the ImageNet ones on small images, the encoders in two small layers."""
    if name in TEXT:
        model, inputs, others = seeded(lambda: _encoder(name)), _tokens(2, 7), _tokens(3, 11)
        dimensions: Sequence[Mapping[int, str]] = ({0: "batch", 1: "length"},) * 2
    else:
        model = seeded(lambda: _vision(name))
        inputs, others = (random(2, 3, 32, 32),), (random(3, 3, 32, 32, seed=1),)
        dimensions = ({0: "batch"},)
    return Architecture(model, inputs, dimensions, others, TracedModel.of(model, inputs, dimensions))


def _vision(name: str) -> nn.Module:
    if name in CIFAR:
        return cifar_resnet.build(int(name.removeprefix("resnet")))
    import_torchvision()
    from torchvision import models

    return getattr(models, name)(weights=None, num_classes=10)


class _Logits(nn.Module):
    """An encoder as tokens and mask to logits."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids=tokens, attention_mask=mask).logits


def _encoder(name: str) -> nn.Module:
    transformers = import_transformers()
    if name == "bert":
        config = transformers.BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=50
        )
        return _Logits(transformers.BertForSequenceClassification(config))
    config = transformers.DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=50)
    return _Logits(transformers.DistilBertForSequenceClassification(config))


def _tokens(batch: int, length: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(length)
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, length // 2 :] = 0
    return torch.randint(0, 50, (batch, length), generator=generator), mask
