"""The row: one problem by one kernel on one device, with a status. Everything downstream reads only rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from immabench.problems import Problem
from immabench.row_ids import RowId

SCHEMA_VERSION = 1

Status = Literal["ok", "incorrect", "invalid", "error", "crashed", "timeout", "skipped"]

FAILED_STATUSES = ("incorrect", "invalid", "error", "crashed", "timeout")
RETRIED_STATUSES = ("crashed", "timeout")
"""What `--resume --retry` runs again: the process died, so the row may be the machine's fault."""

FIRST_TIMERS = {"cpu": "wall clock", "cuda": "cuda events"}
"""What timed the rows that were written before `timed_by` was a field."""


class Row(BaseModel):
    """One measurement. Times are microseconds, rates 1e12 operations/s and 1e9 bytes/s; None is "not measured".

    Types and epilogue are those the provider computed: a float baseline says f32 where the suite asked for s8. `asked`
    has the fields in which the problem that was asked for is another, which `row_id` names; None in rows of older runs,
    which do not say. Emulated rows carry counts and no time, timed rows the reverse.
    A row of `step` "pack" times the packing of weights: it computes nothing, so it has no rate and no share of a roof.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    row_id: str
    suite: str
    case: str
    calls: int = Field(1, ge=1)
    m: int
    n: int
    k: int
    a_type: str
    b_type: str
    output_type: str
    row_scale: str
    col_scale: str
    bias: bool
    b_group: int = 0
    b_scale: str = "none"
    a_zero: str = "none"
    residual: str = "none"
    activation: str = "none"
    out_scale: str = "none"
    out_zero: bool = False
    batch: int = 1
    conv: str = ""
    asked: dict[str, Any] | None = None
    provider: str
    kernel_id: str
    step: Literal["compute", "pack"] = "compute"
    backend: str = ""
    device: str = ""
    device_kind: Literal["emulated", "cpu", "cuda"]
    time_us_median: float | None = None
    time_us_iqr: float | None = None
    time_us_batched: float | None = None
    samples: int = 0
    discarded: int = 0
    sm_clock_mhz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    tops: float | None = None
    gbps: float | None = None
    flops_per_byte: float
    pct_roof: float | None = None
    l2_state: Literal["rotated", "flushed", "warm", "n/a"] = "n/a"
    timed_by: str = ""
    stopped_by: Literal["", "noise", "samples", "seconds"] = ""
    pct_noise: float | None = None
    status: Status
    reason: str = ""
    verified: bool | None = None
    counts: dict[str, Any] | None = None
    hazards: int | None = None
    started_utc: str
    seed: int

    @property
    def identity(self) -> tuple[str, str, str]:
        """(suite, case, row_id): what is unique in a run. Two suites may ask for one problem."""
        return self.suite, self.case, self.row_id

    @property
    def problem(self) -> Problem:
        """What the provider computed."""
        return Problem.from_dict(dict(self))

    @property
    def asked_problem(self) -> Problem | None:
        """What was asked for. None where a row of an older run does not say it: its id names another problem."""
        if self.asked is not None:
            return replace(self.problem, **self.asked)
        own = RowId(self.kernel_id, self.problem.key, self.device_kind)
        return self.problem if str(own) == self.row_id else None

    @property
    def sizes(self) -> tuple[int, ...]:
        """(M, N, K); of a batch (batch, M, N, K)."""
        return (self.m, self.n, self.k) if self.batch == 1 else (self.batch, self.m, self.n, self.k)

    @property
    def timer(self) -> str:
        """`timed_by`, of an older row what timed its device kind then; empty where nothing was timed."""
        if self.timed_by or self.time_us_median is None:
            return self.timed_by
        return FIRST_TIMERS.get(self.device_kind, "")
