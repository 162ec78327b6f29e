"""Verification: every kernel against the exact oracle on shapes that sit on the edges of its tile, or of its blocks."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, cast

from immabench.data_types import Array
from immabench.errors import UsageError
from immabench.float_oracle import Oracle
from immabench.hardware import cuda_state
from immabench.kernels import (
    AnyConfig,
    CompanionConfig,
    KernelConfig,
    absent_reason,
    convolves,
    copies_chunks,
    illegal_reason,
    scales_only,
)
from immabench.measure.companion_cases import companion_cases, companion_form
from immabench.measure.companion_shapes import companion_shape
from immabench.measure.edges import edge_convolutions
from immabench.measure.kernel_case import ORDERS, Check, KernelCase, check_case
from immabench.operands import Operands, make_operands
from immabench.problems import TYPE_BITS, Problem, Shape, conv_problem
from immabench.providers.base import Emulation
from immabench.providers.buffers import HostBuffers, make_buffers
from immabench.providers.native_launch import EMULATED_BACKEND, EMULATED_GPU, EmulatedLaunch
from immabench.providers.registry import load_provider
from immabench.shapes import CONVOLUTION_FORM, GEMM_FORM

__all__ = [
    "BATCH",
    "EPILOGUES",
    "ORDERS",
    "WAVE_BLOCKS",
    "Check",
    "GemmCase",
    "batched_edges",
    "brief_cases",
    "brief_shapes",
    "difference",
    "edge_shapes",
    "problem_for",
    "shape_form",
    "verification_cases",
    "verify_kernel",
]

WAVE_BLOCKS = 4
"""Blocks that stand for one wave, so that partial waves, and several of a persistent kernel, stay cheap to emulate."""

BRIEF_CASES = 2
"""An output type, of kernels that are no GEMMs."""

BATCH = 3
"""Products of the batch that kernels are verified with, where they compute batches."""

EPILOGUES: dict[str, dict[str, Any]] = {
    "s32": {},
    "f32": {"row_scale": "vector", "col_scale": "vector", "bias": True, "residual": "f32", "activation": "relu"},
    "f16": {"row_scale": "tensor", "col_scale": "vector", "residual": "f16"},
    "bf16": {"row_scale": "vector", "col_scale": "tensor", "bias": True, "residual": "bf16"},
    "s8": {
        "row_scale": "vector",
        "col_scale": "vector",
        "bias": True,
        "residual": "s8",
        "activation": "gelu",
        "out_scale": "vector",
        "out_zero": True,
    },
}
"""The epilogue each output type is verified with: together they cover every kind of scale, residual and activation."""

SCALES_ONLY: dict[str, dict[str, Any]] = {
    output_type: {name: value for name, value in epilogue.items() if name in ("row_scale", "col_scale", "bias")}
    for output_type, epilogue in EPILOGUES.items()
}
"""The same for kernels whose epilogue ends there."""

ZERO_POINTS = {"s32": "vector", "bf16": "tensor", "s8": "vector"}
"""The zero point of s8 activations each output type is verified with."""


CHUNK_BITS = 128
"""What kernels that `copies_chunks` names copy at a time: rows of A are whole such chunks."""


class GemmCase(KernelCase):
    """One GEMM configuration with random operands; persistent kernels start blocks for so many multiprocessors."""

    backend = EMULATED_BACKEND

    def __init__(
        self, config: KernelConfig, problem: Problem, seed: int = 0, multiprocessors: int = EMULATED_GPU.sm_count
    ) -> None:
        self.kernel_id, self.shape = config.id, (problem.m, problem.n, problem.k)
        self.output_type = problem.output_type
        self.types = f"{problem.conv} {problem.output_type}".lstrip()
        self.problem, self.batch = problem.key, problem.batch
        self._config, self._problem, self._seed, self._multiprocessors = config, problem, seed, multiprocessors
        self._result: Array | None = None

    def illegal_reason(self) -> str | None:
        """Why the kernel cannot compute the problem, None when it can."""
        return illegal_reason(self._config, self._problem)

    def emulate(self, order: str, seed: int) -> Emulation:
        """As `KernelCase` says."""
        buffers = self._host_buffers
        buffers.poison()
        launch = EmulatedLaunch(self.kernel_id, buffers, order=order, seed=seed, multiprocessors=self._multiprocessors)
        launch.launch()
        self._result = buffers.out
        assert launch.emulation is not None
        return launch.emulation

    def launch_on_gpu(self) -> None:
        """As `KernelCase` says."""
        buffers = make_buffers(self._problem, self._operands, "cuda")
        load_provider(self._config.provider).prepare(self.kernel_id, buffers).launch()
        self._result = buffers.result()

    def difference(self) -> str:
        """As `KernelCase` says."""
        assert self._result is not None, "launch first"
        return difference(self._oracle, self._result)

    @functools.cached_property
    def _operands(self) -> Operands:
        return make_operands(self._problem, self._seed)

    @functools.cached_property
    def _host_buffers(self) -> HostBuffers:
        return HostBuffers(self._problem, self._operands, "emulated")

    @functools.cached_property
    def _oracle(self) -> Oracle:
        return Oracle(self._problem, self._operands)


def edge_shapes(config: KernelConfig) -> list[Shape]:
    """Shapes computed from the tile: around its edges, K short of the pipeline, odd K, partial and repeated waves."""
    m, n, k = config.block_tile
    pipeline = config.stages * k
    half, five_quarters, two_and_half = WAVE_BLOCKS // 2, WAVE_BLOCKS * 5 // 4, WAVE_BLOCKS * 5 // 2
    shapes = [
        (1, 1, 1),
        (1, n, pipeline),
        (m, 1, k),
        (m - 1, n - 1, k - 1),
        (m, n, k),
        (m + 1, n + 1, k + 1),
        (m + 8, n + 8, k + 16),
        (m, n, max(1, pipeline - k)),
        (m, n, pipeline - 1),
        (m - 1, n + 1, pipeline + 3),
        (half * m, n, k),
        (m, five_quarters * n, k),
        (2 * m - 1, two_and_half // 2 * n, pipeline + k),
    ]
    return list(dict.fromkeys(shapes))


def verify_kernel(
    config: AnyConfig,
    shapes: Sequence[tuple[Any, ...]],
    output_types: Sequence[str],
    orders: Sequence[str],
    device: str,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Check]:
    """Check one configuration on every shape, or on its edges where none are given, and output type, or all it has.

    Emulated launches run once an order of warps. `options` are further fields of a GEMM's problems; where its operands
    have none of them, a configuration is skipped, as is one that the GPU here cannot run.
    """
    absent = absent_reason(config, cuda_state()["devices"][0]) if device == "cuda" else None
    for case in verification_cases(config, shapes, output_types, seed, options or {}):
        yield check_case(case, orders, device, seed, absent)


def verification_cases(
    config: AnyConfig,
    shapes: Sequence[tuple[Any, ...]] = (),
    output_types: Sequence[str] = (),
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Iterator[KernelCase]:
    """What a configuration is verified with. Shapes have the sizes of its `shape_form`."""
    if isinstance(config, CompanionConfig):
        if not options:
            yield from companion_cases(config, list(map(companion_shape, shapes)), output_types, seed)
        return
    edges = edge_convolutions(config) if convolves(config) else edge_shapes(config)
    for output_type, shape in product(output_types or config.output_types, shapes or edges):
        yield _case(config, shape, output_type, seed, options or {})
    batched = [] if shapes or options or convolves(config) else batched_edges(config)
    for output_type, shape in product(output_types or config.output_types, batched):
        yield _case(config, shape, output_type, seed, {"batch": BATCH})


def brief_cases(config: AnyConfig, output_types: Sequence[str] = (), seed: int = 0) -> Iterator[KernelCase]:
    """A few cases that tell within seconds whether a configuration works at all: of GEMMs one tile, more than one with
    rows that start anywhere, and a ring of stages gone round; of the others the first two legal ones an output type."""
    if isinstance(config, KernelConfig) and not convolves(config):
        yield from verification_cases(config, brief_shapes(config), output_types, seed)
        return
    taken: Counter[str] = Counter()
    for case in verification_cases(config, (), output_types, seed):
        if taken[case.output_type] < BRIEF_CASES and case.illegal_reason() is None:
            taken[case.output_type] += 1
            yield case


def brief_shapes(config: KernelConfig) -> list[Shape]:
    """Shapes of `brief_cases`: a whole tile, ragged ones, and whole ones for several blocks and two rounds of K."""
    m, n, k = config.block_tile
    pipeline = config.stages * k
    return [(m, n, k), (m + 1, n - 1, pipeline + 3), (2 * m, 2 * n, 2 * pipeline * config.split_k)]


def _case(
    config: KernelConfig, shape: tuple[Any, ...], output_type: str, seed: int, options: Mapping[str, Any]
) -> KernelCase:
    try:
        if convolves(config):
            name, filters = shape
            problem = convolution_for(config, name, filters, output_type, options)
        else:
            problem = problem_for(config, cast(Shape, shape), output_type, options)
    except UsageError as error:
        if not options:
            raise
        return UnstatedCase(config.id, shape, output_type, options.get("batch", 1), error.message)
    return GemmCase(config, problem, seed, WAVE_BLOCKS)


class UnstatedCase(KernelCase):
    """What a kernel's operand types do not have: there is no such problem."""

    backend = EMULATED_BACKEND

    def __init__(self, kernel_id: str, shape: tuple[Any, ...], output_type: str, batch: int, reason: str) -> None:
        self.kernel_id, self.shape, self.batch = kernel_id, shape, batch
        self.output_type = self.types = self.problem = output_type
        self._reason = reason

    def illegal_reason(self) -> str:
        """Why it cannot be stated."""
        return self._reason

    def emulate(self, order: str, seed: int) -> Emulation:
        """Never called: the case is illegal."""
        raise UsageError(self._reason, "choose other options")

    def launch_on_gpu(self) -> None:
        """Never called: the case is illegal."""
        raise UsageError(self._reason, "choose other options")

    def difference(self) -> str:
        """None: nothing was launched."""
        return ""


