"""What one pass of a sensitivity study found: a row; and the rows of a layer together, ranked. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from immabench.accuracy.rows import SimulatedRow

Quantized = Literal["none", "all", "weights", "activations", "both", "others"]
"""What of a model was quantized: nothing, all layers, one layer's weights, its activations or both, or all others."""


class SensitivityRow(SimulatedRow):
    """A model with part of a recipe."""

    layer: str
    """"" of the whole model."""
    quantized: Quantized

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
