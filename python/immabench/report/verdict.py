"""The first paragraphs of a report, written from rows alone: what was measured where, what was emulated, what failed.

Measured and emulated facts never share a sentence. ``**bold**`` and `` `code` `` are the only mark-up used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import TYPE_CHECKING, Any

from immabench.measure.roof import ceilings_by_device
from immabench.measure.rows import FAILED_STATUSES
from immabench.readable import duration, join, number, plural, ratio, shape_text
from immabench.report.emulation import Emulated
from immabench.report.models import ModelTotal
from immabench.report.palette import precision_name
from immabench.report.roofline import Roofline
from immabench.report.speed import BASELINE, Timing, int8_speedups, mean_speedup

if TYPE_CHECKING:
    from immabench.measure.rows import Row

UNSTEADY_SPREAD = 0.2  # interquartile range over median
UNSTEADY_SHARE = 0.1  # of the times
BUSY_SHARE = 0.5  # load average over threads
DEVICE_WORDS = {"cpu": "on the CPU", "cuda": "on the GPU"}


def verdict(
    rows: list[Row], meta: dict[str, Any], roofs: list[Roofline], found: list[Timing],
    totals: list[ModelTotal], facts: list[Emulated], why: str = "",
) -> list[str]:  # fmt: skip
    """Paragraphs, most important first; `why` says what keeps rows from their roofs."""
    measured = [measured_text(roof, found, totals) for roof in roofs if roof.points]
    if not measured:
        packed = any(row.step == "pack" and row.time_us_median for row in rows)
        what = "Nothing but the packing of weights was timed" if packed else "Nothing was timed"
        measured = [f"**{what}** in this run: it states no speed of any device."]
    busy = [text for text in [busy_text(found, meta), contradiction_text(meta)] if text]
    reasons = [why] if why else []
    return [opening_text(rows, meta), *measured, *reasons, *busy, emulated_text(facts, rows), outcome_text(rows)]


def opening_text(rows: list[Row], meta: dict[str, Any]) -> str:
    shapes = {row.sizes for row in rows}
    suites = join(f"**{name}**" for name in dict.fromkeys(row.suite for row in rows if row.suite))
    kernels = {(row.provider, row.kernel_id) for row in rows if row.step == "compute"}
    what = f"{suites}: " if suites else ""
    return (
        f"{what}{plural(len(shapes), 'matrix shape')}, {plural(len(kernels), 'kernel')} "
        f"({join(sorted({row.provider for row in rows})) or 'no provider'}), on **{machine_text(meta)}**."
    )


def machine_text(meta: dict[str, Any]) -> str:
    """CPU, cores, memory and GPUs in a few words."""
    machine = meta.get("machine") or {}
    cores = machine.get("cores")
    parts = [str(machine.get("cpu") or "an unnamed CPU")]
    parts += [plural(int(cores), "core")] if cores else []
    parts += [f"{int(machine['memory_bytes']) / 2**30:.3g} GiB"] if machine.get("memory_bytes") else []
    parts += [gpu_name(gpu) for gpu in machine.get("gpus") or []] or ["no GPU"]
    return ", ".join(parts)


def gpu_name(gpu: object) -> str:
    return str(gpu.get("name", "GPU")) if isinstance(gpu, dict) else str(gpu)


def measured_text(roof: Roofline, found: list[Timing], totals: list[ModelTotal]) -> str:
    """Speed on one device: gain of int8 over fp32, share of the measured roof, time of the models."""
    where = DEVICE_WORDS.get(roof.device_kind, f"on {roof.device_kind}")
    ok = [one for one in found if one.row.device == roof.device and one.row.device_kind == roof.device_kind]
    if not ok:
        return f"**Timed {where}, but no row is ok**: see the failures below."
    sentences = [gain_sentence(ok, roof.device), roof_sentence(ok, roof), model_sentence(totals, roof.device)]
    shapes = plural(len({one.shape for one in ok}), "shape")
    return " ".join([f"**Measured {where}**, {shapes}:", *filter(None, sentences)])


def busy_text(found: list[Timing], meta: dict[str, Any]) -> str:
    """A warning when the machine was not quiet: unsteady times, unsteady ceilings, or load before the run."""
    signs = []
    unsteady = [one for one in found if (one.row.time_us_iqr or 0.0) > UNSTEADY_SPREAD * one.microseconds]
    if len(unsteady) > UNSTEADY_SHARE * len(found):
        signs.append(f"{len(unsteady):,} of {len(found):,} times spread by more than {100 * UNSTEADY_SPREAD:g} %")
    for kind, one in ceilings_by_device(meta).items():
        signs += [f"the {kind} ceilings {join(one['noisy'])} were unsteady"] if one.get("noisy") else []
        load, threads = one.get("load_average"), one.get("threads")
        # Load alone is no sign: a build that has just ended leaves it, too.
        if signs and kind == "cpu" and load and threads and load > BUSY_SHARE * threads:
            signs.append(f"the load average before it was {load:g} on {plural(threads, 'thread')}")
    return f"**Not a quiet machine**: {join(signs)}. Measure again before quoting a time." if signs else ""


def contradiction_text(meta: dict[str, Any]) -> str:
    """A warning when a library was measured above what its instructions can do; "" where none was."""
    lines = [line for one in ceilings_by_device(meta).values() for line in one.get("contradictions") or []]
    return f"**The roof is in doubt**: {join(lines)}." if lines else ""


def gain_sentence(ok: list[Timing], device: str) -> str:
    gains = int8_speedups(ok, device)
    mean = mean_speedup(gains)
    if mean is None:
        present = join(sorted({precision_name(one.series.precision) for one in ok}))
        return f"{present} was timed; without both int8 and fp32 of one shape there is no gain to state."
    low, high = gains[0].speedup, gains[-1].speedup
    slower = [one for one in gains if (one.speedup or 1.0) < 1.0]
    text = f"int8 runs **{ratio(mean)}** as fast as fp32 in the geometric mean, from {ratio(low)} to {ratio(high)}."
    if slower:
        text += f" It is slower on {plural(len(slower), 'case')}, worst at {shape_text(slower[0].shape)}."
    return text


def roof_sentence(ok: list[Timing], roof: Roofline) -> str:
    shares = [one.row.pct_roof for one in ok if one.row.a_type == "s8" and one.row.pct_roof is not None]
    named = [p for p in roof.peaks if p.precision in ("s8", BASELINE)]
    peaks = join(f"{precision_name(p.precision)} {roof.unit.text(p.tops)}" for p in named)
    if not peaks or not shares:
        return "" if peaks else "No ceiling was measured, so no share of a roof is stated."
    above = sum(share > 100 for share in shares)
    roofs = f"measured roof ({peaks}, {roof.memory_label})"
    text = f"The median int8 case reaches **{number(median(shares))} %** of its {roofs}."
    return text + (f" {plural(above, 'case')} above 100 %: faster than the measured ceiling." if above else "")


def model_sentence(totals: list[ModelTotal], device: str) -> str:
    """fp32 and int8 time of one pass of each model that was timed completely in both."""
    parts = []
    for model in dict.fromkeys(t.model for t in totals if t.device == device):
        of = [t for t in totals if (t.model, t.device) == (model, device) and t.complete]
        floats = min((t for t in of if t.series.precision == BASELINE), key=_time, default=None)
        ints = min((t for t in of if t.series.precision == "s8"), key=_time, default=None)
        if floats and ints:
            gain = ratio(floats.microseconds / ints.microseconds)
            parts.append(f"{model} {duration(floats.microseconds)} → {duration(ints.microseconds)} ({gain})")
    return f"Matrix products of one pass, fp32 → int8: {join(parts)}." if parts else ""


def _time(total: ModelTotal) -> float:
    return total.microseconds


def emulated_text(facts: list[Emulated], rows: list[Row]) -> str:
    """What the emulated rows prove, and the plain statement of what they do not."""
    if not facts:
        return "**Nothing was emulated** in this run."
    exact = sum(one.exact for one in facts)
    hazards = sum(one.row.hazards or 0 for one in facts)
    kernels = plural(len({one.row.kernel_id for one in facts}), "hand-written kernel")
    shapes = plural(len({one.shape for one in facts}), "shape")
    share = "all" if exact == len(facts) else f"{exact:,} of {len(facts):,}"
    lead = f"**Emulated, not timed**: {kernels} on {shapes}, {plural(len(facts), 'row')}, "
    proof = f"{share} bit for bit equal to the exact oracle, {plural(hazards, 'hazard')} found."
    cuda = any(row.device_kind == "cuda" for row in rows)
    caveat = "" if cuda else " No GPU took part: this run says what those kernels do, not how fast they are."
    return lead + proof + caveat


def outcome_text(rows: Iterable[Row]) -> str:
    """Counts of ok, failed and skipped rows with the reasons that matter."""
    known = list(rows)
    status: Counter[str] = Counter(row.status for row in known)
    failed = {name: status[name] for name in FAILED_STATUSES if status[name]}
    parts = [f"{status['ok']:,} ok", f"{sum(failed.values()):,} failed", f"{status['skipped']:,} skipped"]
    text = f"**Rows**: {join(parts)}, of {len(known):,}."
    if failed:
        text += f" Failed: {join(f'{count:,} {name}' for name, count in failed.items())}."
    reasons = Counter(row.reason for row in known if row.status == "skipped" and row.reason)
    if reasons:
        reason, count = reasons.most_common(1)[0]
        text += f" Most skipped rows ({count:,}): {reason.rstrip('.')}."
    return text
