"""Ranking by predicted time, deterministic and with every instruction seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from immabench.kernels import KernelConfig, kernel_configs
from immabench.predict import Machine, best_of_each, gpu_named, machine_of, rank_configs, ranking
from immabench.problems import Problem


@pytest.fixture(autouse=True)
def facts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, int]]]:
    """Registers that this build knows: none, until a test says so."""
    known: dict[str, dict[str, int]] = {}
    monkeypatch.setattr(ranking, "_registers", lambda: known)
    return known  # type: ignore[return-value]


def test_a_decode_row_wants_few_rows_and_many_stages(imma: KernelConfig, machine: Machine) -> None:
    narrow = replace(imma, id="narrow", block_tile=(16, 64, 64), warps=(1, 4), warp_tile=(16, 16), shared_bytes=20480)
    shallow = replace(narrow, id="shallow", stages=2)
    ranked = rank_configs([imma, shallow, narrow], Problem(1, 1024, 4096), machine)
    assert [entry.config.id for entry in ranked] == ["narrow", "imma", "shallow"]


def test_a_large_square_wants_the_large_tile(fake_native: Any) -> None:
    assert rank_configs(kernel_configs(), Problem(4096, 4096, 4096))[0].config.block_tile[:2] == (128, 128)


def test_ranks_by_the_time_it_predicts(imma: KernelConfig, wgmma: KernelConfig, machine: Machine) -> None:
    ranked = rank_configs([imma, wgmma], Problem(2560, 2560, 2560), machine)
    times = [entry.prediction.time_us for entry in ranked]
    assert times == sorted(times)
    assert ranked[0].explain() == ranked[0].prediction.explain()


def test_ties_go_to_the_larger_tile_then_to_more_stages_then_by_id(imma: KernelConfig, machine: Machine) -> None:
    launch_only = replace(
        machine,
        **dict.fromkeys(("dram_latency", "barrier", "cluster_latency"), 0.0),
        **dict.fromkeys(("mma_sync_macs", "shared_bytes", "port_bytes", "l2_bytes", "dram_gbps", "outputs"), 1e300),
    )
    larger = replace(imma, id="larger", block_tile=(64, 128, 64))
    deeper = replace(imma, id="deeper", stages=5)
    twin = replace(imma, id="z")
    for order in ([imma, twin, deeper, larger], [larger, deeper, twin, imma]):
        ranked = rank_configs(order, Problem(64, 64, 64), launch_only)
        assert {entry.prediction.time_us for entry in ranked} == {2.0}
        assert [entry.config.id for entry in ranked] == ["larger", "deeper", "imma", "z"]


def test_registers_are_those_of_the_code_that_runs_there(imma: KernelConfig, facts: dict[str, dict[str, int]]) -> None:
    facts["imma"] = {"sm_80": 80, "sm_86": 86, "sm_90a": 90}
    problem = Problem(64, 64, 64)
    for gpu, registers in (("A100-SXM4-80GB", 80), ("A10", 86), ("H200", 90)):
        runs = replace(imma, architectures=("sm_80", "sm_86", "sm_89", "sm_90a"))
        figure = rank_configs([runs], problem, machine_of(gpu_named(gpu)))[0].prediction.assumptions[-1]
        assert (figure.name, figure.value, figure.kind) == ("registers", registers, "compiled")
    assert ranking.known_registers(imma, "sm_89") == 86
    assert ranking.known_registers(replace(imma, id="other"), "sm_90") is None


def test_instructions_take_turns(imma: KernelConfig, wgmma: KernelConfig, machine: Machine) -> None:
    tiles = [replace(imma, id=f"imma{i}") for i in range(3)] + [wgmma]
    ranked = rank_configs(tiles, Problem(2560, 2560, 2560), machine)
    assert [entry.config.id for entry in ranked] == ["wgmma", "imma0", "imma1", "imma2"]
    assert [entry.config.id for entry in best_of_each(ranked)] == ["wgmma", "imma0", "imma1", "imma2"]
    assert [entry.config.id for entry in best_of_each(reversed(ranked))] == ["imma2", "wgmma", "imma1", "imma0"]
    assert best_of_each([]) == []
