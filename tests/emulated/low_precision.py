"""Operands of the GEMMs of fewer bits as kernels take them, made from the definitions alone, and runs of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immabench import _native
from immabench.kernels import KernelConfig

Array = NDArray[Any]
ORDERS = ("forward", "reverse", "random")
MULTIPROCESSORS = 4  # so that a wave is of few blocks
FRAGMENT_ROWS, FRAGMENT_K, LANE_BYTES = 16, 64, 16


def aligned(values: Array) -> Array:
    """A copy that starts on 256 bytes, as cudaMalloc's memory does."""
    memory = np.empty(values.nbytes + 256, np.uint8)
    start = -memory.ctypes.data % 256
    copy = memory[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def pack(values: Array, bits: int) -> NDArray[np.uint8]:
    """Integers [rows, K] as bytes, the lowest bits first; two's complement where negative."""
    each = 8 // bits
    fields = (values.astype(np.int64) & (1 << bits) - 1).reshape(len(values), -1, each)
    return (fields << bits * np.arange(each)).sum(axis=2).astype(np.uint8)


def padded(values: Array, rows: int, columns: int) -> Array:
    """`values` [r, c] with zeros up to whole multiples of `rows` and `columns`."""
    return np.pad(values, [(0, -values.shape[0] % rows), (0, -values.shape[1] % columns)])


def fragment_major(codes: Array) -> NDArray[np.uint8]:
    """4-bit codes [N, K] in the order of the 8-bit instruction's fragments: [ceil(N / 16), ceil(K / 64), 512].

    Lane 4 r + q, word w, byte i: k = 16 w + 4 q + i, row r in the low nibble and row r + 8 in the high one.
    """
    whole = padded(codes & 0xF, FRAGMENT_ROWS, FRAGMENT_K).astype(np.uint8)
    blocks = whole.reshape(len(whole) // 16, 2, 8, whole.shape[1] // 64, 4, 4, 4)  # n, half, r, k, w, q, i
    low, high = (blocks[:, half].transpose(0, 2, 1, 4, 3, 5) for half in (0, 1))  # n, k, r, q, w, i
    return np.ascontiguousarray(low | high << 4).reshape(len(whole) // 16, whole.shape[1] // 64, 512)


def group_affine(step: Array, zero: Array) -> NDArray[np.uint16]:
    """Steps and zero points [N, K / group] as kernels take them: [K / group, N padded], rows 0, 8, 1, 9, .. of 16."""
    words = padded((step + 256 * (128 - zero * step)).astype(np.uint16), FRAGMENT_ROWS, 1)
    blocks = words.reshape(-1, 2, 8, words.shape[1]).swapaxes(1, 2)
    return np.ascontiguousarray(blocks.reshape(words.shape).T)


def group_scale(scale: Array) -> NDArray[np.float32]:
    """Scales [N, K / group] as the kernels take them: [K / group, N padded]."""
    return np.ascontiguousarray(padded(scale, FRAGMENT_ROWS, 1).T)


@dataclass(frozen=True)
class Case:
    """One product: A [M, K], the weights' codes [N, K] and the parameters [N, K / group] of their groups."""

    a: Array
    codes: Array
    group: int = 0
    step: Array | None = None
    zero: Array | None = None
    scale: NDArray[np.float32] | None = None
    epilogue: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.a), len(self.codes)

    def integers(self) -> NDArray[np.int64]:
        """What the codes stand for without float scales, [N, K]."""
        codes = self.codes.astype(np.int64)
        if self.zero is None or self.step is None:
            return codes
        return (codes - np.repeat(self.zero, self.group, axis=1)) * np.repeat(self.step, self.group, axis=1)

    def sums(self) -> Array:
        """The exact sums: int32, or float32 of groups in ascending order, each step rounded."""
        a, b = self.a.astype(np.float64), self.integers().astype(np.float64)  # exact: sums stay below 2^53
        if self.scale is None:
            return (a @ b.T).astype(np.int64).astype(np.int32)
        total = np.zeros(self.shape, np.float32)
        for index in range(self.scale.shape[1]):
            k = slice(index * self.group, (index + 1) * self.group)
            total = total + (a[:, k] @ b[:, k].T).astype(np.float32) * self.scale[:, index]
        return total


def run(config: KernelConfig, case: Case, output_type: str, **options: Any) -> tuple[Array, dict[str, Any]]:
    """The output of a kernel and the machine's report; what was not written is poison."""
    bits = {"s8": 8, "s4": 4, "u4": 4, "b1": 1}
    a_bits, b_bits = bits[config.operand_types["a"]], bits[config.operand_types["b"]]
    packed = fragment_major(case.codes) if config.weight_layout == "fragment_major" else pack(case.codes, b_bits)
    groups: dict[str, Any] = {}
    if case.step is not None and case.zero is not None:
        groups["group_affine"] = aligned(group_affine(case.step, case.zero))
    if case.scale is not None:
        groups["group_scale"] = aligned(group_scale(case.scale))
    dtype = {"s32": np.int32, "s8": np.int8, "f32": np.float32, "f16": np.float16, "bf16": np.uint16}[output_type]
    out = aligned(np.full(case.shape, 77, dtype))
    needed = _native.workspace_bytes(config.id, *case.shape, case.a.shape[1], multiprocessors=MULTIPROCESSORS)
    report = _native.emulate_gemm(
        config.id,
        aligned(case.a if a_bits == 8 else pack(case.a, a_bits)),
        aligned(packed),
        out,
        output_type=output_type,
        group=case.group,
        multiprocessors=MULTIPROCESSORS,
        workspace=aligned(np.zeros(needed, np.uint8)) if needed else None,
        **groups,
        **case.epilogue,
        **options,
    )
    return out, report


def expect_exact(config: KernelConfig, case: Case, **options: Any) -> dict[str, Any]:
    """The report of a run without hazards whose sums are right in every bit."""
    want = case.sums()
    out, report = run(config, case, "f32" if case.scale is not None else "s32", **options)
    assert report["hazards"] == [], (config.id, case.a.shape, case.codes.shape, case.group)
    wrong = np.argwhere(out.view(np.int32) != want.view(np.int32))
    assert not len(wrong), (
        f"{config.id} {case.a.shape} {case.codes.shape} group {case.group}: {len(wrong)} at {wrong[0]}"
    )
    return report


def alone(configs: list[KernelConfig]) -> list[KernelConfig]:
    """Those whose blocks share no tile, and leave no parts of sums in memory."""
    return [config for config in configs if config.split_k == 1 and not config.streamed]


def expect_ideal(counts: dict[str, Any], *names: str) -> None:
    """Every access that there is moves no byte and no bank twice."""
    for name in names:
        unit = "sectors" if name in ("global_load", "global_store", "async_copy") else "wavefronts"
        assert counts[name][unit] == counts[name]["ideal"] > 0, name
    if "async_copy" in names:
        assert counts["async_copy"]["wavefronts"] == counts["async_copy"]["ideal_wavefronts"]


def edges(config: KernelConfig, multiple: int) -> list[tuple[int, int, int]]:
    """Shapes around a tile's edges, K a multiple of `multiple`: below, at and above it, and short of the stages."""
    m, n, k = config.block_tile
    return [
        (1, 1, multiple),
        (m - 1, n - 1, k - multiple if k > multiple else k),
        (m, n, k),
        (m + 1, n + 1, k + multiple),
        (m, n + 16, config.stages * k),
        (2 * m, n + 3, (config.stages - 1) * k),
        (m + 8, 2 * n, (config.stages + 2) * k + multiple),
    ]
