"""The table of CUTLASS' kernels by wgmma as the native module has it: ids, where they run, what they cannot do."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.kernels import KernelConfig, cutlass_configs

native = pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")

BY_WGMMA = [config for config in cutlass_configs() if config.by_wgmma]
any_of_them = pytest.mark.parametrize("config", BY_WGMMA, ids=lambda config: config.id)


def schedule(config: KernelConfig) -> str:
    """Two consumers share a tile, have one each, or there is one."""
    if config.warps == (2, 1):
        return "_coop"
    return "_pingpong" if config.threads == 3 * 128 else ""


def test_every_schedule_is_there() -> None:
    assert {schedule(config) for config in BY_WGMMA} == {"", "_pingpong", "_coop"}
    assert all(config.family == "gemm_s8" and config.architectures == ("sm_90a",) for config in BY_WGMMA)


@any_of_them
def test_ids_say_what_the_tile_is(config: KernelConfig) -> None:
    tile = "x".join(map(str, config.block_tile))
    cluster = "" if config.cluster == (1, 1) else "_c{}x{}".format(*config.cluster)
    consumers = config.threads // 128 - 1
    ending = f"w{consumers}{cluster}_s{config.stages}{schedule(config)}_sm90a"
    assert config.id == f"cutlass3_s8s8s32_{tile}_{ending}"
    assert config.mma == f"m64n{config.block_tile[1]}k32"


ILLEGAL = [
    ({"k": 40}, "K=40 is no multiple of 16: CUTLASS copies whole 16 bytes"),
    ({"k": 131088}, "K=131088 exceeds 131071"),
    ({"batch": 65536}, "a batch of CUTLASS' has at most 65535 products"),
    ({"n": 1 << 30}, "N=1073741824 has more tiles than the largest grid"),
    ({"group": 32}, "has no scales a group of K"),
]
"""What of a problem of 5x7x48, and the reason."""


@any_of_them
@pytest.mark.parametrize(("sizes", "reason"), ILLEGAL, ids=lambda value: str(value)[:20])
def test_what_they_cannot_do_is_said(config: KernelConfig, sizes: dict[str, Any], reason: str) -> None:
    problem = {"m": 5, "n": 7, "k": 48, "output_type": "s32", **sizes}
    assert native.illegal_reason(config.id, **problem).startswith(reason)


@any_of_them
@pytest.mark.parametrize("sizes", [{}, {"batch": 65535}, {"a_zero": True, "output_type": "s8"}], ids=str)
def test_batches_and_zero_points_are_legal(config: KernelConfig, sizes: dict[str, Any]) -> None:
    assert native.illegal_reason(config.id, **{"m": 5, "n": 7, "k": 48, "output_type": "s32", **sizes}) is None
