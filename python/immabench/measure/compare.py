"""Two run folders compared row by row: A is the baseline, B the candidate. Nothing is left out without being named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from immabench.errors import NothingSelectedError, RunFolderError, UsageError
from immabench.measure.roof import COPY_KEYS, PEAK_KEYS, READ_KEYS, roof_tops, shared_ceilings
from immabench.measure.rows import FAILED_STATUSES, Row
from immabench.measure.run_folder import RunFolder
from immabench.measure.statistics import (
    CONFIDENCE,
    THRESHOLD,
    Estimate,
    Verdict,
    geometric_mean,
    judge,
    ratio_interval,
    runs_ratio_interval,
)
from immabench.providers.base import Step

RowVerdict = Verdict | Literal["BROKEN"]

WORST_FIRST = ("BROKEN", "SLOWER", "INCONCLUSIVE", "SAME", "FASTER")
"""Every verdict on a row, in the order rows are shown. BROKEN: ok in A, failed in B."""

FAIL_KINDS = {"slower": ("SLOWER",), "faster": ("FASTER",), "any": ("SLOWER", "FASTER")}
"""The verdicts that meet a rule of each kind; BROKEN meets all."""

MUST_AGREE = ("device", "backend", "l2_state", "timer")
"""Fields of two rows whose times are about the same thing."""

CONTROLS = (*PEAK_KEYS.values(), *COPY_KEYS, *READ_KEYS)
"""Rates of `run.json`'s ceilings, measured before each run: where they moved, so did the machine, with any build."""

NO_TIME = "has counts and no time"
"""Why an emulated row has no verdict."""

NO_RATIO = Estimate(math.nan, None)


