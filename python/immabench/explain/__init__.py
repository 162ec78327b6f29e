"""Why rows are as far from their roofs as they are, with evidence, and what to try."""

from __future__ import annotations

from immabench.explain.break_even import BreakEven, break_evens, measured_break_evens, predicted_break_even
from immabench.explain.cause import Cause, Evidence
from immabench.explain.efficiency import FORMULA
from immabench.explain.emulated import EmulatedRows
from immabench.explain.explanation import FAR, Explanation, explain_rows

__all__ = [
    "FAR",
    "FORMULA",
    "BreakEven",
    "Cause",
    "EmulatedRows",
    "Evidence",
    "Explanation",
    "break_evens",
    "explain_rows",
    "measured_break_evens",
    "predicted_break_even",
]
