from __future__ import annotations

from types import ModuleType

import pytest

from immabench.measure.rows import Row
from immabench.measure.run_folder import RunFolder
from immabench.report.emulation import best_choice, best_kernel, emulated, kernel_table, shape_table
from immabench.report.grids import grids
from immabench.report.lines import line_table


def test_facts_sum_the_counts_of_every_operation(synthetic: ModuleType) -> None:
    row: Row = synthetic.emulated_row(("case", 128, 128, 64, 1), synthetic.KERNELS[1])
    (one,) = emulated([row])
    assert (one.instructions, one.macs) == (8 * 16 * 2, 128 * 128 * 64)
    assert one.useful_share == 1.0
    assert row.counts is not None
    sectors = sum(row.counts[name]["sectors"] for name in ("global_load", "global_store", "async_copy"))
    assert one.sectors.actual == sectors
    assert one.traffic_ratio == pytest.approx(sectors * 32 / (2.0 * 128 * 128 * 64 / row.flops_per_byte))
    assert one.wavefronts.ratio == 1.0


def test_a_partial_tile_shows_as_wasted_mma_work(synthetic: ModuleType) -> None:
    row: Row = synthetic.emulated_row(("case", 64, 64, 64, 1), synthetic.KERNELS[1])
    (one,) = emulated([row])
    assert one.useful_share == pytest.approx(1 / 4)


def test_instructions_of_warpgroups_are_counted_beside_those_of_warps(synthetic: ModuleType) -> None:
    row: Row = synthetic.emulated_row(("case", 128, 128, 64, 1), synthetic.KERNELS[1])
    operands = {"requests": 4, "bytes": 8192, "wavefronts": 96, "ideal": 64}
    boxes = {"requests": 2, "bytes": 4096, "sectors": 130, "ideal": 128}
    counts = {"mma": 0, "wgmma": 4, "macs": 2 * 128 * 128 * 64, "wgmma_operands": operands, "bulk_load": boxes}
    (one,) = emulated([row.model_copy(update={"counts": counts})])
    assert (one.instructions, one.useful_share) == (4, 0.5)
    assert (one.wavefronts.ratio, one.sectors.actual, one.sectors.ideal) == (1.5, 130, 128)


def test_counts_a_kernel_does_not_have_are_zero(synthetic: ModuleType) -> None:
    row: Row = synthetic.emulated_row(synthetic.CASES[0], synthetic.KERNELS[0])
    (one,) = emulated([row.model_copy(update={"counts": {"mma": 4}})])
    assert one.barriers == 0
    assert one.wavefronts.ratio is None


def test_the_kernel_table_shows_the_worst_shape(synthetic: ModuleType) -> None:
    rows: list[Row] = [synthetic.emulated_row(case, synthetic.KERNELS[0]) for case in synthetic.CASES[:2]]
    assert rows[1].counts is not None
    worse = {**rows[1].counts, "ldmatrix": {"requests": 1, "bytes": 512, "wavefronts": 40, "ideal": 4}}
    facts = emulated([rows[0], rows[1].model_copy(update={"counts": worse, "hazards": 2})])
    (line,) = kernel_table(facts).records()
    assert line["shapes"] == 2
    assert line["hazards"] == 2
    assert line["worst wavefronts (× ideal)"] == pytest.approx(facts[1].wavefronts.ratio)


def test_the_best_kernel_is_sound_and_of_the_largest_shape(run: RunFolder, synthetic: ModuleType) -> None:
    facts = emulated(run.rows())
    best = best_kernel(facts)
    assert best is not None
    assert best.row.case == "b8/layer1"
    assert best.row.kernel_id == synthetic.KERNELS[0][0]
    assert synthetic.KERNELS[0][0] in best_choice(facts, best)
    hazardous = [row.model_copy(update={"hazards": 1}) for row in run.rows()]
    assert best_kernel(emulated(hazardous)) is None
    assert "free of hazards" in best_choice(emulated(hazardous), None)


def test_a_packing_of_weights_has_traffic_of_its_own_and_is_no_product(run: RunFolder) -> None:
    product = emulated(run.rows())[0].row
    stores = {"requests": 1, "bytes": 512, "sectors": 16, "ideal": 16}
    renamed = {"kernel_id": "reorder_weights_t256_sm80", "step": "pack", "counts": {"global_store": stores}}
    packing = product.model_copy(update={**renamed, "m": 10**6})
    facts = emulated([product, packing])
    assert facts[1].compulsory_bytes == 2 * product.n * product.k
    assert (facts[1].useful_share, facts[1].traffic_ratio) == (None, 512 / (2 * product.n * product.k))
    assert best_kernel(facts) == facts[0]
    assert "of 1 emulated kernel on it" in best_choice(facts, facts[0])
    assert [record["kernel"] for record in kernel_table(facts).records()] == [product.kernel_id, packing.kernel_id]
    useful, _ = grids(facts)
    assert len(useful.labels) == 1


def test_lines_of_the_best_kernel_are_grouped_by_unit(run: RunFolder) -> None:
    table = line_table(best_kernel(emulated(run.rows())))
    assert [record["unit"] for record in table.records()] == ["sectors", "sectors", "wavefronts"]
    assert table.rows[0][0].text == "parts/tile_load.cuh:41"
    assert sum(record["share of unit (%)"] for record in table.records()) == pytest.approx(200)


def test_rows_without_lines_say_where_to_get_them() -> None:
    assert "immabench emulate" in line_table(None).empty


def test_grids_hold_a_value_a_kernel_and_shape(run: RunFolder) -> None:
    facts = emulated(run.rows())
    useful, traffic = grids(facts)
    assert useful.labels == ["64x64x64_w2x2_s3_sm80", "128x128x64_w2x4_s3_sm80", "256x128x64_w4x2_s3_sm80"]
    assert all(len(line) == len(useful.columns) == 6 for line in useful.values)
    assert traffic.lower_is_better
    assert grids([]) == []
    assert len(shape_table(facts).rows) == 18
