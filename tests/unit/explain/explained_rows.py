"""Rows of a made-up H200. No time here was measured."""

from __future__ import annotations

from typing import Any

from immabench.measure.rows import Row
from immabench.problems import Problem
from immabench.row_ids import RowId

DEVICE = "H200"
CEILINGS: dict[str, Any] = {
    "device": "cuda",
    "device_name": DEVICE,
    "copy_gbps": 4000.0,
    "fp16_tflops": 700.0,
    "instructions": [
        {
            "name": name,
            "operand_type": operand_type,
            "accumulator": "s32",
            "status": status,
            "reason": reason,
            "rate": rate,
            "cores": 132,
            "per_clock_per_core": 8192.0,
            "clock_mhz": 1830.0,
        }
        for name, operand_type, status, reason, rate in (
            ("wgmma.m64n256k32.s8", "s8", "native", "", 1900.0),
            ("mma.m16n8k64.s4", "s4", "emulated", "64 calls of a routine", 190.0),
        )
    ],
}


def make_row(problem: Problem, kernel_id: str, time_us: float | None, **fields: Any) -> Row:
    """A row of the made-up GPU; `fields` overrides."""
    known: dict[str, Any] = {
        "suite": "planted",
        "case": problem.shape,
        "provider": "handwritten",
        "kernel_id": kernel_id,
        "device": DEVICE,
        "device_kind": "cuda",
        "time_us_median": time_us,
        "time_us_iqr": 0.01 * (time_us or 0.0),
        "samples": 50,
        "status": "ok",
        "flops_per_byte": problem.operations_per_byte,
        "started_utc": "2026-01-02T03:04:05Z",
        "seed": 0,
    }
    kind = fields.get("device_kind", "cuda")
    own = {"row_id": str(RowId(kernel_id, problem.key, kind)), "asked": {}}
    return Row.model_validate({**problem.as_dict(), **known, **own, **fields})
