"""A model's matrix time: each shape's time multiplied by how often the model runs it, summed a series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from immabench.readable import NOTHING, duration, number, rate_unit, ratio
from immabench.report.palette import Series
from immabench.report.speed import BASELINE, Timing
from immabench.report.tables import Column, Table, text, value
from immabench.report.uses import Use, case_key, uses_of_rows

if TYPE_CHECKING:
    from immabench.measure.rows import Row


@dataclass(frozen=True)
class ModelTotal:
    """Sum over the shapes of a model of calls × best time, for one series on one device."""

    model: str
    device: str
    device_kind: str
    series: Series
    microseconds: float
    operations: float
    shapes: int
    shapes_of_model: int
    speedup: float | None = None

    @property
    def complete(self) -> bool:
        return self.shapes == self.shapes_of_model

    @property
    def label(self) -> str:
        return f"{self.model} ({self.device_kind})"

    @property
    def tops(self) -> float:
        return self.operations / self.microseconds / 1e6


def model_totals(rows: Iterable[Row], found: Iterable[Timing]) -> list[ModelTotal]:
    """Totals of every model variant that was swept as a whole.

    Where a series has no time for some shape, its total is kept, without a speed-up, and says so.
    """
    by_case, models = uses_of_rows(rows)
    groups: dict[tuple[str, str, Series], dict[Use, Timing]] = {}
    for one in found:
        for use in by_case[case_key(one.row)]:
            if use.model in models:
                groups.setdefault((use.model, one.row.device, one.series), {})[use] = one
    ordered = sorted(groups.items(), key=lambda item: list(models).index(item[0][0]))
    totals = [_total(model, of, len(models[model])) for (model, _, _), of in ordered]
    return [_with_speedup(total, totals) for total in totals]


def _total(model: str, of: dict[Use, Timing], shapes_of_model: int) -> ModelTotal:
    first = next(iter(of.values()))
    return ModelTotal(
        model=model,
        device=first.row.device,
        device_kind=first.row.device_kind,
        series=first.series,
        microseconds=sum(use.calls * one.microseconds for use, one in of.items()),
        operations=sum(2.0 * use.calls * prod(use.shape) for use in of),
        shapes=len(of),
        shapes_of_model=shapes_of_model,
    )


def _with_speedup(total: ModelTotal, totals: list[ModelTotal]) -> ModelTotal:
    baseline = min(
        (t.microseconds for t in totals if _comparable(t, total) and t.series.precision == BASELINE), default=None
    )
    if baseline is None or not total.complete or total.series.precision == BASELINE:
        return total
    return replace(total, speedup=baseline / total.microseconds)


def _comparable(one: ModelTotal, other: ModelTotal) -> bool:
    return one.complete and (one.model, one.device) == (other.model, other.device)


def model_table(totals: list[ModelTotal]) -> Table:
    """Totals a model, device and series."""
    unit = rate_unit(total.tops for total in totals)
    columns = [
        Column("model", "text", choose=True),
        Column("device", "text", choose=True, drop=True),
        Column("provider", "text", choose=True),
        Column("matrix time of one pass", unit="ms", hint="sum of calls × median time"),
        Column("rate", unit=unit.name),
        Column("gain over fp32", unit="×"),
        Column("shapes timed", hint="a total is compared only when all shapes of the model were timed"),
    ]
    empty = "No suite with call counts was timed. Sweep a model suite (resnet18, distilbert) to see totals."
    table = Table("models", columns, empty=empty)
    for total in totals:
        shapes = f"{total.shapes} of {total.shapes_of_model}"
        table.add(
            text(total.model),
            text(total.device_kind, hint=total.device),
            text(total.series.label),
            value(number(total.microseconds / 1e3), total.microseconds / 1e3, hint=duration(total.microseconds)),
            value(number(unit.of(total.tops)), unit.of(total.tops)),
            value(ratio(total.speedup) if total.speedup else NOTHING, total.speedup),
            value(shapes, total.shapes / total.shapes_of_model, tone="" if total.complete else "bad"),
        )
    table.note = (
        "Matrix products only, one forward pass: no im2col, no activation, no memory copy between layers, so a lower "
        "bound of the model's latency with these kernels. The fastest kernel of each series is taken shape by shape."
    )
    return table
