"""Every provider on the shapes of the quick suite, timed as a sweep times them, on the GPU where there is one.

Save a run and gate on it later:

    pytest bench/bench_kernels.py --benchmark-enable --benchmark-save=base
    pytest bench/bench_kernels.py --benchmark-enable --benchmark-compare --benchmark-compare-fail=median:5%
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from immabench.hardware import present_kinds
from immabench.measure.case import Job
from immabench.measure.plan import Selection, make_plan
from immabench.measure.rows import Row


def jobs() -> list[Job]:
    """The timed jobs of the quick suite on this machine."""
    devices = tuple(kind for kind in present_kinds() if kind != "emulated")
    return [planned.job for planned in make_plan(Selection(suites=("quick",), devices=devices)) if not planned.skip]


@pytest.mark.parametrize("job", jobs(), ids=lambda job: job.row_id)
def test_kernel(time_job: Callable[[Job], Row], job: Job) -> None:
    row = time_job(job)
    assert row.verified
