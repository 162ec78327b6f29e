"""Running hand-written GEMM kernels on the emulated machine, as the tests of every family do."""

from __future__ import annotations

from typing import Any

import numpy as np

from immabench import _native
from immabench.kernels import KernelConfig
from immabench.measure.verify import WAVE_BLOCKS
from immabench.numerics import compare_exact, gemm_reference
from immabench.operands import Operands, make_operands, typed_operands
from immabench.problems import Problem
from immabench.providers.buffers import HostBuffers
from immabench.providers.native_call import NativeCall


def emulate(
    config: KernelConfig, problem: Problem, operands: Operands, **options: Any
) -> tuple[np.ndarray, dict[str, Any]]:
    """The output of s8 `operands` and the machine's report; a wave is of few blocks unless `options` say otherwise."""
    buffers = HostBuffers(problem, operands, "emulated")
    call = NativeCall(config, buffers)
    options = {"multiprocessors": WAVE_BLOCKS, **options}
    report = _native.emulate_gemm(config.id, *call.matrices, **call.options, **options)
    return buffers.out, report


def expect_exact(config: KernelConfig, problem: Problem, **options: Any) -> dict[str, Any]:
    """The report of a launch on random full-range operands that had no hazard and is right in every bit."""
    operands = make_operands(problem)
    out, report = emulate(config, problem, operands, **options)
    assert report["hazards"] == []
    comparison = compare_exact(problem, out, gemm_reference(problem, typed_operands(problem, operands)))
    assert comparison.exact, f"{config.id} {problem.key}: {comparison.describe()}"
    return report
