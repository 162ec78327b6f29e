"""What weights packed for kernels stand for, by torch: the way back from fragment-major blocks and words of groups."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from immabench.packing import FRAGMENT_LAYOUTS
from immabench.packing.fragments import BLOCK_ROWS, LANE_BYTES, LANES, WORDS, FragmentMajor
from immabench.packing.groups import OFFSET, ZERO_POINT_BITS
from immabench.problems import Problem
from immabench.providers.native_call import fragment_layout

if TYPE_CHECKING:
    from collections.abc import Mapping


def unpack_nibbles(packed: Tensor) -> Tensor:
    """uint8 codes [.., 2 X] of uint8 [.., X], the low nibble first."""
    return torch.stack((packed & 15, packed >> 4), dim=-1).flatten(-2)


def unpack_s4(packed: Tensor) -> Tensor:
    """The same as signed codes, int8."""
    return (unpack_nibbles(packed) ^ 8).view(torch.int8) - 8


def integer_weights(problem: Problem, packed: Mapping[str, Tensor]) -> Tensor:
    """int8 [N, K] that s8 activations are multiplied with: (code - zero) * step."""
    codes = _codes(problem, packed)
    if "group_affine" not in packed:
        return codes
    words = _natural(packed["group_affine"].view(torch.int16).to(torch.int32) & 0xFFFF)
    step, offset = (words & 0xFF).to(torch.int16), (OFFSET - (words >> 8)).to(torch.int16)
    grouped = codes.unflatten(-1, (len(words), -1)).to(torch.int16)
    of_rows = (values[:, : problem.n].t().unsqueeze(-1) for values in (step, offset))
    return (grouped * next(of_rows) - next(of_rows)).to(torch.int8).flatten(-2)


def float_weights(problem: Problem, packed: Mapping[str, Tensor]) -> Tensor:
    """[N, K] of the activations' type: (code - zero) * scale, rounded once; int8 weights are exact."""
    data_type = torch.float16 if problem.a_type == "f16" else torch.bfloat16
    codes = _codes(problem, packed)
    if "group_affine" not in packed:
        return codes.to(data_type)
    words = _natural(packed["group_affine"].view(torch.int32))
    zero = ((words >> 16) & 0xFFFF) - ZERO_POINT_BITS[problem.a_type]
    scale = (words & 0xFFFF).to(torch.int16).view(data_type).float()
    grouped = codes.unflatten(-1, (len(words), -1)).float()
    of_rows = (values[:, : problem.n].t().unsqueeze(-1) for values in (zero.float(), scale))
    return (grouped.sub_(next(of_rows)).mul_(next(of_rows))).to(data_type).flatten(-2)


def _codes(problem: Problem, packed: Mapping[str, Tensor]) -> Tensor:
    """int8 [N, K]: signed codes, or unsigned ones where there are words of groups."""
    blocks, layout = packed["b"], fragment_layout(problem)
    if layout == FRAGMENT_LAYOUTS[4, 8]:
        codes = _words_in_rows(blocks)
    elif layout.weight_bits == 4:
        codes = _in_rows(unpack_nibbles(blocks), layout)
    else:
        codes = _in_rows(blocks, layout)
    if layout.weight_bits == 4 and "group_affine" not in packed:
        codes = codes.bitwise_xor_(8).view(torch.int8) - 8
    return codes.view(torch.int8)[: problem.n, : problem.k].contiguous()


def _words_in_rows(blocks: Tensor) -> Tensor:
    """Unsigned codes of w4m8, whose words are four neighbours of row r in the low nibbles and of r + 8 in the high
    ones: what moves is words, not codes one by one."""
    row_blocks, k_blocks, _ = blocks.shape
    words = blocks.view(torch.int32).view(row_blocks, k_blocks, BLOCK_ROWS // 2, 4, WORDS)
    rows = words.permute(0, 2, 1, 4, 3).contiguous()
    halves = torch.stack((rows & 0x0F0F0F0F, (rows >> 4) & 0x0F0F0F0F), dim=1)
    return halves.view(row_blocks * BLOCK_ROWS, -1).view(torch.uint8)


def _in_rows(codes: Tensor, layout: FragmentMajor) -> Tensor:
    """[N padded, K padded] of the codes of each block's lanes, one after the other."""
    row_blocks, k_blocks, _ = codes.shape
    places = _places(layout.weight_bits, layout.multiply_bits)
    blocks = codes.flatten(0, 1).index_select(1, places).view(row_blocks, k_blocks, BLOCK_ROWS, layout.block_k)
    return blocks.transpose(1, 2).reshape(row_blocks * BLOCK_ROWS, -1)


@functools.cache
def _places(weight_bits: int, multiply_bits: int) -> Tensor:
    """Of each (row, column) of a block, one after the other, the place of its code among those of the block's lanes."""
    layout = FRAGMENT_LAYOUTS[weight_bits, multiply_bits]
    rows, columns = layout.source()
    places = np.empty((BLOCK_ROWS, layout.block_k), np.int64)
    places[rows, columns] = np.arange(LANES * LANE_BYTES * 8 // weight_bits).reshape(rows.shape)
    return torch.from_numpy(places.reshape(-1))


def _natural(words: Tensor) -> Tensor:
    """[groups, N padded] of words whose rows are in the order 0, 8, 1, 9, .. within 16."""
    return words.unflatten(-1, (-1, BLOCK_ROWS // 2, 2)).transpose(-1, -2).flatten(1)
