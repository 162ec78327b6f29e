"""Where the numbers come from: machine, versions, code, seed, measured ceilings, and the command that repeats it."""

from __future__ import annotations

import shlex
from typing import Any

from immabench.measure.roof import PEAK_KEYS, ceilings_by_device, instruction_limit
from immabench.readable import NOTHING, RateUnit, data_size, duration, number, rate_unit
from immabench.report.palette import precision_name
from immabench.report.tables import Cell, Column, Table, text, value
from immabench.report.verdict import machine_text

MEMORY = {
    "copy_gbps": "copy",
    "read_gbps": "read",
    "cache_gbps": "copy within the cache",
    "cache_read_gbps": "read within the cache",
}
PRECISIONS = {key: precision_name(operand_type) for operand_type, key in PEAK_KEYS.items()}


def command(meta: dict[str, Any]) -> str:
    """The command line that made the run, quoted for a shell; the program's own path is left out."""
    argv = [str(part) for part in meta.get("argv") or []]
    return shlex.join(["immabench", *argv[1:]]) if argv else ""


def entries(meta: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, text) pairs for the provenance list."""
    machine, versions = meta.get("machine") or {}, meta.get("versions") or {}
    return [
        ("run", str(meta.get("run_id") or NOTHING)),
        ("started", _moment(meta.get("started_utc"))),
        ("finished", _moment(meta.get("finished_utc")) if meta.get("finished_utc") else "not finished: rows so far"),
        ("machine", machine_text(meta)),
        ("system", str(machine.get("os") or NOTHING)),
        ("code", _git(meta.get("git"))),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or NOTHING),
        ("seed", str(meta.get("seed", NOTHING))),
        ("row schema", str(meta.get("schema_version", NOTHING))),
    ]


def _moment(moment: object) -> str:
    return str(moment or NOTHING).replace("T", " ").replace("+00:00", " UTC").replace("Z", " UTC")


def _git(git: dict[str, Any] | None) -> str:
    if not git:
        return "not a git checkout"
    return f"commit {str(git.get('commit') or '')[:12]}" + (" with uncommitted changes" if git.get("dirty") else "")


def ceiling_table(meta: dict[str, Any]) -> Table:
    """Every measured size behind the ceilings; the best of each kind is the ceiling."""
    columns = [
        Column("device", "text", choose=True, drop=True),
        Column("what", "text", choose=True),
        Column("by", "text", choose=True, drop=True),
        Column("size", "text"),
        Column("median", unit="µs"),
        Column("fastest to slowest", "text"),
        Column("samples"),
        Column("rate"),
        Column("ceiling", "text", hint="the best of its kind"),
    ]
    table = Table("ceilings", columns, empty="run.json holds no measured ceilings. `immabench ceilings` measures them.")
    sets = ceilings_by_device(meta)
    for one in sets.values():
        for entry in one.get("sizes", []):
            table.add(*_ceiling_cells(one, entry))
    table.note = " ".join(_method(kind, one) for kind, one in sets.items())
    return table


def _method(kind: str, one: dict[str, Any]) -> str:
    where = f"{one.get('device_name', kind)}, {number(one.get('threads'))} threads, {_moment(one.get('measured_utc'))}"
    return f"Measured on {where}: {one.get('method', 'method not recorded')}."


def _ceiling_cells(one: dict[str, Any], entry: dict[str, Any]) -> list[Cell]:
    memory = entry["what"] in MEMORY
    rate = float(entry["rate"])
    unit = rate_unit([one.get(key) for key in PEAK_KEYS.values()])
    size = data_size(entry["size"]) if memory else "×".join([str(entry["size"])] * 3)
    is_ceiling = rate == one.get(entry["what"])
    return [
        text(one["device"]),
        text(MEMORY[entry["what"]] if memory else f"{PRECISIONS.get(entry['what'], entry['what'])} GEMM"),
        text(str(entry.get("by", "torch"))),
        value(size, entry["size"]),
        value(number(entry["median_us"], 4), entry["median_us"]),
        text(f"{duration(entry['best_us'])} to {duration(entry['worst_us'])}"),
        value(number(entry["samples"]), entry["samples"]),
        value(f"{number(rate)} GB/s" if memory else unit.text(rate), rate),
        text("ceiling" if is_ceiling else "", tone="good" if is_ceiling else ""),
    ]


def instruction_table(meta: dict[str, Any]) -> Table:
    """Peak rate of every instruction that was measured, and why another was not."""
    columns = [
        Column("device", "text", choose=True, drop=True),
        Column("instruction", "code"),
        Column("operands", "text", choose=True),
        Column("sums", "text", drop=True),
        Column("status", "text", choose=True, drop=True, hint="what the hardware has; emulated is a routine of others"),
        Column("cores", hint="cores of a CPU, SMs of a GPU"),
        Column("rate"),
        Column("a clock and core", hint="operations; a multiply-accumulate is two"),
        Column("clock", unit="MHz"),
        Column("ceiling", "text", hint="the roof of rows with such operands"),
    ]
    table = Table("instructions", columns, empty="run.json holds no rates of instructions.")
    for one in ceilings_by_device(meta).values():
        unit = rate_unit(entry["rate"] for entry in one.get("instructions") or [])
        for entry in one.get("instructions") or []:
            table.add(*_instruction_cells(one, entry, unit))
    table.note = "Fastest launch of a loop of that one instruction on random operands. " * bool(table.rows)
    return table


def _instruction_cells(one: dict[str, Any], entry: dict[str, Any], unit: RateUnit) -> list[Cell]:
    limit = instruction_limit(one, entry["operand_type"])
    is_ceiling = limit is not None and (entry["rate"], entry["name"]) == (limit.rate, limit.source)
    return [
        text(one["device"]),
        text(entry["name"]),
        text(entry["operand_type"]),
        text(entry["accumulator"]),
        text(entry["status"], hint=entry["reason"]),
        value(number(entry["cores"]), entry["cores"]),
        value(unit.text(entry["rate"]) if entry["rate"] is not None else NOTHING, entry["rate"]),
        value(number(entry["per_clock_per_core"], 4), entry["per_clock_per_core"]),
        value(number(entry["clock_mhz"], 4), entry["clock_mhz"]),
        text("ceiling" if is_ceiling else "", tone="good" if is_ceiling else ""),
    ]
