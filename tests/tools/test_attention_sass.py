"""What compiled attention must look like, on every architecture of this build."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import MissingHardwareError
from immabench.profile import load_sass_facts
from immabench.profile.families import kernel_name

native = pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")

KERNELS = {kernel["id"]: kernel for kernel in native.companions() if kernel["family"] == "attention_s8"}
STEP = 32
"""Depth, and keys, that one matrix instruction adds up; it has 8 columns."""


@pytest.fixture(scope="module")
def facts() -> list[dict[str, Any]]:
    try:
        kernels = load_sass_facts()["kernels"]
    except MissingHardwareError as error:
        pytest.skip(str(error))
    return [kernel for kernel in kernels if kernel["kernel_id"] in KERNELS]


def names(kernels: list[dict[str, Any]]) -> list[str]:
    return [f"{kernel['kernel_id']} {kernel['arch']}" for kernel in kernels]


def test_every_compiled_tile_is_described(facts: list[dict[str, Any]]) -> None:
    expected = {(name, arch) for name in KERNELS for arch in native.build_info()["architectures"]}
    assert {(kernel["kernel_id"], kernel["arch"]) for kernel in facts} == expected
    assert len(facts) == len(expected)
    for fact in facts:
        kernel = KERNELS[fact["kernel_id"]]
        assert (fact["threads"], fact["dynamic_shared_bytes"]) == (kernel["threads"], kernel["shared_bytes"])


def test_no_spills_and_no_local_memory(facts: list[dict[str, Any]]) -> None:
    leaky = [kernel for kernel in facts if kernel["stack_bytes"] or kernel["local_loads"] or kernel["local_stores"]]
    assert names(leaky) == []


def test_two_blocks_fit_a_multiprocessor(facts: list[dict[str, Any]]) -> None:
    assert names([kernel for kernel in facts if kernel["occupancy"]["blocks_per_sm"] < 2]) == []


def test_both_products_are_in_the_loop_once(facts: list[dict[str, Any]]) -> None:
    """Signed scores, and unsigned codes by signed values with a column of ones: no second copy for either pass."""
    for kernel in facts:
        _, keys, depth = KERNELS[kernel["kernel_id"]]["block_tile"]
        products = {
            "IMMA.16832.S8.S8": keys // 8 * (depth // STEP),
            "IMMA.16832.U8.S8": keys // STEP * (depth // 8 + 1),
        }
        assert kernel["mma"] == kernel["main_loop"]["mma"] == products, names([kernel])


def test_the_exponential_is_arithmetic_alone(facts: list[dict[str, Any]]) -> None:
    """No table, no approximation by the multifunction unit, no conversion: 32 codes and keys of a tile."""
    for kernel in facts:
        histogram = kernel["main_loop"]["histogram"]
        assert not {"MUFU", "I2F", "F2I", "I2FP", "FRND", "FFMA"} & set(histogram), names([kernel])
        codes = KERNELS[kernel["kernel_id"]]["block_tile"][1] // 2
        assert (histogram["FADD"], histogram["FMUL"]) == (9 * codes, 5 * codes), names([kernel])


def test_divisions_alone_are_calls(facts: list[dict[str, Any]]) -> None:
    for kernel in facts:
        assert set(kernel["calls"]) == {"div_rn_noftz_f32_slowpath"}, names([kernel])


def test_names_of_symbols() -> None:
    symbol = "_ZN9immabench4cuda19attention_s8_kernelINS_15AttentionConfigILi4ELi128ELi64ELi2ELi2EEEEEvNS0_19AttentionE"
    name = kernel_name(symbol)
    assert name is not None
    assert (name.kernel_id, name.variant) == ("attention_s8_64x128_d64_s2_sm80", "aligned")
    assert (name.threads, name.shared_bytes) == (128, 64 * 64 + 2 * 2 * 128 * 64)
