"""The row's schema."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from immabench.measure.case import Job
from immabench.measure.rows import Row
from immabench.problems import Problem

JOB = Job("quick", "ragged", 3, Problem(3, 4, 5), "torch", "torch_int8", "cpu", 9)


def test_json_round_trip() -> None:
    row = JOB.row("ok", time_us_median=1.5, counts=None, verified=True)
    assert Row.model_validate_json(row.model_dump_json()) == row


def test_a_row_says_which_case_it_is() -> None:
    row = JOB.row("skipped", "too large")
    assert row.row_id == "torch_int8@gemm_s8_m3_n4_k5_s32@cpu" == JOB.row_id
    assert row.identity == JOB.identity == ("quick", "ragged", row.row_id)
    assert (row.calls, row.seed, row.reason) == (3, 9, "too large")
    assert row.flops_per_byte == JOB.problem.operations_per_byte


def test_a_float_baseline_states_its_own_types() -> None:
    row = JOB.row("ok", problem=Problem(3, 4, 5, "f32", "f32", "f32"))
    assert (row.a_type, row.output_type) == ("f32", "f32")
    assert row.row_id == JOB.row_id


def test_a_row_says_which_problem_it_computed_and_which_was_asked_for() -> None:
    floats = Problem(3, 4, 5, "f32", "f32", "f32")
    row = JOB.row("ok", problem=floats)
    assert (row.problem, row.asked_problem) == (floats, JOB.problem)
    assert row.asked == {"a_type": "s8", "b_type": "s8", "output_type": "s32"}
    own = Row.model_validate_json(JOB.row("ok").model_dump_json())
    assert (own.problem, own.asked_problem, own.asked) == (JOB.problem, JOB.problem, {})


def test_a_row_of_an_older_run_says_what_was_asked_for_where_its_id_does() -> None:
    values = JOB.row("ok").model_dump(exclude={"asked"})
    assert Row.model_validate(values).asked_problem == JOB.problem
    floats = JOB.row("ok", problem=Problem(3, 4, 5, "f32", "f32", "f32")).model_dump(exclude={"asked"})
    assert Row.model_validate(floats).asked_problem is None


def test_sizes_have_the_batch_in_front() -> None:
    assert JOB.row("ok").sizes == (3, 4, 5)
    row = replace(JOB, problem=replace(JOB.problem, batch=12)).row("ok")
    assert row.sizes == (12, 3, 4, 5)
    assert "_k5_batch12_" in row.row_id


def test_an_older_row_was_timed_by_what_there_was() -> None:
    assert JOB.row("ok", time_us_median=1.5).timer == "wall clock"
    assert replace(JOB, device_kind="cuda").row("ok", time_us_median=1.5).timer == "cuda events"
    assert JOB.row("ok", time_us_median=1.5, timed_by="nvbench 0.3.0").timer == "nvbench 0.3.0"
    assert JOB.row("skipped").timer == ""


def test_a_row_of_an_older_run_computes_and_has_no_groups() -> None:
    values = JOB.row("ok").model_dump()
    del values["step"], values["b_group"]
    row = Row.model_validate(values)
    assert (row.step, row.b_group) == ("compute", 0)


def test_the_step_of_a_job_is_that_of_its_row_even_where_it_is_skipped() -> None:
    assert replace(JOB, step="pack").row("skipped", "no torch").step == "pack"


def test_unknown_fields_and_statuses_are_refused() -> None:
    values = JOB.row("ok").model_dump()
    with pytest.raises(ValidationError):
        Row.model_validate({**values, "gflops": 1.0})
    with pytest.raises(ValidationError):
        Row.model_validate({**values, "status": "fine"})


def test_a_job_survives_json() -> None:
    assert Job.from_dict(JOB.as_dict()) == JOB
