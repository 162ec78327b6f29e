"""What a row's panel shows: all its fields, raw samples, counts, profiled launches, and how to measure it again.

The page embeds it as one JSON value and draws a panel when it is asked for, so 5,000 rows cost a page no time to open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from immabench.readable import shape_text
from immabench.report.keys import row_key
from immabench.report.reproduce import row_command
from immabench.row_ids import launch_of

if TYPE_CHECKING:
    from immabench.measure.rows import Row

MOST_DETAILS = 5000
"""Rows with a panel. Every other row is in rows.csv and rows.jsonl."""

MOST_SAMPLES, SAMPLES_OF_ALL = 100, 100_000
"""Samples of a row on a page whose timed rows together have more than `SAMPLES_OF_ALL`."""

Samples = Callable[[str], Sequence[float]]
"""Raw times by row id, in microseconds; empty where none were kept."""


@dataclass(frozen=True)
class Field:
    """A field of a row as a person reads it."""

    name: str
    label: str
    group: str
    unit: str = ""


FIELDS = (
    Field("status", "status", "Outcome"),
    Field("reason", "reason", "Outcome"),
    Field("verified", "verified against the oracle", "Outcome"),
    Field("hazards", "hazards", "Outcome"),
    Field("time_us_median", "time, median", "Measured", "µs"),
    Field("time_us_iqr", "time, interquartile range", "Measured", "µs"),
    Field("time_us_batched", "time, launched back to back", "Measured", "µs"),
    Field("pct_noise", "standard error of the median", "Measured", "%"),
    Field("samples", "samples", "Measured"),
    Field("discarded", "samples discarded, throttled", "Measured"),
    Field("tops", "rate", "Measured", "Top/s"),
    Field("gbps", "compulsory bytes", "Measured", "GB/s"),
    Field("pct_roof", "share of the roof", "Measured", "%"),
    Field("timed_by", "timed by", "Measured"),
    Field("stopped_by", "sampling ended by", "Measured"),
    Field("l2_state", "L2", "Measured"),
    Field("sm_clock_mhz", "SM clock", "Measured", "MHz"),
    Field("power_w", "power", "Measured", "W"),
    Field("temperature_c", "temperature", "Measured", "°C"),
    Field("asked", "asked for", "Problem"),
    Field("m", "M", "Problem"),
    Field("n", "N", "Problem"),
    Field("k", "K", "Problem"),
    Field("batch", "batch", "Problem"),
    Field("conv", "convolution", "Problem"),
    Field("calls", "calls of the model", "Problem"),
    Field("flops_per_byte", "arithmetic intensity", "Problem", "operations/byte"),
    Field("a_type", "A", "Problem"),
    Field("b_type", "B", "Problem"),
    Field("b_group", "elements of K a group of weights", "Problem"),
    Field("b_scale", "scales of groups", "Problem"),
    Field("a_zero", "zero point of A", "Problem"),
    Field("row_scale", "scale of rows", "Problem"),
    Field("col_scale", "scale of columns", "Problem"),
    Field("bias", "bias", "Problem"),
    Field("residual", "residual", "Problem"),
    Field("activation", "activation", "Problem"),
    Field("output_type", "output", "Problem"),
    Field("out_scale", "scale of the output", "Problem"),
    Field("out_zero", "zero point of the output", "Problem"),
    Field("suite", "suite", "Where from"),
    Field("case", "case", "Where from"),
    Field("provider", "provider", "Where from"),
    Field("kernel_id", "kernel", "Where from"),
    Field("step", "step", "Where from"),
    Field("backend", "backend that ran", "Where from"),
    Field("device", "device", "Where from"),
    Field("device_kind", "kind of device", "Where from"),
    Field("row_id", "row id", "Where from"),
    Field("started_utc", "started", "Where from", "UTC"),
    Field("seed", "seed of the operands", "Where from"),
    Field("schema_version", "row schema", "Where from"),
)
"""Every field of a row but its counts, which are a table of their own."""


@dataclass(frozen=True)
class Details:
    """Panels by row key, what several rows share beside them, and how many rows have none."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    kernels: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    left: int = 0

    def data(self) -> dict[str, Any]:
        """As JSON takes it."""
        fields = [[one.name, one.label, one.group, one.unit] for one in FIELDS]
        return {"fields": fields, "rows": self.rows, "kernels": self.kernels, "left": self.left}


