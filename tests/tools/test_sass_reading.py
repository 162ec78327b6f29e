"""Reading SASS, on a recorded disassembly of tests/tools/data/sample_kernels.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from immabench.profile.families import kernel_name
from immabench.profile.loops import natural_loops
from immabench.profile.sass import Instruction, callees, classify, describe_kernel, parse_listing, parse_resources

DATA = Path(__file__).parent / "data"
ALIGNED = "_Z15mma_gemm_kernelI16RowMajorOperandsI2S8E9MmaConfigILi128ELi64ELi64ELi2ELi2ELi3ELi1EELb1EEvPKiPii"
RAGGED = "_Z15mma_gemm_kernelI16RowMajorOperandsI2S8E9MmaConfigILi16ELi128ELi64ELi1ELi4ELi2ELi1EELb0EEvPKiPii"
HELPER = "_Z6helperPi"


@pytest.fixture(scope="module")
def listing() -> dict[str, list[Instruction]]:
    return parse_listing((DATA / "sample_kernels.sm_80.json").read_text())


@pytest.fixture(scope="module")
def resources() -> dict[str, dict[str, int]]:
    return parse_resources((DATA / "sample_kernels.sm_80.resources.txt").read_text())


def facts(symbol: str, listing: dict[str, list[Instruction]], resources: dict[str, dict[str, int]]) -> dict[str, Any]:
    found = describe_kernel(symbol, "sm_80", listing[symbol], resources[symbol])
    assert found is not None
    return found


def test_resources_of_every_function(resources: dict[str, dict[str, int]]) -> None:
    assert set(resources) == {ALIGNED, RAGGED, HELPER}
    assert (resources[RAGGED]["REG"], resources[RAGGED]["STACK"]) == (20, 128)


def test_listing_has_addresses_predicates_and_operands(listing: dict[str, list[Instruction]]) -> None:
    branch = next(line for line in listing[ALIGNED] if line.mnemonic == "BRA")
    assert (branch.address, branch.predicate, branch.operands) == (0x60, "@!P0", "0x230")


def test_clean_kernel(listing: dict[str, list[Instruction]], resources: dict[str, dict[str, int]]) -> None:
    kernel = facts(ALIGNED, listing, resources)
    assert kernel["kernel_id"] == "imma_s8s8s32_128x64x64_w2x2_s3_sm80"
    assert kernel["variant"] == "aligned"
    assert (kernel["threads"], kernel["dynamic_shared_bytes"]) == (128, 3 * (128 + 64) * 64)
    assert (kernel["registers"], kernel["stack_bytes"], kernel["spills"], kernel["calls"]) == (18, 0, 0, {})
    assert kernel["mma"] == {"IMMA.16832.S8.S8": 3}


def test_calls_are_those_of_routines_and_not_jumps_out_of_loops() -> None:
    operands = ["$__internal_1_$__cuda_sm3x_div_rn_noftz_f32_slowpath", "0x2140", "helper", "helper"]
    code = [Instruction(16 * i, "CALL.REL.NOINC", name) for i, name in enumerate(operands)]
    assert callees(code) == ["div_rn_noftz_f32_slowpath", "helper", "helper"]


def test_main_loop_is_the_innermost_one_with_multiplies(
    listing: dict[str, list[Instruction]], resources: dict[str, dict[str, int]]
) -> None:
    loop = facts(ALIGNED, listing, resources)["main_loop"]
    # 0x120 to 0x1f0, less the padding instruction that never runs
    assert (loop["instructions"], loop["mma"]) == (13, {"IMMA.16832.S8.S8": 2})
    assert loop["mix"] == {"integer and moves": 9, "matrix multiply": 2, "control flow": 1, "global memory": 1}


def test_local_memory_is_seen(listing: dict[str, list[Instruction]], resources: dict[str, dict[str, int]]) -> None:
    kernel = facts(RAGGED, listing, resources)
    assert kernel["variant"] == "ragged"
    assert (kernel["stack_bytes"], kernel["local_loads"], kernel["local_stores"]) == (128, 1, 1)
    # Two stages of (16 + 128) x 64 bytes, more than the epilogue's 16 rows of 128 int32.
    assert kernel["dynamic_shared_bytes"] == 18432


def test_helpers_are_no_kernels(listing: dict[str, list[Instruction]]) -> None:
    assert describe_kernel(HELPER, "sm_80", listing[HELPER], {}) is None


def test_id_from_a_symbol_inside_namespaces() -> None:
    operands, config = "NS0_16RowMajorOperandsIN4simt4cuda2S8EEE", "NS_9MmaConfigILi16ELi64ELi128ELi1ELi4ELi5ELi1EEE"
    symbol = f"_ZN9immabench4cuda15mma_gemm_kernelI{operands}{config}Lb0EEEvNS0_17MmaGemmParametersIT_EE"
    name = kernel_name(symbol)
    assert name is not None
    assert (name.kernel_id, name.variant) == ("imma_s8s8s32_16x64x128_w1x4_s5_sm80", "ragged")


@pytest.mark.parametrize(("operands", "prefix"), [("MatrixBoxes", "wgmma"), ("ImageBoxes", "wgmma_conv")])
def test_id_of_a_kernel_by_wgmma_from_its_operands(operands: str, prefix: str) -> None:
    config = "NS_11WgmmaConfigILi64ELi64ELi128ELi1ELi1ELi1ELi8ELi6ELb0EEE"
    symbol = (
        f"_ZN9immabench4cuda15wgmma_s8_kernelINS0_{len(operands)}{operands}E{config}Lb1EEEvNS0_17WgmmaS8ParametersIT_EE"
    )
    name = kernel_name(symbol)
    assert name is not None
    assert (name.kernel_id, name.variant, name.only_on) == (
        f"{prefix}_s8s8s32_64x64x128_w1_k8_s6_sm90a",
        "aligned",
        "sm_90a",
    )
    assert (name.threads, name.shared_bytes) == (256, 1024 + 6 * (64 + 64) * 128 + 2 * 6 * 8)


@pytest.mark.parametrize(
    ("instance", "types", "never_on"),
    [
        ("12GemmInstanceILi8E", "cutlass_s8s8s32", ""),
        ("12GemmInstanceILi4E", "cutlass_s4s4s32", "sm_90a"),
        ("13FpropInstanceI", "cutlass_conv_s8s8s32", ""),
    ],
)
def test_id_of_a_kernel_of_cutlass(instance: str, types: str, never_on: str) -> None:
    config = "NS_9MmaConfigILi256ELi128ELi64ELi4ELi2ELi3ELi1EEEEE"
    name = kernel_name(f"_ZN9immabench4cuda14cutlass_kernelINS0_{instance}{config}EEvNT_10ParametersE")
    assert name is not None
    assert (name.kernel_id, name.variant) == (f"{types}_256x128x64_w4x2_s3_sm80", "aligned")
    assert (name.threads, name.never_on) == (256, never_on)
    assert name.shared_bytes == 3 * (256 + 128) * 64 // (2 if never_on else 1)


@pytest.mark.parametrize(
    ("tile", "kernel_id", "threads", "shared_bytes"),
    [
        ((64, 64, 256, 1, 8, 7, 0), "64x64x256_w1_c1x8_s7", 256, 1024 + 7 * (64 + 64) * 256),
        ((64, 64, 256, 1, 1, 7, 0), "64x64x256_w1_s7", 256, 1024 + 7 * (64 + 64) * 256),
        ((64, 128, 128, 2, 1, 8, 1), "64x128x128_w2_c2x1_s8_pingpong", 384, 1024 + 8 * (64 + 128) * 128 + 4 * 8192),
        ((128, 256, 128, 2, 1, 4, 2), "128x256x128_w2_c2x1_s4_coop", 384, 1024 + 4 * (128 + 256) * 128 + 4 * 8192),
    ],
)
def test_id_of_a_kernel_of_cutlass_by_wgmma(
    tile: tuple[int, ...], kernel_id: str, threads: int, shared_bytes: int
) -> None:
    config = "NS_14Cutlass3ConfigI" + "".join(f"Li{number}E" for number in tile) + "EEEEEvNT_6Kernel6ParamsE"
    name = kernel_name(f"_ZN9immabench4cuda15cutlass3_kernelINS0_16Cutlass3InstanceI{config}")
    assert name is not None
    assert (name.kernel_id, name.variant, name.only_on) == (f"cutlass3_s8s8s32_{kernel_id}_sm90a", "aligned", "sm_90a")
    assert (name.threads, name.shared_bytes) == (threads, shared_bytes)


def program(*lines: str) -> list[Instruction]:
    """Instructions from "opcode operands" lines, an optional guard before."""
    code = []
    for index, line in enumerate(lines):
        predicate, rest = line.split(" ", 1) if line.startswith("@") else ("", line)
        opcode, _, operands = rest.partition(" ")
        code.append(Instruction(16 * index, opcode, operands, predicate))
    return code


def test_blocks_moved_out_of_line_belong_to_their_loop() -> None:
    code = program(
        "MOV R0",  # 0x00
        "IMMA R0",  # 0x10: head
        "@P0 BRA 0x60",  # 0x20: to the block out of line
        "IADD3 R0",  # 0x30
        "@P1 BRA 0x10",  # 0x40
        "EXIT",  # 0x50
        "LDG R0",  # 0x60
        "BRA 0x30",  # 0x70: back into the loop
    )
    assert natural_loops(code) == [{1, 2, 3, 4, 6, 7}]


def test_divergent_threads_meet_again_inside_the_loop() -> None:
    code = program(
        "MOV R0",  # 0x00
        "BSSY B0,0x50",  # 0x10: head
        "@P0 BRA 0x70",  # 0x20
        "IADD3 R0",  # 0x30
        "BSYNC B0",  # 0x40
        "@P1 BRA 0x10",  # 0x50
        "EXIT",  # 0x60
        "LDG R0",  # 0x70: out of line
        "BSYNC B0",  # 0x80
    )
    assert natural_loops(code) == [{1, 2, 3, 4, 5, 7, 8}]


def test_a_jump_whose_target_can_be_bypassed_is_no_loop() -> None:
    code = program("@P0 BRA 0x20", "MOV R0", "IADD3 R0", "@P1 BRA 0x10", "EXIT")
    assert natural_loops(code) == []


@pytest.mark.parametrize(
    ("mnemonic", "expected"),
    [
        ("IMMA", "matrix multiply"),
        ("IGMMA", "matrix multiply"),
        ("HFMA2", "floating point"),
        ("LDSM", "matrix load"),
        ("LDGSTS", "async copy"),
        ("UTMALDG", "async copy"),
        ("STS", "shared memory"),
        ("STL", "local memory"),
        ("BAR", "barrier"),
        ("FMUL", "floating point"),
        ("I2FP", "floating point"),
        ("IMAD", "integer and moves"),
        ("FLO", "integer and moves"),
    ],
)
def test_classes(mnemonic: str, expected: str) -> None:
    assert classify(mnemonic) == expected
