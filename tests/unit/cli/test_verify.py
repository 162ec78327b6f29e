"""`immabench verify`."""

from __future__ import annotations

from typing import Any

KERNEL = "imma_s8s8s32_64x64x64_w2x2_s4_sm80"


def test_json_contract(run: Any) -> None:
    data = run("verify", "--kernel", KERNEL, "--shape", "3x5x7", "--json").data
    assert {name: data[name] for name in ("checked", "failed", "skipped")} == {"checked": 4, "failed": 0, "skipped": 0}
    result = data["results"][0]
    assert (result["id"], result["shape"], result["device"], result["status"]) == (KERNEL, [3, 5, 7], "emulated", "ok")


def test_one_order_and_output_type(run: Any, fake_native: Any) -> None:
    run("verify", "--shape", "3x5x7", "--order", "reverse", "--output-type", "bf16")
    assert fake_native.orders_seen == ["reverse"] * 3


def test_a_wrong_kernel_exits_1_and_says_where(run: Any, fake_native: Any) -> None:
    fake_native.corrupt.add(KERNEL)
    result = run("verify", "--shape", "3x5x7", "--output-type", "s32")
    assert result.code == 1
    assert result.out == "3 checked, 1 failed, 0 skipped\n"
    assert "3x5x7 s32: order forward: 1 of 15 elements differ, first C[2,4]" in result.err


def test_skipped_is_counted_apart(run: Any, fake_native: Any) -> None:
    fake_native.illegal[KERNEL] = "K is odd"
    result = run("verify", "--kernel", KERNEL, "--shape", "3x5x7")
    assert (result.code, result.out) == (0, "0 checked, 0 failed, 4 skipped\n")