def details(
    rows: Sequence[Row],
    meta: dict[str, Any],
    *,
    first: Iterable[str] = (),
    samples: Samples | None = None,
    actions: Iterable[Any] = (),
    compiled: Iterable[dict[str, Any]] = (),
    explanations: Mapping[str, list[str]] | None = None,
) -> Details:
    """The panels of a run; of more than `MOST_DETAILS` rows those of the keys in `first`, then in file order."""
    shown = _chosen(rows, first)
    counted = {launch_of(row.row_id): row_key(row) for row in rows if row.device_kind == "emulated" and row.counts}
    profiled = _by_row(actions)
    most = _most_samples(shown.values())
    panels = {
        key: _panel(row, meta)
        | _sampled(row, samples, most)
        | _known("emulated", counted.get(launch_of(row.row_id)) if row.device_kind != "emulated" else None)
        | _known("profile", profiled.get(row.row_id))
        | _known("explanations", (explanations or {}).get(key))
        for key, row in shown.items()
    }
    return Details(panels, _kernels({row.kernel_id for row in shown.values()}, compiled), len(rows) - len(panels))


def _chosen(rows: Sequence[Row], first: Iterable[str]) -> dict[str, Row]:
    by_key = {row_key(row): row for row in rows}
    order = dict.fromkeys([*(key for key in first if key in by_key), *by_key])
    return {key: by_key[key] for key in list(order)[:MOST_DETAILS]}


def _panel(row: Row, meta: dict[str, Any]) -> dict[str, Any]:
    values = [_shown(getattr(row, one.name)) for one in FIELDS]
    counts = {name: value for name, value in (row.counts or {}).items() if name != "lines"}
    shape = {"shape": shape_text(row.sizes), "values": values, "command": row_command(row, meta)}
    return shape | _known("counts", counts)


def _shown(value: Any) -> Any:
    """The value of a field; of a nested one in words."""
    return ", ".join(f"{name} {own}" for name, own in value.items()) if isinstance(value, dict) else value


def _known(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def _most_samples(rows: Iterable[Row]) -> int | None:
    """The most samples of one row on this page, None where it can hold them all."""
    return MOST_SAMPLES if sum(row.samples for row in rows) > SAMPLES_OF_ALL else None


def _sampled(row: Row, samples: Samples | None, most: int | None) -> dict[str, Any]:
    times = list(samples(row.row_id)) if samples and row.samples else []
    return _known("times_us", times if most is None else thinned(times, most))


def thinned(times: Sequence[float], most: int) -> list[float]:
    """At most `most` values of `times`; of more, ascending, those at evenly spaced ranks: quantiles are those of all.

    Six digits of each: a histogram shows no more, and the others are half of a page.
    """
    kept = list(times)
    if len(times) > most:
        ordered, last = sorted(times), len(times) - 1
        kept = [ordered[round(index * last / (most - 1))] for index in range(most)]
    return [float(f"{time:.6g}") for time in kept]


def _by_row(actions: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    """Profiled launches as the panel shows them, by the row whose launch they are."""
    found: dict[str, list[dict[str, Any]]] = {}
    for action in actions:
        said = action.model_dump(mode="json", include={"function", "duration_us", "metrics", "rules", "report"})
        found.setdefault(action.row_id, []).append(said)
    return found


COMPILED = ("arch", "variant", "registers", "spills", "static_shared_bytes", "dynamic_shared_bytes", "mma", "occupancy")
"""What a panel says of a kernel's machine code."""


def _kernels(wanted: set[str], compiled: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for fact in compiled:
        if fact["kernel_id"] in wanted:
            found.setdefault(fact["kernel_id"], []).append({name: fact[name] for name in COMPILED})
    return found
