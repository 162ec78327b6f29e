"""What the compiled kernels must look like, on every architecture of this build."""

from __future__ import annotations

from typing import Any

import pytest

from immabench.errors import MissingHardwareError
from immabench.kernels import KernelConfig, cutlass_configs, kernel_config, kernel_configs
from immabench.profile import load_sass_facts

native = pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")


@pytest.fixture(scope="module")
def facts() -> list[dict[str, Any]]:
    try:
        kernels: list[dict[str, Any]] = load_sass_facts()["kernels"]
    except MissingHardwareError as error:
        pytest.skip(str(error))
    others = {kernel["id"] for kernel in native.companions()}
    return [kernel for kernel in kernels if kernel["kernel_id"] not in others]


def names(kernels: list[dict[str, Any]]) -> list[str]:
    return [f"{kernel['kernel_id']} {kernel['variant']} {kernel['arch']}" for kernel in kernels]


def compiled() -> tuple[KernelConfig, ...]:
    """The configurations this build has code of."""
    return (*kernel_configs(), *(cutlass_configs() if native.build_info()["cutlass_version"] else ()))


def variants(config: KernelConfig) -> tuple[str, ...]:
    """Fragment-major weights come with rows of activations on 16 bytes, as do images by tensor maps and what CUTLASS
    takes; others any way."""
    aligned_alone = config.weight_layout == "fragment_major" or config.id.startswith(("wgmma_conv", "cutlass"))
    return ("aligned",) if aligned_alone else ("aligned", "ragged")


def test_every_compiled_kernel_is_described(facts: list[dict[str, Any]]) -> None:
    expected = {
        (config.id, variant, arch)
        for config in compiled()
        for variant in variants(config)
        for arch in native.build_info()["architectures"]
        if (arch == "sm_90a" or not config.by_wgmma) and (arch != "sm_90a" or config.family != "gemm_w4a4")
    }
    assert {(kernel["kernel_id"], kernel["variant"], kernel["arch"]) for kernel in facts} == expected


def test_threads_and_shared_memory_are_those_of_the_table(facts: list[dict[str, Any]]) -> None:
    configs = {config.id: config for config in compiled()}
    for kernel in facts:
        config = configs[kernel["kernel_id"]]
        assert (kernel["threads"], kernel["dynamic_shared_bytes"]) == (config.threads, config.shared_bytes)


def test_no_spills_and_no_local_memory(facts: list[dict[str, Any]]) -> None:
    leaky = [kernel for kernel in facts if kernel["stack_bytes"] or kernel["local_loads"] or kernel["local_stores"]]
    assert names(leaky) == []


def test_no_calls_in_the_main_loop(facts: list[dict[str, Any]]) -> None:
    assert names([kernel for kernel in facts if kernel["main_loop"]["calls"]]) == []


def test_nothing_is_called_but_the_division_of_int8_outputs(facts: list[dict[str, Any]]) -> None:
    """IEEE division calls a routine for operands that are no ordinary numbers.

    Of tiles that blocks share one block goes on to the epilogue: there the compiler has a routine gather a warp that it
    cannot see is still together.
    """
    division = {"div_rn_noftz_f32_slowpath"}
    for kernel in facts:
        config = kernel_config(kernel["kernel_id"])
        shares = config.streamed or (config.split_k > 1 and config.mma.startswith("m16"))
        gathers = {"warpsync"} if shares else set()
        assert set(kernel["calls"]) - gathers == division, names([kernel])


