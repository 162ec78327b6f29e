"""The roofline of one device: its measured ceilings, and every timed row as a point below (or above) them.

Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009. Intensity counts compulsory traffic only (each operand read
once, the output written once), so a row whose operands stay in cache may stand above the bandwidth roof. What the roof
is made of, `measure/roof.py` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immabench.measure import roof as roofs
from immabench.measure.roof import PEAK_KEYS, Limit
from immabench.report.formats import RateUnit, number, rate_unit
from immabench.report.palette import Series, precision_name, series_of

if TYPE_CHECKING:
    from immabench.measure.rows import Row

LABEL_HEIGHT = 0.055  # of the vertical axis: peaks closer than that share one label


@dataclass(frozen=True)
class Peak:
    """One horizontal ceiling in 1e12 operations/s; `source` is the instruction, or library, that reached it."""

    precision: str
    tops: float
    source: str


@dataclass(frozen=True)
class Point:
    row: Row
    series: Series
    intensity: float  # operations per byte of compulsory traffic
    tops: float
    pct_roof: float | None


@dataclass(frozen=True)
class Roofline:
    device: str
    device_kind: str
    memory: Limit | None
    peaks: tuple[Peak, ...]
    points: tuple[Point, ...]
    unit: RateUnit
    intensity_range: tuple[float, float]

    def roof_at(self, intensity: float, tops: float) -> float:
        """Height of one roof at an intensity: the smaller of its peak and what the memory feeds."""
        return tops if self.memory is None else min(tops, intensity * self.memory.rate / 1e3)

    def knee(self, tops: float) -> float:
        """The intensity from which on a peak, and not the memory, is the roof; 0 where no bandwidth was measured."""
        return tops * 1e3 / self.memory.rate if self.memory else 0.0

    @property
    def rate_range(self) -> tuple[float, float]:
        """Range of the vertical axis in the roofline's unit, with room for the labels above the highest peak."""
        rates = [point.tops for point in self.points] + [peak.tops for peak in self.peaks]
        return self.unit.factor * min(rates) / 1.8, self.unit.factor * max(rates) * 1.9

    @property
    def ridge_peak(self) -> float:
        return max((peak.tops for peak in self.peaks), default=0.0)

    def peak_labels(self) -> list[tuple[float, str]]:
        """(height, label) of the peaks from high to low; peaks too close for two labels share one."""
        low, high = self.rate_range
        labels: list[tuple[float, str]] = []
        for peak in sorted(self.peaks, key=lambda p: -p.tops):
            own = f"{precision_name(peak.precision)} {self.unit.text(peak.tops)}"
            if labels and labels[-1][0] / peak.tops < (high / low) ** LABEL_HEIGHT:
                labels[-1] = (labels[-1][0], f"{labels[-1][1]}, {own}")
            else:
                labels.append((peak.tops, own))
        return labels

    @property
    def memory_label_at(self) -> tuple[float, float]:
        """A place on the bandwidth line, in axis units: above and left of it no point can stand."""
        knee = self.knee(self.ridge_peak)
        low = max(self.intensity_range[0], self.knee(self.rate_range[0] / self.unit.factor))
        intensity = low * (knee / low) ** 0.7
        return intensity, self.roof_at(intensity, self.ridge_peak) * self.unit.factor

    @property
    def memory_label(self) -> str:
        return f"{self.memory.source} {number(self.memory.rate)} GB/s" if self.memory else "no bandwidth"


def ceilings_by_device(meta: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Ceilings of a run keyed by device kind; run.json holds none, one set, or one set a device."""
    stored = meta.get("ceilings") or {}
    if "device" in stored:
        return {str(stored["device"]): stored}
    return {kind: one for kind, one in stored.items() if isinstance(one, dict)}


def rooflines(rows: Iterable[Row], meta: dict[str, Any]) -> list[Roofline]:
    """One roofline a device that has timed rows or measured ceilings."""
    timed = [row for row in rows if row.tops is not None and row.flops_per_byte]
    ceilings = ceilings_by_device(meta)
    devices: dict[tuple[str, str], None] = dict.fromkeys((row.device_kind, row.device) for row in timed)
    named = {kind for kind, _ in devices}
    for kind, one in ceilings.items():
        if kind not in named:
            devices[(kind, str(one.get("device_name", kind)))] = None
    return [_roofline(kind, name, timed, ceilings.get(kind, {})) for kind, name in devices]


def _roofline(kind: str, device: str, timed: list[Row], ceilings: dict[str, Any]) -> Roofline:
    points = tuple(_point(row) for row in timed if (row.device_kind, row.device) == (kind, device))
    peaks = _peaks(ceilings, {point.row.a_type for point in points})
    unit = rate_unit([point.tops for point in points] + [peak.tops for peak in peaks])
    memory = roofs.memory_limit(ceilings)
    return Roofline(device, kind, memory, peaks, points, unit, _intensity_range(points, peaks, memory))


def _point(row: Row) -> Point:
    assert row.tops is not None
    return Point(row, series_of(row), row.flops_per_byte, row.tops, row.pct_roof)


def _peaks(ceilings: dict[str, Any], present: set[str]) -> tuple[Peak, ...]:
    """fp32 and int8 always, the half precisions only where a row uses them."""
    wanted = [kind for kind in PEAK_KEYS if kind in ("f32", "s8") or kind in present]
    limits = {kind: roofs.peak(ceilings, kind) for kind in wanted}
    return tuple(Peak(kind, limit.rate, limit.source) for kind, limit in limits.items() if limit)


def _intensity_range(points: tuple[Point, ...], peaks: tuple[Peak, ...], memory: Limit | None) -> tuple[float, float]:
    """Wide enough for every point, the knee of every roof, and the labels right of them."""
    knees = [peak.tops * 1e3 / memory.rate for peak in peaks] if memory else []
    seen = [point.intensity for point in points] + knees or [1.0, 100.0]
    return min(seen) / 2.2, max(seen) * 4.0
