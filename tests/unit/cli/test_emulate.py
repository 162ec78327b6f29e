"""`immabench emulate`."""

from __future__ import annotations

from typing import Any

import pytest

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


QUANTIZER = ("emulate", "quantize_t256_sm80", "--shape")


def test_a_quantizer_has_the_same_contract(run: Any, fake_native: Any) -> None:
    fake_native.has_companions = True
    gemm, data = run(*ARGUMENTS, "--json").data, run(*QUANTIZER, "64x768", "--with", "codes=s4", "--json").data
    assert set(data) == set(gemm)
    assert (data["shape"], data["problem"]) == ([64, 768], "quantize_r64_c768_f32_s4_tensor")
    assert (data["exact"], data["hazards"]) == (True, [])
    assert "quantize_t256_sm80 on 64x768 (quantize_r64_c768_f32_s8_tensor)" in run(*QUANTIZER, "64x768").out


def test_a_wrong_quantizer_exits_1(run: Any, fake_native: Any) -> None:
    fake_native.has_companions = True
    fake_native.corrupt.add("quantize_t256_sm80")
    result = run(*QUANTIZER, "4x8")
    assert result.code == 1
    assert "WRONG: codes: 1 of 32 elements differ, first [3,7] is " in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("64x768x1",), "shape '64x768x1' is not ROWSxCOLUMNS; write for example 64x768"),
        (("64x7,8",), "is 2 shapes where one is needed"),
        (("4x7", "--with", "codes=s4"), "cannot compute 4x7: int4 codes lie two a byte: 7 columns are odd; choose"),
        (("4x8", "--with", "codes=s2"), "codes=s2 is no choice of quantize; choose of s8, s4"),
        (("4x8", "--with", "codes"), "'codes' is not KEY=VALUE"),
        (("4x8", "--output-type", "s8"), "has no --output-type; its matrices have types: --with x=f32|f16|bf16 and"),
        (("4x8", "--order", "sideways"), "unknown order 'sideways'"),
    ],
)
def test_what_a_quantizer_does_not_take(run: Any, fake_native: Any, arguments: tuple[str, ...], message: str) -> None:
    fake_native.has_companions = True
    result = run(*QUANTIZER, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_an_illegal_shape_is_a_usage_error(run: Any, fake_native: Any) -> None:
    fake_native.illegal[ARGUMENTS[1]] = "K is odd"
    result = run(*ARGUMENTS)
    assert result.code == 2
    assert "cannot compute 64x64x64: K is odd" in result.err


def test_further_fields_of_the_problem(run: Any) -> None:
    options = ("--output-type", "s8", "--with", "activation=gelu", "--with", "residual=f16")
    assert run(*ARGUMENTS, *options, "--json").data["problem"] == "gemm_s8_m64_n64_k64_s8_rv_cv_b_resf16_gelu_ovz"
    assert "a problem has no 'gelu'" in run(*ARGUMENTS, "--with", "gelu=1").err


def test_kernels_of_others_are_not_emulated(run: Any, fake_native: Any) -> None:
    fake_native.has_cutlass = True
    result = run("emulate", "cutlass_s8s8s32_64x64x128_w2x2_s5_sm80", "--shape", "64x64x64")
    assert (result.code, result.out) == (2, "")
    assert "runs on a GPU alone; emulate one of the hand-written kernels" in " ".join(result.err.split())