def of(family: str, facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [kernel for kernel in facts if kernel["kernel_id"].startswith(family)]


def wgmma(kernel: dict[str, Any]) -> str:
    """The machine's name of the instruction that the table gives, m64nNk32 of integers or m64nNk16 of floats."""
    config = kernel_config(kernel["kernel_id"])
    n, k = config.mma.removeprefix("m64n").split("k")
    ending = {"s8": ".S8.S8", "f16": ".F32", "bf16": ".F32.BF16"}[config.operand_types["a"]]
    return f"{'I' if k == '32' else 'H'}GMMA.64x{n}x{k}{ending}"


def is_packed(kernel: dict[str, Any]) -> bool:
    return kernel_config(kernel["kernel_id"]).weight_layout == "fragment_major"


MMA = {
    ("m16n8k32", "s8"): "IMMA.16832.S8.S8",
    ("m16n8k64", "s4"): "IMMA.16864.S4.S4",
    ("m16n8k256", "b1"): "BMMA.168256.AND.POPC",
    ("m16n8k16", "f16"): "HMMA.16816.F32",
    ("m16n8k16", "bf16"): "HMMA.16816.F32.BF16",
}
"""The machine's names of the instructions by mma.sync."""


def mma_of(config: KernelConfig) -> str:
    return MMA[config.mma, config.operand_types["a"]]


def multiplies_a_k_tile(config: KernelConfig) -> int:
    """Matrix instructions of a warp by mma.sync for a tile of K."""
    warp_m, warp_n = config.warp_tile
    return warp_m // 16 * (warp_n // 8) * (config.block_tile[2] // int(config.mma.split("k")[1]))


def by_mma_sync(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return of("imma", facts) + of("bmma", facts) + of("hmma", facts)


def test_the_native_matrix_instruction_and_no_other(facts: list[dict[str, Any]]) -> None:
    for kernel in by_mma_sync(facts):
        assert set(kernel["mma"]) == {mma_of(kernel_config(kernel["kernel_id"]))}, names([kernel])
    assert names([kernel for kernel in of("wgmma", facts) if set(kernel["mma"]) != {wgmma(kernel)}]) == []


def test_cutlass_multiplies_by_the_same_instructions(facts: list[dict[str, Any]]) -> None:
    """Saturating ones, which is the same up to the K that is legal; each K tile once, behind one barrier."""
    for kernel in of("cutlass_", facts):
        config = kernel_config(kernel["kernel_id"])
        assert set(kernel["mma"]) == {f"{mma_of(config)}.SAT"}, names([kernel])
        loop = kernel["main_loop"]
        assert loop["mma"] == {f"{mma_of(config)}.SAT": multiplies_a_k_tile(config)}, names([kernel])
        assert loop["histogram"]["BAR"] == 1, names([kernel])


def test_cutlass_by_wgmma_fetches_and_multiplies_as_ours_do(facts: list[dict[str, Any]]) -> None:
    """By tensor maps of three dimensions, the product of a batch the last; a fence and a wait a stage."""
    for kernel in of("cutlass3", facts):
        config, loop = kernel_config(kernel["kernel_id"]), kernel["main_loop"]
        assert set(kernel["mma"]) == {wgmma(kernel)}, names([kernel])
        assert {opcode.split(".")[1] for opcode in kernel["copies"] if opcode.startswith("UTMALDG")} == {"3D"}
        assert any("MULTICAST" in opcode for opcode in kernel["copies"]) == (config.cluster != (1, 1)), names([kernel])
        assert "UTMASTG" in kernel["histogram"], names([kernel])
        assert ("USETMAXREG" in kernel["histogram"]) == (config.threads > 256), names([kernel])
        assert loop["mma"] == {wgmma(kernel): config.warp_tile[0] // 64 * (config.block_tile[2] // 32)}, names([kernel])
        assert loop["histogram"]["WARPGROUP"] == 2, names([kernel])


def test_wgmma_kernels_fetch_and_store_by_the_copy_engine(facts: list[dict[str, Any]]) -> None:
    for kernel in of("wgmma", facts):
        config, copies = kernel_config(kernel["kernel_id"]), kernel["histogram"]
        aligned, gathers = kernel["variant"] == "aligned", config.swapped or config.split_k > 1
        assert ("UTMALDG" in copies) == aligned, names([kernel])
        assert ("UTMASTG" in copies) == (aligned and not gathers), names([kernel])
        assert ("USETMAXREG" in copies) == (config.threads > 256), names([kernel])


def test_registers_that_warpgroups_exchange_are_there(facts: list[dict[str, Any]]) -> None:
    """Tiles are built for as many as a block that is alone begins with: with fewer, consumers would wait forever."""
    for kernel in of("wgmma", facts):
        if "USETMAXREG" in kernel["histogram"]:
            assert kernel["registers"] == 65536 // kernel["threads"] // 8 * 8, names([kernel])


def test_images_come_by_im2col_and_filters_by_boxes(facts: list[dict[str, Any]]) -> None:
    for kernel in of("wgmma", facts):
        loads = {opcode for opcode in kernel["copies"] if opcode.startswith("UTMALDG")}
        by_im2col = {opcode for opcode in loads if "IM2COL" in opcode}
        if kernel["kernel_id"].startswith("wgmma_conv"):
            assert by_im2col == {"UTMALDG.4D.IM2COL"}, names([kernel])
            # Filters by channel, tap and number; packed ones, and what their groups have, by rows of blocks.
            boxes = "2D" if is_packed(kernel) else "3D"
            assert {opcode.split(".")[1] for opcode in loads - by_im2col} == {boxes}, names([kernel])
        else:
            assert by_im2col == set(), names([kernel])


def test_multicast_is_in_the_code_of_clusters_that_share_operands(facts: list[dict[str, Any]]) -> None:
    for kernel in of("wgmma", facts):
        shares = kernel_config(kernel["kernel_id"]).cluster != (1, 1)
        multicasts = any("MULTICAST" in opcode for opcode in kernel["copies"])
        assert multicasts == (shares and kernel["variant"] == "aligned"), names([kernel])


def test_wgmma_waits_once_a_stage(facts: list[dict[str, Any]]) -> None:
    """ptxas serialises wgmma, with a remark, where registers are touched under way: then each would be waited for."""
    for kernel in of("wgmma", facts):
        if is_packed(kernel):
            continue
        config, loop = kernel_config(kernel["kernel_id"]), kernel["main_loop"]
        groups = config.warp_tile[1 if config.swapped else 0] // 64
        stages, left = divmod(loop["mma"][wgmma(kernel)], config.block_tile[2] // 32 * groups)
        assert (left, stages >= 1) == (0, True), names([kernel])
        assert loop["histogram"]["WARPGROUP"] == 2 * stages, names([kernel])  # wgmma.fence and wgmma.wait_group


def test_packed_weights_are_unpacked_while_others_are_multiplied(facts: list[dict[str, Any]]) -> None:
    """One wait and one fence each half of a stage; where floats scale groups, another of each at a group's start."""
    for kernel in filter(is_packed, of("wgmma", facts)):
        config, loop = kernel_config(kernel["kernel_id"]), kernel["main_loop"]
        half = 2 if config.operand_types["a"] == "s8" else 4
        halves, left = divmod(loop["mma"][wgmma(kernel)], half)
        assert (left, halves >= 1) == (0, True), names([kernel])
        float_groups = config.group_scale == "float" and config.operand_types["a"] == "s8"
        waits = loop["histogram"]["WARPGROUP"]
        assert waits <= 4 * 2 * halves if float_groups else waits == 2 * halves, names([kernel])


UNPACKING = ("LOP3", "SHF", "IMAD", "PRMT", "HADD2", "HFMA2", "HMUL2", "LDS")
"""What unpacking for wgmma is made of, and below at most how many of them there are for a weight."""

AN_ELEMENT = {
    "s8s4s32": 0.5,
    "s8u4s32": 1.2,
    "s8u4f32": 1.4,
    "f16u4f32": 1.95,
    "bf16u4f32": 2.2,
    "f16s8f32": 1.45,
    "bf16s8f32": 1.95,
}


def test_unpacking_takes_few_instructions_an_element(facts: list[dict[str, Any]]) -> None:
    """Loads, parameters and addresses included. A thread has 64 of a stage's weights: 4 steps of s8, 8 of 16 bits."""
    for kernel in filter(is_packed, of("wgmma", facts)):
        types, loop = (
            kernel["kernel_id"].removeprefix("wgmma_").removeprefix("conv_").split("_")[0],
            kernel["main_loop"],
        )
        elements = 64 * loop["mma"][wgmma(kernel)] / (4 if types.startswith("s8") else 8)
        spent = sum(loop["histogram"].get(name, 0) for name in UNPACKING)
        assert spent <= AN_ELEMENT[types] * elements, (names([kernel]), spent / elements)


def test_the_main_loop_is_found_with_all_its_multiplies(facts: list[dict[str, Any]]) -> None:
    for kernel in by_mma_sync(facts):
        config = kernel_config(kernel["kernel_id"])
        a_k_tile = multiplies_a_k_tile(config)
        multiplies = kernel["main_loop"]["mma"][mma_of(config)]
        # The compiler may unroll the loop over K tiles.
        assert multiplies % a_k_tile == 0, f"{multiplies} multiplies, {a_k_tile} a K tile"
        assert kernel["main_loop"]["histogram"]["BAR"] == multiplies // a_k_tile


# Of 8 weights that become 16-bit floats (parts/unpack_float.cuh): arithmetic of pairs, logic.
OF_EIGHT_WEIGHTS = {("f16", "u4"): (8, 4), ("bf16", "u4"): (8, 4), ("f16", "s8"): (4, 4), ("bf16", "s8"): (4, 8)}


def test_weights_become_floats_by_as_few_instructions_as_stated(facts: list[dict[str, Any]]) -> None:
    for kernel in of("hmma", facts):
        config, histogram = kernel_config(kernel["kernel_id"]), kernel["main_loop"]["histogram"]
        types = (config.operand_types["a"], config.operand_types["b"])
        (warp_m, warp_n), block_k = config.warp_tile, config.block_tile[2]
        k_tiles = kernel["main_loop"]["mma"][mma_of(config)] // (warp_m // 16 * (warp_n // 8) * (block_k // 16))
        arithmetic, logic = (each * k_tiles * warp_n * block_k // 32 // 8 for each in OF_EIGHT_WEIGHTS[types])
        # In f16 the zero points of row r + 8 take one subtraction more, for each of the four groups a tile may have.
        groups = 4 * k_tiles * warp_n // 16 if types == ("f16", "u4") else 0
        assert sum(histogram.get(name, 0) for name in ("HADD2", "HMUL2", "HFMA2")) == arithmetic + groups, names(
            [kernel]
        )
        # Some more is of addresses and of groups, but less than a second one for every pair.
        assert logic <= histogram["LOP3"] <= logic + 24 * k_tiles, names([kernel])


def test_a_block_fits_where_the_kernel_is_said_to_run(facts: list[dict[str, Any]]) -> None:
    configs = {config.id: config for config in compiled()}
    for kernel in facts:
        runs = kernel["arch"] in configs[kernel["kernel_id"]].architectures
        assert (kernel["occupancy"]["blocks_per_sm"] > 0) == runs, f"{kernel['kernel_id']} on {kernel['arch']}"