def shape_form(config: AnyConfig) -> str:
    """How a shape of a configuration's problems is written."""
    if isinstance(config, CompanionConfig):
        return companion_form(config)
    return CONVOLUTION_FORM if convolves(config) else GEMM_FORM


def batched_edges(config: KernelConfig) -> list[Shape]:
    """A shape around the tile's edges for a batch of `BATCH` products; none for kernels that compute one product."""
    m, n, k = config.block_tile
    shape = (m + 1, n - 1, config.stages * k + 3)
    if config.operand_types["a"] != config.operand_types["b"]:
        return []
    return [shape] if illegal_reason(config, problem_for(config, shape, "f32", {"batch": BATCH})) is None else []


def problem_for(
    config: KernelConfig, shape: Shape, output_type: str, further: Mapping[str, Any] | None = None
) -> Problem:
    """A problem of `config`'s operand types with the epilogue that `output_type` is verified with, or `further` fields.

    K goes up to what whole bytes of packed operands, whole chunks of their rows and whole groups of weights need.
    """
    (m, n, k), types = shape, config.operand_types
    group = {"none": 0, "step": 32, "float": 64}[config.group_scale]
    row_bits = CHUNK_BITS if copies_chunks(config) else 8
    a_bits, b_bits = TYPE_BITS[types["a"]], TYPE_BITS[types["b"]]
    each = max(1, group, row_bits // min(row_bits, a_bits), 8 // min(8, b_bits))
    epilogues = SCALES_ONLY if scales_only(config) else EPILOGUES
    options: dict[str, Any] = {**epilogues[output_type], "a_type": types["a"], "b_type": types["b"]}
    options |= {"b_group": group, "b_scale": config.group_scale}
    if types["a"] == "s8" and not scales_only(config):
        options["a_zero"] = ZERO_POINTS.get(output_type, "none")
    return Problem(m, n, -(-k // each) * each, output_type=output_type, **{**options, **(further or {})})


def convolution_for(
    config: KernelConfig, name: str, filters: int, output_type: str, further: Mapping[str, Any] | None = None
) -> Problem:
    """A convolution of `config`'s operand types, with the epilogue that `output_type` is verified with, or `further`.

    Where the image has a zero point, it is one for all: what surrounds the image. Kernels that surround it by 0
    alone are verified without one on what is padded.
    """
    options: dict[str, Any] = {**EPILOGUES[output_type], "b_type": config.operand_types["b"]}
    if config.group_scale != "none":
        options |= {"b_group": 32, "b_scale": config.group_scale}
    problem = conv_problem(name, filters, output_type=output_type, **{**options, **(further or {})})
    zeroed = replace(problem, a_zero="tensor")
    may_be = output_type in ZERO_POINTS and "a_zero" not in (further or {}) and illegal_reason(config, zeroed) is None
    return zeroed if may_be else problem


def difference(oracle: Oracle, out: Array) -> str:
    """How `out` is wrong: bit for bit, also of floats wherever one result alone is right; else by the bound."""
    return (oracle.compare_determined if oracle.determined else oracle.compare)(out).describe()
