"""The kernels of the CuTe DSL without a GPU: their machine code, and our launch of them against the DSL's own."""

from __future__ import annotations

import ctypes
import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from immabench.cute_dsl import PACKAGE, Specialization, compiler_lack, cubin_of, specializations
from immabench.cute_dsl.launch import launch_shape
from immabench.cute_dsl_tiles import cute_dsl_configs
from immabench.kernels import KernelConfig
from immabench.profile.sass import Instruction, main_loop, parse_listing

pytestmark = pytest.mark.oracle

RECORDER = Path(__file__).with_name("cute_dsl_launch.cpp")
CONFIGS = cute_dsl_configs()
ADDRESSES, STEPS, SIZES = (0x7F1000, 0x7F2000, 0x7F3000, 0x7F4000, 0x7F5000, 0x7F6000), (1, 0, 1), (1000, 777, 4112)

EXPORT = """
import ctypes, json, sys
from cutlass.runtime import find_runtime_libraries
for library in find_runtime_libraries(enable_tvm_ffi=False):
    ctypes.CDLL(library, ctypes.RTLD_GLOBAL)  # the export looks its functions up
from immabench.cute_dsl import Specialization
from immabench.cute_dsl.compiler import compiled_function
for config_id, folder in json.loads(sys.argv[1]):
    compiled_function(Specialization(config_id, "f16")).export_to_c(folder, "gemm", "gemm")
"""


@pytest.fixture(scope="module", autouse=True)
def package() -> None:
    if lack := compiler_lack():
        pytest.skip(f"{lack}: pip install {PACKAGE}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cute_dsl")


@pytest.fixture(params=specializations(), ids=lambda one: f"{one.config_id}_{one.output_type}")
def kernel(request: pytest.FixtureRequest) -> Specialization:
    one: Specialization = request.param
    return one


@pytest.fixture
def code(kernel: Specialization, folder: Path, nvdisasm: Path) -> list[Instruction]:
    """The instructions of one kernel."""
    cubin_of(kernel, folder)
    command = [nvdisasm, "-json", folder / kernel.file_name]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (instructions,) = parse_listing(listing).values()
    return instructions


def test_the_machine_code_is_what_a_fair_opponent_has(kernel: Specialization, code: list[Instruction]) -> None:
    opcodes = [line.opcode for line in code]
    mnemonics = {line.mnemonic for line in code}
    config = next(one for one in CONFIGS if one.id == kernel.config_id)
    assert {"IGMMA", "UTMALDG"} <= mnemonics
    assert not mnemonics & {"LDL", "STL"}, "registers are spilled"
    assert "FFMA" not in mnemonics, "the epilogue rounds a product and a sum at once"
    assert opcodes.count("UTMALDG.2D") == (2 if config.cluster == (1, 1) else 1)
    assert opcodes.count("UTMALDG.2D.MULTICAST") == (0 if config.cluster == (1, 1) else 1)
    assert "STG.E.64" in opcodes, "outputs are stored in pieces of sectors"
    assert ("FMUL" in mnemonics, "FADD" in mnemonics) == (kernel.output_type != "s32",) * 2


