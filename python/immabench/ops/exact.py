"""Products on the CPU, the bits of the kernels: of whatever integers the weights stand for, natively where the CPU has
AVX2, else by torch (`multiply_codes`) between native passes that gather patches and finish the sums.

Only sums that kernels add up in floats, of weights beside f16 and bf16, have no specified bits (docs/numerics.md).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from immabench.convolution import Convolution
from immabench.epilogue_vectors import VECTORS
from immabench.kernels import geometry_sizes, native
from immabench.ops.packed_codes import float_weights, integer_weights, unpack_s4
from immabench.ops.watching import tell
from immabench.problems import Problem

OF_ROWS = {"residual", *(name for name, vector in VECTORS.items() if vector.extent == "rows")}
"""Operands of an epilogue that have a value, or a row of them, for each row of the output."""

PIECE_BYTES = 2**22
"""Of sums and patches that are in memory at once: they are read back soon, out of the cache that cores share."""

K_MULTIPLE = 32
"""What rows of patches are padded to. On one CPU with AVX-512 VNNI 12544 x 64 x 147 took 0.39 ms, K = 160 0.35 ms; and
runs of few bytes are moved as whole vectors."""

EXACT_K = 1024
"""Products of int8 that fp32 adds up without rounding, in any order: so many times 2^14 is 2^24."""

KEPT_GEOMETRIES = 1024
"""Of convolutions: more than a model has, at several batches."""

Tensors = dict[str, Tensor | None]
"""Operands by the names that launches have for them."""


def pack_panels(b: Tensor) -> Tensor | None:
    """int8 weights [N, K], or filters [F, r, s, channels], on the CPU, in the order in which its products read them;
    None where it has no such instructions."""
    if not natively() or b.device.type != "cpu":
        return None
    matrix = b.reshape(len(b), -1).contiguous()
    panels = torch.empty(native().panel_bytes(*matrix.shape), dtype=torch.uint8)
    native().pack_panels(matrix, panels, threads=torch.get_num_threads())
    return panels


def compute_exactly(
    problem: Problem, operands: Tensors, packed: Mapping[str, Tensor], out: Tensor, panels: Tensor | None = None
) -> None:
    """Fill `out` with the product of `operands`, whose weights may be `packed` as kernels take them, or be in `panels`
    as well."""
    a, b = operands.pop("a"), operands.pop("b")
    assert a is not None
    assert b is not None
    if not problem.is_integer:
        tell("torch:matmul")
        weights = float_weights(problem, packed) if packed else b
        finish(problem, torch.matmul(a.float(), weights.float().transpose(-1, -2)), operands, out)
    elif not problem.has_integer_sum:
        tell(product_call())
        finish(problem, _sums_of_groups(problem, a, packed), operands, out)
    else:
        if packed:
            b = integer_weights(problem, packed)
        elif problem.a_type == "s4":
            a, b = unpack_s4(a), unpack_s4(b)
        tell(product_call())
        if natively():
            _product(problem, a, b, {**operands, "panels": panels}, out)
        else:
            (_convolve if problem.conv else _multiply)(problem, a, b, operands, out)


def finish(problem: Problem, sums: Tensor, operands: Mapping[str, Tensor | None], out: Tensor) -> None:
    """Fill `out` with the epilogue of `sums`, int32 or float32 of its shape, in one native pass."""
    if sums is out and problem.a_zero == "none":
        return
    present = {name: value for name, value in operands.items() if value is not None}
    threads = torch.get_num_threads()
    native().finish_sums(sums, out, activation=problem.activation, threads=threads, **present)


def natively() -> bool:
    """Whether products are computed as a whole by the native module."""
    return bool(native().product_instructions())


def product_call() -> str:
    """What products of codes call, as `ops.watching` names it."""
    return "cpu:multiply_s8" if natively() else "torch:mm"


def multiply_codes(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """`out` int32 [M, N], filled with the product of int8 a [M, K] and the transpose of b [N, K]; exact.

    Without native products by fp32 ones of `EXACT_K` elements of K at a time: as exact as `torch._int_mm`, which is a
    loop over elements there, and many times as fast; also where torch rounds operands of fp32 products to bf16, as
    codes have 8 bits.
    """
    if natively():
        native().multiply_s8(a, b, out, threads=torch.get_num_threads())
        return out
    for first in range(0, a.shape[1], EXACT_K):
        part = torch.mm(a[:, first : first + EXACT_K].float(), b[:, first : first + EXACT_K].float().t())
        if first == 0:
            out.copy_(part)
        else:
            out.add_(part.to(torch.int32))
    return out


def _product(problem: Problem, a: Tensor, b: Tensor, operands: Tensors, out: Tensor) -> None:
    """A product, or a convolution, with its epilogue, in one native call."""
    present = {name: value for name, value in operands.items() if value is not None}
    geometry = None if problem.convolution is None else _sizes(problem.convolution)
    options = {"activation": problem.activation, "threads": torch.get_num_threads()}
    native().multiply_s8(a, b, out, geometry=geometry, **options, **present)


def _multiply(problem: Problem, a: Tensor, b: Tensor, operands: Tensors, out: Tensor) -> None:
    """A product, or a batch of them, by torch, in pieces of rows."""
    if problem.batch > 1:
        sums = _memory_of_sums(problem, out)
        for index in range(problem.batch):
            multiply_codes(a[index], b[index], sums[index])
        return finish(problem, sums, operands, out)
    for rows in _pieces(problem.m, 4 * problem.n):
        there = out[rows]
        sums = multiply_codes(a[rows], b, _memory_of_sums(problem, there))
        finish(problem, sums, _of_rows(operands, rows, problem.m), there)
    return None


def _convolve(problem: Problem, image: Tensor, filters: Tensor, operands: Tensors, out: Tensor) -> None:
    """A convolution by torch, in pieces of images; one whose patches are the image as it lies is a product."""
    geometry = problem.convolution
    assert geometry is not None
    if geometry.is_plain:
        return _multiply(problem, image.view(problem.m, problem.k), filters, operands, out)
    row_bytes = -(-problem.k // K_MULTIPLE) * K_MULTIPLE
    filters = pad(filters, (0, row_bytes - problem.k))
    pixels, zero = geometry.out_height * geometry.out_width, operands.get("a_zero")
    for images in _pieces(geometry.images, pixels * (row_bytes + 4 * problem.n)):
        rows = slice(images.start * pixels, images.stop * pixels)
        patches = _patches(_some_images(geometry, images.stop - images.start), image[images], zero, row_bytes)
        there = out[rows]
        sums = multiply_codes(patches, filters, _memory_of_sums(problem, there))
        finish(problem, sums, _of_rows(operands, rows, problem.m), there)
    return None


def _patches(geometry: Convolution, image: Tensor, zero: Tensor | None, row_bytes: int) -> Tensor:
    """What each output pixel's filter meets, [M, row_bytes], where padded filters have zeros from K on."""
    patches = torch.empty((geometry.m, row_bytes), dtype=torch.int8)
    sizes, threads = _sizes(geometry), torch.get_num_threads()
    native().gather_patches(image, patches, geometry=sizes, zero=zero, threads=threads)
    return patches


