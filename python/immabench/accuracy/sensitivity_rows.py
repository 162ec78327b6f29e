"""What one pass of a sensitivity study found: a row; and the rows of a layer together, ranked. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from immabench.accuracy.rows import Interval

SCHEMA_VERSION: Final = 1

Quantized = Literal["none", "all", "weights", "activations", "both", "others"]
"""What of a model was quantized: nothing, all layers, one layer's weights, its activations or both, or all others."""


class SensitivityRow(BaseModel):
    """A model with part of a recipe, beside the same model in fp32 on the same samples.

    Accuracies and their differences are fractions, intervals those of `immabench.accuracy.statistics`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = SCHEMA_VERSION
    key: str
    """Names everything that the figures depend on."""
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
    layer: str
    """"" of the whole model."""
    quantized: Quantized
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
    """What the pass took: the simulation's time, no figure of the precision's speed."""
    measured_at: str
    machine: str
    versions: dict[str, str]

    @property
    def drop(self) -> float:
        """The accuracy lost, a fraction; below 0 where it is gained."""
        return -self.difference if self.difference else 0.0


@dataclass(frozen=True)
class LayerSensitivity:
    """A layer quantized alone, its weights, its activations and both; and left in floats alone, `others` quantized.

    `activations` is None where the recipe leaves them in floats: then `both` is `weights`. `gain` is the KL divergence
    in nats that goes away when a fully quantized model has this layer in floats; below 0 where it grows.
    """

    name: str
    weights: SensitivityRow
    activations: SensitivityRow | None
    both: SensitivityRow
    others: SensitivityRow
    gain: float


def whole(rows: Sequence[SensitivityRow], quantized: Quantized) -> SensitivityRow:
    """The row of the whole model with nothing ("none") or everything ("all") quantized."""
    return next(row for row in rows if not row.layer and row.quantized == quantized)


def by_layer(rows: Sequence[SensitivityRow]) -> list[LayerSensitivity]:
    """The rows of one study by layer, in the order layers run."""
    everything = whole(rows, "all")
    found = []
    for name in dict.fromkeys(row.layer for row in rows if row.layer):
        of: dict[Quantized, SensitivityRow] = {row.quantized: row for row in rows if row.layer == name}
        weights, activations, others = of["weights"], of.get("activations"), of["others"]
        gain = everything.kl_divergence - others.kl_divergence
        found.append(LayerSensitivity(name, weights, activations, of.get("both", weights), others, gain))
    return found


def ranked(rows: Sequence[SensitivityRow]) -> list[LayerSensitivity]:
    """The layers of one study, worst first: by the KL divergence of each quantized alone, equal ones as they run."""
    return sorted(by_layer(rows), key=lambda layer: -layer.both.kl_divergence)
