"""Convolutions that sit on the edges of a kernel's tile, as `verify.edge_shapes` are for GEMMs."""

from __future__ import annotations

from math import ceil

from immabench.convolution import parse_convolution
from immabench.kernels import KernelConfig

EdgeConvolution = tuple[str, int]
"""Its name (`immabench.convolution`) and how many filters it has."""


def fewest_channels(config: KernelConfig) -> int:
    """Whose multiples every kernel of packed weights takes: whole groups of weights, by wgmma whole lines of a box."""
    return 64 if config.weight_layout == "fragment_major" and config.by_wgmma else 32


def edge_convolutions(config: KernelConfig) -> list[EdgeConvolution]:
    """Geometries computed from the tile: around its edges in pixels and filters, K within and beyond the pipeline.

    Tiles within a row of pixels and over several images; strides, dilations, padding; pixels of 16 bytes, of whole
    words, and of any bytes, which not every kernel takes.
    """
    m, n, k = config.block_tile
    few = fewest_channels(config)
    deep = few * ceil((config.stages + 1) * k / 9 / few)  # channels with which 9 taps go beyond the pipeline
    edges = [
        (f"1x1x1x{few}_f1", 1),
        (f"1x1x{m - 1}x{few}_f1", n - 1),
        (f"1x1x{m + 1}x{k}_f1x3_p0x1", n + 1),
        (f"{m // 36 + 2}x6x6x{few}_f3_p1", n),
        ("2x9x11x64_f3_s2_p1", n + 8),
        ("1x9x10x48_f3x2_p2x1_d2x3", n),
        (f"1x5x5x{deep}_f3_p1", n + 3),
        ("3x6x6x64_f1_s2", 2 * n),
        ("1x17x15x3_f7_s2_p3", n),
        ("1x12x9x4_f3_p1", n),
        ("1x7x7x20_f3_p1", n + 4),
    ]
    if config.weight_layout == "row_major":
        return edges
    return [(name, filters) for name, filters in edges if parse_convolution(name).channels % few == 0]
