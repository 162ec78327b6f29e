"""What evaluations find: rows, written when they are done and never changed."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION: Final = 1

Interval = tuple[float, float]


class KeyedRow(BaseModel):
    """What `RowFile` finds again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    key: str
    """Names everything that the figures depend on."""


class SimulatedRow(KeyedRow):
    """What every row has: a model with a recipe on data, beside the same model in fp32 on the same samples.

    Accuracies and their differences are fractions, intervals those of `immabench.accuracy.statistics`.
    """

    model: str
    title: str
    watermark: str
    runtime: Literal["simulated"] = "simulated"
    recipe: str
    recipe_digest: str
    weights_digest: str
    data: str
    data_digest: str
    calibration: str
    """The calibration data, "" where none was needed."""
    samples: int
    accuracy_top1: float
    reference_top1: float
    difference: float
    difference_interval: Interval
    p_value: float
    gained: int
    lost: int
    distinguishable: bool
    sqnr_db: float | None
    """Of the logits, against those of fp32; None where they are the same."""
    kl_divergence: float
    """Mean over samples, of the softmax in fp32 from that of the model, in nats."""
    seconds: float
    """What the evaluation took: the simulation's time, no figure of the precision's speed."""
    measured_at: str
    machine: str
    versions: dict[str, str]


class AccuracyRow(SimulatedRow):
    """A recipe on evaluation data. What a simulation cannot know, how long it takes on hardware, is None."""

    precision: str
    """`W8A8`, `W4A16`, `bf16`: of most multiply-accumulates."""
    accuracy_interval: Interval
    accuracy_top5: float | None
    """None of a model with few classes."""
    size_bytes: int
    quantized_macs: float
    """The share of layers' multiply-accumulates that have integer weights."""
    fallbacks: list[str]
    """Layers that compute with more than the recipe asked for, each with its reason."""
    latency_ms_p50: float | None = None
    throughput: float | None = None
