"""Which rows are profiled, and the jobs that they were."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gpu_runs import KERNEL, OTHER, PROBLEM, SHAPE, job, timed

from immabench.errors import NothingSelectedError, UsageError
from immabench.measure.rows import Row
from immabench.profile.selection import chosen_rows, jobs_of, one_job

SLOW, FAST = timed(job(), 9.0), timed(job(OTHER), 3.0)
MANY = timed(job(case="often", calls=10), 2.0)
PACK = timed(job("torch_int4_pack", "torch", step="pack"), 1.0)
WRONG = timed(job(), 1.0).model_copy(update={"status": "incorrect"})
ON_CPU = timed(job("torch_int8", "torch", "cpu"), 1.0)


def names(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.case, row.kernel_id) for row in rows]


def test_the_fastest_of_each_case_in_which_most_time_is_spent() -> None:
    rows = [SLOW, FAST, MANY, PACK, WRONG, ON_CPU]
    assert names(chosen_rows(rows)) == [("often", KERNEL), (SHAPE, OTHER)]
    assert names(chosen_rows(rows, top=1)) == [("often", KERNEL)]


def test_globs_choose_every_row_that_matches() -> None:
    rows = [SLOW, FAST, PACK]
    assert names(chosen_rows(rows, ["imma*"])) == [(SHAPE, KERNEL), (SHAPE, OTHER)]
    assert names(chosen_rows(rows, ["imma*"], top=1)) == [(SHAPE, KERNEL)]
    assert names(chosen_rows(rows, cases=["64*"])) == [(SHAPE, KERNEL), (SHAPE, OTHER), (SHAPE, "torch_int4_pack")]
    assert names(chosen_rows([SLOW, MANY])) == [("often", KERNEL)]  # one launch, asked for twice


@pytest.mark.parametrize(
    ("rows", "globs", "complaint"),
    [
        ([WRONG, ON_CPU], {}, "no row of a GPU is right and timed"),
        ([], {}, "no row of a GPU is right and timed"),
        ([SLOW], {"kernels": ["wgmma*"]}, "no kernel matches"),
        ([SLOW], {"cases": ["x"]}, "no case matches"),
        ([SLOW, MANY.model_copy(update={"kernel_id": "k"})], {"kernels": ["k"], "cases": [SHAPE]}, "both"),
    ],
)
def test_nothing_selected_is_said(rows: list[Row], globs: dict[str, Any], complaint: str) -> None:
    with pytest.raises(NothingSelectedError, match=complaint):
        chosen_rows(rows, **globs)


def test_rows_become_the_jobs_that_they_were() -> None:
    jobs = [job(seed=5), job("torch_int4_pack", "torch", step="pack")]
    floats = job("torch_fp32", "torch")
    stated = replace(PROBLEM, a_type="f32", b_type="f32", output_type="f32", row_scale="none", col_scale="none")
    rows = [*(timed(one, 1.0) for one in jobs), timed(floats, 1.0, problem=stated)]
    assert jobs_of(rows) == [*jobs, floats]


def test_a_problem_that_an_older_row_does_not_say_is_an_error() -> None:
    older = {"asked": None}
    floats = timed(job("torch_fp32", "torch"), 1.0, problem=replace(PROBLEM, a_type="f32", b_type="f32"))
    assert jobs_of([SLOW.model_copy(update=older)]) == [job()]
    with pytest.raises(UsageError, match="is of an older run, which does not say what was asked for"):
        jobs_of([floats.model_copy(update=older)])


def test_one_kernel_on_one_shape(fake_native: Any) -> None:
    kernel = fake_native.kernels()[0]["id"]
    one = one_job(kernel, "16x32x64", "f16", {})
    assert (one.kernel_id, one.provider, one.device_kind, one.problem.shape) == (
        kernel,
        "handwritten",
        "cuda",
        "16x32x64",
    )
    assert one_job("reference_numpy", "16x32x64", "s32", {}).provider == "reference"
    fake_native.illegal[kernel] = "too small"
    with pytest.raises(UsageError, match="too small"):
        one_job(kernel, "16x32x64", "f16", {})
    with pytest.raises(NothingSelectedError, match="no configuration matches"):
        one_job("nothing alike", "16x32x64", "f16", {})


def test_kernels_around_gemms_are_in_no_sweep(fake_native: Any) -> None:
    fake_native.has_companions = True
    with pytest.raises(UsageError, match="stands around GEMMs"):
        one_job(fake_native.companions()[0]["id"], "16x32", "f16", {})
