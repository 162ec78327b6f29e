"""One row a runtime, precision, batch and length: how fast, how right, how large, and what really ran."""

from __future__ import annotations

from typing import Literal

from immabench.accuracy.rows import Interval, KeyedRow

Status = Literal["ok", "unsupported", "missing", "invalid", "error", "crashed", "timeout"]

FAILED: tuple[Status, ...] = ("invalid", "error", "crashed", "timeout")
"""What ends a command with exit code 1. What a runtime does not offer, or is not here, is no failure."""


class E2eRow(KeyedRow):
    """A point: a runtime that runs a model with a recipe at one batch (and length).

    Where nothing could be run at all there is one row of the cell, without a batch. Accuracies are fractions, intervals
    those of `accuracy.statistics` (95 %); times are milliseconds, their intervals those of `measure.statistics` (99 %).
    """

    model: str
    title: str
    watermark: str
    runtime: str
    device: str
    """"cpu" or "cuda"."""
    precision: str
    """As it was asked for: fp32, bf16, int8, or a recipe's name."""
    recipe: str
    recipe_digest: str
    computed: str
    """What most multiply-accumulates are computed with: `W8A8`, `bf16`."""
    backend: str
    """What really ran: library, version, provider, threads; "" where nothing did."""
    status: Status
    reason: str
    """Why not ok, in a line."""
    data: str
    data_digest: str
    weights_digest: str
    samples: int
    """Of the accuracy; 0 where it was not found."""
    accuracy_top1: float | None = None
    accuracy_interval: Interval | None = None
    reference_top1: float | None = None
    """Of torch in fp32, on the same samples."""
    difference: float | None = None
    difference_interval: Interval | None = None
    p_value: float | None = None
    gained: int | None = None
    lost: int | None = None
    distinguishable: bool | None = None
    batch: int | None = None
    length: int | None = None
    """Tokens of each sample; None of images."""
    latency_ms_p50: float | None = None
    latency_ms_interval: Interval | None = None
    latency_ms_p90: float | None = None
    latency_ms_p99: float | None = None
    """None of fewer than 100 runs."""
    runs: int = 0
    """Timed runs; each is in the samples of the run folder."""
    throughput: float | None = None
    """Samples a second, of the median latency."""
    memory_bytes: int | None = None
    """Peak resident memory of the process, less what it had before the runtime was prepared; None on a GPU."""
    size_bytes: int | None = None
    """Of the weights as the runtime stores them: tensors, codes with scales, or the ONNX file."""
    others_share: float | None = None
    """What other processes took of the CPUs meanwhile, 0 to 1: of a busy machine times are no figure of the runtime."""
    speedup: float | None = None
    """Over torch in fp32 at the same batch and length, in the same run."""
    speedup_interval: Interval | None = None
    fallbacks: list[str]
    """Layers that compute with more than the recipe asked for, each with its reason."""
    threads: int
    machine: str
    versions: dict[str, str]
    measured_at: str

    @property
    def point(self) -> str:
        """A short name: `onnxruntime int8 b8 l128`."""
        sizes = [f"b{self.batch}" if self.batch else "", f"l{self.length}" if self.length else ""]
        return " ".join(filter(None, (self.runtime, self.precision, *sizes)))

    @property
    def baseline(self) -> tuple[str, int | None, int | None]:
        """Rows with the same may be compared: device, batch, length."""
        return self.device, self.batch, self.length
