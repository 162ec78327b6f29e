"""Verification: every kernel against the exact oracle on shapes that sit on its tile's edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from immabench.errors import UsageError
from immabench.float_oracle import Oracle
from immabench.kernels import KernelConfig, illegal_reason
from immabench.numerics import Array
from immabench.operands import make_operands
from immabench.problems import TYPE_BITS, Problem, Shape
from immabench.providers.buffers import HostBuffers, make_buffers
from immabench.providers.handwritten import EmulatedLaunch, HandwrittenProvider

ORDERS = ("forward", "reverse", "random")
"""Orders the emulated machine runs the warps of a block in: a missing barrier shows in at least one."""

WAVE_BLOCKS = 4
"""Blocks that stand for one wave, so that partial waves, and several of a persistent kernel, stay cheap to emulate."""

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

ZERO_POINTS = {"s32": "vector", "bf16": "tensor", "s8": "vector"}
"""The zero point of s8 activations each output type is verified with."""


CHUNK_BITS = 128
"""What kernels of packed weights copy at a time: rows of A are whole such chunks."""


@dataclass(frozen=True)
class Check:
    """One kernel on one shape and output type; `status` is "ok", "failed" or "skipped"."""

    id: str
    shape: Shape
    output_type: str
    device: str
    status: str
    detail: str = ""
    batch: int = 1


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
    config: KernelConfig,
    shapes: Sequence[Shape],
    output_types: Sequence[str],
    orders: Sequence[str],
    device: str,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Check]:
    """Check one configuration on every shape and output type; emulated launches run once an order of warps.

    `options` are further fields of the problems; where its operands have none of them, a configuration is skipped.
    """
    for shape in shapes:
        for output_type in output_types:
            try:
                problem = problem_for(config, shape, output_type, options)
            except UsageError as error:
                if not options:
                    raise
                place = (config.id, shape, output_type, device)
                yield Check(*place, "skipped", error.message, options.get("batch", 1))
            else:
                yield _check(config, problem, orders, device, seed)


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
    row_bits = CHUNK_BITS if config.weight_layout == "fragment_major" else 8
    a_bits, b_bits = TYPE_BITS[types["a"]], TYPE_BITS[types["b"]]
    each = max(1, group, row_bits // min(row_bits, a_bits), 8 // min(8, b_bits))
    options: dict[str, Any] = {**EPILOGUES[output_type], "a_type": types["a"], "b_type": types["b"]}
    options |= {"b_group": group, "b_scale": config.group_scale}
    if types["a"] == "s8":
        options["a_zero"] = ZERO_POINTS.get(output_type, "none")
    return Problem(m, n, -(-k // each) * each, output_type=output_type, **{**options, **(further or {})})


def _check(config: KernelConfig, problem: Problem, orders: Sequence[str], device: str, seed: int) -> Check:
    place = (config.id, (problem.m, problem.n, problem.k), problem.output_type, device)
    reason = illegal_reason(config, problem)
    if reason is not None:
        return Check(*place, "skipped", reason, problem.batch)
    run = _run_on_gpu if device == "cuda" else _run_emulated
    wrong = run(config, problem, orders, seed)
    return Check(*place, "failed" if wrong else "ok", wrong, problem.batch)


def _run_emulated(config: KernelConfig, problem: Problem, orders: Sequence[str], seed: int) -> str:
    """What is wrong in the first order that is wrong; empty when all are right."""
    operands = make_operands(problem, seed)
    buffers, oracle = HostBuffers(problem, operands, "emulated"), Oracle(problem, operands)
    for order in orders:
        buffers.poison()
        launch = EmulatedLaunch(config.id, buffers, order=order, seed=seed, multiprocessors=WAVE_BLOCKS)
        launch.launch()
        assert launch.emulation is not None
        differs = difference(oracle, buffers.out)
        wrong = "; ".join(filter(None, (differs, launch.emulation.describe_hazards())))
        if wrong:
            return f"order {order}: {wrong}"
    return ""


def _run_on_gpu(config: KernelConfig, problem: Problem, orders: Sequence[str], seed: int) -> str:
    operands = make_operands(problem, seed)
    buffers = make_buffers(problem, operands, "cuda")
    HandwrittenProvider().prepare(config.id, buffers).launch()
    return difference(Oracle(problem, operands), buffers.result())


def difference(oracle: Oracle, out: Array) -> str:
    """How `out` is wrong: bit for bit, also of floats wherever one result alone is right; else by the bound."""
    return (oracle.compare_determined if oracle.determined else oracle.compare)(out).describe()
