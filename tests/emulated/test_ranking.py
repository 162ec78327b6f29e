"""The tiles there are, ranked: no number of rows may be predicted far slower than the one before, of any family or GPU.

Dispatchers that switch kernels at an edge have been caught doubling the time there. What is judged is the table of
tiles as the model sees it: where it jumps, a tile is missing, the model is wrong, or the instruction is what it is.
Nothing was measured.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from immabench.hardware import GPUS, Gpu
from immabench.kernels import kernel_configs, runs_on
from immabench.predict import Machine, gpu_named, jumps, machine_of, rank_configs, ranking, select
from immabench.predict.selection import legal_configs
from immabench.problems import Problem
from immabench.profile import registers_by_kernel
from immabench.suites import load_suite

LARGEST_JUMP = 1.3
MONOTONE = 1e-12
"""Relative; a thousand roundings of a double. A larger problem is never predicted faster by the same tile."""


def _problems(suite: str) -> dict[tuple[int, int], Problem]:
    return {(case.problem.n, case.problem.k): case.problem for case in load_suite(suite).expand()}


PROBLEMS = {**_problems("llama-decode"), **_problems("resnet18")}


@functools.cache
def times_us(n: int, k: int) -> list[float]:
    """Predicted time of the selected configuration for M = 1 to 256."""
    machine, problem = machine_of(gpu_named("H200")), PROBLEMS[n, k]
    configs = legal_configs(problem, machine)  # whatever M is
    ranked = (rank_configs(configs, replace(problem, m=m), machine) for m in range(1, 257))
    return [best[0].prediction.time_us for best in ranked]


def jumps_of(times: list[float]) -> dict[int, float]:
    """M -> time over that of one row less, where it is more than `LARGEST_JUMP`."""
    ratios = {m: times[m - 1] / times[m - 2] for m in range(2, len(times) + 1)}
    return {m: ratio for m, ratio in ratios.items() if ratio > LARGEST_JUMP}


@pytest.mark.parametrize(("n", "k"), PROBLEMS)
def test_one_row_more_is_never_far_slower_nor_faster(n: int, k: int) -> None:
    times = times_us(n, k)
    assert jumps_of(times) == {}
    assert all(later >= earlier * (1 - MONOTONE) for earlier, later in itertools.pairwise(times))


SCALED: dict[str, Any] = {"output_type": "f16", "row_scale": "vector", "col_scale": "vector"}
FLOAT_GROUPS: dict[str, Any] = {"b_group": 128, "b_scale": "float"}
FORMS: dict[str, dict[str, Any]] = {
    "s8": SCALED,
    "w4a8 channel": {"b_type": "s4", **SCALED},
    "w4a8 step": {"b_type": "u4", "b_group": 128, "b_scale": "step", **SCALED},
    "w4a8 s4 float": {"b_type": "s4", **FLOAT_GROUPS, "output_type": "f16", "row_scale": "vector"},
    "w4a8 u4 float": {"b_type": "u4", **FLOAT_GROUPS, "output_type": "f16", "row_scale": "vector"},
    "w4a16 f16": {"a_type": "f16", "b_type": "u4", **FLOAT_GROUPS, "output_type": "f16"},
    "w4a16 bf16": {"a_type": "bf16", "b_type": "u4", **FLOAT_GROUPS, "output_type": "bf16"},
    "w8a16 f16": {"a_type": "f16", "b_type": "s8", "col_scale": "vector", "output_type": "f16"},
    "w8a16 bf16": {"a_type": "bf16", "b_type": "s8", "col_scale": "vector", "output_type": "bf16"},
    "w4a4": {"a_type": "s4", "b_type": "s4", **SCALED},
    "b1": {"a_type": "b1", "b_type": "b1"},
}
"""What the tables of tiles tell apart, each as its users state it."""

WEIGHTS = (
    (4096, 4096),  # Llama: o
    (6144, 4096),  # Llama-3-8B: qkv
    (14336, 4096),  # Llama-3-8B: gate or up
    (4096, 14336),  # Llama-3-8B: down
    (28672, 8192),  # Llama-3-70B: gate or up
    (3584, 18944),  # Qwen2-7B: down
    (768, 768),  # BERT base: o
    (3072, 768),  # BERT base: up
    (768, 3072),  # BERT base: down
    (512, 4608),  # ResNet-18: conv5
)
"""(N, K) of layers of real models."""

OF_THE_INSTRUCTION = {("GeForce RTX 3090", "gemm_w4a16"): {17, 33}}
"""GPU and family -> M where a jump is the hardware's: bound by the tensor cores from some 20 rows on, as GeForce halves
the rate of fp32 sums, the next 16 rows of m16n8k16 cost what each 16 before cost: up to twice, and 1.5 times."""


@pytest.fixture(params=["estimated", "compiled"])
def registers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Occupancy by registers as a build without CUDA estimates them, and as one with it has read them."""
    known = registers_by_kernel() if request.param == "compiled" else {}
    if request.param == "compiled" and not known:
        pytest.skip("this build has no SASS facts; build with CUDA")
    monkeypatch.setattr(ranking, "_registers", lambda: known)
    select.cache_clear()
    yield
    select.cache_clear()


@pytest.mark.usefixtures("registers")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_no_edge_of_a_tile_is_a_cliff(gpu: Gpu, form: str) -> None:
    machine, family = machine_of(gpu), Problem(1, 1024, 1024, **FORMS[form]).family
    if not any(config.family == family and runs_on(config, gpu.architecture) for config in kernel_configs()):
        pytest.skip(f"{gpu.architecture} has no instruction for {family}")
    allowed = OF_THE_INSTRUCTION.get((gpu.name, family), set())
    found = {(n, k): edges(Problem(1, n, k, **FORMS[form]), machine) for n, k in WEIGHTS}
    assert {shape: found[shape] for shape in found if found[shape].keys() - allowed} == {}
    assert set().union(*found.values()) == allowed


def edges(problem: Problem, machine: Machine) -> dict[int, float]:
    return jumps(problem, machine, limit=LARGEST_JUMP)
