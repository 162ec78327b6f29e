"""`immabench emulate`."""

from __future__ import annotations

from typing import Any

ARGUMENTS = ("emulate", "imma_s8s8s32_64x64x64_w2x2_s4_sm80", "--shape", "64x64x64")


def test_json_contract(run: Any) -> None:
    data = run(*ARGUMENTS, "--json").data
    assert {"id", "shape", "exact", "hazards", "counts", "lines"} <= set(data)
    assert (data["exact"], data["hazards"]) == (True, [])
    assert data["counts"]["async_copy"]["ideal_wavefronts"] == 16


def test_the_table_shows_counts_against_the_ideal(run: Any) -> None:
    out = run(*ARGUMENTS).out
    assert "exact\nhazards: 0\n8 mma instructions, 2 barriers" in out
    copies = [line for line in out.splitlines() if "async_copy" in line]
    assert ["1.00x" in copies[0], "1.12x" in copies[1]] == [True, True]
    atomics = next(line.split() for line in out.splitlines() if "global_atomic" in line)
    assert {"4", "2,048", "16", "1.00x", "sectors"} <= set(atomics)
    assert "gemm.cuh:42" in out
    assert "1.25x" in out


def test_a_wrong_result_and_a_hazard_exit_1(run: Any, fake_native: Any) -> None:
    fake_native.corrupt.add(ARGUMENTS[1])
    result = run(*ARGUMENTS)
    assert result.code == 1
    assert "WRONG: 1 of 4096 elements differ" in result.out
    fake_native.corrupt.clear()
    fake_native.hazard_orders.add("forward")
    result = run(*ARGUMENTS)
    assert result.code == 1
    assert "race at gemm.cuh:7, block 5, thread 3: two writes" in result.out


def test_an_illegal_shape_is_a_usage_error(run: Any, fake_native: Any) -> None:
    fake_native.illegal[ARGUMENTS[1]] = "K is odd"
    result = run(*ARGUMENTS)
    assert result.code == 2
    assert "cannot compute 64x64x64: K is odd" in result.err


def test_further_fields_of_the_problem(run: Any) -> None:
    options = ("--output-type", "s8", "--with", "activation=gelu", "--with", "residual=f16")
    assert run(*ARGUMENTS, *options, "--json").data["problem"] == "gemm_s8_m64_n64_k64_s8_rv_cv_b_resf16_gelu_ovz"
    assert "a problem has no 'gelu'" in run(*ARGUMENTS, "--with", "gelu=1").err