def test_the_main_loop_multiplies_a_whole_stage_at_once(kernel: Specialization, code: list[Instruction]) -> None:
    config = next(one for one in CONFIGS if one.id == kernel.config_id)
    loop = main_loop(code)
    assert loop is not None
    multiplies = [line.opcode for line in loop if line.is_matrix_multiply]
    assert multiplies == [f"IGMMA.64x{config.block_tile[1]}x32.S8.S8.SAT"] * (config.block_tile[2] // 32)
    places = [at for at, line in enumerate(loop) if line.is_matrix_multiply]
    between = {line.mnemonic for line in loop[places[0] : places[-1]]}
    assert not between & {"WARPGROUP", "BAR", "SYNCS"}, "multiplications wait for each other"


class Recorded(NamedTuple):
    """What a launch passes: sizes by name, and the bytes of the parameters."""

    sizes: dict[str, list[int]]
    parameters: list[bytes]


@pytest.fixture(scope="module")
def recorded(folder: Path, cuda_include: Path) -> dict[str, Recorded]:
    """The DSL's own launches, by configuration: compiled, linked with a runtime that prints, and called on this CPU."""
    places = {config.id: folder / f"launch_{config.id}" for config in CONFIGS}
    for place in places.values():
        place.mkdir()
    jobs = json.dumps([(name, str(place)) for name, place in places.items()])
    exported = subprocess.run([sys.executable, "-c", EXPORT, jobs], capture_output=True, text=True)
    assert exported.returncode == 0, exported.stderr[-2000:]
    return {config.id: _record(places[config.id], cuda_include, config) for config in CONFIGS}


def _record(place: Path, cuda_include: Path, config: KernelConfig) -> Recorded:
    program, blocks = place / "launch", 4 * config.cluster[0]
    # The header that the DSL writes calls CUDA's runtime where it loads a kernel; that part is not run.
    unused = ["-Wl,--gc-sections", "-Wl,--unresolved-symbols=ignore-all"]
    command = ["g++", "-std=c++17", "-w", "-ffunction-sections", f"-I{place}", f"-I{cuda_include}"]
    built = subprocess.run(
        [*command, RECORDER, place / "gemm.o", *unused, "-o", program], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    numbers = map(str, (*ADDRESSES, *STEPS, *SIZES, blocks))
    lines = subprocess.run([program, *numbers], capture_output=True, text=True, check=True).stdout.splitlines()
    named = {words[0]: list(map(int, words[1:])) for line in lines if len(words := line.split()) > 1}
    return Recorded(named, [bytes.fromhex(line) for line in lines if re.fullmatch("[0-9a-f]+", line)])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_we_launch_as_the_dsl_does(recorded: dict[str, Recorded], config: KernelConfig) -> None:
    theirs, ours = recorded[config.id].sizes, launch_shape(config, 4 * config.cluster[0])
    assert theirs["grid"] == list(ours.grid)
    assert theirs["block"] == list(ours.block)
    assert theirs["shared"] == [ours.shared_bytes]
    assert theirs["cluster"] == list(ours.attributes[0].value[:3])


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_parameters_are_in_the_order_in_which_we_pass_them(recorded: dict[str, Recorded], config: KernelConfig) -> None:
    from immabench.cute_dsl.driver import Driver
    from immabench.cute_dsl.launch import Addresses, Vector, kernel_parameters
    from immabench.problems import Problem

    class NoMaps(Driver):
        def tensor_map(self, *arguments: object) -> ctypes.Array[ctypes.c_char]:
            return ctypes.create_string_buffer(128)

    vectors = (Vector(address, step) for address, step in zip(ADDRESSES[3:], STEPS, strict=True))
    ours = kernel_parameters(NoMaps(None), config, Problem(*SIZES), Addresses(*ADDRESSES[:3], *vectors))
    theirs = recorded[config.id].parameters
    assert [len(one) for one in theirs] == [ctypes.sizeof(one) for one in ours]
    for place in (1, 3, *range(4, len(ours))):
        assert theirs[place] == bytes(ours[place]), place


def test_boxes_are_those_we_ask_the_driver_for(recorded: dict[str, Recorded]) -> None:
    """What a tensor map's bits mean is not documented, but equal boxes of equal tensors have equal bits."""
    by_id = {config.id: recorded[config.id].parameters for config in CONFIGS}
    plain = by_id["cute_dsl_s8s8s32_128x128x128_w2_s6_sm90a"]
    a, b = (plain[place][:64] for place in (0, 2))
    assert [struct.unpack("<Q", one[:8])[0] for one in (a, b)] == list(ADDRESSES[:2])
    halves = by_id["cute_dsl_s8s8s32_128x256x128_w2_c2x1_s4_sm90a"]
    assert (halves[0][:64], halves[2][:64]) == (a, b)  # each block loads 128 of the 256 columns
    quarter = by_id["cute_dsl_s8s8s32_128x128x128_w2_c2x1_s6_sm90a"][2][:64]
    assert quarter != b
    small = by_id["cute_dsl_s8s8s32_64x128x128_w1_s4_sm90a"]
    assert (small[0][:64] != a, small[2][:64]) == (True, b)
