"""The table of choices: what is fastest by the model, in ranges of M that leave none out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from immabench.errors import UsageError
from immabench.kernels import kernel_configs
from immabench.predict import gpu_named, jumps, machine_of, select, selection, selection_table
from immabench.predict.selection import ranked
from immabench.problems import Problem

PROBLEM = Problem(1, 4096, 4096, output_type="f16")
A100 = machine_of(gpu_named("A100-SXM4-80GB"))


@pytest.mark.usefixtures("fake_native")
def test_each_number_of_rows_has_the_fastest() -> None:
    choices = selection_table(PROBLEM, A100, range(1, 300, 7))
    rows = iter(range(1, 300, 7))
    for choice in choices:
        for m in iter(lambda: next(rows), choice.last_m):
            assert select(replace(PROBLEM, m=m), A100).config.id == choice.kernel_id
    assert next(rows, None) is None
    assert len(choices) > 1
    assert all(one.kernel_id != other.kernel_id for one, other in pairwise(choices))


@pytest.mark.usefixtures("fake_native")
def test_a_choice_explains_itself() -> None:
    (choice,) = selection_table(PROBLEM, A100, [16])
    first, second, *_ = ranked(replace(PROBLEM, m=16), A100)
    assert (choice.kernel_id, choice.runner_up) == (first.config.id, second.config.id)
    assert choice.slower_by == pytest.approx(second.prediction.time_us / first.prediction.time_us - 1)
    assert choice.bound == first.prediction.bound
    assert choice.explain().startswith(f"M = 16: {first.config.id}, ")


@pytest.mark.usefixtures("fake_native")
def test_jumps_are_of_one_row_more() -> None:
    times = {m: select(replace(PROBLEM, m=m), A100).prediction.time_us for m in (15, 16, 17, 128)}
    assert jumps(PROBLEM, A100, (15, 16, 17, 128), limit=0.0) == {16: times[16] / times[15], 17: times[17] / times[16]}
    assert jumps(PROBLEM, A100, (15, 16, 17, 128), limit=2 * times[17] / times[15]) == {}


@pytest.mark.usefixtures("fake_native")
def test_a_lone_tile_of_128_rows_is_a_cliff(monkeypatch: pytest.MonkeyPatch) -> None:
    lone = tuple(config for config in kernel_configs() if config.block_tile[0] == 128)
    monkeypatch.setattr(selection, "kernel_configs", lambda: lone)
    # Eight waves of 108 multiprocessors, then sixteen; not twice the time, as DRAM takes as long as 172 rows.
    assert list(jumps(Problem(1, 8 * 108 * 128, 4096, output_type="f16"), A100)) == [129]


@pytest.mark.usefixtures("fake_native")
def test_a_choice_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Problem] = []
    monkeypatch.setattr(selection, "ranked", lambda problem, machine: asked.append(problem) or ranked(problem, machine))
    first = select(PROBLEM, A100)
    assert select(replace(PROBLEM), machine_of(gpu_named("A100-SXM4-80GB"))) is first
    assert select(replace(PROBLEM, m=2), A100) is not first
    assert select(PROBLEM, A100.with_figures("measured", "a run", dram_gbps=10.0)) is not first
    assert [problem.m for problem in asked] == [1, 2, 1]


def test_an_architecture_without_a_kernel_says_so(fake_native: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("immabench.predict.selection.runs_on", lambda config, architecture: False)
    with pytest.raises(UsageError, match="no kernel of gemm_s8 is compiled for A100-SXM4-80GB, sm_80"):
        select(PROBLEM, A100)
