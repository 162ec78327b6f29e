"""What the INT8 GEMM asks of memory: at the ideal where shapes are aligned, and no byte twice."""

from __future__ import annotations

from typing import Any

import pytest
from counted_cases import case_of
from gemm_s8 import CONFIGS, OUTPUT_BYTES, by_shared, by_wgmma, by_whole, scaled
from running import expect_exact

from immabench.explain.transactions import uncoalesced
from immabench.kernels import KernelConfig
from immabench.problems import Problem


@by_whole
@pytest.mark.parametrize("output_type", ["s32", "s8", "f32", "f16", "bf16"])
def test_aligned_shapes_move_no_byte_twice(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, scaled(2 * m, 2 * n, 4 * k, output_type))["counts"]
    assert counts["mma"] == (2 * m // 16) * (2 * n // 8) * (4 * k // 32)
    for name in ("ldmatrix", "shared_load", "shared_store"):
        assert counts[name]["wavefronts"] == counts[name]["ideal"] > 0, name
    assert counts["async_copy"]["wavefronts"] == counts["async_copy"]["ideal_wavefronts"] > 0
    assert counts["async_copy"]["bytes"] == 4 * (m + n) * 4 * k  # four blocks, each with its rows of A and of B
    for name in ("global_load", "async_copy"):
        assert counts[name]["sectors"] == counts[name]["ideal"], name
    # A warp writes its own columns of a row: where those are fewer than a sector holds, two warps share one.
    warps_a_sector = max(1, 32 // (config.warp_tile[1] * OUTPUT_BYTES[output_type]))
    assert counts["global_store"]["sectors"] == warps_a_sector * counts["global_store"]["ideal"]
    assert counts["global_store"]["bytes"] == 4 * m * n * OUTPUT_BYTES[output_type]


@by_wgmma
@pytest.mark.parametrize("output_type", ["s32", "s8", "f32", "f16", "bf16"])
def test_wgmma_reads_and_multiplies_at_the_ideal(config: KernelConfig, output_type: str) -> None:
    m, n, k = config.block_tile
    rows, columns, depth = 2 * m, 2 * n, 4 * k
    problem = scaled(rows, columns, depth, output_type)
    report = expect_exact(config, problem)
    counts = report["counts"]
    assert report["macs"] == problem.macs
    assert counts["mma"] == counts["ldmatrix"]["requests"] == counts["async_copy"]["requests"] == 0
    assert counts["wgmma_operands"]["wavefronts"] == counts["wgmma_operands"]["ideal"] > 0
    assert counts["bulk_load"]["sectors"] == counts["bulk_load"]["ideal"]
    # Four tiles; a cluster fetches what its blocks share once.
    share_m, share_n = config.cluster
    assert counts["bulk_load"]["bytes"] == 4 * (m // share_n + n // share_m) * depth
    output_bytes = rows * columns * OUTPUT_BYTES[output_type]
    gathers = config.swapped or config.split_k > 1
    by_threads = gathers or output_type == "s8"
    stored = counts["global_store" if by_threads else "bulk_store"]
    assert (stored["bytes"], stored["sectors"]) == (output_bytes, stored["ideal"])
    assert counts["bulk_store" if by_threads else "global_store"]["requests"] == 0


@by_wgmma
def test_wgmma_boxes_of_16_bit_outputs_are_written_without_conflicts(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, Problem(m, n, k, output_type="f16"))["counts"]
    assert counts["shared_store"]["wavefronts"] == counts["shared_store"]["ideal"] > 0
    assert counts["shared_load"]["wavefronts"] == counts["shared_load"]["ideal"]


@by_shared
def test_parts_of_sums_move_in_whole_lines(config: KernelConfig) -> None:
    m, n, k = config.block_tile
    counts = expect_exact(config, Problem(m, n, 8 * k), multiprocessors=132)["counts"]
    for name in ("global_load", "global_store"):
        assert counts[name]["sectors"] == counts[name]["ideal"] > 0, name
    assert counts["global_atomic"]["requests"] > 0


def test_a_batch_moves_what_its_products_move() -> None:
    config = CONFIGS[4]
    m, n, k = config.block_tile
    one, three = (expect_exact(config, Problem(m, n, 4 * k, batch=batch))["counts"] for batch in (1, 3))
    assert three["mma"] == 3 * one["mma"]
    for name, unit in (("async_copy", "sectors"), ("global_store", "sectors"), ("ldmatrix", "wavefronts")):
        assert three[name][unit] == 3 * one[name][unit] == three[name]["ideal"]


@pytest.mark.parametrize(
    ("shape", "at"),
    [((64, 92, 128), "parts/epilogue.cuh"), ((128, 128, 100), "parts/tile_loader.cuh")],
    ids=["rows of the output", "rows of A and B"],
)
def test_ragged_rows_are_uncoalesced_and_explained(shape: tuple[int, int, int], at: str) -> None:
    """Rows that start within a sector: of the output they share sectors, of the operands each byte is a load."""
    cause = uncoalesced(case_of(counted(Problem(*shape, output_type="f16"))))
    assert cause is not None
    assert f", at {at}:" in cause.evidence[0].text
    assert uncoalesced(case_of(counted(Problem(128, 128, 128, output_type="f16")))) is None


def counted(problem: Problem) -> dict[str, Any]:
    """Counts as a row holds them, by source line too."""
    report = expect_exact(CONFIGS[4], problem)
    return {**report["counts"], "lines": report["lines"]}
