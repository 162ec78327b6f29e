"""Tiles of the GEMMs written in the CuTe DSL: what exists and what is legal for a problem. Needs no CuTe DSL."""

from __future__ import annotations

import functools

from immabench.kernels import KernelConfig
from immabench.problems import Problem

ARCHITECTURE = "sm_90a"
PROVIDER = "cute_dsl"
OUTPUT_TYPES = ("s32", "f32", "f16", "bf16")
LINE_BYTES = 128
"""K of every tile: a line of shared memory as TMA swizzles it."""
BARRIER_BYTES = 1024
"""What stands before the stages, which begin at a multiple of 1024 bytes."""
THREADS_PER_GROUP, ROWS_PER_GROUP = 128, 64

TILES = (
    (64, 128, 1, 4),
    (128, 128, 1, 6),
    (128, 128, 2, 6),
    (128, 256, 1, 4),
    (128, 256, 2, 4),
)
"""(M, N, blocks of a cluster along M, stages)."""

LARGEST_SIZE = 2**31 - 1024
"""Of M and N, so that the places of a tile at the edge are int32 too."""


@functools.cache
def cute_dsl_configs() -> tuple[KernelConfig, ...]:
    """Every configuration, smaller tiles first."""
    return tuple(_config(*tile) for tile in TILES)


def _config(m: int, n: int, cluster: int, stages: int) -> KernelConfig:
    groups = m // ROWS_PER_GROUP
    shared = f"_c{cluster}x1" if cluster > 1 else ""
    return KernelConfig(
        id=f"cute_dsl_s8s8s32_{m}x{n}x{LINE_BYTES}_w{groups}{shared}_s{stages}_sm90a",
        family="gemm_s8",
        provider=PROVIDER,
        architectures=(ARCHITECTURE,),
        operand_types={"a": "s8", "b": "s8", "accumulator": "s32"},
        output_types=OUTPUT_TYPES,
        block_tile=(m, n, LINE_BYTES),
        warps=(groups, 1),
        warp_tile=(ROWS_PER_GROUP, n),
        stages=stages,
        threads=THREADS_PER_GROUP * (1 + groups),
        shared_bytes=BARRIER_BYTES + stages * (m + n) * LINE_BYTES + 2 * 4 * n,
        mma=f"m64n{n}k32",
        cluster=(cluster, 1),
    )


def cute_dsl_illegal_reason(config: KernelConfig, problem: Problem) -> str | None:
    """Why `config` cannot compute `problem`, whose operands are its own; None when it can."""
    if problem.extras:
        return f"computes no {', no '.join(problem.extras)}"
    if problem.output_type not in config.output_types:
        return f"writes {', '.join(config.output_types)}, not {problem.output_type}"
    if problem.batch > 1:
        return "computes one product, not a batch"
    if problem.k % 16:
        return f"K={problem.k} is no multiple of 16: TMA reads rows that begin at multiples of 16 bytes"
    if max(problem.m, problem.n) > LARGEST_SIZE:
        return f"M and N go up to {LARGEST_SIZE}"
    return None
