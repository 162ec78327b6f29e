"""The roofline of one device: its ceilings, and every timed row as a point below (or above) them.

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009; one slope a level of memory as in Ilic, Pratas, Sousa:
Cache-aware Roofline Model, IEEE Computer Architecture Letters 13(1), 2014. Intensity counts compulsory traffic (each
operand read once, the output written once), so a row whose operands stay in cache may stand above the slope of DRAM.
Where a row was profiled it has the intensity of its DRAM traffic and, at the same rate, that of its L2 traffic: the
hierarchical roofline of Yang, Kurth, Williams: Concurrency and Computation 32(20), 2020.

Ceilings are measured on the device, and what a data sheet says of it stands apart. What the roof is made of,
`measure/roof.py` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

from immabench.hardware import find_gpu
from immabench.measure import roof as roofs
from immabench.measure.roof import Limit, ceilings_by_device
from immabench.readable import RateUnit, number, rate_unit
from immabench.report.palette import Series, precision_name, series_of

if TYPE_CHECKING:
    from immabench.measure.rows import Row
    from immabench.profile.actions import Action

DRAWN_TYPES = ("s4", "s8", "e4m3", "f16", "bf16", "f32")
"""Operand types whose ceiling is worth a line where the machine has an instruction for them."""
COMPARED_TYPES = ("s8", "f32")
"""Drawn wherever they were measured, by a library too: every run compares the two."""
LEAST_DECADES = 1.6
"""Of either axis, so that slopes have a length even in a run of one row."""
CACHE_NAMES = {"cuda": "L2"}

Traffic = tuple[float, float]
"""Bytes of DRAM and bytes of L2 that a profiler counted for one run of a row."""


@dataclass(frozen=True)
class Peak:
    """One horizontal ceiling in 1e12 operations/s; `source` is the instruction, or library, that reached it."""

    precision: str
    tops: float
    source: str


@dataclass(frozen=True)
class DataSheet:
    """What the maker states, dense; never the roof that a row is judged by."""

    peaks: tuple[Peak, ...]
    memory: Limit
    source: str


@dataclass(frozen=True)
class Point:
    """A row; `intensity` in operations per byte: of DRAM traffic where it was profiled, else of compulsory traffic."""

    row: Row
    series: Series
    intensity: float
    tops: float
    pct_roof: float | None
    l2_intensity: float | None = None  # of profiled rows alone

    @property
    def profiled(self) -> bool:
        return self.l2_intensity is not None


@dataclass(frozen=True)
class RoofLine:
    """A line from (x0, y0) to (x1, y1) in the units of the axes: a peak, or the slope of a level of memory."""

    text: str
    precision: str  # "" for a slope
    measured: bool  # else it is the data sheet's
    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True)
class Roofline:
    device: str
    device_kind: str
    memory: Limit | None
    peaks: tuple[Peak, ...]
    points: tuple[Point, ...]
    unit: RateUnit
    intensity_range: tuple[float, float]
    cache: Limit | None = None
    sheet: DataSheet | None = None

    def roof_at(self, intensity: float, tops: float) -> float:
        """Height of one roof at an intensity: the smaller of its peak and what the memory feeds."""
        return tops if self.memory is None else min(tops, intensity * self.memory.rate / 1e3)

    def peak_of(self, operand_type: str) -> float:
        """The peak over rows of a type, 0 where none is known: that of s8 over s4 that is no instruction."""
        rates = {peak.precision: peak.tops for peak in self.peaks}
        return rates.get(operand_type, rates.get("s8", 0.0) if operand_type == "s4" else 0.0)

    def knee(self, tops: float) -> float:
        """The intensity from which on a peak, and not the memory, is the roof; 0 where no bandwidth was measured."""
        return _knee(tops, self.memory)

    @property
    def rate_range(self) -> tuple[float, float]:
        """Range of the vertical axis in the roofline's unit, with room above all lines and below all points."""
        rates = [point.tops for point in self.points] + [peak.tops for peak in self.peaks]
        above = rates + [peak.tops for peak in (self.sheet.peaks if self.sheet else ())]
        high = self.unit.factor * max(above) * 1.6
        # Profiled points lie on both sides of the slope of DRAM: its name needs room below them.
        low = self.unit.factor * min(rates) / (4.0 if self.profiled else 1.8)
        return min(low, high / 10**LEAST_DECADES), high

    @property
    def ridge_peak(self) -> float:
        return max((peak.tops for peak in self.peaks), default=0.0)

    @property
    def memory_label(self) -> str:
        return f"{self.memory.source} {number(self.memory.rate)} GB/s" if self.memory else "no bandwidth"

    @property
    def profiled(self) -> bool:
        return any(point.profiled for point in self.points)

    @property
    def intensity_title(self) -> str:
        """What the horizontal axis counts, said on the axis."""
        return f"arithmetic intensity (operations/byte, {'DRAM or ' if self.profiled else ''}compulsory)"

    def peak_lines(self) -> list[RoofLine]:
        """Ceilings of computing, from where the fastest level of memory feeds them to the right edge."""
        found = [self._flat(peak, self.cache or self.memory, True) for peak in self.peaks]
        if self.sheet:
            found += [self._flat(peak, self.sheet.memory, False) for peak in self.sheet.peaks]
        return found

    def _flat(self, peak: Peak, memory: Limit | None, measured: bool) -> RoofLine:
        low, high = self.intensity_range
        rate = peak.tops * self.unit.factor
        text = f"{precision_name(peak.precision)} {self.unit.text(peak.tops)}" + ("" if measured else ", data sheet")
        start = min(max(_knee(peak.tops, memory), low), high)
        return RoofLine(text, peak.precision, measured, (start, high), (rate, rate))

    def slope_lines(self) -> list[RoofLine]:
        """Ceilings of memory, up to the highest peak of their kind; none where no peak is known."""
        found = []
        if self.peaks:
            top = self.ridge_peak
            levels = {"DRAM": self.memory, CACHE_NAMES.get(self.device_kind, "LLC"): self.cache}
            found = [self._slope(name, limit, top, True) for name, limit in levels.items() if limit]
        if self.sheet:
            found.append(self._slope("DRAM", self.sheet.memory, max(p.tops for p in self.sheet.peaks), False))
        return found

    def _slope(self, level: str, limit: Limit, tops: float, measured: bool) -> RoofLine:
        """From where the slope enters the picture, at its left or lower edge, to its knee."""
        rate = limit.rate / 1e3 * self.unit.factor
        start = max(self.intensity_range[0], self.rate_range[0] / rate)
        knee = _knee(tops, limit)
        text = f"{level} {number(limit.rate)} GB/s, {limit.source if measured else 'data sheet'}"
        return RoofLine(text, "", measured, (start, knee), (start * rate, knee * rate))

    def place(self, intensity: float, rate: float) -> tuple[float, float]:
        """Where a point in the units of the axes stands in the picture: (0, 0) lower left, (1, 1) upper right."""
        return _fraction(intensity, self.intensity_range), _fraction(rate, self.rate_range)

    def at(self, across: float, up: float) -> tuple[float, float]:
        """(intensity, rate) of a place in the picture: the inverse of `place`."""
        (left, right), (low, high) = self.intensity_range, self.rate_range
        return left * (right / left) ** across, low * (high / low) ** up


