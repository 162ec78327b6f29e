"""What a launch would take by an analytic model, and which configurations are worth trying by it: no measurement."""

from __future__ import annotations

from immabench.predict.machine import (
    ASSUMED_GPU,
    Figure,
    Machine,
    gpu_named,
    machine_of,
    machine_of_device,
    present_machine,
)
from immabench.predict.ranking import RankedConfig, best_of_each, predicted, rank_configs
from immabench.predict.selection import Choice, jumps, select, selection_table
from immabench.predict.terms import Prediction, Term, predict

__all__ = [
    "ASSUMED_GPU",
    "Choice",
    "Figure",
    "Machine",
    "Prediction",
    "RankedConfig",
    "Term",
    "best_of_each",
    "gpu_named",
    "jumps",
    "machine_of",
    "machine_of_device",
    "predict",
    "predicted",
    "present_machine",
    "rank_configs",
    "select",
    "selection_table",
]
