"""Where the numbers come from: machine, versions, code, seed, measured ceilings, and the command that repeats it."""

from __future__ import annotations

import shlex
from typing import Any

from immabench.measure.ceilings import PEAK_KEYS
from immabench.report.formats import NOTHING, data_size, duration, number, rate_unit
from immabench.report.palette import precision_name
from immabench.report.roofline import ceilings_by_device
from immabench.report.tables import Cell, Column, Table, text, value
from immabench.report.verdict import machine_text

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
    """Every measured size behind the ceilings; the best median of each kind is the ceiling."""
    columns = [
        Column("device", "text", choose=True, drop=True),
        Column("what", "text", choose=True),
        Column("size", "text"),
        Column("median", unit="µs"),
        Column("fastest to slowest", "text"),
        Column("samples"),
        Column("rate"),
        Column("ceiling", "text", hint="the best median of its kind"),
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


COPIES = {"copy_gbps": "copy", "cache_gbps": "copy within the cache"}


def _ceiling_cells(one: dict[str, Any], entry: dict[str, Any]) -> list[Cell]:
    copy = entry["what"] in COPIES
    rate = float(entry["rate"])
    unit = rate_unit([one.get(key) for key in PEAK_KEYS.values()])
    size = data_size(entry["size"]) if copy else "×".join([str(entry["size"])] * 3)
    is_ceiling = rate == one.get(entry["what"])
    return [
        text(one["device"]),
        text(COPIES[entry["what"]] if copy else f"{PRECISIONS.get(entry['what'], entry['what'])} GEMM"),
        value(size, entry["size"]),
        value(number(entry["median_us"], 4), entry["median_us"]),
        text(f"{duration(entry['best_us'])} to {duration(entry['worst_us'])}"),
        value(number(entry["samples"]), entry["samples"]),
        value(f"{number(rate)} GB/s" if copy else unit.text(rate), rate),
        text("ceiling" if is_ceiling else "", tone="good" if is_ceiling else ""),
    ]
