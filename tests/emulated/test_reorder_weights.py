"""Weights reordered on the emulated machine: the blocks of `packing`, byte for byte, and the step that offers it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quantizing import ORDERS, bytes_of, configs_of, expect_ideal, run, shifted

from immabench.data_types import unpack_codes
from immabench.measure.case import Job, run_job
from immabench.measure.companion_calls import CompanionCall, reorder_weights
from immabench.measure.companion_cases import choices
from immabench.measure.plan import Selection, make_plan
from immabench.packing import FRAGMENT_LAYOUTS, WEIGHT_FORMATS
from immabench.problems import Problem
from immabench.providers.handwritten import HandwrittenProvider

(KERNEL,) = configs_of("reorder_weights")
CHOICES = choices(KERNEL)
by_choice = pytest.mark.parametrize("choice", CHOICES, ids=["_".join(choice.values()) for choice in CHOICES])
SIZES = st.integers(1, 150)


def call_of(choice: dict[str, str], n: int, k: int, seed: int = 0) -> CompanionCall:
    least, greatest = WEIGHT_FORMATS[choice["codes"]].code_range
    codes = np.random.default_rng(seed).integers(least, greatest + 1, (n, k)).astype(np.int8)
    return reorder_weights(codes, stored=choice["codes"], packed=choice["packed"], layout=choice["layout"])


def test_every_layout_and_type_is_tried() -> None:
    assert {choice["layout"] for choice in CHOICES} == {layout.name for layout in FRAGMENT_LAYOUTS.values()}
    w4 = {(choice["codes"], choice["packed"]) for choice in CHOICES if choice["layout"].startswith("w4")}
    assert w4 == {("s4", "s4"), ("u4", "u4"), ("s4", "u4")}


@by_choice
@settings(max_examples=25, deadline=None)
@given(n=SIZES, k=SIZES, seed=st.integers(0, 2**32 - 1), order=st.sampled_from(ORDERS))
def test_any_size_in_any_order(choice: dict[str, str], n: int, k: int, seed: int, order: str) -> None:
    run(call_of(choice, n, k, seed), order=order)


@by_choice
def test_every_byte_in_every_place(choice: dict[str, str]) -> None:
    """Each byte of a block takes each of its 256 values, others beside it."""
    step = np.arange(512, dtype=np.int64).reshape(16, 32)
    blocks = [((step + value) % 256).astype(np.uint8) for value in range(256)]
    bits = WEIGHT_FORMATS[choice["codes"]].bits
    rows = np.concatenate(blocks, axis=1)
    codes = rows.view(np.int8) if bits == 8 else unpack_codes(rows, 4, signed=choice["codes"] == "s4")
    run(reorder_weights(codes, stored=choice["codes"], packed=choice["packed"], layout=choice["layout"]))


@by_choice
def test_whole_sectors_without_a_barrier_in_every_order(choice: dict[str, str]) -> None:
    for order in ORDERS:
        call = call_of(choice, 48, 1280)
        report = run(call, order=order)
        expect_ideal(report)
        weights = 48 * 1280 * WEIGHT_FORMATS[choice["codes"]].bits // 8
        assert bytes_of(report) == (weights, weights)
        assert report["counts"]["barriers"] == report["counts"]["shared_store"]["requests"] == 0


@by_choice
def test_codes_at_any_address(choice: dict[str, str]) -> None:
    call = call_of(choice, 17, 64)
    call.inputs["codes"] = shifted(call.inputs["codes"])
    run(call)


STATED: list[dict[str, Any]] = [
    {"b_type": "s4"},
    {"b_type": "s4", "b_group": 64, "b_scale": "step"},
    {"b_type": "u4", "b_group": 64, "b_scale": "step"},
    {"b_type": "u4", "b_group": 64, "b_scale": "float"},
    {"a_type": "bf16", "b_type": "u4", "b_group": 64, "b_scale": "float"},
    {"a_type": "f16", "b_type": "s4", "b_group": 64, "b_scale": "float", "bias": True, "output_type": "f32"},
    {"a_type": "f16", "b_type": "s8"},
]


def job_of(options: dict[str, Any]) -> Job:
    problem = Problem(5, 40, 192, **{"output_type": "f16", **options})
    return Job("", "", 1, problem, "handwritten", KERNEL.id, "emulated", step="pack")


@pytest.mark.parametrize("options", STATED, ids=["-".join(map(str, options.values())) for options in STATED])
def test_a_product_from_what_was_packed_is_right(options: dict[str, Any]) -> None:
    row = run_job(job_of(options)).row
    assert (row.status, row.reason, row.verified, row.step, row.hazards) == ("ok", "", True, "pack", 0)
    assert row.time_us_median is None
    assert row.counts is not None
    assert row.counts["mma"] == 0
    assert row.counts["global_store"]["bytes"] == 48 * 192 * (1 if options["b_type"] == "s8" else 0.5)


@pytest.mark.parametrize("options", STATED[:2])
def test_a_packing_that_leaves_blocks_out_is_caught(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from immabench import _native

    whole = _native.emulate_reorder_weights

    def without_the_last(kernel: str, codes: Any, packed: Any, **options: Any) -> dict[str, Any]:
        kept = packed[-1, -1].copy()
        report: dict[str, Any] = whole(kernel, codes, packed, **options)
        packed[-1, -1] = kept
        return report

    monkeypatch.setattr(_native, "emulate_reorder_weights", without_the_last)
    row = run_job(job_of(options)).row
    assert row.status == "incorrect"
    assert "elements differ" in row.reason


def test_it_is_offered_where_weights_lie_in_blocks() -> None:
    provider = HandwrittenProvider()
    packed = provider.configs(Problem(5, 40, 192, b_type="s4"), "emulated")
    assert [(one.config_id, one.reason) for one in packed if one.step == "pack"] == [(KERNEL.id, None)]
    assert {one.step for one in provider.configs(Problem(5, 40, 192), "emulated")} == {"compute"}
    assert KERNEL.id in provider.config_ids()
    assert len(set(provider.config_ids())) == len(provider.config_ids())


def test_a_sweep_has_it_beside_the_best_few_products() -> None:
    asked = Selection(shapes=("16x512x512",), options=("b_type=s4",), providers=("handwritten",), devices=("emulated",))
    assert [one.job.step for one in make_plan(asked)] == ["compute", "compute", "pack"]
    assert [one.job.kernel_id for one in make_plan(replace(asked, kernels=("reorder*",)))] == [KERNEL.id]


def test_it_is_refused_where_no_kernel_takes_its_blocks() -> None:
    job = Job("", "", 1, Problem(5, 40, 192), "handwritten", KERNEL.id, "emulated", step="pack")
    row = run_job(job).row
    assert (row.status, row.reason) == (
        "error",
        f"{KERNEL.id}: no kernel takes the weights of gemm_s8_m5_n40_k192_s32 in blocks",
    )
