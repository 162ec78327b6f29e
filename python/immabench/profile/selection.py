"""Which launches are profiled: rows of a run, made jobs again, or one kernel on one shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from immabench.errors import NothingSelectedError, UsageError
from immabench.kernels import companion_configs, gemm_configs, illegal_reason, match_names, matches_any
from immabench.measure.case import Job
from immabench.measure.plan import SHAPES_SUITE, kernel_problem, one_problem
from immabench.measure.rows import Row
from immabench.providers.registry import load_provider, provider_names

if TYPE_CHECKING:
    pass

DEFAULT_TOP = 5
"""Rows of a run that are profiled where nothing names them."""


def chosen_rows(
    rows: Iterable[Row], kernels: Sequence[str] = (), cases: Sequence[str] = (), top: int | None = None
) -> list[Row]:
    """Rows of a GPU that are right and timed, those in which a model spends most time first, each launch once.

    Those whose kernel and case match the globs; without any glob the fastest of each case. At most `top`, which is
    `DEFAULT_TOP` without globs. Raises NothingSelectedError where nothing is left.
    """
    timed = [row for row in rows if row.device_kind == "cuda" and row.status == "ok" and row.time_us_median]
    if not timed:
        raise NothingSelectedError("no row of a GPU is right and timed", "sweep on a GPU: --device cuda")
    match_names("kernel", (row.kernel_id for row in timed), kernels)
    match_names("case", (row.case for row in timed), cases)
    named = bool(kernels or cases)
    matching = [row for row in timed if matches_any(row.kernel_id, kernels) and matches_any(row.case, cases)]
    found = _once(sorted(matching if named else _fastest(matching), key=_total_us, reverse=True))
    if not found:
        raise NothingSelectedError("no row matches both --kernel and --case", "widen one of them")
    return found[: top or (None if named else DEFAULT_TOP)]


def _fastest(rows: Iterable[Row]) -> list[Row]:
    """Of each case the fastest that computes."""
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row.suite, row.case)
        if row.step == "compute" and (key not in best or _time_us(row) < _time_us(best[key])):
            best[key] = row
    return list(best.values())


def _once(rows: Iterable[Row]) -> list[Row]:
    """One problem may belong to several cases; its launch is the same."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row.row_id, row)
    return list(found.values())


def _time_us(row: Row) -> float:
    return row.time_us_median or 0.0


def _total_us(row: Row) -> float:
    return row.calls * _time_us(row)


def jobs_of(rows: Iterable[Row]) -> list[Job]:
    """The jobs that rows were. Raises UsageError for a row of an older run that does not say what was asked for."""
    return [_job(row) for row in rows]


def _job(row: Row) -> Job:
    problem = row.asked_problem
    if problem is None:
        raise UsageError(f"{row.row_id} is of an older run, which does not say what was asked for", "sweep again")
    own = (row.suite, row.case, row.calls, problem, row.provider, row.kernel_id, row.device_kind)
    return Job(*own, seed=row.seed, step=row.step)


def one_job(kernel: str, shape: str, output_type: str, options: Mapping[str, Any], seed: int = 0) -> Job:
    """One configuration of any provider on one shape, on a GPU, be there one here or not.

    Raises NothingSelectedError for an unknown id, UsageError for a problem that it does not compute.
    """
    provider = _provider_of(kernel)
    config = next((one for one in gemm_configs() if one.id == kernel), None)
    if config is None:
        problem = one_problem(shape, output_type, options)
    else:
        problem = kernel_problem(config, shape, output_type, options)
        reason = illegal_reason(config, problem)
        if reason:
            raise UsageError(f"{kernel} cannot compute {problem.key}: {reason}", "choose another shape or kernel")
    return Job(SHAPES_SUITE, shape, 1, problem, provider, kernel, "cuda", seed)


def _provider_of(kernel: str) -> str:
    if any(kernel == config.id for config in companion_configs()):
        raise UsageError(f"{kernel} stands around GEMMs and is in no sweep", "profile a GEMM or a convolution")
    providers = {config: name for name in provider_names() for config in load_provider(name).config_ids()}
    if kernel not in providers:
        raise NothingSelectedError.nearest("configuration", kernel, providers)
    return providers[kernel]
