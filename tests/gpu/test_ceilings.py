"""The loops that measure what a GPU can do: exact where a result can be known, clocks within what the chip has."""

from __future__ import annotations

from typing import Any

import pytest

from immabench import _native
from immabench.hardware import cuda_state, find_gpu

RATES = [entry for entry in _native.ceilings() if entry["device"] == "cuda"]
INTEGER_RATES = [entry for entry in RATES if entry["accumulator"] == "s32"]


def launch(rate: dict[str, Any], iterations: int) -> tuple[Any, Any]:
    """(out, clocks) of a launch on every SM."""
    import torch

    from immabench.measure.ceilings_instructions import gpu_operands

    blocks = cuda_state()["devices"][0]["sm_count"]
    operands = gpu_operands(torch, rate["operand_type"], "cuda")
    out = torch.full((blocks, 256), 0x5A5A5A5A, dtype=torch.int32, device="cuda")
    clocks = torch.zeros((blocks, 2), dtype=torch.int64, device="cuda")
    stream = torch.cuda.current_stream().cuda_stream
    _native.launch_mma_rate(rate["name"], operands, out, clocks, iterations=iterations, stream=stream)
    return out.cpu(), clocks.cpu()


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: rate["name"])
def test_every_sm_does_the_same_and_the_clock_runs(rate: dict[str, Any]) -> None:
    out, clocks = launch(rate, 1000)
    if (clocks < 0).all():
        pytest.skip(f"this build holds no {rate['name']} for this GPU")
    assert (clocks > 0).all()
    assert (out == out[0]).all()
    megahertz = clocks[:, 0].double() / clocks[:, 1].double() * 1e3
    gpu = find_gpu(cuda_state()["devices"][0]["name"])
    # The timer of the GPU may tick once a microsecond only; the loop lasts many.
    assert megahertz.median() < 1.2 * (gpu.boost_mhz if gpu else 3000)


@pytest.mark.parametrize("rate", INTEGER_RATES, ids=lambda rate: rate["name"])
def test_bits_that_must_be_even_are(rate: dict[str, Any]) -> None:
    """2^k iterations of D += A B from zero leave 2^k times something in every accumulator: k low bits are 0."""
    once, clocks = launch(rate, 1)
    if (clocks < 0).all():
        pytest.skip(f"this build holds no {rate['name']} for this GPU")
    many, _ = launch(rate, 256)
    assert (once & 255).any()
    assert not (many & 255).any()


def test_no_loop_beats_the_data_sheet() -> None:
    """Operations a clock and SM, of s8, against the table of GPUs: that figure does not depend on the clock."""
    gpu = find_gpu(cuda_state()["devices"][0]["name"])
    if gpu is None:
        pytest.skip("the table of hardware does not know this GPU")
    for rate in RATES:
        if rate["operand_type"] != "s8":
            continue
        _, clocks = launch(rate, 10_000)
        if (clocks < 0).all():
            continue
        per_clock = 10_000 * rate["instructions"] * rate["operations"] / float(clocks[:, 0].median())
        assert per_clock <= 1.01 * gpu.s8_per_clock, rate["name"]


@pytest.mark.parametrize(("tiles", "blocks", "repeats"), [(3, 2, 1), (500, 132, 3), (100, 528, 2)])
def test_memory_is_read_and_copied_exactly(tiles: int, blocks: int, repeats: int) -> None:
    import numpy as np
    import torch

    stream = torch.cuda.current_stream().cuda_stream
    source = torch.randint(-(2**31), 2**31, (tiles * 4096,), dtype=torch.int32, device="cuda")
    sums = torch.full((blocks, 256, 4), 0x5A5A5A5A, dtype=torch.int32, device="cuda")
    _native.launch_read(source, sums, blocks=blocks, repeats=repeats, stream=stream)
    want = np.bitwise_xor.reduce(source.cpu().numpy().reshape(-1, 4))
    got = np.bitwise_xor.reduce(sums.cpu().numpy().reshape(-1, 4))
    assert (got == (want if repeats % 2 else 0)).all()
    target = torch.zeros_like(source)
    _native.launch_copy(source, target, blocks=blocks, repeats=repeats, stream=stream)
    assert torch.equal(target, source)


def test_ceilings_of_the_gpu_are_measured() -> None:
    from immabench.measure.ceilings import measure_ceilings

    found = measure_ceilings("cuda")
    assert found["cache_read_gbps"] > found["read_gbps"] > 0
    names = {entry["name"]: entry for entry in found["instructions"]}
    assert names["mma.m16n8k32.s8"]["status"] == "native"
    assert names["mma.m16n8k32.s8"]["rate"] > 0
    assert all(entry["reason"] for entry in found["instructions"] if entry["rate"] is None)
