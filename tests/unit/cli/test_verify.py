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


def test_quantizers_are_verified_too(run: Any, fake_native: Any) -> None:
    fake_native.has_companions = True
    data = run("verify", "--kernel", "quantize", "--json").data
    assert (data["failed"], data["skipped"]) == (0, 0)
    assert data["checked"] == len(data["results"]) == 18 * 6
    assert {result["output_type"] for result in data["results"]} == {"s8", "s4"}
    assert all(len(result["shape"]) == 2 for result in data["results"])


def test_a_shape_is_for_the_kernels_that_take_it(run: Any, fake_native: Any) -> None:
    fake_native.has_companions = True
    assert run("verify", "--shape", "3x5x7", "--output-type", "s32").out == "3 checked, 0 failed, 0 skipped\n"
    assert run("verify", "--shape", "3x6", "--output-type", "s4").out == "9 checked, 0 failed, 0 skipped\n"
    mixed = run("verify", "--shape", "3x6", "--shape", "3x5x7", "--output-type", "s8")
    assert mixed.out == "12 checked, 0 failed, 0 skipped\n"
    wrong = run("verify", "--kernel", "quantize*", "--shape", "3x5x7")
    assert (wrong.code, wrong.out) == (2, "")
    assert "shape '3x5x7' is not ROWSxCOLUMNS; write for example 64x768" in wrong.err
    assert "is not MxNxK or ROWSxCOLUMNS" in run("verify", "--shape", "3").err


def test_a_wrong_quantizer_is_named_with_its_types(run: Any, fake_native: Any) -> None:
    fake_native.has_companions = True
    fake_native.corrupt.add("quantize_t256_sm80")
    result = run("verify", "--kernel", "quantize", "--shape", "3x5", "--output-type", "s8")
    assert (result.code, result.out) == (1, "9 checked, 9 failed, 0 skipped\n")
    assert "  3x5 bf16 s8 column: order forward: codes: 1 of 15 elements differ, first [2,4]" in result.err


def test_output_types_that_no_quantizer_has_select_nothing(run: Any, fake_native: Any) -> None:
    fake_native.has_companions = True
    result = run("verify", "--kernel", "quantize", "--output-type", "s32")
    assert (result.code, result.out) == (5, "")
    assert "no kernel selected gives s32; widen --output-type" in result.err


def test_skipped_is_counted_apart(run: Any, fake_native: Any) -> None:
    fake_native.illegal[KERNEL] = "K is odd"
    result = run("verify", "--kernel", KERNEL, "--shape", "3x5x7")
    assert (result.code, result.out) == (0, "0 checked, 0 failed, 4 skipped\n")


def test_a_batch_is_an_option_and_named_where_it_is_wrong(run: Any, fake_native: Any) -> None:
    options = ("--kernel", KERNEL, "--shape", "3x5x7", "--output-type", "s32", "--with", "batch=2")
    data = run("verify", *options, "--json").data
    assert (data["results"][0]["batch"], data["results"][0]["status"]) == (2, "ok")
    fake_native.corrupt.add(KERNEL)
    assert "3x5x7 batch=2 s32: order forward: 1 of 30 elements differ, first C[" in run("verify", *options).err


def test_every_kernel_is_given_a_batch_beside_its_edges(run: Any) -> None:
    data = run("verify", "--kernel", KERNEL, "--order", "forward", "--output-type", "s32", "--json").data
    assert [result["batch"] for result in data["results"]].count(3) == 1


def test_options_nobody_computes_are_no_success(run: Any, fake_native: Any) -> None:
    fake_native.illegal[KERNEL] = "computes one product"
    result = run("verify", "--kernel", KERNEL, "--shape", "3x5x7", "--with", "batch=2")
    assert result.code == 5
    assert "none of these kernels computes that: computes one product; leave --with out" in result.err


def test_kernels_of_others_are_verified_on_a_gpu_alone(run: Any, fake_native: Any) -> None:
    fake_native.has_cutlass = True
    data = run("verify", "--shape", "3x5x7", "--output-type", "s32", "--json").data
    assert {check["id"].split("_")[0] for check in data["results"]} == {"imma"}
    result = run("verify", "--kernel", "cutlass*", "--shape", "3x5x7")
    assert result.code == 5
    assert "cutlass_s8s8s32_64x64x128_w2x2_s5_sm80 runs on a GPU alone" in " ".join(result.err.split())
    assert "--device cuda" in result.err