_sizes = functools.lru_cache(maxsize=KEPT_GEOMETRIES)(geometry_sizes)


@functools.lru_cache(maxsize=KEPT_GEOMETRIES)
def _some_images(geometry: Convolution, images: int) -> Convolution:
    return replace(geometry, images=images)


def _pieces(count: int, bytes_each: int) -> Iterator[slice]:
    """`count` rows, or images, in pieces of about `PIECE_BYTES`, as equal as can be."""
    pieces = min(count, -(-count * bytes_each // PIECE_BYTES))
    for index in range(pieces):
        yield slice(count * index // pieces, count * (index + 1) // pieces)


def _of_rows(operands: Tensors, rows: slice, m: int) -> Tensors:
    """Operands of some rows of the output."""
    if rows.stop - rows.start == m:
        return operands
    return {
        name: value[rows] if name in OF_ROWS and value is not None and len(value) > 1 else value
        for name, value in operands.items()
    }


def _memory_of_sums(problem: Problem, out: Tensor) -> Tensor:
    """Where int32 sums go: the output itself where that is int32."""
    return out if problem.output_type == "s32" else torch.empty(out.shape, dtype=torch.int32)


def _sums_of_groups(problem: Problem, a: Tensor, packed: Mapping[str, Tensor]) -> Tensor:
    """Sums of groups are exact; each is scaled and added in the order of K, product and sum rounded once each."""
    weights, group = integer_weights(problem, packed), problem.b_group
    total: Any = torch.zeros((problem.m, problem.n))
    for index, scale in enumerate(packed["group_scale"][:, : problem.n]):
        columns = slice(index * group, (index + 1) * group)
        sums = torch.empty(total.shape, dtype=torch.int32)
        part = multiply_codes(a[:, columns].contiguous(), weights[:, columns].contiguous(), sums)
        total.add_(part.float().mul_(scale))
    return total
