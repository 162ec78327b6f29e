"""Each cause planted in a row of its own: it is named, first, with the share of the time it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from counted_cases import counted

from immabench.explain.case import Case
from immabench.explain.explanation import DETECTORS, Explanation, explain
from immabench.explain.memory import ridge_rows
from immabench.kernels import KernelConfig, kernel_config, kernel_configs
from immabench.predict import Machine, predicted, select
from immabench.problems import Problem
from immabench.profile.actions import Action

IMMA = "imma_s8s8s32_128x128x64_w2x4_s3_sm80"
Planted = Callable[..., Case]
SCALED = {"output_type": "f16", "row_scale": "vector", "col_scale": "vector"}


def wgmma(tile: tuple[int, int, int]) -> KernelConfig:
    """The s8 kernel by wgmma of that tile, of one block a tile and no swap."""
    return next(
        config
        for config in kernel_configs()
        if config.family == "gemm_s8" and config.by_wgmma and config.block_tile == tile and config.split_k == 1
        if not config.swapped
    )


def names(found: Explanation) -> list[str]:
    return [cause.name for cause in found.causes]


def lost(found: Explanation, name: str) -> float:
    value = next(cause.lost for cause in found.causes if cause.name == name)
    assert value is not None
    return value


def test_memory_bound(planted: Planted) -> None:
    problem = Problem(16, 8192, 8192, **SCALED)
    case = planted(problem, "wgmma_s8s8s32_16x128x128_w2_s10_swap_sm90a", slower=2)
    found = explain(case)
    assert found.headline == "memory bound, and not known what more"
    assert "What keeps it from its roof is not known" in found.sentences()[-1]
    assert found.bound == "memory"
    roof = case.roof
    assert lost(found, "memory bound") == pytest.approx(
        (roof.memory_us(problem) - roof.compute_us(problem)) / case.time_us
    )
    rows = ridge_rows(case)
    assert rows is not None
    at, before = (replace(problem, m=m) for m in (rows, rows - 1))
    assert roof.compute_us(at) >= roof.memory_us(at)
    assert roof.compute_us(before) < roof.memory_us(before)
    assert f"M = {rows}" in found.causes[0].advice
    assert "4-bit weights" in found.causes[0].advice


def test_a_row_near_its_roof_says_only_what_the_roof_is(planted: Planted, h200: Machine) -> None:
    problem = Problem(16, 8192, 8192, **SCALED)
    case = planted(problem, select(problem, h200).config, time_us=17.5)
    found = explain(case)
    assert found.efficiency > 0.8
    assert names(found) == ["memory bound"]
    assert found.headline == "near its roof (memory)"


def test_what_keeps_a_row_from_its_roof_stands_before_what_its_roof_is(planted: Planted) -> None:
    found = explain(planted(Problem(16, 8192, 512, **SCALED), "wgmma_s8s8s32_16x128x128_w2_s10_swap_sm90a"))
    assert found.bound == "memory"
    assert found.headline == "launch bound"
    assert names(found)[-1] == "memory bound"


def test_k_misaligned(planted: Planted) -> None:
    found = explain(planted(Problem(2048, 2048, 2047, **SCALED), IMMA))
    assert found.headline == "K misaligned"
    assert "K = 2048" in found.causes[0].advice
    aligned = explain(planted(Problem(2048, 2048, 2048, **SCALED), IMMA))
    assert "K misaligned" not in names(aligned)
    whole, torn = (predicted_us(n, planted) for n in (2048, 2047))
    assert lost(found, "K misaligned") == pytest.approx((torn - whole) / torn)


def predicted_us(k: int, planted: Planted) -> float:
    return planted(Problem(2048, 2048, k, **SCALED), IMMA).time_us


@pytest.mark.parametrize("letter", ["N", "M"])
def test_a_tile_wasted(letter: str, planted: Planted) -> None:
    config = wgmma((128, 256, 128))
    m, n = (128 * 44, 256 * 2 + 8) if letter == "N" else (128 * 2 + 1, 256 * 44)
    found = explain(planted(Problem(m, n, 8192, **SCALED), config))
    assert found.headline == f"{letter} wastes a tile"
    tile, size = (256, n) if letter == "N" else (128, m)
    used = size / (3 * tile)
    assert f"{letter} = {size} fills {used:.0%} of 3 tiles of {tile}" in found.causes[0].evidence[0].text
    assert lost(found, found.headline) <= 1 - used
    full = explain(planted(Problem(128 * 44, 256 * 3, 8192, **SCALED), config))
    assert not [name for name in names(full) if "wastes" in name]


def test_waves_quantised(planted: Planted) -> None:
    config = wgmma((128, 256, 128))
    found = explain(planted(Problem(128 * 133, 256, 16384, **SCALED), config))
    assert found.headline == "waves quantised"
    assert "133 blocks over 132 multiprocessors: 1.01 on average, 2 on the busiest" in found.causes[0].evidence[0].text
    assert 0.3 < lost(found, "waves quantised") < 0.5  # half of the room is empty, and not all the time is multiplying
    assert "waves quantised" not in names(explain(planted(Problem(128 * 132, 256, 16384, **SCALED), config)))


@pytest.mark.parametrize("by_profile", [False, True], ids=["emulated", "profiled"])
@pytest.mark.parametrize("name", ["uncoalesced", "bank conflicts"])
def test_transactions(name: str, by_profile: bool, planted: Planted, h200: Machine) -> None:
    case = counted(planted(Problem(4096, 4096, 4096, **SCALED), IMMA), 300_000_000, 100_000_000, by_profile)
    found = next(cause for cause in explain(case).causes if cause.name == name)
    assert found.evidence[0].kind == ("profiled" if by_profile else "emulated")
    assert found.evidence[0].text.startswith("3.00 ")
    rate = h200.l2_bytes / 32 if name == "uncoalesced" else 132
    assert found.lost == pytest.approx(min(1.0, 200_000_000 / rate / h200.clock_mhz / case.time_us))


@pytest.mark.parametrize("by_profile", [False, True], ids=["emulated", "profiled"])
def test_transactions_at_the_ideal_are_no_cause(by_profile: bool, planted: Planted) -> None:
    case = counted(planted(Problem(4096, 4096, 4096, **SCALED), IMMA), 104_000_000, 100_000_000, by_profile)
    assert not {"uncoalesced", "bank conflicts"} & {*names(explain(case))}


def test_launch_bound(planted: Planted) -> None:
    case = planted(Problem(64, 64, 64, **SCALED), IMMA, time_us_batched=1.25)
    found = explain(case)
    assert found.headline == "launch bound"
    assert lost(found, "launch bound") == pytest.approx(3 / case.time_us)
    assert "queued back to back a launch takes 1.25 us" in found.causes[0].evidence[1].text


def test_emulated_int4(planted: Planted) -> None:
    problem = Problem(4096, 4096, 4096, "s4", "s4")
    found = explain(planted(problem, None, time_us=900.0))
    assert found.headline == "emulated INT4"
    assert "64 calls of a routine" in found.causes[0].evidence[0].text
    assert lost(found, "emulated INT4") == pytest.approx(1 - 190 / 1900)
    assert "W4A8" in found.causes[0].advice


def test_s4_on_a_gpu_that_has_it_is_not_emulated(planted: Planted) -> None:
    case = planted(Problem(4096, 4096, 4096, "s4", "s4"), None, time_us=900.0)
    native = {"instructions": [{**entry, "status": "native"} for entry in case.ceilings["instructions"]]}
    assert "emulated INT4" not in names(explain(replace(case, ceilings=native)))


def test_throttled(planted: Planted) -> None:
    problem = Problem(8192, 8192, 8192, **SCALED)
    hot = {"sm_clock_mhz": 1098.0, "power_w": 700.0, "temperature_c": 88.0, "discarded": 10}
    found = explain(planted(problem, None, time_us=1000.0, **hot))
    assert found.headline == "throttled"
    full, slow = 2 * 8192**3 / 1900e6, 2 * 8192**3 / (1900e6 * 0.6)
    assert found.floor_us == pytest.approx(full)
    assert lost(found, "throttled") == pytest.approx((slow - full) / 1000)
    assert "10 of 60 samples" in found.causes[0].evidence[1].text
    assert f"{slow / 1000:.0%}" in found.causes[0].evidence[0].text
    assert "throttled" not in names(explain(planted(problem, None, time_us=1000.0, sm_clock_mhz=1800.0)))


def test_too_few_bytes_in_flight(planted: Planted, h200: Machine) -> None:
    problem = Problem(16, 16384, 16384, **SCALED)
    shallow = replace(kernel_config("imma_s8s8s32_16x64x128_w1x4_s5_sm80"), stages=2, shared_bytes=120 * 1024)
    case = planted(problem, shallow, slower=1.0)
    found = explain(case)
    assert "too few bytes in flight" in names(found)
    seen = predicted(shallow, problem, h200)
    assert seen.in_flight_bytes < seen.needed_bytes
    assert f"{seen.in_flight_bytes:,} bytes on their way" in str(found.sentences())
    rest = max(seen.term(name).time_us for name in ("DRAM", "L2", "L2 port", "shared memory", "tensor cores"))
    want = (seen.term("bytes in flight").time_us - rest) / case.time_us
    assert lost(found, "too few bytes in flight") == pytest.approx(want)
    deep = explain(planted(problem, kernel_config("imma_s8s8s32_16x64x128_w1x4_s5_sm80")))
    assert "too few bytes in flight" not in names(deep)


def test_mma_sync_where_there_is_wgmma(planted: Planted) -> None:
    found = explain(planted(Problem(8192, 8192, 8192, **SCALED), IMMA))
    assert found.headline == "mma.sync below the peak"
    assert "wgmma" in found.causes[0].advice
    assert 0.2 < lost(found, "mma.sync below the peak") <= 0.37


def test_register_spills(planted: Planted) -> None:
    case = planted(Problem(8192, 8192, 8192, **SCALED), IMMA)
    facts = {"spills": 7, "registers": 255, "arch": "sm_90a"}
    found = explain(replace(case, facts=facts))
    assert found.headline == "register spills"
    assert "7 instructions store registers to local memory (255 a thread, sm_90a)" in found.sentences()[1]
    assert "register spills" not in names(explain(replace(case, facts={**facts, "spills": 0})))


def test_waiting_warps(planted: Planted) -> None:
    case = planted(Problem(8192, 8192, 8192, **SCALED), None, time_us=2000.0)
    metrics = {"stall_barrier": 1.0, "stall_long_scoreboard": 3.0, "stall_selected": 9.0, "dram_throughput": 20.0}
    action = Action(row_id=case.row.row_id, kernel_id="x", report="x.ncu-rep", function="x", metrics=metrics)
    found = explain(replace(case, action=action))
    assert found.headline == "waiting warps"
    assert "3.00 warps wait for long scoreboard for each instruction issued" in found.sentences()[1]


def test_what_warps_wait_for_stands_behind_what_has_a_share(planted: Planted) -> None:
    case = planted(Problem(2048, 2048, 2047, **SCALED), IMMA)
    action = Action(row_id="x", kernel_id="x", report="x", function="x", metrics={"stall_barrier": 1.0})
    assert names(explain(replace(case, action=action)))[0] == "K misaligned"
    assert names(explain(replace(case, action=action)))[-1] == "waiting warps"


def test_unsteady_times(planted: Planted) -> None:
    found = explain(planted(Problem(8192, 8192, 8192, **SCALED), None, time_us=2000.0, time_us_iqr=800.0))
    assert found.headline == "unsteady times"
    assert "40% of the median" in found.sentences()[1]


def test_what_nothing_explains_says_so(planted: Planted) -> None:
    found = explain(planted(Problem(8192, 8192, 8192, **SCALED), None, time_us=2000.0))
    assert names(found) == []
    assert found.headline == "no cause found"
    assert "immabench profile" in found.sentences()[-1]


def test_every_detector_is_planted_here() -> None:
    """A detector without a test would show here by its missing name."""
    covered = {name for name in globals() if name.startswith("test_")}
    wanted = {
        "m_wastes_a_tile": "test_a_tile_wasted",
        "n_wastes_a_tile": "test_a_tile_wasted",
        "slower_instruction": "test_mma_sync_where_there_is_wgmma",
        "spills": "test_register_spills",
        "unsteady": "test_unsteady_times",
        "uncoalesced": "test_transactions",
        "bank_conflicts": "test_transactions",
    }
    missing = [one.__name__ for one in DETECTORS if wanted.get(one.__name__, f"test_{one.__name__}") not in covered]
    assert missing == []