@dataclass(frozen=True)
class RowComparison:
    """One row of both runs. `ratio` is time B / time A with its interval at 99 %; times are medians in microseconds."""

    key: str
    suite: str
    case: str
    verdict: RowVerdict
    ratio: Estimate = NO_RATIO
    reason: str = ""
    time_us_a: float | None = None
    time_us_b: float | None = None
    samples_a: int = 0
    samples_b: int = 0
    step: Step = "compute"

    def at(self, threshold: float) -> RowComparison:
        """The same comparison judged by another threshold."""
        if self.verdict == "BROKEN" or self.ratio.interval is None:
            return self
        verdict, reason = judge(self.ratio, threshold)
        return replace(self, verdict=verdict, reason=reason)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as `compare --json` prints it; a ratio or interval that is not known is None."""
        own = {name: value for name, value in vars(self).items() if name != "ratio"}
        known = math.isfinite(self.ratio.value)
        interval = list(self.ratio.interval) if self.ratio.interval else None
        return {**own, "ratio": self.ratio.value if known else None, "interval": interval}


@dataclass(frozen=True)
class Left:
    """A row that has no verdict, and why."""

    key: str
    suite: str
    case: str
    reason: str


@dataclass(frozen=True)
class RunComparison:
    """Every row of two runs: with a verdict, worst first, or left out with a reason."""

    verdicts: tuple[RowComparison, ...]
    only_in_a: tuple[Left, ...]
    only_in_b: tuple[Left, ...]
    not_compared: tuple[Left, ...]
    notes: tuple[str, ...]
    """What speaks against comparing these runs at all."""
    threshold: float

    @property
    def counts(self) -> dict[str, int]:
        """Rows by verdict, every verdict named."""
        seen: Counter[str] = Counter(row.verdict for row in self.verdicts)
        return {verdict: seen[verdict] for verdict in WORST_FIRST}

    @property
    def ratios(self) -> list[float]:
        """The ratio of each measured product with an interval, once where several cases share it; none of packing."""
        judged = [row for row in self.verdicts if row.ratio.interval and row.step == "compute"]
        return list({row.key: row.ratio.value for row in judged}.values())

    def as_dict(self) -> dict[str, Any]:
        """The comparison as `compare --json` prints it."""
        left = {name: [vars(row) for row in getattr(self, name)] for name in ("only_in_a", "only_in_b", "not_compared")}
        return {
            "threshold": self.threshold,
            "confidence": CONFIDENCE,
            "counts": self.counts,
            "geomean_ratio": geometric_mean(self.ratios) if self.ratios else None,
            "notes": list(self.notes),
            "verdicts": [row.as_dict() for row in self.verdicts],
            **left,
        }


@dataclass(frozen=True)
class FailRule:
    """When a comparison counts as failed: a row of the verdict `kind` at `threshold`, or a BROKEN one."""

    kind: str
    threshold: float

    def met_by(self, rows: Sequence[RowComparison]) -> list[RowComparison]:
        """The rows that meet the rule."""
        return [row for row in rows if row.at(self.threshold).verdict in (*FAIL_KINDS[self.kind], "BROKEN")]


def compare_runs(
    path_a: Path,
    path_b: Path,
    threshold: float = THRESHOLD,
    mixed: bool = False,
    again_a: Sequence[Path] = (),
    again_b: Sequence[Path] = (),
) -> RunComparison:
    """Compare two run folders. `mixed` also judges rows of different devices, backends, cache states or timers.

    With repeated runs of both sides, `again_a` and `again_b`, intervals come from the spread between runs.

    Raises RunFolderError for a folder that is missing or damaged, NothingSelectedError where no row gets a verdict.
    """
    runs = RunFolder.open(path_a), RunFolder.open(path_b)
    rows_a, rows_b = ({row.identity: row for row in run.rows()} for run in runs)
    shared = [(row, rows_b[identity]) for identity, row in rows_a.items() if identity in rows_b]
    judged = [_judged(pair, runs, threshold, mixed) for pair in shared]
    if again_a or again_b:
        more = [[_rows_of(path) for path in paths] for paths in (again_a, again_b)]
        judged = [_over_runs(one, pair, more, threshold, mixed) for one, pair in zip(judged, shared, strict=True)]
    verdicts = [one for one in judged if isinstance(one, RowComparison)]
    found = RunComparison(
        tuple(sorted(verdicts, key=_badness)),
        _only_in("A", rows_a, rows_b),
        _only_in("B", rows_b, rows_a),
        tuple(one for one in judged if isinstance(one, Left)),
        tuple(moved_ceilings(runs[0].meta, runs[1].meta, threshold)),
        threshold,
    )
    if not verdicts:
        raise _nothing_shared(found)
    return found


def moved_ceilings(meta_a: dict[str, Any], meta_b: dict[str, Any], threshold: float) -> list[str]:
    """A line for each ceiling of the machine that differs between two runs by more than `threshold`."""
    both = [meta.get("ceilings") or {} for meta in (meta_a, meta_b)]
    notes = []
    for kind in sorted(both[0].keys() & both[1].keys()):
        for name in CONTROLS:
            rate_a, rate_b = (ceilings[kind].get(name) for ceilings in both)
            if rate_a and rate_b and abs(math.log(rate_b / rate_a)) > math.log1p(threshold):
                notes.append(
                    f"the machine may have changed: {name} of its {kind} ceilings was {rate_a:.3g} before A and "
                    f"{rate_b:.3g} before B; `immabench ab` times both sides in one run"
                )
    return notes


def roof_change(row: Row, meta_a: dict[str, Any], meta_b: dict[str, Any]) -> float:
    """The roof over a row in B over that in A, from the ceilings each run measured first; 1 where one is not known.

    The roof is of instructions and memory, whatever build is compared: where it moved, the machine did. It is made of
    what both runs measured.
    """
    both = [(meta.get("ceilings") or {}).get(row.device_kind) or {} for meta in (meta_a, meta_b)]
    roof_a, roof_b = (_roof(row, ceilings) for ceilings in shared_ceilings(*both))
    return roof_b / roof_a if roof_a and roof_b else 1.0


def _roof(row: Row, ceilings: dict[str, Any]) -> float | None:
    """What bounds a row: the roof at its intensity, and the bandwidth where it packs, which moves bytes and no more."""
    if row.step == "pack":
        return ceilings.get("copy_gbps")
    return roof_tops(ceilings, row.a_type, row.flops_per_byte)


def allow_for_machine(ratio: Estimate, change: float) -> Estimate:
    """The interval of a time ratio that holds both as measured and corrected for a machine whose roof changed so."""
    if ratio.interval is None:
        return ratio
    low, high = ratio.interval
    return replace(ratio, interval=(min(low, low * change), max(high, high * change)))


def parse_percent(text: str) -> float:
    """The share that "3%" or "0.03" names, at least 0 and below 1. Raises UsageError."""
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = math.nan
    if not 0 <= share < 1:
        raise UsageError(f"{text!r} is not a share below 100 %", "write 3% or 0.03")
    return share


def parse_fail_rule(text: str) -> FailRule:
    """The rule that "slower:3%" names. Raises UsageError."""
    kind, colon, threshold = text.partition(":")
    if not colon or kind not in FAIL_KINDS:
        raise UsageError(
            f"{text!r} is not a rule to fail on", f"write {', '.join(f'{name}:3%' for name in FAIL_KINDS)}"
        )
    return FailRule(kind, parse_percent(threshold))


def _judged(
    pair: tuple[Row, Row], runs: tuple[RunFolder, RunFolder], threshold: float, mixed: bool
) -> RowComparison | Left:
    row_a, row_b = pair
    names = (row_a.row_id, row_a.suite, row_a.case)
    if row_a.step != row_b.step:
        return Left(*names, f"times {row_a.step} in A, {row_b.step} in B")
    if row_a.status == "ok" and row_b.status in FAILED_STATUSES:
        reason = f"ok in A, {row_b.status} in B: {row_b.reason}"
        return RowComparison(*names, "BROKEN", reason=reason, time_us_a=row_a.time_us_median, step=row_a.step)
    if row_a.status != "ok" or row_b.status != "ok":
        return Left(*names, f"{row_a.status} in A, {row_b.status} in B")
    if row_a.time_us_median is None or row_b.time_us_median is None:
        return Left(*names, NO_TIME if row_a.device_kind == "emulated" else "not timed in both")
    times = _times(runs[0], row_a), _times(runs[1], row_b)
    ratio = allow_for_machine(ratio_interval(*times), roof_change(row_a, runs[0].meta, runs[1].meta))
    samples_a, samples_b = map(len, times)
    medians = row_a.time_us_median, row_b.time_us_median
    known = RowComparison(*names, "INCONCLUSIVE", ratio, "", *medians, samples_a, samples_b, row_a.step)
    differs = "" if mixed else _difference(row_a, row_b)
    if differs:
        return replace(known, ratio=replace(known.ratio, interval=None), reason=differs)
    if known.ratio.interval is None:
        return replace(known, reason=known.ratio.reason)
    return known.at(threshold)


def _over_runs(
    one: RowComparison | Left,
    pair: tuple[Row, Row],
    more: list[list[dict[tuple[str, str, str], Row]]],
    threshold: float,
    mixed: bool,
) -> RowComparison | Left:
    """The comparison of one row over every run of both sides, from that of the first pair of runs."""
    if isinstance(one, Left) or one.verdict == "BROKEN":
        return one
    unknown = replace(one, verdict="INCONCLUSIVE", ratio=replace(one.ratio, interval=None))
    sides: list[list[Row]] = []
    for first, runs in zip(pair, more, strict=True):
        found = [rows.get(first.identity) for rows in runs]
        sides.append([first, *(row for row in found if row is not None and row.time_us_median is not None)])
        if len(sides[-1]) != 1 + len(found):
            return replace(unknown, reason="not timed in every run")
    differs = "" if mixed else next(filter(None, (_difference(pair[0], row) for side in sides for row in side)), "")
    if differs:
        return replace(unknown, reason=differs)
    medians = [[row.time_us_median or math.nan for row in side] for side in sides]
    ratio = runs_ratio_interval(*medians)
    time_a, time_b = map(median, medians)
    return replace(unknown, ratio=ratio, time_us_a=time_a, time_us_b=time_b, reason=ratio.reason).at(threshold)


def _rows_of(path: Path) -> dict[tuple[str, str, str], Row]:
    return {row.identity: row for row in RunFolder.open(path).rows()}


def _times(run: RunFolder, row: Row) -> list[float]:
    path = run.path / "samples" / f"{row.row_id}.json"
    try:
        return [float(time) for time in run.samples(row.row_id)]
    except (OSError, ValueError, TypeError) as error:
        raise RunFolderError(f"{path} is not a list of times", "delete the file or sweep again") from error


def _difference(row_a: Row, row_b: Row) -> str:
    """Why two rows are not about the same thing; empty where they are."""
    fields = [name for name in MUST_AGREE if getattr(row_a, name) != getattr(row_b, name)]
    told = "; ".join(f"{name} is {getattr(row_a, name)!r} in A, {getattr(row_b, name)!r} in B" for name in fields)
    return f"{told} (--mixed compares all the same)" if told else ""


def _only_in(
    name: str, rows: dict[tuple[str, str, str], Row], others: dict[tuple[str, str, str], Row]
) -> tuple[Left, ...]:
    missing = [row for identity, row in rows.items() if identity not in others]
    return tuple(Left(row.row_id, row.suite, row.case, f"only in {name} ({row.status})") for row in missing)


def _badness(row: RowComparison) -> tuple[int, float, str]:
    ratio = row.ratio.value if math.isfinite(row.ratio.value) else math.inf
    return WORST_FIRST.index(row.verdict), -ratio, row.key


def _nothing_shared(found: RunComparison) -> NothingSelectedError:
    counts = (len(found.not_compared), len(found.only_in_a), len(found.only_in_b))
    return NothingSelectedError(
        "the two runs share no timed row ({} shared without a time in both, {} only in A, {} only in B)".format(
            *counts
        ),
        "sweep the same suite, configurations and device twice",
    )
