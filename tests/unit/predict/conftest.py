"""A machine of round figures and tiles to compute by hand. Nothing of it stands for a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.kernels import KernelConfig
from immabench.predict import Machine
from immabench.predict.machine import UNITS

ROUND: dict[str, Any] = {
    "sm_count": 100,
    "clock_mhz": 1000,
    "mma_sync_macs": 2000,
    "wgmma_macs": 4000,
    "shared_bytes": 100,
    "port_bytes": 50,
    "l2_bytes": 5000,
    "dram_gbps": 2000,
    "dram_latency": 500,
    "barrier": 20,
    "cluster_bytes": 10,
    "cluster_latency": 200,
    "byte_loads": 25,
    "outputs": 10,
    "launch_us": 2,
    "float16_share": 0.5,
}


@pytest.fixture(scope="session")
def machine() -> Machine:
    """100 multiprocessors at 1000 MHz, so that a clock is a nanosecond, and round rates."""
    return Machine("round", "sm_90", **ROUND, sources=dict.fromkeys(UNITS, ("assumed", "invented for tests")))


def _config(name: str, tile: tuple[int, int, int], **values: Any) -> KernelConfig:
    known = {"family": "gemm_s8", "provider": "handwritten", "operand_types": {}, "output_types": ("s32", "f16")}
    return KernelConfig(id=name, block_tile=tile, **{**known, **values})


@pytest.fixture(scope="session")
def imma() -> KernelConfig:
    """64x64x64, four warps of 32x32, four stages; four blocks fit a multiprocessor."""
    return _config(
        "imma",
        (64, 64, 64),
        architectures=("sm_80", "sm_90a"),
        warps=(2, 2),
        warp_tile=(32, 32),
        stages=4,
        threads=128,
        shared_bytes=32768,
        mma="m16n8k32",
    )


@pytest.fixture(scope="session")
def wgmma() -> KernelConfig:
    """128x256x128 in clusters of 2x1, persistent; one block fits a multiprocessor."""
    return _config(
        "wgmma",
        (128, 256, 128),
        architectures=("sm_90a",),
        warps=(2, 1),
        warp_tile=(64, 256),
        stages=4,
        threads=384,
        shared_bytes=230464,
        mma="m64n256k32",
        cluster=(2, 1),
    )


@pytest.fixture(scope="session")
def split() -> KernelConfig:
    """8x128x128, swapped, K split over a cluster of four; one block fits a multiprocessor."""
    return _config(
        "split",
        (8, 128, 128),
        architectures=("sm_90a",),
        warps=(1, 2),
        warp_tile=(8, 64),
        stages=10,
        threads=384,
        shared_bytes=175264,
        mma="m64n8k32",
        split_k=4,
        swapped=True,
    )
