"""The names of `metrics.toml` against the library in which Nsight Compute itself looks metrics up, chip by chip.

The package ncu-report brings that library (NvPerf's host side), which needs no GPU. Structures are CUPTI's.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immabench.profile.metrics import CHIPS, load_metrics

Size, Pointer = ctypes.c_size_t, ctypes.c_void_p
Fields = list[tuple[str, Any]]

HEAD: Fields = [("size", Size), ("private", Pointer)]
INITIALIZE: Fields = HEAD
SCRATCH: Fields = [*HEAD, ("chip", ctypes.c_char_p), ("image", Pointer), ("bytes", Size)]
EVALUATOR: Fields = [
    *HEAD,
    ("scratch", Pointer),
    ("bytes", Size),
    ("chip", ctypes.c_char_p),
    ("availability", Pointer),
    ("data", Pointer),
    ("data_bytes", Size),
    ("evaluator", Pointer),
]
CONVERT: Fields = [
    *HEAD,
    ("evaluator", Pointer),
    ("name", ctypes.c_char_p),
    ("request", Pointer),
    ("request_bytes", Size),
]
REQUEST_BYTES = 16


def library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("ncu_report")
    if spec is None or spec.origin is None:
        pytest.skip("the vendor's names of metrics come with ncu-report: pip install 'immabench[profile]'")
    path = Path(spec.origin).with_name("libnvperf_host.so")
    if not path.exists():
        pytest.skip(f"this ncu-report has no {path.name}")
    return ctypes.CDLL(str(path))


def call(function: Any, fields: Fields, **values: Any) -> Any:
    """Call a function on its structure; returns the structure, or None where the library refuses."""
    kind = type("Parameters", (ctypes.Structure,), {"_fields_": fields})
    parameters = kind(**values)
    parameters.size = ctypes.sizeof(parameters)
    return None if function(ctypes.byref(parameters)) else parameters


def knower(chip: str, alive: list[Any]) -> Callable[[str], bool]:
    """Whether a chip has a metric of that full name, suffixes included. `alive` keeps the library's memory."""
    nvperf = library()
    assert call(nvperf.NVPW_InitializeHost, INITIALIZE)
    name = chip.encode()
    scratch = call(nvperf.NVPW_CUDA_MetricsEvaluator_CalculateScratchBufferSize, SCRATCH, chip=name)
    assert scratch, f"the library knows no chip {chip}"
    memory = ctypes.create_string_buffer(scratch.bytes)
    alive.append(memory)
    values = {"scratch": ctypes.addressof(memory), "bytes": scratch.bytes, "chip": name}
    evaluator = call(nvperf.NVPW_CUDA_MetricsEvaluator_Initialize, EVALUATOR, **values)
    request = ctypes.create_string_buffer(REQUEST_BYTES)
    common = {"evaluator": evaluator.evaluator, "request": ctypes.addressof(request), "request_bytes": REQUEST_BYTES}
    convert = nvperf.NVPW_MetricsEvaluator_ConvertMetricNameToMetricEvalRequest

    def knows(metric: str) -> bool:
        return call(convert, CONVERT, name=metric.encode(), **common) is not None

    return knows


@pytest.mark.parametrize("chip", CHIPS.values())
def test_every_name_that_a_chip_is_asked_for_is_one_it_has(chip: str) -> None:
    alive: list[Any] = []
    knows = knower(chip, alive)
    assert not knows("sm__invented.sum")
    assert not knows("gpu__time_duration.invented")
    asked = [one for one in load_metrics() if one.is_asked_for]
    assert [one.on(chip) for one in asked if one.on(chip) and not knows(str(one.on(chip)))] == []
    # What is said to be on some chips alone is not on this one where it is not said.
    assert [name.name for one in asked for name in one.ncu if not name.on(chip) and knows(name.name)] == []
