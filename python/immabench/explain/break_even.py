"""Up to how many rows quantized weights are worth it: where a precision is faster than fp16, predicted and measured.

Predicted: the fastest of our kernels by the model of kernel time, against the fastest fp16 kernel there would be of the
same tiles: as many bytes a stage, so half as many elements of K. Measured: the fastest ok row of each precision at each
M.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import exp, inf, log
from typing import TYPE_CHECKING, Any, Literal

from immabench.errors import UsageError
from immabench.measure.measured_machine import machine_of_run
from immabench.predict import Machine, predicted, select
from immabench.predict.selection import legal_configs
from immabench.problems import Problem, float_problem, precision_of

if TYPE_CHECKING:
    from immabench.measure.rows import Row

FLOATS = ("f16", "bf16")
WIDE = (*FLOATS, "f32", "e4m3")
"""Types of weights that are not quantized to integers."""
MOST_ROWS = 16384
PREDICTED_ROWS = tuple(2**power for power in range(MOST_ROWS.bit_length()))
"""Numbers of rows at which the prediction is made: powers of two."""


@dataclass(frozen=True)
class BreakEven:
    """Where products with weights [N, K] in a precision are faster than in fp16.

    `faster` are ranges (first M, last M) in which they are, of the numbers of rows looked at: `looked_at`. `gains` is
    the time of fp16 over theirs at each of those. `device` is where, or what is predicted.
    """

    kind: Literal["predicted", "measured"]
    device: str
    n: int
    k: int
    precision: str
    looked_at: tuple[int, ...]
    gains: tuple[float, ...]

    @property
    def faster(self) -> tuple[tuple[int, int], ...]:
        """Ranges of M in which the precision is faster."""
        found: list[tuple[int, int]] = []
        wins = [gain > 1 for gain in self.gains]
        for index, (m, wins_here) in enumerate(zip(self.looked_at, wins, strict=True)):
            if wins_here and index and wins[index - 1]:
                found[-1] = (found[-1][0], m)
            elif wins_here:
                found.append((m, m))
        return tuple(found)

    @property
    def crossings(self) -> tuple[float, ...]:
        """M at which both take the same time, by straight lines between logarithms of neighbours."""
        points = zip(self.looked_at, self.gains, strict=True)
        return tuple(_crossing(a, b) for a, b in pairwise(points) if (a[1] > 1) != (b[1] > 1))

    def in_words(self) -> str:
        """One line: where it is faster, and by how much at most."""
        ranges = [f"M = {first}" + (f" to {last}" if last > first else "") for first, last in self.faster]
        where = " and ".join(ranges) if ranges else "no M looked at"
        between = [f"{m:.0f}" for m in self.crossings]
        even = f"; even at M of about {' and '.join(between)}" if between else ""
        return (
            f"{self.precision}, N = {self.n}, K = {self.k}, {self.device}: faster than fp16 for {where}{even}; "
            f"{max(self.gains):.2f} times as fast at best [{self.kind}]"
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it."""
        return {**asdict(self), "faster": self.faster, "crossings": self.crossings}


def _crossing(before: tuple[int, float], after: tuple[int, float]) -> float:
    (first, high), (last, low) = before, after
    share = log(high) / (log(high) - log(low))
    return exp(log(first) + share * (log(last) - log(first)))


def predicted_break_even(problem: Problem, machine: Machine, rows: Sequence[int] = PREDICTED_ROWS) -> BreakEven | None:
    """Of `problem` with other numbers of rows; None where the machine has no kernel for it."""
    asked = [replace(problem, m=m) for m in rows]
    try:
        gains = tuple(float16_us(one, machine) / select(one, machine).prediction.time_us for one in asked)
    except UsageError:
        return None
    return BreakEven("predicted", machine.name, problem.n, problem.k, problem.precision, tuple(rows), gains)


def float16_us(problem: Problem, machine: Machine) -> float:
    """What `problem` in fp16 would take on `machine` by the tiles of our int8 kernels.

    A kernel of fp16 has the same stages in bytes, and the multiply-accumulates of fp16 (`TileWork.rate_to_s8`). Raises
    UsageError where none runs there.
    """
    integers = Problem(problem.m, problem.n, problem.k)
    floats = float_problem(replace(problem, residual="none"), "f16")
    halved = (
        replace(config, block_tile=(*config.block_tile[:2], config.block_tile[2] // 2))
        for config in legal_configs(integers, machine)
    )
    return min(predicted(config, floats, machine).time_us for config in halved)


def measured_break_evens(rows: Iterable[Row]) -> list[BreakEven]:
    """Of every device, N, K and precision that was timed beside fp16 (or bf16) at two or more numbers of rows."""
    timed = [row for row in rows if row.status == "ok" and row.time_us_median and row.step == "compute"]
    plain = [row for row in timed if row.batch == 1 and not row.conv]
    floats = _fastest(plain, lambda row: row.a_type in FLOATS and row.b_type == row.a_type)
    others = _fastest(plain, lambda row: row.b_type not in WIDE)
    found = []
    for (place, precision), times in others.items():
        beside = [against for (where, _), against in floats.items() if where == place]
        gains = {
            m: min(against.get(m, inf) for against in beside) / times[m]
            for m in sorted(times)
            if any(m in against for against in beside)
        }
        if len(gains) > 1:
            found.append(BreakEven("measured", *place, precision, tuple(gains), tuple(gains.values())))
    return found


Place = tuple[str, int, int]


def _fastest(rows: Iterable[Row], wanted: Callable[[Row], bool]) -> dict[tuple[Place, str], dict[int, float]]:
    """(device, N, K) and precision -> M -> the shortest time."""
    best: dict[tuple[Place, str], dict[int, float]] = {}
    for row in filter(wanted, rows):
        precision = precision_of(row.a_type, row.b_type)
        times = best.setdefault(((row.device, row.n, row.k), precision), {})
        times[row.m] = min(times.get(row.m, inf), row.time_us_median or inf)
    return best


def break_evens(
    rows: Sequence[Row], meta: Mapping[str, Any], machine: Machine | None = None, most: int | None = None
) -> list[BreakEven]:
    """What was measured in a run, and what is predicted of the same weights on its GPU, else on `machine`.

    Predicted for products of integers or with packed weights, of no batch and no image: one for each N, K, precision,
    of at most `most` of them those with most weights.
    """
    own = _machine_of(meta) or machine
    computed = [row.problem for row in rows if row.step == "compute"]
    weights = {(p.n, p.k, p.precision): p for p in computed if p.batch == 1 and not p.conv and p.b_type not in WIDE}
    largest = sorted(weights.values(), key=lambda problem: -problem.weight_bytes)[:most]
    predicted = [predicted_break_even(problem, own) for problem in largest] if own else []
    return [*measured_break_evens(rows), *filter(None, predicted)]


def _machine_of(meta: Mapping[str, Any]) -> Machine | None:
    """The GPU of a run, None for a run on a machine without one."""
    return machine_of_run(meta) if meta["machine"]["gpus"] else None
