"""Rows of a toy model by several runtimes, and a run folder of them. Nothing here was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from immabench.e2e.folder import E2eFolder
from immabench.e2e.rows import E2eRow

MACHINE = {"cpu": "a CPU", "cores": 2, "memory_bytes": 1 << 30, "os": "Linux", "gpus": []}


def row(runtime: str = "torch", precision: str = "fp32", batch: int | None = 1, **changes: Any) -> E2eRow:
    """A row as a bench writes it; of torch in fp32 8 ms, all others 2 ms."""
    reference = (runtime, precision) == ("torch", "fp32")
    latency = (8.0 if reference else 2.0) * (batch or 1)
    measured = {
        "latency_ms_p50": latency,
        "latency_ms_interval": (0.9 * latency, 1.1 * latency),
        "throughput": 1e3 * (batch or 1) / latency,
        "speedup": 8e0 * (batch or 1) / latency,
        "accuracy_top1": 0.9,
        "accuracy_interval": (0.85, 0.95),
        "difference": 0.0 if reference else -0.01,
        "difference_interval": (-0.02, 0.01),
        "runs": 50,
        "memory_bytes": 30 << 20,
        "size_bytes": 1 << 20,
    }
    common = {
        "key": f"{runtime}{precision}{batch}",
        "model": "toy",
        "title": "Toy",
        "watermark": "",
        "runtime": runtime,
        "device": "cpu",
        "precision": precision,
        "recipe": {"int8": "w8a8"}.get(precision, precision),
        "recipe_digest": precision,
        "computed": "fp32",
        "backend": f"{runtime} 1.0",
        "status": "ok",
        "reason": "",
        "data": "toys",
        "data_digest": "d",
        "weights_digest": "w",
        "samples": 60,
        "batch": batch,
        "fallbacks": [],
        "threads": 2,
        "machine": "a CPU",
        "versions": {},
        "measured_at": "2026-01-02T03:04:05Z",
    }
    return E2eRow(**{**common, **(measured if batch else {}), **changes})


ROWS = [
    row(),
    row(batch=8),
    row("onnxruntime", "int8", fallbacks=["fc: no kernel"]),
    row("onnxruntime", "int8", 8),
    row("onnxruntime", "bf16", None, status="unsupported", reason="no <kernels> of bf16", backend=""),
]


def write(path: Path, rows: list[E2eRow]) -> Path:
    folder = E2eFolder.create(path, False, {"argv": ["immabench", "e2e", "toy"], "machine": MACHINE, "drift": None})
    for one in rows:
        folder.add(one, [1.0])
    return path
