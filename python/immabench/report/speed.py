"""Speed by shape: the best verified time of each series, and how much faster than fp32 on the same device it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import prod
from statistics import geometric_mean
from typing import TYPE_CHECKING

from immabench.readable import NOTHING, RateUnit, duration, number, percent, rate_unit, ratio, shape_text
from immabench.report.keys import row_key
from immabench.report.palette import Series, series_of
from immabench.report.tables import Cell, Column, Table, first_rows, text, value
from immabench.report.uses import SHARED

if TYPE_CHECKING:
    from immabench.measure.rows import Row

BASELINE = "f32"


@dataclass(frozen=True)
class Timing:
    """The fastest ok row of one series for one case on one device; ``speedup`` is over the fastest fp32 row there.

    ``packing`` times the packing of its weights, which happens once and is in no other number; None without such a row.
    """

    row: Row
    series: Series
    speedup: float | None
    packing: Row | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.row.sizes

    @property
    def microseconds(self) -> float:
        assert self.row.time_us_median is not None
        return self.row.time_us_median


def case_label(one: Timing) -> str:
    """Name and shape of a case, the name shortened in its middle: its ends tell more. ``+2``: and two more names."""
    first, *others = one.row.case.split(SHARED)
    name = shorten(first) + (f" +{len(others)}" if others else "")
    return f"{name}  {shape_text(one.shape)}" if name else shape_text(one.shape)


def shorten(name: str, most: int = 34) -> str:
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def gain_range(gains: Iterable[Timing]) -> tuple[float, float]:
    """Range of the gain axis: every gain and equality, with a margin. Ratios are shown on a logarithmic axis."""
    seen = [one.speedup for one in gains if one.speedup] + [1.0]
    return min(seen) / 1.25, max(seen) * 1.25


def timed_ok(rows: Iterable[Row]) -> list[Row]:
    """Rows whose time may be compared: ok, timed, and of a product. A time of packing stands beside such a row."""
    return [row for row in rows if row.status == "ok" and row.time_us_median and row.step == "compute"]


def timings(rows: Iterable[Row]) -> list[Timing]:
    """Best timing of each (device, suite, case, shape, series), in the order the rows came."""
    rows = list(rows)
    ok, packing = timed_ok(rows), _packings(rows)
    baseline = _fastest(ok, lambda row: (row.device, row.sizes), only=BASELINE)
    best = _fastest(ok, _place)
    return [
        replace(_timing(row, baseline.get((row.device, row.sizes))), packing=packing.get(_place(row)))
        for row in best.values()
    ]


def _packings(rows: Iterable[Row]) -> dict[object, Row]:
    """The fastest ok row that times packing, by the case and series whose weights it packs."""
    return _fastest([row for row in rows if row.status == "ok" and row.time_us_median and row.step == "pack"], _place)


def _place(row: Row) -> tuple[object, ...]:
    return (row.device, row.suite, row.case, row.sizes, series_of(row))


def _fastest(rows: Iterable[Row], key: Callable[[Row], tuple[object, ...]], only: str = "") -> dict[object, Row]:
    best: dict[object, Row] = {}
    for row in rows:
        group = key(row)
        if (not only or row.a_type == only) and (group not in best or _time(row) < _time(best[group])):
            best[group] = row
    return best


def _time(row: Row) -> float:
    return row.time_us_median or float("inf")


def _timing(row: Row, baseline: Row | None) -> Timing:
    speedup = _time(baseline) / _time(row) if baseline and row.a_type != BASELINE else None
    return Timing(row, series_of(row), speedup)


def int8_speedups(found: Iterable[Timing], device: str) -> list[Timing]:
    """The fastest int8 timing of each case on a device, where an fp32 time stands beside it; slowest gain first."""
    best: dict[object, Timing] = {}
    for one in found:
        if one.row.device == device and one.row.a_type == "s8" and one.speedup is not None:
            key = (one.row.suite, one.row.case, one.shape)
            if key not in best or one.microseconds < best[key].microseconds:
                best[key] = one
    return sorted(best.values(), key=lambda one: one.speedup or 0.0)


def mean_speedup(found: Iterable[Timing]) -> float | None:
    """Geometric mean, the right one for ratios; None without any."""
    gains = [one.speedup for one in found if one.speedup]
    return geometric_mean(gains) if gains else None


def speed_table(found: list[Timing]) -> Table:
    """Every timing with its share of the measured roof and its gain over fp32."""
    unit = rate_unit(one.row.tops for one in found)
    packed = any(one.packing for one in found)
    table = Table("speed", _columns(unit, packed), empty="No row of this run carries a time.")
    note = (
        "Median of the samples of each row; the fastest kernel of each series is shown. GB/s and op/byte count "
        "compulsory traffic. Share of roof is the rate over min(measured peak, op/byte × measured memory bandwidth). "
        "Gain is the fastest fp32 time of the same shape and device over this time."
    )
    how = _how_timed(found)
    if packed:
        how += " Packing rearranges the weights once for all products with them; it is in no other column."
    shown, table.note = first_rows(found, f"{note} {how}".strip())
    for one in shown:
        table.add(*_cells(one, unit, packed), key=row_key(one.row))
    return table


def _how_timed(found: list[Timing]) -> str:
    """What timed the rows, and how many medians a limit left less certain than asked for."""
    timers = " and ".join(sorted({one.row.timer for one in found} - {""}))
    unsure = [one.row for one in found if one.row.stopped_by in ("samples", "seconds")]
    limits = f" In {len(unsure)} of {len(found)} rows a limit ended sampling first" if unsure else ""
    worst = max((row.pct_noise for row in unsure if row.pct_noise is not None), default=None)
    known = f", at {number(worst, 2)} % standard error of the median at most" if worst is not None else ""
    return (f"Timed by {timers}." if timers else "") + (f"{limits}{known}." if unsure else "")


def _columns(unit: RateUnit, packed: bool) -> list[Column]:
    """The columns of the table; that of packing in a run that timed it."""
    packing = Column("packing, once", unit="µs", hint="rearranging the weights; not part of the time")
    return [
        Column("suite", "text", choose=True, drop=True),
        Column("case", "text"),
        Column("M×N×K", "text", hint="of a batch its size in front"),
        Column("calls", hint="how often the model runs this shape"),
        Column("provider", "text", choose=True),
        Column("device", "text", choose=True, drop=True),
        Column("time", unit="µs"),
        Column("spread", unit="%", hint="interquartile range over median"),
        Column("rate", unit=unit.name),
        Column("share of roof", unit="%"),
        Column("gain over fp32", unit="×"),
        Column("back to back", unit="µs", hint="mean of launches queued back to back", drop=True),
        Column("timed by", "text", choose=True, drop=True, hint="and why sampling stopped"),
        *([packing] if packed else []),
        Column("kernel", "code", hint="and the backend that really ran"),
        Column("intensity", unit="op/byte"),
        Column("bytes", unit="GB/s"),
    ]


def _cells(one: Timing, unit: RateUnit, packed: bool) -> list[Cell]:
    row, rate = one.row, unit.of(one.row.tops)
    spread = 100 * row.time_us_iqr / one.microseconds if row.time_us_iqr is not None else None
    pct = row.pct_roof
    return [
        text(row.suite or NOTHING),
        text(row.case or NOTHING),
        value(shape_text(one.shape), prod(one.shape)),
        value(number(row.calls), row.calls),
        text(one.series.label),
        text(row.device_kind, hint=row.device),
        value(number(one.microseconds, 4), one.microseconds, hint=duration(one.microseconds)),
        value(number(spread, 2), spread),
        value(number(rate), rate),
        value(number(pct), pct, hint=percent(pct), share=min(pct / 100, 1.0) if pct is not None else None),
        value(ratio(one.speedup) if one.speedup else NOTHING, one.speedup, tone=_tone(one.speedup)),
        value(number(row.time_us_batched, 4), row.time_us_batched),
        text(row.timer or NOTHING, hint=row.stopped_by),
        *([_packing_cell(one.packing)] if packed else []),
        text(row.kernel_id, hint=row.backend),
        value(number(row.flops_per_byte), row.flops_per_byte),
        value(number(row.gbps), row.gbps),
    ]


def _packing_cell(row: Row | None) -> Cell:
    """The median time of packing; how long it is, and by what, on hovering."""
    time = row.time_us_median if row else None
    return value(number(time, 4), time, hint=f"{duration(time)} by {row.kernel_id}, {row.backend}" if row else "")


def _tone(speedup: float | None) -> str:
    if speedup is None or 0.97 < speedup < 1.03:
        return ""
    return "good" if speedup > 1 else "bad"
