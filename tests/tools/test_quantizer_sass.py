"""What the compiled quantizers and kernels of pooling must look like, on every architecture of this build."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import MissingHardwareError
from immabench.packing import FRAGMENT_LAYOUTS
from immabench.profile import load_sass_facts
from immabench.profile.families import kernel_name

native = pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")

KERNELS = {kernel["id"]: kernel for kernel in native.companions() if kernel["family"] != "attention_s8"}
TYPES = ("f32", "f16", "bf16")
ALIGNMENTS = ("aligned", "ragged")
VARIANTS = {
    "quantize": [f"{t}{by} {a}" for t in TYPES for by in ("", " by column") for a in ALIGNMENTS],
    "dequantize": [f"{t}{by} {a}" for t in TYPES for by in ("", " by column") for a in ALIGNMENTS],
    "requantize": [f"{x} {a}" for x in ("s32 by 4", "s8 by 4", "s8 by 16") for a in ALIGNMENTS],
    "pack_s4": list(ALIGNMENTS),
    "unpack_s4": list(ALIGNMENTS),
    "max_pool2d_t1_sm80": [f"by {width}" for width in (16, 4, 1)],
    "avg_pool2d_t1_sm80": ["s8 by 16", "s8 by 4", "s8 by 1", "f32 by 4", "f32 by 1"],
    "avg_pool2d_t128_sm80": [f"by {width}" for width in (16, 4, 1)],
    "reorder_weights": [f"{layout.name} {a}" for layout in FRAGMENT_LAYOUTS.values() for a in ALIGNMENTS],
}


def variants(kernel: dict[str, Any]) -> list[str]:
    """The variants of a configuration's code."""
    if kernel["row_threads"] is None:
        return VARIANTS[kernel["id"] if kernel["window_threads"] else kernel["family"]]
    passes = ("", " streamed") if kernel["streams"] else ("",)
    types = [""] if kernel["operand_types"]["x"] == "s32" else [f"{t} " for t in TYPES]
    return [f"{t}{a}{again}" for t in types for a in ALIGNMENTS for again in passes]


@pytest.fixture(scope="module")
def facts() -> list[dict[str, Any]]:
    try:
        kernels = load_sass_facts()["kernels"]
    except MissingHardwareError as error:
        pytest.skip(str(error))
    return [kernel for kernel in kernels if kernel["kernel_id"] in KERNELS]


def names(kernels: list[dict[str, Any]]) -> list[str]:
    return [f"{kernel['kernel_id']} {kernel['variant']} {kernel['arch']}" for kernel in kernels]


def test_every_compiled_quantizer_is_described(facts: list[dict[str, Any]]) -> None:
    expected = {
        (name, variant, arch)
        for name, kernel in KERNELS.items()
        for variant in variants(kernel)
        for arch in native.build_info()["architectures"]
    }
    found = [(kernel["kernel_id"], kernel["variant"], kernel["arch"]) for kernel in facts]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_threads_and_shared_memory_are_those_of_the_table(facts: list[dict[str, Any]]) -> None:
    for fact in facts:
        kernel = KERNELS[fact["kernel_id"]]
        assert (fact["threads"], fact["dynamic_shared_bytes"]) == (kernel["threads"], kernel["shared_bytes"])


def test_no_spills_and_no_local_memory(facts: list[dict[str, Any]]) -> None:
    leaky = [kernel for kernel in facts if kernel["stack_bytes"] or kernel["local_loads"] or kernel["local_stores"]]
    assert names(leaky) == []


def test_two_blocks_fit_a_multiprocessor(facts: list[dict[str, Any]]) -> None:
    """So that one loads while the other computes."""
    assert names([kernel for kernel in facts if kernel["occupancy"]["blocks_per_sm"] < 2]) == []


def test_calls_are_of_divisions_and_roots_alone(facts: list[dict[str, Any]]) -> None:
    """IEEE division and square root call a routine for what are no ordinary numbers; nothing else is called."""
    for kernel in facts:
        multiplies = kernel["kernel_id"].startswith(("dequantize", "pack", "unpack", "reorder", "max_pool2d"))
        divides = set() if multiplies else {"div_rn_noftz_f32_slowpath"}
        root = {"sqrt_rn_f32_slowpath"} if kernel["kernel_id"].startswith("layernorm") else set()
        assert set(kernel["calls"]) == divides | root, names([kernel])


