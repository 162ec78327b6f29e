"""Running the kernels around a GEMM on the emulated machine, as the tests of every family do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from immabench.kernels import CompanionConfig, companion_configs
from immabench.measure.companion_calls import CompanionCall
from immabench.measure.kernel_case import ORDERS
from immabench.operands import aligned

__all__ = [
    "ORDERS",
    "STORED",
    "TYPES",
    "WIDTHS",
    "by_granularity",
    "by_type",
    "bytes_of",
    "configs_of",
    "expect_ideal",
    "row_widths",
    "run",
    "shifted",
    "unaligned",
]

Array = np.ndarray
STORED = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}
TYPES = tuple(STORED)
WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 64, 130)
"""Around the vectors of every type, one and two a row, and no multiple of any."""

by_type = pytest.mark.parametrize("data_type", TYPES)
by_granularity = pytest.mark.parametrize("granularity", ["tensor", "row", "column"])


def configs_of(family: str) -> list[CompanionConfig]:
    """The configurations of a family, fewest threads a row first."""
    return [config for config in companion_configs() if config.family == family]


def run(call: CompanionCall, kernel: str = "", **options: Any) -> dict[str, Any]:
    """Emulates a call, by default by the first kernel of its family; expects no hazard and the oracle's bits."""
    report = call.emulate(kernel or configs_of(call.family)[0].id, **options)
    assert report["hazards"] == []
    assert call.difference() == ""
    return report


def shifted(values: Array, shift: int = 1) -> Array:
    """A copy that starts `shift` elements past 256 bytes."""
    padded = aligned(np.concatenate([np.zeros(shift, values.dtype), values.reshape(-1)]))
    return padded[shift:].reshape(values.shape)


def unaligned(call: CompanionCall) -> CompanionCall:
    """The call with outputs that start an element past 256 bytes."""
    call.outputs.update({name: shifted(values) for name, values in call.outputs.items()})
    return call


def row_widths(config: CompanionConfig) -> list[int]:
    """Around vectors, warps of vectors, and what a row's threads hold; beyond that where longer rows are read again."""
    threads, most = config.row_threads, config.resident_columns
    assert threads is not None
    assert most is not None
    widths = [1, 3, 8, 9, 32, 100, 4 * threads, 8 * threads - 1, 8 * threads + 8, most - 1, most]
    return widths + ([most + 1, most + 8] if config.streams else [])


def expect_ideal(report: dict[str, Any]) -> None:
    for side in ("global_load", "global_store"):
        assert report["counts"][side]["sectors"] == report["counts"][side]["ideal"], side
    for side in ("shared_load", "shared_store"):
        assert report["counts"][side]["wavefronts"] == report["counts"][side]["ideal"], side


def bytes_of(report: dict[str, Any]) -> tuple[int, int]:
    """Loaded and stored by lanes."""
    return report["counts"]["global_load"]["bytes"], report["counts"]["global_store"]["bytes"]
