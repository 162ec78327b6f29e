"""Running hand-written GEMM kernels on the emulated machine, as the tests of every family do."""

from __future__ import annotations

from typing import Any

import numpy as np

from immabench import _native
from immabench.float_oracle import Oracle
from immabench.kernels import KernelConfig
from immabench.measure.verify import WAVE_BLOCKS
from immabench.operands import Operands, make_operands
from immabench.problems import Problem
from immabench.providers.buffers import HostBuffers
from immabench.providers.native_call import NativeCall


def emulate(
    config: KernelConfig, problem: Problem, operands: Operands, **options: Any
) -> tuple[np.ndarray, dict[str, Any]]:
    """The output of s8 `operands` and the machine's report; a wave is of few blocks unless `options` say otherwise."""
    buffers = HostBuffers(problem, operands, "emulated")
    return buffers.out, emulate_buffers(config, buffers, **options)


def emulate_buffers(config: KernelConfig, buffers: HostBuffers, **options: Any) -> dict[str, Any]:
    """The machine's report of a launch from `buffers` into their output."""
    options = {"multiprocessors": WAVE_BLOCKS, **options}
    call = NativeCall(config, buffers, options["multiprocessors"])
    report: dict[str, Any] = _native.emulate_gemm(config.id, *call.matrices, **call.options, **options)
    return report


def expect_exact(config: KernelConfig, problem: Problem, **options: Any) -> dict[str, Any]:
    """The report of a launch on random full-range operands: no hazard, nothing unspecified, right in every bit."""
    operands = make_operands(problem)
    out, report = emulate(config, problem, operands, **options)
    assert report["hazards"] == []
    assert report["counts"]["unspecified"] == 0
    comparison = Oracle(problem, operands).compare_determined(out)
    assert comparison.exact, f"{config.id} {problem.key}: {comparison.describe()}"
    return report
