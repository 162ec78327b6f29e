"""Computes the goals of bench/goals.toml from a bundle of `make evidence`: target, measured, bound, or what is missing.

    python bench/goals.py evidence/bundle

A ratio is the geometric mean over shapes, of each the fastest right row, timed in turns where the bundle says so
(in_turns.py); its bound holds with 95 %: one-sided, by Student's t on the logarithms, as shapes are a sample of all
that a person may ask for. A total's bound adds the errors of its medians; that of an error of predictions is that of
its median, by order statistics.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import NormalDist, fmean, median, stdev
from typing import Any

import pandas

from immabench.measure.roof import roof_tops
from immabench.measure.rows import Row
from immabench.measure.statistics import interval_ranks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GOALS = Path(__file__).with_suffix(".toml")
CONFIDENCE = 0.95
HEADER = "| goal | target | beyond | measured | 95 % bound | of | |\n|---|---|---|---|---|---|---|"

# One-sided, for 1, 2, .. degrees of freedom: the table of Student's t in any handbook.
STUDENT_95 = (
    *(6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753),
    *(1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697),
)
SHAPE = ["m", "n", "k", "batch", "conv"]


@dataclass(frozen=True)
class Measured:
    """A figure, its bound on the bad side where there is one, and of how many shapes it is; or why there is none."""

    value: float | None
    bound: float | None = None
    shapes: int = 0
    missing: str = ""
    in_turns: int | None = None
    """Of a speed: of how many shapes both sides were timed in turns."""


def load_goals(path: Path = GOALS) -> dict[str, list[dict[str, Any]]]:
    """The `sweeps` and the `goals`."""
    held: dict[str, list[dict[str, Any]]] = tomllib.loads(path.read_text())
    return held


def rows_of(bundle: Path) -> pandas.DataFrame:
    """Every right and timed row of a GPU in a bundle."""
    frames = [pandas.read_csv(path, keep_default_na=False, na_values=[""]) for path in sorted(bundle.glob("*.csv"))]
    rows = frame_of(pandas.concat([pandas.DataFrame(columns=list(Row.model_fields)), *frames], ignore_index=True))
    good = (rows.status == "ok") & (rows.device_kind == "cuda") & (rows.step == "compute") & rows.time_us_median.notna()
    return rows[good]


def frame_of(rows: Any) -> pandas.DataFrame:
    """Rows as `fastest` takes them; `index` is which one of the given each is."""
    frame = pandas.DataFrame(rows, columns=list(Row.model_fields)).assign(index=range(len(rows)))
    return frame.assign(conv=frame.conv.fillna(""))


def fastest(rows: pandas.DataFrame, which: Mapping[str, Any]) -> pandas.DataFrame:
    """Of each shape the fastest row whose case, kernel and M are among `which`."""
    low, high = which.get("m", (1, math.inf))
    named = zip(rows.case, rows.kernel_id, rows.m, strict=True)
    wanted = [_matches(c, which["cases"]) and _matches(k, which["kernels"]) and low <= m <= high for c, k, m in named]
    chosen = rows.loc[pandas.Series(wanted, rows.index, dtype=bool)]
    return chosen.sort_values("time_us_median").groupby(SHAPE, as_index=False).first()


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def over_shapes(ratios: Sequence[float]) -> Measured:
    """The geometric mean of ratios of which more is better, and what it is at least; of one shape no bound is known."""
    logs = [math.log(ratio) for ratio in ratios]
    bound = None
    if len(logs) > 1:
        freedom = len(logs) - 1
        t = STUDENT_95[freedom - 1] if freedom <= len(STUDENT_95) else NormalDist().inv_cdf(CONFIDENCE)
        bound = math.exp(fmean(logs) - t * stdev(logs) / math.sqrt(len(logs)))
    return Measured(math.exp(fmean(logs)), bound, len(logs))


def speed(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    own, other = fastest(rows, goal["own"]), fastest(rows, goal["other"])
    both = own.merge(other, on=SHAPE, suffixes=("", "_other"))
    if both.empty:
        return _missing(own, "no right row of the other side for its shapes")
    turns = _in_turns(evidence)
    found = [turns.get((row.kernel_id, row.kernel_id_other, *_shape(row))) for row in both.itertuples()]
    apart = both.time_us_median_other / both.time_us_median
    ratios = [ratio if turn is None else turn for turn, ratio in zip(found, apart, strict=True)]
    return replace(over_shapes(ratios), in_turns=sum(turn is not None for turn in found))


def _in_turns(evidence: Mapping[str, Any]) -> dict[tuple[Any, ...], float]:
    """Speeds by the own kernel, the other and the shape."""
    timed = [one for one in evidence.get("in_turns") or [] if "speed" in one]
    return {(*one["kernels"], *(one["problems"][0][name] for name in SHAPE)): one["speed"] for one in timed}


def _shape(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in SHAPE)


def bandwidth(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    own, copy = fastest(rows, goal["own"]), (evidence.get("ceilings") or {}).get("copy_gbps")
    if own.empty or not copy:
        return _missing(own, "the bandwidth of a copy was not measured")
    return over_shapes(list(own.gbps / copy))


def clock_share(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    """Of `operations_per_clock` of an SM at the clock that it ran at meanwhile."""
    own = fastest(rows, goal["own"])
    entries = (evidence.get("ceilings") or {}).get("instructions") or []
    cores = max((entry["cores"] for entry in entries), default=0)
    own = own[own.sm_clock_mhz.notna()]
    if own.empty or not cores:
        return _missing(own, "the number of SMs is not known: no ceilings")
    peaks = own.sm_clock_mhz * 1e6 * cores * goal["operations_per_clock"] / 1e12
    return over_shapes(list(own.tops / peaks))


def limit(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    own, ceilings = fastest(rows, goal["own"]), evidence.get("ceilings") or {}
    roofs = [roof_tops(ceilings, row.a_type, row.flops_per_byte) for row in own.itertuples()]
    if own.empty or None in roofs:
        return _missing(own, "the roof was not measured")
    least = sum(
        row.calls * row.time_us_median * row.tops / roof for row, roof in zip(own.itertuples(), roofs, strict=True)
    )
    total = _total(own)
    assert total.value is not None
    assert total.bound is not None
    return Measured(least / total.value, least / total.bound, len(own))


def total_us(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    own = fastest(rows, goal["own"])
    return _missing(own, "") if own.empty else _total(own)


def _total(own: pandas.DataFrame) -> Measured:
    times = own.calls * own.time_us_median
    error = NormalDist().inv_cdf(CONFIDENCE) * float((times * own.pct_noise.fillna(0.0) / 100.0).sum())
    return Measured(float(times.sum()), float(times.sum()) + error, len(own))


def cliff(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    times = dict(zip(*[fastest(rows, goal["own"])[name] for name in ("m", "time_us_median")], strict=True))
    steps = list(zip(goal["edges"][::2], goal["edges"][1::2], strict=True))
    absent = [str(m) for m in goal["edges"] if m not in times]
    if absent:
        return Measured(None, missing=f"no right row of M = {', '.join(absent)}")
    return Measured(max(times[after] / times[before] for before, after in steps), shapes=len(steps))


def counts(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    found = evidence.get("counts") or []
    if not found:
        return Measured(None, missing="no row was profiled and emulated")
    agree = [one["within"] or not one["reason"].startswith("none is expected") for one in found]
    return Measured(fmean(agree), shapes=len(agree))


def prediction(goal: Mapping[str, Any], rows: pandas.DataFrame, evidence: Mapping[str, Any]) -> Measured:
    ratios = evidence.get("predicted_over_measured") or []
    if not ratios:
        return Measured(None, missing="no row of a hand-written kernel was timed")
    errors = sorted(abs(ratio - 1.0) for ratio in ratios)
    ranks = interval_ranks(len(errors), 2.0 * CONFIDENCE - 1.0)  # both sides 5 %
    return Measured(median(errors), None if ranks is None else errors[ranks[1] - 1], len(errors))


def _missing(own: pandas.DataFrame, why: str) -> Measured:
    return Measured(None, missing="no right row of ours" if own.empty else why)


Compute = Callable[[Mapping[str, Any], pandas.DataFrame, Mapping[str, Any]], Measured]
KINDS: dict[str, Compute] = {
    "speed": speed,
    "bandwidth": bandwidth,
    "clock_share": clock_share,
    "limit": limit,
    "total_us": total_us,
    "cliff": cliff,
    "counts": counts,
    "prediction": prediction,
}
LESS_IS_BETTER = ("total_us", "cliff", "prediction")


def verdict(goal: Mapping[str, Any], measured: Measured) -> str:
    """What a figure is worth: its bound counts where it has one."""
    if measured.value is None:
        return f"not measured: {measured.missing}"
    judged = measured.value if measured.bound is None else measured.bound
    for name, word in (("beyond", "beyond"), ("target", "reached")):
        if name in goal and (judged <= goal[name] if goal["kind"] in LESS_IS_BETTER else judged >= goal[name]):
            return word
    return "missed" if "target" in goal else ""


def table(bundle: Path, goals: Sequence[Mapping[str, Any]]) -> str:
    """The goals as a table in Markdown."""
    rows, evidence = rows_of(bundle), json.loads((bundle / "evidence.json").read_text())
    return "\n".join([HEADER, *(_line(goal, KINDS[goal["kind"]](goal, rows, evidence)) for goal in goals)])


def _line(goal: Mapping[str, Any], measured: Measured) -> str:
    shown = [_shown(goal["kind"], value) for value in (measured.value, measured.bound)]
    wanted = [_shown(goal["kind"], goal.get(name)) for name in ("target", "beyond")]
    return f"| {' | '.join([goal['name'], *wanted, *shown, _number(measured), verdict(goal, measured)])} |"


def _number(measured: Measured) -> str:
    turns = "" if measured.in_turns is None else f", {measured.in_turns} in turns"
    return f"{measured.shapes}{turns}" if measured.shapes else "-"


def _shown(kind: str, value: float | None) -> str:
    if value is None:
        return "-"
    if kind == "total_us":
        return f"{value:.4g} us"
    return f"{value:.3f}x" if kind in ("speed", "cliff") else f"{100.0 * value:.1f} %"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="the folder that `make evidence` printed")
    options = parser.parse_args(arguments)
    if not (options.bundle / "evidence.json").is_file():
        print(f"{options.bundle} is no bundle; name the folder that `make evidence` printed", file=sys.stderr)
        return 2
    print(table(options.bundle, load_goals()["goals"]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