def test_aligned_variants_load_in_vectors(facts: list[dict[str, Any]]) -> None:
    """An element a load would need far more of them: here each row of 64 elements a thread takes 8 or 16."""
    for kernel in facts:
        if kernel["kernel_id"] == "quantize_dynamic_t256_sm80" and kernel["variant"].endswith("aligned"):
            assert kernel["histogram"]["LDG"] == (16 if kernel["variant"].startswith("f32") else 8), names([kernel])


def test_reordering_takes_its_loads_and_shuffles_and_no_shared_memory(facts: list[dict[str, Any]]) -> None:
    """4 blocks a warp: two loads, four shuffles and a store each."""
    for kernel in facts:
        if kernel["kernel_id"].startswith("reorder") and kernel["variant"].endswith("aligned"):
            counts = {name: kernel["histogram"].get(name, 0) for name in ("LDG", "SHFL", "STG", "LDS", "STS", "BAR")}
            assert counts == {"LDG": 8, "SHFL": 16, "STG": 4, "LDS": 0, "STS": 0, "BAR": 0}, names([kernel])


def test_maxima_are_of_four_bytes_at_once(facts: list[dict[str, Any]]) -> None:
    """Three pixels of 16 channels in flight: sm_90 has maxima of pairs, two a word; others take four bitwise ones."""
    for kernel in facts:
        if (kernel["kernel_id"], kernel["variant"]) == ("max_pool2d_t1_sm80", "by 16"):
            assert kernel["histogram"]["LDG"] == 3, names([kernel])
            opcode, count = ("VIMNMX", 24) if kernel["arch"] == "sm_90a" else ("LOP3", 48)
            assert kernel["histogram"][opcode] >= count, names([kernel])


def test_sums_take_one_instruction_a_channel(facts: list[dict[str, Any]]) -> None:
    """dp4a with a byte of 1, of three pixels of 16 channels."""
    for kernel in facts:
        if kernel["kernel_id"].startswith("avg_pool2d") and kernel["variant"].endswith("by 16"):
            assert kernel["histogram"]["IDP"] == 3 * 16, names([kernel])


def test_names_of_symbols() -> None:
    config = "NS_13RowConfigTypeILi128ELi64ELb0EEE"
    symbol = f"_ZN9immabench4cuda25layernorm_quantize_kernelINS0_11ElementBF16E{config}Lb0ELb1EEEvNS0_27LayerNormE"
    name = kernel_name(symbol)
    assert name is not None
    assert (name.kernel_id, name.variant, name.threads) == ("layernorm_quantize_t128_sm80", "bf16 ragged", 128)
    assert name.shared_bytes == 4 * (2 * 128 + 3 * 4)
    softmax = kernel_name(
        f"_ZN9immabench4cuda23softmax_quantize_kernelI{config}Lb1ELb0EEEvNS0_25SoftmaxQuantizeParametersE"
    )
    assert softmax is not None
    assert (softmax.kernel_id, softmax.variant) == ("softmax_quantize_t128_sm80", "aligned streamed")
    reorder = kernel_name(
        "_ZN9immabench4cuda22reorder_weights_kernelINS0_5W4M16ELb0EEEvNS0_24ReorderWeightsParametersE"
    )
    assert reorder is not None
    assert (reorder.kernel_id, reorder.variant) == ("reorder_weights_t256_sm80", "w4m16 ragged")
    dequantize = kernel_name("_ZN9immabench4cuda17dequantize_kernelINS0_10ElementF32ELb1ELb1EEEvNS0_20ParametersE")
    assert dequantize is not None
    assert (dequantize.kernel_id, dequantize.variant) == ("dequantize_t256_sm80", "f32 by column aligned")
    average = kernel_name("_ZN9immabench4cuda17avg_pool2d_kernelIfLi4EEEvNS0_17AvgPoolParametersE")
    assert average is not None
    assert (average.kernel_id, average.variant, average.threads) == ("avg_pool2d_t1_sm80", "f32 by 4", 256)
    block = kernel_name("_ZN9immabench4cuda23avg_pool2d_block_kernelILi16EEEvNS0_17AvgPoolParametersE")
    assert block is not None
    assert (block.kernel_id, block.variant, block.shared_bytes) == ("avg_pool2d_t128_sm80", "by 16", 512)