def _knee(tops: float, memory: Limit | None) -> float:
    return tops * 1e3 / memory.rate if memory else 0.0


def _fraction(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return log(value / low) / log(high / low)


def rooflines(
    rows: Iterable[Row], meta: dict[str, Any], traffic: Mapping[str, Traffic] | None = None
) -> list[Roofline]:
    """One roofline a device that has timed rows or measured ceilings; `traffic` of profiled rows by row id."""
    timed = [row for row in rows if row.tops is not None and row.flops_per_byte]
    ceilings = ceilings_by_device(meta)
    devices: dict[tuple[str, str], None] = dict.fromkeys((row.device_kind, row.device) for row in timed)
    named = {kind for kind, _ in devices}
    for kind, one in ceilings.items():
        if kind not in named:
            devices[(kind, str(one.get("device_name", kind)))] = None
    points = [_point(row, (traffic or {}).get(row.row_id)) for row in timed]
    return [_roofline(kind, name, points, ceilings.get(kind, {})) for kind, name in devices]


def traffic_of(actions: Iterable[Action]) -> dict[str, Traffic]:
    """Bytes of DRAM and of L2 by row id, summed over the launches of a row in the first report that has both.

    A row is left out where some launch lacks a count, or where nothing came from DRAM: it has no intensity there.
    """
    groups: dict[tuple[str, str], list[Action]] = {}
    for action in actions:
        groups.setdefault((action.row_id, action.report), []).append(action)
    traffic: dict[str, Traffic] = {}
    for (row_id, _), of in groups.items():
        dram, l2 = (sum(one or 0.0 for one in each) for each in zip(*(one.traffic_bytes for one in of), strict=True))
        if row_id and row_id not in traffic and dram and l2 and not any(None in one.traffic_bytes for one in of):
            traffic[row_id] = dram, l2
    return traffic


def _roofline(kind: str, device: str, timed: list[Point], ceilings: dict[str, Any]) -> Roofline:
    points = tuple(point for point in timed if (point.row.device_kind, point.row.device) == (kind, device))
    peaks = _peaks(ceilings, {point.row.a_type for point in points})
    unit = rate_unit([point.tops for point in points] + [peak.tops for peak in peaks])
    memory, cache = roofs.memory_limit(ceilings), roofs.cache_limit(ceilings)
    span = _intensity_range(points, peaks, memory, cache)
    return Roofline(device, kind, memory, peaks, points, unit, span, cache, _sheet(kind, device))


def _point(row: Row, traffic: Traffic | None) -> Point:
    assert row.tops is not None
    if traffic is None:
        return Point(row, series_of(row), row.flops_per_byte, row.tops, row.pct_roof)
    operations = 2.0 * row.batch * row.m * row.n * row.k
    dram, l2 = (operations / count for count in traffic)
    return Point(row, series_of(row), dram, row.tops, row.pct_roof, l2)


def _peaks(ceilings: dict[str, Any], present: set[str]) -> tuple[Peak, ...]:
    """Of the types that the machine has instructions for or rows compute in, highest first."""
    wanted = dict.fromkeys((*DRAWN_TYPES, *sorted(present)))
    limits = {kind: roofs.peak(ceilings, kind) for kind in wanted if _drawn(kind, ceilings, present)}
    peaks = [Peak(kind, limit.rate, limit.source) for kind, limit in limits.items() if limit]
    return tuple(sorted(peaks, key=lambda peak: -peak.tops))


def _drawn(kind: str, ceilings: dict[str, Any], present: set[str]) -> bool:
    if roofs.instruction_limit(ceilings, kind) is not None:
        return True
    # Rows of s4 have the roof of s8 where there is no instruction: that line is drawn already.
    return kind in COMPARED_TYPES or (kind in present and kind != "s4")


def _sheet(kind: str, device: str) -> DataSheet | None:
    gpu = find_gpu(device) if kind == "cuda" else None
    if gpu is None:
        return None
    rates = {"s8": gpu.int8_tops, "f16": gpu.float16_tflops}
    peaks = tuple(Peak(precision, rate, gpu.source) for precision, rate in rates.items())
    return DataSheet(peaks, Limit(gpu.memory_gbps, gpu.source), gpu.source)


def _intensity_range(
    points: tuple[Point, ...], peaks: tuple[Peak, ...], memory: Limit | None, cache: Limit | None
) -> tuple[float, float]:
    """Wide enough for every point and the highest knees; room at the left for what slopes are called."""
    ridge = max((peak.tops for peak in peaks), default=0.0)
    knees = [_knee(ridge, limit) for limit in (memory, cache) if limit and ridge]
    seen = [point.intensity for point in points] + [p.l2_intensity for p in points if p.l2_intensity] + knees
    low, high = (min(seen) / 6.0, max(seen) * 3.0) if seen else (1.0, 100.0)
    return min(low, high / 10**LEAST_DECADES), high
