"""Poolings of a graph as the modules that compute them of codes."""

from __future__ import annotations

import torch
from torch import fx

from immabench.models.integer.activations import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from immabench.quantize.attributes import arguments, sizes
from immabench.quantize.schemes import QuantizationParameters

_aten = torch.ops.aten


def unknown_pooling(node: fx.Node) -> str:
    """Why no kernel averages as a node does, "" where one does."""
    if node.target == _aten.adaptive_avg_pool2d.default:
        image, wanted = sizes(node.args[0])[2:], _pair(node.args[1])
        whole = wanted == [1, 1] or all(have % want == 0 for have, want in zip(image, wanted, strict=True))
        return "" if whole else f"windows of {image} to {wanted} are of different sizes"
    if node.target == _aten.avg_pool2d.default:
        given = arguments(node)
        unknown = given["ceil_mode"] or given["divisor_override"]
        return "windows that reach beyond the image, or a divisor, are unknown to kernels" if unknown else ""
    return ""


def pooling_module(
    node: fx.Node, codes: QuantizationParameters, output: QuantizationParameters | None
) -> torch.nn.Module:
    """What computes a node of `POOLINGS` of codes."""
    if node.target == _aten.avg_pool2d.default:
        return AvgPool2d(codes, output, _windows(node), bool(arguments(node)["count_include_pad"]))
    if node.target == _aten.adaptive_avg_pool2d.default:
        return AdaptiveAvgPool2d(codes, output, _pair(node.args[1]))
    whole = AdaptiveAvgPool2d(codes, output, [1, 1])
    return whole if arguments(node)["keepdim"] else torch.nn.Sequential(whole, torch.nn.Flatten(1))


def max_pooling_module(node: fx.Node) -> torch.nn.Module:
    """What computes a maximum pooling of codes."""
    return MaxPool2d(*_windows(node))


def _windows(node: fx.Node) -> tuple[list[int], list[int], list[int]]:
    """Window, stride, which is the window where none is given, and padding."""
    given = arguments(node)
    window, stride, padding = (given[name] for name in ("kernel_size", "stride", "padding"))
    return _pair(window), _pair(stride or window), _pair(padding)


def _pair(size: int | list[int]) -> list[int]:
    return [size] * 2 if isinstance(size, int) else [int(one) for one in (*size, *size)[:2]]
