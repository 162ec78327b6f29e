"""`immabench select`."""

from __future__ import annotations

from typing import Any

ARGUMENTS = ("select", "--shape", "1:129:64x4096x4096", "--gpu", "A100-SXM4-80GB")


def test_json_contract(run: Any) -> None:
    data = run(*ARGUMENTS, "--json").data
    assert (data["kind"], data["gpu"], data["architecture"]) == ("predicted", "A100-SXM4-80GB", "sm_80")
    ranges = [(choice["first_m"], choice["last_m"]) for choice in data["choices"]]
    assert ranges[0][0] == 1
    assert ranges[-1][1] == 129
    assert all(first <= last for first, last in ranges)
    assert {"dram_gbps", "dram_latency"} <= {figure["name"] for figure in data["assumptions"] if figure["source"]}
    assert {"kernel_id", "first_us", "last_us", "bound", "runner_up", "slower_by"} <= set(data["choices"][0])


def test_the_table_says_that_nothing_was_measured(run: Any) -> None:
    out = run(*ARGUMENTS).out
    assert "s8, N=4096, K=4096 on A100-SXM4-80GB (sm_80): predicted, not measured" in out
    assert "bound by" in out
    assert "assumed of the GPU: port_bytes 64," in " ".join(out.split())


def test_a_table_is_of_one_weight(run: Any) -> None:
    result = run("select", "--shape", "1x4096,8192x4096")
    assert result.code == 2
    assert "a table is of one N and one K; let only M vary" in result.err


def test_what_no_kernel_computes_says_why(run: Any) -> None:
    result = run("select", "--shape", "16x64x64", "--with", "a_type=f16", "--with", "b_type=f16")
    assert result.code == 2
    assert "no kernel computes gemm_f16_m16_n64_k64_f16_rv_cv_b: there is no kernel of gemm_f16" in result.err
