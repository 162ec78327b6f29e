"""Writes reports that Nsight Compute's own reader opens. Everything in them is synthetic: no GPU was there.

The container is a magic number, a header, and blocks of a header and a payload, each behind its size; within
are protocol buffers, whose field numbers the .proto files of Nsight Compute give (its Customization Guide).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FORMAT = 10
"""The oldest versions of the file that the reader still opens are around 7."""

NCU = "2026.3.1.0"
GPU: dict[str, float | str] = {
    "device__attribute_display_name": "synthetic GPU",
    "device__attribute_compute_capability_major": 9,
    "device__attribute_compute_capability_minor": 0,
    "launch__grid_dim_x": 4,
    "launch__grid_dim_y": 1,
    "launch__grid_dim_z": 1,
    "launch__block_dim_x": 256,
    "launch__block_dim_y": 1,
    "launch__block_dim_z": 1,
}
OPTIMIZATION, GLOBAL = 4, 2

Value = int | float | str | bytes
Field = tuple[int, Value]


@dataclass(frozen=True)
class Rule:
    """A result of a rule; `speedup` is in percent, of the whole launch."""

    identifier: str
    message: str
    speedup: float | None = None


@dataclass(frozen=True)
class Launch:
    """A profiled launch in ranges of domains, the outermost first."""

    ranges: Mapping[str, Sequence[str]] = field(default_factory=dict)
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    function: str = "synthetic_kernel"


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def message(*fields: Field) -> bytes:
    """A protocol buffer of fields, by number."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def sized(data: bytes) -> bytes:
    """Behind its size."""
    return struct.pack("<I", len(data)) + data


def report_bytes(launches: Sequence[Launch], version: int = FORMAT) -> bytes:
    """A whole file, one block."""
    names = sorted({name for launch in launches for name in (*GPU, *launch.metrics)})
    results = b"".join(sized(_result(launch, names)) for launch in launches)
    strings = message(*((1, name) for name in names))
    session = message((1, 1), (8, message((1, "synthetic ncu"), (2, NCU))))
    header = message((1, 0), (2, len(launches)), (3, session), (4, strings), (5, len(results)))
    return b"NVR\0" + sized(message((1, version))) + sized(header) + results


def write_report(path: Path, launches: Sequence[Launch]) -> Path:
    """Write `report_bytes`."""
    path.write_bytes(report_bytes(launches))
    return path


def _result(launch: Launch, names: Sequence[str]) -> bytes:
    sizes = message((1, 4), (2, 1), (3, 1))
    metrics = {**GPU, **launch.metrics}
    return message(
        *((number, 1) for number in (1, 2, 3, 4)),  # thread, call, program, kernel
        *((number, launch.function) for number in (5, 6, 7)),  # mangled, plain, demangled
        (8, 3),
        *((number, sizes) for number in (9, 10, 11)),
        *((13, _metric(names.index(name), value)) for name, value in metrics.items()),
        (15, message((1, 0))),
        *((19, _rule(rule)) for rule in launch.rules),
        (21, _nvtx(launch.ranges)),
    )


def _metric(name: int, value: float | str) -> bytes:
    kind = 1 if isinstance(value, str) else 5 if isinstance(value, int) else 3
    return message((1, name), (2, message((kind, value))))


def _rule(rule: Rule) -> bytes:
    said = (1, message((1, rule.message), (2, OPTIMIZATION), (4, rule.identifier)))
    speedup: list[Field] = [] if rule.speedup is None else [(10, message((1, GLOBAL), (2, rule.speedup)))]
    body = message((1, message(said, *speedup)))
    return message((1, rule.identifier), (2, rule.identifier), (3, body), (4, "Section"))


def _nvtx(ranges: Mapping[str, Iterable[str]]) -> bytes:
    domains = [(1, message((1, number), (2, name))) for number, name in enumerate(ranges, start=1)]
    stacks = [
        (2, message((1, number), *((3, message((1, name))) for name in names)))
        for number, names in enumerate(ranges.values(), start=1)
    ]
    return message(*domains, (2, message((1, 1), *stacks)))
