"""ResNets for CIFAR-10 (He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2).

Layers are named as in akamaster's pytorch_resnet_cifar10, whose weights are known here.
"""

from __future__ import annotations

import torch
from torch import nn

WIDTHS = (16, 32, 64)
"""Channels of the three stages, at 32, 16 and 8 pixels."""


class PaddedShortcut(nn.Module):
    """Option A of the paper: every other pixel, and new channels of zeros, half of them in front. It has no weights."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[n, c, h, w] to [n, c + 2 * channels, h / 2, w / 2], rounded up."""
        return nn.functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, self.channels, self.channels))


class BasicBlock(nn.Module):
    """Two convolutions of 3x3 and what came in added; the first halves the image where channels double."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        widens = outputs != inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2 if widens else 1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut = PaddedShortcut((outputs - inputs) // 2) if widens else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(images)))
        return self.relu(self.bn2(self.conv2(out)) + self.shortcut(images))


class CifarResNet(nn.Module):
    """A ResNet of 6 * `blocks` + 2 layers with weights: [n, 3, 32, 32] to logits [n, 10]."""

    def __init__(self, blocks: int, classes: int = 10) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.conv1 = nn.Conv2d(3, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.ReLU()
        self.layer1 = _stage(first, first, blocks)
        self.layer2 = _stage(first, second, blocks)
        self.layer3 = _stage(second, third, blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(third, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(images)))
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: torch.Tensor = self.linear(torch.flatten(self.avgpool(out), 1))
        return logits


def build(depth: int) -> nn.Module:
    """The CIFAR ResNet of `depth` layers (20, 32, 44, 56, 110) with random weights, in evaluation mode."""
    return CifarResNet((depth - 2) // 6).eval()


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(BasicBlock(inputs if i == 0 else outputs, outputs) for i in range(blocks)))
