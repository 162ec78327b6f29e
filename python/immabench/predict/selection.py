"""Which configuration to launch for a number of rows: a table for an architecture and the weights' shape, with reasons.

Choices are those of the model of kernel time (`predict`): predicted, not measured. The table says for each range of M
which configuration is predicted to be fastest, what bounds it, and by how much the next one is slower.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any

from immabench.errors import UsageError
from immabench.kernels import KernelConfig, illegal_reason, kernel_configs, runs_on
from immabench.predict.machine import Machine
from immabench.predict.ranking import RankedConfig, rank_configs
from immabench.problems import Problem

EDGES = (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129)
"""Numbers of rows around the sizes of tiles, where dispatchers have been caught doubling the time."""

REMEMBERED = 4096
"""Problems whose choice `select` keeps: of a model's layers at every number of rows that turns up."""


@dataclass(frozen=True)
class Choice:
    """One configuration for `first_m` to `last_m` rows, with its predicted time at both; `bound` is what counts most.

    `runner_up` is the next best at `first_m`, None where there is no other, and `slower_by` how much, 0.1 being 10 %.
    """

    first_m: int
    last_m: int
    kernel_id: str
    first_us: float
    last_us: float
    bound: str
    runner_up: str | None
    slower_by: float

    def as_dict(self) -> dict[str, Any]:
        """Every field as JSON takes it."""
        return dict(vars(self))

    def explain(self) -> str:
        """The choice in one line."""
        rows = f"M = {self.first_m}" + (f" to {self.last_m}" if self.last_m > self.first_m else "")
        other = f"; {self.runner_up} is {self.slower_by:.0%} slower" if self.runner_up else ""
        return f"{rows}: {self.kernel_id}, {self.first_us:.2f} to {self.last_us:.2f} us, bound by {self.bound}{other}"


@functools.lru_cache(maxsize=REMEMBERED)
def select(problem: Problem, machine: Machine) -> RankedConfig:
    """The configuration predicted to be fastest for `problem`. Raises UsageError where none computes it there.

    The choice is remembered: asked for the same problem and machine again, it is a look-up.
    """
    return ranked(problem, machine)[0]


def ranked(problem: Problem, machine: Machine) -> list[RankedConfig]:
    """Every configuration that computes `problem` on `machine`, fastest first. Raises UsageError where none does."""
    return rank_configs(legal_configs(problem, machine), problem, machine)


def legal_configs(problem: Problem, machine: Machine) -> list[KernelConfig]:
    """What computes `problem` and is compiled for `machine`. Raises UsageError, with a reason, where nothing is."""
    reasons = {config: illegal_reason(config, problem) for config in kernel_configs()}
    legal = [config for config, reason in reasons.items() if reason is None]
    if not legal:
        own = [reason for config, reason in reasons.items() if reason and config.family == problem.family]
        why = own[0] if own else f"there is no kernel of {problem.family}"
        raise UsageError(f"no kernel computes {problem.key}: {why}", "choose another shape or other operand types")
    present = [config for config in legal if runs_on(config, machine.architecture)]
    if not present:
        raise UsageError(
            f"no kernel of {problem.family} is compiled for {machine.name}, {machine.architecture}",
            "choose another GPU",
        )
    return present


def selection_table(problem: Problem, machine: Machine, rows: Sequence[int]) -> list[Choice]:
    """The choices for each of `rows`, ascending numbers of rows of `problem`, those of one configuration together.

    Raises UsageError as `select`.
    """
    best = [(m, ranked(replace(problem, m=m), machine)[:2]) for m in rows]
    return [_choice(list(same)) for _, same in groupby(best, key=lambda entry: entry[1][0].config.id)]


def _choice(entries: Sequence[tuple[int, list[RankedConfig]]]) -> Choice:
    (first_m, (first, *others)), (last_m, (last, *_)) = entries[0], entries[-1]
    time_us = first.prediction.time_us
    return Choice(
        first_m,
        last_m,
        first.config.id,
        time_us,
        last.prediction.time_us,
        first.prediction.bound,
        others[0].config.id if others else None,
        others[0].prediction.time_us / time_us - 1 if others else 0.0,
    )


def jumps(problem: Problem, machine: Machine, rows: Iterable[int] = EDGES, limit: float = 1.3) -> dict[int, float]:
    """M -> predicted time over that of one row less, both by the configuration selected, where above `limit`."""
    times = {m: select(replace(problem, m=m), machine).prediction.time_us for m in rows}
    ratios = {later: times[later] / times[earlier] for earlier, later in pairwise(times) if later == earlier + 1}
    return {m: ratio for m, ratio in ratios.items() if ratio > limit}
