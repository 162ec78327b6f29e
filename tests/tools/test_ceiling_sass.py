"""What the loops that measure instructions must look like as machine code: that instruction, and hardly any other."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

import cuda_tools
import pytest

from immabench.profile.loops import natural_loops
from immabench.profile.sass import Instruction, describe_code, parse_listing

native = pytest.importorskip("immabench._native", reason="the native module is not built; pip install .")

Kernels = dict[tuple[str, str], list[Instruction]]

MMA = {
    "mma.m16n8k32.s8": ("mma", "S8K32", "IMMA.16832.S8.S8"),
    "mma.m16n8k16.s8": ("mma", "S8K16", "IMMA.16816.S8.S8"),
    "mma.m16n8k64.s4": ("mma", "S4K64", "IMMA.16864.S4.S4"),
    "mma.m16n8k256.b1.and.popc": ("mma", "B1K256", "BMMA.168256.AND.POPC"),
    "mma.m16n8k16.f16": ("mma", "F16", "HMMA.16816.F32"),
    "mma.m16n8k16.f16.f16": ("mma", "F16F16", "HMMA.16816.F16"),
    "mma.m16n8k16.bf16": ("mma", "BF16", "HMMA.16816.F32.BF16"),
    "mma.m16n8k8.tf32": ("mma", "TF32", "HMMA.1688.F32.TF32"),
    "mma.m16n8k32.e4m3": ("mma", "E4M3", "QMMA.16832.F32.E4M3.E4M3"),
    "wgmma.m64n256k32.s8": ("wgmma", "S8", "IGMMA.64x256x32.S8.S8"),
    "wgmma.m64n256k32.s8, A in registers": ("wgmma", "S8FromRegisters", "IGMMA.64x256x32.S8.S8"),
    "wgmma.m64n256k16.f16": ("wgmma", "F16", "HGMMA.64x256x16.F32"),
    "wgmma.m64n256k16.bf16": ("wgmma", "BF16", "HGMMA.64x256x16.F32.BF16"),
    "wgmma.m64n256k8.tf32": ("wgmma", "TF32", "HGMMA.64x256x8.F32.TF32"),
    "wgmma.m64n256k32.e4m3": ("wgmma", "E4M3", "QGMMA.64x256x32.F32.E4M3.E4M3"),
}
"""Name in `ceilings()` -> kernel, tag of its template, the SASS opcode it must be."""

WARPS = {"mma": 8, "wgmma": 2}
"""Of a block: what issues an instruction is a warp, or a warpgroup."""
ABSENT = {"mma.m16n8k32.e4m3": ("sm_80", "sm_86", "sm_87", "sm_90", "sm_90a")}
EMULATED = {"mma.m16n8k64.s4": ("sm_90", "sm_90a")}


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    """SASS of every rate kernel of the installed module: (architecture, symbol) -> instructions."""
    if not native.build_info()["cuda"]:
        pytest.skip("immabench was built with IMMABENCH_CUDA=OFF")
    folder = tmp_path_factory.mktemp("cubins")
    tools = cuda_tools.make_runnable(folder / "tools", "cuobjdump", "nvdisasm")
    if missing := [name for name, path in tools.items() if path is None]:
        pytest.skip(f"no {' and no '.join(missing)}: pip install 'immabench[cuda]'")
    subprocess.run([tools["cuobjdump"], "-xelf", "ceiling_present", native.__file__], cwd=folder, check=True)
    found: Kernels = {}
    for cubin in folder.glob("*.cubin"):
        arch = re.search(r"sm_\d+[af]?", cubin.name)
        assert arch
        listing = subprocess.run([tools["nvdisasm"], "-json", cubin], capture_output=True, text=True, check=True).stdout
        found |= {(arch[0], symbol): code for symbol, code in parse_listing(listing).items()}
    assert {arch for arch, _ in found} == set(native.build_info()["architectures"])
    return found


def code_of(kernels: Kernels, arch: str, name: str) -> list[Instruction]:
    kernel, tag, _ = MMA[name]
    # Itanium mangling: a name is preceded by its length.
    pattern = f"{len(kernel) + 12}{kernel}_rate_kernel.*{kernel}_kinds{len(tag)}{tag}E"
    (code,) = (code for (of, symbol), code in kernels.items() if of == arch and re.search(pattern, symbol))
    return [line for line in code if not line.never_runs and line.mnemonic != "NOP"]


def timed_part(code: Sequence[Instruction]) -> list[Instruction]:
    """What lies between the two readings of the clock."""
    first, last = (index for index, line in enumerate(code) if "SR_CLOCKLO" in line.operands)
    return list(code[first + 1 : last])


def the_loop(code: Sequence[Instruction], opcode: str) -> list[Instruction]:
    """The one innermost loop that holds the instruction."""
    (loop,) = (loop for loop in natural_loops(code) if any(code[index].opcode == opcode for index in loop))
    return [code[index] for index in sorted(loop)]


def is_compiled(arch: str, name: str) -> bool:
    if name.startswith("wgmma"):
        return arch == "sm_90a"
    return arch not in ABSENT.get(name, ())


def cases() -> list[tuple[str, str]]:
    return [(arch, name) for arch in native.build_info()["architectures"] for name in MMA]


def test_every_rate_is_looked_at() -> None:
    listed = {entry["name"] for entry in native.ceilings() if entry["device"] == "cuda"}
    if not listed:
        pytest.skip("immabench was built with IMMABENCH_CUDA=OFF")
    assert listed == set(MMA)


@pytest.mark.parametrize(("arch", "name"), cases())
def test_the_loop_is_the_instruction(kernels: Kernels, arch: str, name: str) -> None:
    code, (kernel, _, opcode) = code_of(kernels, arch, name), MMA[name]
    if not is_compiled(arch, name):
        assert not any(line.is_matrix_multiply for line in code)
        assert not any("SR_CLOCKLO" in line.operands for line in code)
        return
    if arch in EMULATED.get(name, ()):
        assert any(line.mnemonic == "CALL" for line in timed_part(code))
        return
    (entry,) = (entry for entry in native.ceilings() if entry["name"] == name)
    loop = describe_code(the_loop(code, opcode))
    assert loop["mma"] == {opcode: entry["instructions"] // WARPS[kernel]}
    assert not {"CALL", "LDL", "STL", "LDG", "STG", "LDS", "STS", "BAR"} & set(loop["histogram"])
    others = loop["instructions"] - loop["mma"][opcode]
    if kernel == "mma":
        assert others <= 4  # a counter, a comparison, a branch
    else:
        # Descriptors on their way to uniform registers; the fence and the wait once, not around each instruction, as
        # where ptxas serialises. Each instruction keeps the tensor cores busy for 128 clocks, which hides those.
        assert loop["histogram"]["WARPGROUP"] == 2
        assert others <= 4 * loop["mma"][opcode]


@pytest.mark.parametrize(("arch", "name"), cases())
def test_no_spills_and_every_instruction_is_timed(kernels: Kernels, arch: str, name: str) -> None:
    code, opcode = code_of(kernels, arch, name), MMA[name][2]
    assert not [line for line in code if line.mnemonic in ("LDL", "STL")]
    if is_compiled(arch, name) and arch not in EMULATED.get(name, ()):
        assert sum(line.opcode == opcode for line in code) == sum(line.opcode == opcode for line in timed_part(code))


@pytest.mark.parametrize("arch", native.build_info()["architectures"])
def test_memory_is_read_past_l1_in_vectors(kernels: Kernels, arch: str) -> None:
    for kernel in ("read_kernel", "copy_kernel"):
        (code,) = (code for (of, symbol), code in kernels.items() if of == arch and kernel in symbol)
        loads = [line.opcode for line in code if line.mnemonic == "LDG"]
        assert set(loads) == {"LDG.E.128.STRONG.GPU"}
        assert len(loads) % 4 == 0
        assert not [line for line in code if line.mnemonic in ("LDL", "STL")]
